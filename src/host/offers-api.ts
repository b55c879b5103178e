import { entries } from '../engine/base/table.ts'
import type { Input, Output } from '../contract/procedures.ts'
import type { Command } from '../engine/node/commands.ts'
import type { NodeState } from '../engine/node/state.ts'
import { toHex } from '../engine/base/bytes.ts'
import { isOfferExpired, type Offer, offerText } from '../engine/offer/offer.ts'
import type { OfferRecord } from '../engine/payment/offer-record.ts'
import type { OfferRequest } from '../engine/payment/offer-request.ts'
import { safeText } from '../engine/wire/text.ts'
import { readMsat } from './project.ts'
import { DEFAULT_TIMEOUT_SECONDS } from './send-payment.ts'

/** Offers (BOLT 12) as the API speaks of them. */

const iso = (ms: number): string => new Date(ms).toISOString()
/** No date is later than this for a `Date`. */
const LAST_SECOND = 8_640_000_000_000n

/** Whether a text to be paid is an offer. */
export const isOffer = (text: string): boolean => /^\s*(lightning:)?l\+?n\+?o\+?1/i.test(text)

/** What an offer says of itself, for review: `now` in ms since 1970. */
export function describeOffer(
  offer: Offer,
  now: number,
  fallbackAddress?: string,
): Extract<Output<'decode'>, { kind: 'offer' }> {
  const { fields } = offer
  const { offerAmount, offerCurrency, offerIssuer, offerIssuerId, offerQuantityMax } = fields
  const expiry = fields.offerAbsoluteExpiry
  return {
    kind: 'offer',
    offer: offerText(offer),
    description: safeText(fields.offerDescription ?? '', 640),
    ...(offerIssuer === undefined ? {} : { issuer: safeText(offerIssuer, 200) }),
    ...(offerIssuerId === undefined ? {} : { issuerId: toHex(offerIssuerId) }),
    ...(offerAmount === undefined || offerCurrency !== undefined ? {} : { amountMsat: `${offerAmount}` }),
    ...(offerCurrency === undefined
      ? {}
      : { currency: { code: safeText(offerCurrency, 3), amount: `${offerAmount ?? 0n}` } }),
    ...(offerQuantityMax === undefined ? {} : { quantityMax: `${offerQuantityMax}` }),
    ...(expiry === undefined || expiry > LAST_SECOND ? {} : { expiresAt: iso(Number(expiry) * 1000) }),
    expired: isOfferExpired(offer, now / 1000),
    ...(fallbackAddress === undefined ? {} : { fallbackAddress }),
  }
}

/** The command for paying an offer. */
export function offerCommand(
  input: Extract<Input<'sendPayment'>, { invoice: string }>,
): Extract<Command, { type: 'payOffer' }> {
  return {
    type: 'payOffer',
    offer: input.invoice.trim().replace(/^lightning:/i, ''),
    ...(input.amountMsat === undefined ? {} : { amountMsat: readMsat(input.amountMsat) }),
    ...(input.quantity === undefined ? {} : { quantity: BigInt(input.quantity) }),
    ...(input.payerNote === undefined ? {} : { payerNote: input.payerNote }),
    ...(input.maxFeeMsat === undefined ? {} : { maxFeeMsat: readMsat(input.maxFeeMsat) }),
    timeoutSeconds: input.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS,
  }
}

/** The command for an offer of ours. */
export const newOffer = (input: Input<'addOffer'>, now: number): Extract<Command, { type: 'addOffer' }> => ({
  type: 'addOffer',
  offer: {
    ...(input.amountMsat === undefined ? {} : { amountMsat: readMsat(input.amountMsat) }),
    description: input.description ?? '',
    ...(input.issuer === undefined ? {} : { issuer: input.issuer }),
    ...(input.quantityMax === undefined ? {} : { quantityMax: BigInt(input.quantityMax) }),
    ...(input.expirySeconds === undefined ? {} : { expiresAt: now + input.expirySeconds * 1000 }),
  },
})

/** An offer of ours, and what it has brought. */
export function projectOffer(state: NodeState, record: OfferRecord): Output<'addOffer'> {
  const paid = entries(state.invoices).filter((i) => i.offer === record.id && i.settledAt !== undefined)
  return {
    id: record.id,
    offer: record.offer,
    description: record.description,
    ...(record.amountMsat === undefined ? {} : { amountMsat: `${record.amountMsat}` }),
    createdAt: iso(record.createdAt),
    ...(record.expiresAt === undefined ? {} : { expiresAt: iso(record.expiresAt) }),
    enabled: record.disabled !== true,
    paid: paid.length,
    receivedMsat: `${paid.reduce((sum, i) => sum + (i.receivedMsat ?? 0n), 0n)}`,
  }
}

/** An offer that is being paid. */
export const projectRequest = (record: OfferRequest): Output<'listOfferRequests'>[number] => ({
  id: record.id,
  offer: record.offer,
  description: record.description,
  ...(record.issuer === undefined ? {} : { issuer: record.issuer }),
  amountMsat: `${record.amountMsat}`,
  state: record.state,
  asked: record.asked.length,
  ...(record.error === undefined ? {} : { error: record.error }),
  createdAt: iso(record.createdAt),
})
