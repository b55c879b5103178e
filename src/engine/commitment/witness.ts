import { compareBytes, concat } from '../base/bytes.ts'
import { invariant } from '../base/result.ts'
import { SIGHASH_ALL, withWitness } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { signatureToDer } from '../crypto/curve.ts'
import { htlcSighashType } from './build.ts'
import type { CommitmentFormat, HtlcOutput } from './types.ts'

const EMPTY = new Uint8Array(0)

/** A 64-byte signature as a script takes it: DER and the sighash type, at most 73 bytes. */
export const scriptSignature = (signature: Uint8Array, sighashType: number): Uint8Array =>
  concat(signatureToDer(signature), Uint8Array.of(sighashType))

/** The two keys in a funding script, in its order. */
export function fundingKeys(fundingScript: Uint8Array): readonly [Uint8Array, Uint8Array] {
  invariant(fundingScript.length === 71, 'funding script of 71 bytes')
  return [fundingScript.slice(2, 35), fundingScript.slice(36, 69)]
}

/**
 * Signs off a transaction that spends the funding output alone, a commitment or a closing transaction: 0, the two signatures
 * (64 bytes each) in the order of their keys, the script (BOLT 3 §Commitment Transaction).
 */
export function withFundingWitness(
  tx: Tx,
  fundingScript: Uint8Array,
  a: { readonly key: Uint8Array; readonly signature: Uint8Array },
  b: { readonly key: Uint8Array; readonly signature: Uint8Array },
): Tx {
  const [first, second] = compareBytes(a.key, b.key) < 0 ? [a, b] : [b, a]
  return withWitness(tx, 0, [
    EMPTY,
    scriptSignature(first.signature, SIGHASH_ALL),
    scriptSignature(second.signature, SIGHASH_ALL),
    fundingScript,
  ])
}

/**
 * Witness of an HTLC's second stage (BOLT 3 §HTLC-Timeout and HTLC-Success Transactions), 64-byte signatures.
 * @param preimage 32 bytes for HTLC-success, absent for HTLC-timeout
 */
export const secondStageWitness = (
  format: Pick<CommitmentFormat, 'anchors'>,
  output: HtlcOutput,
  otherSignature: Uint8Array,
  ownerSignature: Uint8Array,
  preimage?: Uint8Array,
): readonly Uint8Array[] => [
  EMPTY,
  scriptSignature(otherSignature, htlcSighashType(format)),
  // The owner signs everything: with SINGLE|ANYONECANPAY of both a third party could attach itself (BOLT 5).
  scriptSignature(ownerSignature, SIGHASH_ALL),
  preimage ?? EMPTY,
  output.script,
]
