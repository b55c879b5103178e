import { entry } from '../base/table.ts'
import { err, ok, type Result } from '../base/result.ts'
import { CLAIM_MARGIN_BLOCKS } from '../channel/step.ts'
import { cancelInvoice, type InvoiceRecord, withPreimage } from '../payment/invoice-record.ts'
import { failParts, isComplete, refused, takeParts } from '../payment/parts.ts'
import type { ApiFailure } from './commands.ts'
import { answer, trustedHeight } from './payments.ts'
import { heightOf, putInvoice, type Turn } from './state.ts'

/** What the user says of a payment that is held, in the node's turns. */

/**
 * BOLT 2 §cltv_expiry_delta Selection: MUST fail an HTLC whose fulfillment deadline is already past. By a height of last week it never is, and
 * the preimage would be given away for what the peer has taken back.
 */
function tooLateToTake(turn: Turn, { waiting = [] }: InvoiceRecord): ApiFailure | undefined {
  const height = trustedHeight(turn)
  if (height <= 0)
    return { code: 'notReady', message: 'The chain is not known yet, so no expiry can be judged.' }
  return waiting.some((part) => part.cltvExpiry <= height + CLAIM_MARGIN_BLOCKS)
    ? { code: 'tooLate', message: 'The payment expires too soon to be taken.' }
    : undefined
}

/** The user takes a held payment, or cancels an invoice with whatever waits for it. */
export function decideInvoice(
  turn: Turn,
  paymentHash: string,
  take: boolean,
  preimage?: Uint8Array,
): Result<void, ApiFailure> {
  const known = entry(turn.state.invoices, paymentHash)
  const record = known !== undefined && preimage !== undefined ? withPreimage(known, preimage) : known
  if (known !== undefined && record === undefined)
    return err({ code: 'invalidInput', message: 'This is no preimage of the invoice.' })
  if (record === undefined) return err({ code: 'invoiceUnknown', message: 'There is no such invoice.' })
  if (record.state !== 'open')
    return err({ code: 'invoiceUnknown', message: `The invoice is ${record.state} already.` })
  if (take && !isComplete(record))
    return err({ code: 'invoiceUnknown', message: 'No payment waits for this invoice.' })
  if (take && record.preimage.length === 0)
    return err({ code: 'invalidInput', message: 'Only its preimage settles this invoice.' })
  const late = take ? tooLateToTake(turn, record) : undefined
  if (late !== undefined) return err(late)
  const outcome = take ? takeParts(record, turn.now) : failParts(record, refused(heightOf(turn.state)))
  putInvoice(turn, take ? outcome.invoice : (cancelInvoice(outcome.invoice) ?? outcome.invoice))
  answer(turn, outcome.removals)
  return ok(undefined)
}
