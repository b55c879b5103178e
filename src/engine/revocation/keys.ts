import { equalBytes } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import {
  addPoints,
  addScalars,
  isSecretKey,
  multiplyPublic,
  publicKey,
  tweakPublic,
} from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'

/**
 * How a commitment's revocation key comes of the peer's revocation basepoint and the owner's per-commitment point:
 * BOLT 3's blinded sum, or LCP's plain sum, which is safe only with proofs of possession (`proofs.ts`).
 */
export type RevocationKeyKind = 'blinded' | 'additive'

/** A commitment's point P = p·G (BOLT 3 §revocationpubkey Derivation): 33 bytes from the 32-byte secret. */
export const perCommitmentPoint = (secret: Uint8Array): Uint8Array => publicKey(secret)

/** Whether a revealed secret is the one behind a point; false for 32 bytes that are no secret key at all. */
export const secretMatchesPoint = (secret: Uint8Array, point: Uint8Array): boolean =>
  isSecretKey(secret) && equalBytes(publicKey(secret), point)

/** The tweak of a basepoint for one commitment: SHA256(per_commitment_point ‖ basepoint). */
const tweak = (basepoint: Uint8Array, point: Uint8Array): Uint8Array => sha256(point, basepoint)

/**
 * The public key of one commitment from a basepoint: basepoint + SHA256(point ‖ basepoint)·G (BOLT 3 §Key Derivation).
 * Both 33 bytes and valid. The sum is never at infinity: a basepoint cannot hold the negative of a hash over itself.
 */
export function derivePublicKey(basepoint: Uint8Array, point: Uint8Array): Uint8Array {
  const key = tweakPublic(basepoint, tweak(basepoint, point))
  invariant(key !== undefined, 'derived key at infinity')
  return key
}

/**
 * The private key of `derivePublicKey(basepoint, point)`, 32 bytes.
 * @param basepoint the secret's public key, when the caller has it
 */
export function derivePrivateKey(
  basepointSecret: Uint8Array,
  point: Uint8Array,
  basepoint: Uint8Array = publicKey(basepointSecret),
): Uint8Array {
  const key = addScalars(basepointSecret, tweak(basepoint, point))
  invariant(key !== undefined, 'derived secret is zero')
  return key
}

/**
 * The key that punishes a revoked commitment, 33 bytes, or undefined when it is the point at infinity: then the channel
 * fails (only with the additive kind can anybody arrange that, and not with proofs).
 * @param basepoint the revocation basepoint of the side that does not own the commitment
 * @param point the per-commitment point of the side that does
 */
export function revocationPublicKey(
  kind: RevocationKeyKind,
  basepoint: Uint8Array,
  point: Uint8Array,
): Uint8Array | undefined {
  if (kind === 'additive') return addPoints(basepoint, point)
  return addPoints(
    multiplyPublic(basepoint, sha256(basepoint, point)),
    multiplyPublic(point, sha256(point, basepoint)),
  )
}
