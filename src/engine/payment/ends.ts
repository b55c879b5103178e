import { invariant } from '../base/result.ts'
import { begin, type PayContext } from './attempt.ts'
import {
  type Attempt,
  event,
  isPending,
  ofRun,
  type PaymentRecord,
  type PaymentTurn,
  still,
  withAttempt,
} from './payment-record.ts'
import { failure, type PaymentFailure } from './types.ts'
import type { Verdict } from './verdict.ts'

/** How attempts and payments end, and what follows on an attempt that failed. */

/** Attempts in one run, whatever failures suggest. */
export const MAX_ATTEMPTS = 25

/** An attempt has failed: its HTLC is gone, or never was. */
export function endAttempt(
  record: PaymentRecord,
  attempt: Attempt,
  error: PaymentFailure,
  now: number,
  channelBlameless = false,
  taught: Pick<Attempt, 'blame' | 'lesson' | 'holdTimes'> = {},
): PaymentTurn {
  const ended: Attempt = {
    ...attempt,
    sharedSecrets: [],
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

/** A payment has failed. */
export function endPayment(record: PaymentRecord, error: PaymentFailure, now: number): PaymentTurn {
  // The law of this machine: a failed payment has no HTLC that could still be fulfilled.
  invariant(!isPending(record), 'a payment failed with an HTLC on its way')
  const { paymentHash } = record
  return {
    record: { ...record, state: 'failed', error, endedAt: now },
    effects: [event({ type: 'paymentFailed', paymentHash, error })],
  }
}

/** An attempt is over without success: the next one, or the end. */
export function attemptFailed(
  record: PaymentRecord,
  attempt: Attempt,
  { error, retry, blame, lesson, holdTimes }: Verdict,
  ctx: PayContext,
): PaymentTurn {
  // Beyond our peer it was not our channel that failed.
  const blameless = retry === 'again' || blame !== undefined
  const ended = endAttempt(record, attempt, error, ctx.now, blameless, {
    ...(blame === undefined ? {} : { blame }),
    ...(lesson === undefined ? {} : { lesson }),
    ...(holdTimes === undefined ? {} : { holdTimes }),
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
