import { HDKey } from '@scure/bip32'
import { createBase58check } from '@scure/base'
import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { concat, fromHex, toHex } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { type KeyPath, walletKeys } from './keys.ts'
import { seedFromWords } from './words.ts'

interface Account<T> {
  readonly mnemonic: string
  readonly addresses: readonly (T & { readonly path: string; readonly address: string })[]
}
type Bip84 = Account<{ wif: string; pubkey: string }>
type Bip86 = Account<{ output_key: string; script_pubkey: string }>
interface Bip32 {
  readonly vectors: readonly {
    name: string
    seed: string
    chains: readonly { path: string; xpub: string; xprv: string }[]
  }[]
}

const pathOf = (text: string): KeyPath => {
  const [purpose, , , change, index] = text
    .slice(2)
    .split('/')
    .map((p) => Number.parseInt(p, 10))
  return { purpose: purpose === 86 ? 86 : 84, change: change === 1 ? 1 : 0, index: index ?? -1 }
}
const wif = (secret: Uint8Array): string =>
  createBase58check(sha256).encode(concat(Uint8Array.of(0x80), secret, Uint8Array.of(1)))

describe.skipIf(!vectorsPresent)('BIP 32 vectors (the library that keys are derived with)', () => {
  const { vectors } = loadVectors<Bip32>('bip32.json')
  it.each(vectors ?? [])('$name', ({ seed, chains }) => {
    for (const { path, xpub, xprv } of chains) {
      const key = HDKey.fromMasterSeed(fromHex(seed)).derive(path)
      expect([key.publicExtendedKey, key.privateExtendedKey]).toEqual([xpub, xprv])
    }
  })
})

describe.skipIf(!vectorsPresent)('BIP 84 vectors', () => {
  const { mnemonic, addresses } = loadVectors<Bip84>('bip84.json')
  it.each(addresses ?? [])('$path', ({ path, address, pubkey, wif: expected }) => {
    const keys = walletKeys(seedFromWords(mnemonic.split(' ')), NETWORKS.bitcoin)
    expect(keys.address(pathOf(path))).toBe(address)
    expect(toHex(keys.publicKey(pathOf(path)))).toBe(pubkey)
    expect(wif(keys.secret(pathOf(path)))).toBe(expected)
  })
})

describe.skipIf(!vectorsPresent)('BIP 86 vectors', () => {
  const { mnemonic, addresses } = loadVectors<Bip86>('bip86.json')
  it.each(addresses ?? [])('$path', ({ path, address, output_key, script_pubkey }) => {
    const keys = walletKeys(seedFromWords(mnemonic.split(' ')), NETWORKS.bitcoin)
    expect(keys.address(pathOf(path))).toBe(address)
    expect(toHex(keys.script(pathOf(path)))).toBe(script_pubkey)
    expect(toHex(keys.publicKey(pathOf(path)))).toBe(output_key)
    expect(toHex(publicKey(keys.secret(pathOf(path))).slice(1))).toBe(output_key)
  })
})
