import { decodeUtf8 } from '../wire/text.ts'
import type { Result } from '../base/result.ts'
import { utf8 } from '../base/bytes.ts'
import { Reader, Writer } from '../wire/codec.ts'
import { decoding, refuse, type WireError } from '../wire/errors.ts'
import {
  readTlvRecords,
  readTlvs,
  type TlvField,
  type TlvRecord,
  type TlvSchema,
  tlv,
  tlvBytes,
  writeTlvs,
} from '../wire/tlv.ts'
import {
  type BlindedPath,
  type BlindedPayInfo,
  checkedPoint,
  readBlindedPath,
  readList,
  readPayInfo,
  writeBlindedPath,
  writePayInfo,
} from '../onion/blinded-path.ts'

/** The fields of BOLT 12 by the BOLT's names. Amounts and times are as sent, up to 2^64 − 1: whoever uses one bounds it. */

export interface OfferFields {
  /** Chain hashes, 32 bytes each; absent: bitcoin. */
  readonly offerChains?: readonly Uint8Array[]
  readonly offerMetadata?: Uint8Array
  /** ISO 4217; absent: the amount is in msat. */
  readonly offerCurrency?: string
  /** For each item. */
  readonly offerAmount?: bigint
  readonly offerDescription?: string
  /** A feature vector, big endian. */
  readonly offerFeatures?: Uint8Array
  /** s since 1970 */
  readonly offerAbsoluteExpiry?: bigint
  readonly offerPaths?: readonly BlindedPath[]
  readonly offerIssuer?: string
  /** 0: as many as one likes. */
  readonly offerQuantityMax?: bigint
  /** 33 bytes */
  readonly offerIssuerId?: Uint8Array
}

export interface InvoiceRequestFields extends OfferFields {
  readonly invreqMetadata?: Uint8Array
  /** 32 bytes; absent: bitcoin. */
  readonly invreqChain?: Uint8Array
  readonly invreqAmount?: bigint
  readonly invreqFeatures?: Uint8Array
  readonly invreqQuantity?: bigint
  /** 33 bytes */
  readonly invreqPayerId?: Uint8Array
  readonly invreqPayerNote?: string
  readonly invreqPaths?: readonly BlindedPath[]
  readonly invreqBip353Name?: { readonly name: Uint8Array; readonly domain: Uint8Array }
  /** 64 bytes */
  readonly signature?: Uint8Array
}

export interface InvoiceFields extends InvoiceRequestFields {
  readonly invoicePaths?: readonly BlindedPath[]
  readonly invoiceBlindedpay?: readonly BlindedPayInfo[]
  /** s since 1970 */
  readonly invoiceCreatedAt?: bigint
  readonly invoiceRelativeExpiry?: number
  /** 32 bytes */
  readonly invoicePaymentHash?: Uint8Array
  readonly invoiceAmount?: bigint
  /** Addresses on chain: not read, we pay by channels. */
  readonly invoiceFallbacks?: Uint8Array
  readonly invoiceFeatures?: Uint8Array
  /** 33 bytes */
  readonly invoiceNodeId?: Uint8Array
}

/** A stream as it was read: its records to mirror and to sign, and what they mean. */
export interface Stream<T> {
  readonly records: readonly TlvRecord[]
  readonly fields: T
}

const text = (type: number): TlvField<string> =>
  tlv(
    type,
    (r) => decodeUtf8(r.rest()) ?? refuse('bad_value', 'not UTF-8'),
    (w, v) => w.bytes(utf8(v)),
  )
const number = (type: number): TlvField<bigint> =>
  tlv(
    type,
    (r) => r.tu64(),
    (w, v) => w.tu64(v),
  )
const point = (type: number): TlvField<Uint8Array> => tlv(type, checkedPoint, (w, v) => w.point(v))
const list = <T>(
  type: number,
  read: (r: Reader) => T,
  write: (w: Writer, v: T) => void,
): TlvField<readonly T[]> =>
  tlv(
    type,
    (r) => readList(r, read),
    (w, v) => {
      for (const item of v) write(w, item)
    },
  )

/** `offer_chains`: BOLT 12 refuses one without entries. */
const chains: TlvField<readonly Uint8Array[]> = tlv(
  2,
  (r) => {
    if (r.left === 0) refuse('bad_value', 'no chains')
    return readList(r, (one) => one.bytes(32))
  },
  (w, v) => {
    for (const hash of v) w.bytes(hash, 32)
  },
)

const OFFER: TlvSchema<OfferFields> = {
  offerChains: chains,
  offerMetadata: tlvBytes(4),
  offerCurrency: text(6),
  offerAmount: number(8),
  offerDescription: text(10),
  offerFeatures: tlvBytes(12),
  offerAbsoluteExpiry: number(14),
  offerPaths: list(16, readBlindedPath, writeBlindedPath),
  offerIssuer: text(18),
  offerQuantityMax: number(20),
  offerIssuerId: point(22),
}

const INVOICE_REQUEST: TlvSchema<InvoiceRequestFields> = {
  ...OFFER,
  invreqMetadata: tlvBytes(0),
  invreqChain: tlvBytes(80, 32),
  invreqAmount: number(82),
  invreqFeatures: tlvBytes(84),
  invreqQuantity: number(86),
  invreqPayerId: point(88),
  invreqPayerNote: text(89),
  invreqPaths: list(90, readBlindedPath, writeBlindedPath),
  invreqBip353Name: tlv(
    91,
    (r) => ({ name: r.bytes(r.u8()), domain: r.bytes(r.u8()) }),
    (w, v) => w.u8(v.name.length).bytes(v.name).u8(v.domain.length).bytes(v.domain),
  ),
  signature: tlvBytes(240, 64),
}

const INVOICE: TlvSchema<InvoiceFields> = {
  ...INVOICE_REQUEST,
  invoicePaths: list(160, readBlindedPath, writeBlindedPath),
  invoiceBlindedpay: list(162, readPayInfo, writePayInfo),
  invoiceCreatedAt: number(164),
  invoiceRelativeExpiry: tlv(
    166,
    (r) => r.tu32(),
    (w, v) => w.tu32(v),
  ),
  invoicePaymentHash: tlvBytes(168, 32),
  invoiceAmount: number(170),
  invoiceFallbacks: tlvBytes(172),
  invoiceFeatures: tlvBytes(174),
  invoiceNodeId: point(176),
}

function readStream<T extends object>(
  bytes: Uint8Array,
  schema: TlvSchema<T>,
): Result<Stream<Partial<T>>, WireError> {
  return decoding(() => ({
    records: readTlvRecords(new Reader(bytes)),
    fields: readTlvs(new Reader(bytes), schema),
  }))
}

/** Types below 80 and 1000000000 to 1999999999: an offer's. */
export const isOfferType = (type: bigint): boolean =>
  (type >= 1n && type <= 79n) || (type >= 1_000_000_000n && type <= 1_999_999_999n)

/** 0 to 159 and 1000000000 to 2999999999: an invoice request's, which its invoice mirrors. */
export const isRequestType = (type: bigint): boolean =>
  (type >= 0n && type <= 159n) || (type >= 1_000_000_000n && type <= 2_999_999_999n)

/** The TLV streams of BOLT 12. Unknown even types, disorder, bad UTF-8 and points that are none are refused. */
export const readOffer = (bytes: Uint8Array): Result<Stream<OfferFields>, WireError> =>
  readStream(bytes, OFFER)
export const readInvoiceRequest = (bytes: Uint8Array): Result<Stream<InvoiceRequestFields>, WireError> =>
  readStream(bytes, INVOICE_REQUEST)
export const readInvoice = (bytes: Uint8Array): Result<Stream<InvoiceFields>, WireError> =>
  readStream(bytes, INVOICE)

/** The records of fields, with others among them, in order of type. Throws (a defect) on values out of range. */
export function recordsOf(fields: InvoiceFields, others: readonly TlvRecord[] = []): readonly TlvRecord[] {
  const writer = new Writer()
  writeTlvs(writer, INVOICE, fields, others)
  const records = decoding(() => readTlvRecords(new Reader(writer.finish())))
  if (!records.ok) throw new Error(`recordsOf: ${records.error.message}`)
  return records.value
}

/** BOLT 12 `invoice_error`. */
export interface InvoiceErrorFields {
  readonly erroneousField?: bigint
  readonly suggestedValue?: Uint8Array
  readonly error?: string
}

const INVOICE_ERROR: TlvSchema<InvoiceErrorFields> = {
  erroneousField: number(1),
  suggestedValue: tlvBytes(3),
  error: text(5),
}

export const readInvoiceError = (bytes: Uint8Array): Result<InvoiceErrorFields, WireError> =>
  decoding(() => readTlvs(new Reader(bytes), INVOICE_ERROR))

export function writeInvoiceError(fields: InvoiceErrorFields): Uint8Array {
  const writer = new Writer()
  writeTlvs(writer, INVOICE_ERROR, fields)
  return writer.finish()
}
