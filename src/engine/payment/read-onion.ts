import { equalBytes } from '../base/bytes.ts'
import type { Msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { type BlindedHopAsk, type BlindedPlace, failBlinded } from '../onion/blinded-failure.ts'
import { openRecipientData } from '../onion/blinding.ts'
import { encodeFailure, FAILURE_CODES, type FailureMessage } from '../onion/failure.ts'
import { failurePacket } from '../onion/failure-packet.ts'
import { type HopInstruction, instructionOf } from '../onion/instruction.ts'
import { decodeHopPayload } from '../onion/payload.ts'
import { peelOnion } from '../onion/peel.ts'
import { decodeRecipientData, refuseBlinded, relayBlinded } from '../onion/recipient-data.ts'
import type { HtlcRemoval, IncomingHtlc } from './types.ts'

/** What an onion wants of us, blinded layers opened (BOLT 4 §Onion Decryption, §Route Blinding). */

/** An HTLC to pass on. */
export interface ForwardRead {
  /** Where to: a channel of ours, or a peer (33 bytes). */
  readonly to: { readonly shortChannelId: bigint } | { readonly nodeId: Uint8Array }
  readonly amtToForward: Msat
  readonly outgoingCltvValue: number
  /** 32 bytes, of the layer that came to us. */
  readonly sharedSecret: Uint8Array
  /** 1366 bytes */
  readonly next: Uint8Array
  readonly blinded?: BlindedHopAsk
}

/** An HTLC for us, by a blinded path of ours. */
export interface BlindedReceive {
  /** Absent: ordinary failures tell no more than the sender knows, since the path has no hop but us. */
  readonly place?: BlindedPlace
  readonly sha256OfOnion: Uint8Array
  readonly pathId: Uint8Array
  /** What reaches the last of our own layers: less than the HTLC where dummy hops charge something. */
  readonly amountMsat: Msat
  readonly cltvExpiry: number
}

/** An HTLC for us. */
export interface ReceiveRead {
  readonly asked: Omit<Extract<HopInstruction, { kind: 'receive' }>, 'kind'>
  readonly sharedSecret: Uint8Array
  readonly blinded?: BlindedReceive
}

export type OnionRead =
  | { readonly kind: 'forward'; readonly forward: ForwardRead }
  | { readonly kind: 'receive'; readonly receive: ReceiveRead }
  | {
      readonly kind: 'refused'
      readonly refusal: 'onion' | 'payload' | 'blinded'
      readonly removal: HtlcRemoval
      /** 32 bytes, where the outermost layer could be read. */
      readonly sharedSecret?: Uint8Array
    }

/** Reads the onion of a received HTLC. Layers that a blinded path of our own wraps around its last hop (dummies) are taken off here. */
export function readOnion(htlc: IncomingHtlc, nodeSecret: Uint8Array): OnionRead {
  const { id } = htlc
  let { onion: packet, pathKey, amountMsat, cltvExpiry } = htlc
  // With a path key every fault is told as `invalid_onion_blinding`, backwards only.
  let place: BlindedPlace | undefined = pathKey === undefined ? undefined : 'inside'
  let outermost: Uint8Array | undefined
  const fail = (secret: Uint8Array, failure: FailureMessage): OnionRead => ({
    kind: 'refused',
    refusal: 'payload',
    removal: { type: 'fail', id, reason: failurePacket(secret, encodeFailure(failure)) },
    sharedSecret: secret,
  })
  const blinded = (at: BlindedPlace, secret: Uint8Array): OnionRead => ({
    kind: 'refused',
    refusal: 'blinded',
    removal: failBlinded({ place: at, sha256OfOnion: sha256(htlc.onion) }, id, secret),
    ...(at === 'introduction' ? { sharedSecret: secret } : {}),
  })
  // Each layer takes 60 bytes of the packet at least, so the loop ends.
  for (;;) {
    const peeled = peelOnion({ packet, associatedData: htlc.paymentHash, nodeSecret, pathKey })
    if (!peeled.ok) {
      if (place !== undefined && outermost !== undefined) return blinded(place, outermost)
      const { error } = peeled
      if (error.action === 'fail')
        return fail(error.sharedSecret, { name: 'invalid_onion_payload', type: 0n, offset: 0 })
      const { name, sha256OfOnion } = error
      const failureCode = FAILURE_CODES[name]
      return {
        kind: 'refused',
        refusal: place === undefined ? 'onion' : 'blinded',
        removal: { type: 'malformed', id, sha256OfOnion, failureCode },
      }
    }
    const { payload, sharedSecret, next } = peeled.value
    outermost ??= sharedSecret
    const fields = decodeHopPayload(payload)
    // BOLT 4 §Failure Messages: with current_path_key, unless we are the last, all that is told is invalid_onion_blinding.
    if (fields.ok && fields.value.currentPathKey !== undefined && next !== undefined) place ??= 'introduction'
    const asked = fields.ok ? instructionOf(fields.value, next === undefined, pathKey) : fields
    if (!asked.ok) {
      return place === undefined
        ? fail(sharedSecret, { name: 'invalid_onion_payload', ...asked.error })
        : blinded(place, outermost)
    }
    const { value } = asked
    if (value.kind === 'receive') return { kind: 'receive', receive: { asked: value, sharedSecret } }
    if (value.kind === 'forward') {
      const { shortChannelId, amtToForward, outgoingCltvValue } = value
      // `instructionOf` says `forward` only where something follows.
      const forward = { to: { shortChannelId }, amtToForward, outgoingCltvValue, sharedSecret }
      return { kind: 'forward', forward: { ...forward, next: next as Uint8Array } }
    }

    const at = place ?? 'introduction'
    const opened = openRecipientData(nodeSecret, value.pathKey, value.encryptedRecipientData)
    const data = opened.ok ? decodeRecipientData(opened.value.data) : opened
    if (!opened.ok || !data.ok) return blinded(at, outermost)
    if (value.kind === 'receive_blinded') {
      const { pathId } = data.value
      if (pathId === undefined || refuseBlinded(data.value, amountMsat, cltvExpiry) !== undefined)
        return blinded(at, outermost)
      const { amtToForward, outgoingCltvValue, totalMsat } = value
      const plain = { paymentSecret: undefined, paymentMetadata: undefined, keysendPreimage: undefined }
      return {
        kind: 'receive',
        receive: {
          asked: { amtToForward, outgoingCltvValue, totalMsat, ...plain, custom: [] },
          sharedSecret: outermost,
          blinded: {
            ...(place === undefined ? {} : { place }),
            sha256OfOnion: sha256(htlc.onion),
            pathId,
            amountMsat,
            cltvExpiry,
          },
        },
      }
    }

    const relayed = relayBlinded(data.value, amountMsat, cltvExpiry)
    const { paymentRelay: relay } = data.value
    if (!relayed.ok || relay === undefined || next === undefined) return blinded(at, outermost)
    const { next: to, amtToForward, outgoingCltvValue } = relayed.value
    const nextPathKey = data.value.nextPathKeyOverride ?? opened.value.nextPathKey
    if (!('nodeId' in to) || !equalBytes(to.nodeId, publicKey(nodeSecret))) {
      const hop: BlindedHopAsk = { place: at, sha256OfOnion: sha256(htlc.onion), nextPathKey, relay }
      const forward = { to, amtToForward, outgoingCltvValue, sharedSecret: outermost, next, blinded: hop }
      return { kind: 'forward', forward }
    }
    // To ourselves: a dummy hop, or a path that begins and ends with us.
    place ??= 'introduction'
    packet = next
    pathKey = nextPathKey
    amountMsat = amtToForward
    cltvExpiry = outgoingCltvValue
  }
}
