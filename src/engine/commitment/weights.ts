import type { CommitmentFormat } from './types.ts'

/** Expected weights and sizes (BOLT 3 §Fee Calculation and appendix A, BOLT 5 §Penalty Transactions Weight Calculation). */

/** Commitment transaction without HTLCs. */
export const commitmentBaseWeight = (format: CommitmentFormat): number => (format.anchors ? 1124 : 724)

/** One untrimmed HTLC output of a commitment. */
export const HTLC_OUTPUT_WEIGHT = 172

/** Expected weight of a commitment with `n` untrimmed HTLCs. */
export const commitmentWeight = (format: CommitmentFormat, n: number): number =>
  commitmentBaseWeight(format) + HTLC_OUTPUT_WEIGHT * n

export const htlcTimeoutWeight = (format: CommitmentFormat): number => (format.anchors ? 666 : 663)

/** One more than real, as the BOLT keeps it for historical reasons. */
export const htlcSuccessWeight = (format: CommitmentFormat): number => (format.anchors ? 706 : 703)

/** The longest DER signature with its sighash byte. */
export const SIGNATURE_BYTES = 73

/** Witness of an input that spends the funding output: 222 bytes. */
export const FUNDING_WITNESS_WEIGHT = 1 + 1 + 2 * (1 + SIGNATURE_BYTES) + 1 + 71

/** Outpoint, empty scriptSig and sequence of an input: 41 bytes. */
export const INPUT_BASE_WEIGHT = 4 * 41

/** Version, locktime, one-byte counts of inputs and outputs, marker and flag. */
export const TX_OVERHEAD_WEIGHT = 4 * 10 + 2

/** An output with a script of that length (below 253 bytes). */
export const outputWeight = (scriptLength: number): number => 4 * (8 + 1 + scriptLength)

/** Witness of an input from the lengths of its items, each below 253 bytes. */
export const witnessWeight = (...items: readonly number[]): number =>
  items.reduce((n, item) => n + 1 + item, 1)
