import { expect, test } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { restProblem } from './invariants.ts'
import { SIM_CHAIN } from './node.ts'
import { rest } from './run.ts'
import { channelOf, connected, hasCoins, opened, paid, reach, usable } from './scenario.ts'
import { World } from './world.ts'

/** Scenes in which simulations found the node wanting, each by itself. */

const again = (world: World): void => void world.notes.delete('goal')

/** Long enough that whatever is sent again and again has been. */
function patience(world: World): void {
  for (let ms = 0; ms < 2 * SIM_CHAIN.rebroadcastMs; ms += 20_000) {
    world.pass(20_000)
    world.drain()
  }
}

test('a transaction of ours that mempools forget after a restart is sent again', () => {
  const world = new World()
  const ada = world.node('ada')
  reach(world, [hasCoins('ada', 500_000)])
  const address = world.command(world.node('ben'), { type: 'newAddress' })
  if (address?.type !== 'address') throw new Error('no address')
  const sent = world.command(ada, { type: 'sendCoins', address: address.address, amountSat: sat(100_000) })
  if (sent?.type !== 'sent') throw new Error('not sent')
  world.drain()
  expect(world.chain.find(sent.txid)).toBeDefined()
  // A block without it, so that its wallet has seen it in the mempool.
  world.chain.holdBack = true
  world.mine()
  world.settle()
  world.crash(ada)
  world.settle()
  world.chain.evict(sent.txid)
  world.mine()
  world.settle()
  patience(world)
  expect(world.chain.find(sent.txid)).toBeDefined()
  world.chain.holdBack = false
  world.mine()
  world.settle()
  expect(restProblem(world)).toBeUndefined()
})

test('a peer that has not seen a close yet is not let go for speaking of the channel: others with it go on', () => {
  const world = new World()
  reach(world, [hasCoins('ada', 500_000, 500_000), connected('ada', 'ben'), opened('ada', 'ben', 200_000)])
  const first = channelOf(world, 'ada')
  if (first === undefined) throw new Error('no channel')
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  world.command(ada, { type: 'openChannel', nodeId: ben.id, amountSat: sat(300_000), pushMsat: msat(0) })
  world.drain()
  world.mine()
  world.settle()
  world.command(ada, { type: 'closeChannel', channelId: first.id, force: false })
  world.drain()
  // Ben hears nothing of the chain for a while; ada has the close in a block.
  world.mine()
  for (let i = 0; i < 4; i++) {
    world.now += 10_000
    world.turn(ada, [{ type: 'tick' }])
    while (ada.requests.length > 0) world.answer(ada)
  }
  expect(world.stateOf(ada).closes[first.id]).toBeDefined()
  const link = world.linkBetween(ada, ben)
  if (link === undefined) throw new Error('no link')
  world.cut(link)
  world.repair()
  while (world.readable().length > 0) world.deliver(world.readable()[0] as never)
  expect(usable(channelOf(world, 'ada'))).toBe(true)
  expect(usable(channelOf(world, 'ben'))).toBe(true)
  again(world)
  reach(world, [paid('ada', 'ben', 1_000_000)])
  rest(world)
  expect(restProblem(world)).toBeUndefined()
})

test('nothing is built on the change of a replacement while the replaced transaction may still confirm', () => {
  const world = new World()
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  reach(world, [hasCoins('ada', 500_000), connected('ada', 'ben')])
  const address = world.command(ben, { type: 'newAddress' })
  if (address?.type !== 'address') throw new Error('no address')
  const sent = world.command(ada, { type: 'sendCoins', address: address.address, amountSat: sat(100_000) })
  if (sent?.type !== 'sent') throw new Error('not sent')
  world.drain()
  // The replacement reaches nobody before the block.
  const bumped = world.command(ada, { type: 'bumpFee', txid: sent.txid, feeratePerKw: 3_000 })
  expect(bumped?.type).toBe('sent')
  world.mine()
  const open = { type: 'openChannel', nodeId: ben.id, amountSat: sat(200_000), pushMsat: msat(0) } as const
  expect(world.command(ada, open)).toBeUndefined()
  expect(world.refusal?.code).toBe('insufficientFunds')
  world.settle()
  expect(world.command(ada, open)?.type).toBe('opening')
  rest(world)
  expect(usable(channelOf(world, 'ada'))).toBe(true)
  expect(restProblem(world)).toBeUndefined()
})

test('a cooperative close that mempools forget after both sides restarted is sent again', () => {
  const world = new World()
  reach(world, [hasCoins('ada', 500_000), connected('ada', 'ben'), opened('ada', 'ben', 200_000, 50_000_000)])
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  world.chain.holdBack = true
  world.command(ada, { type: 'closeChannel', channelId: channel.id, force: false })
  world.drain()
  // Both see the close in the mempool, and a block without it.
  world.mine()
  world.settle()
  const close = world.chain.spenderOf(channel.funding.outpoint)
  if (close === undefined) throw new Error('no close')
  for (const node of [ada, ben]) world.crash(node)
  world.settle()
  world.chain.evict(txidOf(close))
  patience(world)
  world.chain.holdBack = false
  world.mine()
  world.settle()
  expect(world.chain.spenderOf(channel.funding.outpoint)).toBeDefined()
  expect(restProblem(world)).toBeUndefined()
})
