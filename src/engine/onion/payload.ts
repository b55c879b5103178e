import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding, type WireError } from '../wire/errors.ts'
import { readTlvs, type TlvRecord, type TlvSchema, tlv, tlvBytes, writeTlvs } from '../wire/tlv.ts'

/** BOLT 4 §payload format: `payment_data`. */
export interface PaymentData {
  /** 32 bytes */
  readonly paymentSecret: Uint8Array
  readonly totalMsat: Msat
}

interface Fields {
  readonly amtToForward?: Msat
  readonly outgoingCltvValue?: number
  readonly shortChannelId?: bigint
  readonly paymentData?: PaymentData
  readonly encryptedRecipientData?: Uint8Array
  /** 33 bytes */
  readonly currentPathKey?: Uint8Array
  readonly paymentMetadata?: Uint8Array
  readonly totalAmountMsat?: Msat
  /** 32 bytes (keysend; not in BOLT 4) */
  readonly keysendPreimage?: Uint8Array
}

/** A hop's TLV stream. `custom` holds unknown odd records, in order of type. */
export interface HopPayload extends Fields {
  readonly custom?: readonly TlvRecord[]
}

/** `invalid_onion_payload`: the record at fault and its byte offset, 0 where the fault is not a single record. */
export interface PayloadError {
  readonly type: bigint
  readonly offset: number
}

/** TLV types of the onion payload (BOLT 4), and keysend's, which all implementations share. */
export const PAYLOAD_TYPE = {
  amtToForward: 2n,
  outgoingCltvValue: 4n,
  shortChannelId: 6n,
  paymentData: 8n,
  encryptedRecipientData: 10n,
  currentPathKey: 12n,
  paymentMetadata: 16n,
  totalAmountMsat: 18n,
  keysendPreimage: 5_482_373_484n,
} as const

const SCHEMA: TlvSchema<Fields> = {
  amtToForward: tlv(
    PAYLOAD_TYPE.amtToForward,
    (r) => r.tmsat(),
    (w, v) => w.tmsat(v),
  ),
  outgoingCltvValue: tlv(
    PAYLOAD_TYPE.outgoingCltvValue,
    (r) => r.tu32(),
    (w, v) => w.tu32(v),
  ),
  shortChannelId: tlv(
    PAYLOAD_TYPE.shortChannelId,
    (r) => r.u64(),
    (w, v) => w.u64(v),
  ),
  paymentData: tlv(
    PAYLOAD_TYPE.paymentData,
    (r) => ({ paymentSecret: r.bytes(32), totalMsat: r.tmsat() }),
    (w, v) => w.bytes(v.paymentSecret, 32).tmsat(v.totalMsat),
  ),
  encryptedRecipientData: tlvBytes(PAYLOAD_TYPE.encryptedRecipientData),
  currentPathKey: tlv(
    PAYLOAD_TYPE.currentPathKey,
    (r) => r.point(),
    (w, v) => w.point(v),
  ),
  paymentMetadata: tlvBytes(PAYLOAD_TYPE.paymentMetadata),
  totalAmountMsat: tlv(
    PAYLOAD_TYPE.totalAmountMsat,
    (r) => r.tmsat(),
    (w, v) => w.tmsat(v),
  ),
  keysendPreimage: tlvBytes(PAYLOAD_TYPE.keysendPreimage, 32),
}

/** Bytes of a payload, without the length that `constructOnion` puts before it. Throws (a defect) on values out of range. */
export function encodeHopPayload(payload: HopPayload): Uint8Array {
  const { custom, ...fields } = payload
  const writer = new Writer()
  writeTlvs(writer, SCHEMA, fields, custom)
  return writer.finish()
}

/** Reads a payload. Unknown even types, disorder and bad values are errors for `invalid_onion_payload`. */
export function decodeHopPayload(bytes: Uint8Array): Result<HopPayload, PayloadError> {
  const custom: TlvRecord[] = []
  const fields = decoding(() => readTlvs(new Reader(bytes), SCHEMA, (record) => custom.push(record)))
  if (!fields.ok) return err(locate(bytes, fields.error))
  return ok(custom.length === 0 ? fields.value : { ...fields.value, custom })
}

/** The byte offset of the record at fault: the last one of its type that can be reached from the start. */
function locate(bytes: Uint8Array, error: WireError): PayloadError {
  const type = error.tlvType
  if (type === undefined) return { type: 0n, offset: 0 }
  let offset = 0
  decoding(() => {
    const reader = new Reader(bytes)
    while (reader.left > 0) {
      const at = reader.position
      if (reader.bigsize() === type) offset = at
      reader.bytes(reader.length())
    }
  })
  return { type, offset }
}
