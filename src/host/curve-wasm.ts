import { instantiateSecp256k1 } from '@bitauth/libauth'
import type { CurveBackend } from '../engine/crypto/curve.ts'

/**
 * libsecp256k1 as WASM (@bitauth/libauth): five to ten times the reference's speed where BigInt is slow. Its context is
 * randomised with `seed` (32 bytes from the platform's CSPRNG) against side channels. Multiplication of points by long-lived
 * secrets stays with the reference, which is constant-time.
 */
export async function loadWasmCurve(seed: Uint8Array): Promise<CurveBackend> {
  const wasm = await instantiateSecp256k1(seed)
  const bytes = (result: Uint8Array | string): Uint8Array => {
    if (typeof result === 'string') throw new RangeError(result)
    return result
  }
  return {
    name: 'libauth',
    publicKey: (secret) => bytes(wasm.derivePublicKeyCompressed(secret)),
    signEcdsa: (digest, secret) => bytes(wasm.signMessageHashCompact(secret, digest)),
    verifyEcdsa: (signature, digest, point) => wasm.verifySignatureCompactLowS(signature, point, digest),
    multiplyPublic: (point, scalar) => bytes(wasm.mulTweakPublicKeyCompressed(point, scalar)),
    tweakPublic: (point, scalar) => {
      const sum = wasm.addTweakPublicKeyCompressed(point, scalar)
      return typeof sum === 'string' ? undefined : sum
    },
  }
}
