import { err, ok, type Result } from '../base/result.ts'
import { endAttempt, endPayment } from './ends.ts'
import {
  isPending,
  type PaymentEffect,
  type PaymentRecord,
  type PaymentTurn,
  still,
} from './payment-record.ts'
import { failure, type PaymentFailure } from './types.ts'

/** What ends a payment from our side: its time, and its user. An HTLC that has been offered is beyond recall. */

/**
 * Where the HTLC of an attempt is, asked of the channels in the very turn:
 * - `waiting`: in the outbox; it was never in a log and can be taken back.
 * - `offered`: in a log or among the live HTLCs of a channel, or of a closed one until the chain has resolved it irrevocably.
 * - `gone`: the channel is known and has no trace of it, and never signed it.
 * - `unknown`: we do not know that channel. Nothing may be concluded.
 */
export type HtlcPlace = 'waiting' | 'offered' | 'gone' | 'unknown'
export type HtlcPlaces = (channelId: string, token: string) => HtlcPlace

/** What waits in an outbox is withdrawn; then the payment fails with `error`, unless an HTLC of it has been offered. */
function takeBack(
  record: PaymentRecord,
  places: HtlcPlaces,
  error: PaymentFailure,
  now: number,
): PaymentTurn {
  const effects: PaymentEffect[] = []
  let next = record
  for (const attempt of record.attempts) {
    if (attempt.state !== 'pending' || places(attempt.channelId, attempt.token) !== 'waiting') continue
    effects.push({ type: 'withdraw', channelId: attempt.channelId, token: attempt.token })
    const ended = endAttempt(next, attempt, error, now)
    next = ended.record
    effects.push(...ended.effects)
  }
  if (isPending(next)) return { record: next, effects }
  const failed = endPayment(next, error, now)
  return { record: failed.record, effects: [...effects, ...failed.effects] }
}

/**
 * The time that the user gave has passed (`dueAt`). What waits in an outbox is withdrawn and the payment fails; an HTLC that has
 * been offered is beyond recall, and the payment stays `pending` (and `overdue`) until it is resolved.
 */
export function onTimeout(record: PaymentRecord, places: HtlcPlaces, now: number): PaymentTurn {
  if (record.state !== 'pending' || now < record.deadline) return still(record)
  const late = failure('paymentTimedOut', 'The payment could not be offered in the time given.', {
    reason: 'notOffered',
  })
  const turn = takeBack(record, places, record.doomed ?? late, now)
  if (turn.record.state !== 'pending' || turn.record.overdue) return turn
  return { record: { ...turn.record, overdue: true }, effects: turn.effects }
}

/**
 * The user wants it no more: no attempt begins, what waits in an outbox is withdrawn, and what has been offered is waited for. With none
 * of that the payment has failed at once.
 */
export function cancelPayment(
  record: PaymentRecord,
  places: HtlcPlaces,
  now: number,
): Result<PaymentTurn, PaymentFailure> {
  if (record.state !== 'pending')
    return err(failure('tooLate', 'The payment has ended.', { state: record.state }))
  const cancelled = failure('paymentCancelled', 'Its user has cancelled the payment.')
  const turn = takeBack(record, places, cancelled, now)
  if (turn.record.state !== 'pending') return ok(turn)
  return ok({ record: { ...turn.record, doomed: cancelled }, effects: turn.effects })
}

/** Whether its user has cancelled it, and something is on its way. */
export const isCancelling = ({ state, doomed }: PaymentRecord): boolean =>
  state === 'pending' && doomed?.code === 'paymentCancelled'
