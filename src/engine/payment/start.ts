import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, toMsat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { decodeInvoice } from '../invoice/decode.ts'
import { expiresAt, type Invoice, type InvoiceError, minFinalCltvExpiryDelta } from '../invoice/types.ts'
import { FINAL_CLTV_PADDING, MAX_HTLC_CLTV } from './onion-for.ts'
import type { PaymentRecord } from './payment-record.ts'
import { failure, type PaymentFailure } from './types.ts'

/** An invoice that we may pay, and how much. */
export interface Payable {
  readonly text: string
  readonly invoice: Invoice
  readonly amountMsat: Msat
}

/** What can be said about an invoice before any channel is looked at, in the order in which a person wants to hear it. */
export function checkInvoice(
  input: string,
  requestedMsat: Msat | undefined,
  ctx: {
    readonly now: number
    readonly network: NetworkName
    readonly ourNodeId: string
    readonly known: (paymentHash: string) => PaymentRecord | undefined
  },
): Result<Payable, PaymentFailure> {
  const stripped = input.trim().replace(/^lightning:/i, '')
  const decoded = decodeInvoice(stripped)
  if (!decoded.ok) return err(unreadable(decoded.error))
  const invoice = decoded.value
  if (invoice.network !== ctx.network) {
    return err(
      failure('invoiceWrongNetwork', 'The invoice is for another network.', { network: invoice.network }),
    )
  }
  const standing = checkStanding(
    {
      paymentHash: toHex(invoice.paymentHash),
      destination: toHex(invoice.payee),
      expiresAt: expiresAt(invoice) * 1000,
    },
    ctx,
  )
  if (standing !== undefined) return err(standing)
  const delta = minFinalCltvExpiryDelta(invoice)
  if (delta + FINAL_CLTV_PADDING > MAX_HTLC_CLTV) {
    return err(
      failure('invoiceUnsupported', 'The recipient wants the money locked for longer than two weeks.', {
        minFinalCltvExpiryDelta: delta,
      }),
    )
  }
  const amount = amountToPay(invoice.amountMsat, requestedMsat)
  return amount.ok ? ok({ text: stripped.toLowerCase(), invoice, amountMsat: amount.value }) : amount
}

/** What stands against paying an invoice whatever way it is paid: it is our own, done, under way or too old. */
export function checkStanding(
  invoice: { readonly paymentHash: string; readonly destination: string; readonly expiresAt: number },
  ctx: {
    readonly now: number
    readonly ourNodeId: string
    readonly known: (paymentHash: string) => PaymentRecord | undefined
  },
): PaymentFailure | undefined {
  const { paymentHash, destination, expiresAt: expires } = invoice
  if (destination === ctx.ourNodeId) return failure('payingSelf', 'The invoice is our own.')
  const existing = ctx.known(paymentHash)
  if (existing?.state === 'succeeded') {
    return failure('alreadyPaid', 'The invoice has been paid already.', {
      amountMsat: `${existing.amountMsat}`,
    })
  }
  if (existing?.state === 'pending')
    return failure('paymentInFlight', 'A payment of this invoice is on its way.')
  // BOLT 11 §Payer / Payee Requirements: SHOULD NOT attempt a payment after timestamp plus expiry.
  if (ctx.now < expires) return undefined
  return failure('invoiceExpired', 'The invoice has expired.', {
    expiredSeconds: Math.floor((ctx.now - expires) / 1000),
  })
}

/** BOLT 11 and BOLT 4 §Failure Messages: not below what is asked for, and not above twice as much. */
function amountToPay(
  askedMsat: Msat | undefined,
  requestedMsat: Msat | undefined,
): Result<Msat, PaymentFailure> {
  const amountMsat = requestedMsat ?? askedMsat
  if (amountMsat === undefined)
    return err(failure('amountRequired', 'The invoice leaves the amount to the payer.'))
  if (amountMsat <= 0n)
    return err(failure('amountTooSmall', 'At least 1 msat can be sent.', { minMsat: '1' }))
  if (amountMsat > toMsat(MAX_SAT))
    return err(
      failure('invalidInput', 'The amount is more than all bitcoin there can be.', { field: 'amountMsat' }),
    )
  if (askedMsat !== undefined && (amountMsat < askedMsat || amountMsat > 2n * askedMsat)) {
    return err(
      failure('amountMismatch', 'The amount must be what the invoice asks for, or up to twice as much.', {
        invoiceMsat: `${askedMsat}`,
        amountMsat: `${amountMsat}`,
      }),
    )
  }
  return ok(amountMsat)
}

function unreadable(error: InvoiceError): PaymentFailure {
  switch (error.code) {
    case 'unknownRequiredFeature':
      return failure('invoiceUnsupported', 'The invoice demands a feature that we do not have.', {
        bits: (error.bits ?? []).join(' '),
      })
    case 'unknownNetwork':
      return failure('invoiceWrongNetwork', 'The invoice is for a network that we do not know.', {
        network: (error.detail ?? '').slice(0, 20),
      })
    default:
      return failure('invoiceMalformed', 'This is not an invoice that can be read.', {
        reason: error.code,
        ...(error.detail === undefined ? {} : { detail: error.detail.slice(0, 100) }),
      })
  }
}
