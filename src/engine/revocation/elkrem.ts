import { concat, equalSecret, readUintBE, uintBE, utf8 } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { hash256, hkdf } from '../crypto/hash.ts'

/**
 * Elkrem (design: lcp, Elkrem): a tree of secrets hashed from the root down and revealed in post-order. The sender keeps 32
 * bytes and a counter, the receiver at most 48 nodes.
 */

const ROOT_HEIGHT = 47
const MAX_NODES = 48
const NODE_BYTES = 41

/** The root's index, the last of the tree: 2^48 − 2. */
export const ELKREM_MAX_INDEX = (1n << 48n) - 2n

/** A node that the receiver keeps: it yields every secret of its subtree. */
export interface ElkremNode {
  /** 0 for a leaf, 47 for the root. */
  readonly height: number
  /** Position in post-order. */
  readonly index: bigint
  /** 32 bytes */
  readonly value: Uint8Array
}

/** What the receiver keeps: a stack, highest node first. */
export type ElkremStore = readonly ElkremNode[]

// Both branches are tagged: if the left child were a bare hash, publishing one hash of a value ahead of time would give its
// secret away (a leak that the first implementation had).
const left = (value: Uint8Array): Uint8Array => hash256(concat(value, Uint8Array.of(0)))
const right = (value: Uint8Array): Uint8Array => hash256(concat(value, Uint8Array.of(1)))

/** Walks from node (index, height) down to `wanted`, which lies in its subtree. */
function descend(value: Uint8Array, index: number, height: number, wanted: number): Uint8Array {
  let v = value
  let i = index
  let h = height
  while (i !== wanted) {
    invariant(h > 0, 'elkrem: descent ends at a leaf')
    if (wanted <= i - 2 ** h) {
      i -= 2 ** h
      v = left(v)
    } else {
      i -= 1
      v = right(v)
    }
    h -= 1
  }
  return v
}

function toNumber(index: bigint): number {
  invariant(index >= 0n && index <= ELKREM_MAX_INDEX, 'elkrem index below 2^48 - 1')
  return Number(index)
}

/**
 * The root of a channel's tree, 32 bytes: HKDF-SHA256 over a key of the wallet, 32 random bytes drawn for this channel and
 * kept in its record, and our funding key. A repeated root would hand the peer live secrets.
 */
export function elkremRoot(key: Uint8Array, salt: Uint8Array, fundingPubkey: Uint8Array): Uint8Array {
  invariant(salt.length === 32, 'elkrem salt of 32 bytes')
  invariant(fundingPubkey.length === 33, 'funding key of 33 bytes')
  return hkdf(key, salt, concat(utf8('lcp elkrem'), fundingPubkey), 32)
}

/** The sender's secret at `index` (0 … 2^48 − 2), 32 bytes; at most 47 hashes away from the root. */
export function elkremSecret(root: Uint8Array, index: bigint): Uint8Array {
  invariant(root.length === 32, 'elkrem root of 32 bytes')
  return descend(root, Number(ELKREM_MAX_INDEX), ROOT_HEIGHT, toNumber(index))
}

/** The index that the receiver takes next. */
export const elkremNext = (store: ElkremStore): bigint => (store.at(-1)?.index ?? -1n) + 1n

/**
 * Takes the next secret: a new store, or an error when the index is not the next one, or the value is not the parent of the
 * two subtrees on top. The given store never changes.
 */
export function elkremInsert(store: ElkremStore, index: bigint, value: Uint8Array): Result<ElkremStore> {
  if (value.length !== 32) return err('elkrem: secret must be 32 bytes')
  if (index > ELKREM_MAX_INDEX || index !== elkremNext(store)) return err('elkrem: not the next index')
  const b = store.at(-1)
  const a = store.at(-2)
  if (a === undefined || b === undefined || a.height !== b.height)
    return ok([...store, { height: 0, index, value }])
  if (!equalSecret(left(value), a.value) || !equalSecret(right(value), b.value))
    return err('elkrem: secret does not belong to the tree')
  return ok([...store.slice(0, -2), { height: a.height + 1, index, value }])
}

/** A secret received earlier, or undefined when it has not been revealed. */
export function elkremLookup(store: ElkremStore, index: bigint): Uint8Array | undefined {
  const wanted = toNumber(index)
  // Subtrees in the stack follow each other without a gap from index 0 on.
  const node = store.find((n) => wanted <= Number(n.index))
  return node && descend(node.value, Number(node.index), node.height, wanted)
}

/** A store as bytes: count (1), then height (1), index (8, big endian) and value (32) of each node. */
export const encodeElkrem = (store: ElkremStore): Uint8Array =>
  concat(
    Uint8Array.of(store.length),
    ...store.map((n) => concat(Uint8Array.of(n.height), uintBE(n.index, 8), n.value)),
  )

/**
 * Reads a store. Beyond count and length it takes only stacks that the algorithm can produce: heights fall, except that the
 * last two may be equal, and each node stands right after the subtree before it.
 */
export function decodeElkrem(bytes: Uint8Array): Result<ElkremStore> {
  const count = bytes[0]
  if (count === undefined) return err('elkrem: empty')
  if (count > MAX_NODES) return err('elkrem: more than 48 nodes')
  if (bytes.length !== 1 + count * NODE_BYTES) return err('elkrem: wrong length')
  const store: ElkremNode[] = []
  for (let k = 0; k < count; k++) {
    const at = 1 + k * NODE_BYTES
    const height = bytes[at] as number
    const index = readUintBE(bytes.subarray(at + 1, at + 9))
    const above = store.at(-1)
    if (height > ROOT_HEIGHT) return err('elkrem: height above 47')
    if (above !== undefined && height > above.height) return err('elkrem: heights rise')
    if (above !== undefined && height === above.height && k !== count - 1)
      return err('elkrem: only the last two heights may be equal')
    const expected = (above === undefined ? -1n : above.index) + (1n << BigInt(height + 1)) - 1n
    if (index !== expected || index > ELKREM_MAX_INDEX) return err('elkrem: index does not fit its height')
    store.push({ height, index, value: bytes.slice(at + 9, at + NODE_BYTES) })
  }
  return ok(store)
}
