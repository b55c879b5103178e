import { describe, expect, test } from 'vitest'
import { entry } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { outPointKey } from '../../engine/bitcoin/types.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { ownerOf, restProblem } from './invariants.ts'
import type { Name } from './node.ts'
import { channelOf, connected, type Goal, hasCoins, opened, paid, reach } from './scenario.ts'
import { World } from './world.ts'

/**
 * The same life with and without a branch that takes back exactly one of its stages, at every depth: what was undone is done again, and
 * in the end everybody has what he has without it. All depths: `REORG_DEPTHS=1,2,3,4,5,6,7,8,9,10`.
 */
const DEPTHS = (process.env.REORG_DEPTHS ?? '1,10').split(',').map(Number)
/** Deep enough that no branch reaches what was before. */
const BEFORE = 11

const coins = (world: World, name: Name): bigint => {
  const { wallet, chain } = world.stateOf(world.node(name))
  const { totalSat } = balanceOf(wallet, chain.headers.tip.height)
  return totalSat
}

/** A scenario of its own, whatever came before. */
function go(world: World, goals: readonly Goal[]): void {
  world.notes.set('goal', '0')
  reach(world, goals)
}

function step(world: World, blocks: number): void {
  world.mine(blocks)
  world.settle()
}

/** Takes back the last `depth` blocks, the lowest of which holds the stage; `lost`: mempools forget, and only owners send again. */
function takeBack(world: World, depth: number, lost: boolean): void {
  if (depth > 1) step(world, depth - 1)
  const ours = (tx: Tx): boolean => lost && tx.inputs.length > 0
  world.chain.reorg(depth, depth + 1, ours)
  world.settle()
  // Owners repeat what they want in a block.
  for (let i = 0; i < 4; i++) {
    world.pass(10_000)
    world.drain()
  }
  step(world, 1)
  step(world, 1)
}

/** What the chain has for a wallet: what it must believe that it has. */
const onChain = (world: World, name: Name): bigint =>
  world.chain
    .unspent()
    .filter(({ output }) => ownerOf(world, output.script) === world.node(name))
    .reduce((n, { output }) => n + output.valueSat, 0n)

function expectTruth(world: World): void {
  for (const name of ['ada', 'ben'] as const) expect(coins(world, name)).toBe(onChain(world, name))
  world.checkStores()
}

const begun = new Map<string, World>()

/** A world that has lived as far as this; made once, and each test goes on from a copy. */
function after(what: string, live: () => World): World {
  const world = begun.get(what) ?? live()
  begun.set(what, world)
  return world.fork()
}

const cases = DEPTHS.flatMap((depth) => [
  { depth, lost: false },
  { depth, lost: true },
])

describe.each(cases)('$depth blocks are taken back, mempools forget: $lost', ({ depth, lost }) => {
  test('a deposit', () => {
    const world = after('a deposit', () => {
      const begin = new World()
      go(begin, [hasCoins('ben', 10_000)])
      step(begin, BEFORE)
      begin.giveCoins(begin.node('ada'), 600_000)
      step(begin, 1)
      return begin
    })
    expect(coins(world, 'ada')).toBe(600_000n)
    takeBack(world, depth, lost)
    expect(coins(world, 'ada')).toBe(600_000n)
    expectTruth(world)
  })

  test('a payment on chain: neither paid twice nor lost', () => {
    const world = after('coins', () => {
      const begin = new World()
      go(begin, [hasCoins('ada', 400_000, 200_000), hasCoins('ben', 10_000)])
      step(begin, BEFORE)
      return begin
    })
    const to = world.command(world.node('ben'), { type: 'newAddress' })
    if (to?.type !== 'address') throw new Error('no address')
    const sent = world.command(world.node('ada'), {
      type: 'sendCoins',
      address: to.address,
      amountSat: sat(100_000),
    })
    if (sent?.type !== 'sent') throw new Error('not sent')
    world.settle()
    step(world, 1)
    takeBack(world, depth, lost)
    expect(coins(world, 'ben')).toBe(110_000n)
    expect(coins(world, 'ada')).toBe(600_000n - 100_000n - world.chain.feeOf(sent.txid))
    expectTruth(world)
  })

  test('a funding transaction: the channel lives on and pays', () => {
    const world = after('a connection', () => {
      const begin = new World()
      go(begin, [hasCoins('ada', 600_000), hasCoins('ben', 10_000), connected('ada', 'ben')])
      step(begin, BEFORE)
      return begin
    })
    const { id } = world.node('ben')
    world.command(world.node('ada'), {
      type: 'openChannel',
      nodeId: id,
      amountSat: sat(500_000),
      pushMsat: msat(0),
    })
    world.settle()
    step(world, 1)
    takeBack(world, depth, lost)
    go(world, [opened('ada', 'ben', 500_000), paid('ada', 'ben', 50_000_000), paid('ben', 'ada', 1_000_000)])
    expect(channelOf(world, 'ada')?.failure).toBeUndefined()
    expect(restProblem(world)).toBeUndefined()
    expectTruth(world)
  })

  test('a cooperative close', () => {
    const { world, id, before } = withChannel()
    world.command(world.node('ada'), { type: 'closeChannel', channelId: id, force: false })
    world.settle()
    step(world, 1)
    const closed = { ada: coins(world, 'ada'), ben: coins(world, 'ben') }
    takeBack(world, depth, lost)
    step(world, 6)
    expect({ ada: coins(world, 'ada'), ben: coins(world, 'ben') }).toEqual(closed)
    expect(closed.ben - before.ben).toBe(50_000n)
    expectTruth(world)
  })
})

/** A channel of 500,000 sat in which ben has 50,000, old enough. */
function withChannel(): { world: World; id: string; before: { ada: bigint; ben: bigint } } {
  const world = after('a channel', () => {
    const begin = new World({ formats: ['anchors_zero_fee_htlc_tx'] })
    go(begin, [
      hasCoins('ada', 600_000, 50_000),
      hasCoins('ben', 50_000),
      connected('ada', 'ben'),
      opened('ada', 'ben', 500_000),
      paid('ada', 'ben', 50_000_000),
    ])
    step(begin, BEFORE)
    return begin
  })
  const id = channelOf(world, 'ada')?.id
  if (id === undefined) throw new Error('no channel')
  world.checkStoreEvery = 20
  return { world, id, before: { ada: coins(world, 'ada'), ben: coins(world, 'ben') } }
}

/** Ada closes by force while she pays ben 40,000 sat, whose preimage only ben has: every kind of claim follows. */
function inCourt(): { world: World; id: string } {
  const { world, id } = withChannel()
  let stop = false
  world.onDelivered = (_, link) => {
    const theirs = world.node('ben').state?.channels[id]?.logs.accepter.entries ?? []
    // Ben gives the preimage away, and that is lost.
    if (!stop && theirs.some((update) => update.type === 'fulfill')) {
      stop = true
      world.cut(link)
      for (const node of world.nodes) node.keep.clear()
    }
  }
  const reply = world.command(world.node('ben'), {
    type: 'addInvoice',
    amountMsat: msat(40_000_000),
    description: 'in court',
    expirySeconds: 86_400,
  })
  if (reply?.type !== 'invoice') throw new Error('no invoice')
  const invoice = entry(world.node('ben').state?.invoices, reply.paymentHash)?.bolt11 ?? ''
  world.command(world.node('ada'), { type: 'sendPayment', invoice, timeoutSeconds: 3600 })
  world.drain()
  world.onDelivered = () => {}
  expect(stop).toBe(true)
  for (const node of world.nodes) node.keep.clear()
  world.command(world.node('ada'), { type: 'closeChannel', channelId: id, force: true })
  world.settle()
  return { world, id }
}

/** Blocks after the close begins, and what the last of each is for. */
const COURT = [
  { blocks: 1, stage: 'the commitment' },
  { blocks: 1, stage: 'HTLC claims' },
  { blocks: 12, stage: undefined },
  { blocks: 200, stage: undefined },
  { blocks: 1, stage: 'time-outs' },
  { blocks: 1, stage: undefined },
  { blocks: 12, stage: undefined },
  { blocks: 520, stage: undefined },
  { blocks: 1, stage: 'delayed sweeps' },
  { blocks: 1, stage: undefined },
  { blocks: 12, stage: undefined },
  { blocks: 200, stage: undefined },
  { blocks: 1, stage: undefined },
  { blocks: 12, stage: undefined },
]

test('a branch at every stage of a close with an HTLC changes nothing in the end', () => {
  const base = inCourt().world
  const end = (world: World): { ada: bigint; ben: bigint } => {
    expectTruth(world)
    return { ada: coins(world, 'ada'), ben: coins(world, 'ben') }
  }
  const forks: { world: World; from: number; what: string; depth: number; lost: boolean }[] = []
  for (const [i, { blocks, stage }] of COURT.entries()) {
    step(base, blocks)
    if (stage !== undefined)
      for (const depth of DEPTHS)
        forks.push({ world: base.fork(), from: i + 1, what: stage, depth, lost: depth % 2 === 0 })
  }
  const quiet = end(base)
  for (const { world, from, what, depth, lost } of forks) {
    takeBack(world, depth, lost)
    for (const { blocks } of COURT.slice(from)) step(world, blocks)
    for (let i = 0; i < 3; i++) step(world, 1)
    step(world, 6)
    const name = `${what}, ${depth} blocks`
    const ended = end(world)
    // Claims made again may pay another feerate.
    expect(Number(quiet.ada - ended.ada), `${name}: ada`).toBeLessThan(3_000)
    expect(Number(quiet.ben - ended.ben), `${name}: ben`).toBeLessThan(3_000)
    // What a branch undid is told again when it has come true again, and never more often.
    for (const { events } of world.nodes.slice(0, 2)) {
      const told = events.filter((e) => e.type === 'channelClosed').length
      expect(told === 1 || told === 2, `${name}: told ${told} times`).toBe(true)
    }
  }
})

test('justice is done again after a branch of any depth', () => {
  const { world: base, id } = withChannel()
  const old = new Map(base.node('ada').store)
  go(base, [paid('ada', 'ben', 100_000_000)])
  for (const node of base.nodes) base.crash(node)
  const ada = base.node('ada')
  ada.store.clear()
  for (const [key, value] of old) ada.store.set(key, value)
  base.boot(ada)
  for (const node of base.nodes) node.keep.clear()
  const follow = (world: World): void => {
    for (let i = 0; i < 3; i++) {
      world.pass(20_000)
      world.drain()
    }
  }
  follow(base)
  base.command(ada, { type: 'closeChannel', channelId: id, force: true })
  follow(base)
  base.mine()
  base.boot(base.node('ben'))
  for (const node of base.nodes) node.keep.clear()
  follow(base)
  base.mine()
  follow(base)
  const funding = base.stateOf(base.node('ben')).channels[id]?.funding.outpoint
  if (funding === undefined) throw new Error('no channel')
  for (const depth of DEPTHS) {
    for (const lost of [false, true]) {
      const world = base.fork()
      const name = `${depth} blocks, forgotten: ${lost}`
      const close = world.chain.spenderOf(funding)
      if (close === undefined) throw new Error('no close')
      if (depth > 1) world.mine(depth - 1)
      follow(world)
      world.chain.reorg(depth, depth + 1, (tx) => lost && txidOf(tx) !== txidOf(close))
      for (const blocks of [1, 1, 1, 1, 6, 150, 1, 1, 6]) {
        follow(world)
        world.mine(blocks)
      }
      follow(world)
      // All but anchors is ben's.
      for (const [vout, output] of close.outputs.entries()) {
        if (output.valueSat <= 330n) continue
        const spender = world.chain.spenderOf({ txid: txidOf(close), vout })
        const owner = spender?.outputs[0] && ownerOf(world, spender.outputs[0].script)
        expect(owner === world.node('ben'), `${name}: ${outPointKey({ txid: txidOf(close), vout })}`).toBe(
          true,
        )
      }
      expect(coins(world, 'ben'), name).toBe(onChain(world, 'ben'))
    }
  }
})
