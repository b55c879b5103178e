import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { outputSumSat, weightOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx } from '../bitcoin/types.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { CommitmentFormat, Role } from '../commitment/types.ts'
import { HELP_BLOCKS, SPLIT_BLOCKS } from './constants.ts'
import { createOnchain } from './step.ts'
import {
  drive,
  fakeChain,
  type FakeChain,
  PREIMAGE,
  scene,
  sceneFundingScript,
  testHtlcs,
  testPayer,
  WALLET_SCRIPT,
} from './testing.ts'
import type { OnchainContext } from './types.ts'

/** Full mempools, deadlines that are near, peers that do not help themselves. */

const HEIGHT = 500

/** The opener's commitment waits in the mempool, and we are the accepter with a coin. */
async function theirs(
  format: CommitmentFormat,
  number: bigint,
  options: { htlcs?: boolean; feeratePerKw?: number } = {},
) {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const htlcs = options.htlcs === false ? [] : testHtlcs(540)
  const s = scene({ format, fundingOutpoint, expiry: 540, htlcs, openerMsat: 500_000_000n })
  const coin = { outpoint: chain.fund(WALLET_SCRIPT, 50_000n), valueSat: 50_000n }
  const ctx = {
    signer: s.signers.accepter,
    feeratePerKw: options.feeratePerKw ?? 5_000,
    feePayer: testPayer([coin]),
  }
  const { tx: parent } = s.signed('opener', number)
  await chain.broadcast(parent)
  const first = createOnchain({ ...s.snapshots.accepter, preimages: [PREIMAGE] }, HEIGHT, ctx)
  const d = drive(chain, first, ctx)
  await d.sync()
  return { d, ctx, chain, parent, coin }
}

describe.each([ANCHORS, LCP])('$name: a commitment of the peer’s that waits', (format) => {
  it('gets our child at once when HTLCs of ours depend on it, and that pays for both', async () => {
    const { d, parent, coin } = await theirs(format, 3n)
    expect(d.state.close?.kind).toBe('remote')
    const child = d.accepted.find((tx) => tx.inputs.some((i) => i.outpoint.txid === d.state.close?.txid))
    if (child === undefined) throw new Error('a child')
    const fee = 1_000_000n - outputSumSat(parent) + 330n + coin.valueSat - outputSumSat(child)
    expect(Number(fee) / (weightOf(parent) + weightOf(child))).toBeGreaterThanOrEqual(5)
    expect(d.refusals).toEqual([])
    // The parent goes along, for servers that do not have it or would not take it by itself.
    expect(d.state.tokens).toContain(`onchain/${d.state.snapshot.channelId}/tx/${d.state.close?.txid}`)
    await d.mine(1)
    expect(d.state.claims.filter((c) => c.bumps !== undefined)).toEqual([])
    expect(d.released).toHaveLength(1)
  })

  it('without such HTLCs only after it has waited long, and for a twentieth of what it holds for us', async () => {
    const { d } = await theirs(format, 3n, { htlcs: false })
    d.input({ type: 'tip', height: HEIGHT + HELP_BLOCKS - 1 })
    expect(d.state.claims).toEqual([])
    d.input({ type: 'tip', height: HEIGHT + HELP_BLOCKS })
    expect(d.state.claims).toMatchObject([{ bumps: d.state.close?.txid }])
    const dear = await theirs(format, 3n, { htlcs: false, feeratePerKw: 60_000 })
    dear.d.input({ type: 'tip', height: HEIGHT + HELP_BLOCKS })
    expect(dear.d.state.claims).toEqual([])
  })

  it('a cheater’s is not helped', async () => {
    const { d } = await theirs(format, 1n)
    expect(d.state.close?.kind).toBe('revoked')
    d.input({ type: 'tip', height: HEIGHT + HELP_BLOCKS })
    expect(d.state.claims).toEqual([])
  })
})

describe('penalties that were claimed together', () => {
  /** A cheater's commitment and all of its second stages are in blocks: its balance and they are claimed at once. */
  async function batch(format: CommitmentFormat) {
    const chain: FakeChain = fakeChain()
    const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
    // The cheater's delay is two more than the opener's.
    const s = scene({
      format,
      fundingOutpoint,
      expiry: HEIGHT,
      delay: 40,
      htlcs: testHtlcs(HEIGHT),
      openerMsat: 500_000_000n,
    })
    const ctx = { signer: s.signers.accepter, feeratePerKw: 1_000 }
    const old = s.signed('opener', 1n)
    await chain.broadcast(old.tx)
    await chain.mine(1)
    const d = drive(chain, createOnchain(s.snapshots.accepter, HEIGHT + 1, ctx), ctx)
    await d.sync()
    d.input({ type: 'courtRecord', number: 1n, record: s.court('opener', 1n) })
    await d.sync()
    return { d, ctx, chain }
  }
  const tops = (txs: readonly Tx[]): number[] => txs.map((tx) => tx.inputs.length).sort((a, b) => b - a)

  it('part before the cheater could pin them all with one: the first pays for its place, the rest follow', async () => {
    const { d, chain } = await batch(STATIC_REMOTEKEY)
    expect(Math.max(...tops(chain.mempool()))).toBeGreaterThan(2)
    const deadline = HEIGHT + 1 + 42
    // Nobody mines it; it rises meanwhile.
    for (let height = HEIGHT + 2; height < deadline - SPLIT_BLOCKS; height++) {
      d.input({ type: 'tip', height })
      await d.sync()
    }
    expect(Math.max(...tops(chain.mempool()))).toBeGreaterThan(2)
    d.input({ type: 'tip', height: deadline - SPLIT_BLOCKS })
    await d.sync()
    const penalties = d.state.claims.filter((c) => c.claims.length > 0)
    expect(penalties.filter((c) => c.claims.length > 1).length).toBeLessThanOrEqual(1)
    expect(Math.max(...tops(chain.mempool()))).toBe(1)
    expect(d.refusals).toEqual([])
    const claimed = penalties.flatMap((c) => c.claims)
    expect(new Set(claimed).size).toBe(claimed.length)
    await d.mine(2)
    expect(
      d.events.filter((e) => e.type === 'outputSwept').map((e) => e.type === 'outputSwept' && e.kind),
    ).toContain('toLocal')
  })
})

describe('never more in fees than is saved', () => {
  const formats = [STATIC_REMOTEKEY, ANCHORS, LCP]

  it('whatever feerates, coins, deadlines and silences of miners', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          format: fc.constantFrom(...formats),
          owner: fc.constantFrom<Role>('opener', 'accepter'),
          number: fc.constantFrom(3n, 3n, 1n),
          feerates: fc.array(fc.integer({ min: 0, max: 120_000 }), { minLength: 1, maxLength: 8 }),
          coins: fc.array(fc.integer({ min: 1_000, max: 200_000 }), { maxLength: 4 }),
          openerSat: fc.integer({ min: 250_000, max: 800_000 }),
          unmined: fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 8, maxLength: 8 }),
        }),
        async ({ format, owner, number, feerates, coins, openerSat, unmined }) => {
          const chain = fakeChain()
          const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
          const s = scene({ format, fundingOutpoint, expiry: 530, openerMsat: BigInt(openerSat) * 1000n })
          const purse = coins.map((sat) => ({
            outpoint: chain.fund(WALLET_SCRIPT, BigInt(sat)),
            valueSat: BigInt(sat),
          }))
          const ctx: { -readonly [K in keyof OnchainContext]: OnchainContext[K] } = {
            signer: s.signers.accepter,
            feeratePerKw: feerates[0] ?? 253,
            feePayer: testPayer(purse),
          }
          const { tx } = s.signed(owner, number)
          const snapshot = { ...s.snapshots.accepter, preimages: [PREIMAGE] }
          if (owner === 'opener') await chain.broadcast(tx)
          const d = drive(
            chain,
            createOnchain(snapshot, HEIGHT, ctx, owner === 'accepter' ? tx : undefined),
            ctx,
          )
          await d.sync()
          if (d.state.close?.kind === 'revoked') {
            d.input({ type: 'courtRecord', number, record: s.court('opener', number) })
            await d.sync()
          }
          const worth = new Map<string, bigint>(purse.map((c) => [outPointKey(c.outpoint), c.valueSat]))
          const check = (): void => {
            const close = d.state.close
            for (const o of close?.outputs ?? []) worth.set(`${close?.txid}:${o.vout}`, o.valueSat)
            for (const spend of Object.values(d.state.spends))
              for (const claim of d.state.claims)
                if (claim.txid === spend.txid)
                  claim.tx.outputs.forEach((o, i) => worth.set(`${claim.txid}:${i}`, o.valueSat))
            const atStake = (close?.outputs ?? []).reduce(
              (n, o) => (o.ours && o.kind !== 'anchor' ? n + o.valueSat : n),
              0n,
            )
            for (const claim of d.state.claims) {
              const inputs = claim.tx.inputs.map((i) => worth.get(outPointKey(i.outpoint)))
              if (inputs.some((v) => v === undefined)) continue
              const fee = inputs.reduce<bigint>((n, v) => n + (v ?? 0n), 0n) - outputSumSat(claim.tx)
              const saved =
                claim.bumps === undefined
                  ? claim.claims.reduce((n, key) => n + (worth.get(key) ?? 0n), 0n)
                  : atStake / 2n + 330n
              expect(fee <= saved, `${fee} for ${saved}`).toBe(true)
            }
          }
          check()
          let height = HEIGHT
          for (const [i, wait] of unmined.entries()) {
            ctx.feeratePerKw = feerates[i % feerates.length] ?? 253
            for (let n = 0; n < wait; n++) {
              height += 1
              d.input({ type: 'tip', height })
              check()
            }
            await chain.mine(Math.max(1, height - (await chain.height())))
            await d.sync()
            height = await chain.height()
            check()
          }
        },
      ),
      { numRuns: 25, seed: 4 },
    )
  })
})
