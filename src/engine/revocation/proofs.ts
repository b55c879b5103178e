import { concat, uintBE } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { isPublicKey, publicKey, signSchnorr, verifySchnorr } from '../crypto/curve.ts'
import { taggedHash } from '../crypto/hash.ts'

/**
 * Proofs of possession for keys that enter an additive revocation key (design: lcp, Proofs). Without them whoever picks
 * the second key can pick it as x·G minus the first and know the sum's secret.
 */

/** Whose key in which channel: what a proof is bound to, so that it proves nothing elsewhere. */
export interface ProofContext {
  /** 32 bytes, as BOLT messages carry it. */
  readonly chainHash: Uint8Array
  /** 32 bytes; the channel keeps it for later proofs. */
  readonly temporaryChannelId: Uint8Array
  /** 33 bytes, the funding key of the side that proves. */
  readonly fundingPubkey: Uint8Array
  /** The role of the side that proves. */
  readonly role: 'opener' | 'accepter'
}

/** Which key: the revocation basepoint, or the per-commitment point of one commitment. */
export type ProofSubject =
  | { readonly kind: 'basepoint' }
  | { readonly kind: 'point'; readonly number: bigint }

/** Bytes of a proof: a BIP 340 signature. */
export const KEY_PROOF_BYTES = 64

/**
 * The signed message. The whole 33-byte key is in it: with an x-only one a proof of C would pass for −C.
 */
function proofDigest(context: ProofContext, subject: ProofSubject, key: Uint8Array): Uint8Array {
  invariant(context.chainHash.length === 32, 'key proof: chain hash of 32 bytes')
  invariant(context.temporaryChannelId.length === 32, 'key proof: temporary_channel_id of 32 bytes')
  invariant(context.fundingPubkey.length === 33, 'key proof: funding key of 33 bytes')
  invariant(key.length === 33, 'key proof: key of 33 bytes')
  const role = context.role === 'opener' ? 0 : 1
  const kind = subject.kind === 'basepoint' ? 0 : 1
  return taggedHash(
    'lcp/key',
    concat(
      context.chainHash,
      context.temporaryChannelId,
      context.fundingPubkey,
      Uint8Array.of(role, kind),
      uintBE(subject.kind === 'basepoint' ? 0n : subject.number, 8),
      key,
    ),
  )
}

/**
 * Proves that we hold `secret` (32 bytes), for its public key as `subject`: 64 bytes.
 * @param aux 32 bytes of fresh randomness (BIP 340)
 */
export const proveKey = (
  context: ProofContext,
  subject: ProofSubject,
  secret: Uint8Array,
  aux: Uint8Array,
): Uint8Array => signSchnorr(proofDigest(context, subject, publicKey(secret)), secret, aux)

/** Whether `proof` shows that the peer holds the secret of `key` (33 bytes). False for anything malformed; never throws on
 * what the peer sent. */
export function verifyKeyProof(
  context: ProofContext,
  subject: ProofSubject,
  key: Uint8Array,
  proof: Uint8Array,
): boolean {
  if (proof.length !== KEY_PROOF_BYTES || !isPublicKey(key)) return false
  return verifySchnorr(proof, proofDigest(context, subject, key), key.slice(1))
}
