import { err, ok, type Result } from '../base/result.ts'
import { MAX_HTLC_CLTV } from '../payment/onion-for.ts'
import type { RouteWanted } from '../payment/attempt-route.ts'
import { failure, type PaymentFailure } from '../payment/types.ts'
import { createGraph } from '../router/graph.ts'
import { findParts } from '../router/parts.ts'
import type { LocalChannel, PathErrorCode, Route } from '../router/types.ts'
import { candidateState, spendableLater, spendableNow } from './channel-state.ts'
import type { NodeState, Turn } from './state.ts'

/** Routes for payments: between the payment machine and the router. */

/** Of a wallet that knows no network: what hints say is laid over it. */
const EMPTY = createGraph()

/** Our channels as first hops, with what `spendable` says of each. */
export function localChannels(state: NodeState, spendable = spendableNow): readonly LocalChannel[] {
  return Object.values(state.channels).flatMap((channel) => {
    if (candidateState(channel, state.closes[channel.id] !== undefined) !== 'usable') return []
    const scid = channel.funding.shortChannelId ?? channel.remoteAlias
    if (scid === undefined) return []
    return [
      {
        channelId: channel.id,
        scid,
        peer: channel.peer,
        spendableMsat: spendable(channel),
        minimumMsat: channel.remote.htlcMinimumMsat,
      },
    ]
  })
}

/** Routes that together bring what is wanted, or the error that a person can do something about. */
export function findRoutes(turn: Turn, wanted: RouteWanted): Result<readonly Route[], PaymentFailure> {
  const { destination, amountMsat, finalCltvDelta, height, maxFeeMsat, hints, excluded, without } = wanted
  const channels = localChannels(turn.state).filter((c) => !without.includes(c.channelId))
  if (channels.length === 0) {
    const any = Object.values(turn.state.channels).some((c) => turn.state.closes[c.id] === undefined)
    return err(
      any && without.length === 0
        ? failure('peerNotConnected', 'No peer that could pass the payment on is connected now.', {
            destination,
          })
        : failure('noRoute', 'There is no open channel to pay through.', {
            destination,
            reason: 'noChannel',
          }),
    )
  }
  const search = (firstHops: readonly LocalChannel[]) =>
    findParts(turn.setup.graph ?? EMPTY, {
      source: turn.setup.nodeId,
      target: destination,
      amountMsat,
      finalCltvDelta,
      height,
      maxFeeMsat,
      maxCltvDelta: MAX_HTLC_CLTV,
      localChannels: firstHops,
      hints,
      excluded,
      history: turn.state.routeHistory,
      now: turn.now,
      ...(wanted.parts ? {} : { maxParts: 1 }),
      ...(wanted.blinded === undefined ? {} : { blinded: wanted.blinded }),
    })
  let found = search(channels)
  // Channels that are merely full for now make it wait, as they do for a direct peer.
  if (!found.ok && found.error.code === 'localLiquidity') {
    const later = localChannels(turn.state, spendableLater).filter((c) => !without.includes(c.channelId))
    if (later.some((c, i) => c.spendableMsat > (channels[i]?.spendableMsat ?? 0n))) found = search(later)
  }
  return found.ok ? ok(found.value.routes) : err(noRoute(found.error.code, wanted, channels))
}

function noRoute(
  code: PathErrorCode,
  wanted: RouteWanted,
  channels: readonly LocalChannel[],
): PaymentFailure {
  const { destination, maxFeeMsat } = wanted
  switch (code) {
    case 'payingSelf':
      return failure('payingSelf', 'The recipient is this node.')
    case 'localLiquidity': {
      const most = channels.reduce((m, c) => (c.spendableMsat > m ? c.spendableMsat : m), 0n)
      const total = channels.reduce((sum, c) => sum + c.spendableMsat, 0n)
      return failure('exceedsSpendable', 'No channel of ours can send this amount and the fees on the way.', {
        spendableMsat: `${most}`,
        totalSpendableMsat: `${total}`,
        reason: wanted.parts ? 'balance' : 'split',
      })
    }
    case 'feeLimit':
      return failure('noRoute', 'Every way to the recipient costs more than the fee limit.', {
        destination,
        maxFeeMsat: `${maxFeeMsat}`,
        reason: 'feeLimit',
      })
    case 'cltvLimit':
      return failure('noRoute', 'Every way to the recipient would lock the money for too long.', {
        destination,
        reason: 'cltvLimit',
      })
    case 'targetUnknown':
      return failure('noRoute', 'No way to the recipient is known.', { destination, reason: 'unknown' })
    case 'noPath':
    case 'budget':
      return failure('noRoute', 'No way to the recipient can carry the payment now.', {
        destination,
        reason: 'noneFits',
      })
  }
}
