import { bech32 } from '@scure/base'

/** Bytes of whole-byte data in 5-bit words; undefined when the padding is not zero or longer than needed. */
export const bytesOf = (words: readonly number[]): Uint8Array | undefined =>
  bech32.fromWordsUnsafe([...words]) || undefined

/** 5-bit words of bytes, padded with zeros. */
export const wordsOf = (bytes: Uint8Array): number[] => bech32.toWords(bytes)

/** Words to bytes with zeros up to the byte boundary: what a BOLT 11 signature covers, whatever the last bits. */
export function bytesPadded(words: readonly number[]): Uint8Array {
  const out = new Uint8Array(Math.ceil((words.length * 5) / 8))
  words.forEach((word, i) => {
    const bit = i * 5
    const shifted = word << (11 - (bit % 8))
    const at = bit >> 3
    out[at] = (out[at] as number) | (shifted >> 8)
    if (at + 1 < out.length) out[at + 1] = (out[at + 1] as number) | (shifted & 0xff)
  })
  return out
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0)

/** The most words of a number that a double holds exactly. */
const MAX_NUMBER_WORDS = 10

/** A big-endian number of at most 50 bits; undefined above. */
export function numberOf(words: readonly number[]): number | undefined {
  if (words.length > MAX_NUMBER_WORDS) return undefined
  return words.reduce((n, word) => n * 32 + word, 0)
}

/** The fewest words that hold a number; as many as `length` when that is given. Throws (a defect) when it does not fit. */
export function numberToWords(value: number, length?: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** 50)
    throw new RangeError(`${value} is not a number for an invoice`)
  const words: number[] = []
  for (let v = value; v > 0; v = Math.floor(v / 32)) words.unshift(v % 32)
  if (length === undefined) return words
  if (words.length > length) throw new RangeError(`${value} does not fit ${length} words`)
  return [...zeros(length - words.length), ...words]
}

/** The bits set in a feature field, ascending: big-endian, bit 0 is the last word's lowest. */
export function bitsOf(words: readonly number[]): number[] {
  const bits: number[] = []
  for (let i = words.length - 1, base = 0; i >= 0; i--, base += 5)
    for (let b = 0; b < 5; b++) if (((words[i] as number) >> b) & 1) bits.push(base + b)
  return bits
}

/** The shortest feature field with these bits. */
export function bitsToWords(bits: readonly number[]): number[] {
  const words = zeros(Math.ceil((Math.max(-1, ...bits) + 1) / 5))
  for (const bit of bits) {
    const at = words.length - 1 - Math.floor(bit / 5)
    words[at] = (words[at] as number) | (1 << (bit % 5))
  }
  return words
}
