import type { Msat } from '../base/units.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding } from '../wire/errors.ts'

/** BOLT 4 §Failure Messages: flags in the top byte of a failure code. */
export const BADONION = 0x8000
export const PERM = 0x4000
export const NODE = 0x2000
export const UPDATE = 0x1000

/** Failure codes by name, as BOLT 4 lists them. */
export const FAILURE_CODES = {
  temporary_node_failure: NODE | 2,
  permanent_node_failure: PERM | NODE | 2,
  required_node_feature_missing: PERM | NODE | 3,
  invalid_onion_version: BADONION | PERM | 4,
  invalid_onion_hmac: BADONION | PERM | 5,
  invalid_onion_key: BADONION | PERM | 6,
  temporary_channel_failure: UPDATE | 7,
  permanent_channel_failure: PERM | 8,
  required_channel_feature_missing: PERM | 9,
  unknown_next_peer: PERM | 10,
  amount_below_minimum: UPDATE | 11,
  fee_insufficient: UPDATE | 12,
  incorrect_cltv_expiry: UPDATE | 13,
  expiry_too_soon: UPDATE | 14,
  incorrect_or_unknown_payment_details: PERM | 15,
  final_incorrect_cltv_expiry: 18,
  final_incorrect_htlc_amount: 19,
  channel_disabled: UPDATE | 20,
  expiry_too_far: 21,
  invalid_onion_payload: PERM | 22,
  mpp_timeout: 23,
  invalid_onion_blinding: BADONION | PERM | 24,
} as const

export type FailureName = keyof typeof FAILURE_CODES

/** The failures that travel as `update_fail_malformed_htlc`, because nothing can be encrypted to the sender. */
export type BadOnionName =
  | 'invalid_onion_version'
  | 'invalid_onion_hmac'
  | 'invalid_onion_key'
  | 'invalid_onion_blinding'

type PlainName =
  | 'temporary_node_failure'
  | 'permanent_node_failure'
  | 'required_node_feature_missing'
  | 'permanent_channel_failure'
  | 'required_channel_feature_missing'
  | 'unknown_next_peer'
  | 'expiry_too_far'
  | 'mpp_timeout'

/**
 * A failure message. `channelUpdate` is empty where none is given (BOLT 4 asks for that today) and otherwise opaque: with
 * or without its message type, by the habits of the node that sent it. `unknown` holds codes that BOLT 4 does not list,
 * and listed ones whose data is cut short.
 */
export type FailureMessage =
  | { readonly name: PlainName }
  | { readonly name: BadOnionName; readonly sha256OfOnion: Uint8Array }
  | {
      readonly name: 'temporary_channel_failure' | 'expiry_too_soon'
      readonly channelUpdate: Uint8Array
    }
  | {
      readonly name: 'amount_below_minimum' | 'fee_insufficient'
      readonly htlcMsat: Msat
      readonly channelUpdate: Uint8Array
    }
  | {
      readonly name: 'incorrect_cltv_expiry'
      readonly cltvExpiry: number
      readonly channelUpdate: Uint8Array
    }
  | {
      readonly name: 'incorrect_or_unknown_payment_details'
      readonly htlcMsat: Msat
      readonly height: number
    }
  | { readonly name: 'final_incorrect_cltv_expiry'; readonly cltvExpiry: number }
  | { readonly name: 'final_incorrect_htlc_amount'; readonly incomingHtlcMsat: Msat }
  | {
      readonly name: 'channel_disabled'
      readonly disabledFlags: number
      readonly channelUpdate: Uint8Array
    }
  | { readonly name: 'invalid_onion_payload'; readonly type: bigint; readonly offset: number }
  | { readonly name: 'unknown'; readonly code: number; readonly data: Uint8Array }

/** A failure message as read: `extra` is what follows the fields that we know (a TLV stream, by BOLT 4). */
export interface DecodedFailure {
  readonly code: number
  readonly failure: FailureMessage
  readonly extra: Uint8Array
}

const NAMES: ReadonlyMap<number, FailureName> = new Map(
  Object.entries(FAILURE_CODES).map(([name, code]) => [code, name as FailureName]),
)

/** The name of a code, or undefined for one that BOLT 4 does not list. */
export const failureName = (code: number): FailureName | undefined => NAMES.get(code)

/** The code of a failure. */
export const failureCode = (failure: FailureMessage): number =>
  failure.name === 'unknown' ? failure.code : FAILURE_CODES[failure.name]

/** The flags of a failure code. */
export const failureFlags = (
  code: number,
): {
  readonly badOnion: boolean
  readonly permanent: boolean
  readonly node: boolean
  readonly update: boolean
} => ({
  badOnion: (code & BADONION) !== 0,
  permanent: (code & PERM) !== 0,
  node: (code & NODE) !== 0,
  update: (code & UPDATE) !== 0,
})

/** Bytes of a failure message, with `extra` (a TLV stream) behind its fields. */
export function encodeFailure(failure: FailureMessage, extra: Uint8Array = new Uint8Array(0)): Uint8Array {
  const w = new Writer().u16(failureCode(failure))
  switch (failure.name) {
    case 'unknown':
      w.bytes(failure.data)
      break
    case 'invalid_onion_version':
    case 'invalid_onion_hmac':
    case 'invalid_onion_key':
    case 'invalid_onion_blinding':
      w.bytes(failure.sha256OfOnion, 32)
      break
    case 'temporary_channel_failure':
    case 'expiry_too_soon':
      w.blob(failure.channelUpdate)
      break
    case 'amount_below_minimum':
    case 'fee_insufficient':
      w.msat(failure.htlcMsat).blob(failure.channelUpdate)
      break
    case 'incorrect_cltv_expiry':
      w.u32(failure.cltvExpiry).blob(failure.channelUpdate)
      break
    case 'incorrect_or_unknown_payment_details':
      w.msat(failure.htlcMsat).u32(failure.height)
      break
    case 'final_incorrect_cltv_expiry':
      w.u32(failure.cltvExpiry)
      break
    case 'final_incorrect_htlc_amount':
      w.msat(failure.incomingHtlcMsat)
      break
    case 'channel_disabled':
      w.u16(failure.disabledFlags).blob(failure.channelUpdate)
      break
    case 'invalid_onion_payload':
      w.bigsize(failure.type).u16(failure.offset)
      break
    default:
      break
  }
  return w.bytes(extra).finish()
}

/**
 * Reads a failure message. Undefined only when there is no code at all: a sender must be able to act on the code of a
 * failure whose data it cannot read (BOLT 4 §Receiving Failure Codes: extra bytes MUST be ignored).
 */
export function decodeFailure(bytes: Uint8Array): DecodedFailure | undefined {
  if (bytes.length < 2) return undefined
  const reader = new Reader(bytes)
  const code = reader.u16()
  const name = failureName(code)
  const read = name === undefined ? undefined : decoding(() => readFields(name, reader))
  if (read?.ok) return { code, failure: read.value, extra: bytes.slice(reader.position) }
  return { code, failure: { name: 'unknown', code, data: bytes.slice(2) }, extra: new Uint8Array(0) }
}

function readFields(name: FailureName, r: Reader): FailureMessage {
  switch (name) {
    case 'invalid_onion_version':
    case 'invalid_onion_hmac':
    case 'invalid_onion_key':
    case 'invalid_onion_blinding':
      return { name, sha256OfOnion: r.bytes(32) }
    case 'temporary_channel_failure':
    case 'expiry_too_soon':
      return { name, channelUpdate: r.blob() }
    case 'amount_below_minimum':
    case 'fee_insufficient':
      return { name, htlcMsat: r.msat(), channelUpdate: r.blob() }
    case 'incorrect_cltv_expiry':
      return { name, cltvExpiry: r.u32(), channelUpdate: r.blob() }
    case 'incorrect_or_unknown_payment_details':
      return { name, htlcMsat: r.msat(), height: r.u32() }
    case 'final_incorrect_cltv_expiry':
      return { name, cltvExpiry: r.u32() }
    case 'final_incorrect_htlc_amount':
      return { name, incomingHtlcMsat: r.msat() }
    case 'channel_disabled':
      return { name, disabledFlags: r.u16(), channelUpdate: r.blob() }
    case 'invalid_onion_payload':
      return { name, type: r.bigsize(), offset: r.u16() }
    default:
      return { name }
  }
}
