import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import type { TlvRecord } from '../wire/tlv.ts'
import { type HopPayload, PAYLOAD_TYPE, type PayloadError } from './payload.ts'

/** What an onion layer asks of us, once its fields are in order among themselves (BOLT 4 §payload format, the reader). */
export type HopInstruction =
  | {
      readonly kind: 'forward'
      readonly amtToForward: Msat
      readonly outgoingCltvValue: number
      readonly shortChannelId: bigint
    }
  | {
      readonly kind: 'receive'
      readonly amtToForward: Msat
      readonly outgoingCltvValue: number
      /** `payment_data.total_msat`, or `amt_to_forward` where there is none. */
      readonly totalMsat: Msat
      readonly paymentSecret: Uint8Array | undefined
      readonly paymentMetadata: Uint8Array | undefined
      readonly keysendPreimage: Uint8Array | undefined
      readonly custom: readonly TlvRecord[]
    }
  | {
      /** Inside a blinded path: amounts and the next hop are in the recipient data (`openRecipientData`, `relayBlinded`). */
      readonly kind: 'forward_blinded'
      readonly encryptedRecipientData: Uint8Array
      readonly pathKey: Uint8Array
      /** We are where the path begins: failures go back as `invalid_onion_blinding` in `update_fail_htlc`. */
      readonly introduction: boolean
    }
  | {
      readonly kind: 'receive_blinded'
      readonly encryptedRecipientData: Uint8Array
      readonly pathKey: Uint8Array
      readonly introduction: boolean
      readonly amtToForward: Msat
      readonly outgoingCltvValue: number
      readonly totalMsat: Msat
    }

/**
 * Decides what a payload asks for.
 * @param final whether the onion ended with us
 * @param pathKey of the incoming `update_add_htlc`
 */
export function instructionOf(
  payload: HopPayload,
  final: boolean,
  pathKey?: Uint8Array,
): Result<HopInstruction, PayloadError> {
  return payload.encryptedRecipientData === undefined
    ? plain(payload, final, pathKey)
    : blinded(payload, payload.encryptedRecipientData, final, pathKey)
}

/** BOLT 4: the record is missing, or it must not be there. Its place is not worth telling. */
const fault = (type: bigint): Result<never, PayloadError> => err({ type, offset: 0 })

function plain(p: HopPayload, final: boolean, pathKey?: Uint8Array): Result<HopInstruction, PayloadError> {
  // BOLT 4: MUST return an error if path_key is set in update_add_htlc or current_path_key is present.
  if (pathKey !== undefined) return fault(PAYLOAD_TYPE.encryptedRecipientData)
  if (p.currentPathKey !== undefined) return fault(PAYLOAD_TYPE.currentPathKey)
  const { amtToForward, outgoingCltvValue } = p
  if (amtToForward === undefined) return fault(PAYLOAD_TYPE.amtToForward)
  if (outgoingCltvValue === undefined) return fault(PAYLOAD_TYPE.outgoingCltvValue)
  if (!final) {
    if (p.shortChannelId === undefined) return fault(PAYLOAD_TYPE.shortChannelId)
    // The writer MUST NOT include payment_data for a hop that is not the last.
    if (p.paymentData !== undefined) return fault(PAYLOAD_TYPE.paymentData)
    return ok({ kind: 'forward', amtToForward, outgoingCltvValue, shortChannelId: p.shortChannelId })
  }
  return ok({
    kind: 'receive',
    amtToForward,
    outgoingCltvValue,
    totalMsat: p.paymentData?.totalMsat ?? amtToForward,
    paymentSecret: p.paymentData?.paymentSecret,
    paymentMetadata: p.paymentMetadata,
    keysendPreimage: p.keysendPreimage,
    custom: p.custom ?? [],
  })
}

function blinded(
  p: HopPayload,
  encryptedRecipientData: Uint8Array,
  final: boolean,
  incoming?: Uint8Array,
): Result<HopInstruction, PayloadError> {
  if (incoming !== undefined && p.currentPathKey !== undefined) return fault(PAYLOAD_TYPE.currentPathKey)
  const pathKey = incoming ?? p.currentPathKey
  if (pathKey === undefined) return fault(PAYLOAD_TYPE.currentPathKey)
  // BOLT 4: MUST return an error if the payload contains other tlv fields than these.
  const allowed = new Set<string>(['encryptedRecipientData', 'currentPathKey'])
  if (final) for (const name of FINAL_BLINDED) allowed.add(name)
  if (p.custom !== undefined && p.custom.length > 0) return fault(p.custom[0]?.type ?? 0n)
  for (const name of Object.keys(PAYLOAD_TYPE) as (keyof typeof PAYLOAD_TYPE)[])
    if (p[name] !== undefined && !allowed.has(name)) return fault(PAYLOAD_TYPE[name])
  const introduction = incoming === undefined
  if (!final) return ok({ kind: 'forward_blinded', encryptedRecipientData, pathKey, introduction })
  const { amtToForward, outgoingCltvValue, totalAmountMsat } = p
  if (amtToForward === undefined) return fault(PAYLOAD_TYPE.amtToForward)
  if (outgoingCltvValue === undefined) return fault(PAYLOAD_TYPE.outgoingCltvValue)
  if (totalAmountMsat === undefined) return fault(PAYLOAD_TYPE.totalAmountMsat)
  return ok({
    kind: 'receive_blinded',
    encryptedRecipientData,
    pathKey,
    introduction,
    amtToForward,
    outgoingCltvValue,
    totalMsat: totalAmountMsat,
  })
}

const FINAL_BLINDED = ['amtToForward', 'outgoingCltvValue', 'totalAmountMsat'] as const
