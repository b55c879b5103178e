import { bech32 } from '@scure/base'
import { concat, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, toMsat } from '../base/units.ts'
import { humanPart } from './amount.ts'
import { invoiceDigest, MAX_INVOICE_LENGTH } from './decode.ts'
import { FIELD, fallbackToWords, routeToWords } from './fields.ts'
import type { InvoiceFields } from './types.ts'
import { bitsToWords, numberToWords, wordsOf } from './words.ts'

/** What does not fit an invoice; each is something a user can bring about. */
export type InvoiceBuildError =
  | 'badAmount'
  | 'descriptionTooLong'
  | 'badFallback'
  | 'fieldTooLong'
  | 'tooLong'

/** Signs a 32-byte digest with the payee's node key: 64 bytes r ‖ s (low S) and the recovery id. */
export type InvoiceSigner = (digest: Uint8Array) => {
  readonly signature: Uint8Array
  readonly recovery: number
}

/** 1023 words are 639 bytes. */
const MAX_FIELD_WORDS = 1023

/**
 * Writes and signs an invoice, in lower case. `payee` (33 bytes) is written as the `n` field when given; without it readers
 * recover the key. Throws (a defect) on values of the wrong length or range.
 */
export function encodeInvoice(
  fields: InvoiceFields,
  sign: InvoiceSigner,
  payee?: Uint8Array,
): Result<string, InvoiceBuildError> {
  const { amountMsat } = fields
  if (amountMsat !== undefined && (amountMsat <= 0n || amountMsat > toMsat(MAX_SAT))) return err('badAmount')
  if ((fields.description === undefined) === (fields.descriptionHash === undefined))
    throw new RangeError('encodeInvoice: one of description and descriptionHash')

  const data = numberToWords(fields.timestamp, 7)
  let tooLong = false
  const put = (type: number, words: readonly number[]): void => {
    if (words.length > MAX_FIELD_WORDS) tooLong = true
    else data.push(type, words.length >> 5, words.length & 31, ...words)
  }
  const fixed = (type: number, bytes: Uint8Array, length: number): void => {
    if (bytes.length !== length) throw new RangeError(`encodeInvoice: field ${type} of ${bytes.length} bytes`)
    put(type, wordsOf(bytes))
  }

  fixed(FIELD.s, fields.paymentSecret, 32)
  fixed(FIELD.p, fields.paymentHash, 32)
  if (fields.descriptionHash !== undefined) fixed(FIELD.h, fields.descriptionHash, 32)
  if (fields.description !== undefined) put(FIELD.d, wordsOf(utf8(fields.description)))
  if (tooLong) return err('descriptionTooLong')
  if (fields.paymentMetadata !== undefined) put(FIELD.m, wordsOf(fields.paymentMetadata))
  if (fields.expirySeconds !== undefined) put(FIELD.x, numberToWords(fields.expirySeconds))
  if (fields.minFinalCltvExpiryDelta !== undefined)
    put(FIELD.c, numberToWords(fields.minFinalCltvExpiryDelta))
  if (payee !== undefined) fixed(FIELD.n, payee, 33)
  for (const script of fields.fallbacks) {
    const words = fallbackToWords(script)
    if (words === undefined) return err('badFallback')
    put(FIELD.f, words)
  }
  for (const route of fields.routeHints) put(FIELD.r, routeToWords(route))
  if (fields.features.length > 0) put(FIELD[9], bitsToWords(fields.features))
  for (const field of fields.unknownFields) put(field.type, field.words)
  if (tooLong) return err('fieldTooLong')

  const human = humanPart(fields.network, amountMsat)
  const { signature, recovery } = sign(invoiceDigest(human, data))
  const signed = [...data, ...wordsOf(concat(signature, Uint8Array.of(recovery)))]
  const text = bech32.encode(human, signed, false)
  return text.length > MAX_INVOICE_LENGTH ? err('tooLong') : ok(text)
}
