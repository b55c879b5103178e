import { describe, expect, it } from 'vitest'
import { equalBytes } from '../base/bytes.ts'
import { txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx } from '../bitcoin/types.ts'
import { ANCHORS, LCP, STATIC_REMOTEKEY } from '../commitment/formats.ts'
import type { ClosingSnapshot } from '../commitment/snapshot.ts'
import { type CommitmentFormat, otherRole, type Role } from '../commitment/types.ts'
import { type CloseFacts, closeMoney } from './money.ts'
import { createOnchain } from './step.ts'
import type { Spend } from './types.ts'
import {
  drive,
  type Driver,
  fakeChain,
  type FakeChain,
  FEERATE,
  PREIMAGE,
  type Scene,
  scene,
  sceneFundingScript,
  testPayer,
  WALLET_SCRIPT,
} from './testing.ts'

/** Every msat of a close is somewhere at every moment: with the court, with the wallet, or gone for a reason that is named. */

const FORMATS = [STATIC_REMOTEKEY, ANCHORS, LCP]
const COIN = 20_000n

interface World {
  readonly chain: FakeChain
  readonly s: Scene
  readonly coins: ReadonlyMap<string, bigint>
}

function world(format: CommitmentFormat): World {
  const chain = fakeChain()
  const fundingOutpoint = chain.fund(sceneFundingScript(format), 1_000_000n)
  const s = scene({ format, fundingOutpoint, delay: 6, expiry: 515 })
  const coins = new Map([1, 2, 3, 4].map(() => [outPointKey(chain.fund(WALLET_SCRIPT, COIN)), COIN]))
  return { chain, s, coins }
}

function machine(w: World, role: Role, snapshot: ClosingSnapshot, publish?: Tx): Driver {
  const coins = [...w.coins.keys()].map((key) => {
    const [txid = '', vout] = key.split(':')
    return { outpoint: { txid, vout: Number(vout) }, valueSat: COIN }
  })
  const ctx = { signer: w.s.signers[role], feeratePerKw: FEERATE, feePayer: testPayer(coins) }
  return drive(w.chain, createOnchain(snapshot, 500, ctx, publish), ctx, (n) => w.s.court(otherRole(role), n))
}

/** A wallet that lists what touches it as soon as it is `seen`: in a block, in the mempool, or never. */
function facts(w: World, d: Driver, seen: 'never' | 'block' | 'mempool'): CloseFacts {
  const waiting = new Set(w.chain.mempool().map(txidOf))
  const txs = d.accepted.filter(
    (tx) =>
      seen !== 'never' &&
      (seen === 'mempool' || !waiting.has(txidOf(tx))) &&
      (tx.outputs.some((o) => equalBytes(o.script, WALLET_SCRIPT)) ||
        tx.inputs.some((i) => w.coins.has(outPointKey(i.outpoint)))),
  )
  const coins = new Map(w.coins)
  for (const tx of txs)
    tx.outputs.forEach((o, vout) => {
      if (equalBytes(o.script, WALLET_SCRIPT)) coins.set(outPointKey({ txid: txidOf(tx), vout }), o.valueSat)
    })
  const spender = (key: string) =>
    txs.findLast((tx) => tx.inputs.some((i) => outPointKey(i.outpoint) === key))
  return {
    spenderOf: (key) => {
      const tx = spender(key)
      return tx && { txid: txidOf(tx), tx }
    },
    counts: (txid) => txs.some((tx) => txidOf(tx) === txid),
    coinSat: (key) => coins.get(key),
    isOurScript: (script) => equalBytes(script, WALLET_SCRIPT),
    isPaid: () => false,
    isTaken: () => false,
    restored: false,
  }
}

/** What is wrong with the sums now, for each kind of wallet. */
function problems(w: World, d: Driver): string[] {
  return (['never', 'block', 'mempool'] as const).flatMap((seen) => {
    const money = closeMoney(d.state, facts(w, d, seen))
    if (money === undefined) return []
    const sum = (list: readonly { readonly amountMsat: bigint }[]): bigint =>
      list.reduce((n, part) => n + part.amountMsat, 0n)
    const { parts, gone, dueMsat, gainedMsat, passedMsat } = money
    const left = dueMsat + gainedMsat - sum(parts) - passedMsat - sum(gone)
    const negative = [...parts, ...gone].some((part) => part.amountMsat < 0n)
    return left === 0n && !negative ? [] : [`wallet that looks ${seen}: ${left} msat`]
  })
}

async function liveThrough(w: World, drivers: readonly Driver[], blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) {
    await w.chain.mine(1)
    for (const d of drivers) {
      await d.sync()
      expect(problems(w, d), `${d.state.snapshot.role} at ${d.state.height}`).toEqual([])
    }
  }
}

const withPreimage = (snapshot: ClosingSnapshot): ClosingSnapshot => ({ ...snapshot, preimages: [PREIMAGE] })

describe.each(FORMATS)('$name: the sums of a close', (format) => {
  it.each(['opener', 'accepter'] as const)('the opener’s commitment, looked at by the %s', async (role) => {
    const w = world(format)
    const { tx } = w.s.signed('opener', 3n)
    const d = machine(w, role, withPreimage(w.s.snapshots[role]), role === 'opener' ? tx : undefined)
    await w.chain.broadcast(tx)
    await d.sync()
    expect(problems(w, d)).toEqual([])
    await liveThrough(w, [d], 45)
    const money = closeMoney(d.state, facts(w, d, 'block'))
    // All of it came home, less what is named.
    expect(money?.parts).toEqual([])
    expect(money?.gone.some((g) => g.kind === 'lost')).toBe(false)
  })

  it('a block that is taken back, and with it what it held', async () => {
    const w = world(format)
    const { tx } = w.s.signed('opener', 3n)
    const d = machine(w, 'accepter', withPreimage(w.s.snapshots.accepter))
    await w.chain.broadcast(tx)
    await liveThrough(w, [d], 4)
    for (const depth of [1, 3, 4]) {
      w.chain.reorg(depth)
      await d.sync()
      expect(problems(w, d), `after ${depth} blocks are gone`).toEqual([])
      await liveThrough(w, [d], depth + 1)
    }
  })

  it('a revoked commitment: what the cheater had is gained', async () => {
    const w = world(format)
    const d = machine(w, 'accepter', w.s.snapshots.accepter)
    await w.chain.broadcast(w.s.signed('opener', 1n).tx)
    await d.sync()
    await liveThrough(w, [d], 20)
    const money = closeMoney(d.state, facts(w, d, 'block'))
    expect(money?.gainedMsat).toBeGreaterThan(300_000_000n)
  })

  it('what the peer takes because we came too late is lost, with its block', async () => {
    const w = world(format)
    const { tx } = w.s.signed('accepter', 3n)
    // The accepter is back; the opener, whom the preimage would have paid, is away until the HTLC has expired and is taken back.
    const accepter = machine(w, 'accepter', w.s.snapshots.accepter, tx)
    await w.chain.broadcast(tx)
    await liveThrough(w, [accepter], 20)
    const d = machine(w, 'opener', withPreimage(w.s.snapshots.opener))
    await d.sync()
    d.input({ type: 'tip', height: await w.chain.height() })
    await d.sync()
    expect(problems(w, d)).toEqual([])
    const money = closeMoney(d.state, facts(w, d, 'block'))
    const lost = money?.gone.filter((g) => g.kind === 'lost')
    expect(lost).toMatchObject([{ amountMsat: 60_000_000n }])
    const taken = accepter.accepted.find((t) => t.locktime === 515)
    const spend = await w.chain.spendOf(taken?.inputs[0]?.outpoint ?? { txid: '', vout: 0 })
    expect(lost?.[0]?.atHeight).toBe(spend?.confirmed?.height)
  })
})

it('a cheater’s second stage that a reorganisation puts back into the mempool, with our penalty of it: counted once', async () => {
  const w = world(STATIC_REMOTEKEY)
  const { s, chain } = w
  // The cheater's device believes in the old state, and claims with the preimage what was offered to it.
  const believes = scene({
    format: STATIC_REMOTEKEY,
    fundingOutpoint: s.params.fundingOutpoint,
    delay: 6,
    expiry: 515,
    number: 1n,
  })
  const old = s.signed('opener', 1n).tx
  const cheater = machine({ ...w, s: believes }, 'opener', withPreimage(believes.snapshots.opener), old)
  await cheater.sync()
  await chain.mine(1)
  await cheater.sync()
  await chain.mine(1)
  const d = machine(w, 'accepter', s.snapshots.accepter)
  await d.sync()
  const stages = Object.values(d.state.spends).filter((spend) => cheater.state.ownTxids.includes(spend.txid))
  expect(stages).toHaveLength(1)
  await liveThrough(w, [d], 2)
  const whole = closeMoney(d.state, facts(w, d, 'mempool'))
  expect(whole?.parts).toEqual([])
  chain.reorg(3)
  await d.sync()
  expect(d.state.spends).toMatchObject({ [stageOf(d, stages)]: { confirmed: null } })
  expect(problems(w, d)).toEqual([])
  // The wallet still counts the penalty, so the HTLC's output is not with the court as well.
  expect(closeMoney(d.state, facts(w, d, 'mempool'))?.parts).toEqual([])
})

/** The outpoint that a cheater's second stage spends. */
const stageOf = (d: Driver, stages: readonly Spend[]): string =>
  Object.keys(d.state.spends).find((key) => d.state.spends[key]?.txid === stages[0]?.txid) ?? ''

it('a planted fault shows: an output that is shown twice, a fee that is forgotten', async () => {
  const w = world(ANCHORS)
  const { tx } = w.s.signed('opener', 3n)
  const d = machine(w, 'opener', w.s.snapshots.opener, tx)
  await d.sync()
  await w.chain.mine(1)
  await d.sync()
  const money = closeMoney(d.state, facts(w, d, 'block'))
  if (money === undefined) throw new Error('a close')
  const sum = (list: readonly { readonly amountMsat: bigint }[]): bigint =>
    list.reduce((n, part) => n + part.amountMsat, 0n)
  const rest = money.dueMsat + money.gainedMsat - money.passedMsat
  expect(rest - sum(money.parts) - sum(money.gone)).toBe(0n)
  expect(rest - sum([...money.parts, ...money.parts.slice(0, 1)]) - sum(money.gone)).not.toBe(0n)
  expect(rest - sum(money.parts) - sum(money.gone.slice(1))).not.toBe(0n)
})
