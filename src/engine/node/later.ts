import { isAhead, LONGEST_DELAY_MS } from '../channel/flush.ts'
import type { ProposedRemoval, RemoveUpdate } from '../channel/types.ts'
import type { AttributionAsk } from '../onion/attributed.ts'
import { attributed } from './attribution.ts'
import type { NodeEffect } from './ports.ts'
import type { NodeState, Turn } from './state.ts'

/**
 * Failures of blinded paths that begin with us leave after a random delay (BOLT 4 §Route Blinding): a prober is not to learn from time how
 * far behind us the path failed. They wait in the channel's outbox, stored like all that waits there; a tick sends them on.
 */

/** A removal as it is proposed, with its attribution, now or `later`. */
export function proposalOf(
  turn: Turn,
  channelId: string,
  { removal, attribute, later }: Answer,
): ProposedRemoval {
  if (later !== true) return attributed(turn, channelId, removal, attribute)
  const [random = 0] = new Uint32Array(turn.entropy.bytes(4).buffer)
  const notBefore = turn.now + 1 + Math.floor((random / 2 ** 32) * LONGEST_DELAY_MS)
  const { nextLater } = turn.state
  if (nextLater === undefined || notBefore < nextLater) turn.state = { ...turn.state, nextLater: notBefore }
  return { ...attributed(turn, channelId, removal, attribute, notBefore), notBefore }
}

interface Answer {
  readonly removal: RemoveUpdate
  readonly attribute?: AttributionAsk | undefined
  readonly later?: true | undefined
}

/** Time passed, or the channels have been loaded: removals whose time has come go out at the end of the turn, the others are looked after. */
export function tickLater(turn: Turn): void {
  const { nextLater, channels } = turn.state
  if (nextLater === undefined || nextLater > turn.now) return
  lookAfter(turn, channels)
}

/** After loading. */
export const resumeLater = (turn: Turn): void => lookAfter(turn, turn.state.channels)

function lookAfter(turn: Turn, channels: NodeState['channels']): void {
  let soonest = Number.POSITIVE_INFINITY
  for (const { id, outbox } of Object.values(channels)) {
    for (const proposal of outbox) {
      if (!('notBefore' in proposal) || proposal.notBefore === undefined) continue
      if (isAhead(proposal.notBefore, turn.now)) soonest = Math.min(soonest, proposal.notBefore)
      else turn.dirty.add(id)
    }
  }
  const { nextLater: _, ...state } = turn.state
  turn.state = soonest === Number.POSITIVE_INFINITY ? state : { ...state, nextLater: soonest }
}

/**
 * The effects with a tick at the next removal's time, where no sooner one is wished for. What the chain wished for in an earlier turn may be
 * put off by it, for two seconds at most.
 */
export function withWake(turn: Turn, before: NodeState | undefined): readonly NodeEffect[] {
  const { nextLater } = turn.state
  if (nextLater === undefined) return turn.effects
  const effects = turn.effects.map((effect) =>
    effect.type === 'wakeAt' ? { ...effect, ms: Math.min(effect.ms, nextLater) } : effect,
  )
  if (nextLater === before?.nextLater || effects.some((effect) => effect.type === 'wakeAt')) return effects
  return [...effects, { type: 'wakeAt', ms: nextLater }]
}
