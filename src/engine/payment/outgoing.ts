import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { err, invariant, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { sha256 } from '../crypto/hash.ts'
import { expiresAt, minFinalCltvExpiryDelta } from '../invoice/types.ts'
import { holdTimesOfSuccess } from '../onion/attribution.ts'
import { FEATURES } from '../wire/features.ts'
import { begin, type PayContext } from './attempt.ts'
import { defaultMaxFee, hintsOf } from './attempt-route.ts'
import { refusalFailure } from './choose.ts'
import { attemptFailed, endAttempt, endPayment } from './ends.ts'
import type { HtlcPlaces } from './stop.ts'
import {
  type Attempt,
  event,
  isPending,
  ofRun,
  type PaymentEffect,
  type PaymentRecord,
  type PaymentTarget,
  type PaymentTurn,
  pendingAttempt,
  still,
  withAttempt,
} from './payment-record.ts'
import { checkInvoice, type Payable } from './start.ts'
import { failure, type HtlcRemoval, type PaymentFailure } from './types.ts'
import { verdictOf } from './verdict.ts'

/** Attempts of earlier runs that are kept for the eye. */
export const KEPT_ATTEMPTS = 10

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
    const { attributionData } = removal
    const holdTimes =
      attributionData === undefined || attempt.route === undefined
        ? []
        : holdTimesOfSuccess(attempt.sharedSecrets, attributionData)
    const ended: Attempt = {
      ...attempt,
      sharedSecrets: [],
      state: 'succeeded',
      endedAt: ctx.now,
      ...(holdTimes.length === 0 ? {} : { holdTimes }),
    }
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

/** Whether an invoice has a feature, required or optional. */
const hasBit = (features: readonly number[], name: keyof typeof FEATURES): boolean =>
  features.includes(FEATURES[name].bit) || features.includes(FEATURES[name].bit + 1)
