import { failBlinded } from '../onion/blinded-failure.ts'
import { encodeFailure, type FailureMessage, failureName } from '../onion/failure.ts'
import { failurePacket, wrapFailurePacket } from '../onion/failure-packet.ts'
import type { AttributionAsk } from '../onion/attributed.ts'
import type { Circuit, ForwardAsk, Removal, SwitchEffect, SwitchTurn } from './types.ts'

/** How the switch says no upstream: in words of its own, or with what came from downstream. */

/** Nothing changes. */
export const still = (circuit: Circuit): SwitchTurn => ({ circuit, effects: [] })

/** The removal that tells a failure of our own; by a blinded path every failure is the same. */
export const removalFor = (
  { sharedSecret, blinded }: Pick<ForwardAsk, 'sharedSecret' | 'blinded'>,
  id: bigint,
  failure: FailureMessage,
): Removal =>
  blinded === undefined
    ? { type: 'fail', id, reason: failurePacket(sharedSecret, encodeFailure(failure)) }
    : failBlinded(blinded, id, sharedSecret)

/**
 * What the sender is told besides (BOLT 4 §attribution_data). BOLT 2 §Removing an HTLC: none where the HTLC came with a path key.
 * @param received what came with its end from downstream
 */
export function attributed(
  { sharedSecret, blinded, receivedAt }: Pick<Circuit, 'sharedSecret' | 'blinded' | 'receivedAt'>,
  received?: Uint8Array,
): { readonly attribute?: AttributionAsk } {
  if (blinded?.place === 'inside' || receivedAt === undefined) return {}
  const ask = { sharedSecret, since: receivedAt }
  // Out of a blinded path nothing is told.
  return { attribute: received === undefined || blinded !== undefined ? ask : { ...ask, received } }
}

/**
 * BOLT 4 §Route Blinding: what the beginning of a blinded path fails, it fails after a random delay, so that time does not tell a prober how
 * far behind us the path failed.
 */
const timing = ({ blinded }: Pick<Circuit, 'blinded'>): { readonly later?: true } =>
  blinded?.place === 'introduction' ? { later: true } : {}

/** A failure of our own for an HTLC that never became a circuit. */
export function refuse(
  ask: Pick<ForwardAsk, 'channelId' | 'id' | 'amountMsat' | 'sharedSecret' | 'blinded'>,
  failure: FailureMessage,
  now: number,
): readonly SwitchEffect[] {
  return [
    {
      type: 'remove',
      channelId: ask.channelId,
      removal: removalFor(ask, ask.id, failure),
      ...attributed({ ...ask, receivedAt: now }),
      ...timing(ask),
    },
    {
      type: 'event',
      event: {
        type: 'forwardFailed',
        incomingChannel: ask.channelId,
        amountMsat: ask.amountMsat,
        reason: failure.name,
      },
    },
  ]
}

/** Fails upstream with a message of our own. */
export const failHere = (circuit: Circuit, failure: FailureMessage): SwitchTurn =>
  failWith(circuit, removalFor(circuit, circuit.incomingId, failure), failure.name)

function failWith(circuit: Circuit, removal: Removal, why: string, received?: Uint8Array): SwitchTurn {
  if (circuit.upstreamOver === true) return { circuit: undefined, effects: [] }
  const { next: _, ...rest } = circuit
  const { outgoingChannel } = circuit
  return {
    circuit: { ...rest, state: 'failing' },
    effects: [
      {
        type: 'remove',
        channelId: circuit.incomingChannel,
        removal,
        ...attributed(circuit, received),
        ...timing(circuit),
      },
      {
        type: 'event',
        event: {
          type: 'forwardFailed',
          incomingChannel: circuit.incomingChannel,
          ...(outgoingChannel === undefined ? {} : { outgoingChannel }),
          amountMsat: circuit.outgoingMsat,
          reason: why,
        },
      },
    ],
  }
}

/** The next hop failed it, and its removal is locked in. BOLT 4: out of a blinded path nothing of that is told. */
export function failBack(
  circuit: Circuit,
  removal: Extract<Removal, { type: 'fail' | 'malformed' }>,
): SwitchTurn {
  const { blinded, incomingId: id, sharedSecret } = circuit
  if (blinded !== undefined) return failWith(circuit, failBlinded(blinded, id, sharedSecret), 'downstream')
  if (removal.type === 'fail') {
    const reason = wrapFailurePacket(sharedSecret, removal.reason)
    return failWith(circuit, { type: 'fail', id, reason }, 'downstream', removal.attributionData)
  }
  // BOLT 2 §update_fail_malformed_htlc: upstream gets an update_fail_htlc with that code and the hash.
  return failHere(circuit, badOnion(removal.failureCode, removal.sha256OfOnion))
}

function badOnion(code: number, sha256OfOnion: Uint8Array): FailureMessage {
  const name = failureName(code)
  switch (name) {
    case 'invalid_onion_version':
    case 'invalid_onion_hmac':
    case 'invalid_onion_key':
    case 'invalid_onion_blinding':
      return { name, sha256OfOnion }
    default:
      return { name: 'unknown', code, data: sha256OfOnion }
  }
}

/** Our channel cannot carry it now. */
export const noRoom: FailureMessage = { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) }
