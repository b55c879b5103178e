import { compareBytes, concat, utf8 } from '../base/bytes.ts'
import { signSchnorr, verifySchnorr } from '../crypto/curve.ts'
import { sha256, taggedHash } from '../crypto/hash.ts'
import { Writer } from '../wire/codec.ts'
import { encodeTlvRecords, type TlvRecord } from '../wire/tlv.ts'

/** BOLT 12 §Signature Calculation: the types that hold signatures, and are not signed. */
export const isSignature = (type: bigint): boolean => type >= 240n && type <= 1000n

/** The one signature of a stream. */
export const SIGNATURE_TYPE = 240n

/** What signs: tags have the stream's name and the field's in them. */
export type SignedStream = 'invoice_request' | 'invoice'

/** SHA256(SHA256(tag) ‖ SHA256(tag) ‖ message) for a tag of bytes, which is of one use only: `taggedHash` would keep it. */
function hashUnder(tag: Uint8Array, message: Uint8Array): Uint8Array {
  const t = sha256(tag)
  return sha256(t, t, message)
}

const branch = (a: Uint8Array, b: Uint8Array): Uint8Array =>
  compareBytes(a, b) < 0 ? taggedHash('LnBranch', a, b) : taggedHash('LnBranch', b, a)

/** The merkle root (32 bytes) of a stream of at least one record that is no signature. Throws (a defect) without one. */
export function merkleRoot(records: readonly TlvRecord[]): Uint8Array {
  const signed = records.filter((record) => !isSignature(record.type))
  const first = signed[0]
  if (first === undefined) throw new RangeError('merkleRoot: no records')
  const nonceTag = concat(utf8('LnNonce'), encodeTlvRecords([first]))
  let level = signed.map((record) =>
    branch(
      taggedHash('LnLeaf', encodeTlvRecords([record])),
      hashUnder(nonceTag, new Writer().bigsize(record.type).finish()),
    ),
  )
  // Pairs from the front, what is left over goes up alone: the deepest tree is on the lowest leaves.
  while (level.length > 1) {
    const next: Uint8Array[] = []
    for (let i = 0; i < level.length; i += 2) {
      const [a, b] = [level[i] as Uint8Array, level[i + 1]]
      next.push(b === undefined ? a : branch(a, b))
    }
    level = next
  }
  return level[0] as Uint8Array
}

/** What is signed: 32 bytes. */
export const signatureDigest = (stream: SignedStream, records: readonly TlvRecord[]): Uint8Array =>
  taggedHash(`lightning${stream}signature`, merkleRoot(records))

/** The records with their signature (BIP 340, 64 bytes) behind. `aux`: 32 random bytes. Throws (a defect) on an invalid secret. */
export function signStream(
  stream: SignedStream,
  records: readonly TlvRecord[],
  secret: Uint8Array,
  aux: Uint8Array,
): readonly TlvRecord[] {
  const value = signSchnorr(signatureDigest(stream, records), secret, aux)
  const signature = { type: SIGNATURE_TYPE, value }
  return [
    ...records.filter((r) => r.type < SIGNATURE_TYPE),
    signature,
    ...records.filter((r) => r.type > SIGNATURE_TYPE),
  ]
}

/** Whether a stream is signed by a key (33 bytes). */
export function isSignedBy(stream: SignedStream, records: readonly TlvRecord[], key: Uint8Array): boolean {
  const signature = records.find((record) => record.type === SIGNATURE_TYPE)?.value
  if (signature?.length !== 64) return false
  return verifySchnorr(signature, signatureDigest(stream, records), key.subarray(1))
}
