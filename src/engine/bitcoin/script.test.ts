import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { publicKey } from '../crypto/curve.ts'
import { addressFromScript, scriptFromAddress } from './address.ts'
import { NETWORKS } from './network.ts'
import {
  dustLimitSat,
  isAcceptableShutdownScript,
  P2A,
  p2pkh,
  p2sh,
  p2tr,
  p2wpkh,
  p2wsh,
  pushData,
  script,
  scriptKind,
  scriptNumber,
  witnessProgram,
} from './script.ts'

const key = publicKey(new Uint8Array(32).fill(1))
const h20 = new Uint8Array(20).fill(7)
const fill = (n: number) => new Uint8Array(n).fill(9)
const opReturn = (n: number) => script(0x6a, fill(n))

describe('pushes and numbers', () => {
  it('pushes with the shortest length prefix', () => {
    expect(toHex(pushData(fill(75)).slice(0, 2))).toBe('4b09')
    expect(toHex(pushData(fill(76)).slice(0, 2))).toBe('4c4c')
    expect(toHex(pushData(fill(255)).slice(0, 2))).toBe('4cff')
    expect(toHex(pushData(fill(520)).slice(0, 3))).toBe('4d0802')
    for (const n of [0, 75, 76, 255, 256, 520]) expect(script(fill(n))).toEqual(pushData(fill(n)))
  })
  it('writes numbers minimally, with room for the sign', () => {
    const hex = (n: number) => toHex(script(scriptNumber(n)))
    expect([0, 1, 16, 17, 127, 128, 144, 255, 256, 500, 32768, 0xffffffff].map(hex)).toEqual([
      '00',
      '51',
      '60',
      '0111',
      '017f',
      '028000',
      '029000',
      '02ff00',
      '020001',
      '02f401',
      '03008000',
      '05ffffffff00',
    ])
  })
})

describe('dust limits (BOLT 3 §Dust Limits)', () => {
  it.each([
    ['p2pkh', p2pkh(h20), 546n],
    ['p2sh', p2sh(h20), 540n],
    ['p2wpkh', p2wpkh(key), 294n],
    ['p2wsh', p2wsh(Uint8Array.of(0x51)), 330n],
    ['p2a', P2A, 240n],
    ['p2tr', p2tr(key.slice(1)), 354n],
    ['witness_unknown', witnessProgram(2, fill(40)), 354n],
    ['op_return', opReturn(40), 0n],
    ['other', script(key, 0xac), 576n],
  ] as const)('%s', (kind, spk, limit) => {
    expect(scriptKind(spk)).toBe(kind)
    expect(dustLimitSat(spk)).toBe(limit)
  })
})

describe('shutdown scripts (BOLT 2 §shutdown)', () => {
  it('always takes v0 key and script hashes', () => {
    expect(isAcceptableShutdownScript(p2wpkh(key), false)).toBe(true)
    expect(isAcceptableShutdownScript(p2wsh(key), false)).toBe(true)
  })
  it('refuses v0 programs of other lengths, which nobody can spend', () => {
    expect(isAcceptableShutdownScript(witnessProgram(0, fill(21)), true)).toBe(false)
  })
  it('takes later witness versions only with option_shutdown_anysegwit', () => {
    for (const spk of [p2tr(key.slice(1)), witnessProgram(16, fill(2)), P2A]) {
      expect(isAcceptableShutdownScript(spk, false)).toBe(false)
      expect(isAcceptableShutdownScript(spk, true)).toBe(true)
    }
  })
  it('refuses legacy scripts and the empty one', () => {
    for (const spk of [p2pkh(h20), p2sh(h20), new Uint8Array(), Uint8Array.of(0x51, 0x01, 0x09)])
      expect(isAcceptableShutdownScript(spk, true, true)).toBe(false)
  })
  it('takes OP_RETURN of 6 to 80 bytes only with option_simple_close', () => {
    for (const [n, good] of [
      [5, false],
      [6, true],
      [75, true],
      [76, true],
      [80, true],
      [81, false],
    ] as const) {
      expect(isAcceptableShutdownScript(opReturn(n), true, true)).toBe(good)
      expect(isAcceptableShutdownScript(opReturn(n), true, false)).toBe(false)
    }
    expect(isAcceptableShutdownScript(script(0x6a, fill(40), fill(2)), true, true)).toBe(false)
  })
})

describe('base58 addresses', () => {
  const main = NETWORKS.bitcoin
  it('reads and writes P2PKH and P2SH', () => {
    // The coinbase address of block 0 and a well-known P2SH address.
    const genesis = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'
    const spk = scriptFromAddress(genesis, main)
    expect(spk.ok && toHex(spk.value)).toBe('76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac')
    expect(spk.ok && addressFromScript(spk.value, main)).toBe(genesis)
    const toSh = addressFromScript(p2sh(h20), main) as string
    expect(toSh[0]).toBe('3')
    expect(scriptFromAddress(toSh, main)).toEqual({ ok: true, value: p2sh(h20) })
  })
  it('tells another network from nonsense', () => {
    const genesis = '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'
    expect(scriptFromAddress(genesis, NETWORKS.regtest)).toEqual({ ok: false, error: 'wrong_network' })
    expect(scriptFromAddress(`${genesis.slice(0, -1)}b`, main)).toEqual({
      ok: false,
      error: 'invalid_address',
    })
    expect(scriptFromAddress('', main)).toEqual({ ok: false, error: 'invalid_address' })
    expect(scriptFromAddress('x'.repeat(100_000), main)).toEqual({ ok: false, error: 'invalid_address' })
  })
  it('has no address for bare scripts and OP_RETURN', () => {
    expect(addressFromScript(script(key, 0xac), main)).toBeUndefined()
    expect(addressFromScript(opReturn(20), main)).toBeUndefined()
    expect(addressFromScript(witnessProgram(0, fill(21)), main)).toBeUndefined()
  })
})
