import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { publicKey } from '../crypto/curve.ts'
import { encodeTlvRecords, type TlvRecord } from '../wire/tlv.ts'
import {
  type InvoiceRequestFields,
  isRequestType,
  readInvoiceRequest,
  recordsOf,
  type Stream,
} from './fields.ts'
import { isSignature, isSignedBy, signStream } from './merkle.ts'
import { isOfferType } from './fields.ts'
import { isForChain, isOfferExpired, type Offer, offerOf, unknownEven } from './offer.ts'

/** A signed invoice request. */
export type InvoiceRequest = Stream<InvoiceRequestFields>

/** What a payer chooses. */
export interface RequestChoice {
  /** Needed where the offer names no amount (or one in another currency); otherwise what it asks for, or more. */
  readonly amountMsat?: Msat
  /** Needed where the offer counts items. */
  readonly quantity?: bigint
  readonly payerNote?: string
}

/**
 * Why no invoice can be asked for.
 * - `wrongChain`, `expired`
 * - `amountRequired`: the offer names none, or one in a currency: the payer has to say.
 * - `amountTooSmall`: less than it asks for: `leastMsat`. `amountTooLarge`: more than there is.
 * - `quantityRequired`, `quantityNotAllowed`, `quantityTooLarge`: `most`.
 */
export interface ChoiceError {
  readonly code:
    | 'wrongChain'
    | 'expired'
    | 'amountRequired'
    | 'amountTooSmall'
    | 'amountTooLarge'
    | 'quantityRequired'
    | 'quantityNotAllowed'
    | 'quantityTooLarge'
  readonly leastMsat?: Msat
  readonly most?: bigint
}

const MOST = MAX_SAT * 1000n

/** What an offer asks for so many items, in msat; undefined where it leaves that open, or names it in a currency. */
export function expectedAmount({ fields }: Offer, quantity: bigint | undefined): bigint | undefined {
  if (fields.offerAmount === undefined || fields.offerCurrency !== undefined) return undefined
  return fields.offerAmount * (quantity ?? 1n)
}

/** BOLT 12 §Requirements for Invoice Requests, the writer: what may be asked of this offer now, or why not. */
export function checkChoice(
  offer: Offer,
  choice: RequestChoice,
  chainHash: Uint8Array,
  now: number,
): Result<{ readonly amountMsat: Msat }, ChoiceError> {
  if (!isForChain(offer, chainHash)) return err({ code: 'wrongChain' })
  if (isOfferExpired(offer, now)) return err({ code: 'expired' })
  const { offerQuantityMax: max } = offer.fields
  const { quantity, amountMsat } = choice
  if (max === undefined && quantity !== undefined) return err({ code: 'quantityNotAllowed' })
  if (max !== undefined && (quantity === undefined || quantity < 1n)) return err({ code: 'quantityRequired' })
  if (max !== undefined && quantity !== undefined) {
    if (max > 0n && quantity > max) return err({ code: 'quantityTooLarge', most: max })
    if (quantity > 0xffff_ffff_ffff_ffffn) return err({ code: 'quantityTooLarge' })
  }
  const expected = expectedAmount(offer, quantity)
  if (expected !== undefined && expected > MOST) return err({ code: 'amountTooLarge' })
  const amount = amountMsat ?? expected
  if (amount === undefined) return err({ code: 'amountRequired' })
  if (amount < 1n || (expected !== undefined && amount < expected))
    return err({ code: 'amountTooSmall', leastMsat: msat(expected ?? 1n) })
  if (amount > MOST) return err({ code: 'amountTooLarge' })
  return ok({ amountMsat: msat(amount) })
}

/**
 * Asks for an invoice of an offer; `checkChoice` has agreed. The amount always goes in, so that what the invoice must say is
 * known before it comes.
 * @param metadata 32 random bytes, of this request alone
 * @param payerSecret 32 bytes, of this request alone
 * @param aux 32 random bytes
 */
export function makeInvoiceRequest(
  offer: Offer,
  choice: RequestChoice & { readonly amountMsat: Msat },
  chainHash: Uint8Array,
  keys: { readonly metadata: Uint8Array; readonly payerSecret: Uint8Array; readonly aux: Uint8Array },
): InvoiceRequest {
  const fields: InvoiceRequestFields = {
    invreqMetadata: keys.metadata,
    // SHOULD be omitted for bitcoin.
    ...(equalBytes(chainHash, NETWORKS.bitcoin.chainHash) ? {} : { invreqChain: chainHash }),
    invreqAmount: choice.amountMsat,
    ...(choice.quantity === undefined ? {} : { invreqQuantity: choice.quantity }),
    invreqPayerId: publicKey(keys.payerSecret),
    ...(choice.payerNote === undefined || choice.payerNote === ''
      ? {}
      : { invreqPayerNote: choice.payerNote }),
  }
  // MUST copy all fields from the offer, unknown ones included: as they stood.
  const unsigned = recordsOf(fields, offer.records)
  const records = signStream('invoice_request', unsigned, keys.payerSecret, keys.aux)
  const made = readInvoiceRequest(encodeTlvRecords(records))
  if (!made.ok) throw new Error(`makeInvoiceRequest: ${made.error.message}`)
  return made.value
}

/**
 * Why an invoice request is refused. `field` is the TLV type at fault, for `invoice_error`.
 */
export interface RequestError {
  readonly code: 'malformed' | 'missing' | 'unknownField' | 'unknownRequiredFeature' | 'badSignature'
  readonly field?: bigint
}

/** Reads an invoice request and checks what the reader must whatever offer it is for (BOLT 12 §Requirements for Invoice Requests). */
export function decodeInvoiceRequest(bytes: Uint8Array): Result<InvoiceRequest, RequestError> {
  const stream = readInvoiceRequest(bytes)
  if (!stream.ok)
    return err({
      code: 'malformed',
      ...(stream.error.tlvType === undefined ? {} : { field: stream.error.tlvType }),
    })
  const { records, fields } = stream.value
  const stranger = records.find((r) => !isSignature(r.type) && !isRequestType(r.type))
  if (stranger !== undefined) return err({ code: 'unknownField', field: stranger.type })
  if (fields.invreqMetadata === undefined) return err({ code: 'missing', field: 0n })
  if (fields.invreqPayerId === undefined) return err({ code: 'missing', field: 88n })
  if (unknownEven(fields.invreqFeatures).length > 0)
    return err({ code: 'unknownRequiredFeature', field: 84n })
  const { invreqBip353Name: name } = fields
  if (name !== undefined && ![name.name, name.domain].every(isHostText))
    return err({ code: 'malformed', field: 91n })
  if (!isSignedBy('invoice_request', records, fields.invreqPayerId)) return err({ code: 'badSignature' })
  return ok(stream.value)
}

const isHostText = (bytes: Uint8Array): boolean => /^[0-9a-zA-Z._-]*$/.test(String.fromCharCode(...bytes))

/** The records of the offer that a request answers. */
export const offerRecordsOf = (request: InvoiceRequest): readonly TlvRecord[] =>
  request.records.filter((record) => isOfferType(record.type))

/** Whether a request is for an offer: its fields exactly, unknown ones included. */
export function isRequestFor(request: InvoiceRequest, offer: Offer): boolean {
  const mirrored = encodeTlvRecords(offerRecordsOf(request))
  return equalBytes(mirrored, encodeTlvRecords(offer.records))
}

/** What a request for our own offer is worth, or the field at fault (BOLT 12, the reader, "response to an offer"). */
export function amountAsked(
  request: InvoiceRequest,
  offer: Offer,
  chainHash: Uint8Array,
  now: number,
): Result<Msat, { readonly field: bigint; readonly reason: string }> {
  const { invreqChain, invreqAmount, invreqQuantity } = request.fields
  if (!equalBytes(invreqChain ?? NETWORKS.bitcoin.chainHash, chainHash))
    return err({ field: 80n, reason: 'wrong chain' })
  const checked = checkChoice(
    offer,
    {
      ...(invreqAmount === undefined ? {} : { amountMsat: invreqAmount as Msat }),
      ...(invreqQuantity === undefined ? {} : { quantity: invreqQuantity }),
    },
    chainHash,
    now,
  )
  if (checked.ok) return ok(checked.value.amountMsat)
  const { code } = checked.error
  const field = code.startsWith('quantity') ? 86n : code === 'expired' ? 14n : 82n
  return err({ field, reason: code })
}

/** The offer that a text of records stands for; undefined when it is none. */
export const offerOfRecords = (records: readonly TlvRecord[]): Offer | undefined => {
  const read = offerOf(encodeTlvRecords(records))
  return read.ok ? read.value : undefined
}
