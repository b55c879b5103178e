import { equalBytes } from '../base/bytes.ts'
import { ok, err, type Result } from '../base/result.ts'
import { msat } from '../base/units.ts'
import type { Channel } from '../channel/types.ts'
import { failBlinded } from '../onion/blinded-failure.ts'
import { FAILURE_CODES } from '../onion/failure.ts'
import { sha256 } from '../crypto/hash.ts'
import {
  beginForward,
  downstreamEnded,
  circuitResumed,
  circuitTick,
  downstreamLost,
  downstreamRefused,
  downstreamRemoved,
  failHeld,
  type ForwardContext,
  preimageKnown,
  resumeHeld,
  upstreamOver,
} from '../switch/circuit.ts'
import { MAX_HTLC_CLTV } from '../switch/policy.ts'
import { refuse } from '../switch/answers.ts'
import { onionGone, onionRecord } from '../switch/records.ts'
import { isFull, onionId, wasSeen, withoutExpired, withSeen } from '../switch/replay.ts'
import {
  type Circuit,
  circuitKey,
  circuitOfToken,
  type ForwardAsk,
  type Link,
  type Removal,
  type SwitchEffect,
  type SwitchEvent,
  type SwitchTurn,
  tokenOf,
} from '../switch/types.ts'
import { candidateState, mustWait, problemNow, tallyNow } from './channel-state.ts'
import { channelInput } from './channels.ts'
import type { ApiFailure } from './commands.ts'
import { forwardPolicyOf, htlcMaximumOf, isForwarding } from './forward-policy.ts'
import { proposalOf } from './later.ts'
import { isAtCourt, placeOf, trustedHeight } from './payments.ts'
import { emit, heightOf, type NodeSetup, type NodeState, putCircuit, type Turn } from './state.ts'

/** Forwarding in the node's turns: between the switch and the channels. */

function linkOf(state: NodeState, setup: NodeSetup, channel: Channel): Link {
  const { shortChannelId } = channel.funding
  const policy = forwardPolicyOf(setup)
  const least = channel.remote.htlcMinimumMsat
  return {
    channelId: channel.id,
    peer: channel.peer,
    scids: [shortChannelId, channel.localAlias].filter((id) => id !== undefined),
    state: candidateState(channel, state.closes[channel.id] !== undefined),
    policy: least > policy.htlcMinimumMsat ? { ...policy, htlcMinimumMsat: least } : policy,
    htlcMaximumMsat: htlcMaximumOf(channel),
    bears: (amountMsat) => problemNow(channel, amountMsat, tallyNow(channel)) === undefined,
    waits: (amountMsat) => mustWait(channel, amountMsat, tallyNow(channel)),
  }
}

const context = (turn: Turn): ForwardContext => ({
  now: turn.now,
  height: trustedHeight(turn),
  links: Object.values(turn.state.channels).map((channel) => linkOf(turn.state, turn.setup, channel)),
  allowed: isForwarding(turn.state, turn.setup),
  intercept: turn.state.preferences['interceptForwards'] === 'on',
})

function take(turn: Turn, before: Circuit | undefined, result: SwitchTurn): void {
  const { circuit } = result
  if (circuit !== before) {
    if (circuit !== undefined) putCircuit(turn, circuit.key, circuit)
    else if (before !== undefined) putCircuit(turn, before.key, undefined)
  }
  for (const effect of result.effects) {
    switch (effect.type) {
      case 'offer':
        channelInput(turn, effect.channelId, { type: 'propose', proposal: effect.add })
        break
      case 'withdraw':
        channelInput(turn, effect.channelId, { type: 'withdraw', token: effect.token })
        break
      case 'remove':
        remove(turn, effect)
        break
      case 'event':
        count(turn, effect.event)
        emit(turn, effect.event)
        break
    }
  }
}

/** Sums are kept with the circuit, in one write. */
function count(turn: Turn, event: SwitchEvent): void {
  const { forwards } = turn.state
  if (event.type === 'htlcForwarded') {
    const sums = {
      count: forwards.count + 1,
      amountMsat: msat(forwards.amountMsat + event.amountMsat),
      feeMsat: msat(forwards.feeMsat + event.feeMsat),
    }
    turn.state = { ...turn.state, forwards: { ...forwards, ...sums } }
  } else if (event.type === 'forwardLost') {
    const lostMsat = msat(forwards.lostMsat + event.amountMsat)
    turn.state = { ...turn.state, forwards: { ...forwards, lostMsat } }
  }
}

/** An answer goes upstream; where that channel is at court already, its machine claims with the preimage. */
function remove(turn: Turn, answer: Omit<Extract<SwitchEffect, { type: 'remove' }>, 'type'>): void {
  const { channelId, removal } = answer
  channelInput(turn, channelId, { type: 'propose', proposal: proposalOf(turn, channelId, answer) })
  if (removal.type === 'fulfill' && turn.state.closes[channelId] !== undefined)
    turn.pending.push({ kind: 'preimage', channelId, preimage: removal.preimage })
}

/** A received HTLC, locked in, has a next hop. `onion`: the packet as it came. */
export function forwardAsked(turn: Turn, ask: ForwardAsk, onion: Uint8Array): void {
  if (turn.state.circuits[circuitKey(ask.channelId, ask.id)] !== undefined) return
  const id = onionId(ask.sharedSecret)
  if (wasSeen(turn.state.seenOnions, id)) {
    const sha256OfOnion = sha256(onion)
    const failureCode = FAILURE_CODES.invalid_onion_hmac
    const { channelId, blinded } = ask
    return remove(
      turn,
      blinded === undefined
        ? { channelId, removal: { type: 'malformed', id: ask.id, sha256OfOnion, failureCode } }
        : {
            channelId,
            removal: failBlinded(blinded, ask.id, ask.sharedSecret),
            ...(blinded.place === 'introduction' ? { later: true } : {}),
          },
    )
  }
  // Who forwards nothing keeps nothing: it passes on no onion that could be tried again.
  if (!isForwarding(turn.state, turn.setup)) return take(turn, undefined, beginForward(ask, context(turn)))
  if (isFull(turn.state.seenOnions, id)) {
    const effects = refuse(ask, { name: 'temporary_node_failure' }, turn.now)
    return take(turn, undefined, { circuit: undefined, effects })
  }
  // An HTLC that expires later is not forwarded, and an onion that asks for more is none that anybody takes.
  const expiry = Math.min(ask.cltvExpiry, heightOf(turn.state) + MAX_HTLC_CLTV)
  const seenOnions = withSeen(turn.state.seenOnions, id, expiry, turn.copied)
  if (seenOnions !== turn.state.seenOnions) turn.state = { ...turn.state, seenOnions }
  turn.extraWrites.push(onionRecord(id, expiry))
  take(turn, undefined, beginForward(ask, context(turn)))
}

const circuitOf = (turn: Turn, token: string | undefined): Circuit | undefined => {
  const key = token === undefined ? undefined : circuitOfToken(token)
  return key === undefined ? undefined : turn.state.circuits[key]
}

/** Whether a token of an offered HTLC is the switch's. */
export const isForwardToken = (token: string | undefined): boolean =>
  token !== undefined && circuitOfToken(token) !== undefined

/** The preimage of an offered HTLC arrived. */
export function forwardSettled(
  turn: Turn,
  token: string | undefined,
  preimage: Uint8Array,
  attributionData?: Uint8Array,
): void {
  const circuit = circuitOf(turn, token)
  if (circuit !== undefined) take(turn, circuit, preimageKnown(circuit, preimage, attributionData))
}

/** The removal of an offered HTLC is locked in. */
export function forwardRemoved(turn: Turn, token: string | undefined, removal: Removal): void {
  const circuit = circuitOf(turn, token)
  if (circuit !== undefined) take(turn, circuit, downstreamRemoved(circuit, removal))
}

/** An add never entered the log. */
export function forwardRefused(turn: Turn, token: string | undefined): void {
  const circuit = circuitOf(turn, token)
  if (circuit !== undefined) take(turn, circuit, downstreamRefused(circuit))
}

/** A preimage showed itself on the chain of an outgoing channel. */
export function forwardPreimage(
  turn: Turn,
  channelId: string,
  paymentHash: Uint8Array,
  preimage: Uint8Array,
): void {
  for (const circuit of Object.values(turn.state.circuits)) {
    // What becomes of the HTLC itself is the court's affair from now on.
    if (circuit.outgoingChannel === channelId && equalBytes(circuit.paymentHash, paymentHash))
      take(turn, circuit, downstreamEnded(preimageKnown(circuit, preimage)))
  }
}

/** An outgoing HTLC is over on chain without a preimage, irrevocably. */
export function forwardLost(turn: Turn, token: string): void {
  const circuit = circuitOf(turn, token)
  if (circuit !== undefined) take(turn, circuit, downstreamLost(circuit))
}

/** An incoming HTLC is over, off chain or on it. Whether it was one of a circuit. */
export function forwardOver(turn: Turn, channelId: string, id: bigint): boolean {
  const circuit = turn.state.circuits[circuitKey(channelId, id)]
  if (circuit === undefined) return false
  take(turn, circuit, upstreamOver(circuit))
  return true
}

/** Circuits that have waited long enough. */
export function tickForwards(turn: Turn): void {
  for (const circuit of Object.values(turn.state.circuits)) {
    if (circuit.state !== 'held' && circuit.state !== 'offered') continue
    const channel = turn.state.channels[circuit.outgoingChannel ?? '']
    const waits = channel?.outbox.some((p) => p.type === 'add' && p.token === tokenOf(circuit)) === true
    look(turn, circuit, waits ? 'waiting' : 'offered')
  }
}

/** A block came: onions that have expired by it are forgotten. */
export function forgetOnions(turn: Turn): void {
  const { seen, expired } = withoutExpired(turn.state.seenOnions, heightOf(turn.state))
  if (expired.length === 0) return
  turn.state = { ...turn.state, seenOnions: seen }
  for (const id of expired) turn.extraWrites.push(onionGone(id))
}

function look(turn: Turn, circuit: Circuit, place: Parameters<typeof circuitTick>[1]['place']): void {
  const channel = turn.state.channels[circuit.outgoingChannel ?? '']
  const ready =
    channel !== undefined &&
    candidateState(channel, turn.state.closes[channel.id] !== undefined) === 'usable' &&
    // Upstream a trimmed HTLC is lost already, and any other costs something: nothing more is offered against it.
    !isAtCourt(turn.state, circuit.incomingChannel)
  take(turn, circuit, circuitTick(circuit, { time: turn.now, height: heightOf(turn.state), place, ready }))
}

/** After loading: answers that are due upstream, and adds that no connection carries any more. */
export function resumeForwards(turn: Turn): void {
  for (const circuit of Object.values(turn.state.circuits)) {
    for (const effect of circuitResumed(circuit)) if (effect.type === 'remove') remove(turn, effect)
    if (circuit.outgoingChannel !== undefined)
      look(turn, circuit, placeOf(turn.state, circuit.outgoingChannel, tokenOf(circuit)))
  }
}

/** The user's word on a held HTLC. */
export function decideHeld(turn: Turn, key: string, go: boolean): Result<void, ApiFailure> {
  const circuit = turn.state.circuits[key]
  if (circuit?.state !== 'held')
    return err({ code: 'forwardUnknown', message: 'There is no held payment with this key.' })
  // Against an HTLC of a channel that goes to the chain nothing is offered any more (`look`).
  const goes = go && !isAtCourt(turn.state, circuit.incomingChannel)
  take(turn, circuit, goes ? resumeHeld(circuit, context(turn)) : failHeld(circuit))
  return ok(undefined)
}
