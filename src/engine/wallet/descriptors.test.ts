import { HDKey } from '@scure/bip32'
import { expect, test } from 'vitest'
import { NETWORKS } from '../bitcoin/network.ts'
import { accountDescriptors, descriptorChecksum } from './descriptors.ts'
import { walletKeys } from './keys.ts'

const SEED = new Uint8Array(64).fill(5)

test('the checksum is the one of BIP 380', () => {
  // BIP 380 §Test Vectors.
  expect(descriptorChecksum('raw(deadbeef)')).toBe('89f8spxm')
})

test('another wallet that reads the descriptors finds the same addresses', () => {
  const accounts = accountDescriptors(SEED, NETWORKS.regtest, [84, 86])
  expect(accounts.map(({ watch }) => watch[0].replace(/tpub\w+/, 'KEY').replace(/#.*/, ''))).toEqual([
    expect.stringMatching(/^wpkh\(\[[0-9a-f]{8}\/84h\/1h\/0h\]KEY\/0\/\*\)$/),
    expect.stringMatching(/^tr\(\[[0-9a-f]{8}\/86h\/1h\/0h\]KEY\/0\/\*\)$/),
  ])
  const [account] = accounts
  const keys = walletKeys(SEED, NETWORKS.regtest)
  const versions = { private: 0x04358394, public: 0x043587cf }
  for (const change of [0, 1] as const) {
    const text = account?.watch[change].match(/tpub\w+/)?.[0] ?? ''
    const secret = account?.spend[change].match(/tprv\w+/)?.[0] ?? ''
    const path = { purpose: 84, change, index: 7 } as const
    expect(HDKey.fromExtendedKey(text, versions).deriveChild(change).deriveChild(7).publicKey).toEqual(
      keys.publicKey(path),
    )
    expect(HDKey.fromExtendedKey(secret, versions).deriveChild(change).deriveChild(7).privateKey).toEqual(
      keys.secret(path),
    )
  }
})
