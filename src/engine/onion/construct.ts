import { concat } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ecdhOnce, isPublicKey, publicKey } from '../crypto/curve.ts'
import { hmacSha256 } from '../crypto/hash.ts'
import { Writer } from '../wire/codec.ts'
import { blindSecret, deriveKey, streamOf, xorInto } from './keys.ts'

/** BOLT 4 §Packet Structure: bytes of the payloads and of the whole packet. */
export const PAYLOADS_LENGTH = 1300
export const PACKET_LENGTH = 1366
export const HMAC_LENGTH = 32

/** One hop of a route to build an onion for. */
export interface OnionHop {
  /** Node id, or blinded node id inside a blinded path: 33 bytes. */
  readonly pubkey: Uint8Array
  /** The hop's TLV stream (`encodeHopPayload`), without a length; at least 2 bytes. */
  readonly payload: Uint8Array
}

export interface BuiltOnion {
  /** 1366 bytes, for `update_add_htlc`; 66 more than `payloadsLength` otherwise. */
  readonly packet: Uint8Array
  /** One a hop, 32 bytes: what failures from the route are read with. Kept with the payment attempt. */
  readonly sharedSecrets: readonly Uint8Array[]
}

/** `too_large`: the payloads of these hops do not fit 1300 bytes. `no_hops`, `bad_pubkey`, `bad_payload`: the input. */
export type OnionBuildError = 'too_large' | 'no_hops' | 'bad_pubkey' | 'bad_payload'

/** Bytes that a payload takes in a packet: its length, itself, its HMAC. For route finding: their sum is at most 1300. */
export const payloadSpace = (payloadLength: number): number =>
  (payloadLength < 253 ? 1 : 3) + payloadLength + HMAC_LENGTH

/**
 * BOLT 4 §Packet Construction.
 * @param sessionKey 32 fresh random bytes, a valid secret key, never used for another packet
 * @param associatedData what the HMACs commit to besides: the payment hash
 * @param payloadsLength 1300 for payments; onion messages have longer ones too
 */
export function constructOnion(input: {
  readonly sessionKey: Uint8Array
  readonly associatedData: Uint8Array
  readonly hops: readonly OnionHop[]
  readonly payloadsLength?: number
}): Result<BuiltOnion, OnionBuildError> {
  const { sessionKey, associatedData, hops, payloadsLength = PAYLOADS_LENGTH } = input
  if (hops.length === 0) return err('no_hops')
  const frames: Uint8Array[] = []
  let total = 0
  for (const hop of hops) {
    if (hop.payload.length < 2) return err('bad_payload')
    total += payloadSpace(hop.payload.length)
    if (total > payloadsLength) return err('too_large')
    if (!isPublicKey(hop.pubkey)) return err('bad_pubkey')
    frames.push(new Writer().bigsize(hop.payload.length).bytes(hop.payload).finish())
  }
  const sharedSecrets = routeSecrets(
    sessionKey,
    hops.map((h) => h.pubkey),
  )
  // One stream a hop serves its obfuscation and the filler: all payloads' bytes and as many more as the hop shifts in.
  const streams = sharedSecrets.map((s, i) =>
    streamOf('rho', s, payloadsLength + (frames[i] as Uint8Array).length + HMAC_LENGTH),
  )
  const filler = generateFiller(
    streams,
    frames.map((f) => f.length + HMAC_LENGTH),
    payloadsLength,
  )

  const payloads = streamOf('pad', sessionKey, payloadsLength)
  let hmac: Uint8Array = new Uint8Array(HMAC_LENGTH)
  for (let i = hops.length - 1; i >= 0; i--) {
    const frame = frames[i] as Uint8Array
    payloads.copyWithin(frame.length + HMAC_LENGTH, 0)
    payloads.set(frame)
    payloads.set(hmac, frame.length)
    xorInto(payloads, streams[i] as Uint8Array)
    if (i === hops.length - 1) payloads.set(filler, payloadsLength - filler.length)
    hmac = hmacSha256(deriveKey('mu', sharedSecrets[i] as Uint8Array), concat(payloads, associatedData))
  }
  return ok({ packet: concat(Uint8Array.of(0), publicKey(sessionKey), payloads, hmac), sharedSecrets })
}

/** BOLT 4 §Shared Secret: ECDH of the running ephemeral key with each hop. */
function routeSecrets(sessionKey: Uint8Array, pubkeys: readonly Uint8Array[]): Uint8Array[] {
  let secret = sessionKey
  return pubkeys.map((pubkey, i) => {
    const shared = ecdhOnce(secret, pubkey)
    if (i < pubkeys.length - 1) secret = blindSecret(secret, publicKey(secret), shared)
    return shared
  })
}

/**
 * BOLT 4 §Filler Generation: what the last hop will find at the end of its payloads, after every earlier hop has shifted
 * in zeros and run its stream over them. Each hop's part of the stream is the one that lies over the growing tail.
 */
function generateFiller(
  streams: readonly Uint8Array[],
  shifts: readonly number[],
  payloadsLength: number,
): Uint8Array {
  let filler: Uint8Array = new Uint8Array(0)
  for (let i = 0; i < shifts.length - 1; i++) {
    const shift = shifts[i] as number
    const grown = new Uint8Array(filler.length + shift)
    grown.set(filler)
    xorInto(grown, (streams[i] as Uint8Array).subarray(payloadsLength - filler.length))
    filler = grown
  }
  return filler
}
