import { fromHex, reversed, toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { hash256 } from '../crypto/hash.ts'

/** A block hash: 64 lower-case hex digits in display order. */
export type BlockHash = string

/** Length of a serialized block header. */
export const HEADER_BYTES = 80

/** A block header as plain data. Hashes are in display order; integers are unsigned 32-bit. */
export interface BlockHeader {
  readonly version: number
  readonly prevHash: BlockHash
  readonly merkleRoot: string
  /** Seconds since 1970, as the miner states it. */
  readonly time: number
  /** The target in compact form ("nBits"). */
  readonly bits: number
  readonly nonce: number
}

/** What the first block's `prevHash` is. */
export const ZERO_HASH: BlockHash = '00'.repeat(32)

/** 80 bytes to a header; an error for any other length. Says nothing about proof of work. */
export function decodeHeader(bytes: Uint8Array): Result<BlockHeader> {
  if (bytes.length !== HEADER_BYTES) return err(`header: ${bytes.length} bytes instead of ${HEADER_BYTES}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES)
  return ok({
    version: view.getUint32(0, true),
    prevHash: toHex(reversed(bytes.subarray(4, 36))),
    merkleRoot: toHex(reversed(bytes.subarray(36, 68))),
    time: view.getUint32(68, true),
    bits: view.getUint32(72, true),
    nonce: view.getUint32(76, true),
  })
}

/** A header to its 80 bytes. */
export function encodeHeader(header: BlockHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, header.version, true)
  bytes.set(fromHex(header.prevHash).reverse(), 4)
  bytes.set(fromHex(header.merkleRoot).reverse(), 36)
  view.setUint32(68, header.time, true)
  view.setUint32(72, header.bits, true)
  view.setUint32(76, header.nonce, true)
  return bytes
}

/** The hash of an 80-byte header in display order. */
export const hashHeaderBytes = (bytes: Uint8Array): BlockHash => toHex(hash256(bytes).reverse())

/** The hash of a header in display order. */
export const hashHeader = (header: BlockHeader): BlockHash => hashHeaderBytes(encodeHeader(header))

/**
 * The target that compact `bits` stand for, or undefined where consensus refuses them: negative, zero or above 256 bits
 * (Bitcoin Core arith_uint256::SetCompact and DeriveTarget).
 */
export function bitsToTarget(bits: number): bigint | undefined {
  const size = bits >>> 24
  const word = bits & 0x007fffff
  const target = size <= 3 ? BigInt(word >>> (8 * (3 - size))) : BigInt(word) << BigInt(8 * (size - 3))
  if (target === 0n || (bits & 0x00800000) !== 0) return undefined
  return target < 1n << 256n ? target : undefined
}

/** The compact form of a target: it keeps the three leading bytes only (arith_uint256::GetCompact). */
export function targetToBits(target: bigint): number {
  let size = Math.ceil(target.toString(16).length / 2)
  let word = size <= 3 ? Number(target << BigInt(8 * (3 - size))) : Number(target >> BigInt(8 * (size - 3)))
  // The top bit of the word is a sign: a value that would set it moves to the next size.
  if ((word & 0x00800000) !== 0) {
    word >>>= 8
    size += 1
  }
  return ((size << 24) | word) >>> 0
}

/** Expected number of hashes that a header with these bits stands for: 2^256 / (target + 1); 0 for invalid bits. */
export function workOfBits(bits: number): bigint {
  const target = bitsToTarget(bits)
  return target === undefined ? 0n : (1n << 256n) / (target + 1n)
}

/** Whether a block hash meets the target of `bits`, and the target is no easier than the network's limit. */
export function meetsTarget(hash: BlockHash, bits: number, powLimit: bigint): boolean {
  const target = bitsToTarget(bits)
  return target !== undefined && target <= powLimit && BigInt(`0x${hash}`) <= target
}
