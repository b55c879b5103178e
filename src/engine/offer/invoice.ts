import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { hasBit } from '../wire/features.ts'
import { encodeTlvRecords } from '../wire/tlv.ts'
import { type InvoiceFields, isRequestType, readInvoice, recordsOf, type Stream } from './fields.ts'
import type { InvoiceRequest } from './invoice-request.ts'
import { isSignedBy, signStream } from './merkle.ts'
import { unknownEven } from './offer.ts'

/** Seconds that an invoice lives when it does not say (BOLT 12). */
export const DEFAULT_RELATIVE_EXPIRY = 7200
/** `MPP` of BOLT 12 §Invoice Features. */
const MPP_REQUIRED = 16
const MPP_OPTIONAL = 17

/** An invoice that may be paid: every reader requirement of BOLT 12 is met, the clock apart. */
export interface PayableInvoice {
  readonly stream: Stream<InvoiceFields>
  readonly amountMsat: Msat
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  /** 33 bytes: who signed it. */
  readonly nodeId: Uint8Array
  /** Those that may be used, the recipient's preferred first. */
  readonly paths: readonly BlindedPaymentPath[]
  /** `required`: it must come by several paths at once. */
  readonly parts: 'none' | 'optional' | 'required'
  /** s since 1970: from here on it must not be paid. */
  readonly expiresAt: number
}

/**
 * Why an invoice is not paid; `detail` is for logs.
 * - `malformed`, `missing`: a field that must be there is not, or nonsense.
 * - `wrongChain`
 * - `unknownRequiredFeature`: `bits`.
 * - `mismatch`: it does not mirror our request. `wrongSigner`: it names another recipient. `badSignature`.
 * - `wrongAmount`: not what was asked for.
 * - `noPath`: no path that can be used.
 * - `expired`
 */
export interface InvoiceProblem {
  readonly code:
    | 'malformed'
    | 'missing'
    | 'wrongChain'
    | 'unknownRequiredFeature'
    | 'mismatch'
    | 'wrongSigner'
    | 'badSignature'
    | 'wrongAmount'
    | 'noPath'
    | 'expired'
  readonly detail?: string
  readonly bits?: readonly number[]
}

/**
 * BOLT 12 §Requirements (invoices), the reader, for the answer to a request of ours.
 * @param request what was sent
 * @param signer the key that must sign: `offer_issuer_id`, or the last blinded node id of the path that the request took
 * @param now s since 1970
 */
export function checkInvoice(
  bytes: Uint8Array,
  request: InvoiceRequest,
  signer: Uint8Array,
  chainHash: Uint8Array,
  now: number,
): Result<PayableInvoice, InvoiceProblem> {
  const read = readInvoice(bytes)
  if (!read.ok) return err({ code: 'malformed', detail: read.error.message })
  const { records, fields } = read.value
  const missing = (
    [
      'invoiceAmount',
      'invoiceCreatedAt',
      'invoicePaymentHash',
      'invoiceNodeId',
      'invoicePaths',
      'invoiceBlindedpay',
    ] as const
  ).find((name) => fields[name] === undefined)
  const { invoiceAmount, invoiceCreatedAt, invoicePaymentHash, invoiceNodeId, invoicePaths } = fields
  const payInfos = fields.invoiceBlindedpay
  if (
    invoiceAmount === undefined ||
    invoiceCreatedAt === undefined ||
    invoicePaymentHash === undefined ||
    invoiceNodeId === undefined ||
    invoicePaths === undefined ||
    payInfos === undefined
  )
    return err({ code: 'missing', detail: missing ?? '' })
  if (!equalBytes(fields.invreqChain ?? NETWORKS.bitcoin.chainHash, chainHash))
    return err({ code: 'wrongChain' })
  const bits = unknownEven(fields.invoiceFeatures, [MPP_REQUIRED])
  if (bits.length > 0) return err({ code: 'unknownRequiredFeature', bits })
  if (invoicePaths.length === 0 || invoicePaths.length !== payInfos.length)
    return err({ code: 'malformed', detail: 'paths and their terms' })
  // MUST NOT use a path whose terms demand a feature: we know none.
  const paths = invoicePaths.flatMap((path, i) => {
    const payInfo = payInfos[i]
    return payInfo === undefined || unknownEven(payInfo.features).length > 0 ? [] : [{ path, payInfo }]
  })
  if (paths.length === 0) return err({ code: 'noPath' })
  // MUST mirror the request, unknown fields included.
  const mirrored = (stream: Stream<unknown>): Uint8Array =>
    encodeTlvRecords(stream.records.filter((record) => isRequestType(record.type)))
  if (!equalBytes(mirrored(read.value), mirrored(request))) return err({ code: 'mismatch' })
  if (!equalBytes(invoiceNodeId, signer)) return err({ code: 'wrongSigner' })
  if (!isSignedBy('invoice', records, invoiceNodeId)) return err({ code: 'badSignature' })
  const { invreqAmount } = request.fields
  if (invoiceAmount < 1n || invoiceAmount > MAX_SAT * 1000n || invoiceAmount !== invreqAmount)
    return err({ code: 'wrongAmount', detail: `${invoiceAmount}` })
  const expiresAt = invoiceCreatedAt + BigInt(fields.invoiceRelativeExpiry ?? DEFAULT_RELATIVE_EXPIRY)
  if (BigInt(Math.floor(now)) > expiresAt) return err({ code: 'expired' })
  const features = fields.invoiceFeatures ?? new Uint8Array(0)
  return ok({
    stream: read.value,
    amountMsat: msat(invoiceAmount),
    paymentHash: invoicePaymentHash,
    nodeId: invoiceNodeId,
    paths,
    parts: hasBit(features, MPP_REQUIRED) ? 'required' : hasBit(features, MPP_OPTIONAL) ? 'optional' : 'none',
    // A time beyond what a double holds is none that matters.
    expiresAt: Number(expiresAt > 2n ** 40n ? 2n ** 40n : expiresAt),
  })
}

/**
 * Answers a request with an invoice of ours. Throws (a defect) on values out of range.
 * @param secret signs for `invoice_node_id`: that of the issuer id, or of the blinded node id that the request came to
 * @param aux 32 random bytes
 */
export function makeInvoice(
  request: InvoiceRequest,
  own: {
    readonly amountMsat: Msat
    readonly paymentHash: Uint8Array
    readonly paths: readonly BlindedPaymentPath[]
    /** s since 1970 */
    readonly createdAt: number
    readonly expirySeconds: number
    readonly nodeId: Uint8Array
    /** A feature vector, big endian. */
    readonly features: Uint8Array
  },
  secret: Uint8Array,
  aux: Uint8Array,
): Stream<InvoiceFields> {
  const fields: InvoiceFields = {
    invoicePaths: own.paths.map(({ path }) => path),
    invoiceBlindedpay: own.paths.map(({ payInfo }) => payInfo),
    invoiceCreatedAt: BigInt(own.createdAt),
    ...(own.expirySeconds === DEFAULT_RELATIVE_EXPIRY ? {} : { invoiceRelativeExpiry: own.expirySeconds }),
    invoicePaymentHash: own.paymentHash,
    invoiceAmount: own.amountMsat,
    ...(own.features.length === 0 ? {} : { invoiceFeatures: own.features }),
    invoiceNodeId: own.nodeId,
  }
  const copied = request.records.filter((record) => isRequestType(record.type))
  const records = signStream('invoice', recordsOf(fields, copied), secret, aux)
  const made = readInvoice(encodeTlvRecords(records))
  if (!made.ok) throw new Error(`makeInvoice: ${made.error.message}`)
  return made.value
}
