import { toHex } from '../base/bytes.ts'
import { err, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat, toMsat } from '../base/units.ts'
import { minFinalCltvExpiryDelta } from '../invoice/types.ts'
import { begin, type PayContext } from './attempt.ts'
import { defaultMaxFee, hintsOf } from './attempt-route.ts'
import { endAttempt, endPayment, MAX_ATTEMPTS } from './ends.ts'
import { MIN_FINAL_CLTV_EXPIRY_DELTA } from './invoice-record.ts'
import { hasBit, type StartContext } from './start-payment.ts'
import {
  type Attempt,
  isPending,
  type PaymentRecord,
  type PaymentTarget,
  type PaymentTurn,
  still,
  withAttempt,
} from './payment-record.ts'
import { checkInvoice, checkStanding } from './start.ts'
import { failure, type HtlcRemoval, type PaymentFailure } from './types.ts'
import { type Verdict, verdictOf } from './verdict.ts'

/**
 * Probes: HTLCs with a hash that nobody has a preimage of. What the recipient itself does not know has reached it, and would have with the
 * right hash. All parts of a round are on their way together, so that each finds the others where a payment's would; when one comes back
 * from between, the next round is begun with what all of them taught.
 *
 * A probe is no payment and is not written: after a restart its HTLCs come back like others, and nobody asks for them any more.
 */

export type ProbeTarget =
  | { readonly invoice: string; readonly amountMsat?: Msat }
  | { readonly destination: string; readonly amountMsat: Msat }

/** Begins a probe. Errors: as of a payment. */
export function startProbe(to: ProbeTarget, ctx: StartContext): Result<PaymentTurn, PaymentFailure> {
  const deadline = ctx.now + ctx.timeoutSeconds * 1000
  // Its own secret: the recipient need not learn whose invoice is meant.
  const secret = { paymentSecret: ctx.entropy.bytes(32) }
  const unknown = { ...ctx, known: () => undefined }
  let destination: string
  let amountMsat: Msat
  let target: PaymentTarget
  if ('invoice' in to) {
    const payable = checkInvoice(to.invoice, to.amountMsat, unknown)
    if (!payable.ok) return payable
    const { invoice } = payable.value
    destination = toHex(invoice.payee)
    ;({ amountMsat } = payable.value)
    target = {
      ...secret,
      minFinalCltvExpiryDelta: minFinalCltvExpiryDelta(invoice),
      expiresAt: deadline,
      ...(invoice.routeHints.length === 0 ? {} : { hints: hintsOf(invoice.routeHints) }),
      ...(hasBit(invoice.features, 'basic_mpp') ? { parts: true } : {}),
    }
  } else {
    ;({ destination, amountMsat } = to)
    const standing = checkStanding({ paymentHash: '', destination, expiresAt: deadline }, unknown)
    if (standing !== undefined) return err(standing)
    if (amountMsat <= 0n || amountMsat > toMsat(MAX_SAT))
      return err(failure('invalidInput', 'The amount is none.', { field: 'amountMsat' }))
    target = { ...secret, minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA, expiresAt: deadline }
  }
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no expiry can be chosen.'))
  return begin(
    {
      paymentHash: toHex(ctx.entropy.bytes(32)),
      bolt11: '',
      destination,
      description: '',
      amountMsat,
      feeMsat: msat(0),
      state: 'pending',
      probe: { round: 1 },
      target,
      maxFeeMsat: ctx.maxFeeMsat ?? defaultMaxFee(amountMsat),
      attempts: [],
      firstOfRun: 1,
      nextAttempt: 1,
      createdAt: ctx.now,
      deadline,
      overdue: false,
    },
    ctx,
  )
}

/** Whether the recipient itself said no, for want of an invoice with this hash: all the way is good for the amount. */
const hasArrived = ({ error }: Verdict, attempt: Attempt): boolean =>
  error.data?.['failure'] === 'incorrect_or_unknown_payment_details' &&
  error.data['hop'] === attempt.hops.length - 1

/** A part of a probe is back. */
export function probeReturned(
  record: PaymentRecord,
  attempt: Attempt,
  removal: Exclude<HtlcRemoval, { type: 'fulfill' }>,
  ctx: PayContext,
): PaymentTurn {
  const verdict = verdictOf(removal, attempt, ctx.height)
  if (!hasArrived(verdict, attempt)) return probeFailed(record, attempt, verdict, ctx)
  const { holdTimes } = verdict
  const arrived: Attempt = {
    ...attempt,
    sharedSecrets: [],
    state: 'succeeded',
    endedAt: ctx.now,
    ...(holdTimes === undefined ? {} : { holdTimes }),
  }
  return afterRound(withAttempt(record, arrived), undefined, ctx)
}

/** A part of a probe did not get through, or was never offered. */
export function probeFailed(
  record: PaymentRecord,
  attempt: Attempt,
  verdict: Verdict,
  ctx: PayContext,
): PaymentTurn {
  const { error, retry, blame, lesson, holdTimes } = verdict
  const ended = endAttempt(record, attempt, error, ctx.now, retry === 'again' || blame !== undefined, {
    ...(blame === undefined ? {} : { blame }),
    ...(lesson === undefined ? {} : { lesson }),
    ...(holdTimes === undefined ? {} : { holdTimes }),
  })
  const doomed = retry === 'never' ? { doomed: error } : {}
  return afterRound({ ...ended.record, ...doomed }, error, ctx)
}

/** When all of a round is back: it arrived, or the next one is begun, or there is none. */
function afterRound(record: PaymentRecord, last: PaymentFailure | undefined, ctx: PayContext): PaymentTurn {
  if (record.state !== 'pending' || isPending(record)) return still(record)
  const round = record.attempts.filter((a) => a.n >= (record.probe?.round ?? 1))
  const failed = round.find((a) => a.state === 'failed')
  if (failed === undefined) {
    const feeMsat = msat(round.reduce((sum, a) => sum + (a.route?.feeMsat ?? 0n), 0n))
    return { record: { ...record, state: 'succeeded', feeMsat, endedAt: ctx.now }, effects: [] }
  }
  const why = record.doomed ?? last ?? failed.error ?? failure('paymentFailed', 'A part came back.')
  if (record.doomed !== undefined || record.attempts.length >= MAX_ATTEMPTS || ctx.now >= record.deadline)
    return endPayment(record, why, ctx.now)
  const next = begin({ ...record, probe: { round: record.nextAttempt } }, ctx)
  return next.ok ? next.value : endPayment(record, why, ctx.now)
}
