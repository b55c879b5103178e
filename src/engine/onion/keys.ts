import { concat, utf8 } from '../base/bytes.ts'
import { keyStream } from '../crypto/cipher.ts'
import { multiplyPublic, multiplyScalars } from '../crypto/curve.ts'
import { hmacAfter, sha256 } from '../crypto/hash.ts'

/** The type is the key of the HMAC, so that its half of the work is done once. */
const TYPES = {
  rho: hmacAfter(utf8('rho')),
  mu: hmacAfter(utf8('mu')),
  um: hmacAfter(utf8('um')),
  pad: hmacAfter(utf8('pad')),
  ammag: hmacAfter(utf8('ammag')),
  ammagext: hmacAfter(utf8('ammagext')),
  blinded_node_id: hmacAfter(utf8('blinded_node_id')),
} as const

/** BOLT 4 §Key Generation: the 32-byte key of a type from a 32-byte shared secret. */
export const deriveKey = (type: keyof typeof TYPES, secret: Uint8Array): Uint8Array => TYPES[type](secret)

/** The key stream of a type for a shared secret (BOLT 4 §Pseudo Random Byte Stream). */
export const streamOf = (type: keyof typeof TYPES, secret: Uint8Array, length: number): Uint8Array =>
  keyStream(deriveKey(type, secret), length)

/** BOLT 4 §Blinding Ephemeral Onion Keys: SHA256(ephemeral key ‖ shared secret), 32 bytes. */
export const blindingFactor = (ephemeralKey: Uint8Array, sharedSecret: Uint8Array): Uint8Array =>
  sha256(concat(ephemeralKey, sharedSecret))

/** The next hop's ephemeral public key. The factor is used once: its time tells nothing of any key. */
export const blindPoint = (point: Uint8Array, sharedSecret: Uint8Array): Uint8Array =>
  multiplyPublic(point, blindingFactor(point, sharedSecret))

/** The next hop's ephemeral secret, for whoever made the first one; `point` is its public key. */
export function blindSecret(secret: Uint8Array, point: Uint8Array, sharedSecret: Uint8Array): Uint8Array {
  const next = multiplyScalars(secret, blindingFactor(point, sharedSecret))
  // Needs a hash that is 0 modulo n.
  if (next === undefined) throw new Error('onion: ephemeral secret became zero')
  return next
}

/** target ^= mask, over the length of the shorter. */
export function xorInto(target: Uint8Array, mask: Uint8Array): void {
  const n = Math.min(target.length, mask.length)
  for (let i = 0; i < n; i++) target[i] = (target[i] as number) ^ (mask[i] as number)
}

/** A copy of `bytes` under the key stream of a type. */
export function obfuscate(
  type: 'ammag' | 'ammagext',
  sharedSecret: Uint8Array,
  bytes: Uint8Array,
): Uint8Array {
  const out = streamOf(type, sharedSecret, bytes.length)
  xorInto(out, bytes)
  return out
}
