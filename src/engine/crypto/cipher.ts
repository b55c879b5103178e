import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js'

/** What a platform may do faster; the same bytes as the reference's (a differential test sees to it). */
export interface CipherBackend {
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array
  /** Of at least 16 bytes; undefined, or throws, when the tag does not match. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array): Uint8Array | undefined
  keyStream(key: Uint8Array, length: number): Uint8Array
}

const ZERO_NONCE = new Uint8Array(12)

/** The reference. */
export const REFERENCE_CIPHERS: CipherBackend = {
  seal: (key, nonce, aad, plaintext) => chacha20poly1305(key, nonce, aad).encrypt(plaintext),
  open: (key, nonce, aad, ciphertext) => chacha20poly1305(key, nonce, aad).decrypt(ciphertext),
  keyStream: (key, length) => chacha20(key, ZERO_NONCE, new Uint8Array(length)),
}

let backend = REFERENCE_CIPHERS

/** Hands the ciphers to another implementation; the shell does so once, before the engine runs. */
export function useCiphers(next: CipherBackend): void {
  backend = next
}

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
): Uint8Array => backend.seal(key, nonce, aad, plaintext)

/** ChaCha20-Poly1305, opening: the plaintext, or undefined when the tag does not match. */
export function openAead(
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length < 16) return undefined
  try {
    return backend.open(key, nonce, aad, ciphertext)
  } catch {
    return undefined
  }
}

/** `length` bytes of the ChaCha20 key stream for a 32-byte key and a zero nonce (BOLT 4 §pseudo random byte stream). */
export const keyStream = (key: Uint8Array, length: number): Uint8Array => backend.keyStream(key, length)
