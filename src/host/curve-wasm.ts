import { instantiateSecp256k1, type RecoveryId } from '@bitauth/libauth'
import { equalBytes, readUintBE, uintBE, utf8 } from '../engine/base/bytes.ts'
import { CURVE_ORDER, type CurveBackend, REFERENCE_CURVE } from '../engine/crypto/curve.ts'
import { hkdf, taggedHash } from '../engine/crypto/hash.ts'

const NO_SALT = new Uint8Array(0)
/** Points whose y is remembered. */
const LATELY = 4
const MINUS_ONE = uintBE(CURVE_ORDER - 1n, 32)

/** b^(n − 2) = 1/b mod n, by Fermat. For the blinding pair alone, once a process. */
function inverse(b: bigint): bigint {
  let power = b
  let result = 1n
  for (let e = CURVE_ORDER - 2n; e > 0n; e >>= 1n) {
    if ((e & 1n) === 1n) result = (result * power) % CURVE_ORDER
    power = (power * power) % CURVE_ORDER
  }
  return result
}

/**
 * libsecp256k1 as WASM (@bitauth/libauth): five to twenty times the reference's speed where BigInt is slow. `seed` (32 bytes from the
 * platform's CSPRNG) randomises its context against side channels, and begins the blinding of secrets.
 *
 * It multiplies points in a time that depends on the scalar. A long-lived secret k therefore never gets there: with b random and
 * 1/b beside it, k·P = (k·b)·((1/b)·P). k·b is made by the library's multiplication of secret keys, which is constant-time; either
 * scalar that meets a point is uniformly distributed whatever k is. After each use b and 1/b are squared, again in constant time, so
 * that no two multiplications share a scalar and there is nothing to average over.
 */
export async function loadWasmCurve(seed: Uint8Array): Promise<Required<CurveBackend>> {
  const wasm = await instantiateSecp256k1(seed)
  const bytes = (result: Uint8Array | string): Uint8Array => {
    if (typeof result === 'string') throw new RangeError(result)
    return result
  }
  const timesScalar = (secret: Uint8Array, scalar: Uint8Array): Uint8Array =>
    bytes(wasm.mulTweakPrivateKey(secret, scalar))
  /** Public points that come again and again (a payee's, an onion's): finding their y is a tenth of a multiplication. */
  let lately: { readonly point: Uint8Array; readonly whole: Uint8Array }[] = []
  const whole = (point: Uint8Array): Uint8Array => {
    const known = lately.find((entry) => equalBytes(entry.point, point))
    if (known !== undefined) return known.whole
    const found = bytes(wasm.uncompressPublicKey(point))
    lately = [{ point: Uint8Array.from(point), whole: found }, ...lately.slice(0, LATELY - 1)]
    return found
  }
  const timesPoint = (point: Uint8Array, scalar: Uint8Array): Uint8Array =>
    bytes(wasm.mulTweakPublicKeyCompressed(whole(point), scalar))
  const publicKey = (secret: Uint8Array): Uint8Array => bytes(wasm.derivePublicKeyCompressed(secret))

  const drawn = readUintBE(hkdf(seed, NO_SALT, utf8('curve blinding'), 48)) % CURVE_ORDER
  const first = drawn === 0n ? 2n : drawn
  let blind = uintBE(first, 32)
  let unblind = uintBE(inverse(first), 32)

  /** BIP 340's challenge, reduced. */
  const challenge = (r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint =>
    readUintBE(taggedHash('BIP0340/challenge', r, key, message)) % CURVE_ORDER

  return {
    name: 'libauth',
    publicKey,
    signEcdsa: (digest, secret) => bytes(wasm.signMessageHashCompact(secret, digest)),
    verifyEcdsa: (signature, digest, point) => wasm.verifySignatureCompactLowS(signature, point, digest),
    multiplyPublic: timesPoint,
    tweakPublic: (point, scalar) => {
      const sum = wasm.addTweakPublicKeyCompressed(point, scalar)
      return typeof sum === 'string' ? undefined : sum
    },
    isPublicKey(point) {
      try {
        return whole(point).length === 65
      } catch {
        return false
      }
    },
    multiplySecret(point, secret) {
      const blinded = bytes(wasm.mulTweakPublicKeyUncompressed(whole(point), unblind))
      const product = bytes(wasm.mulTweakPublicKeyCompressed(blinded, timesScalar(secret, blind)))
      blind = timesScalar(blind, blind)
      unblind = timesScalar(unblind, unblind)
      return product
    },
    // Decompression is what costs the reference most.
    addPoints: (a, b) =>
      REFERENCE_CURVE.addPoints(bytes(wasm.uncompressPublicKey(a)), bytes(wasm.uncompressPublicKey(b))),
    sumPoints: (points) => REFERENCE_CURVE.sumPoints(points.map((p) => bytes(wasm.uncompressPublicKey(p)))),
    recoverPublicKey: (signature, recovery, digest) =>
      bytes(wasm.recoverPublicKeyCompressed(signature, recovery as RecoveryId, digest)),
    signRecoverable(digest, secret) {
      const made = wasm.signMessageHashRecoverableCompact(secret, digest)
      if (typeof made === 'string') throw new RangeError(made)
      return { signature: made.signature, recovery: made.recoveryId }
    },
    signSchnorr(message, secret, aux) {
      const point = publicKey(secret)
      const key = point.subarray(1)
      const even = point[0] === 2 ? secret : timesScalar(secret, MINUS_ONE)
      const mask = taggedHash('BIP0340/aux', aux)
      const masked = even.map((byte, i) => byte ^ (mask[i] as number))
      const nonce = taggedHash('BIP0340/nonce', masked, key, message)
      const noncePoint = wasm.derivePublicKeyCompressed(nonce)
      // A hash beyond the order, or a challenge of zero: neither was ever seen, and the reference knows what to do.
      if (typeof noncePoint === 'string') return REFERENCE_CURVE.signSchnorr(message, secret, aux)
      const r = noncePoint.subarray(1)
      const e = challenge(r, key, message)
      if (e === 0n) return REFERENCE_CURVE.signSchnorr(message, secret, aux)
      const k = noncePoint[0] === 2 ? nonce : timesScalar(nonce, MINUS_ONE)
      const s = bytes(wasm.addTweakPrivateKey(timesScalar(even, uintBE(e, 32)), k))
      const signature = new Uint8Array(64)
      signature.set(r)
      signature.set(s, 32)
      return signature
    },
    verifySchnorr(signature, message, xOnly) {
      if (signature.length !== 64 || xOnly.length !== 32) return false
      const r = signature.subarray(0, 32)
      const point = new Uint8Array(33)
      point[0] = 2
      point.set(xOnly, 1)
      const e = challenge(r, xOnly, message)
      if (e === 0n) return REFERENCE_CURVE.verifySchnorr(signature, message, xOnly)
      // s·G − e·P has an even y and r as its x. A scalar s beyond the order is refused by the library.
      const minusE = timesPoint(point, uintBE(CURVE_ORDER - e, 32))
      const found = wasm.addTweakPublicKeyCompressed(minusE, signature.subarray(32))
      return typeof found !== 'string' && found[0] === 2 && equalBytes(found.subarray(1), r)
    },
  }
}
