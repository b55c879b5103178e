import { bech32 } from '@scure/base'
import { err, ok, type Result } from '../base/result.ts'

/** The human-readable parts of BOLT 12: an offer, an invoice request, an invoice. */
export type Bolt12Prefix = 'lno' | 'lnr' | 'lni'

/** The most characters we look at. BOLT 12 sets no limit; offers have a few hundred. */
export const MAX_BOLT12_TEXT = 8192

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'

/**
 * BOLT 12 §Encoding: the TLV stream of a string in either case, with `+` and white space where it was broken. There is no
 * checksum: a mistyped string may well decode.
 */
export function readBolt12Text(
  text: string,
): Result<{ readonly prefix: Bolt12Prefix; readonly bytes: Uint8Array }, 'tooLong' | 'malformed'> {
  if (text.length > MAX_BOLT12_TEXT) return err('tooLong')
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return err('malformed')
  const parts = text.toLowerCase().split('+')
  // MUST remove a `+` with white space behind it, between two characters of bech32.
  const joined = parts.map((part, i) => (i === 0 ? part : part.trimStart()))
  if (!joined.every((part) => /^[a-z0-9]+$/.test(part))) return err('malformed')
  const found = /^(lno|lnr|lni)1([a-z0-9]*)$/.exec(joined.join(''))
  if (found === null) return err('malformed')
  const words = Array.from(found[2] as string, (c) => ALPHABET.indexOf(c))
  if (words.includes(-1)) return err('malformed')
  const bytes = bech32.fromWordsUnsafe(words)
  return bytes ? ok({ prefix: found[1] as Bolt12Prefix, bytes }) : err('malformed')
}

/** The string of a TLV stream, in lower case. */
export const bolt12Text = (prefix: Bolt12Prefix, bytes: Uint8Array): string =>
  `${prefix}1${bech32
    .toWords(bytes)
    .map((word) => ALPHABET[word])
    .join('')}`
