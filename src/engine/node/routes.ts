import { err, ok, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { Channel } from '../channel/types.ts'
import { MAX_HTLC_CLTV } from '../payment/onion-for.ts'
import type { RouteWanted } from '../payment/attempt-route.ts'
import { failure, type PaymentFailure } from '../payment/types.ts'
import { createGraph } from '../router/graph.ts'
import { MOMENT_MS } from '../router/history.ts'
import { findParts } from '../router/parts.ts'
import type { LocalChannel, PathErrorCode, Route } from '../router/types.ts'
import { candidateState, mayQueue, spendableInTime, spendableNow } from './channel-state.ts'
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
  const ours = (spendable: (channel: Channel) => Msat) =>
    localChannels(turn.state, spendable).filter((c) => !without.includes(c.channelId))
  // Behind a full outbox nothing goes out now, whatever the channel bears.
  const channels = ours((channel) => (mayQueue(channel) ? spendableNow(channel) : NOTHING))
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
  const search = (firstHops: readonly LocalChannel[], now = turn.now) =>
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
      now,
      ...(wanted.parts ? {} : { maxParts: 1 }),
      ...(wanted.blinded === undefined ? {} : { blinded: wanted.blinded }),
    })
  const now = search(channels)
  if (now.ok) return ok(now.value.routes)
  // Room in our own channels does not help with these.
  const { code } = now.error
  if (code === 'targetUnknown' || code === 'payingSelf' || code === 'budget')
    return err(noRoute(code, wanted, channels))
  // Channels that are merely full for now make it wait, as they do for a direct peer: in their outbox, and where that is full, too, with
  // whoever wants to pay.
  const inTime = ours(spendableInTime)
  // So does a hop further on that was full a moment ago, and is not tried again as yet.
  if (code === 'noPath' && search(inTime, turn.now + MOMENT_MS).ok) return err(fullOnTheWay(destination))
  if (!isMore(inTime, channels)) return err(noRoute(code, wanted, inTime))
  const queued = ours((channel) => (mayQueue(channel) ? spendableInTime(channel) : NOTHING))
  const later = search(queued)
  if (later.ok) return ok(later.value.routes)
  if (!isMore(inTime, queued)) return err(noRoute(later.error.code, wanted, inTime))
  const some = search(inTime)
  return err(some.ok ? tooMuchAtOnce(channels, inTime) : noRoute(some.error.code, wanted, inTime))
}

const isMore = (some: readonly LocalChannel[], than: readonly LocalChannel[]): boolean =>
  some.some((channel, i) => channel.spendableMsat > (than[i]?.spendableMsat ?? NOTHING))

const NOTHING = msat(0)

const mostOf = (channels: readonly LocalChannel[]): Msat =>
  channels.reduce((most, c) => (c.spendableMsat > most ? c.spendableMsat : most), NOTHING)

const totalOf = (channels: readonly LocalChannel[]): bigint =>
  channels.reduce((sum, c) => sum + c.spendableMsat, 0n)

/** No more may wait in the outboxes, and what is on its way will make room: whoever pays waits for that (`host/send-payment.ts`). */
const tooMuchAtOnce = (now: readonly LocalChannel[], inTime: readonly LocalChannel[]): PaymentFailure =>
  failure('exceedsSpendable', 'As much is on its way as our channels take at once.', {
    spendableMsat: `${mostOf(now)}`,
    totalSpendableMsat: `${totalOf(inTime)}`,
    reason: 'inFlight',
  })

const fullOnTheWay = (destination: string): PaymentFailure =>
  failure('noRoute', 'The only way to the recipient was full a moment ago.', {
    destination,
    reason: 'inFlight',
  })

/** `channels` with the most that each may carry once nothing is on its way: what waiting cannot help with. */
function noRoute(
  code: PathErrorCode,
  wanted: RouteWanted,
  channels: readonly LocalChannel[],
): PaymentFailure {
  const { destination, amountMsat, maxFeeMsat } = wanted
  switch (code) {
    case 'payingSelf':
      return failure('payingSelf', 'The recipient is this node.')
    case 'localLiquidity': {
      const total = totalOf(channels)
      return failure('exceedsSpendable', 'No channel of ours can send this amount and the fees on the way.', {
        spendableMsat: `${mostOf(channels)}`,
        totalSpendableMsat: `${total}`,
        reason: !wanted.parts && channels.length > 1 && total >= amountMsat ? 'split' : 'balance',
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
