import { addScalars, multiplyScalars, publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import type { RevocationKeyKind } from './keys.ts'

/**
 * The private key of `revocationPublicKey`, once the commitment's secret is revealed. It never leaves the signer, the only one that
 * may import this file: with p public, r gives away the basepoint's secret. Undefined when it is zero.
 */
export function revocationPrivateKey(
  kind: RevocationKeyKind,
  basepointSecret: Uint8Array,
  perCommitmentSecret: Uint8Array,
): Uint8Array | undefined {
  if (kind === 'additive') return addScalars(basepointSecret, perCommitmentSecret)
  const basepoint = publicKey(basepointSecret)
  const point = publicKey(perCommitmentSecret)
  const a = multiplyScalars(basepointSecret, sha256(basepoint, point))
  const b = multiplyScalars(perCommitmentSecret, sha256(point, basepoint))
  return a === undefined || b === undefined ? undefined : addScalars(a, b)
}
