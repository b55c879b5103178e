import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat, sat } from '../base/units.ts'
import { OP, p2wpkh, script } from '../bitcoin/script.ts'
import { outputSumSat, weightOf } from '../bitcoin/tx.ts'
import { publicKey } from '../crypto/curve.ts'
import { buildLegacyClosing, buildSimpleClosing, closingWeight, legacyClosingVariants } from './closing.ts'
import { ANCHORS } from './formats.ts'
import { testChannel } from './testing.ts'
import { withFundingWitness } from './witness.ts'

const { params } = testChannel(ANCHORS)
const openerScript = p2wpkh(publicKey(new Uint8Array(32).fill(1)))
const accepterScript = p2wpkh(publicKey(new Uint8Array(32).fill(2)))
const terms = (accepterMsat: bigint) => ({
  openerMsat: msat(1_000_000_000n - accepterMsat),
  accepterMsat: msat(accepterMsat),
  openerScript,
  accepterScript,
})

describe('closing_signed transactions (BOLT 3 §Legacy Closing Transaction)', () => {
  it('take the fee from the opener, round down, and order by value', () => {
    const built = unwrap(buildLegacyClosing(params, terms(300_000_999n), sat(1000), sat(546)))
    expect(built.tx.outputs).toEqual([
      { valueSat: 300_000n, script: accepterScript },
      { valueSat: 698_999n, script: openerScript },
    ])
    expect(built.pays).toEqual(['accepter', 'opener'])
    // One satoshi is lost to rounding both balances down.
    expect(built.feeSat).toBe(1001n)
    expect(built.hasDust).toBe(false)
    expect([built.tx.version, built.tx.locktime, built.tx.inputs[0]?.sequence]).toEqual([2, 0, 0xffffffff])
  })
  it('drop outputs below the dust limit of the side that signs', () => {
    const low = unwrap(buildLegacyClosing(params, terms(400_000n), sat(1000), sat(354)))
    expect(low.pays).toEqual(['accepter', 'opener'])
    const high = unwrap(buildLegacyClosing(params, terms(400_000n), sat(1000), sat(546)))
    expect(high.pays).toEqual(['opener'])
    expect(outputSumSat(high.tx) + high.feeSat).toBe(params.fundingSat)
  })
  it('say when an output would not relay', () => {
    expect(unwrap(buildLegacyClosing(params, terms(200_000n), sat(1000), sat(0))).hasDust).toBe(true)
  })
  it('are refused when the opener cannot pay or nothing is left', () => {
    expect(buildLegacyClosing(params, terms(999_999_000n), sat(2), sat(354)).ok).toBe(false)
    expect(buildLegacyClosing(params, terms(500_000n), sat(999_400), sat(546)).ok).toBe(false)
  })
  it('come in every variant that the signer may have chosen, once each', () => {
    const usual = legacyClosingVariants(params, terms(300_000_000n), sat(1000), 'accepter')
    expect(usual.map((v) => v.pays)).toEqual([['accepter', 'opener'], ['opener']])
    // Between the two dust limits (354 and 546) either side's own is right.
    const between = legacyClosingVariants(params, terms(400_000n), sat(1000), 'opener')
    expect(between.map((v) => v.pays)).toEqual([['accepter', 'opener'], ['opener'], ['accepter']])
  })
  it('weigh what closingWeight expects', () => {
    const built = unwrap(buildLegacyClosing(params, terms(300_000_000n), sat(1000), sat(546)))
    const signature = new Uint8Array(64).fill(0x7f).fill(0x80, 0, 1)
    const signed = withFundingWitness(
      built.tx,
      built.fundingScript,
      { key: params.opener.keys.fundingPubkey, signature },
      { key: params.accepter.keys.fundingPubkey, signature },
    )
    // Low S makes each signature a byte shorter than the 73 that BOLT 3 counts.
    expect(weightOf(signed)).toBe(closingWeight(22, 22) - 2)
  })
})

describe('closing_complete transactions (BOLT 3 §Closing Transaction)', () => {
  it('take the fee from the closer, whichever side that is, and signal RBF', () => {
    const built = unwrap(
      buildSimpleClosing(
        params,
        'accepter',
        terms(300_000_000n),
        sat(500),
        800_000,
        'closer_and_closee_outputs',
      ),
    )
    expect(built.tx.outputs.map((o) => o.valueSat)).toEqual([299_500n, 700_000n])
    expect([built.tx.locktime, built.tx.inputs[0]?.sequence]).toEqual([800_000, 0xfffffffd])
    expect(built.feeSat).toBe(500n)
  })
  it('have the outputs that their variant names', () => {
    const of = (variant: 'closer_output_only' | 'closee_output_only') =>
      unwrap(buildSimpleClosing(params, 'accepter', terms(300_000_000n), sat(500), 0, variant)).pays
    expect(of('closer_output_only')).toEqual(['accepter'])
    expect(of('closee_output_only')).toEqual(['opener'])
  })
  it('burn to an OP_RETURN with nothing in it', () => {
    const burnt = { ...terms(600_000n), accepterScript: script(OP.RETURN, new Uint8Array(6)) }
    const built = unwrap(
      buildSimpleClosing(params, 'accepter', burnt, sat(500), 0, 'closer_and_closee_outputs'),
    )
    expect(built.tx.outputs.map((o) => o.valueSat)).toEqual([0n, 999_400n])
    expect(built.feeSat).toBe(600n)
    expect(built.hasDust).toBe(false)
  })
  it('are refused when the closer cannot pay', () => {
    expect(
      buildSimpleClosing(params, 'accepter', terms(400_000n), sat(401), 0, 'closee_output_only').ok,
    ).toBe(false)
  })
})
