import { sat } from '../base/units.ts'
import {
  encodeTx,
  outputSumSat,
  SEQUENCE_RBF,
  sighashMidstate,
  txidOf,
  weightOf,
  withWitness,
} from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { sweepInputWeight, type SweepOutput } from '../commitment/sweeps.ts'
import { TX_OVERHEAD_WEIGHT } from '../commitment/weights.ts'
import { classify } from './classify.ts'
import {
  BUMP_BLOCKS,
  CONTESTED_BUMP_BLOCKS,
  DEADLINE_LAST_BLOCKS,
  DEADLINE_NEAR_BLOCKS,
  FLOOR_FEERATE_PER_KW,
  HELP_BLOCKS,
  HELP_SHARE,
  URGENT_BUMP_BLOCKS,
} from './constants.ts'
import { fundingKey, fundingSpend, type TrackedOutput, trackedOutputs, txOf } from './outputs.ts'
import type { Claim, Close, OnchainContext, OnchainState } from './types.ts'

/** What feerates claims pay, when they are raised, and how our commitment is helped into a block. */

/** How soon claims have to be in a block, and what that may cost. */
export interface Pace {
  /** sat per 1000 weight for a new claim: at least what every node relays. */
  readonly feeratePerKw: number
  /** A replacement is due after so many blocks in vain. */
  readonly blocks: number
  /** It pays so many times as much, whatever estimates say; absent: it only follows them. */
  readonly rise?: number
  /** The most that it may cost, in percent of what it claims. */
  readonly limitPercent: bigint
}

/** The last block that may hold the claim of an output before another may take it; undefined where nobody can, or anybody now. */
export function deadlineOf(state: OnchainState, output: TrackedOutput): number | undefined {
  const { method, created, htlc } = output
  const { snapshot, close } = state
  if (method === undefined || !output.contested) return undefined
  if (method.kind === 'second_stage') return method.preimage === undefined ? undefined : htlc?.cltvExpiry
  switch (method.output.kind) {
    case 'htlc_preimage':
      return htlc?.cltvExpiry
    // The cheater's delay is what we asked for. His HTLCs too: their second stages would begin another delay, and a race.
    case 'penalty':
    case 'htlc_penalty':
      return (created?.height ?? state.height) + snapshot[snapshot.role].toSelfDelay
    case 'delayed':
      // An old commitment of ours: the peer may punish it any moment.
      return close?.kind === 'local' ? undefined : state.height
    default:
      return undefined
  }
}

/** The pace of a claim: deadline-driven, and no dearer than the deadline asks for. Justice does not wait for a deadline to be near. */
export function paceOf(state: OnchainState, outputs: readonly TrackedOutput[], ctx: OnchainContext): Pace {
  const least = (feeratePerKw: number): number => Math.max(FLOOR_FEERATE_PER_KW, feeratePerKw)
  const usual = least(ctx.feeratePerKw)
  const urgent = least(ctx.urgentFeeratePerKw ?? ctx.feeratePerKw)
  if (!outputs.some((o) => o.contested))
    return { feeratePerKw: usual, blocks: BUMP_BLOCKS, limitPercent: 50n }
  const left =
    Math.min(...outputs.map((o) => deadlineOf(state, o) ?? Number.POSITIVE_INFINITY)) - state.height
  if (left <= DEADLINE_LAST_BLOCKS) return { feeratePerKw: urgent, blocks: 1, rise: 1.5, limitPercent: 90n }
  const justice = state.close?.secret !== undefined
  if (left <= DEADLINE_NEAR_BLOCKS || justice)
    return { feeratePerKw: urgent, blocks: URGENT_BUMP_BLOCKS, rise: 1.25, limitPercent: 50n }
  return { feeratePerKw: usual, blocks: CONTESTED_BUMP_BLOCKS, rise: 1.25, limitPercent: 50n }
}

/** The feerate of a claim's replacement when one is due; undefined while it stays as it is. */
export function raisedFeerate(state: OnchainState, claim: Claim, pace: Pace): number | undefined {
  if (state.height - claim.height < pace.blocks) return undefined
  const { rise = 1.25 } = pace
  // BIP 125 rule 4: the replacement pays for its own relay; a quarter more each time reaches any feerate in a day.
  const least = Math.max(Math.ceil(claim.feeratePerKw * rise), claim.feeratePerKw + FLOOR_FEERATE_PER_KW)
  if (pace.feeratePerKw >= least) return pace.feeratePerKw
  // What another may take rises without being asked: the estimate was too low for the miners.
  return pace.rise === undefined ? undefined : least
}

/** What our commitment waits for: as fast as its HTLCs ask, once it is in a block. */
function commitmentPace(state: OnchainState, outputs: readonly TrackedOutput[], ctx: OnchainContext): Pace {
  const htlcs = outputs.filter((o) => o.kind === 'htlc' && o.parent === undefined)
  // Those that only expire are in no haste, and need one more block for their second stage.
  return paceOf(state, htlcs, ctx)
}

/**
 * The most that a child may cost: half of what the commitment has for us; less for one of the peer's that nothing of ours depends on
 * in time. Undefined: it is left alone.
 */
function childLimit(state: OnchainState, outputs: readonly TrackedOutput[]): bigint | undefined {
  const { close } = state
  const atStake = outputs.reduce((n, o) => (o.ours && o.kind !== 'anchor' ? n + o.valueSat : n), 0n)
  if (close?.kind === 'local') return atStake / 2n
  // The peer has paid for what it sends, or left; a cheater is not helped.
  if (close?.kind !== 'remote' && close?.kind !== 'remoteNext') return undefined
  if (outputs.some((o) => o.kind === 'htlc' && o.contested)) return atStake / 2n
  const waited = state.waits !== undefined && state.height - state.waits.since >= HELP_BLOCKS
  return waited ? atStake / HELP_SHARE : undefined
}

/**
 * The child that pays for a commitment by our anchor (BOLT 5 §Failing a Channel: MUST spend to_local_anchor for a sufficient fee),
 * while that waits in the mempool at less than today's feerate: for our own, and for the peer's when HTLCs of ours run out, or when it
 * has waited long. Needs the wallet's coins.
 * @param current the child made before, if any
 */
export function planChild(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
  current: Claim | undefined,
): Claim | undefined {
  const sent = asIfSeen(state, ctx)
  if (sent !== undefined) return planChild(sent, trackedOutputs(sent), ctx, current)
  const spend = fundingSpend(state)
  const anchor = outputs.find((o) => o.kind === 'anchor' && o.ours)
  const parent = spend && txOf(spend)
  if (spend?.confirmed !== null || anchor === undefined || parent === undefined) return undefined
  const limitSat = childLimit(state, outputs)
  if (limitSat === undefined) return undefined
  const ours = current?.bumps === spend.txid ? current : undefined
  const parentWeight = weightOf(parent)
  const parentFeeSat = state.snapshot.fundingSat - outputSumSat(parent)
  const pace = commitmentPace(state, outputs, ctx)
  const feeratePerKw = ours === undefined ? pace.feeratePerKw : raisedFeerate(state, ours, pace)
  if (feeratePerKw === undefined) return ours
  const missingSat = weightFeeSat(feeratePerKw, parentWeight) - parentFeeSat
  if (missingSat <= 0n) return ours
  if (missingSat > limitSat) return ours

  const output: SweepOutput = { kind: 'anchor', valueSat: anchor.valueSat }
  const bare: Tx = {
    version: 2,
    inputs: [
      { outpoint: anchor.outpoint, scriptSig: new Uint8Array(0), sequence: SEQUENCE_RBF, witness: [] },
    ],
    outputs: [],
    locktime: 0,
  }
  const coins = coinsToken(anchor)
  const paid = ctx.feePayer?.attach({
    token: coins,
    tx: bare,
    weight: TX_OVERHEAD_WEIGHT + sweepInputWeight(output),
    surplusSat: sat(anchor.valueSat - missingSat),
    feeratePerKw,
    limitSat,
  })
  if (paid === undefined) return ours
  const unsigned = paid.sign(paid.tx)
  const tx = withWitness(unsigned, 0, ctx.signer.signSweep(unsigned, 0, output, sighashMidstate(unsigned)))
  const { height } = state
  return { txid: txidOf(tx), tx, claims: [anchor.key], feeratePerKw, height, coins, bumps: spend.txid }
}

const published = new WeakMap<Tx, Close>()

/**
 * The state with our commitment in the mempool, while it is being sent and no server shows it: one that pays too little is taken only
 * together with its child.
 */
function asIfSeen(state: OnchainState, ctx: OnchainContext): OnchainState | undefined {
  const { publish, snapshot, localTxid } = state
  if (publish === undefined || fundingSpend(state) !== undefined || txidOf(publish) !== localTxid)
    return undefined
  const close = published.get(publish) ?? classify(snapshot, localTxid, ctx.signer, localTxid, publish)
  published.set(publish, close)
  const spend = { txid: localTxid, tx: encodeTx(publish), confirmed: null }
  return { ...state, close, spends: { ...state.spends, [fundingKey(state)]: spend } }
}

/** Under which the wallet reserves the coins that pay for a claim of an output. */
export const coinsToken = (output: TrackedOutput): string => `claim:${output.key}`
