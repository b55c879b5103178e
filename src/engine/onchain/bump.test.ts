import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { decodeTx, outputSumSat, txidOf, weightOf } from '../bitcoin/tx.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { CommitmentFormat } from '../commitment/types.ts'
import { createOnchain } from './step.ts'
import {
  drive,
  fakeChain,
  PREIMAGE,
  scene,
  sceneFundingScript,
  testHtlcs,
  testPayer,
  WALLET_SCRIPT,
} from './testing.ts'

/** Our commitment (1000 sat/kw) waits in the mempool while the feerate is another. */
async function waiting(
  format: CommitmentFormat,
  feeratePerKw: number,
  coinSat = 50_000n,
  openerMsat?: bigint,
  expiry?: number,
) {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const poor = openerMsat === undefined ? {} : { openerMsat }
  const htlcs = expiry === undefined ? [] : testHtlcs(expiry).filter((h) => h.offerer === 'accepter')
  const s = scene({ format, fundingOutpoint, expiry: 600, htlcs, ...poor })
  const coin = { outpoint: chain.fund(WALLET_SCRIPT, coinSat), valueSat: coinSat }
  const ctx = { signer: s.signers.opener, feeratePerKw, feePayer: testPayer([coin]) }
  const { tx } = s.signed('opener', 3n)
  const d = drive(chain, createOnchain({ ...s.snapshots.opener, preimages: [PREIMAGE] }, 500, ctx, tx), ctx)
  await d.sync()
  return { d, ctx, chain, parent: tx, coin }
}

describe.each([ANCHORS, LCP])('$name: a commitment that pays too little', (format) => {
  it('gets a child that pays for both, by its anchor, and lets its coin go once it is in a block', async () => {
    const { d, parent, coin } = await waiting(format, 5_000)
    const child = d.accepted[1]
    if (child === undefined) throw new Error('a child')
    const weight = weightOf(parent) + weightOf(child)
    const parentFee = 1_000_000n - outputSumSat(parent)
    const fee = parentFee + 330n + coin.valueSat - outputSumSat(child)
    expect(Number(fee) / weight).toBeGreaterThanOrEqual(5)
    expect(Number(fee) / weight).toBeLessThan(5.1)
    expect(d.refusals).toEqual([])
    await d.mine(1)
    expect(d.released).toHaveLength(1)
    expect(d.state.claims).toEqual([])
  })

  it('gets a dearer one every two blocks that it is passed over while an HTLC of ours runs out', async () => {
    const { d } = await waiting(format, 5_000, 50_000n, undefined, 540)
    d.input({ type: 'tip', height: 501 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(5_000)
    d.input({ type: 'tip', height: 502 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(6_250)
    await d.sync()
    expect(d.refusals).toEqual([])
    expect(d.released).toEqual([])
    // The last twelve blocks: half more with each.
    d.input({ type: 'tip', height: 528 })
    const late = d.state.claims[0]?.feeratePerKw ?? 0
    d.input({ type: 'tip', height: 529 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(Math.ceil(late * 1.5))
    await d.sync()
    expect(d.refusals).toEqual([])
  })

  it('is sent with the commitment, before any server shows that: one that pays too little is taken only with its child', async () => {
    const { d, ctx, parent } = await waiting(format, 5_000)
    const fresh = createOnchain(d.state.snapshot, 500, ctx, parent)
    const sent = fresh.effects.flatMap((e) => (e.type === 'broadcast' ? [unwrap(decodeTx(e.tx))] : []))
    expect(sent[0]).toEqual(parent)
    expect(sent[1]?.inputs[0]?.outpoint.txid).toBe(txidOf(parent))
    expect(sent).toHaveLength(2)
  })

  it('is in no haste without HTLCs: the child follows the feerate after twelve blocks, and does not rise by itself', async () => {
    const { d, ctx } = await waiting(format, 5_000)
    d.input({ type: 'tip', height: 511 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(5_000)
    d.input({ type: 'tip', height: 513 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(5_000)
    ctx.feeratePerKw = 8_000
    d.input({ type: 'tip', height: 514 })
    expect(d.state.claims[0]?.feeratePerKw).toBe(8_000)
    await d.sync()
    expect(d.refusals).toEqual([])
  })

  it('gets none while it pays enough, while the wallet is empty, or when that costs more than half of what is ours', async () => {
    expect((await waiting(format, 900)).d.accepted).toHaveLength(1)
    expect((await waiting(format, 5_000, 1_000n)).d.accepted).toHaveLength(1)
    expect((await waiting(format, 5_000, 50_000n, 10_000_000n)).d.accepted).toHaveLength(1)
  })
})

describe('static_remotekey', () => {
  it('has no anchor: its commitment pays what was signed', async () => {
    expect((await waiting(STATIC_REMOTEKEY, 5_000)).d.accepted).toHaveLength(1)
  })
})
