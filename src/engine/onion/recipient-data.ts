import { err, ok, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding, type WireError } from '../wire/errors.ts'
import { readTlvs, type TlvRecord, type TlvSchema, tlv, tlvBytes, writeTlvs } from '../wire/tlv.ts'
import { checkedPoint } from './blinded-path.ts'

/** What a blinded hop charges (BOLT 4 `payment_relay`). */
export interface PaymentRelay {
  readonly cltvExpiryDelta: number
  readonly feeProportionalMillionths: number
  readonly feeBaseMsat: number
}

/** When a blinded path may be used (BOLT 4 `payment_constraints`). */
export interface PaymentConstraints {
  readonly maxCltvExpiry: number
  readonly htlcMinimumMsat: Msat
}

interface Fields {
  readonly padding?: Uint8Array
  readonly shortChannelId?: bigint
  /** 33 bytes */
  readonly nextNodeId?: Uint8Array
  readonly pathId?: Uint8Array
  /** 33 bytes */
  readonly nextPathKeyOverride?: Uint8Array
  readonly paymentRelay?: PaymentRelay
  readonly paymentConstraints?: PaymentConstraints
  /** A feature vector, big endian. */
  readonly allowedFeatures?: Uint8Array
}

/** BOLT 4 `encrypted_data_tlv`, in the clear. `unknown` holds odd records we do not know. */
export interface RecipientData extends Fields {
  readonly unknown?: readonly TlvRecord[]
}

const SCHEMA: TlvSchema<Fields> = {
  padding: tlvBytes(1),
  shortChannelId: tlv(
    2,
    (r) => r.u64(),
    (w, v) => w.u64(v),
  ),
  nextNodeId: tlv(4, checkedPoint, (w, v) => w.point(v)),
  pathId: tlvBytes(6),
  nextPathKeyOverride: tlv(8, checkedPoint, (w, v) => w.point(v)),
  paymentRelay: tlv(
    10,
    (r) => ({
      cltvExpiryDelta: r.u16(),
      feeProportionalMillionths: r.u32(),
      feeBaseMsat: r.tu32(),
    }),
    (w, v) => w.u16(v.cltvExpiryDelta).u32(v.feeProportionalMillionths).tu32(v.feeBaseMsat),
  ),
  paymentConstraints: tlv(
    12,
    (r) => ({ maxCltvExpiry: r.u32(), htlcMinimumMsat: r.tmsat() }),
    (w, v) => w.u32(v.maxCltvExpiry).tmsat(v.htlcMinimumMsat),
  ),
  allowedFeatures: tlvBytes(14),
}

/** Bytes of an `encrypted_data_tlv`, for `createBlindedPath`. Throws (a defect) on values out of range. */
export function encodeRecipientData(data: RecipientData): Uint8Array {
  const { unknown, ...fields } = data
  const writer = new Writer()
  writeTlvs(writer, SCHEMA, fields, unknown)
  return writer.finish()
}

/** Reads what `openRecipientData` opened. Unknown even fields are an error (BOLT 4 §Route Blinding). */
export function decodeRecipientData(bytes: Uint8Array): Result<RecipientData, WireError> {
  const unknown: TlvRecord[] = []
  const fields = decoding(() => readTlvs(new Reader(bytes), SCHEMA, (record) => unknown.push(record)))
  if (!fields.ok) return fields
  return ok(unknown.length === 0 ? fields.value : { ...fields.value, unknown })
}

/** Where a blinded hop sends an HTLC on. */
export interface BlindedForward {
  readonly next:
    | { readonly shortChannelId: bigint }
    | {
        /** 33 bytes */
        readonly nodeId: Uint8Array
      }
  readonly amtToForward: Msat
  readonly outgoingCltvValue: number
}

/** Why a blinded hop refuses. All are told as `invalid_onion_blinding`; the difference is for our log. */
export type BlindedError = 'features' | 'expiry' | 'amount' | 'next_hop' | 'no_relay' | 'fee' | 'cltv_delta'

/**
 * BOLT 4 §payload format, the reader, for any hop of a blinded path: constraints on expiry and amount, and no feature that
 * we do not know (we know none). Undefined when all is well.
 */
export function refuseBlinded(
  data: RecipientData,
  amountMsat: Msat,
  cltvExpiry: number,
): BlindedError | undefined {
  if (data.allowedFeatures?.some((byte) => byte !== 0)) return 'features'
  const limits = data.paymentConstraints
  if (limits !== undefined && cltvExpiry > limits.maxCltvExpiry) return 'expiry'
  if (limits !== undefined && amountMsat < limits.htlcMinimumMsat) return 'amount'
  return data.shortChannelId !== undefined && data.nextNodeId !== undefined ? 'next_hop' : undefined
}

/** The forward that a blinded hop which is not the last is told to make, from the incoming HTLC. */
export function relayBlinded(
  data: RecipientData,
  amountMsat: Msat,
  cltvExpiry: number,
): Result<BlindedForward, BlindedError> {
  const refusal = refuseBlinded(data, amountMsat, cltvExpiry)
  if (refusal !== undefined) return err(refusal)
  const relay = data.paymentRelay
  if (relay === undefined) return err('no_relay')
  const next =
    data.shortChannelId !== undefined
      ? { shortChannelId: data.shortChannelId }
      : data.nextNodeId !== undefined
        ? { nodeId: data.nextNodeId }
        : undefined
  if (next === undefined) return err('next_hop')
  const base = BigInt(relay.feeBaseMsat)
  if (amountMsat < base) return err('fee')
  const rate = 1_000_000n + BigInt(relay.feeProportionalMillionths)
  // BOLT 4: ((amount_msat - fee_base_msat) * 1000000 + 1000000 + fee_proportional_millionths - 1) / (1000000 + fee_proportional_millionths)
  const amtToForward = msat(((amountMsat - base) * 1_000_000n + rate - 1n) / rate)
  if (cltvExpiry < relay.cltvExpiryDelta) return err('cltv_delta')
  return ok({ next, amtToForward, outgoingCltvValue: cltvExpiry - relay.cltvExpiryDelta })
}
