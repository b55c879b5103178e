import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { REFERENCE_CIPHERS } from '../../engine/crypto/cipher.ts'
import { REFERENCE_HASHES } from '../../engine/crypto/hash.ts'
import { NODE_CIPHERS, NODE_HASHES } from './crypto.node.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
/** Short ones, some of which stay with the reference, and long ones. */
const text = fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.uint8Array({ minLength: 100, maxLength: 3000 }))
const aad = fc.uint8Array({ maxLength: 40 })

describe('OpenSSL says what the reference says', () => {
  test('SHA-256 and HMAC', () => {
    fc.assert(
      fc.property(text, fc.uint8Array({ maxLength: 100 }), (message, secret) => {
        expect(NODE_HASHES.sha256(message)).toEqual(REFERENCE_HASHES.sha256(message))
        expect(NODE_HASHES.hmacSha256(secret, message)).toEqual(REFERENCE_HASHES.hmacSha256(secret, message))
      }),
    )
  })

  test('ChaCha20 key streams, of every length that an onion asks for', () => {
    fc.assert(
      fc.property(key, fc.integer({ min: 0, max: 4000 }), (secret, length) => {
        expect(NODE_CIPHERS.keyStream(secret, length)).toEqual(REFERENCE_CIPHERS.keyStream(secret, length))
      }),
    )
  })

  test('ChaCha20-Poly1305, and what was changed anywhere is not opened', () => {
    fc.assert(
      fc.property(key, nonce, aad, text, fc.nat(), (k, n, a, plaintext, at) => {
        const sealed = NODE_CIPHERS.seal(k, n, a, plaintext)
        expect(sealed).toEqual(REFERENCE_CIPHERS.seal(k, n, a, plaintext))
        expect(NODE_CIPHERS.open(k, n, a, sealed)).toEqual(plaintext)
        const changed = Uint8Array.from(sealed)
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ 1
        expect(() => NODE_CIPHERS.open(k, n, a, changed)).toThrow()
      }),
    )
  })

  test('bytes are their own: no pool of Node lies behind them', () => {
    const long = new Uint8Array(2000)
    for (const bytes of [
      NODE_HASHES.sha256(long),
      NODE_HASHES.hmacSha256(long, long),
      NODE_CIPHERS.keyStream(long.subarray(0, 32), 2000),
    ]) {
      expect(bytes.constructor).toBe(Uint8Array)
      expect(bytes.buffer.byteLength).toBe(bytes.length)
    }
  })
})
