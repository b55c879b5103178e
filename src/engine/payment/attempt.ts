import { fromHex } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import type { Route } from '../router/types.ts'
import {
  defaultMaxFee,
  excludedBy,
  excludedPaths,
  type RouteStep,
  type RouteWanted,
} from './attempt-route.ts'
import { type PathSight, tailOf, type UsablePath, usablePaths } from './blinded-ways.ts'
import { chooseChannel } from './choose.ts'
import { FINAL_CLTV_PADDING, finalCltvDelta, finalCltvExpiry, onionFor } from './onion-for.ts'
import {
  type Attempt,
  event,
  ofRun,
  type PaymentRecord,
  type PaymentTurn,
  pendingOf,
  still,
} from './payment-record.ts'
import { type ChannelCandidate, failure, type PaymentFailure } from './types.ts'

/** The attempts of a payment: by which ways what is missing goes, and the HTLCs that carry it. */

export interface PayContext {
  /** ms since 1970 */
  readonly now: number
  /** Height of the best verified block; 0 while the chain is not known or not caught up with. */
  readonly height: number
  readonly entropy: Entropy
  /** All our channels. */
  readonly channels: readonly ChannelCandidate[]
  /** Routes that together bring the amount; without it only direct peers are paid. */
  /** For blinded paths: without it none is used. */
  readonly sight?: PathSight
  readonly findRoutes?: (wanted: RouteWanted) => Result<readonly Route[], PaymentFailure>
}

/** One HTLC to send: through which channel, and by which route where that does not end at our peer. */
interface Way {
  readonly channelId: string
  readonly amountMsat: Msat
  readonly route?: Route
  /** The blinded path behind it. */
  readonly path?: UsablePath
}

/** The next attempts of a run: what has not been sent yet, by ways that have not failed in it. */
export function begin(record: PaymentRecord, ctx: PayContext): Result<PaymentTurn, PaymentFailure> {
  // An expiry reckoned from no height has passed long ago: our own channel would go to the chain over it.
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no expiry can be chosen.'))
  const ways = waysFor(record, ctx)
  if (!ways.ok) return ways
  let turn: PaymentTurn = still(record)
  for (const way of ways.value) {
    const sent = send(turn.record, way, ctx)
    if (!sent.ok) return sent
    turn = { record: sent.value.record, effects: [...turn.effects, ...sent.value.effects] }
  }
  return ok(turn)
}

/** What the parts on their way do not carry yet. */
const missingMsat = (record: PaymentRecord): Msat =>
  msat(pendingOf(record).reduce((left, a) => left - a.amountMsat, record.amountMsat as bigint))

/** What routing may still cost, with the parts on their way. */
function feeLeft(record: PaymentRecord): Msat {
  const spent = pendingOf(record).reduce((sum, a) => sum + (a.route?.feeMsat ?? 0n), 0n)
  return msat((record.maxFeeMsat ?? defaultMaxFee(record.amountMsat)) - spent)
}

/** A channel with the recipient itself, and else a route, or several where the recipient takes parts. */
function waysFor(record: PaymentRecord, ctx: PayContext): Result<readonly Way[], PaymentFailure> {
  if (record.target.blinded !== undefined) return blindedWays(record, record.target.blinded, ctx)
  const { destination, target } = record
  const amountMsat = missingMsat(record)
  const tried = ofRun(record)
  const without = failedChannels(tried)
  const direct = chooseChannel(ctx.channels, destination, amountMsat, without)
  if (direct.ok) return ok([{ channelId: direct.value.channelId, amountMsat }])
  if (ctx.findRoutes === undefined || !mayGoAround(direct.error)) return direct
  const found = ctx.findRoutes({
    destination,
    amountMsat,
    finalCltvDelta: finalCltvDelta(target.minFinalCltvExpiryDelta),
    height: ctx.height,
    maxFeeMsat: feeLeft(record),
    hints: target.hints ?? [],
    excluded: excludedBy(tried),
    without,
    parts: target.parts === true,
  })
  if (found.ok)
    return ok(
      found.value.map((route) => ({ channelId: route.channelId, amountMsat: route.amountMsat, route })),
    )
  // With a channel to the recipient, what is wrong with that is what the user can do something about; or no more than time is needed.
  const waits = found.error.data?.['reason'] === 'inFlight'
  return !waits && ctx.channels.some((c) => c.peer === destination) ? direct : found
}

/** Routes to the beginnings of blinded paths that have not failed in this run. */
function blindedWays(
  record: PaymentRecord,
  paths: readonly BlindedPaymentPath[],
  ctx: PayContext,
): Result<readonly Way[], PaymentFailure> {
  const { destination, target } = record
  const tried = ofRun(record)
  const failed = excludedPaths(tried)
  const usable = ctx.sight === undefined ? [] : usablePaths(paths, ctx.sight)
  const left = usable.filter((path) => !failed.has(path.index))
  if (left.length === 0 || ctx.findRoutes === undefined) {
    const reason = usable.length === 0 ? 'noBlindedPath' : 'tried'
    return err(
      failure('noRoute', 'No way into the recipient’s blinded paths is known.', { destination, reason }),
    )
  }
  const found = ctx.findRoutes({
    destination,
    amountMsat: missingMsat(record),
    finalCltvDelta: FINAL_CLTV_PADDING,
    height: ctx.height,
    maxFeeMsat: feeLeft(record),
    hints: [],
    excluded: excludedBy(tried),
    without: failedChannels(tried),
    parts: target.parts === true,
    blinded: left.map(tailOf),
  })
  if (!found.ok) return found
  return ok(
    found.value.map((route) => {
      const path = left[route.blinded ?? -1]
      invariant(path !== undefined, 'a route to a blinded path')
      const { channelId, amountMsat } = route
      return { channelId, amountMsat, route: { ...route, blinded: path.index }, path }
    }),
  )
}

/** Channels of our own that failed in this run. Those that carry other parts, or did, are as good as they are. */
const failedChannels = (tried: readonly Attempt[]): readonly string[] =>
  tried.flatMap((a) => (a.state === 'failed' && a.channelBlameless !== true ? [a.channelId] : []))

/** Whether a way round, or several, can help: not where our channel is merely full for now, nor where the amount is no amount. */
const mayGoAround = ({ code, data }: PaymentFailure): boolean =>
  code === 'noRoute' ||
  code === 'peerNotConnected' ||
  code === 'channelNotOpen' ||
  (code === 'exceedsSpendable' && data?.['reason'] !== 'inFlight')

function send(record: PaymentRecord, way: Way, ctx: PayContext): Result<PaymentTurn, PaymentFailure> {
  const { paymentHash, destination, target, nextAttempt: n } = record
  const { channelId, amountMsat, route, path } = way
  const own = finalCltvExpiry(ctx.height, target.minFinalCltvExpiryDelta)
  const hops: readonly RouteStep[] = route?.hops ?? [
    { nodeId: destination, scid: 0n, amountMsat, cltvExpiry: own },
  ]
  const first = hops[0]
  invariant(first !== undefined, 'a route has a hop')
  const hash = fromHex(paymentHash)
  const onion = onionFor({
    hops,
    totalMsat: record.amountMsat,
    paymentHash: hash,
    target,
    entropy: ctx.entropy,
    ...(path === undefined
      ? {}
      : { blinded: { path, amountMsat, cltvExpiry: ctx.height + FINAL_CLTV_PADDING } }),
  })
  if (!onion.ok)
    return err(failure('invoiceUnsupported', 'No onion can be made for it.', { reason: onion.error }))
  const token = `pay/${paymentHash}/${n}`
  const nodes = hops.map((hop) => hop.nodeId)
  const attempt: Attempt = {
    n,
    token,
    channelId,
    hops: nodes,
    ...(route === undefined || (hops.length === 1 && path === undefined) ? {} : { route }),
    amountMsat,
    cltvExpiry: first.cltvExpiry,
    height: ctx.height,
    sharedSecrets: onion.value.sharedSecrets,
    state: 'pending',
    startedAt: ctx.now,
  }
  return ok({
    record: { ...record, attempts: [...record.attempts, attempt], nextAttempt: n + 1 },
    effects: [
      {
        type: 'offer',
        channelId,
        add: {
          type: 'add',
          amountMsat: first.amountMsat,
          paymentHash: hash,
          cltvExpiry: first.cltvExpiry,
          onion: onion.value.packet,
          token,
        },
      },
      event({
        type: 'paymentAttempt',
        paymentHash,
        attempt: n,
        channelId,
        amountMsat,
        ...(attempt.route === undefined ? {} : { feeMsat: attempt.route.feeMsat, hops: nodes }),
      }),
    ],
  })
}
