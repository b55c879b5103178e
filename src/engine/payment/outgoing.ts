import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { sha256 } from '../crypto/hash.ts'
import { expiresAt, minFinalCltvExpiryDelta } from '../invoice/types.ts'
import type { Route } from '../router/types.ts'
import { FEATURES } from '../wire/features.ts'
import { chooseChannel, refusalFailure } from './choose.ts'
import { defaultMaxFee, excludedBy, hintsOf, type RouteStep, type RouteWanted } from './attempt-route.ts'
import { finalCltvDelta, finalCltvExpiry, onionFor } from './onion-for.ts'
import type {
  Attempt,
  PaymentEffect,
  PaymentEvent,
  PaymentRecord,
  PaymentTarget,
  PaymentTurn,
} from './payment-record.ts'
import { checkInvoice, type Payable } from './start.ts'
import { type ChannelCandidate, failure, type HtlcRemoval, type PaymentFailure } from './types.ts'
import { type Verdict, verdictOf } from './verdict.ts'

/** Attempts in one run, whatever failures suggest. */
export const MAX_ATTEMPTS = 25
/** Attempts of earlier runs that are kept for the eye. */
const KEPT_ATTEMPTS = 10

export interface PayContext {
  /** ms since 1970 */
  readonly now: number
  /** Height of the best verified block; 0 while the chain is not known or not caught up with. */
  readonly height: number
  readonly entropy: Entropy
  /** All our channels. */
  readonly channels: readonly ChannelCandidate[]
  /** Routes that together bring the amount; without it only direct peers are paid. */
  readonly findRoutes?: (wanted: RouteWanted) => Result<readonly Route[], PaymentFailure>
}

export interface StartContext extends PayContext {
  readonly network: NetworkName
  /** 66 hex digits */
  readonly ourNodeId: string
  readonly timeoutSeconds: number
  /** The most that routing may cost; default `defaultMaxFee`. */
  readonly maxFeeMsat?: Msat
  /** Our payments by hash (hex). */
  readonly known: (paymentHash: string) => PaymentRecord | undefined
}

/**
 * Where the HTLC of an attempt is, asked of the channels in the very turn:
 * - `waiting`: in the outbox; it was never in a log and can be taken back.
 * - `offered`: in a log or among the live HTLCs of a channel, or of a closed one until the chain has resolved it irrevocably.
 * - `gone`: the channel is known and has no trace of it, and never signed it.
 * - `unknown`: we do not know that channel. Nothing may be concluded.
 */
export type HtlcPlace = 'waiting' | 'offered' | 'gone' | 'unknown'
export type HtlcPlaces = (channelId: string, token: string) => HtlcPlace

/**
 * Begins to pay an invoice, or tries again one whose payment failed.
 * @param amountMsat what to send: needed where the invoice names no amount; otherwise up to twice what it asks for
 * @returns the record and an `offer`, to be written and done in this turn; or why not, with nothing changed
 */
export function startPayment(
  invoiceText: string,
  amountMsat: Msat | undefined,
  ctx: StartContext,
): Result<PaymentTurn, PaymentFailure> {
  const payable = checkInvoice(invoiceText, amountMsat, ctx)
  if (!payable.ok) return payable
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no expiry can be chosen.'))
  const record = newRun(payable.value, ctx)
  return begin(record, ctx)
}

function newRun({ text, invoice, amountMsat }: Payable, ctx: StartContext): PaymentRecord {
  const paymentHash = toHex(invoice.paymentHash)
  const existing = ctx.known(paymentHash)
  const firstOfRun = existing?.nextAttempt ?? 1
  const target: PaymentTarget = {
    paymentSecret: invoice.paymentSecret,
    minFinalCltvExpiryDelta: minFinalCltvExpiryDelta(invoice),
    expiresAt: expiresAt(invoice) * 1000,
    ...(invoice.paymentMetadata === undefined ? {} : { paymentMetadata: invoice.paymentMetadata }),
    ...(invoice.routeHints.length === 0 ? {} : { hints: hintsOf(invoice.routeHints) }),
    ...(hasBit(invoice.features, 'basic_mpp') ? { parts: true } : {}),
  }
  return {
    paymentHash,
    bolt11: text,
    destination: toHex(invoice.payee),
    description: invoice.description ?? '',
    amountMsat,
    feeMsat: msat(0),
    state: 'pending',
    target,
    maxFeeMsat: ctx.maxFeeMsat ?? defaultMaxFee(amountMsat),
    attempts: existing?.attempts.slice(-KEPT_ATTEMPTS) ?? [],
    firstOfRun,
    nextAttempt: firstOfRun,
    createdAt: existing?.createdAt ?? ctx.now,
    deadline: ctx.now + ctx.timeoutSeconds * 1000,
    overdue: false,
  }
}

/** One HTLC to send: through which channel, and by which route where that does not end at our peer. */
interface Way {
  readonly channelId: string
  readonly amountMsat: Msat
  readonly route?: Route
}

/** The next attempts of a run: what has not been sent yet, by ways that have not failed in it. */
export function begin(record: PaymentRecord, ctx: PayContext): Result<PaymentTurn, PaymentFailure> {
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
  const { destination, target } = record
  const amountMsat = missingMsat(record)
  const tried = ofRun(record)
  const without = tried.filter((a) => a.channelBlameless !== true).map((a) => a.channelId)
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
  // With a channel to the recipient, what is wrong with that is what the user can do something about.
  return ctx.channels.some((c) => c.peer === destination) ? direct : found
}

/** Whether a way round, or several, can help: not where our channel is merely full for now, nor where the amount is no amount. */
const mayGoAround = ({ code, data }: PaymentFailure): boolean =>
  code === 'noRoute' ||
  code === 'peerNotConnected' ||
  code === 'channelNotOpen' ||
  (code === 'exceedsSpendable' && data?.['reason'] !== 'inFlight')

function send(record: PaymentRecord, way: Way, ctx: PayContext): Result<PaymentTurn, PaymentFailure> {
  const { paymentHash, destination, target, nextAttempt: n } = record
  const { channelId, amountMsat, route } = way
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
    ...(route === undefined || hops.length === 1 ? {} : { route }),
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

/**
 * A preimage arrived, from a channel's `htlcFulfilled` or from the chain: the payment has succeeded, whatever was thought of it
 * before. Its HTLC stays `pending` until the removal is locked in.
 */
export function onFulfilled(record: PaymentRecord, preimage: Uint8Array, now: number): PaymentTurn {
  // The channel has checked it on reception (BOLT 2 §update_fulfill_htlc); a wrong one here is a defect.
  invariant(equalBytes(sha256(preimage), fromHex(record.paymentHash)), 'preimage of another payment')
  if (record.state === 'succeeded') return still(record)
  const { error: _, doomed: __, ...rest } = record
  const { paymentHash, amountMsat } = record
  // Who gives the preimage takes every part that is there.
  const feeMsat = msat(
    ofRun(record)
      .filter((a) => a.state !== 'failed')
      .reduce((sum, a) => sum + (a.route?.feeMsat ?? 0n), 0n),
  )
  return {
    record: { ...rest, state: 'succeeded', preimage, feeMsat, endedAt: now },
    effects: [
      event({ type: 'paymentSucceeded', paymentHash, preimage: toHex(preimage), amountMsat, feeMsat }),
    ],
  }
}

/** The removal of an attempt's HTLC is locked in (the channel's `htlcRemoved`): it is over, and so may the payment be. */
export function onRemoved(
  record: PaymentRecord,
  token: string,
  removal: HtlcRemoval,
  ctx: PayContext,
): PaymentTurn {
  const attempt = pendingAttempt(record, token)
  if (removal.type === 'fulfill') {
    const turn = onFulfilled(record, removal.preimage, ctx.now)
    if (attempt === undefined) return turn
    const ended: Attempt = { ...attempt, state: 'succeeded', endedAt: ctx.now }
    return { record: withAttempt(turn.record, ended), effects: turn.effects }
  }
  return attempt === undefined
    ? still(record)
    : attemptFailed(record, attempt, verdictOf(removal, attempt, ctx.height), ctx)
}

/** The channel will not offer an add that it had in its outbox (its `addRefused`): nothing was ever signed. */
export function onRefused(
  record: PaymentRecord,
  token: string,
  reason: string,
  ctx: PayContext,
): PaymentTurn {
  const attempt = pendingAttempt(record, token)
  return attempt === undefined
    ? still(record)
    : attemptFailed(record, attempt, { error: refusalFailure(reason), retry: 'elsewhere' }, ctx)
}

/**
 * The time that the user gave has passed (`dueAt`). What waits in an outbox is withdrawn and the payment fails; an HTLC that has
 * been offered is beyond recall, and the payment stays `pending` (and `overdue`) until it is resolved.
 */
export function onTimeout(record: PaymentRecord, places: HtlcPlaces, now: number): PaymentTurn {
  if (record.state !== 'pending' || now < record.deadline) return still(record)
  const error = failure('paymentTimedOut', 'The payment could not be offered in the time given.', {
    reason: 'notOffered',
  })
  const effects: PaymentEffect[] = []
  let next = record
  for (const attempt of record.attempts) {
    if (attempt.state !== 'pending' || places(attempt.channelId, attempt.token) !== 'waiting') continue
    effects.push({ type: 'withdraw', channelId: attempt.channelId, token: attempt.token })
    const ended = endAttempt(next, attempt, error, now)
    next = ended.record
    effects.push(...ended.effects)
  }
  if (isPending(next)) return { record: next.overdue ? next : { ...next, overdue: true }, effects }
  const failed = endPayment(next, error, now)
  return { record: failed.record, effects: [...effects, ...failed.effects] }
}

/**
 * After loading. An attempt and its place in a channel's outbox are one write, and an HTLC leaves a channel in the write that
 * tells us of it; so there is nothing to do, unless a defect or an old copy of one record broke that. Then an attempt that no
 * channel knows of is failed, and only then: with a channel that is unknown, or closed and unresolved, money may still move.
 */
export function resume(record: PaymentRecord, places: HtlcPlaces, now: number): PaymentTurn {
  const error = failure('paymentFailed', 'The payment was interrupted before it was offered.', {
    reason: 'interrupted',
  })
  const effects: PaymentEffect[] = []
  let next = record
  for (const attempt of record.attempts) {
    if (attempt.state !== 'pending' || places(attempt.channelId, attempt.token) !== 'gone') continue
    if (record.state === 'succeeded') {
      next = withAttempt(next, { ...attempt, state: 'succeeded', endedAt: now })
      continue
    }
    const ended = endAttempt(next, attempt, error, now)
    next = ended.record
    effects.push(...ended.effects)
  }
  if (next === record || next.state !== 'pending' || isPending(next)) return { record: next, effects }
  const failed = endPayment(next, error, now)
  return { record: failed.record, effects: [...effects, ...failed.effects] }
}

const still = (record: PaymentRecord): PaymentTurn => ({ record, effects: [] })
const event = (e: PaymentEvent): PaymentEffect => ({ type: 'event', event: e })

const pendingOf = (record: PaymentRecord): readonly Attempt[] =>
  record.attempts.filter((a) => a.state === 'pending')

const isPending = (record: PaymentRecord): boolean => record.attempts.some((a) => a.state === 'pending')

const ofRun = (record: PaymentRecord): readonly Attempt[] =>
  record.attempts.filter((a) => a.n >= record.firstOfRun)

const pendingAttempt = (record: PaymentRecord, token: string): Attempt | undefined =>
  record.attempts.find((a) => a.token === token && a.state === 'pending')

const withAttempt = (record: PaymentRecord, attempt: Attempt): PaymentRecord => ({
  ...record,
  attempts: record.attempts.map((a) => (a.n === attempt.n ? attempt : a)),
})

function endAttempt(
  record: PaymentRecord,
  attempt: Attempt,
  error: PaymentFailure,
  now: number,
  channelBlameless = false,
  taught: Pick<Attempt, 'blame' | 'lesson'> = {},
): PaymentTurn {
  const ended: Attempt = {
    ...attempt,
    state: 'failed',
    error,
    endedAt: now,
    ...(channelBlameless ? { channelBlameless } : {}),
    ...taught,
  }
  const { paymentHash } = record
  const { n, channelId } = attempt
  return {
    record: withAttempt(record, ended),
    effects: [event({ type: 'paymentAttemptFailed', paymentHash, attempt: n, channelId, error })],
  }
}

function endPayment(record: PaymentRecord, error: PaymentFailure, now: number): PaymentTurn {
  // The law of this machine: a failed payment has no HTLC that could still be fulfilled.
  invariant(!isPending(record), 'a payment failed with an HTLC on its way')
  const { paymentHash } = record
  return {
    record: { ...record, state: 'failed', error, endedAt: now },
    effects: [event({ type: 'paymentFailed', paymentHash, error })],
  }
}

/** An attempt is over without success: the next one, or the end. */
function attemptFailed(
  record: PaymentRecord,
  attempt: Attempt,
  { error, retry, blame, lesson }: Verdict,
  ctx: PayContext,
): PaymentTurn {
  // Beyond our peer it was not our channel that failed.
  const blameless = retry === 'again' || blame !== undefined
  const ended = endAttempt(record, attempt, error, ctx.now, blameless, {
    ...(blame === undefined ? {} : { blame }),
    ...(lesson === undefined ? {} : { lesson }),
  })
  if (ended.record.state !== 'pending') return ended
  const next = attemptNext(ended.record, error, retry, ctx)
  return { record: next.record, effects: [...ended.effects, ...next.effects] }
}

function attemptNext(
  record: PaymentRecord,
  error: PaymentFailure,
  retry: Verdict['retry'],
  ctx: PayContext,
): PaymentTurn {
  // While parts are on their way the payment lives on, and they may still be taken.
  const over = (last: PaymentFailure): PaymentTurn =>
    isPending(record) ? still({ ...record, doomed: last }) : endPayment(record, last, ctx.now)
  if (record.doomed !== undefined) return over(record.doomed)
  if (retry === 'never' || ofRun(record).length >= MAX_ATTEMPTS) return over(error)
  if (ctx.now >= record.deadline)
    return over(
      failure('paymentTimedOut', `No attempt succeeded in the time given. ${error.message}`, {
        ...error.data,
        lastError: error.code,
      }),
    )
  if (ctx.now >= record.target.expiresAt)
    return over(failure('invoiceExpired', 'The invoice expired between two attempts.', { ...error.data }))
  const next = begin(record, ctx)
  // Why the last attempt failed says more than that there is no other channel.
  return next.ok ? next.value : over(error)
}

/** Whether an invoice has a feature, required or optional. */
const hasBit = (features: readonly number[], name: keyof typeof FEATURES): boolean =>
  features.includes(FEATURES[name].bit) || features.includes(FEATURES[name].bit + 1)
