import { describe, expect, test } from 'vitest'
import { concat } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { hash256 } from '../crypto/hash.ts'
import { merkleBranch, merkleRoot, merkleRootFromProof } from './merkle.ts'
import { encodeTx, txidFromBytes, txidOf, txidToBytes } from './tx.ts'
import type { Tx } from './types.ts'

const tx = (tag: number, script = Uint8Array.of(0x51)): Tx => ({
  version: 2,
  inputs: [
    { outpoint: { txid: 'cc'.repeat(32), vout: tag }, scriptSig: new Uint8Array(), sequence: 0, witness: [] },
  ],
  outputs: [{ valueSat: sat(1000), script }],
  locktime: 0,
})
const txs = (n: number) => Array.from({ length: n }, (_, i) => tx(i))

describe('merkle trees', () => {
  test('the root of mainnet block 100,000', () => {
    expect(
      merkleRoot([
        '8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87',
        'fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4',
        '6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4',
        'e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d',
      ]),
    ).toBe('f3e94742aca4b5ef85488dc37c06c3282295ffec960994b2c0d5ac2a25a95766')
  })

  test('every transaction of blocks of 1 to 17 proves itself, with and without the count', () => {
    for (let n = 1; n <= 17; n++) {
      const block = txs(n)
      const ids = block.map(txidOf)
      const root = merkleRoot(ids)
      for (const [pos, t] of block.entries()) {
        const proof = merkleBranch(ids, pos)
        expect(unwrap(merkleRootFromProof(encodeTx(t), proof, n))).toEqual({ root, txid: ids[pos] })
        expect(unwrap(merkleRootFromProof(encodeTx(t), proof)).root).toBe(root)
      }
    }
  })
})

describe('proofs that are refused', () => {
  const block = txs(7)
  const ids = block.map(txidOf)
  const raw = encodeTx(block[3] as Tx)
  const proof = merkleBranch(ids, 3)

  test('a position outside the tree or the block', () => {
    for (const pos of [-1, 8, 1.5, Number.NaN, 2 ** 53])
      expect(merkleRootFromProof(raw, { ...proof, pos })).toEqual({ ok: false, error: 'position' })
    expect(merkleRootFromProof(raw, { ...proof, pos: 7 }, 7)).toEqual({ ok: false, error: 'position' })
  })

  test('a branch too long for any block, or of another length than the block has levels', () => {
    const branch = (n: number) => Array.from({ length: n }, () => 'ab'.repeat(32))
    expect(merkleRootFromProof(raw, { pos: 0, branch: branch(16) })).toEqual({ ok: false, error: 'branch' })
    expect(merkleRootFromProof(raw, { pos: 3, branch: branch(2) }, 7)).toEqual({ ok: false, error: 'branch' })
    expect(merkleRootFromProof(raw, { pos: 3, branch: branch(4) }, 7)).toEqual({ ok: false, error: 'branch' })
    expect(merkleRootFromProof(raw, { pos: 0, branch: ['zz'] })).toEqual({ ok: false, error: 'branch' })
  })

  test('another branch leads to another root', () => {
    const branch = [...proof.branch.slice(0, 2), 'ab'.repeat(32)]
    expect(unwrap(merkleRootFromProof(raw, { pos: 3, branch })).root).not.toBe(merkleRoot(ids))
  })

  test('a transaction at the place of its own repetition (CVE-2012-2459)', () => {
    // Of three transactions the third is repeated by consensus: index 3 is not a transaction.
    const three = ids.slice(0, 3)
    const last = encodeTx(block[2] as Tx)
    const honest = merkleBranch(three, 2)
    expect(unwrap(merkleRootFromProof(last, honest)).root).toBe(merkleRoot(three))
    expect(merkleRootFromProof(last, { ...honest, pos: 3 })).toEqual({ ok: false, error: 'duplicate' })
  })

  test('a repetition that is not at the right edge of the tree', () => {
    const own = ids[0] as string
    const pair = txidFromBytes(hash256(concat(txidToBytes(own), txidToBytes(own))))
    const first = encodeTx(block[0] as Tx)
    expect(merkleRootFromProof(first, { pos: 0, branch: [own, ids[1] as string] })).toEqual({
      ok: false,
      error: 'duplicate',
    })
    expect(merkleRootFromProof(first, { pos: 0, branch: [own, pair] }).ok).toBe(true)
  })

  test('a 64-byte transaction, which could be two hashes', () => {
    // 60 bytes of transaction frame leave four for the script.
    const short = encodeTx(tx(1, Uint8Array.of(0x51, 0x51, 0x51, 0x51)))
    expect(short.length).toBe(64)
    expect(merkleRootFromProof(short, { pos: 0, branch: [] })).toEqual({ ok: false, error: 'ambiguous' })
    const longer = encodeTx(tx(1, Uint8Array.of(0x51, 0x51, 0x51, 0x51, 0x51)))
    expect(merkleRootFromProof(longer, { pos: 0, branch: [] }).ok).toBe(true)
  })

  test('a transaction that hangs below one of 64 bytes', () => {
    // The block holds a transaction of 64 bytes whose first half is the id of another, made up until it fits.
    let n = 0
    let leaf = encodeTx(tx(n, Uint8Array.of(0x51)))
    while (hash256(leaf)[4] !== 1) leaf = encodeTx(tx(++n, Uint8Array.of(0x51)))
    const half = new Uint8Array(32)
    // No script before, one output, a script of four bytes.
    half.set([0, 0xff, 0xff, 0xff, 0xff, 1], 9)
    half.set([4, 0x51, 0x51, 0x51, 0x51], 23)
    const branch = [txidFromBytes(half)]
    expect(merkleRootFromProof(leaf, { pos: 0, branch })).toEqual({ ok: false, error: 'ambiguous' })
    const other = half.slice()
    other[14] = 2
    expect(merkleRootFromProof(leaf, { pos: 0, branch: [txidFromBytes(other)] }).ok).toBe(true)
  })

  test('bytes that are no transaction', () => {
    expect(merkleRootFromProof(new Uint8Array(64), { pos: 0, branch: [] })).toEqual({
      ok: false,
      error: 'transaction',
    })
  })
})
