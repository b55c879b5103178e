import { expand, extract, hkdf as nobleHkdf } from '@noble/hashes/hkdf.js'
import { hmac } from '@noble/hashes/hmac.js'
import { ripemd160 as nobleRipemd160 } from '@noble/hashes/legacy.js'
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js'
import { concat, utf8 } from '../base/bytes.ts'

/** What a platform may do faster, for inputs of any length; the same bytes as the reference's (a differential test sees to it). */
export interface HashBackend {
  sha256(bytes: Uint8Array): Uint8Array
  hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array
}

/** The reference. */
export const REFERENCE_HASHES: HashBackend = {
  sha256: (bytes) => nobleSha256(bytes),
  hmacSha256: (key, message) => hmac(nobleSha256, key, message),
}

let backend = REFERENCE_HASHES

/** Hands hashing to another implementation; the shell does so once, before the engine runs. */
export function useHashes(next: HashBackend): void {
  backend = next
}

/** SHA-256 of the concatenation of its arguments: 32 bytes. */
export const sha256 = (...parts: readonly Uint8Array[]): Uint8Array =>
  backend.sha256(parts.length === 1 ? (parts[0] as Uint8Array) : concat(...parts))

/** SHA-256 twice (Bitcoin's hash256): 32 bytes, internal byte order. */
export const hash256 = (bytes: Uint8Array): Uint8Array => backend.sha256(backend.sha256(bytes))

/** RIPEMD-160: 20 bytes. */
export const ripemd160 = (bytes: Uint8Array): Uint8Array => nobleRipemd160(bytes)

/** RIPEMD-160 of SHA-256 (Bitcoin's hash160): 20 bytes. */
export const hash160 = (bytes: Uint8Array): Uint8Array => nobleRipemd160(backend.sha256(bytes))

/** HMAC-SHA256: 32 bytes. */
export const hmacSha256 = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  backend.hmacSha256(key, message)

/**
 * HMAC-SHA256 of `prefix` followed by what the result is called with, under one key and many times: key and prefix are hashed once.
 * The reference's states, whatever the platform: a call out of JavaScript takes longer than the blocks that follow.
 */
export function hmacAfter(key: Uint8Array, prefix?: Uint8Array): (rest: Uint8Array) => Uint8Array {
  const state = hmac.create(nobleSha256, key)
  if (prefix !== undefined) state.update(prefix)
  const scratch = state.clone()
  return (rest) => state._cloneInto(scratch).update(rest).digest()
}

/** HKDF-SHA256 (RFC 5869): `length` bytes from input key material, salt and info. */
export const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array =>
  nobleHkdf(nobleSha256, ikm, salt, info, length)

/** The first step of `hkdf`, for many second ones: 32 bytes. */
export const hkdfExtract = (ikm: Uint8Array, salt: Uint8Array): Uint8Array => extract(nobleSha256, ikm, salt)

/** The second step of `hkdf`. */
export const hkdfExpand = (key: Uint8Array, info: Uint8Array, length: number): Uint8Array =>
  expand(nobleSha256, key, info, length)

const tags = new Map<string, Uint8Array>()

/** BIP 340 tagged hash: SHA256(SHA256(tag) ‖ SHA256(tag) ‖ message), 32 bytes. */
export function taggedHash(tag: string, ...parts: readonly Uint8Array[]): Uint8Array {
  let t = tags.get(tag)
  if (t === undefined) {
    t = nobleSha256(utf8(tag))
    tags.set(tag, t)
  }
  return sha256(t, t, ...parts)
}
