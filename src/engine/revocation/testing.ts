import { concat } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { hash256 } from '../crypto/hash.ts'
import { type ElkremStore, elkremInsert, elkremSecret } from './elkrem.ts'

/** What tests of elkrem share: a whole subtree costs one hash a secret, where asking for them one by one costs 47 each. */

export interface Branches {
  left(value: Uint8Array): Uint8Array
  right(value: Uint8Array): Uint8Array
}

const tagged = (tag: number) => (value: Uint8Array) => hash256(concat(value, Uint8Array.of(tag)))
/** lcp.md §Elkrem. */
export const TAGGED: Branches = { left: tagged(0), right: tagged(1) }
/** As the first implementation had it: the left branch is a bare hash. */
export const UNTAGGED: Branches = { left: hash256, right: tagged(1) }

/** The secrets of a subtree of this height, in the order in which they are revealed. */
export function* postOrder(value: Uint8Array, height: number, by = TAGGED): Generator<Uint8Array> {
  if (height > 0) {
    yield* postOrder(by.left(value), height - 1, by)
    yield* postOrder(by.right(value), height - 1, by)
  }
  yield value
}

/** The first `n` secrets of a tree. */
export function firstSecrets(root: Uint8Array, n: number): Uint8Array[] {
  let height = 0
  while (2 ** (height + 1) - 1 < n) height += 1
  const top = elkremSecret(root, BigInt(2 ** (height + 1) - 2))
  const secrets: Uint8Array[] = []
  for (const secret of postOrder(top, height)) {
    if (secrets.length === n) break
    secrets.push(secret)
  }
  return secrets
}

/** A receiver that was given these, from index 0 on, and the most nodes that it held on the way. */
export function receive(secrets: readonly Uint8Array[]): { store: ElkremStore; peak: number } {
  let store: ElkremStore = []
  let peak = 0
  for (const [i, secret] of secrets.entries()) {
    store = unwrap(elkremInsert(store, BigInt(i), secret))
    peak = Math.max(peak, store.length)
  }
  return { store, peak }
}

/** Heights of the nodes that a receiver holds after `n` secrets: the widest subtree that fits, again and again. */
export function heightsAfter(n: number): number[] {
  const heights: number[] = []
  for (let left = n; left > 0; ) {
    let height = 0
    while (2 ** (height + 2) - 1 <= left) height += 1
    heights.push(height)
    left -= 2 ** (height + 1) - 1
  }
  return heights
}
