import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { toHex } from '../base/bytes.ts'
import { addressFromScript, scriptFromAddress } from './address.ts'
import { NETWORKS } from './network.ts'

interface Addresses {
  readonly valid_addresses: readonly { readonly address: string; readonly script_pubkey: string }[]
  readonly invalid_addresses: readonly { readonly address: string; readonly reason: string }[]
}

const all = Object.values(NETWORKS)
const networkOf = (address: string) =>
  address.toLowerCase().startsWith('bc') ? NETWORKS.bitcoin : NETWORKS.testnet4

describe.skipIf(!vectorsPresent)('addresses of BIP 350', () => {
  const v = loadVectors<Addresses>('bip350.json')
  it.each(v.valid_addresses ?? [])('takes $address', ({ address, script_pubkey }) => {
    const network = networkOf(address)
    const spk = scriptFromAddress(address, network)
    expect(spk.ok && toHex(spk.value)).toBe(script_pubkey)
    expect(spk.ok && addressFromScript(spk.value, network)).toBe(address.toLowerCase())
    const other = network === NETWORKS.bitcoin ? NETWORKS.regtest : NETWORKS.bitcoin
    expect(scriptFromAddress(address, other)).toEqual({ ok: false, error: 'wrong_network' })
  })
  it.each(v.invalid_addresses ?? [])('refuses $address: $reason', ({ address }) => {
    for (const n of all)
      expect(scriptFromAddress(address, n)).toEqual({ ok: false, error: 'invalid_address' })
  })
})

describe.skipIf(!vectorsPresent)('addresses of BIP 173', () => {
  const v = loadVectors<Addresses>('bip173.json')
  // The version 1+ addresses of BIP 173 are bech32 and were made invalid by BIP 350.
  it.each(v.valid_addresses ?? [])('$address', ({ address, script_pubkey }) => {
    const spk = scriptFromAddress(address, networkOf(address))
    if (script_pubkey.startsWith('00')) expect(spk.ok && toHex(spk.value)).toBe(script_pubkey)
    else expect(spk).toEqual({ ok: false, error: 'invalid_address' })
  })
  it.each(v.invalid_addresses ?? [])('refuses $address: $reason', ({ address }) => {
    for (const n of all)
      expect(scriptFromAddress(address, n)).toEqual({ ok: false, error: 'invalid_address' })
  })
})
