import { equalSecret } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import { sha256 } from '../crypto/hash.ts'

/**
 * BOLT 3's tree of per-commitment secrets (§Per-commitment Secret Requirements, §Efficient Per-commitment Secret
 * Storage). Indexes are BOLT's own and go down from 2^48 − 1; `secrets.ts` hides that.
 */

/** The first index used. */
export const SHACHAIN_MAX_INDEX = (1n << 48n) - 1n

/** A secret that the receiver keeps. Entry b of a store has an index with exactly b trailing zeros (48 for index 0). */
export interface ShachainNode {
  readonly index: bigint
  /** 32 bytes */
  readonly secret: Uint8Array
}

/** What the receiver keeps: at most 49 nodes, by their number of trailing zeros. */
export type ShachainStore = readonly ShachainNode[]

/** Whether bit `b` of an index below 2^48 is set; plain numbers, as bigint shifts would allocate at every step. */
const bit = (index: number, b: number): boolean => Math.floor(index / 2 ** b) % 2 === 1

/** `derive_secret` of BOLT 3: the secret at `index` from one whose index agrees above the lowest `bits` bits. */
function derive(base: Uint8Array, bits: number, index: number): Uint8Array {
  let p = base
  for (let b = bits - 1; b >= 0; b--) {
    if (!bit(index, b)) continue
    const flipped = p.slice()
    flipped[b >> 3] = (flipped[b >> 3] as number) ^ (1 << (b & 7))
    p = sha256(flipped)
  }
  return p
}

function trailingZeros(index: number): number {
  for (let b = 0; b < 48; b++) if (bit(index, b)) return b
  return 48
}

function toNumber(index: bigint): number {
  invariant(index >= 0n && index <= SHACHAIN_MAX_INDEX, 'shachain index of 48 bits')
  return Number(index)
}

/** The sender's secret at `index` (BOLT 3 `generate_from_seed`), 32 bytes; at most 48 hashes. */
export function shachainSecret(seed: Uint8Array, index: bigint): Uint8Array {
  invariant(seed.length === 32, 'shachain seed of 32 bytes')
  return derive(seed, 48, toNumber(index))
}

/** The index that the receiver takes next: one below the last, from 2^48 − 1; −1 when all were used. */
export const shachainNext = (store: ShachainStore): bigint =>
  store.reduce((lowest, n) => (n.index < lowest ? n.index : lowest), SHACHAIN_MAX_INDEX + 1n) - 1n

/**
 * Takes the next secret (BOLT 3 `insert_secret`): a new store, or an error when the index is not the next one or the
 * secret does not lead to those already held. The given store never changes.
 */
export function shachainInsert(
  store: ShachainStore,
  index: bigint,
  secret: Uint8Array,
): Result<ShachainStore> {
  if (secret.length !== 32) return err('shachain: secret must be 32 bytes')
  if (index < 0n || index !== shachainNext(store)) return err('shachain: not the next index')
  const bucket = trailingZeros(Number(index))
  // Indexes come one below the other, so every lower bucket is filled by now.
  for (let b = 0; b < bucket; b++) {
    const known = store[b] as ShachainNode
    if (!equalSecret(derive(secret, bucket, Number(known.index)), known.secret))
      return err('shachain: secret does not belong to the tree')
  }
  const next = [...store]
  next[bucket] = { index, secret }
  return ok(next)
}

/** A secret received earlier (BOLT 3 `derive_old_secret`), or undefined when it has not been revealed. */
export function shachainLookup(store: ShachainStore, index: bigint): Uint8Array | undefined {
  const wanted = toNumber(index)
  for (const [b, node] of store.entries()) {
    const size = 2 ** b
    if (Math.floor(wanted / size) * size === Number(node.index)) return derive(node.secret, b, wanted)
  }
  return undefined
}
