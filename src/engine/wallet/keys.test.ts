import { HDKey } from '@scure/bip32'
import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { isSecretKey } from '../crypto/curve.ts'
import { entropyFrom } from '../crypto/entropy.ts'
import { newChannelSalt, nodeKeys, seedFingerprint, walletKeys } from './keys.ts'

const seed = new Uint8Array(64).fill(5)

describe('node keys', () => {
  const keys = nodeKeys(seed, NETWORKS.regtest)
  const salt = new Uint8Array(32).fill(1)

  it('keeps the identity at the documented path m/9735h/coin/0h, so that other tools can find it', () => {
    const identity = HDKey.fromMasterSeed(seed).derive("m/9735'/1'/0'").privateKey
    expect(toHex(keys.identity())).toBe(toHex(identity ?? new Uint8Array(0)))
    expect(isSecretKey(keys.identity())).toBe(true)
  })

  it('gives every purpose, channel and chain its own secret', () => {
    const other = nodeKeys(seed, NETWORKS.signet)
    const secrets = [
      keys.identity(),
      keys.invoiceKey(),
      keys.storageKey(),
      keys.backupKey(),
      keys.channelSeed(salt),
      keys.channelSeed(new Uint8Array(32).fill(2)),
      other.invoiceKey(),
      other.storageKey(),
      other.channelSeed(salt),
      nodeKeys(seed, NETWORKS.bitcoin).identity(),
    ].map(toHex)
    expect(new Set(secrets).size).toBe(secrets.length)
    expect(keys.channelSeed(salt)).toEqual(nodeKeys(seed, NETWORKS.regtest).channelSeed(salt))
  })

  it('never makes one channel salt twice, and refuses a short one', () => {
    const entropy = entropyFrom(new Uint8Array(32).fill(8))
    const salts = new Set(Array.from({ length: 100 }, () => toHex(newChannelSalt(entropy))))
    expect(salts.size).toBe(100)
    expect(() => keys.channelSeed(new Uint8Array(31))).toThrow(/salt/)
  })
})

describe('wallet keys', () => {
  const keys = walletKeys(seed, NETWORKS.bitcoin)

  it('separates networks, purposes, branches and indexes', () => {
    const addresses = [
      keys.address({ purpose: 84, change: 0, index: 0 }),
      keys.address({ purpose: 84, change: 1, index: 0 }),
      keys.address({ purpose: 84, change: 0, index: 1 }),
      keys.address({ purpose: 86, change: 0, index: 0 }),
      walletKeys(seed, NETWORKS.signet).address({ purpose: 84, change: 0, index: 0 }),
    ]
    expect(new Set(addresses).size).toBe(addresses.length)
    expect(addresses[4]).toMatch(/^tb1q/)
  })

  it('shows no secret in JSON or in the error of a bad path', () => {
    const secret = toHex(keys.secret({ purpose: 84, change: 0, index: 0 }))
    expect(JSON.stringify([keys, nodeKeys(seed, NETWORKS.bitcoin)])).not.toContain(secret)
    expect(JSON.stringify(keys)).not.toContain('xprv')
    expect(() => keys.script({ purpose: 84, change: 0, index: -1 })).toThrow(/index/)
  })

  it('hands out copies, so that a caller cannot change a cached key', () => {
    const path = { purpose: 84, change: 0, index: 3 } as const
    const before = toHex(keys.script(path))
    keys.publicKey(path).fill(0)
    keys.secret(path).fill(0)
    expect(toHex(keys.script(path))).toBe(before)
  })

  it('tells seeds apart by a public fingerprint', () => {
    expect(seedFingerprint(seed)).toMatch(/^[0-9a-f]{8}$/)
    expect(seedFingerprint(seed)).not.toBe(seedFingerprint(new Uint8Array(64).fill(6)))
  })
})
