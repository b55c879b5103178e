import { fromHex, toHex } from '../base/bytes.ts'
import { err, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat, toMsat } from '../base/units.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { type InvoiceRecord, MIN_FINAL_CLTV_EXPIRY_DELTA } from './invoice-record.ts'
import { begin } from './attempt.ts'
import type { StartContext } from './start-payment.ts'
import type { PaymentTurn } from './payment-record.ts'
import { failure, type IncomingHtlc, type PaymentFailure } from './types.ts'

/** Payments without an invoice (keysend): the payer draws the preimage and puts it into the onion of the last hop. */

/** Least that is taken: what costs its sender nothing must not fill a disk. */
export const MIN_SPONTANEOUS_MSAT = 1_000n

/** Of received ones so many are kept, some 50 MB; beyond that they are failed back. */
export const MAX_SPONTANEOUS = 100_000

/**
 * Blocks that such an HTLC must have left: one more than BOLT 2's deadline for what has been fulfilled, since an HTLC that is taken at its
 * deadline closes the channel with the next block. There is no invoice in which we could ask for more, and the sender knows the preimage
 * anyway: should the HTLC expire on us, the money was never counted.
 */
export const MIN_FINAL_CLTV_SPONTANEOUS = 19

/**
 * Begins to pay a node that did not ask for it. A preimage is drawn for every call: nothing is ever paid twice by it, and nothing that
 * failed can be tried again by its hash.
 * @param destination 66 hex digits
 * @returns the record and an `offer`, to be written and done in this turn; or why not, with nothing changed
 */
export function startSpontaneous(
  destination: string,
  amountMsat: Msat,
  ctx: Omit<StartContext, 'network' | 'known'>,
): Result<PaymentTurn, PaymentFailure> {
  if (destination === ctx.ourNodeId) return err(failure('payingSelf', 'The recipient is this node.'))
  if (!/^0[23][0-9a-f]{64}$/.test(destination) || !isPublicKey(fromHex(destination))) {
    return err(failure('invalidInput', 'The recipient is no node id.', { field: 'destination' }))
  }
  if (amountMsat <= 0n)
    return err(failure('amountTooSmall', 'At least 1 msat can be sent.', { minMsat: '1' }))
  if (amountMsat > toMsat(MAX_SAT)) {
    return err(
      failure('invalidInput', 'The amount is more than all bitcoin there can be.', { field: 'amountMsat' }),
    )
  }
  if (ctx.height <= 0)
    return err(failure('notReady', 'The chain is not known yet, so no expiry can be chosen.'))
  const preimage = ctx.entropy.bytes(32)
  const deadline = ctx.now + ctx.timeoutSeconds * 1000
  return begin(
    {
      paymentHash: toHex(sha256(preimage)),
      bolt11: '',
      destination,
      description: '',
      amountMsat,
      feeMsat: msat(0),
      state: 'pending',
      target: {
        keysendPreimage: preimage,
        // What our own nodes ask for; others ask for less.
        minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
        expiresAt: deadline,
      },
      ...(ctx.maxFeeMsat === undefined ? {} : { maxFeeMsat: ctx.maxFeeMsat }),
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

/** The record of a received one, as of an invoice that is about to be paid. */
export const spontaneousRecord = (htlc: IncomingHtlc, preimage: Uint8Array, now: number): InvoiceRecord => ({
  paymentHash: toHex(htlc.paymentHash),
  preimage,
  spontaneous: true,
  paymentSecret: new Uint8Array(0),
  amountMsat: htlc.amountMsat,
  description: '',
  createdAt: now,
  expiresAt: now,
  minFinalCltvExpiryDelta: MIN_FINAL_CLTV_SPONTANEOUS,
  bolt11: '',
  state: 'open',
  htlcs: [],
})
