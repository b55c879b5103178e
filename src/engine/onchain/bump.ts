import { sat } from '../base/units.ts'
import { outputSumSat, SEQUENCE_RBF, sighashMidstate, txidOf, weightOf, withWitness } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { sweepInputWeight, type SweepOutput } from '../commitment/sweeps.ts'
import { TX_OVERHEAD_WEIGHT } from '../commitment/weights.ts'
import { BUMP_BLOCKS, FLOOR_FEERATE_PER_KW, URGENT_BUMP_BLOCKS } from './constants.ts'
import { fundingSpend, type TrackedOutput, txOf } from './outputs.ts'
import type { Claim, OnchainContext, OnchainState } from './types.ts'

/** What feerates claims pay, when they are raised, and how our commitment is helped into a block. */

/** A feerate for a claim: at least what every node relays. */
export const feerateOf = (contested: boolean, ctx: OnchainContext): number =>
  Math.max(FLOOR_FEERATE_PER_KW, contested ? (ctx.urgentFeeratePerKw ?? ctx.feeratePerKw) : ctx.feeratePerKw)

/** The feerate of a claim's replacement when one is due; undefined while it stays as it is. */
export function raisedFeerate(
  state: OnchainState,
  claim: Claim,
  contested: boolean,
  ctx: OnchainContext,
): number | undefined {
  if (state.height - claim.height < (contested ? URGENT_BUMP_BLOCKS : BUMP_BLOCKS)) return undefined
  const wanted = feerateOf(contested, ctx)
  // BIP 125 rule 4: the replacement pays for its own relay; a quarter more each time reaches any feerate in a day.
  const least = Math.max(Math.ceil(claim.feeratePerKw * 1.25), claim.feeratePerKw + FLOOR_FEERATE_PER_KW)
  if (wanted >= least) return wanted
  // What another may take rises without being asked: the estimate was too low for the miners.
  return contested ? least : undefined
}

/**
 * The child that pays for our commitment by its anchor (BOLT 5 §Failing a Channel: MUST spend to_local_anchor for a sufficient fee),
 * while the commitment waits in the mempool at less than today's feerate. Needs the wallet's coins; pays at most half of what the
 * commitment has for us.
 * @param current the child made before, if any
 */
export function planChild(
  state: OnchainState,
  outputs: readonly TrackedOutput[],
  ctx: OnchainContext,
  current: Claim | undefined,
): Claim | undefined {
  const spend = fundingSpend(state)
  const anchor = outputs.find((o) => o.kind === 'anchor' && o.ours)
  const parent = spend && txOf(spend)
  const waits = state.close?.kind === 'local' && spend?.confirmed === null
  if (!waits || anchor === undefined || parent === undefined) return undefined
  const ours = current?.bumps === spend.txid ? current : undefined
  const parentWeight = weightOf(parent)
  const parentFeeSat = state.snapshot.fundingSat - outputSumSat(parent)
  const feeratePerKw = ours === undefined ? feerateOf(true, ctx) : raisedFeerate(state, ours, true, ctx)
  if (feeratePerKw === undefined) return ours
  const missingSat = weightFeeSat(feeratePerKw, parentWeight) - parentFeeSat
  if (missingSat <= 0n) return ours
  const atStake = outputs.reduce((n, o) => (o.ours && o.kind !== 'anchor' ? n + o.valueSat : n), 0n)
  if (missingSat * 2n > atStake) return ours

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
  })
  if (paid === undefined) return ours
  const unsigned = paid.sign(paid.tx)
  const tx = withWitness(unsigned, 0, ctx.signer.signSweep(unsigned, 0, output, sighashMidstate(unsigned)))
  const { height } = state
  return { txid: txidOf(tx), tx, claims: [anchor.key], feeratePerKw, height, coins, bumps: spend.txid }
}

/** Under which the wallet reserves the coins that pay for a claim of an output. */
export const coinsToken = (output: TrackedOutput): string => `claim:${output.key}`
