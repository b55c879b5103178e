import { ApiError, type ErrorCode } from '../contract/errors.ts'
import type { Output } from '../contract/procedures.ts'
import { toHex } from '../engine/base/bytes.ts'
import type { Sat } from '../engine/base/units.ts'
import { addressFromScript } from '../engine/bitcoin/address.ts'
import { type NetworkName, NETWORKS } from '../engine/bitcoin/network.ts'
import { isOfferExpired, type Offer } from '../engine/offer/offer.ts'
import { type PayableError, parsePayable } from '../engine/invoice/payable.ts'
import { expiresAt, type Invoice, isExpired } from '../engine/invoice/types.ts'
import { offerFailure } from '../engine/payment/offer-request.ts'
import { safeText } from '../engine/wire/text.ts'
import { describeOffer } from './offers-api.ts'

/** What a text asks to be paid, as the API tells it. */

/** No date is later than this for a `Date`, ms. */
const LAST_MS = 8_640_000_000_000_000

type Described = Output<'decode'>

/** What came in a `bitcoin:` link beside an invoice or an offer. */
interface Beside {
  readonly fallbackAddress?: string
  /** The link's own amount, where the invoice or offer leaves it open. */
  readonly askedMsat?: string
}

/** Reads anything payable; `now` in ms since 1970. Throws `ApiError`. */
export function describePayable(text: string, network: NetworkName, now: number): Described {
  const parsed = parsePayable(text, NETWORKS[network])
  if (!parsed.ok) throw unreadable(parsed.error)
  const payable = parsed.value
  switch (payable.kind) {
    case 'unsupported':
      return { kind: 'unsupported', what: payable.what }
    case 'offer':
      return describeOffer(payable.offer, now)
    case 'invoice':
      return describeInvoice(payable.text, payable.invoice, now, {})
  }
  const { onchain, lightning, offer, amountSat, label, message } = payable
  const besides = (amount: bigint | undefined): Beside => ({
    ...(onchain === undefined ? {} : { fallbackAddress: onchain.address }),
    ...askedFor(amountSat, amount),
  })
  const old = lightning !== undefined && isExpired(lightning.invoice, Math.floor(now / 1000))
  // An invoice is known to be wanted now. One that has expired is passed over for an offer that has not.
  if (offer !== undefined && (lightning === undefined || (old && !isOfferExpired(offer.offer, now / 1000))))
    return { ...describeOffer(offer.offer, now), ...besides(amountOf(offer.offer)) }
  if (lightning !== undefined) {
    const { invoice } = lightning
    return describeInvoice(lightning.text, invoice, now, besides(invoice.amountMsat))
  }
  if (onchain === undefined) throw failure('invoiceMalformed', 'This is nothing that can be paid.')
  return {
    kind: 'address',
    address: onchain.address ?? addressFromScript(onchain.script, NETWORKS[network]) ?? '',
    ...(amountSat === undefined ? {} : { amountSat: String(amountSat) }),
    ...(label === undefined ? {} : { label: safeText(label, 640) }),
    ...(message === undefined ? {} : { message: safeText(message, 640) }),
  }
}

const failure = (
  code: ErrorCode,
  message: string,
  data?: Readonly<Record<string, string | number | boolean>>,
) => new ApiError({ code, message, ...(data === undefined ? {} : { data }) })

function unreadable(error: PayableError): ApiError {
  if (error.code === 'wrongNetwork') {
    const data = error.detail === undefined ? undefined : { network: error.detail }
    return failure('invoiceWrongNetwork', 'This is for another network.', data)
  }
  if (error.code === 'invoice' && error.invoice?.code === 'unknownRequiredFeature')
    return failure('invoiceUnsupported', 'The invoice demands a feature that this wallet does not have.')
  if (error.code === 'offer' && error.offer !== undefined) {
    const { code, message, data } = offerFailure(error.offer)
    return failure(code, message, data)
  }
  return failure('invoiceMalformed', 'This is nothing that can be paid.', { reason: error.code })
}

const askedFor = (amountSat: Sat | undefined, amount: bigint | undefined): Beside =>
  amountSat === undefined || amount !== undefined ? {} : { askedMsat: String(amountSat * 1000n) }

/** Of an offer in another money the payer says how much bitcoin. */
const amountOf = ({ fields }: Offer): bigint | undefined =>
  fields.offerCurrency === undefined ? fields.offerAmount : undefined

function describeInvoice(text: string, invoice: Invoice, now: number, beside: Beside): Described {
  return {
    kind: 'invoice',
    invoice: text,
    paymentHash: toHex(invoice.paymentHash),
    destination: toHex(invoice.payee),
    ...(invoice.amountMsat === undefined ? {} : { amountMsat: String(invoice.amountMsat) }),
    description: safeText(invoice.description ?? '', 640),
    createdAt: new Date(invoice.timestamp * 1000).toISOString(),
    expiresAt: new Date(Math.min(expiresAt(invoice) * 1000, LAST_MS)).toISOString(),
    expired: isExpired(invoice, Math.floor(now / 1000)),
    ...beside,
  }
}
