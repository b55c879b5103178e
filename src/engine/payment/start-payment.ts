import { toHex } from '../base/bytes.ts'
import { err, type Result } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { expiresAt, minFinalCltvExpiryDelta } from '../invoice/types.ts'
import { FEATURES } from '../wire/features.ts'
import { begin, type PayContext } from './attempt.ts'
import { defaultMaxFee, hintsOf } from './attempt-route.ts'
import type { PaymentRecord, PaymentTarget, PaymentTurn } from './payment-record.ts'
import { checkInvoice, type Payable } from './start.ts'
import { failure, type PaymentFailure } from './types.ts'

/** Payments of an invoice, from its text to the first attempts. */

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

/** Whether an invoice has a feature, required or optional. */
export const hasBit = (features: readonly number[], name: keyof typeof FEATURES): boolean =>
  features.includes(FEATURES[name].bit) || features.includes(FEATURES[name].bit + 1)
