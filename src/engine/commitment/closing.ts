import { compareBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type Msat, type Sat, sat, toSatFloor } from '../base/units.ts'
import { dustLimitSat, OP } from '../bitcoin/script.ts'
import { SEQUENCE_FINAL, SEQUENCE_RBF, SIGHASH_ALL, sighashSegwitV0 } from '../bitcoin/tx.ts'
import type { Tx, TxOutput } from '../bitcoin/types.ts'
import { fundingScriptOf } from './build.ts'
import { type CommitmentParams, otherRole, type Role } from './types.ts'
import { FUNDING_WITNESS_WEIGHT, INPUT_BASE_WEIGHT, outputWeight, TX_OVERHEAD_WEIGHT } from './weights.ts'

/** What a mutual close pays: the final balances and the scripts of the `shutdown` messages. */
export interface ClosingTerms {
  readonly openerMsat: Msat
  readonly accepterMsat: Msat
  readonly openerScript: Uint8Array
  readonly accepterScript: Uint8Array
}

/** A closing transaction, ready to be signed by both funding keys. */
export interface BuiltClosing {
  /** Unsigned. */
  readonly tx: Tx
  /** The digest both sign (SIGHASH_ALL). */
  readonly sighash: Uint8Array
  readonly fundingScript: Uint8Array
  /** Inputs minus outputs, dropped outputs included. */
  readonly feeSat: Sat
  /** Which outputs it has. */
  readonly pays: readonly Role[]
  /** An output is below the relay limit of its script: BOLT 2 §closing_signed has the receiver fail the channel. */
  readonly hasDust: boolean
}

const scriptOf = (terms: ClosingTerms, role: Role): Uint8Array =>
  role === 'opener' ? terms.openerScript : terms.accepterScript

const balanceSat = (terms: ClosingTerms, role: Role): Sat =>
  toSatFloor(role === 'opener' ? terms.openerMsat : terms.accepterMsat)

/** Expected weight of a closing transaction with outputs of these script lengths (below 253). */
export const closingWeight = (...scriptLengths: readonly number[]): number =>
  TX_OVERHEAD_WEIGHT +
  INPUT_BASE_WEIGHT +
  FUNDING_WITNESS_WEIGHT +
  scriptLengths.reduce((sum, n) => sum + outputWeight(n), 0)

interface Paid {
  readonly role: Role
  readonly output: TxOutput
}

function finish(
  params: CommitmentParams,
  paid: readonly Paid[],
  sequence: number,
  locktime: number,
): Result<BuiltClosing> {
  if (paid.length === 0) return err('closing: no output is left')
  // BIP 69 order (BOLT 3 §Transaction Output Ordering).
  const ordered = paid.toSorted((a, b) =>
    a.output.valueSat === b.output.valueSat
      ? compareBytes(a.output.script, b.output.script)
      : a.output.valueSat < b.output.valueSat
        ? -1
        : 1,
  )
  const outputs = ordered.map((p) => p.output)
  const total = outputs.reduce((sum, o) => sum + o.valueSat, 0n)
  if (total > params.fundingSat) return err('closing: outputs exceed the channel')
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint: params.fundingOutpoint, scriptSig: new Uint8Array(0), sequence, witness: [] }],
    outputs,
    locktime,
  }
  const fundingScript = fundingScriptOf(params)
  return ok({
    tx,
    sighash: sighashSegwitV0(tx, 0, fundingScript, params.fundingSat, SIGHASH_ALL),
    fundingScript,
    feeSat: sat(params.fundingSat - total),
    pays: ordered.map((p) => p.role),
    hasDust: outputs.some((o) => o.valueSat < dustLimitSat(o.script)),
  })
}

/**
 * The closing transaction of `closing_signed` (BOLT 3 §Legacy Closing Transaction). Errors: the opener cannot pay the fee; no
 * output is left.
 * @param dustLimit of the side that signs: outputs below it are dropped
 * @param omit a side whose output is left out all the same
 */
export function buildLegacyClosing(
  params: CommitmentParams,
  terms: ClosingTerms,
  feeSat: Sat,
  dustLimit: Sat,
  omit?: Role,
): Result<BuiltClosing> {
  const openerSat = balanceSat(terms, 'opener') - feeSat
  if (feeSat < 0n || openerSat < 0n) return err('closing: the opener cannot pay the fee')
  const paid: Paid[] = []
  for (const role of ['opener', 'accepter'] as const) {
    const valueSat = sat(role === 'opener' ? openerSat : balanceSat(terms, role))
    if (role === omit || valueSat < dustLimit || valueSat === 0n) continue
    paid.push({ role, output: { valueSat, script: scriptOf(terms, role) } })
  }
  return finish(params, paid, SEQUENCE_FINAL, 0)
}

/**
 * The closing transactions that the other side may rightly have signed at a fee (BOLT 3 §Legacy Closing Transaction: its dust
 * limit or ours, or its own output left out), without repetitions. The signature shows which it is.
 */
export function legacyClosingVariants(
  params: CommitmentParams,
  terms: ClosingTerms,
  feeSat: Sat,
  signer: Role,
): readonly BuiltClosing[] {
  const dusts = [params[signer].dustLimitSat, params[otherRole(signer)].dustLimitSat]
  const variants: BuiltClosing[] = []
  for (const omit of [undefined, signer]) {
    for (const dust of dusts) {
      const built = buildLegacyClosing(params, terms, feeSat, dust, omit)
      if (!built.ok) continue
      if (variants.some((v) => compareBytes(v.sighash, built.value.sighash) === 0)) continue
      variants.push(built.value)
    }
  }
  return variants
}

/** The TLVs of `closing_complete`: which outputs the transaction has. */
export type SimpleCloseVariant = 'closer_output_only' | 'closee_output_only' | 'closer_and_closee_outputs'

/**
 * The closing transaction of `closing_complete` (BOLT 3 §Closing Transaction): the closer pays the fee, an OP_RETURN output is
 * worth nothing. Errors: the closer cannot pay the fee.
 */
export function buildSimpleClosing(
  params: CommitmentParams,
  closer: Role,
  terms: ClosingTerms,
  feeSat: Sat,
  locktime: number,
  variant: SimpleCloseVariant,
): Result<BuiltClosing> {
  const closerSat = balanceSat(terms, closer) - feeSat
  if (feeSat < 0n || closerSat < 0n) return err('closing: the closer cannot pay the fee')
  const closee = otherRole(closer)
  const output = (role: Role, value: bigint): Paid => {
    const script = scriptOf(terms, role)
    return { role, output: { valueSat: sat(script[0] === OP.RETURN ? 0n : value), script } }
  }
  const paid: Paid[] = []
  if (variant !== 'closee_output_only') paid.push(output(closer, closerSat))
  if (variant !== 'closer_output_only') paid.push(output(closee, balanceSat(terms, closee)))
  return finish(params, paid, SEQUENCE_RBF, locktime)
}
