import { expect, test } from 'vitest'
import { REFERENCE_CURVE } from '../engine/crypto/curve.ts'
import { seeded } from '../testing/random.ts'
import { loadWasmCurve } from './curve-wasm.ts'

test('the WASM curve gives the same bytes as the reference on random keys, digests and points', async () => {
  const random = seeded(1)
  const wasm = await loadWasmCurve(random.bytes(32))
  for (let i = 0; i < 60; i++) {
    const secret = random.bytes(32)
    const scalar = random.bytes(32)
    const digest = random.bytes(32)
    const point = REFERENCE_CURVE.publicKey(secret)
    expect(wasm.publicKey(secret)).toEqual(point)
    const signature = REFERENCE_CURVE.signEcdsa(digest, secret)
    expect(wasm.signEcdsa(digest, secret)).toEqual(signature)
    const flipped = Uint8Array.from(signature, (b, j) => (j === i % 64 ? b ^ 1 : b))
    for (const curve of [wasm, REFERENCE_CURVE]) {
      expect(curve.verifyEcdsa(signature, digest, point)).toBe(true)
      let accepted = false
      try {
        accepted = curve.verifyEcdsa(flipped, digest, point)
      } catch {
        // A malformed signature may throw; `verifyEcdsa` of the face turns that into false.
      }
      expect(accepted).toBe(false)
    }
    expect(wasm.multiplyPublic(point, scalar)).toEqual(REFERENCE_CURVE.multiplyPublic(point, scalar))
    expect(wasm.tweakPublic(point, scalar)).toEqual(REFERENCE_CURVE.tweakPublic(point, scalar))
  }
})

test('a tweak that leads to infinity is told by both', async () => {
  const wasm = await loadWasmCurve(new Uint8Array(32).fill(7))
  const secret = new Uint8Array(32).fill(9)
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const negative = (n - BigInt(`0x${'09'.repeat(32)}`)).toString(16).padStart(64, '0')
  const scalar = Uint8Array.from(negative.match(/../g) ?? [], (h) => Number.parseInt(h, 16))
  const point = REFERENCE_CURVE.publicKey(secret)
  expect(wasm.tweakPublic(point, scalar)).toBeUndefined()
  expect(REFERENCE_CURVE.tweakPublic(point, scalar)).toBeUndefined()
})
