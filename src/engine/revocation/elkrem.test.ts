import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex, uintBE } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { hash256 } from '../crypto/hash.ts'
import {
  decodeElkrem,
  ELKREM_MAX_INDEX,
  type ElkremStore,
  elkremInsert,
  elkremLookup,
  elkremNext,
  elkremRoot,
  elkremSecret,
  encodeElkrem,
} from './elkrem.ts'
import { firstSecrets } from './testing.ts'

const root = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')

function received(n: number): ElkremStore {
  let store: ElkremStore = []
  for (let i = 0n; i < n; i++) store = unwrap(elkremInsert(store, i, elkremSecret(root, i)))
  return store
}

describe('elkrem secrets', () => {
  it.each([
    [0n, 'a6e9bc2e13682c3b89324d8950691bcb0d9c40def73023d45f929257f53b68ba'],
    [1n, '0ad34f17fce1f2c6ab94f810576bcf3e54119485c5fb54a890a277096d2ecee0'],
    [2n, '51a6675d81478dd3c806c9e080ce3537e8f1e248246ae03d6c03d72d8887d5a1'],
    [6n, 'b60f1eda2f76a9cd97d3e810c220e584f5c445059c2d7d839911317684316660'],
    [(1n << 47n) - 2n, 'c8f9c1f697f8d8a1286c09e282fc744cbbfe1d069cae8dd2596977be2c489fb8'],
    [ELKREM_MAX_INDEX, toHex(root)],
  ])('index %s of root 00..1f', (index, secret) => {
    expect(toHex(elkremSecret(root, index))).toBe(secret)
  })
  it.each([
    [0n, 'b42ca4a683074608dcf033e8d1ac8b82e96534b47cf11fb7493171e03549122a'],
    [1000n, '0a3da6ea34269b832835240a26ce16bfdd54f219a61bcf8cdd0c946991a35101'],
  ])('index %s of another root', (index, secret) => {
    const other = fromHex('586d96a437148d3ce109717b9613ee7d0da448112184df9a680d7651f21436b4')
    expect(toHex(elkremSecret(other, index))).toBe(secret)
  })
  it('has no secret beyond the root', () => {
    expect(() => elkremSecret(root, ELKREM_MAX_INDEX + 1n)).toThrow()
    expect(() => elkremSecret(root, -1n)).toThrow()
  })
  it('does not give the left child away with a hash of its parent', () => {
    // Index 2 is the parent of 0 (left) and 1 (right). Its bare hash may be published (as a commitment to it would be).
    const parent = elkremSecret(root, 2n)
    const bare = toHex(hash256(parent))
    expect(bare).not.toBe(toHex(elkremSecret(root, 0n)))
    expect(bare).not.toBe(toHex(elkremSecret(root, 1n)))
  })
  it('draws another root for another salt, funding key or wallet', () => {
    const salt = new Uint8Array(32).fill(1)
    const funding = new Uint8Array(33).fill(2)
    const roots = [
      elkremRoot(root, salt, funding),
      elkremRoot(root, new Uint8Array(32).fill(3), funding),
      elkremRoot(root, salt, new Uint8Array(33).fill(3)),
      elkremRoot(new Uint8Array(32), salt, funding),
    ]
    expect(new Set(roots.map(toHex)).size).toBe(4)
    expect(toHex(elkremRoot(root, salt, funding))).toBe(toHex(roots[0] as Uint8Array))
  })
})

describe('elkrem receiver', () => {
  it('keeps 8 nodes in 329 bytes after 0..9999, never more than 13, and finds every secret', () => {
    let store: ElkremStore = []
    let most = 0
    for (const [i, secret] of firstSecrets(root, 10_000).entries()) {
      store = unwrap(elkremInsert(store, BigInt(i), secret))
      most = Math.max(most, store.length)
    }
    expect(elkremNext(store)).toBe(10_000n)
    expect(store.map((n) => n.height)).toEqual([12, 9, 8, 7, 3, 1, 0, 0])
    expect(most).toBe(13)
    expect(encodeElkrem(store).length).toBe(329)
    for (const i of [0n, 1n, 2n, 4095n, 8190n, 8191n, 9213n, 9990n, 9998n, 9999n])
      expect(elkremLookup(store, i)).toEqual(elkremSecret(root, i))
    expect(elkremLookup(store, 10_000n)).toBeUndefined()
  })
  it('refuses skipped, repeated and foreign secrets and stays as it was', () => {
    const store = received(5)
    const before = encodeElkrem(store)
    expect(elkremInsert(store, 6n, elkremSecret(root, 6n)).ok).toBe(false)
    expect(elkremInsert(store, 4n, elkremSecret(root, 4n)).ok).toBe(false)
    // Index 5 must be the parent of 3 and 4.
    expect(elkremInsert(store, 5n, elkremSecret(new Uint8Array(32), 5n)).ok).toBe(false)
    expect(elkremInsert(store, 5n, new Uint8Array(31)).ok).toBe(false)
    expect(encodeElkrem(store)).toEqual(before)
  })
  it('notices a wrong left child when the right one fits, and the other way round', () => {
    const parent = elkremSecret(root, 2n)
    const good = [elkremSecret(root, 0n), elkremSecret(root, 1n)] as const
    for (const [a, b] of [
      [root, good[1]],
      [good[0], root],
    ] as const) {
      const store = unwrap(elkremInsert(unwrap(elkremInsert([], 0n, a)), 1n, b))
      expect(elkremInsert(store, 2n, parent).ok).toBe(false)
    }
  })
})

describe('elkrem serialization', () => {
  const node = (height: number, index: bigint) =>
    concat(Uint8Array.of(height), uintBE(index, 8), new Uint8Array(32).fill(5))
  const bytes = (...nodes: Uint8Array[]) => concat(Uint8Array.of(nodes.length), ...nodes)
  it('reads what it writes', () => {
    for (const n of [0, 1, 2, 3, 4, 5, 6, 7, 8, 100]) {
      const store = received(n)
      expect(unwrap(decodeElkrem(encodeElkrem(store)))).toEqual(store)
    }
  })
  it('reads a whole tree, whose only node is the root', () => {
    expect(unwrap(decodeElkrem(bytes(node(47, ELKREM_MAX_INDEX))))).toHaveLength(1)
  })
  it('reads the largest stack, 48 nodes', () => {
    const nodes: Uint8Array[] = []
    let at = -1n
    for (const h of [...Array.from({ length: 47 }, (_, i) => 46 - i), 0]) {
      at += (1n << BigInt(h + 1)) - 1n
      nodes.push(node(h, at))
    }
    expect(unwrap(decodeElkrem(bytes(...nodes)))).toHaveLength(48)
  })
  it.each([
    ['nothing', new Uint8Array()],
    ['a short node', bytes(node(0, 0n)).slice(0, -1)],
    ['trailing bytes', concat(bytes(node(0, 0n)), Uint8Array.of(0))],
    ['49 nodes', bytes(...Array.from({ length: 49 }, () => node(0, 0n)))],
    ['height 48', bytes(node(48, (1n << 49n) - 2n))],
    ['rising heights', bytes(node(0, 0n), node(1, 3n))],
    ['a leaf at index 1', bytes(node(0, 1n))],
    ['height 1 at index 1', bytes(node(1, 1n))],
    ['a gap', bytes(node(1, 2n), node(0, 4n))],
    ['three equal heights', bytes(node(0, 0n), node(0, 1n), node(0, 2n))],
    ['a pair that is not last', bytes(node(1, 2n), node(1, 5n), node(0, 6n))],
    ['something after the root', bytes(node(47, ELKREM_MAX_INDEX), node(0, ELKREM_MAX_INDEX + 1n))],
  ])('refuses %s', (_, input) => {
    expect(decodeElkrem(input).ok).toBe(false)
  })
})
