import { expect, test } from 'vitest'
import { readUintBE, uintBE } from '../engine/base/bytes.ts'
import { type CurveBackend, REFERENCE_CURVE } from '../engine/crypto/curve.ts'
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

test('what blinds a secret, proves a key or recovers one gives the bytes of the reference', async () => {
  const random = seeded(2)
  const wasm = await loadWasmCurve(random.bytes(32))
  for (let i = 0; i < 20; i++) {
    const secret = random.bytes(32)
    const other = random.bytes(32)
    const digest = random.bytes(32)
    const point = REFERENCE_CURVE.publicKey(other)
    expect(wasm.multiplySecret(point, secret)).toEqual(REFERENCE_CURVE.multiplySecret(point, secret))
    expect(wasm.addPoints(point, REFERENCE_CURVE.publicKey(secret))).toEqual(
      REFERENCE_CURVE.addPoints(point, REFERENCE_CURVE.publicKey(secret)),
    )
    const recoverable = REFERENCE_CURVE.signRecoverable(digest, secret)
    expect(wasm.signRecoverable(digest, secret)).toEqual(recoverable)
    expect(wasm.recoverPublicKey(recoverable.signature, recoverable.recovery, digest)).toEqual(
      REFERENCE_CURVE.publicKey(secret),
    )
    const aux = random.bytes(32)
    const message = random.bytes(i === 0 ? 0 : 32 + i)
    const proof = REFERENCE_CURVE.signSchnorr(message, secret, aux)
    expect(wasm.signSchnorr(message, secret, aux)).toEqual(proof)
    const xOnly = REFERENCE_CURVE.publicKey(secret).slice(1)
    const flipped = Uint8Array.from(proof, (b, j) => (j === (i * 3) % 64 ? b ^ 1 : b))
    expect(wasm.verifySchnorr(proof, message, xOnly)).toBe(true)
    for (const wrong of [flipped, proof.slice(1)]) expect(says(wasm, wrong, message, xOnly)).toBe(false)
    expect(says(wasm, proof, message, point.slice(1))).toBe(false)
  }
})

test('the same secret times the same point is the same however often its blinding has changed', async () => {
  const random = seeded(3)
  const wasm = await loadWasmCurve(random.bytes(32))
  const secret = random.bytes(32)
  const point = REFERENCE_CURVE.publicKey(random.bytes(32))
  const expected = REFERENCE_CURVE.multiplySecret(point, secret)
  for (let i = 0; i < 300; i++) expect(wasm.multiplySecret(point, secret)).toEqual(expected)
})

test('points that are none, opposite points and signatures out of range are told as the reference tells them', async () => {
  const random = seeded(4)
  const wasm = await loadWasmCurve(random.bytes(32))
  const point = REFERENCE_CURVE.publicKey(random.bytes(32))
  let valid = 0
  for (let i = 0; i < 100; i++) {
    const bytes = random.bytes(33)
    bytes[0] = i % 6
    expect(wasm.isPublicKey(bytes)).toBe(REFERENCE_CURVE.isPublicKey(bytes))
    if (wasm.isPublicKey(bytes)) valid += 1
  }
  expect(valid).toBeGreaterThan(5)
  const beyondP = new Uint8Array(33).fill(0xff)
  beyondP[0] = 2
  expect(wasm.isPublicKey(beyondP)).toBe(false)
  const opposite = Uint8Array.from(point, (b, i) => (i === 0 ? b ^ 1 : b))
  expect(wasm.addPoints(point, opposite)).toBeUndefined()
  for (const points of [[point], [point, point], [point, opposite, point], [point, opposite]])
    expect(wasm.sumPoints(points)).toEqual(REFERENCE_CURVE.sumPoints(points))
  expect(wasm.sumPoints([point, opposite])).toBeUndefined()
  expect(wasm.addPoints(point, point)).toEqual(REFERENCE_CURVE.addPoints(point, point))
  const message = random.bytes(32)
  for (const half of [0, 32]) {
    const proof = REFERENCE_CURVE.signSchnorr(message, random.bytes(32), random.bytes(32))
    proof.fill(0xff, half, half + 32)
    expect(says(wasm, proof, message, point.slice(1))).toBe(false)
  }
  // High S is refused in commitments and accepted in invoices.
  const secret = random.bytes(32)
  const { signature, recovery } = REFERENCE_CURVE.signRecoverable(message, secret)
  const high = signature.slice()
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  high.set(uintBE(n - readUintBE(signature.subarray(32)), 32), 32)
  expect(wasm.recoverPublicKey(high, recovery ^ 1, message)).toEqual(REFERENCE_CURVE.publicKey(secret))
  expect(wasm.verifyEcdsa(high, message, REFERENCE_CURVE.publicKey(secret))).toBe(false)
})

/** As the face says it: what throws is not valid. */
function says(
  curve: Required<CurveBackend>,
  signature: Uint8Array,
  message: Uint8Array,
  xOnly: Uint8Array,
): boolean {
  try {
    return curve.verifySchnorr(signature, message, xOnly)
  } catch {
    return false
  }
}
