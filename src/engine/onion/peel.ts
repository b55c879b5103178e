import { concat, equalSecret } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ecdh, isPublicKey } from '../crypto/curve.ts'
import { hmacSha256, sha256 } from '../crypto/hash.ts'
import { Reader } from '../wire/codec.ts'
import { decoding, refuse } from '../wire/errors.ts'
import { blindedSecret } from './blinding.ts'
import { HMAC_LENGTH, PACKET_LENGTH } from './construct.ts'
import type { BadOnionName } from './failure.ts'
import { blindPoint, deriveKey, streamOf, xorInto } from './keys.ts'

/** Version and ephemeral key. */
const HEADER_LENGTH = 34

/** One layer of an onion. */
export interface PeeledOnion {
  /** Our TLV stream, for `decodeHopPayload`. */
  readonly payload: Uint8Array
  /** 32 bytes: what failures for this HTLC are written and wrapped with. */
  readonly sharedSecret: Uint8Array
  /** The packet for the next hop, of the same length; undefined when we are the last. */
  readonly next: Uint8Array | undefined
}

/**
 * How an onion that cannot be peeled is answered.
 * - `malformed`: `update_fail_malformed_htlc` with that code and hash; nothing can be encrypted to the sender.
 * - `fail`: `update_fail_htlc` with `invalid_onion_payload` (type 0, offset 0) under the shared secret.
 */
export type PeelFailure =
  | { readonly action: 'malformed'; readonly name: BadOnionName; readonly sha256OfOnion: Uint8Array }
  | { readonly action: 'fail'; readonly sharedSecret: Uint8Array }

/**
 * BOLT 4 §Onion Decryption, for payments. Whether this HMAC came before (replays) is for the caller to know.
 * @param packet 1366 bytes
 * @param associatedData the payment hash
 * @param nodeSecret our node's secret, 32 bytes
 * @param pathKey the `path_key` that came in `update_add_htlc`; with it every failure is `invalid_onion_blinding`
 */
export function peelOnion(input: {
  readonly packet: Uint8Array
  readonly associatedData: Uint8Array
  readonly nodeSecret: Uint8Array
  readonly pathKey?: Uint8Array | undefined
}): Result<PeeledOnion, PeelFailure> {
  const { packet, associatedData, nodeSecret, pathKey } = input
  const malformed = (name: BadOnionName): Result<never, PeelFailure> =>
    err({
      action: 'malformed',
      // BOLT 4 §Failure Messages: MUST return invalid_onion_blinding if path_key is set.
      name: pathKey === undefined ? name : 'invalid_onion_blinding',
      sha256OfOnion: sha256(packet),
    })
  if (packet[0] !== 0) return malformed('invalid_onion_version')
  if (packet.length !== PACKET_LENGTH) return malformed('invalid_onion_hmac')
  const ephemeralKey = packet.slice(1, 34)
  if (!isPublicKey(ephemeralKey)) return malformed('invalid_onion_key')
  if (pathKey !== undefined && !isPublicKey(pathKey)) return malformed('invalid_onion_blinding')
  const secret = pathKey === undefined ? nodeSecret : blindedSecret(nodeSecret, pathKey)
  const layer = unwrapLayer(packet, ephemeralKey, secret, associatedData)
  if (layer.ok) return layer
  if (layer.error.reason === 'hmac') return malformed('invalid_onion_hmac')
  // BOLT 4 §hop_payloads: lengths 0 and 1 are reserved.
  return pathKey === undefined
    ? err({ action: 'fail', sharedSecret: layer.error.sharedSecret })
    : malformed('invalid_onion_blinding')
}

/** Why a layer does not come off: not for this key, or altered; or a payload of no length that there is. */
export interface LayerError {
  readonly reason: 'hmac' | 'payload'
  readonly sharedSecret: Uint8Array
}

/**
 * Takes one layer off a packet of any length (66 bytes and the payloads), of version 0 and with a valid key.
 * @param secret the node's, or the one of its blinded id
 * @param least the shortest payload: 2 for payments, 0 for messages
 */
export function unwrapLayer(
  packet: Uint8Array,
  ephemeralKey: Uint8Array,
  secret: Uint8Array,
  associatedData: Uint8Array,
  least = 2,
): Result<PeeledOnion, LayerError> {
  const size = packet.length - HEADER_LENGTH - HMAC_LENGTH
  const sharedSecret = ecdh(secret, ephemeralKey)
  const payloads = packet.subarray(HEADER_LENGTH, HEADER_LENGTH + size)
  const hmac = hmacSha256(deriveKey('mu', sharedSecret), concat(payloads, associatedData))
  if (!equalSecret(hmac, packet.subarray(HEADER_LENGTH + size))) return err({ reason: 'hmac', sharedSecret })

  // The payloads and as many zeros behind them, under the stream: what is behind becomes the next hop's tail.
  const unwrapped = streamOf('rho', sharedSecret, 2 * size)
  xorInto(unwrapped, payloads)
  const reader = new Reader(unwrapped)
  const frame = decoding(() => {
    const length = reader.length(size, 'hop payload')
    if (length < least) refuse('bad_length', `hop payload of ${length} bytes`)
    const payload = reader.bytes(length)
    const nextHmac = reader.bytes(HMAC_LENGTH)
    if (reader.left < size) refuse('truncated', 'hop payload beyond the packet')
    return { payload, nextHmac }
  })
  if (!frame.ok) return err({ reason: 'payload', sharedSecret })
  const { payload, nextHmac } = frame.value
  if (nextHmac.every((b) => b === 0)) return ok({ payload, sharedSecret, next: undefined })
  const next = concat(
    Uint8Array.of(0),
    blindPoint(ephemeralKey, sharedSecret),
    unwrapped.subarray(reader.position, reader.position + size),
    nextHmac,
  )
  return ok({ payload, sharedSecret, next })
}
