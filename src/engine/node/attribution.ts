import { lockedInHtlc } from '../channel/log.ts'
import type { Channel, RemoveUpdate } from '../channel/types.ts'
import { formatNamed } from '../commitment/formats.ts'
import { otherRole } from '../commitment/types.ts'
import { type AttributionAsk, withAttribution } from '../onion/attributed.ts'
import { supports } from '../wire/features.ts'
import type { Turn } from './state.ts'

/** Below this a fulfilment over a channel of our own protocol carries none: a stream of satoshis would pay a tenth of its time for it. */
const LEAST_LCP_MSAT = 100_000n

/** Whether a removal is told without attribution: over lcp, where the rule is ours to make. Over a channel of BOLT 2's every one carries it. */
function isSmallChange(channel: Channel, removal: RemoveUpdate): boolean {
  if (removal.type !== 'fulfill' || !formatNamed(channel.formatName).lcpTlvs) return false
  const htlc = lockedInHtlc(channel, otherRole(channel.role), removal.id)
  return htlc !== undefined && htlc.amountMsat < LEAST_LCP_MSAT
}

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
  const channel = turn.state.channels[channelId]
  if (channel !== undefined && isSmallChange(channel, removal)) return removal
  const peer = turn.state.peers[channel?.peer ?? '']
  return peer?.phase === 'ready' && !supports(peer.features, 'option_attribution_data')
    ? removal
    : withAttribution(removal, ask, at)
}
