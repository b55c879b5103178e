import { HDKey } from '@scure/bip32'
import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { entropyFromWords, parseWords, seedFromWords, wordsFromEntropy } from './words.ts'

interface Bip39 {
  readonly passphrase: string
  readonly vectors: readonly { entropy: string; mnemonic: string; seed: string; xprv: string }[]
}

describe.skipIf(!vectorsPresent)('BIP 39 English vectors', () => {
  const { passphrase, vectors } = loadVectors<Bip39>('bip39-english.json')
  it.each(vectors ?? [])('entropy $entropy', ({ entropy, mnemonic, seed, xprv }) => {
    const words = wordsFromEntropy(fromHex(entropy))
    expect(words.join(' ')).toBe(mnemonic)
    expect(parseWords(mnemonic)).toEqual({ ok: true, value: words })
    expect(toHex(entropyFromWords(words))).toBe(entropy)
    const derived = seedFromWords(words, passphrase)
    expect(toHex(derived)).toBe(seed)
    expect(HDKey.fromMasterSeed(derived).privateExtendedKey).toBe(xprv)
  })
})
