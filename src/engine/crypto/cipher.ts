import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js'

/**
 * ChaCha20-Poly1305 (RFC 8439), sealing.
 * @param key 32 bytes; @param nonce 12 bytes; @param aad associated data
 * @returns ciphertext followed by the 16-byte tag
 */
export const sealAead = (
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array => chacha20poly1305(key, nonce, aad).encrypt(plaintext)

/** ChaCha20-Poly1305, opening: the plaintext, or undefined when the tag does not match. */
export function openAead(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length < 16) return undefined
  try {
    return chacha20poly1305(key, nonce, aad).decrypt(ciphertext)
  } catch {
    return undefined
  }
}

/** `length` bytes of the ChaCha20 key stream for a 32-byte key and a zero nonce (BOLT 4 §pseudo random byte stream). */
export const keyStream = (key: Uint8Array, length: number): Uint8Array =>
  chacha20(key, new Uint8Array(12), new Uint8Array(length))
