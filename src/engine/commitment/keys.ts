import { invariant } from '../base/result.ts'
import { derivePublicKey, revocationPublicKey } from '../revocation/keys.ts'
import { type CommitmentKeys, type CommitmentParams, otherRole, type Role } from './types.ts'

/**
 * The public keys of one commitment (BOLT 3 §Key Derivation). Those of HTLCs are derived when they are asked for: most commitments of a
 * stream of small payments have no HTLC output.
 * @param point the owner's per-commitment point, 33 bytes, accepted when it was granted (on the curve, with LCP proven)
 */
export function deriveCommitmentKeys(
  params: CommitmentParams,
  owner: Role,
  point: Uint8Array,
): CommitmentKeys {
  const own = params[owner].keys
  const other = params[otherRole(owner)].keys
  const revocationKey = revocationPublicKey(params.format.revocationKey, other.revocationBasepoint, point)
  // With the additive kind a point that cancels the basepoint out is refused when it is granted.
  invariant(revocationKey !== undefined, 'revocation key at infinity')
  let ownerHtlcKey: Uint8Array | undefined
  let otherHtlcKey: Uint8Array | undefined
  return {
    point,
    revocationKey,
    ownerDelayedKey: derivePublicKey(own.delayedPaymentBasepoint, point),
    get ownerHtlcKey() {
      return (ownerHtlcKey ??= derivePublicKey(own.htlcBasepoint, point))
    },
    get otherHtlcKey() {
      return (otherHtlcKey ??= derivePublicKey(other.htlcBasepoint, point))
    },
    // option_static_remotekey: the basepoint itself (BOLT 3 §remotepubkey Derivation).
    otherPaymentKey: other.paymentBasepoint,
  }
}
