import { bech32 } from '@scure/base'
import { concat, utf8 } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { isPublicKey, recoverPublicKey, verifyEcdsa } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { readHumanPart } from './amount.ts'
import { readFields } from './fields.ts'
import type { Invoice, InvoiceError } from './types.ts'
import { bytesOf, bytesPadded, numberOf } from './words.ts'

/** The most characters we look at: what a QR code of digits can hold. BOLT 11 itself sets no limit. */
export const MAX_INVOICE_LENGTH = 7089

const TIMESTAMP_WORDS = 7
const SIGNATURE_WORDS = 104
const CHECKSUM_WORDS = 6

/**
 * The features that a payee may demand of us (even bits): var_onion_optin, payment_secret, basic_mpp, option_payment_metadata.
 * Others of BOLT 9 are known by name and of no meaning to a payer, so that demanding them has to fail as well.
 */
export const UNDERSTOOD_FEATURES: readonly number[] = [8, 14, 16, 48]

/**
 * Reads a BOLT 11 invoice in either case, without `lightning:` and without spaces around it, and checks its signature.
 * Nothing is checked against the clock, our network or our means: see `isExpired`, `Invoice.network`.
 */
export function decodeInvoice(text: string): Result<Invoice, InvoiceError> {
  if (text.length > MAX_INVOICE_LENGTH) return err({ code: 'tooLong' })
  const decoded = bech32.decodeUnsafe(text, false)
  if (!decoded) return err(whyNotBech32(text))
  const human = readHumanPart(decoded.prefix)
  if (!human.ok) return human
  const { words } = decoded
  if (words.length < TIMESTAMP_WORDS + SIGNATURE_WORDS) return err({ code: 'malformed', detail: 'too short' })
  const data = words.slice(0, words.length - SIGNATURE_WORDS)
  const fields = readFields(data.slice(TIMESTAMP_WORDS))
  if (!fields.ok) return fields
  const { payee: stated, duplicate, ...content } = fields.value

  const payee = signer(decoded.prefix, data, words.slice(-SIGNATURE_WORDS), stated)
  if (!payee.ok) return payee
  // Which of two was meant is not for us to guess where money depends on it.
  if (duplicate !== undefined) return err({ code: 'duplicateField', detail: duplicate })
  const bits = content.features.filter((bit) => bit % 2 === 0 && !UNDERSTOOD_FEATURES.includes(bit))
  // BOLT 11: unknown even bits MUST fail the payment.
  if (bits.length > 0) return err({ code: 'unknownRequiredFeature', bits })
  const { paymentHash, paymentSecret } = content
  if (paymentHash === undefined) return err({ code: 'missingPaymentHash' })
  if (paymentSecret === undefined) return err({ code: 'missingPaymentSecret' })
  // BOLT 11: MUST fail if neither a d nor an h field is present, or if both are.
  if (content.description === undefined && content.descriptionHash === undefined)
    return err({ code: 'missingDescription' })
  if (content.description !== undefined && content.descriptionHash !== undefined)
    return err({ code: 'conflictingDescriptions' })
  return ok({
    ...human.value,
    ...content,
    paymentHash,
    paymentSecret,
    timestamp: numberOf(words.slice(0, TIMESTAMP_WORDS)) as number,
    payee: payee.value,
    payeeStated: stated !== undefined,
  })
}

/** SHA-256 of the human-readable part and the data before the signature, padded to bytes (BOLT 11 §Data Part). */
export const invoiceDigest = (humanPart: string, data: readonly number[]): Uint8Array =>
  sha256(concat(utf8(humanPart), bytesPadded(data)))

/** Who signed: the `n` field if it did (low S only), else whoever the signature recovers to (either S). */
function signer(
  prefix: string,
  data: readonly number[],
  words: readonly number[],
  stated: Uint8Array | undefined,
): Result<Uint8Array, InvoiceError> {
  const bytes = bytesOf(words)
  const recovery = bytes?.[64]
  if (bytes === undefined || recovery === undefined || recovery > 3) return err({ code: 'badSignature' })
  const signature = bytes.subarray(0, 64)
  const digest = invoiceDigest(prefix, data)
  if (stated !== undefined) {
    if (!isPublicKey(stated)) return err({ code: 'malformed', detail: 'n is no public key' })
    return verifyEcdsa(signature, digest, stated) ? ok(stated) : err({ code: 'badSignature' })
  }
  const recovered = recoverPublicKey(signature, recovery, digest)
  return recovered === undefined ? err({ code: 'badSignature' }) : ok(recovered)
}

/** Tells a mistyped invoice from something that never was one. */
function whyNotBech32(text: string): InvoiceError {
  const malformed = (detail: string): InvoiceError => ({ code: 'malformed', detail })
  const lower = text.toLowerCase()
  if (text !== lower && text !== text.toUpperCase()) return malformed('mixed case')
  const separator = lower.lastIndexOf('1')
  if (separator < 1) return malformed('no separator')
  const data = lower.slice(separator + 1)
  if (/[^qpzry9x8gf2tvdw0s3jn54khce6mua7l]/.test(data) || /[^\x21-\x7e]/.test(lower))
    return malformed('a character that bech32 does not have')
  return data.length < CHECKSUM_WORDS ? malformed('too short') : { code: 'checksum' }
}
