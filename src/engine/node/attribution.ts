import type { RemoveUpdate } from '../channel/types.ts'
import { type AttributionAsk, withAttribution } from '../onion/attributed.ts'
import { supports } from '../wire/features.ts'
import type { Turn } from './state.ts'

/**
 * A removal as it is proposed: with attribution for a peer that passes it on, or may. One that is away is taken for such a peer, since what
 * it does not know it skips. `at`: ms since 1970, when it goes.
 */
export function attributed(
  turn: Turn,
  channelId: string,
  removal: RemoveUpdate,
  ask: AttributionAsk | undefined,
  at = turn.now,
): RemoveUpdate {
  if (ask === undefined) return removal
  const peer = turn.state.peers[turn.state.channels[channelId]?.peer ?? '']
  return peer?.phase === 'ready' && !supports(peer.features, 'option_attribution_data')
    ? removal
    : withAttribution(removal, ask, at)
}
