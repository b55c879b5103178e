import { toHex } from '../base/bytes.ts'
import { sha256 } from '../crypto/hash.ts'

/**
 * Onions that came before (BOLT 4 §Onion Decryption: MUST reject a replayed one, or an attacker who has one tries it again and again
 * and watches where it goes). An onion is known by a hash of the shared secret, until the HTLC that brought it has expired: by then
 * nobody would take the same onion again. In buckets, so that one more costs a copy of few.
 */
export type SeenOnions = Readonly<Record<string, Readonly<Record<string, number>>>>

/** Where an onion is kept: 32 hex digits, of which the first two name the bucket. */
export const onionId = (sharedSecret: Uint8Array): string => toHex(sha256(sharedSecret).subarray(0, 16))

/**
 * Onions that are kept at the same time, in a bucket (256 of them): some 50 MB in all. A peer that sends HTLCs to have them failed pays
 * nothing for what we keep of them, so that there has to be an end; behind it nothing is forwarded until some have expired.
 */
export const MAX_IN_BUCKET = 2_000

/** How many there are in a bucket, counted once and then kept up. */
const sizes = new WeakMap<object, number>()
const sizeOf = (bucket: object): number => {
  const known = sizes.get(bucket)
  if (known !== undefined) return known
  const size = Object.keys(bucket).length
  sizes.set(bucket, size)
  return size
}

/** Whether there is no room for one more with this id. */
export const isFull = (seen: SeenOnions, id: string): boolean =>
  sizeOf(seen[bucketOf(id)] ?? NONE) >= MAX_IN_BUCKET
const NONE = {}

/** The bucket of an id. */
export const bucketOf = (id: string): string => id.slice(0, 2)

export const wasSeen = (seen: SeenOnions, id: string): boolean => seen[bucketOf(id)]?.[id] !== undefined

/**
 * With one more; `expiry`: `cltv_expiry` of the HTLC that brought it. What has been copied is noted in `owned`: while the same set is given,
 * and nobody else has seen them, buckets are filled in place (256 of them copied for every forward were a tenth of a busy forwarder's time).
 */
export function withSeen(
  seen: SeenOnions,
  id: string,
  expiry: number,
  owned: Set<object> = new Set(),
): SeenOnions {
  const own = <T extends object>(table: T): T => {
    if (owned.has(table)) return table
    const copy = { ...table }
    owned.add(copy)
    return copy
  }
  const next = own(seen) as Record<string, Readonly<Record<string, number>>>
  const before = next[bucketOf(id)] ?? {}
  const size = sizeOf(before) + (before[id] === undefined ? 1 : 0)
  const bucket = own(before) as Record<string, number>
  bucket[id] = expiry
  sizes.set(bucket, size)
  next[bucketOf(id)] = bucket
  return next
}

/** Without those that have expired by this height, and which those were. The same object when there are none. */
export function withoutExpired(
  seen: SeenOnions,
  height: number,
): { readonly seen: SeenOnions; readonly expired: readonly string[] } {
  const expired: string[] = []
  let next = seen
  for (const [bucket, ids] of Object.entries(seen)) {
    const gone = Object.entries(ids).flatMap(([id, expiry]) => (expiry < height ? [id] : []))
    if (gone.length === 0) continue
    expired.push(...gone)
    const drop = new Set(gone)
    next = { ...next, [bucket]: Object.fromEntries(Object.entries(ids).filter(([id]) => !drop.has(id))) }
  }
  return { seen: next, expired }
}
