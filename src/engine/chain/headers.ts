import { equalBytes, fromHex } from '../base/bytes.ts'
import { err, ok, type Result, unwrap } from '../base/result.ts'
import { checkHeaderContext, type HeaderAt, type HeaderFault, POW_RULES } from '../bitcoin/difficulty.ts'
import {
  type BlockHash,
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  hashHeaderBytes,
  meetsTarget,
  workOfBits,
} from '../bitcoin/header.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { Checkpoint } from './checkpoints.ts'

/** Headers of a chunk: a day's worth, 11,520 bytes, the unit that is stored. 2016 is a multiple of it. */
export const CHUNK_HEADERS = 144

/** Consecutive headers; `start` is the height of the first. Chunks begin at multiples of CHUNK_HEADERS, but for the first. */
export interface HeaderChunk {
  readonly start: number
  readonly bytes: Uint8Array
}

export interface ChainTip {
  readonly height: number
  readonly hash: BlockHash
  /** Seconds since 1970. */
  readonly time: number
  /** Work up to and including this block. */
  readonly work: bigint
}

/** The verified chain with most work, from `base` (a checkpoint, or what pruning left) to the tip without gaps. */
export interface HeaderChain {
  readonly network: NetworkName
  /** Height of the first header held. */
  readonly base: number
  readonly chunks: readonly HeaderChunk[]
  readonly tip: ChainTip
}

/** A chain of the checkpoint alone. */
export function chainFromCheckpoint(network: NetworkName, checkpoint: Checkpoint): HeaderChain {
  const { height, header, work } = checkpoint
  const { time } = unwrap(decodeHeader(header), 'checkpoint')
  return {
    network,
    base: height,
    chunks: [{ start: height, bytes: header }],
    tip: { height, hash: hashHeaderBytes(header), time, work },
  }
}

/** The 80 bytes at a height, or undefined outside the chain. */
export function headerBytesAt(chain: HeaderChain, height: number): Uint8Array | undefined {
  const first = chain.chunks[0]
  if (!first || height < chain.base || height > chain.tip.height) return undefined
  const index = Math.floor(height / CHUNK_HEADERS) - Math.floor(first.start / CHUNK_HEADERS)
  const chunk = chain.chunks[index]
  if (!chunk) return undefined
  const at = (height - chunk.start) * HEADER_BYTES
  return chunk.bytes.subarray(at, at + HEADER_BYTES)
}

/** The header at a height, or undefined outside the chain. */
export function headerAt(chain: HeaderChain, height: number): BlockHeader | undefined {
  const bytes = headerBytesAt(chain, height)
  return bytes ? unwrap(decodeHeader(bytes)) : undefined
}

/** The hash at a height, or undefined outside the chain. */
export function hashAt(chain: HeaderChain, height: number): BlockHash | undefined {
  if (height === chain.tip.height) return chain.tip.hash
  return height < chain.base ? undefined : headerAt(chain, height + 1)?.prevHash
}

/** The height of a hash within the last `depth` blocks, or undefined. */
export function heightOf(chain: HeaderChain, hash: BlockHash, depth: number): number | undefined {
  if (hash === chain.tip.hash) return chain.tip.height
  const wanted = fromHex(hash).reverse()
  const lowest = Math.max(chain.base, chain.tip.height - depth)
  for (let h = chain.tip.height - 1; h >= lowest; h--) {
    const next = headerBytesAt(chain, h + 1)
    if (next && equalBytes(next.subarray(4, 36), wanted)) return h
  }
  return undefined
}

/** Why headers did not become our chain. Only `lessWork` and `future` are no offence. */
export type ConnectFault = HeaderFault | 'lessWork'

export interface Connected {
  readonly chain: HeaderChain
  /** The highest block that both chains share. */
  readonly forkHeight: number
  /** Blocks that were taken off; 0 when the chain only grew. */
  readonly disconnected: number
}

/**
 * Checks headers that begin at height `from` against the rules and adopts them when their branch has more work than ours
 * (of equal branches the first seen stays, as in Bitcoin Core). `now` in milliseconds bounds their times.
 */
export function connectHeaders(
  chain: HeaderChain,
  from: number,
  headers: readonly BlockHeader[],
  now: number,
): Result<Connected, ConnectFault> {
  const rules = POW_RULES[chain.network]
  // What we have already needs no second look.
  let skip = 0
  let parentHash = hashAt(chain, from - 1)
  if (parentHash === undefined) return err('unlinked')
  const encoded = headers.map(encodeHeader)
  for (const bytes of encoded) {
    const hash = hashHeaderBytes(bytes)
    if (hashAt(chain, from + skip) !== hash) break
    parentHash = hash
    skip++
  }
  const start = from + skip
  const branch = headers.slice(skip)
  const at: HeaderAt = (h) => (h < start ? headerAt(chain, h) : branch[h - start])
  let work = 0n
  for (const [i, header] of branch.entries()) {
    const checked = checkHeaderContext(rules, at, parentHash, start + i, header, now / 1000)
    if (!checked.ok) return checked
    const hash = hashHeaderBytes(encoded[skip + i] as Uint8Array)
    if (!meetsTarget(hash, header.bits, rules.powLimit)) return err('pow')
    parentHash = hash
    work += workOfBits(header.bits)
  }
  const forkHeight = start - 1
  const ours = workAbove(chain, forkHeight)
  if (work <= ours) return err('lessWork')
  const last = branch.at(-1) as BlockHeader
  const height = forkHeight + branch.length
  return ok({
    chain: {
      ...chain,
      chunks: spliceChunks(chain.chunks, start, encoded.slice(skip)),
      tip: { height, hash: parentHash, time: last.time, work: chain.tip.work - ours + work },
    },
    forkHeight,
    disconnected: chain.tip.height - forkHeight,
  })
}

/** Work of the blocks above a height. */
function workAbove(chain: HeaderChain, height: number): bigint {
  let work = 0n
  for (let h = height + 1; h <= chain.tip.height; h++) work += workOfBits(headerAt(chain, h)?.bits ?? 0)
  return work
}

/** The chunks with everything from height `start` on replaced. */
function spliceChunks(
  chunks: readonly HeaderChunk[],
  start: number,
  headers: readonly Uint8Array[],
): readonly HeaderChunk[] {
  const kept = chunks.filter((c) => c.start < start)
  const parts: { start: number; pieces: Uint8Array[] }[] = []
  const last = kept.at(-1)
  if (last && Math.floor(start / CHUNK_HEADERS) === Math.floor(last.start / CHUNK_HEADERS)) {
    kept.pop()
    parts.push({ start: last.start, pieces: [last.bytes.subarray(0, (start - last.start) * HEADER_BYTES)] })
  }
  for (const [i, header] of headers.entries()) {
    const height = start + i
    const open = parts.at(-1)
    if (!open || height % CHUNK_HEADERS === 0) parts.push({ start: height, pieces: [header] })
    else open.pieces.push(header)
  }
  return [...kept, ...parts.map((p) => ({ start: p.start, bytes: join(p.pieces) }))]
}

const join = (pieces: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(pieces.reduce((n, p) => n + p.length, 0))
  let at = 0
  for (const p of pieces) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** Drops whole chunks that lie more than `keep` blocks below the tip. */
export function pruneHeaders(chain: HeaderChain, keep: number): HeaderChain {
  const floor = chain.tip.height - keep
  const chunks = chain.chunks.filter((c) => c.start + c.bytes.length / HEADER_BYTES > floor)
  const first = chunks[0]
  return !first || chunks.length === chain.chunks.length ? chain : { ...chain, chunks, base: first.start }
}
