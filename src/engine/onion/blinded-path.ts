import type { Result } from '../base/result.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding, refuse, type WireError } from '../wire/errors.ts'

/**
 * Where a blinded path begins (BOLT 1 `sciddir_or_pubkey`): a node, or one end of a channel, which is shorter; direction 0 is
 * `node_id_1` of its announcement, the lesser of both ids.
 */
export type IntroductionNode =
  | {
      /** 33 bytes */
      readonly nodeId: Uint8Array
    }
  | { readonly shortChannelId: bigint; readonly direction: 0 | 1 }

/** A hop as the sender sees it: blinded id (33 bytes) and a blob to put in that hop's payload. */
export interface BlindedHop {
  readonly blindedNodeId: Uint8Array
  readonly encryptedRecipientData: Uint8Array
}

/** BOLT 4 §Route Blinding, `blinded_path`: of payments and of onion messages. */
export interface BlindedPath {
  readonly introduction: IntroductionNode
  /** 33 bytes */
  readonly firstPathKey: Uint8Array
  /** The introduction node first, the recipient last; at least one. */
  readonly hops: readonly BlindedHop[]
}

/** BOLT 12 `blinded_payinfo`: what all of a path costs and bears. The limits are as sent: 2^64 − 1 means none. */
export interface BlindedPayInfo {
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: bigint
  readonly htlcMaximumMsat: bigint
  /** A feature vector, big endian. */
  readonly features: Uint8Array
}

/** A blinded path that can be paid by. */
export interface BlindedPaymentPath {
  readonly path: BlindedPath
  readonly payInfo: BlindedPayInfo
}

/** Paths that one field may list. BOLT 12 has no bound; nobody sends more than a few. */
export const MAX_BLINDED_PATHS = 32

/** A point that is used without another look, so it is checked to be on the curve here. */
export function checkedPoint(r: Reader): Uint8Array {
  const point = r.point()
  if (!isPublicKey(point)) refuse('bad_value', 'point is not on the curve')
  return point
}

/** Reads a `sciddir_or_pubkey`. Inside `decoding` only. */
export function readIntroduction(r: Reader): IntroductionNode {
  const first = r.u8()
  if (first === 0 || first === 1) return { direction: first, shortChannelId: r.u64() }
  const rest = r.bytes(32)
  const nodeId = new Uint8Array(33)
  nodeId[0] = first
  nodeId.set(rest, 1)
  return { nodeId: checkedPoint(new Reader(nodeId)) }
}

/** Writes a `sciddir_or_pubkey`. */
export const writeIntroduction = (w: Writer, node: IntroductionNode): Writer =>
  'nodeId' in node ? w.point(node.nodeId) : w.u8(node.direction).u64(node.shortChannelId)

/** Reads a `blinded_path`. BOLT 4: a path without hops is refused. Inside `decoding` only. */
export function readBlindedPath(r: Reader): BlindedPath {
  const introduction = readIntroduction(r)
  const firstPathKey = checkedPoint(r)
  const count = r.u8()
  if (count === 0) refuse('bad_value', 'blinded path without hops')
  const hops: BlindedHop[] = []
  for (let i = 0; i < count; i++)
    hops.push({ blindedNodeId: checkedPoint(r), encryptedRecipientData: r.blob('recipient data') })
  return { introduction, firstPathKey, hops }
}

/** Writes a `blinded_path` of 1 to 255 hops. */
export function writeBlindedPath(w: Writer, path: BlindedPath): Writer {
  writeIntroduction(w, path.introduction).point(path.firstPathKey).u8(path.hops.length)
  for (const hop of path.hops) w.point(hop.blindedNodeId).blob(hop.encryptedRecipientData)
  return w
}

/** Reads a `blinded_payinfo`. Inside `decoding` only. */
export const readPayInfo = (r: Reader): BlindedPayInfo => ({
  feeBaseMsat: r.u32(),
  feeProportionalMillionths: r.u32(),
  cltvExpiryDelta: r.u16(),
  htlcMinimumMsat: r.u64(),
  htlcMaximumMsat: r.u64(),
  features: r.blob('features'),
})

/** Writes a `blinded_payinfo`. */
export const writePayInfo = (w: Writer, info: BlindedPayInfo): Writer =>
  w
    .u32(info.feeBaseMsat)
    .u32(info.feeProportionalMillionths)
    .u16(info.cltvExpiryDelta)
    .u64(info.htlcMinimumMsat)
    .u64(info.htlcMaximumMsat)
    .blob(info.features)

/** Reads all that is left as a list (`...*blinded_path`, `...*blinded_payinfo`), bounded. Inside `decoding` only. */
export function readList<T>(r: Reader, read: (r: Reader) => T): readonly T[] {
  const out: T[] = []
  while (r.left > 0) {
    if (out.length === MAX_BLINDED_PATHS) refuse('too_many', `more than ${MAX_BLINDED_PATHS} blinded paths`)
    out.push(read(r))
  }
  return out
}

/** A whole `blinded_path`. */
export const decodeBlindedPath = (bytes: Uint8Array): Result<BlindedPath, WireError> =>
  decoding(() => {
    const r = new Reader(bytes)
    const path = readBlindedPath(r)
    r.end('blinded path')
    return path
  })

/** Bytes of a `blinded_path`. Throws (a defect) on values out of range. */
export const encodeBlindedPath = (path: BlindedPath): Uint8Array =>
  writeBlindedPath(new Writer(), path).finish()
