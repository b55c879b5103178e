import { toHex } from '../base/bytes.ts'
import { err, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat, toMsat } from '../base/units.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { begin } from './attempt.ts'
import { defaultMaxFee } from './attempt-route.ts'
import { KEPT_ATTEMPTS, type StartContext } from './start-payment.ts'
import type { PaymentTurn } from './payment-record.ts'
import { checkStanding } from './start.ts'
import { failure, type PaymentFailure } from './types.ts'

/** Who is paid by blinded paths: what an invoice of BOLT 12 says of itself. */
export interface BlindedPayee {
  readonly paths: readonly BlindedPaymentPath[]
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  readonly amountMsat: Msat
  /** ms since 1970 */
  readonly expiresAt: number
  /** Whether it takes the amount in parts (`basic_mpp`). */
  readonly parts: boolean
  /** Who signed the invoice, 66 hex digits: a name for the eye, not a node on the network. */
  readonly nodeId: string
  readonly description: string
  /** The invoice as text. */
  readonly text: string
}

/**
 * Begins to pay by blinded paths, or tries again what failed. The invoice has been verified by whoever asks.
 * @returns the record and its offers, to be written and done in this turn; or why not, with nothing changed
 */
export function startBlinded(
  payee: BlindedPayee,
  ctx: Omit<StartContext, 'network'>,
): Result<PaymentTurn, PaymentFailure> {
  const { amountMsat } = payee
  const paymentHash = toHex(payee.paymentHash)
  const { nodeId: destination, expiresAt } = payee
  const standing = checkStanding({ paymentHash, destination, expiresAt }, ctx)
  if (standing !== undefined) return err(standing)
  if (amountMsat <= 0n)
    return err(failure('amountTooSmall', 'At least 1 msat can be sent.', { minMsat: '1' }))
  if (amountMsat > toMsat(MAX_SAT))
    return err(
      failure('invalidInput', 'The amount is more than all bitcoin there can be.', { field: 'amountMsat' }),
    )
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no expiry can be chosen.'))
  const existing = ctx.known(paymentHash)
  const firstOfRun = existing?.nextAttempt ?? 1
  return begin(
    {
      paymentHash,
      bolt11: payee.text,
      destination,
      description: payee.description,
      amountMsat,
      feeMsat: msat(0),
      state: 'pending',
      target: {
        blinded: payee.paths,
        // The paths' own deltas have the recipient's in them.
        minFinalCltvExpiryDelta: 0,
        expiresAt,
        ...(payee.parts ? { parts: true } : {}),
      },
      maxFeeMsat: ctx.maxFeeMsat ?? defaultMaxFee(amountMsat),
      attempts: existing?.attempts.slice(-KEPT_ATTEMPTS) ?? [],
      firstOfRun,
      nextAttempt: firstOfRun,
      createdAt: existing?.createdAt ?? ctx.now,
      deadline: ctx.now + ctx.timeoutSeconds * 1000,
      overdue: false,
    },
    ctx,
  )
}
