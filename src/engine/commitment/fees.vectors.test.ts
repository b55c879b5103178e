import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { msat, sat } from '../base/units.ts'
import { weightOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { buildCommitment } from './build.ts'
import { commitmentFeeSat, isHtlcTrimmed, secondStageFeeSat } from './fees.ts'
import { ANCHORS, STATIC_REMOTEKEY } from './formats.ts'
import { sweepInputWeight } from './sweeps.ts'
import { testChannel } from './testing.ts'
import type { CommitmentFormat } from './types.ts'
import { commitmentWeight, FUNDING_WITNESS_WEIGHT, htlcSuccessWeight, htlcTimeoutWeight } from './weights.ts'
import { secondStageWitness, withFundingWitness } from './witness.ts'

interface ByFormat {
  readonly no_anchors: number
  readonly anchors: number
}
interface Weights {
  readonly commitment_weight: Record<keyof ByFormat, { readonly base: number; readonly per_htlc: number }>
  readonly htlc_tx_weight: { readonly timeout: ByFormat; readonly success: ByFormat }
  readonly script_bytes: { readonly accepted_htlc_script: ByFormat; readonly offered_htlc_script: ByFormat }
  readonly witness_bytes: { readonly funding_spend: number }
  readonly fee_example: {
    readonly feerate_per_kw: number
    readonly dust_limit_satoshis: number
    readonly offered_htlcs_msat: readonly number[]
    readonly received_htlcs_msat: readonly number[]
    readonly htlc_timeout_fee: number
    readonly htlc_success_fee: number
    readonly untrimmed_offered_msat: readonly number[]
    readonly untrimmed_received_msat: readonly number[]
    readonly base_fee: number
    readonly actual_fee: number
  }
  readonly penalty: {
    readonly offered_htlc_penalty_input_weight: number
    readonly accepted_htlc_penalty_input_weight: number
  }
}

const formats = [
  ['no_anchors', STATIC_REMOTEKEY],
  ['anchors', ANCHORS],
] as const

// The longest signature that is both low S and possible: 32 bytes of r with its top bit set, 71 bytes of DER in all.
const signature = new Uint8Array(64).fill(0x7f).fill(0x80, 0, 1)
/** BOLT 3 counts 73 bytes a signature; low S makes the longest 72 with the sighash byte. */
const SHORTER = 1

/** One HTLC in each direction, at an expiry whose push takes the usual three bytes. */
function commitmentWithTwo(format: CommitmentFormat) {
  const { params, signers } = testChannel(format)
  const one = { amountMsat: msat(100_000_000), paymentHash: new Uint8Array(32), cltvExpiry: 900_000 }
  return {
    params,
    built: buildCommitment(params, 'opener', 0n, signers.opener.commitmentPoint(0n), {
      feeratePerKw: 1000,
      openerMsat: msat(500_000_000),
      accepterMsat: msat(300_000_000),
      htlcs: [
        { ...one, id: 0n, offerer: 'opener' },
        { ...one, id: 0n, offerer: 'accepter' },
      ],
    }),
  }
}

describe.skipIf(!vectorsPresent)('BOLT 3 appendix A', () => {
  const v = loadVectors<Weights>('bolt03-weights.json')

  it.each(formats)('expected weights, %s', (name, format) => {
    const { base, per_htlc } = v.commitment_weight[name]
    for (const n of [0, 1, 966]) expect(commitmentWeight(format, n)).toBe(base + per_htlc * n)
    expect(htlcTimeoutWeight(format)).toBe(v.htlc_tx_weight.timeout[name])
    expect(htlcSuccessWeight(format)).toBe(v.htlc_tx_weight.success[name])
    expect(FUNDING_WITNESS_WEIGHT).toBe(v.witness_bytes.funding_spend)
  })

  it.each(formats)('real transactions weigh what is expected, %s', (name, format) => {
    const { params, built } = commitmentWithTwo(format)
    const { opener, accepter } = params
    const signed = withFundingWitness(
      built.tx,
      built.fundingScript,
      { key: opener.keys.fundingPubkey, signature },
      { key: accepter.keys.fundingPubkey, signature },
    )
    // With anchors BOLT 3 counts three bytes for the number of outputs; with few outputs it is one.
    const countBytes = format.anchors ? 8 : 0
    expect(weightOf(signed)).toBe(commitmentWeight(format, 2) - 2 * SHORTER - countBytes)
    for (const h of built.htlcs) {
      const success = h.htlc.offerer === 'accepter'
      const witness = secondStageWitness(
        format,
        h,
        signature,
        signature,
        success ? new Uint8Array(32) : undefined,
      )
      const tx: Tx = {
        ...h.secondStage,
        inputs: h.secondStage.inputs.map((i) => ({ ...i, witness })),
      }
      // The BOLT counts one too many for success, and an expiry of four bytes where three do until block 8,388,608.
      const expected = success ? htlcSuccessWeight(format) - 1 - 1 : htlcTimeoutWeight(format)
      expect(weightOf(tx)).toBe(expected - 2 * SHORTER)
      const length = v.script_bytes[success ? 'accepted_htlc_script' : 'offered_htlc_script'][name]
      expect(h.script.length).toBe(success ? length - 1 : length)
    }
  })

  it('penalty inputs weigh what BOLT 5 counts', () => {
    const { built } = commitmentWithTwo(STATIC_REMOTEKEY)
    const weights = built.htlcs.map((h) =>
      sweepInputWeight({
        kind: 'htlc_penalty',
        valueSat: sat(1),
        script: h.script,
        perCommitmentSecret: new Uint8Array(32),
      }),
    )
    const { offered_htlc_penalty_input_weight, accepted_htlc_penalty_input_weight } = v.penalty
    expect(weights.toSorted((a, b) => a - b)).toEqual([
      offered_htlc_penalty_input_weight,
      accepted_htlc_penalty_input_weight,
    ])
  })

  it('the fee example', () => {
    const e = v.fee_example
    const dust = sat(e.dust_limit_satoshis)
    expect(secondStageFeeSat(STATIC_REMOTEKEY, true, e.feerate_per_kw)).toBe(BigInt(e.htlc_timeout_fee))
    expect(secondStageFeeSat(STATIC_REMOTEKEY, false, e.feerate_per_kw)).toBe(BigInt(e.htlc_success_fee))
    const kept = (amounts: readonly number[], offered: boolean) =>
      amounts.filter((a) => !isHtlcTrimmed(STATIC_REMOTEKEY, offered, msat(a), e.feerate_per_kw, dust))
    const offered = kept(e.offered_htlcs_msat, true)
    const received = kept(e.received_htlcs_msat, false)
    expect([offered, received]).toEqual([e.untrimmed_offered_msat, e.untrimmed_received_msat])
    const fee = commitmentFeeSat(STATIC_REMOTEKEY, e.feerate_per_kw, offered.length + received.length)
    expect(fee).toBe(BigInt(e.base_fee))
  })
})
