import { concat, equalSecret } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { ecdh, isPublicKey } from '../crypto/curve.ts'
import { hmacSha256, sha256 } from '../crypto/hash.ts'
import { Reader } from '../wire/codec.ts'
import { decoding, refuse } from '../wire/errors.ts'
import { blindedSecret } from './blinding.ts'
import { HMAC_LENGTH, PACKET_LENGTH, PAYLOADS_LENGTH } from './construct.ts'
import type { BadOnionName } from './failure.ts'
import { blindPoint, deriveKey, streamOf, xorInto } from './keys.ts'

/** One layer of an onion. */
export interface PeeledOnion {
  /** Our TLV stream, for `decodeHopPayload`. */
  readonly payload: Uint8Array
  /** 32 bytes: what failures for this HTLC are written and wrapped with. */
  readonly sharedSecret: Uint8Array
  /** The 1366 bytes for the next hop; undefined when we are the last. */
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
  const sharedSecret = ecdh(secret, ephemeralKey)

  const payloads = packet.subarray(34, 34 + PAYLOADS_LENGTH)
  const hmac = hmacSha256(deriveKey('mu', sharedSecret), concat(payloads, associatedData))
  if (!equalSecret(hmac, packet.subarray(PACKET_LENGTH - HMAC_LENGTH))) return malformed('invalid_onion_hmac')

  // The 1300 bytes and as many zeros behind them, under the stream: what is behind becomes the next hop's tail.
  const unwrapped = streamOf('rho', sharedSecret, 2 * PAYLOADS_LENGTH)
  xorInto(unwrapped, payloads)
  const reader = new Reader(unwrapped)
  const frame = decoding(() => {
    const length = reader.length(PAYLOADS_LENGTH, 'hop payload')
    // BOLT 4 §hop_payloads: lengths 0 and 1 are reserved.
    if (length < 2) refuse('bad_length', `hop payload of ${length} bytes`)
    const payload = reader.bytes(length)
    const nextHmac = reader.bytes(HMAC_LENGTH)
    if (reader.left < PAYLOADS_LENGTH) refuse('truncated', 'hop payload beyond the packet')
    return { payload, nextHmac }
  })
  if (!frame.ok)
    return pathKey === undefined ? err({ action: 'fail', sharedSecret }) : malformed('invalid_onion_blinding')
  const { payload, nextHmac } = frame.value
  if (nextHmac.every((b) => b === 0)) return ok({ payload, sharedSecret, next: undefined })
  const next = concat(
    Uint8Array.of(0),
    blindPoint(ephemeralKey, sharedSecret),
    unwrapped.subarray(reader.position, reader.position + PAYLOADS_LENGTH),
    nextHmac,
  )
  return ok({ payload, sharedSecret, next })
}
