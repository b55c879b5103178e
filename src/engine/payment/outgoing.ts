import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { holdTimesOfSuccess } from '../onion/attribution.ts'
import type { PayContext } from './attempt.ts'
import { refusalFailure } from './choose.ts'
import { attemptFailed, endAttempt, endPayment } from './ends.ts'
import {
  type Attempt,
  event,
  isPending,
  ofRun,
  type PaymentEffect,
  type PaymentRecord,
  type PaymentTurn,
  pendingAttempt,
  still,
  withAttempt,
} from './payment-record.ts'
import { probeFailed, probeReturned } from './probe.ts'
import type { HtlcPlaces } from './stop.ts'
import { failure, type HtlcRemoval } from './types.ts'
import { verdictOf } from './verdict.ts'

/** What becomes of a payment's HTLCs, and after a restart of those that nobody told of. */

/**
 * A preimage arrived, from a channel's `htlcFulfilled` or from the chain: the payment has succeeded, whatever was thought of it
 * before. Its HTLC stays `pending` until the removal is locked in.
 * @param told what came with it besides: it comes once, nobody stores it
 */
export function onFulfilled(
  unread: PaymentRecord,
  preimage: Uint8Array,
  now: number,
  told?: FulfilTold,
): PaymentTurn {
  const record = told === undefined ? unread : withHoldTimes(unread, told)
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

export interface FulfilTold {
  /** Of the attempt. */
  readonly token: string
  /** 920 bytes (BOLT 4 §Hold times for successful payments). */
  readonly attributionData: Uint8Array
}

function withHoldTimes(record: PaymentRecord, { token, attributionData }: FulfilTold): PaymentRecord {
  const attempt = pendingAttempt(record, token)
  // Of a peer who pays himself there is nothing to learn.
  if (attempt?.route === undefined) return record
  const holdTimes = holdTimesOfSuccess(attempt.sharedSecrets, attributionData)
  return holdTimes.length === 0 ? record : withAttempt(record, { ...attempt, holdTimes })
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
    const ended: Attempt = { ...attempt, sharedSecrets: [], state: 'succeeded', endedAt: ctx.now }
    return { record: withAttempt(turn.record, ended), effects: turn.effects }
  }
  if (attempt !== undefined && record.probe !== undefined) return probeReturned(record, attempt, removal, ctx)
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
  if (attempt === undefined) return still(record)
  const verdict = { error: refusalFailure(reason), retry: 'elsewhere' } as const
  return record.probe === undefined
    ? attemptFailed(record, attempt, verdict, ctx)
    : probeFailed(record, attempt, verdict, ctx)
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
