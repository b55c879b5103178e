import { equalBytes } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import type { FailureMessage } from '../onion/failure.ts'
import { attributed, failBack, failHere, noRoom, refuse, removalFor, still } from './answers.ts'
import { judgeForward } from './policy.ts'
import {
  type Circuit,
  circuitKey,
  type ForwardAsk,
  type Link,
  type Removal,
  type SwitchTurn,
  type SwitchEffect,
  tokenOf,
} from './types.ts'

/** One circuit from input to input. The caller writes what comes back, and does the effects, in the same turn. */

export interface ForwardContext {
  /** ms since 1970 */
  readonly now: number
  /** Height of the best verified block, 0 when it is not known. */
  readonly height: number
  readonly links: readonly Link[]
  /** Whether this node forwards. */
  readonly allowed: boolean
  /** Whether forwards wait for the user's word. */
  readonly intercept: boolean
}

/** An add that waits in an outbox longer than this is taken back: the sender wants to try elsewhere. */
export const MAX_WAIT_MS = 20_000
/** An HTLC held longer than this is failed: it locks up money of others. */
export const MAX_HOLD_MS = 120_000
/** A held HTLC is let go so many blocks before what it needs would be gone. */
const HOLD_MARGIN_BLOCKS = 6

/** A new HTLC to forward: offered, held, or failed back. */
export function beginForward(ask: ForwardAsk, ctx: ForwardContext): SwitchTurn {
  if (ask.overDust === true) return { circuit: undefined, effects: refuse(ask, noRoom, ctx.now) }
  const judged = judgeForward(ask, ctx.links, ctx)
  if (!judged.ok) return { circuit: undefined, effects: refuse(ask, judged.failure, ctx.now) }
  const circuit: Circuit = {
    key: circuitKey(ask.channelId, ask.id),
    state: 'held',
    incomingChannel: ask.channelId,
    incomingId: ask.id,
    incomingMsat: ask.amountMsat,
    incomingExpiry: ask.cltvExpiry,
    paymentHash: ask.paymentHash,
    ...named(ask),
    outgoingMsat: ask.amtToForward,
    outgoingExpiry: ask.outgoingCltvValue,
    sharedSecret: ask.sharedSecret,
    next: ask.next,
    since: ctx.now,
    receivedAt: ctx.now,
  }
  if (!ctx.intercept) return offer(circuit, judged.link, ctx.now)
  const feeMsat = feeOf(circuit)
  return {
    circuit,
    effects: [
      {
        type: 'event',
        event: { type: 'htlcHeld', key: circuit.key, amountMsat: circuit.outgoingMsat, feeMsat },
      },
    ],
  }
}

/** Where to, and under which cover. */
const named = ({ shortChannelId, nextNodeId, blinded }: ForwardAsk | Circuit) => ({
  ...(shortChannelId === undefined ? {} : { shortChannelId }),
  ...(nextNodeId === undefined ? {} : { nextNodeId }),
  ...(blinded === undefined ? {} : { blinded }),
})

/** What forwarding it brings. */
export const feeOf = (circuit: Circuit) => msat(circuit.incomingMsat - circuit.outgoingMsat)

function offer(circuit: Circuit, link: Link, now: number): SwitchTurn {
  const { next, ...rest } = circuit
  invariant(next !== undefined, 'a held HTLC has its onion')
  const offered: Circuit = { ...rest, state: 'offered', outgoingChannel: link.channelId, since: now }
  return {
    circuit: offered,
    effects: [
      {
        type: 'offer',
        channelId: link.channelId,
        add: {
          type: 'add',
          amountMsat: circuit.outgoingMsat,
          paymentHash: circuit.paymentHash,
          cltvExpiry: circuit.outgoingExpiry,
          onion: next,
          ...(circuit.blinded === undefined ? {} : { pathKey: circuit.blinded.nextPathKey }),
          token: tokenOf(circuit),
        },
      },
    ],
  }
}

/** The user lets a held HTLC go on: judged once more, since time has passed. */
export function resumeHeld(circuit: Circuit, ctx: ForwardContext): SwitchTurn {
  if (circuit.state !== 'held') return still(circuit)
  const { next } = circuit
  invariant(next !== undefined, 'a held HTLC has its onion')
  const judged = judgeForward(
    {
      channelId: circuit.incomingChannel,
      id: circuit.incomingId,
      amountMsat: circuit.incomingMsat,
      paymentHash: circuit.paymentHash,
      cltvExpiry: circuit.incomingExpiry,
      ...named(circuit),
      amtToForward: circuit.outgoingMsat,
      outgoingCltvValue: circuit.outgoingExpiry,
      sharedSecret: circuit.sharedSecret,
      next,
    },
    ctx.links,
    ctx,
  )
  return judged.ok ? offer(circuit, judged.link, ctx.now) : failHere(circuit, judged.failure)
}

/** The user, or time, ends a held HTLC. */
export const failHeld = (
  circuit: Circuit,
  failure: FailureMessage = { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) },
): SwitchTurn => (circuit.state === 'held' ? failHere(circuit, failure) : still(circuit))

/**
 * The outgoing HTLC's preimage is known, from the next peer or from the chain: it goes upstream at once. Whatever else is still to
 * happen downstream, the money upstream is ours with it.
 */
export function preimageKnown(
  circuit: Circuit,
  preimage: Uint8Array,
  attributionData?: Uint8Array,
): SwitchTurn {
  invariant(equalBytes(sha256(preimage), circuit.paymentHash), 'preimage of another HTLC')
  if (circuit.state !== 'offered') return still(circuit)
  const { incomingChannel, incomingId, outgoingMsat: amountMsat, outgoingChannel = '' } = circuit
  if (circuit.upstreamOver === true) {
    const event = { type: 'forwardLost', outgoingChannel, amountMsat } as const
    return { circuit: undefined, effects: [{ type: 'event', event }] }
  }
  return {
    circuit: { ...circuit, state: 'settling', preimage },
    effects: [
      {
        type: 'remove',
        channelId: incomingChannel,
        removal: { type: 'fulfill', id: incomingId, preimage },
        ...attributed(circuit, attributionData),
      },
      {
        type: 'event',
        event: {
          type: 'htlcForwarded',
          incomingChannel,
          outgoingChannel,
          amountMsat,
          feeMsat: feeOf(circuit),
        },
      },
    ],
  }
}

/** The removal of the outgoing HTLC is locked in: now, and not before, a failure may go upstream. */
export function downstreamRemoved(circuit: Circuit, removal: Removal): SwitchTurn {
  if (circuit.state !== 'offered') return downstreamEnded(still(circuit))
  switch (removal.type) {
    case 'fulfill':
      return downstreamEnded(preimageKnown(circuit, removal.preimage, removal.attributionData))
    case 'fail':
    case 'malformed':
      return failBack(circuit, removal)
  }
}

/** The add never entered a log: nothing was signed, nothing can come of it. */
export const downstreamRefused = (circuit: Circuit): SwitchTurn =>
  circuit.state === 'offered' ? failHere(circuit, noRoom) : still(circuit)

/** The outgoing HTLC is over on chain without a preimage, irrevocably (BOLT 5): `permanent_channel_failure` goes upstream. */
export const downstreamLost = (circuit: Circuit): SwitchTurn =>
  circuit.state === 'offered'
    ? failHere(circuit, { name: 'permanent_channel_failure' })
    : downstreamEnded(still(circuit))

/** The outgoing HTLC is no more; a circuit that settles has waited for that. */
export function downstreamEnded(turn: SwitchTurn): SwitchTurn {
  const { circuit, effects } = turn
  if (circuit?.state !== 'settling' || circuit.downstreamOver === true) return turn
  return {
    circuit: circuit.upstreamOver === true ? undefined : { ...circuit, downstreamOver: true },
    effects,
  }
}

/**
 * The incoming HTLC is over: our removal of it is locked in, or the chain has resolved it irrevocably. While the outgoing one still lives,
 * the circuit stays until that ends, too: paid for already, most often, and else because the upstream peer took its HTLC back on chain
 * after we had been away too long.
 */
export function upstreamOver(circuit: Circuit): SwitchTurn {
  const lives =
    circuit.state === 'offered' || (circuit.state === 'settling' && circuit.downstreamOver !== true)
  return lives ? still({ ...circuit, upstreamOver: true }) : { circuit: undefined, effects: [] }
}

/**
 * Time passed, or we have just been loaded.
 * @param place where the outgoing add is (`HtlcPlace` of payments): `waiting` in an outbox, `offered`, `gone` without a trace
 * @param ready whether the outgoing channel can be used now
 */
export function circuitTick(
  circuit: Circuit,
  now: {
    readonly time: number
    readonly height: number
    readonly place: 'waiting' | 'offered' | 'gone' | 'unknown'
    readonly ready: boolean
  },
): SwitchTurn {
  if (circuit.state === 'held') {
    const late = now.height > 0 && circuit.outgoingExpiry < now.height + HOLD_MARGIN_BLOCKS
    return late || now.time - circuit.since > MAX_HOLD_MS ? failHeld(circuit) : still(circuit)
  }
  if (circuit.state !== 'offered') return still(circuit)
  // By the write that offers it, it is somewhere; a trace that is gone means that nothing of it can come any more.
  if (now.place === 'gone') return failHere(circuit, noRoom)
  if (now.place !== 'waiting' || (now.ready && now.time - circuit.since <= MAX_WAIT_MS)) return still(circuit)
  const failed = failHere(circuit, noRoom)
  return {
    circuit: failed.circuit,
    effects: [
      { type: 'withdraw', channelId: circuit.outgoingChannel ?? '', token: tokenOf(circuit) },
      ...failed.effects,
    ],
  }
}

/**
 * After loading: the answer that goes upstream is proposed again. A channel drops what it has already, so this costs nothing, and
 * no broken write can leave an HTLC unanswered.
 */
export function circuitResumed(circuit: Circuit): readonly SwitchEffect[] {
  const { incomingChannel: channelId, incomingId: id } = circuit
  if (circuit.state === 'settling' && circuit.preimage !== undefined)
    return [{ type: 'remove', channelId, removal: { type: 'fulfill', id, preimage: circuit.preimage } }]
  if (circuit.state !== 'failing') return []
  return [{ type: 'remove', channelId, removal: removalFor(circuit, id, { name: 'temporary_node_failure' }) }]
}
