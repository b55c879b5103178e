import { err, ok, type Result } from '../base/result.ts'
import { spendableMsat } from '../channel/limits.ts'
import { MAX_HTLC_CLTV } from '../payment/onion-for.ts'
import type { RouteWanted } from '../payment/attempt-route.ts'
import { hintRoute } from '../payment/hint-path.ts'
import { failure, type PaymentFailure } from '../payment/types.ts'
import type { LocalChannel, Route } from '../router/types.ts'
import { candidateState } from './channel-state.ts'
import type { NodeState, Turn } from './state.ts'

/** Routes for payments: between the payment machine and the router. */

/** Our channels as first hops. */
export function localChannels(state: NodeState): readonly LocalChannel[] {
  return Object.values(state.channels).flatMap((channel) => {
    if (candidateState(channel, state.closes[channel.id] !== undefined) !== 'usable') return []
    const scid = channel.funding.shortChannelId ?? channel.remoteAlias
    if (scid === undefined) return []
    return [
      {
        channelId: channel.id,
        scid,
        peer: channel.peer,
        spendableMsat: spendableMsat(channel),
        minimumMsat: channel.remote.htlcMinimumMsat,
      },
    ]
  })
}

export function findRoutes(turn: Turn, wanted: RouteWanted): Result<readonly Route[], PaymentFailure> {
  const route = hintRoute(wanted, {
    nodeId: turn.setup.nodeId,
    channels: localChannels(turn.state),
    maxCltvDelta: MAX_HTLC_CLTV,
  })
  if (route !== undefined) return ok([route])
  return err(
    failure('noRoute', 'No way to the recipient is known that can carry the payment.', {
      destination: wanted.destination,
      reason: wanted.hints.length > 0 ? 'noneFits' : 'unknown',
    }),
  )
}
