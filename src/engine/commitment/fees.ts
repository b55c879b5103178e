import { type Msat, msat, type Sat, sat, toSatFloor } from '../base/units.ts'
import type { CommitmentFormat, Role, ViewHtlc } from './types.ts'
import { commitmentWeight, htlcSuccessWeight, htlcTimeoutWeight } from './weights.ts'

/** Value of an anchor output (BOLT 3 §to_local_anchor and to_remote_anchor Output). */
export const ANCHOR_SAT = sat(330)

/** Fee of a weight at sat per 1000 weight, rounded down (BOLT 3 §Fee Calculation). Feerates have 32 bits: exact in a double. */
export const weightFeeSat = (feeratePerKw: number, weight: number): Sat =>
  sat(Math.floor((feeratePerKw * weight) / 1000))

/** Base fee of a commitment with `untrimmed` HTLC outputs, paid by the opener (BOLT 3 §Fee Calculation). */
export const commitmentFeeSat = (format: CommitmentFormat, feeratePerKw: number, untrimmed: number): Sat =>
  weightFeeSat(feeratePerKw, commitmentWeight(format, untrimmed))

/** What the opener pays for both anchors: 660 sat, or nothing without anchors (BOLT 3 §Fee Payment). */
export const anchorsCostSat = (format: CommitmentFormat): Sat => sat(format.anchors ? 2n * ANCHOR_SAT : 0n)

/**
 * Fee of an HTLC's second stage: zero with anchors (BOLT 3 §Fee Calculation).
 * @param offered whether the commitment's owner offered the HTLC (HTLC-timeout) or received it (HTLC-success)
 */
export function secondStageFeeSat(format: CommitmentFormat, offered: boolean, feeratePerKw: number): Sat {
  if (format.anchors) return sat(0)
  const weight = offered ? htlcTimeoutWeight(format) : htlcSuccessWeight(format)
  return weightFeeSat(feeratePerKw, weight)
}

/**
 * The least amount, in whole satoshi, with which an HTLC gets an output on a commitment (BOLT 3 §Trimmed Outputs).
 * @param dustLimitSat of the commitment's owner
 */
export const untrimmedFromSat = (
  format: CommitmentFormat,
  offered: boolean,
  feeratePerKw: number,
  dustLimitSat: Sat,
): Sat => sat(dustLimitSat + secondStageFeeSat(format, offered, feeratePerKw))

/**
 * Whether an HTLC has no output on a commitment because it is too small (BOLT 3 §Trimmed Outputs).
 * @param offered by the commitment's owner; @param dustLimitSat of that owner
 */
export const isHtlcTrimmed = (
  format: CommitmentFormat,
  offered: boolean,
  amountMsat: Msat,
  feeratePerKw: number,
  dustLimitSat: Sat,
): boolean => toSatFloor(amountMsat) < untrimmedFromSat(format, offered, feeratePerKw, dustLimitSat)

/** How many HTLCs have an output on the owner's commitment at a feerate. */
export const countUntrimmed = (
  format: CommitmentFormat,
  owner: Role,
  htlcs: readonly ViewHtlc[],
  feeratePerKw: number,
  dustLimitSat: Sat,
): number => {
  const offered = untrimmedFromSat(format, true, feeratePerKw, dustLimitSat)
  const received = untrimmedFromSat(format, false, feeratePerKw, dustLimitSat)
  let n = 0
  for (const h of htlcs) if (toSatFloor(h.amountMsat) >= (h.offerer === owner ? offered : received)) n += 1
  return n
}

/**
 * What would go to miners as trimmed HTLCs if the owner's commitment confirmed at a feerate
 * (BOLT 2 §Bounding exposure to trimmed in-flight HTLCs). Callers add their margin to the feerate.
 */
export const dustExposureMsat = (
  format: CommitmentFormat,
  owner: Role,
  htlcs: readonly ViewHtlc[],
  feeratePerKw: number,
  dustLimitSat: Sat,
): Msat => {
  const offered = untrimmedFromSat(format, true, feeratePerKw, dustLimitSat)
  const received = untrimmedFromSat(format, false, feeratePerKw, dustLimitSat)
  let sum = 0n
  for (const h of htlcs)
    if (toSatFloor(h.amountMsat) < (h.offerer === owner ? offered : received)) sum += h.amountMsat
  return msat(sum)
}

/** All that the opener needs for a commitment with `untrimmed` HTLCs at a feerate: base fee and anchors, in millisatoshi. */
export const openerCostMsat = (format: CommitmentFormat, feeratePerKw: number, untrimmed: number): Msat =>
  msat((commitmentFeeSat(format, feeratePerKw, untrimmed) + anchorsCostSat(format)) * 1000n)
