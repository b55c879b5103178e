import { secp256k1, schnorr } from '@noble/curves/secp256k1.js'
import { readUintBE, uintBE } from '../base/bytes.ts'
import { sha256 } from './hash.ts'

/** secp256k1 behind one small synchronous face; @noble/curves is the reference. Keys are 32-byte secrets and 33-byte points. */
const Point = secp256k1.Point
const N = Point.Fn.ORDER

/**
 * The operations that a faster implementation may take over. All take valid keys and scalars unless it is said otherwise; results are
 * the same bytes as the reference's (a differential test sees to it). `multiplyPublic` may take time that depends on its scalar,
 * `multiplySecret` must not. What a backend leaves out stays with the reference.
 */
export interface CurveBackend {
  readonly name: string
  publicKey(secret: Uint8Array): Uint8Array
  signEcdsa(digest: Uint8Array, secret: Uint8Array): Uint8Array
  verifyEcdsa(signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean
  multiplyPublic(point: Uint8Array, scalar: Uint8Array): Uint8Array
  /** point + scalar·G; undefined at infinity. */
  tweakPublic(point: Uint8Array, scalar: Uint8Array): Uint8Array | undefined
  /** Whether any 33 bytes are a compressed point. */
  isPublicKey?(point: Uint8Array): boolean
  /** secret·point for a secret that is used again and again: what can be measured must not depend on it. */
  multiplySecret?(point: Uint8Array, secret: Uint8Array): Uint8Array
  addPoints?(a: Uint8Array, b: Uint8Array): Uint8Array | undefined
  /** The sum of at least one point, compressed; undefined at infinity. */
  sumPoints?(points: readonly Uint8Array[]): Uint8Array | undefined
  /** May throw where there is no such key. */
  recoverPublicKey?(signature: Uint8Array, recovery: number, digest: Uint8Array): Uint8Array
  signRecoverable?(digest: Uint8Array, secret: Uint8Array): { signature: Uint8Array; recovery: number }
  signSchnorr?(message: Uint8Array, secret: Uint8Array, aux: Uint8Array): Uint8Array
  /** Takes any 64 bytes as a signature and any 32 as a key; may throw where they are none. */
  verifySchnorr?(signature: Uint8Array, message: Uint8Array, xOnly: Uint8Array): boolean
}

/** The reference. */
export const REFERENCE_CURVE: Required<CurveBackend> = {
  name: 'noble',
  publicKey: (secret) => secp256k1.getPublicKey(secret, true),
  signEcdsa: (digest, secret) =>
    secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'compact' }),
  verifyEcdsa: (signature, digest, point) =>
    secp256k1.verify(signature, digest, point, { prehash: false, lowS: true, format: 'compact' }),
  multiplyPublic: (point, scalar) => Point.fromBytes(point).multiplyUnsafe(readUintBE(scalar)).toBytes(true),
  tweakPublic: (point, scalar) => sumOf(point, secp256k1.getPublicKey(scalar, true)),
  isPublicKey: (point) => secp256k1.utils.isValidPublicKey(point, true),
  multiplySecret: (point, secret) => secp256k1.getSharedSecret(secret, point, true),
  addPoints: (a, b) => sumOf(a, b),
  sumPoints: (points) => sumOf(...(points as readonly [Uint8Array, ...Uint8Array[]])),
  recoverPublicKey: (signature, recovery, digest) =>
    secp256k1.Signature.fromBytes(signature, 'compact')
      .addRecoveryBit(recovery)
      .recoverPublicKey(digest)
      .toBytes(true),
  signRecoverable(digest, secret) {
    const bytes = secp256k1.sign(digest, secret, { prehash: false, lowS: true, format: 'recovered' })
    return { signature: bytes.slice(1), recovery: bytes[0] as number }
  },
  signSchnorr: (message, secret, aux) => schnorr.sign(message, secret, aux),
  verifySchnorr: (signature, message, xOnly) => schnorr.verify(signature, message, xOnly),
}

/** Compressed or not. One inversion, however many there are. */
function sumOf(first: Uint8Array, ...others: readonly Uint8Array[]): Uint8Array | undefined {
  const sum = others.reduce((point, other) => point.add(Point.fromBytes(other)), Point.fromBytes(first))
  return sum.is0() ? undefined : sum.toBytes(true)
}

let backend: Required<CurveBackend> = REFERENCE_CURVE

/** Hands the hot operations to another implementation; the shell does so once, before the engine runs. */
export function useCurve(next: CurveBackend): void {
  backend = { ...REFERENCE_CURVE, ...next }
}

/** Name of the implementation in use. */
export const curveName = (): string => backend.name

/** The order of the group. */
export const CURVE_ORDER = N

/** Whether 32 bytes are a secret key: 1 ≤ k < n. */
export function isSecretKey(secret: Uint8Array): boolean {
  if (secret.length !== 32) return false
  const k = readUintBE(secret)
  return k >= 1n && k < N
}

/** Whether 33 bytes are a compressed point on the curve. */
export function isPublicKey(point: Uint8Array): boolean {
  return point.length === 33 && backend.isPublicKey(point)
}

/** secret·G, compressed (33 bytes). Throws when the secret is out of range. */
export function publicKey(secret: Uint8Array): Uint8Array {
  if (!isSecretKey(secret)) throw new RangeError('publicKey: secret out of range')
  return backend.publicKey(secret)
}

/** scalar·point for scalars that are no secret (hashes of public data), 33 bytes. Throws when either is invalid. */
export const multiplyPublic = (point: Uint8Array, scalar: Uint8Array): Uint8Array =>
  backend.multiplyPublic(point, scalar)

/** point + scalar·G for scalars that are no secret; undefined when the sum is the point at infinity. */
export const tweakPublic = (point: Uint8Array, scalar: Uint8Array): Uint8Array | undefined =>
  backend.tweakPublic(point, scalar)

/** secret·point, compressed (33 bytes), for secrets that live on: in constant time, or blinded. Throws when either is invalid. */
export function multiplyPoint(point: Uint8Array, secret: Uint8Array): Uint8Array {
  if (!isSecretKey(secret)) throw new RangeError('multiplyPoint: secret out of range')
  return backend.multiplySecret(point, secret)
}

/** a + b, compressed; undefined when the sum is the point at infinity. */
export const addPoints = (a: Uint8Array, b: Uint8Array): Uint8Array | undefined => backend.addPoints(a, b)

/** The sum of at least one point, compressed (33 bytes each); undefined when it is the point at infinity. */
export const sumPoints = (points: readonly Uint8Array[]): Uint8Array | undefined => backend.sumPoints(points)

/** −point, compressed. */
export const negatePoint = (point: Uint8Array): Uint8Array => Point.fromBytes(point).negate().toBytes(true)

/** a + b mod n as 32 bytes; undefined when it is 0. Operands are 32-byte scalars. */
export function addScalars(a: Uint8Array, b: Uint8Array): Uint8Array | undefined {
  const sum = (readUintBE(a) + readUintBE(b)) % N
  return sum === 0n ? undefined : uintBE(sum, 32)
}

/** a·b mod n as 32 bytes; undefined when it is 0. Operands are 32-byte scalars. */
export function multiplyScalars(a: Uint8Array, b: Uint8Array): Uint8Array | undefined {
  const product = (readUintBE(a) * readUintBE(b)) % N
  return product === 0n ? undefined : uintBE(product, 32)
}

/** ECDH as BOLT 4 and 8 have it: SHA256 of the compressed shared point (32 bytes). */
export const ecdh = (secret: Uint8Array, point: Uint8Array): Uint8Array =>
  sha256(multiplyPoint(point, secret))

/**
 * The same for a secret of a single use, such as an onion's session key: it may take time that depends on it, since whoever measures
 * has one measurement of a key that is gone when it is taken.
 */
export function ecdhOnce(secret: Uint8Array, point: Uint8Array): Uint8Array {
  if (!isSecretKey(secret)) throw new RangeError('ecdhOnce: secret out of range')
  return sha256(backend.multiplyPublic(point, secret))
}

/** Deterministic (RFC 6979) low-S ECDSA over a 32-byte digest: 64 bytes r ‖ s. */
export const signEcdsa = (digest: Uint8Array, secret: Uint8Array): Uint8Array =>
  backend.signEcdsa(digest, secret)

/** Checks a 64-byte r ‖ s signature over a 32-byte digest; high S is refused. Never throws. */
export function verifyEcdsa(signature: Uint8Array, digest: Uint8Array, point: Uint8Array): boolean {
  try {
    return backend.verifyEcdsa(signature, digest, point)
  } catch {
    return false
  }
}

/** Recoverable signature over a 32-byte digest: 64 bytes r ‖ s and the recovery id 0..3 (BOLT 11). */
export function signRecoverable(
  digest: Uint8Array,
  secret: Uint8Array,
): { signature: Uint8Array; recovery: number } {
  return backend.signRecoverable(digest, secret)
}

/** The 33-byte key that made a recoverable signature, or undefined when there is none. Accepts high S (BOLT 11). */
export function recoverPublicKey(
  signature: Uint8Array,
  recovery: number,
  digest: Uint8Array,
): Uint8Array | undefined {
  try {
    return backend.recoverPublicKey(signature, recovery, digest)
  } catch {
    return undefined
  }
}

/** 64-byte compact signature to DER (Bitcoin scripts, BOLT 3). */
export const signatureToDer = (signature: Uint8Array): Uint8Array =>
  secp256k1.Signature.fromBytes(signature, 'compact').toBytes('der')

/** DER to the 64-byte compact form, or undefined when malformed. */
export function signatureFromDer(der: Uint8Array): Uint8Array | undefined {
  try {
    return secp256k1.Signature.fromBytes(der, 'der').toBytes('compact')
  } catch {
    return undefined
  }
}

/** BIP 340 signature (64 bytes) over a message with 32 bytes of auxiliary randomness. */
export const signSchnorr = (message: Uint8Array, secret: Uint8Array, aux: Uint8Array): Uint8Array =>
  backend.signSchnorr(message, secret, aux)

/** Checks a BIP 340 signature under a 32-byte x-only key. Never throws. */
export function verifySchnorr(signature: Uint8Array, message: Uint8Array, xOnly: Uint8Array): boolean {
  try {
    return backend.verifySchnorr(signature, message, xOnly)
  } catch {
    return false
  }
}
