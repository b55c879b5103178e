import { invariant } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { sighashMidstate, txidOf, weightOf, withWitness } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { snapshotParams } from '../commitment/snapshot.ts'
import { sweepInputWeight, type SweepOutput, sweepSequence } from '../commitment/sweeps.ts'
import {
  htlcSuccessWeight,
  htlcTimeoutWeight,
  outputWeight,
  TX_OVERHEAD_WEIGHT,
} from '../commitment/weights.ts'
import { coinsToken, feerateOf, planChild, raisedFeerate } from './bump.ts'
import { buildSnapshotLocal } from './classify.ts'
import { FLOOR_FEERATE_PER_KW, MAX_CLAIM_INPUTS } from './constants.ts'
import { isClaimable, type TrackedOutput } from './outputs.ts'
import type { Claim, OnchainContext, OnchainState } from './types.ts'

/** Our own transactions: which are needed, how they are put together, when they are replaced. */

interface SweepItem {
  readonly tracked: TrackedOutput
  readonly output: SweepOutput
}

const EMPTY = new Uint8Array(0)

/** What an input costs at a feerate, rounded up. */
const inputCost = (output: SweepOutput, feeratePerKw: number): bigint =>
  weightFeeSat(feeratePerKw, sweepInputWeight(output)) + 1n

/** Weight of a claim of these outputs when signed, at most. */
const sweepWeight = (outputs: readonly SweepOutput[], script: Uint8Array): number =>
  outputs.reduce(
    (n, output) => n + sweepInputWeight(output),
    TX_OVERHEAD_WEIGHT + outputWeight(script.length),
  )

/** Whether an output by itself is worth claiming at a feerate: something above dust is left. */
const isWorthClaiming = (output: SweepOutput, sweepScript: Uint8Array, feeratePerKw: number): boolean =>
  output.valueSat - weightFeeSat(feeratePerKw, sweepWeight([output], sweepScript)) - 1n >=
  dustLimitSat(sweepScript)

/** Whether claiming an output costs more than it brings even at the least feerate that relays. */
export function isAbandoned(state: OnchainState, output: TrackedOutput): boolean {
  const { method } = output
  const { snapshot } = state
  if (method?.kind === 'sweep')
    return !isWorthClaiming(method.output, snapshot.sweepScript, FLOOR_FEERATE_PER_KW)
  if (method?.kind !== 'second_stage') return false
  const { format } = snapshotParams(snapshot)
  // Without anchors the fee is paid already.
  return (
    format.anchors && weightFeeSat(FLOOR_FEERATE_PER_KW, 2 * htlcTimeoutWeight(format)) >= output.valueSat
  )
}

/** One transaction that claims outputs for the wallet, or undefined when the fee leaves nothing above dust. */
function buildSweep(
  state: OnchainState,
  items: readonly SweepItem[],
  feeratePerKw: number,
  ctx: OnchainContext,
): Claim | undefined {
  const { sweepScript } = state.snapshot
  const outputs = items.map((i) => i.output)
  const total = outputs.reduce((n, o) => n + o.valueSat, 0n)
  // Rounded up: a feerate at the relay limit must not fall below it.
  const valueSat = total - weightFeeSat(feeratePerKw, sweepWeight(outputs, sweepScript)) - 1n
  if (valueSat < dustLimitSat(sweepScript)) return undefined
  const locktime = items.reduce(
    (n, i) => (i.output.kind === 'htlc_timeout' ? Math.max(n, i.tracked.htlc?.cltvExpiry ?? 0) : n),
    0,
  )
  const unsigned: Tx = {
    version: 2,
    inputs: items.map(({ tracked, output }) => ({
      outpoint: tracked.outpoint,
      scriptSig: EMPTY,
      sequence: sweepSequence(output),
      witness: [],
    })),
    outputs: [{ valueSat: sat(valueSat), script: sweepScript }],
    locktime,
  }
  const midstate = sighashMidstate(unsigned)
  const witnesses = outputs.map((output, i) => ctx.signer.signSweep(unsigned, i, output, midstate))
  const tx: Tx = {
    ...unsigned,
    inputs: unsigned.inputs.map((input, i) => ({ ...input, witness: witnesses[i] ?? [] })),
  }
  return {
    txid: txidOf(unsigned),
    tx,
    claims: items.map((i) => i.tracked.key),
    feeratePerKw,
    height: state.height,
  }
}

/** Our HTLC-timeout or HTLC-success transaction; with anchors the wallet has to pay for it. Undefined while it cannot. */
function buildSecondStage(
  state: OnchainState,
  tracked: TrackedOutput,
  feeratePerKw: number,
  ctx: OnchainContext,
): Claim | undefined {
  const { snapshot } = state
  const { method } = tracked
  if (method?.kind !== 'second_stage') return undefined
  const built = buildSnapshotLocal(snapshot, ctx.signer)
  const index = built.htlcs.findIndex((h) => h.outputIndex === method.vout)
  const output = built.htlcs[index]
  const remoteSignature = snapshot.local.htlcSignatures[index]
  invariant(output !== undefined && remoteSignature !== undefined, 'an HTLC of our commitment is signed')
  const sign = (tx: Tx) => {
    const combined = { tx, inputIndex: 0 }
    const { preimage } = method
    const witness = ctx.signer.signSecondStage(
      snapshot.signer,
      built,
      output,
      remoteSignature,
      preimage,
      combined,
    )
    invariant(witness.ok, `second stage: ${witness.ok ? '' : witness.error}`)
    return withWitness(tx, 0, witness.value)
  }
  const base = { claims: [tracked.key], height: state.height }
  const { format } = snapshotParams(snapshot)
  if (!format.anchors) {
    const tx = sign(output.secondStage)
    return { ...base, txid: txidOf(tx), tx, feeratePerKw, fixedFee: true }
  }
  const weight = method.preimage === undefined ? htlcTimeoutWeight(format) : htlcSuccessWeight(format)
  // Never more than is saved: what the second stage costs, and then its sweep.
  if (weightFeeSat(feeratePerKw, 2 * weight) >= tracked.valueSat) return undefined
  const coins = coinsToken(tracked)
  const paid = ctx.feePayer?.attach({
    token: coins,
    tx: output.secondStage,
    weight,
    surplusSat: sat(0),
    feeratePerKw,
  })
  if (paid === undefined) return undefined
  const tx = sign(paid.sign(paid.tx))
  return { ...base, txid: txidOf(tx), tx, feeratePerKw, coins }
}

/**
 * Which claims are made together. What only we can spend waits for nobody and goes in one transaction. What another may spend
 * first would take a common transaction down with it; with anchors the peer can even pin it there (BOLT 5 §Revoked Transaction
 * Close Handling), so each such output then has a transaction of its own. `to_local` of a revoked commitment is ours alone for the
 * length of its delay.
 */
function groupOf(state: OnchainState, tracked: TrackedOutput): string {
  if (tracked.method?.kind === 'second_stage') return tracked.key
  if (!tracked.contested) return 'ours'
  if (tracked.kind === 'toLocal' || tracked.parent !== undefined) return 'punish'
  return snapshotParams(state.snapshot).format.anchors ? tracked.key : 'contested'
}

/** The claim of a group of outputs at a feerate; outputs that cost more than they bring are left for cheaper times. */
function buildGroup(
  state: OnchainState,
  group: readonly TrackedOutput[],
  feeratePerKw: number,
  ctx: OnchainContext,
): readonly Claim[] {
  const [first] = group
  if (first?.method?.kind === 'second_stage') {
    const claim = buildSecondStage(state, first, feeratePerKw, ctx)
    return claim === undefined ? [] : [claim]
  }
  const items = group.flatMap((tracked): SweepItem[] => {
    const { method } = tracked
    if (method?.kind !== 'sweep') return []
    const { output } = method
    return output.valueSat > inputCost(output, feeratePerKw) ? [{ tracked, output }] : []
  })
  const claims: Claim[] = []
  for (let i = 0; i < items.length; i += MAX_CLAIM_INPUTS) {
    const claim = buildSweep(state, items.slice(i, i + MAX_CLAIM_INPUTS), feeratePerKw, ctx)
    if (claim !== undefined) claims.push(claim)
  }
  return claims
}

/** Whether a claim can still come true, or has: nothing else in a block spends what it claims, and all of that is claimable. */
function isAlive(state: OnchainState, claim: Claim, tracked: ReadonlyMap<string, TrackedOutput>): boolean {
  return claim.claims.every((key) => {
    const output = tracked.get(key)
    if (output === undefined) return false
    return output.spend?.confirmed ? output.spend.txid === claim.txid : isClaimable(state, output)
  })
}

/** A claim that pays more, when one is due: only where the fee is ours to change, and only while something is left. */
function replacement(
  state: OnchainState,
  claim: Claim,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
): Claim | undefined {
  if (claim.fixedFee || outputs.some((o) => o.spend?.confirmed)) return undefined
  const contested = outputs.some((o) => o.contested)
  const feeratePerKw = raisedFeerate(state, claim, contested, ctx)
  if (feeratePerKw === undefined) return undefined
  const [next, ...more] = buildGroup(state, outputs, feeratePerKw, ctx)
  // Half of what is claimed is the most that an estimate may cost.
  const worth = outputs.reduce((n, o) => n + o.valueSat, 0n)
  if (weightFeeSat(feeratePerKw, weightOf(claim.tx)) * 2n > worth) return undefined
  // The same outputs or none: a smaller claim would leave the rest unclaimed.
  return next !== undefined && more.length === 0 && next.claims.length === claim.claims.length
    ? next
    : undefined
}

/** The claims that there should be now: those alive, replaced where due, and new ones for what nothing claims yet. */
export function planClaims(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
): readonly Claim[] {
  const byKey = new Map(outputs.map((o) => [o.key, o]))
  const alive = state.claims.filter((claim) => claim.bumps === undefined && isAlive(state, claim, byKey))
  const claims = alive.map((claim) => {
    const claimed = claim.claims.flatMap((key) => byKey.get(key) ?? [])
    return replacement(state, claim, claimed, ctx) ?? claim
  })
  const child = planChild(
    state,
    outputs,
    ctx,
    state.claims.find((c) => c.bumps !== undefined),
  )
  if (child !== undefined) claims.unshift(child)
  const covered = new Set(claims.flatMap((c) => c.claims))
  const groups = new Map<string, TrackedOutput[]>()
  for (const output of outputs) {
    if (covered.has(output.key) || !isClaimable(state, output)) continue
    const name = groupOf(state, output)
    groups.set(name, [...(groups.get(name) ?? []), output])
  }
  for (const group of groups.values())
    claims.push(
      ...buildGroup(
        state,
        group,
        feerateOf(
          group.some((o) => o.contested),
          ctx,
        ),
        ctx,
      ),
    )
  return claims.length === state.claims.length && claims.every((c, i) => c === state.claims[i])
    ? state.claims
    : claims
}
