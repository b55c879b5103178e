import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import {
  decodeTx,
  encodeTx,
  txidFromBytes,
  txidOf,
  txidToBytes,
  vsizeOf,
  weightOf,
  withWitness,
  wtxidOf,
} from './tx.ts'
import type { Tx } from './types.ts'

const bytes = (max: number) => fc.uint8Array({ maxLength: max })
const anyTx: fc.Arbitrary<Tx> = fc.record({
  version: fc.constantFrom(1, 2, 3, -1),
  locktime: fc.integer({ min: 0, max: 0xffffffff }),
  inputs: fc.array(
    fc.record({
      outpoint: fc.record({
        txid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(txidFromBytes),
        vout: fc.integer({ min: 0, max: 0xffffffff }),
      }),
      scriptSig: bytes(300),
      sequence: fc.integer({ min: 0, max: 0xffffffff }),
      witness: fc.array(bytes(300), { maxLength: 4 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  outputs: fc.array(
    fc.record({ valueSat: fc.bigInt(0n, 2_100_000_000_000_000n).map(sat), script: bytes(300) }),
    { minLength: 1, maxLength: 300 },
  ),
})

const sample: Tx = {
  version: 2,
  inputs: [
    { outpoint: { txid: '11'.repeat(32), vout: 1 }, scriptSig: new Uint8Array(), sequence: 0, witness: [] },
  ],
  outputs: [{ valueSat: sat(1000), script: Uint8Array.of(0x51) }],
  locktime: 0,
}

describe('transaction codec', () => {
  it('reads back whatever it writes, and weighs it right', () => {
    fc.assert(
      fc.property(anyTx, (tx) => {
        const wire = encodeTx(tx)
        expect(unwrap(decodeTx(wire))).toEqual(tx)
        const base = encodeTx(tx, { witness: false }).length
        expect(weightOf(tx)).toBe(3 * base + wire.length)
        expect(vsizeOf(tx)).toBe(Math.ceil(weightOf(tx) / 4))
      }),
      { numRuns: 100 },
    )
  })

  it('never throws, and accepts only what encodes to the same bytes', () => {
    fc.assert(
      fc.property(anyTx, fc.nat(), fc.nat(255), (tx, at, byte) => {
        const wire = encodeTx(tx)
        wire[at % wire.length] = byte
        const got = decodeTx(wire)
        if (got.ok) expect(toHex(encodeTx(got.value))).toBe(toHex(wire))
      }),
      { numRuns: 300 },
    )
  })

  it('refuses every truncation and trailing bytes', () => {
    const wire = encodeTx(withWitness(sample, 0, [Uint8Array.of(1, 2)]))
    for (let n = 0; n < wire.length; n++) expect(decodeTx(wire.slice(0, n)).ok).toBe(false)
    expect(decodeTx(concat(wire, Uint8Array.of(0)))).toEqual({
      ok: false,
      error: 'transaction: trailing bytes',
    })
  })

  it('refuses counts that the input cannot hold before allocating for them', () => {
    const wire = encodeTx(sample)
    const huge = concat(wire.slice(0, 4), Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0x7f), wire.slice(5))
    expect(decodeTx(huge)).toEqual({ ok: false, error: 'transaction: inputs: absurd count' })
  })

  it('refuses sizes not minimal, which would give one transaction two encodings', () => {
    const wire = encodeTx(sample)
    const long = concat(wire.slice(0, 4), Uint8Array.of(0xfd, 1, 0), wire.slice(5))
    expect(decodeTx(long)).toEqual({ ok: false, error: 'transaction: inputs: size not minimal' })
  })

  it('refuses a transaction without inputs, without outputs, or with a marker and no witness', () => {
    expect(decodeTx(encodeTx({ ...sample, inputs: [] })).ok).toBe(false)
    expect(decodeTx(encodeTx({ ...sample, outputs: [] })).ok).toBe(false)
    const wire = encodeTx(sample)
    const superfluous = concat(
      wire.slice(0, 4),
      Uint8Array.of(0, 1),
      wire.slice(4, -4),
      Uint8Array.of(0),
      wire.slice(-4),
    )
    expect(decodeTx(superfluous)).toEqual({ ok: false, error: 'transaction: superfluous witness' })
  })

  it('refuses more than 21 million bitcoin', () => {
    const tx = { ...sample, outputs: [{ valueSat: sat(2_100_000_000_000_001n), script: new Uint8Array() }] }
    expect(decodeTx(encodeTx(tx)).ok).toBe(false)
  })

  it('keeps the txid when a witness is added, and changes the wtxid', () => {
    const signed = withWitness(sample, 0, [Uint8Array.of(7)])
    expect(txidOf(signed)).toBe(txidOf(sample))
    expect(wtxidOf(signed)).not.toBe(wtxidOf(sample))
    expect(wtxidOf(sample)).toBe(txidOf(sample))
  })

  it('turns txids around between wire and display order', () => {
    const id = `${'00'.repeat(31)}ff`
    expect(txidToBytes(id)[0]).toBe(0xff)
    expect(txidFromBytes(txidToBytes(id))).toBe(id)
  })
})
