import { err, ok, type Result } from '../base/result.ts'
import { verifyEcdsa } from '../crypto/curve.ts'
import type { BuiltCommitment } from './types.ts'

/**
 * Checks what the peer signed for our commitment (BOLT 2 §commitment_signed): its signature on the transaction and one on each
 * second stage, in output order. Signatures have 64 bytes, r ‖ s; high S is refused. The error names which is bad.
 * @param built our commitment, from the view that the signature has to be for
 * @param peer its funding key; its HTLC key comes with `built`
 */
export function verifyRemoteSignature(
  built: BuiltCommitment,
  signature: Uint8Array,
  htlcSignatures: readonly Uint8Array[],
  peer: { readonly fundingPubkey: Uint8Array },
): Result<undefined> {
  if (htlcSignatures.length !== built.htlcs.length)
    return err(`${htlcSignatures.length} HTLC signatures instead of ${built.htlcs.length}`)
  if (!verifyEcdsa(signature, built.sighash, peer.fundingPubkey))
    return err('the commitment signature is not valid')
  for (const [i, h] of built.htlcs.entries()) {
    if (!verifyEcdsa(htlcSignatures[i] as Uint8Array, h.sighash, built.keys.otherHtlcKey))
      return err(`HTLC signature ${i} is not valid`)
  }
  return ok(undefined)
}
