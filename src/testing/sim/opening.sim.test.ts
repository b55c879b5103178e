import { describe, expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { restProblem } from './invariants.ts'
import type { Name, SimNode } from './node.ts'
import { rest } from './run.ts'
import { connected, hasCoins, opened, paid, reach } from './scenario.ts'
import { World } from './world.ts'

/** Openings that do not go as they should: coins are free again, nobody waits for ever, no coin is used twice. */

const COINS = 500_000n

function ready(nodes = 2, coins: number[] = [500_000]): World {
  const world = new World({ nodes })
  reach(world, [hasCoins('ada', ...coins), connected('ada', 'ben')])
  world.notes.delete('goal')
  return world
}

function open(world: World, peer: Name, amount: number, push = 0): void {
  world.command(world.node('ada'), {
    type: 'openChannel',
    nodeId: world.node(peer).id,
    amountSat: sat(amount),
    pushMsat: msat(push),
  })
}

const channels = (world: World, name: Name): Channel[] =>
  Object.values(world.stateOf(world.node(name)).channels)

function coinsOf(world: World, node: SimNode) {
  const state = world.stateOf(node)
  return balanceOf(state.wallet, state.chain.headers.tip.height)
}

/** Time goes by for those who are up, and what they say arrives; nobody who is down comes back. */
function wait(world: World, minutes: number): void {
  for (let ms = 0; ms < minutes * 60_000; ms += 15_000) {
    world.pass(15_000)
    world.drain()
  }
}

/** Every world in which something happens right after one message of an opening; `push` makes the accepter have something at stake. */
function afterEachMessage(what: (world: World) => void, push = 0): { world: World; after: string }[] {
  const worlds: { world: World; after: string }[] = []
  const base = ready()
  base.onDelivered = () => {
    const world = base.fork()
    const after = world.trace.findLast((line) => line.includes(' → ')) ?? ''
    what(world)
    worlds.push({ world, after })
  }
  open(base, 'ben', 200_000, push)
  base.drain()
  base.mine()
  base.settle()
  expect(worlds.map((w) => w.after)).toEqual([
    'ada → ben: open_channel',
    'ben → ada: accept_channel',
    'ada → ben: funding_created',
    'ben → ada: funding_signed',
    // Each gives the other its backup to keep, now that there is a channel.
    'ben → ada: peer_storage',
    'ada → ben: peer_storage',
    'ada → ben: channel_ready',
    'ben → ada: channel_ready',
  ])
  return worlds
}

describe('the peer is gone after a message', () => {
  test('the opener’s coins are free again, or in a channel whose funding transaction is sent', () => {
    for (const { world, after } of afterEachMessage((w) => w.crash(w.node('ben')))) {
      wait(world, 2)
      const ada = world.node('ada')
      const [channel] = channels(world, 'ada')
      expect(world.stateOf(ada).openings, after).toEqual({})
      expect(world.stateOf(ada).wallet.reservations, after).toEqual({})
      if (channel === undefined) {
        expect(coinsOf(world, ada).confirmedSat, after).toBe(COINS)
        expect(
          ada.events.some((e) => e.type === 'openingFailed'),
          after,
        ).toBe(true)
      } else {
        expect(world.chain.find(channel.funding.outpoint.txid), after).toBeDefined()
        expect(
          ada.events.some((e) => e.type === 'openingPending'),
          after,
        ).toBe(true)
      }
      rest(world)
      expect(restProblem(world), after).toBeUndefined()
    }
  })

  test('it is connected and silent: the opener gives up in time', () => {
    const silent = (w: World): void => {
      for (const end of w.links.flatMap((l) => l.ends)) end.inbox = []
      w.nodes[1]?.die()
    }
    for (const { world, after } of afterEachMessage(silent)) {
      wait(world, 4)
      const ada = world.node('ada')
      expect(world.stateOf(ada).openings, after).toEqual({})
      expect(world.stateOf(ada).wallet.reservations, after).toEqual({})
      if (channels(world, 'ada').length === 0) expect(coinsOf(world, ada).confirmedSat, after).toBe(COINS)
      for (const link of world.links) world.cut(link)
      rest(world)
      expect(restProblem(world), after).toBeUndefined()
    }
  })

  test('the opener is gone: the accepter keeps nothing of an opening that was never funded', () => {
    for (const { world, after } of afterEachMessage((w) => w.crash(w.node('ada')))) {
      wait(world, 2)
      expect(world.stateOf(world.node('ben')).openings, after).toEqual({})
      rest(world)
      expect(channels(world, 'ben').length, after).toBe(channels(world, 'ada').length)
      expect(restProblem(world), after).toBeUndefined()
    }
  })

  test('the opener is gone that gave something away: the accepter forgets the channel after 2016 blocks', () => {
    const { world } = afterEachMessage((w) => w.crash(w.node('ada')), 50_000_000)[2] as { world: World }
    rest(world)
    expect(channels(world, 'ada')).toHaveLength(0)
    expect(channels(world, 'ben')[0]?.failure?.code).toBe('peerError')
    world.mine(2020)
    world.settle()
    wait(world, 1)
    expect(channels(world, 'ben')).toHaveLength(0)
    expect(world.stateOf(world.node('ben')).closes).toEqual({})
    const { broadcasts, watches } = world.stateOf(world.node('ben')).chain
    expect(Object.keys(broadcasts)).toEqual([])
    expect(Object.keys(watches)).toEqual(['wallet'])
    world.checkStores()
  })
})

describe('the funding transaction is not mined', () => {
  test('the accepter forgets after 2016 blocks, the opener waits, its coins stay spent', () => {
    const world = ready()
    open(world, 'ben', 200_000)
    world.drain()
    world.chain.holdBack = true
    world.mine(2015)
    world.settle()
    wait(world, 1)
    expect(channels(world, 'ben')).toHaveLength(1)
    world.mine(3)
    world.settle()
    wait(world, 1)
    expect(channels(world, 'ben')).toHaveLength(0)
    const [channel] = channels(world, 'ada')
    expect(channel?.failure).toBeUndefined()
    expect(coinsOf(world, world.node('ada')).confirmedSat).toBe(0n)
    world.checkStores()
  })

  test('an accepter that was away for weeks does not forget a channel that was funded meanwhile', () => {
    const world = ready()
    open(world, 'ben', 200_000, 50_000_000)
    world.drain()
    world.crash(world.node('ben'))
    world.mine(2100)
    wait(world, 1)
    rest(world)
    expect(channels(world, 'ben')).toHaveLength(1)
    expect(restProblem(world)).toBeUndefined()
    reach(world, [paid('ada', 'ben', 1_000_000), paid('ben', 'ada', 7_000_000)])
  })
})

describe('two openings at once', () => {
  test('with one coin: one of them gets it, the other says that there is none', () => {
    const world = ready(3)
    const ada = world.node('ada')
    reach(world, [connected('ada', 'cal')])
    open(world, 'ben', 300_000)
    open(world, 'cal', 300_000)
    world.drain()
    expect(ada.events.filter((e) => e.type === 'openingPending')).toHaveLength(1)
    expect(ada.events.filter((e) => e.type === 'openingFailed')).toMatchObject([
      { error: { code: 'insufficientFunds' } },
    ])
    rest(world)
    expect(world.chain.refused).toEqual([])
    expect(restProblem(world)).toBeUndefined()
  })

  test('with a coin each: both are funded, by different coins', () => {
    const world = ready(3, [300_000, 300_000])
    reach(world, [connected('ada', 'cal')])
    open(world, 'ben', 200_000)
    open(world, 'cal', 200_000)
    world.drain()
    const spent = channels(world, 'ada').flatMap(
      (c) => c.funding.tx?.inputs.map((i) => i.outpoint.txid) ?? [],
    )
    expect(spent).toHaveLength(2)
    expect(new Set(spent).size).toBe(2)
    rest(world)
    expect(world.chain.refused).toEqual([])
    expect(restProblem(world)).toBeUndefined()
  })

  test('with the same peer, interleaved in every order of messages: coins and channels stay apart', () => {
    for (let seed = 0; seed < 20; seed++) {
      const world = new World({ seed })
      reach(world, [hasCoins('ada', 300_000, 300_000), connected('ada', 'ben')])
      open(world, 'ben', 150_000)
      for (let i = 0; i < 4; i++) {
        if (i === seed % 4) open(world, 'ben', 160_000)
        const [end] = world.readable()
        if (end !== undefined) world.deliver(end)
      }
      rest(world)
      expect(channels(world, 'ada')).toHaveLength(2)
      expect(restProblem(world)).toBeUndefined()
    }
  })

  test('a channel of the wrong size, without coins, or with nobody: said at once, nothing is reserved', () => {
    const world = ready()
    for (const [amount, code] of [
      [10_000, 'channelTooSmall'],
      [20_000_000, 'channelTooLarge'],
      [600_000, 'insufficientFunds'],
    ] as const) {
      open(world, 'ben', amount)
      expect(world.refusal?.code).toBe(code)
    }
    const [link] = world.links
    if (link !== undefined) world.cut(link)
    world.drain()
    open(world, 'ben', 100_000)
    expect(world.refusal?.code).toBe('peerNotConnected')
    expect(world.stateOf(world.node('ada')).wallet.reservations).toEqual({})
    reach(world, [opened('ada', 'ben', 100_000)])
  })
})
