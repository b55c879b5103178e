import { entropyToMnemonic, mnemonicToEntropy, mnemonicToSeedSync } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { err, invariant, ok, type Result } from '../base/result.ts'
import type { Entropy } from '../crypto/entropy.ts'

/** Recovery words (BIP 39, English): from entropy, checked with precise errors, to the seed of every key. */

/** How many words a new wallet may have. Restoring takes all five lengths of BIP 39. */
export type NewWordCount = 12 | 24

const COUNTS = [12, 15, 18, 21, 24] as const
/** 24 words of at most 8 letters fit many times over; anything longer is not a phrase. */
const MAX_TEXT = 2_000
const MAX_WORDS = 64
const WORDS: ReadonlySet<string> = new Set(wordlist)

/** A word that is not in the list. The word itself is not repeated: it is most of a secret. */
export interface UnknownWord {
  /** 1 for the first word. */
  readonly position: number
  /** Up to three words of the list that look alike, the likeliest first. For the screen; never for a log. */
  readonly suggestions: readonly string[]
}

export type WordsError =
  /** Longer than any phrase can be. */
  | { readonly code: 'words_too_long' }
  /** `count` words were given; `expected` says which counts there are. */
  | { readonly code: 'words_count'; readonly count: number; readonly expected: readonly number[] }
  | { readonly code: 'words_unknown'; readonly words: readonly UnknownWord[] }
  /** All words exist and their number is right, but they do not belong together: one is wrong or two are swapped. */
  | { readonly code: 'words_checksum' }

/** Words for 16 or 32 bytes of entropy (12 or 24 words). Throws on other lengths. */
export function wordsFromEntropy(entropy: Uint8Array): readonly string[] {
  invariant([16, 20, 24, 28, 32].includes(entropy.length), 'BIP 39 entropy of 128 to 256 bits')
  return entropyToMnemonic(entropy, wordlist).split(' ')
}

/** Fresh words. */
export const newWords = (entropy: Entropy, count: NewWordCount): readonly string[] =>
  wordsFromEntropy(entropy.bytes(count === 12 ? 16 : 32))

/**
 * What a person typed or pasted, as words of the list: case, numbering ("1. abandon"), commas and any white space are
 * forgiven, nothing else. Errors: see `WordsError`, all unknown words at once.
 */
export function parseWords(text: string): Result<readonly string[], WordsError> {
  if (text.length > MAX_TEXT) return err({ code: 'words_too_long' })
  const typed = text
    .normalize('NFKD')
    .toLowerCase()
    .split(/[\s,;]+/u)
    .map((w) => w.replace(/^\d+[.):]?/, ''))
    .filter((w) => w !== '')
  if (typed.length > MAX_WORDS) return err({ code: 'words_too_long' })
  const words = typed.flatMap((word, i) =>
    WORDS.has(word) ? [] : [{ position: i + 1, suggestions: suggestWords(word) }],
  )
  // The count first: a phrase cut short says so even when it also has a typing error in it.
  if (!COUNTS.some((n) => n === typed.length))
    return err({ code: 'words_count', count: typed.length, expected: COUNTS })
  if (words.length > 0) return err({ code: 'words_unknown', words })
  try {
    mnemonicToEntropy(typed.join(' '), wordlist)
  } catch {
    return err({ code: 'words_checksum' })
  }
  return ok(typed)
}

/** The 16 to 32 bytes that checked words stand for. */
export const entropyFromWords = (words: readonly string[]): Uint8Array =>
  mnemonicToEntropy(words.join(' '), wordlist)

/**
 * The 64-byte seed of checked words and an optional passphrase (BIP 39: 2048 rounds of PBKDF2; tens of milliseconds).
 * A passphrase is not checked by anything: another one is another, empty wallet.
 */
export const seedFromWords = (words: readonly string[], passphrase = ''): Uint8Array =>
  mnemonicToSeedSync(words.join(' '), passphrase)

/** Up to `limit` words of the list that resemble `typed`: those that it begins, then those within two typing errors. */
export function suggestWords(typed: string, limit = 3): readonly string[] {
  const word = typed.normalize('NFKD').toLowerCase().trim()
  if (word === '' || word.length > 20) return []
  return wordlist
    .map((candidate) => ({ candidate, distance: likeness(word, candidate) }))
    .filter((c) => c.distance <= 2)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, limit)
    .map((c) => c.candidate)
}

/** Smaller is likelier. Four letters tell any word of the list (BIP 39), so sharing them counts as half an error. */
function likeness(typed: string, candidate: string): number {
  if (typed.length >= 3 && (candidate.startsWith(typed) || typed.startsWith(candidate))) return 0.25
  if (typed.length >= 4 && candidate.slice(0, 4) === typed.slice(0, 4)) return 0.5
  if (typed.length < 3) return Number.POSITIVE_INFINITY
  return editDistance(typed, candidate)
}

/** Damerau-Levenshtein (optimal string alignment): insertions, deletions, changes, swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (previous[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      let best = Math.min(change, (previous[j] as number) + 1, (row[j - 1] as number) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] as number) + 1)
      row.push(best)
    }
    before = previous
    previous = row
  }
  return previous[b.length] as number
}
