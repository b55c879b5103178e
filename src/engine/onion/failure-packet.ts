import { concat, equalSecret } from '../base/bytes.ts'
import { hmacSha256 } from '../crypto/hash.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding } from '../wire/errors.ts'
import { MAX_HOPS, peelAttribution } from './attribution.ts'
import { type DecodedFailure, decodeFailure } from './failure.ts'
import { deriveKey, obfuscate } from './keys.ts'

/** BOLT 4 §Erring node: `failure_len + pad_len` is at least this. */
const PADDED_LENGTH = 256
/** BOLT 4 §Origin node: decryption is repeated this often, so that its time does not tell where the error came from. */
const ROUNDS = 27
const DUMMY_SECRET = new Uint8Array(32).fill(1)

/**
 * The return packet of a node that fails an HTLC, before obfuscation: HMAC, message and padding.
 * @param message `encodeFailure(…)`
 * @param paddedLength the message's space, 256 unless there is a reason
 */
export function createFailurePacket(
  sharedSecret: Uint8Array,
  message: Uint8Array,
  paddedLength = PADDED_LENGTH,
): Uint8Array {
  const padding = new Uint8Array(Math.max(0, paddedLength - message.length))
  const body = new Writer().blob(message).blob(padding).finish()
  return concat(hmacSha256(deriveKey('um', sharedSecret), body), body)
}

/** Obfuscates a return packet on its way to the sender: once by the node that erred, once by each before it. */
export const wrapFailurePacket = (sharedSecret: Uint8Array, packet: Uint8Array): Uint8Array =>
  obfuscate('ammag', sharedSecret, packet)

/** The `reason` of our own `update_fail_htlc`. */
export const failurePacket = (sharedSecret: Uint8Array, message: Uint8Array): Uint8Array =>
  wrapFailurePacket(sharedSecret, createFailurePacket(sharedSecret, message))

/** What the sender learns from a failed HTLC. */
export interface FailureReport {
  /** Who failed it and how; undefined when no hop's HMAC matches: the packet was damaged on its way. */
  readonly source: { readonly hop: number; readonly failure: DecodedFailure } | undefined
  /** Proven hold times in units of 100 ms, hop by hop from the first. Empty without attribution data. */
  readonly holdTimes: readonly number[]
  /** With attribution data and no source: the first hop whose part does not prove itself; it or the one before is to blame. */
  readonly blamed: number | undefined
}

/**
 * BOLT 4 §Origin node: reads the `reason` that reached the sender.
 * @param sharedSecrets of the route, from `constructOnion`
 * @param attributionData of `update_fail_htlc`, when it was there
 */
export function readFailure(input: {
  readonly sharedSecrets: readonly Uint8Array[]
  readonly reason: Uint8Array
  readonly attributionData?: Uint8Array | undefined
}): FailureReport {
  const { sharedSecrets } = input
  let packet = input.reason
  // Attribution has room for 20 hops: it says nothing about a longer route.
  let attribution = sharedSecrets.length > MAX_HOPS ? undefined : input.attributionData
  let source: FailureReport['source']
  let blamed: number | undefined
  const holdTimes: number[] = []
  for (let hop = 0; hop < Math.max(ROUNDS, sharedSecrets.length); hop++) {
    const sharedSecret = sharedSecrets[hop] ?? DUMMY_SECRET
    packet = obfuscate('ammag', sharedSecret, packet)
    const message = openPacket(sharedSecret, packet)
    if (source !== undefined || hop >= sharedSecrets.length) continue
    if (attribution !== undefined) {
      const hopsBehind = sharedSecrets.length - 1 - hop
      const peeled = peelAttribution({ sharedSecret, hopsBehind, returnPacket: packet, data: attribution })
      if (peeled === undefined) blamed = hop
      else holdTimes.push(peeled.holdTime)
      attribution = peeled?.rest
    }
    const failure = message === undefined ? undefined : decodeFailure(message)
    if (failure !== undefined) source = { hop, failure }
  }
  return { source, holdTimes, blamed: source === undefined ? blamed : undefined }
}

/** The message of a return packet that this hop wrote, or undefined. */
function openPacket(sharedSecret: Uint8Array, packet: Uint8Array): Uint8Array | undefined {
  const body = packet.subarray(32)
  const hmac = hmacSha256(deriveKey('um', sharedSecret), body)
  if (!equalSecret(hmac, packet.subarray(0, 32))) return undefined
  const message = decoding(() => new Reader(body).blob('failure message'))
  return message.ok ? message.value : undefined
}
