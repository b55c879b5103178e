import { expect, test } from 'vitest'
import { entries } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import { isNeverFunded } from '../../engine/channel/step.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { watchedScripts } from '../../engine/wallet/coins.ts'
import { restProblem } from './invariants.ts'
import type { SimNode } from './node.ts'
import { rest } from './run.ts'
import { channelOf, connected, hasCoins, opened, paid, reach, usable } from './scenario.ts'
import { World } from './world.ts'

/** Funding transactions that do not come, come late, or go again. */

const again = (world: World): void => void world.notes.delete('goal')

function pending(): { world: World; ada: SimNode; ben: SimNode; channel: Channel } {
  const world = new World()
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  reach(world, [hasCoins('ada', 500_000), connected('ada', 'ben')])
  again(world)
  world.command(ada, { type: 'openChannel', nodeId: ben.id, amountSat: sat(200_000), pushMsat: msat(0) })
  world.drain()
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  return { world, ada, ben, channel }
}

const confirmed = (world: World, node: SimNode): bigint => {
  const { wallet, chain } = world.stateOf(node)
  return balanceOf(wallet, chain.headers.tip.height).confirmedSat
}

/** Spends the coin of a funding transaction otherwise, as another copy of the wallet would: 300,000 sat come back, the rest is gone. */
function rival(world: World, node: SimNode, { funding }: Channel): Tx {
  const input = funding.tx?.inputs[0]
  const [script] = watchedScripts(world.stateOf(node).wallet)
  if (input === undefined || script === undefined) throw new Error('no coin')
  return { version: 2, inputs: [input], outputs: [{ valueSat: sat(300_000), script }], locktime: 0 }
}

test('a funding transaction whose coins another copy of the wallet spent: the channel ends as never funded, the coins are right', () => {
  const { world, ada, ben, channel } = pending()
  world.chain.evict(channel.funding.outpoint.txid)
  world.chain.send(rival(world, ada, channel))
  world.mine()
  world.settle()
  expect(confirmed(world, ada)).toBe(300_000n)
  world.mine(4)
  world.settle()
  // Five blocks might still be taken back.
  expect(world.stateOf(ada).channels[channel.id]?.failure).toBeUndefined()
  world.mine()
  world.settle()
  const ended = world.stateOf(ada).channels[channel.id]
  expect(ended !== undefined && isNeverFunded(ended)).toBe(true)
  expect(ada.events.filter((e) => e.type === 'channelFailed')).toHaveLength(1)
  expect(world.chain.refused.filter((r) => r.txid !== channel.funding.outpoint.txid)).toEqual([])
  // The accepter was told, and had nothing in it.
  expect(world.stateOf(ben).channels).toEqual({})
  // Neither after a restart is it sent again, and nobody can close it.
  world.crash(ada)
  world.settle()
  expect(Object.keys(world.stateOf(ada).chain.broadcasts)).toEqual([])
  world.command(ada, { type: 'closeChannel', channelId: channel.id, force: true })
  expect(world.refusal?.code).toBe('channelNotOpen')
  expect(confirmed(world, ada)).toBe(300_000n)
  reach(world, [connected('ada', 'ben'), opened('ada', 'ben', 100_000), paid('ada', 'ben', 5_000_000)])
})

test('closed on chain while its funding waited, and then its coins are gone: nothing is left to do', () => {
  const { world, ada, channel } = pending()
  world.chain.holdBack = true
  world.command(ada, { type: 'closeChannel', channelId: channel.id, force: true })
  world.drain()
  world.chain.evict(channel.funding.outpoint.txid)
  world.chain.send(rival(world, ada, channel))
  world.chain.holdBack = false
  world.mine(6)
  world.settle()
  expect(world.stateOf(ada).channels[channel.id]?.failure?.code).toBe('neverFunded')
  expect(world.stateOf(ada).closes).toEqual({})
  expect(Object.keys(world.stateOf(ada).chain.broadcasts)).toEqual([])
  expect(confirmed(world, ada)).toBe(300_000n)
  world.checkStores()
})

test('a rival that a reorganisation takes back: the funding transaction is mined after all, and the channel goes on', () => {
  const { world, ada, channel } = pending()
  const { tx } = channel.funding
  if (tx === undefined) throw new Error('no funding')
  const other = rival(world, ada, channel)
  world.chain.evict(txidOf(tx))
  world.chain.send(other)
  world.mine(6)
  world.settle()
  expect(world.stateOf(ada).channels[channel.id]?.failure?.code).toBe('neverFunded')
  world.chain.reorg(6, 7)
  world.chain.evict(txidOf(other))
  expect(world.chain.send(tx)).toEqual({ ok: true })
  world.mine(2)
  world.settle()
  const back = world.stateOf(ada).channels[channel.id]
  expect(back?.funding.confirmedHeight).toBeDefined()
  expect(back?.failure?.code).not.toBe('neverFunded')
})

test.each([true, false])(
  'its block is gone while we are away: it is sent again at the start (mempools forgot it: %s)',
  (forgotten) => {
    const { world, ada, ben, channel } = pending()
    world.mine()
    world.settle()
    expect(usable(channelOf(world, 'ada'))).toBe(true)
    for (const node of [ada, ben]) world.crash(node)
    world.chain.holdBack = true
    world.chain.reorg(1, 2)
    if (forgotten) world.chain.evict(channel.funding.outpoint.txid)
    world.settle()
    world.pass(5_000)
    world.drain()
    expect(world.chain.find(channel.funding.outpoint.txid)?.block).toBeNull()
    for (const node of [ada, ben])
      expect(world.stateOf(node).channels[channel.id]?.funding.confirmedHeight).toBeUndefined()
    world.chain.holdBack = false
    world.mine()
    const { height } = world.chain.tip
    rest(world)
    expect(world.stateOf(ada).channels[channel.id]?.funding.confirmedHeight).toBe(height)
    expect(restProblem(world)).toBeUndefined()
    reach(world, [paid('ada', 'ben', 1_000_000)])
  },
)

test('peers that the user connected are dialled again after a restart, those that it let go are not', () => {
  const world = new World({ nodes: 3 })
  const [ada, ben, cal] = [world.node('ada'), world.node('ben'), world.node('cal')]
  reach(world, [connected('ada', 'ben'), connected('ada', 'cal')])
  world.command(ada, { type: 'disconnectPeer', nodeId: cal.id })
  world.crash(ada)
  ada.keep.clear()
  world.settle()
  expect([...ada.keep]).toEqual([ben.id])
  expect(world.stateOf(ada).peers[ben.id]?.phase).toBe('ready')
  // No more than a few of those that no channel needs, the ones that are there last to go.
  for (let i = 0; i < 40; i++) {
    const nodeId = `02${i.toString(16).padStart(64, '0')}`
    world.command(ada, { type: 'connectPeer', nodeId, address: `${nodeId}@127.0.0.1:9735` })
  }
  const wanted = Object.keys(world.stateOf(ada).peerAddresses)
  expect(wanted).toHaveLength(32)
  expect(wanted).toContain(ben.id)
  expect(ada.keep.size).toBe(32)
})

test('its block is taken back and its coins are spent otherwise while a payment is under way: the payment ends, and may be tried again', () => {
  const base = new World()
  reach(base, [hasCoins('ada', 500_000), connected('ada', 'ben'), opened('ada', 'ben', 200_000)])
  let found: World | undefined
  base.onDelivered = () => {
    const ada = channelOf(base, 'ada')
    // Offered and locked in, not answered yet.
    if (found === undefined && ada?.base.htlcs.length === 1 && ada.logs.accepter.entries.length === 0)
      found = base.fork()
  }
  again(base)
  reach(base, [paid('ada', 'ben', 50_000_000)])
  if (found === undefined) throw new Error('the payment was never under way')
  const world: World = found
  const ada = world.node('ada')
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  world.crash(world.node('ben'))
  for (const node of world.nodes) node.keep.clear()
  const depth = world.chain.tip.height - (channel.funding.confirmedHeight ?? 0) + 1
  world.chain.reorg(depth, depth + 1, (tx) => txidOf(tx) === channel.funding.outpoint.txid)
  world.chain.send(rival(world, ada, channel))
  for (let i = 0; i < 9; i++) {
    world.mine()
    world.pass(20_000)
    world.drain()
  }
  const ended = world.stateOf(ada)
  expect(ended.channels[channel.id]?.failure?.code).toBe('neverFunded')
  const payment = entries(ended.payments).find((p) => p.amountMsat === 50_000_000n)
  expect(payment?.state).toBe('failed')
  expect(payment?.attempts.map((a) => a.state)).toEqual(['failed'])
  world.checkMoney(ada)
  world.checkStores()
})
