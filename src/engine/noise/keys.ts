import { hkdf } from '../crypto/hash.ts'

const EMPTY = new Uint8Array(0)

/** BOLT 8 §Handshake State: HKDF(salt, ikm) with an empty info, split into the new chaining key and a key (32 bytes each). */
export function mixKey(
  chainingKey: Uint8Array,
  ikm: Uint8Array,
): { chainingKey: Uint8Array; key: Uint8Array } {
  const out = hkdf(ikm, chainingKey, EMPTY, 64)
  return { chainingKey: out.slice(0, 32), key: out.slice(32) }
}
