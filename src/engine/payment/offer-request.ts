import { equalSecret, toHex, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { hkdf } from '../crypto/hash.ts'
import { readInvoiceError } from '../offer/fields.ts'
import { checkInvoice, type InvoiceProblem, type PayableInvoice } from '../offer/invoice.ts'
import {
  checkChoice,
  decodeInvoiceRequest,
  makeInvoiceRequest,
  type ChoiceError,
  type InvoiceRequest,
  type RequestChoice,
} from '../offer/invoice-request.ts'
import { decodeOffer, type Offer, type OfferError, offerText } from '../offer/offer.ts'
import type { BlindedPath } from '../onion/blinded-path.ts'
import type { MessageContent } from '../onion/message.ts'
import { encodeTlvRecords } from '../wire/tlv.ts'
import { safeText } from '../wire/text.ts'
import { failure, type PaymentFailure } from './types.ts'

/**
 * Asking for an invoice of an offer (BOLT 12). A request lives until its invoice has come or its time is over; what is paid then is a
 * payment like any other. It is taken away in the very write that begins the payment, so that no second answer finds it: one request is
 * paid once at most.
 */

/** Version byte of the records under `request/…`. */
export const REQUEST_VERSION = 1

/** Key of a request's record. */
export const requestKey = (id: string): string => `request/${id}`

/** When the request is sent again (ms after the first time): another path, or the same again, since messages get lost. */
const AGAIN_AFTER_MS: readonly number[] = [4_000, 10_000, 20_000, 35_000, 60_000, 120_000]
/** Requests that failed are kept for the eye. */
export const MAX_KEPT_REQUESTS = 50
/** Requests that wait at the same time. */
export const MAX_OPEN_REQUESTS = 50
const PAYER_KEY = utf8('switchback BOLT 12 payer key')

/** One message that asked. */
export interface Asked {
  /** 32 bytes, in the reply path: an answer by another way is none. */
  readonly pathId: Uint8Array
  /** Which of the offer's paths it took; absent: straight to the issuer. */
  readonly path?: number
}

/** A request of ours. Plain data; changed only by the functions of this file. */
export interface OfferRequest {
  /** 64 hex digits: `invreq_metadata`. */
  readonly id: string
  /** `lno1…` */
  readonly offer: string
  /** The signed TLV stream. */
  readonly request: Uint8Array
  readonly description: string
  readonly issuer?: string
  readonly amountMsat: Msat
  readonly maxFeeMsat?: Msat
  readonly timeoutSeconds: number
  readonly state: 'asking' | 'failed'
  readonly asked: readonly Asked[]
  readonly error?: PaymentFailure
  /** ms since 1970 */
  readonly createdAt: number
  readonly deadline: number
  readonly endedAt?: number
}

export interface RequestContext {
  /** ms since 1970 */
  readonly now: number
  readonly network: NetworkName
}

/** The secret (32 bytes) of `invreq_payer_id`: from the wallet's words and the request alone, so that whoever has both can prove who paid. */
export const payerSecretOf = (invoiceKey: Uint8Array, metadata: Uint8Array): Uint8Array =>
  hkdf(invoiceKey, metadata, PAYER_KEY, 32)

/** Begins to ask for an invoice; nothing has been sent yet. */
export function startRequest(
  text: string,
  choice: RequestChoice,
  ctx: RequestContext & {
    readonly entropy: Entropy
    readonly invoiceKey: Uint8Array
    readonly timeoutSeconds: number
    readonly maxFeeMsat?: Msat
  },
): Result<OfferRequest, PaymentFailure> {
  const offer = decodeOffer(text)
  if (!offer.ok) return err(offerFailure(offer.error))
  const { chainHash } = NETWORKS[ctx.network]
  const checked = checkChoice(offer.value, choice, chainHash, ctx.now / 1000)
  if (!checked.ok) return err(choiceFailure(checked.error, offer.value))
  const { amountMsat } = checked.value
  const metadata = ctx.entropy.bytes(32)
  const request = makeInvoiceRequest(offer.value, { ...choice, amountMsat }, chainHash, {
    metadata,
    payerSecret: payerSecretOf(ctx.invoiceKey, metadata),
    aux: ctx.entropy.bytes(32),
  })
  const { offerDescription, offerIssuer } = offer.value.fields
  return ok({
    id: toHex(metadata),
    offer: offerText(offer.value),
    request: encodeTlvRecords(request.records),
    description: safeText(offerDescription ?? '', 640),
    ...(offerIssuer === undefined ? {} : { issuer: safeText(offerIssuer, 200) }),
    amountMsat,
    ...(ctx.maxFeeMsat === undefined ? {} : { maxFeeMsat: ctx.maxFeeMsat }),
    timeoutSeconds: ctx.timeoutSeconds,
    state: 'asking',
    asked: [],
    createdAt: ctx.now,
    deadline: ctx.now + ctx.timeoutSeconds * 1000,
  })
}

/** Where an offer is asked: by one of its paths, or its issuer. */
export type Destination =
  | { readonly path: BlindedPath; readonly index: number }
  | {
      /** 33 bytes */
      readonly nodeId: Uint8Array
    }

/** All destinations of a request (BOLT 12: by a path where there are paths), the one to be tried next first. */
export function destinationsOf(request: OfferRequest): readonly Destination[] {
  const offer = decodeOffer(request.offer)
  if (!offer.ok) return []
  const { offerPaths = [], offerIssuerId } = offer.value.fields
  if (offerPaths.length === 0) return offerIssuerId === undefined ? [] : [{ nodeId: offerIssuerId }]
  const all = offerPaths.map((path, index) => ({ path, index }))
  const first = request.asked.length % all.length
  return [...all.slice(first), ...all.slice(0, first)]
}

/** The request after a message that asked went out. */
export const withAsked = (request: OfferRequest, asked: Asked): OfferRequest => ({
  ...request,
  asked: [...request.asked, asked],
})

/** When the request is to be sent again, or given up (ms since 1970). */
export function requestDueAt(request: OfferRequest): number | undefined {
  if (request.state !== 'asking') return undefined
  const { asked, createdAt, deadline } = request
  const next = asked.length === 0 ? 0 : AGAIN_AFTER_MS[asked.length - 1]
  return next === undefined ? deadline : Math.min(createdAt + next, deadline)
}

/** A request has failed: nothing was paid for it, and nothing will be. */
export const failRequest = (request: OfferRequest, error: PaymentFailure, now: number): OfferRequest => ({
  ...request,
  state: 'failed',
  error,
  endedAt: now,
})

/** The time is over. */
export const noAnswer = (request: OfferRequest): PaymentFailure =>
  request.asked.length > 0
    ? failure('offerNoAnswer', 'The recipient did not answer in the time given.', {
        asked: request.asked.length,
      })
    : failure('offerUnreachable', 'No way to ask the recipient for an invoice is known.')

/** What an answer comes to. */
export type RequestAnswer =
  | { readonly kind: 'invoice'; readonly invoice: PayableInvoice }
  | { readonly kind: 'refused'; readonly error: PaymentFailure }
  | { readonly kind: 'ignored' }

/**
 * An onion message came by a reply path of this request.
 * @param pathId what the reply path had in it
 */
export function onAnswer(
  record: OfferRequest,
  pathId: Uint8Array,
  content: MessageContent | undefined,
  ctx: RequestContext,
): RequestAnswer {
  const asked = record.asked.find((one) => equalSecret(one.pathId, pathId))
  if (asked === undefined || record.state !== 'asking') return { kind: 'ignored' }
  if (content?.kind === 'invoiceError') {
    const read = readInvoiceError(content.bytes)
    const words = read.ok ? safeText(read.value.error ?? '', 200) : ''
    const field = read.ok ? read.value.erroneousField : undefined
    return {
      kind: 'refused',
      error: failure('offerRefused', 'The recipient gave no invoice.', {
        ...(words === '' ? {} : { words }),
        ...(field === undefined ? {} : { field: `${field}` }),
      }),
    }
  }
  if (content?.kind !== 'invoice') return { kind: 'ignored' }
  const request = requestOf(record)
  const signer = request === undefined ? undefined : signerOf(request, asked)
  if (request === undefined || signer === undefined) return { kind: 'ignored' }
  const { chainHash } = NETWORKS[ctx.network]
  const checked = checkInvoice(content.bytes, request, signer, chainHash, ctx.now / 1000)
  return checked.ok
    ? { kind: 'invoice', invoice: checked.value }
    : { kind: 'refused', error: invoiceFailure(checked.error) }
}

/** The request that was signed. */
const requestOf = (record: OfferRequest): InvoiceRequest | undefined => {
  const read = decodeInvoiceRequest(record.request)
  return read.ok ? read.value : undefined
}

/** BOLT 12: the issuer signs, or else the last blinded id of the path that was asked by. */
function signerOf({ fields }: InvoiceRequest, { path }: Asked): Uint8Array | undefined {
  if (fields.offerIssuerId !== undefined) return fields.offerIssuerId
  return path === undefined ? undefined : fields.offerPaths?.[path]?.hops.at(-1)?.blindedNodeId
}

/** The request that a reply path belongs to: `pathId` is all that an answer brings. */
export const requestByPathId = (
  requests: Readonly<Record<string, OfferRequest>>,
  pathId: Uint8Array,
): OfferRequest | undefined =>
  Object.values(requests).find((r) => r.asked.some((one) => equalSecret(one.pathId, pathId)))

/** Why an offer cannot be paid, for the API. */
export function offerFailure(error: OfferError): PaymentFailure {
  switch (error.code) {
    case 'unknownRequiredFeature':
      return failure('invoiceUnsupported', 'The offer demands a feature that we do not have.', {
        bits: (error.bits ?? []).join(' '),
      })
    case 'unknownField':
      return failure('invoiceUnsupported', 'The offer demands something that we do not know.', {
        reason: error.code,
        ...(error.detail === undefined ? {} : { detail: error.detail.slice(0, 100) }),
      })
    default:
      return failure('invoiceMalformed', 'This is not an offer that can be read.', {
        reason: error.code,
        ...(error.detail === undefined ? {} : { detail: error.detail.slice(0, 100) }),
      })
  }
}

function choiceFailure(error: ChoiceError, { fields }: Offer): PaymentFailure {
  switch (error.code) {
    case 'wrongChain':
      return failure('invoiceWrongNetwork', 'The offer is for another network.')
    case 'expired':
      return failure('invoiceExpired', 'The offer has expired.', {
        expiredAt: `${fields.offerAbsoluteExpiry ?? 0n}`,
      })
    case 'amountRequired':
      return fields.offerCurrency === undefined
        ? failure('amountRequired', 'The offer leaves the amount to the payer.')
        : failure('amountRequired', 'The offer asks for another money than ours.', {
            currency: safeText(fields.offerCurrency, 3),
            amount: `${fields.offerAmount ?? 0n}`,
          })
    case 'amountTooSmall':
      return failure('amountTooSmall', 'The offer asks for more.', { minMsat: `${error.leastMsat ?? 1n}` })
    case 'amountTooLarge':
      return failure('invalidInput', 'The amount is more than all bitcoin there can be.', {
        field: 'amountMsat',
      })
    case 'quantityRequired':
    case 'quantityTooLarge':
      return failure('invalidInput', 'The offer needs to know how many.', {
        field: 'quantity',
        ...(fields.offerQuantityMax === undefined || fields.offerQuantityMax === 0n
          ? {}
          : { most: `${fields.offerQuantityMax}` }),
      })
    case 'quantityNotAllowed':
      return failure('invalidInput', 'The offer is for one of a kind.', { field: 'quantity' })
  }
}

const invoiceFailure = ({ code, detail, bits }: InvoiceProblem): PaymentFailure =>
  failure('offerBadInvoice', 'The recipient’s invoice is not what was asked for.', {
    reason: code,
    ...(detail === undefined ? {} : { detail: detail.slice(0, 100) }),
    ...(bits === undefined ? {} : { bits: bits.join(' ') }),
  })

/** Requests to be forgotten: the oldest of those that failed, beyond what is kept. */
export function surplusRequests(requests: Readonly<Record<string, OfferRequest>>): readonly string[] {
  const failed = Object.values(requests).filter((r) => r.state === 'failed')
  if (failed.length <= MAX_KEPT_REQUESTS) return []
  failed.sort((a, b) => a.createdAt - b.createdAt)
  return failed.slice(0, failed.length - MAX_KEPT_REQUESTS).map((r) => r.id)
}
