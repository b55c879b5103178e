import { describe, expect, it } from 'vitest'
import { entropyFrom } from '../crypto/entropy.ts'
import {
  entropyFromWords,
  newWords,
  parseWords,
  seedFromWords,
  suggestWords,
  wordsFromEntropy,
} from './words.ts'

const abandon = `${'abandon '.repeat(11)}about`

describe('recovery words', () => {
  it('makes 12 or 24 words that check out and differ', () => {
    const entropy = entropyFrom(new Uint8Array(32).fill(3))
    const short = newWords(entropy, 12)
    const long = newWords(entropy, 24)
    expect(short).toHaveLength(12)
    expect(long).toHaveLength(24)
    expect(parseWords(short.join(' '))).toEqual({ ok: true, value: short })
    expect(parseWords(long.join(' '))).toEqual({ ok: true, value: long })
    expect(newWords(entropy, 12)).not.toEqual(short)
    expect(wordsFromEntropy(entropyFromWords(long))).toEqual(long)
  })

  it('forgives case, line breaks, commas and numbering', () => {
    const typed = abandon
      .split(' ')
      .map((w, i) => `${i + 1}. ${w.toUpperCase()},`)
      .join('\n ')
    expect(parseWords(`  ${typed}\t`)).toEqual({ ok: true, value: abandon.split(' ') })
    expect(
      parseWords(
        abandon
          .split(' ')
          .map((w, i) => `${i + 1}.${w}`)
          .join(' '),
      ),
    ).toMatchObject({ ok: true })
  })

  it('names every unknown word by position, with suggestions and without repeating it', () => {
    const words = abandon.split(' ')
    words[2] = 'abandom'
    words[11] = 'abuot'
    const result = parseWords(words.join(' '))
    expect(result).toMatchObject({ ok: false, error: { code: 'words_unknown' } })
    if (result.ok || result.error.code !== 'words_unknown') throw new Error('expected unknown words')
    expect(result.error.words.map((w) => w.position)).toEqual([3, 12])
    expect(result.error.words[0]?.suggestions[0]).toBe('abandon')
    expect(result.error.words[1]?.suggestions[0]).toBe('about')
    expect(JSON.stringify(result.error)).not.toContain('abandom')
  })

  it('says a wrong count before anything else', () => {
    expect(parseWords('abandon abandon zzzz')).toEqual({
      ok: false,
      error: { code: 'words_count', count: 3, expected: [12, 15, 18, 21, 24] },
    })
    expect(parseWords('')).toMatchObject({ ok: false, error: { code: 'words_count', count: 0 } })
  })

  it('finds two swapped words by the checksum', () => {
    const words = newWords(entropyFrom(new Uint8Array(32).fill(9)), 12)
    const swapped = [words[1], words[0], ...words.slice(2)].join(' ')
    expect(parseWords(swapped)).toEqual({ ok: false, error: { code: 'words_checksum' } })
  })

  it('refuses what is too long to be a phrase without working on it', () => {
    expect(parseWords('abandon '.repeat(10_000))).toEqual({ ok: false, error: { code: 'words_too_long' } })
    expect(parseWords('a '.repeat(100))).toEqual({ ok: false, error: { code: 'words_too_long' } })
  })

  it('suggests by beginning, by four letters and by typing error', () => {
    expect(suggestWords('aban')[0]).toBe('abandon')
    expect(suggestWords('lgeal')[0]).toBe('legal')
    expect(suggestWords('yellwo')[0]).toBe('yellow')
    expect(suggestWords('zzzzzzzz')).toEqual([])
    expect(suggestWords('')).toEqual([])
  })

  it('gives another seed for another passphrase', () => {
    const words = abandon.split(' ')
    expect(seedFromWords(words)).not.toEqual(seedFromWords(words, 'TREZOR'))
    expect(seedFromWords(words)).toHaveLength(64)
  })
})
