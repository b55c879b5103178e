import { invariant } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { outputSumSat, sighashMidstate, txidOf, weightOf, withWitness } from '../bitcoin/tx.ts'
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
import { coinsToken, deadlineOf, paceOf, planChild, raisedFeerate } from './bump.ts'
import { buildSnapshotLocal } from './classify.ts'
import { FLOOR_FEERATE_PER_KW, MAX_CLAIM_INPUTS, SPLIT_BLOCKS } from './constants.ts'
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

/** A second stage that its own wallet pays for, a coin or two, and its sweep, in weights of second stages. */
const SECOND_STAGE_COST = 3

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
    format.anchors &&
    weightFeeSat(FLOOR_FEERATE_PER_KW, SECOND_STAGE_COST * htlcSuccessWeight(format)) >= output.valueSat
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

/**
 * Our HTLC-timeout or HTLC-success transaction; with anchors the wallet has to pay for it, and several with one locktime may be one
 * (BOLT 3: the peer signed SINGLE|ANYONECANPAY). Undefined while it cannot.
 * @param whole all of the group or nothing; else what coins suffice for
 */
function buildSecondStage(
  state: OnchainState,
  group: readonly TrackedOutput[],
  feeratePerKw: number,
  ctx: OnchainContext,
  whole: boolean,
): Claim | undefined {
  const { snapshot } = state
  const built = buildSnapshotLocal(snapshot, ctx.signer)
  const { format } = snapshotParams(snapshot)
  const parts = group.flatMap((tracked) => {
    const { method } = tracked
    if (method?.kind !== 'second_stage') return []
    const index = built.htlcs.findIndex((h) => h.outputIndex === method.vout)
    const output = built.htlcs[index]
    const remoteSignature = snapshot.local.htlcSignatures[index]
    invariant(output !== undefined && remoteSignature !== undefined, 'an HTLC of our commitment is signed')
    const { preimage } = method
    const weight = preimage === undefined ? htlcTimeoutWeight(format) : htlcSuccessWeight(format)
    return [{ tracked, output, remoteSignature, preimage, weight }]
  })
  const sign = (tx: Tx): Tx =>
    parts.reduce((signed, { output, remoteSignature, preimage }, inputIndex) => {
      const combined = { tx, inputIndex }
      const witness = ctx.signer.signSecondStage(
        snapshot.signer,
        built,
        output,
        remoteSignature,
        preimage,
        combined,
      )
      invariant(witness.ok, `second stage: ${witness.ok ? '' : witness.error}`)
      return withWitness(signed, inputIndex, witness.value)
    }, tx)
  const [first] = parts
  if (first === undefined) return undefined
  const base = { claims: parts.map((p) => p.tracked.key), height: state.height }
  if (!format.anchors) {
    const tx = sign(first.output.secondStage)
    return { ...base, txid: txidOf(tx), tx, feeratePerKw, fixedFee: true }
  }
  const coins = coinsToken(first.tracked)
  const valueSat = parts.reduce((n, p) => n + p.tracked.valueSat, 0n)
  const paid = ctx.feePayer?.attach({
    token: coins,
    tx: {
      ...first.output.secondStage,
      inputs: parts.flatMap((p) => p.output.secondStage.inputs),
      outputs: parts.flatMap((p) => p.output.secondStage.outputs),
    },
    weight: parts.reduce((n, p) => n + p.weight - TX_OVERHEAD_WEIGHT, TX_OVERHEAD_WEIGHT),
    surplusSat: sat(0),
    feeratePerKw,
    limitSat: (valueSat * 2n) / 3n,
  })
  if (paid === undefined) {
    // Coins for some of them are better than none for all.
    const fewer = parts.toSorted((a, b) => Number(b.tracked.valueSat - a.tracked.valueSat)).slice(0, -1)
    return fewer.length === 0 || whole
      ? undefined
      : buildSecondStage(
          state,
          fewer.map((p) => p.tracked),
          feeratePerKw,
          ctx,
          false,
        )
  }
  const tx = sign(paid.sign(paid.tx))
  return { ...base, txid: txidOf(tx), tx, feeratePerKw, coins }
}

/** A penalty whose time is nearly over: it stands alone from then on. */
const isRunningOut = (state: OnchainState, output: TrackedOutput): boolean =>
  state.close?.secret !== undefined &&
  (deadlineOf(state, output) ?? Number.POSITIVE_INFINITY) - state.height <= SPLIT_BLOCKS

/**
 * The penalties of a common claim one by one, once the time of any of them is nearly over. The first has to pay more than the whole
 * that it replaces (BIP 125 rules 3 and 4); the others then conflict with nothing. Undefined: the claim stays as it is.
 */
function split(
  state: OnchainState,
  claim: Claim,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
): readonly Claim[] | undefined {
  if (outputs.length < 2 || !outputs.some((o) => isRunningOut(state, o))) return undefined
  if (outputs.some((o) => o.spend?.confirmed)) return undefined
  const [first, ...rest] = outputs.toSorted((a, b) => Number(b.valueSat - a.valueSat))
  if (first?.method?.kind !== 'sweep') return undefined
  const paidSat = outputs.reduce((n, o) => n + o.valueSat, 0n) - outputSumSat(claim.tx)
  const weight = sweepWeight([first.method.output], state.snapshot.sweepScript)
  const feeSat = paidSat + weightFeeSat(FLOOR_FEERATE_PER_KW, weight) + 1n
  const pace = paceOf(state, outputs, ctx)
  // What the first pays for all must leave it something.
  if (feeSat * 100n > first.valueSat * pace.limitPercent) return undefined
  const leadPerKw = Math.max(pace.feeratePerKw, Math.ceil((Number(feeSat) * 1000) / weight))
  const [lead] = buildGroup(state, [first], leadPerKw, ctx, true)
  if (lead === undefined) return undefined
  return [lead, ...rest.flatMap((o) => buildGroup(state, [o], pace.feeratePerKw, ctx))]
}

/**
 * Which claims are made together. What only we can spend waits for nobody and goes in one transaction. What another may spend
 * first would take a common transaction down with it; with anchors the peer can even pin it there (BOLT 5 §Revoked Transaction
 * Close Handling), so each such output then has a transaction of its own. `to_local` of a revoked commitment is ours alone for the
 * length of its delay. Second stages go together when there are fewer coins than there are of them: pinned is better than too late.
 */
function groupOf(state: OnchainState, tracked: TrackedOutput, common: boolean): string {
  const { method } = tracked
  if (method?.kind === 'second_stage') {
    if (!common) return tracked.key
    // The peer signed the locktime: 0 with a preimage, else the expiry.
    return method.preimage === undefined ? `timeout ${tracked.htlc?.cltvExpiry}` : 'success'
  }
  if (!tracked.contested) return 'ours'
  if (isRunningOut(state, tracked)) return tracked.key
  if (tracked.kind === 'toLocal' || tracked.parent !== undefined) return 'punish'
  return snapshotParams(state.snapshot).format.anchors ? tracked.key : 'contested'
}

/** Second stages of a group: together those that are worth the feerate, each by itself what pays less. */
function buildSecondStages(
  state: OnchainState,
  group: readonly TrackedOutput[],
  feeratePerKw: number,
  ctx: OnchainContext,
  whole: boolean,
): readonly Claim[] {
  const { format } = snapshotParams(state.snapshot)
  // Never more than is saved: what the second stage costs, and then its sweep.
  const most = ({ valueSat }: TrackedOutput): number =>
    Math.floor((Number(valueSat) * 1000) / (SECOND_STAGE_COST * htlcSuccessWeight(format)))
  const isDear = (o: TrackedOutput): boolean => format.anchors && !whole && most(o) < feeratePerKw
  const worth = group.filter((o) => !isDear(o))
  const dear = group.filter((o) => isDear(o) && most(o) >= FLOOR_FEERATE_PER_KW)
  const claims = [
    worth.length === 0 ? undefined : buildSecondStage(state, worth, feeratePerKw, ctx, whole),
    ...dear.map((o) => buildSecondStage(state, [o], most(o), ctx, whole)),
  ]
  return claims.filter((claim) => claim !== undefined)
}

/** A feerate at which claiming an output by itself costs half of it, if any node relays that. */
const affordable = (state: OnchainState, output: SweepOutput): number =>
  Math.max(
    FLOOR_FEERATE_PER_KW,
    Math.floor(Number(output.valueSat * 500n) / sweepWeight([output], state.snapshot.sweepScript)),
  )

/** The claim of a group of outputs at a feerate; outputs that cost more than they bring are left for cheaper times. */
function buildGroup(
  state: OnchainState,
  group: readonly TrackedOutput[],
  feeratePerKw: number,
  ctx: OnchainContext,
  whole = false,
): readonly Claim[] {
  const [first] = group
  if (first?.method?.kind === 'second_stage') {
    return buildSecondStages(state, group, feeratePerKw, ctx, whole)
  }
  const all = group.flatMap((tracked): SweepItem[] =>
    tracked.method?.kind === 'sweep' ? [{ tracked, output: tracked.method.output }] : [],
  )
  // A replacement claims what its predecessor did, as long as the whole of it pays.
  const isDear = ({ tracked, output }: SweepItem): boolean =>
    !whole && output.valueSat <= inputCost(output, feeratePerKw) * (tracked.contested ? 2n : 1n)
  const items = all.filter((item) => !isDear(item))
  const claims: Claim[] = []
  const dear = all.filter(isDear)
  for (let i = 0; i < items.length; i += MAX_CLAIM_INPUTS) {
    const part = items.slice(i, i + MAX_CLAIM_INPUTS)
    const claim = buildSweep(state, part, feeratePerKw, ctx)
    if (claim !== undefined) claims.push(claim)
    else dear.push(...part)
  }
  if (whole) return claims
  // What another may take cannot wait for a cheaper day: it is claimed for what it can pay, and may be in time all the same.
  for (const item of dear) {
    if (!item.tracked.contested) continue
    const claim = buildSweep(state, [item], affordable(state, item.output), ctx)
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
  const pace = paceOf(state, outputs, ctx)
  const wanted = raisedFeerate(state, claim, pace)
  if (wanted === undefined) return undefined
  const worth = outputs.reduce((n, o) => n + o.valueSat, 0n)
  const most = Number((worth * pace.limitPercent * 10n) / BigInt(weightOf(claim.tx)))
  // Not all that the pace asks for, but more than now, if that is worth its relay.
  const feeratePerKw = Math.min(wanted, most)
  if (feeratePerKw < claim.feeratePerKw + FLOOR_FEERATE_PER_KW) return undefined
  const [next, ...more] = buildGroup(state, outputs, feeratePerKw, ctx, true)
  // The same outputs or none: a smaller claim would leave the rest unclaimed.
  return next !== undefined && more.length === 0 && next.claims.length === claim.claims.length
    ? next
    : undefined
}

/** HTLCs that we hold the preimage of, the first to expire first; then all else in its order. */
function byExpiry(a: TrackedOutput, b: TrackedOutput): number {
  const rank = ({ method, htlc }: TrackedOutput): number =>
    method?.kind === 'second_stage' && method.preimage !== undefined
      ? (htlc?.cltvExpiry ?? 0)
      : Number.MAX_SAFE_INTEGER
  return rank(a) - rank(b)
}

/** The claims that there should be now: those alive, replaced where due, and new ones for what nothing claims yet. */
export function planClaims(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
): readonly Claim[] {
  const byKey = new Map(outputs.map((o) => [o.key, o]))
  const alive = state.claims.filter((claim) => claim.bumps === undefined && isAlive(state, claim, byKey))
  const claims = alive.flatMap((claim) => {
    const claimed = claim.claims.flatMap((key) => byKey.get(key) ?? [])
    return split(state, claim, claimed, ctx) ?? [replacement(state, claim, claimed, ctx) ?? claim]
  })
  const child = planChild(
    state,
    outputs,
    ctx,
    state.claims.find((c) => c.bumps !== undefined),
  )
  if (child !== undefined) claims.unshift(child)
  const covered = new Set(claims.flatMap((c) => c.claims))
  const due = outputs.filter((o) => !covered.has(o.key) && isClaimable(state, o))
  const coins = ctx.feePayer?.coins
  const stages = due.filter((o) => o.method?.kind === 'second_stage')
  const common = coins !== undefined && stages.length > coins && snapshotParams(state.snapshot).format.anchors
  const groups = new Map<string, TrackedOutput[]>()
  // What runs out first is paid for first, should coins not suffice for all.
  for (const output of due.toSorted(byExpiry)) {
    const name = groupOf(state, output, common)
    groups.set(name, [...(groups.get(name) ?? []), output])
  }
  for (const group of groups.values())
    claims.push(...buildGroup(state, group, paceOf(state, group, ctx).feeratePerKw, ctx))
  return claims.length === state.claims.length && claims.every((c, i) => c === state.claims[i])
    ? state.claims
    : claims
}
