import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { hash256 } from '../crypto/hash.ts'
import {
  decodeElkrem,
  type ElkremStore,
  elkremInsert,
  elkremLookup,
  elkremNext,
  elkremSecret,
  encodeElkrem,
} from './elkrem.ts'
import { firstSecrets, heightsAfter, postOrder, receive, TAGGED, UNTAGGED } from './testing.ts'

const root = fromHex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')
const MANY = 3_000
const secrets = firstSecrets(root, MANY)

/** Index of the parent of node (index, height) in post-order: right children stand just before it, left ones a subtree further. */
function parentOf(index: number): number {
  // Walk down from the root as the sender does; what was left last is the parent.
  let i = 2 ** 48 - 2
  let h = 47
  let parent = i
  while (i !== index) {
    parent = i
    i = index <= i - 2 ** h ? i - 2 ** h : i - 1
    h -= 1
  }
  return parent
}

describe('the receiver', () => {
  it('derives any of the secrets it has been given, and none that it has not', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: MANY }), fc.nat(), (n, at) => {
        const { store } = receive(secrets.slice(0, n))
        const k = at % n
        expect(elkremLookup(store, BigInt(k))).toEqual(secrets[k])
        expect(elkremLookup(store, BigInt(n))).toBeUndefined()
        expect(elkremNext(store)).toBe(BigInt(n))
      }),
      { numRuns: 40 },
    )
    const { store } = receive(secrets.slice(0, 500))
    for (let k = 0; k < 500; k++) expect(elkremLookup(store, BigInt(k))).toEqual(secrets[k])
  })

  it('keeps one node at 1 secret, at most 9 up to 10^3, at most 19 up to 10^6', () => {
    // What it holds follows from the number alone…
    let peak = 0
    let store: ElkremStore = []
    for (let n = 1; n <= MANY; n++) {
      store = unwrap(elkremInsert(store, BigInt(n - 1), secrets[n - 1] as Uint8Array))
      expect(store.map((node) => node.height)).toEqual(heightsAfter(n))
      peak = Math.max(peak, store.length)
      if (n === 1) expect([peak, store.length, encodeElkrem(store).length]).toEqual([1, 1, 42])
      if (n === 1_000) {
        expect([peak, store.length, encodeElkrem(store).length]).toEqual([9, 8, 329])
      }
    }
    // … so the way to a million is counted, and its end walked.
    peak = 0
    for (let n = 1; n <= 1_000_000; n++) peak = Math.max(peak, countAfter(n))
    expect(peak).toBe(19)
    let index = -1
    store = heightsAfter(999_900).map((height) => {
      index += 2 ** (height + 1) - 1
      return { height, index: BigInt(index), value: elkremSecret(root, BigInt(index)) }
    })
    for (let i = 999_900n; i < 1_000_000n; i++) store = unwrap(elkremInsert(store, i, elkremSecret(root, i)))
    expect(store.map((node) => node.height)).toEqual([18, 17, 16, 15, 13, 8, 5, 2])
    expect(encodeElkrem(store)).toHaveLength(329)
    for (const k of [0n, 1n, 524_286n, 777_777n, 999_999n])
      expect(elkremLookup(store, k)).toEqual(elkremSecret(root, k))
  })

  it('finds a bad secret at its parent and not before, and stays as it was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 400 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (bad, lie) => {
          const parent = parentOf(bad)
          // A bad secret that is itself a parent is found at once, by its children.
          const leaf = heightsAfter(bad + 1).at(-1) === 0
          const end = leaf ? parent : bad
          fc.pre(end <= 2_000)
          let store: ElkremStore = []
          for (let i = 0; i < end; i++)
            store = unwrap(elkremInsert(store, BigInt(i), i === bad ? lie : (secrets[i] as Uint8Array)))
          const before = encodeElkrem(store)
          const last = leaf ? (secrets[end] as Uint8Array) : lie
          for (const node of store) Object.freeze(node)
          expect(elkremInsert(Object.freeze(store), BigInt(end), last)).toMatchObject({
            ok: false,
            error: expect.stringContaining('does not belong'),
          })
          expect(encodeElkrem(store)).toEqual(before)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('reads back what it writes, after any number of secrets, and goes on from there', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MANY - 1 }), (n) => {
        const { store } = receive(secrets.slice(0, n))
        const read = unwrap(decodeElkrem(encodeElkrem(store)))
        expect(read).toEqual(store)
        expect(elkremInsert(read, BigInt(n), secrets[n] as Uint8Array).ok).toBe(true)
      }),
      { numRuns: 25 },
    )
  })

  it('reads no altered header as another stack: count, heights and indexes hold each other', () => {
    const bytes = encodeElkrem(receive(secrets.slice(0, 1_000)).store)
    for (let at = 0; at < bytes.length; at++) {
      // Values may be anything; only the algorithm tells them apart.
      if (at > 0 && (at - 1) % 41 >= 9) continue
      for (const flip of [1, 2, 0x80]) {
        const other = bytes.slice()
        other[at] = (other[at] as number) ^ flip
        expect(decodeElkrem(other).ok, `byte ${at} ^ ${flip}`).toBe(false)
      }
    }
  })
})

const countAfter = (n: number): number => {
  let count = 0
  for (let left = n; left > 0; count++) left -= 2 ** Math.floor(Math.log2(left + 1)) - 1
  return count
}

describe('the tag of the left branch', () => {
  /** What follows from one published hash of a secret that is not revealed yet: it, and whatever hangs below it. */
  const leaks = (published: Uint8Array, height: number, by = TAGGED): Set<string> =>
    new Set([...postOrder(published, height, by)].map(toHex))

  it('without it, one hash of a future secret gives its whole left subtree away', () => {
    // Height 3: the parent (index 14) with its left child (6) and that one's six descendants (0 to 5).
    const tree = [...postOrder(root, 3, UNTAGGED)].map(toHex)
    const got = leaks(hash256(root), 2, UNTAGGED)
    expect(tree.filter((secret) => got.has(secret))).toEqual(tree.slice(0, 7))
  })
  it('with it, the same hash gives nothing', () => {
    const tree = [...postOrder(root, 3)].map(toHex)
    expect(tree).toHaveLength(15)
    for (const by of [TAGGED, UNTAGGED]) {
      const got = leaks(hash256(root), 2, by)
      expect(tree.filter((secret) => got.has(secret))).toEqual([])
    }
  })
})
