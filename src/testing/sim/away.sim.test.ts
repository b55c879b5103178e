import { describe, expect, test } from 'vitest'
import { headerAt } from '../../engine/chain/headers.ts'
import { viewAt } from '../../engine/channel/log.ts'
import { EXPIRY_GRACE_BLOCKS } from '../../engine/channel/step.ts'
import type { Channel } from '../../engine/channel/types.ts'
import type { Incident } from '../../engine/node/incident-types.ts'
import { awayNotices, projectIncidents } from '../../host/project-incidents.ts'
import { channelOf, connected, hasCoins, opened, paid, reach } from './scenario.ts'
import type { SimNode } from './node.ts'
import { World } from './world.ts'

/** What goes wrong while a wallet is closed is told when it is back, with the block and the time at which it happened. */

const DAY = 86_400_000

function beginning(): { world: World; ada: SimNode; ben: SimNode; channel: Channel } {
  const world = new World({ formats: ['anchors_zero_fee_htlc_tx'], toSelfDelay: 144 })
  reach(world, [
    hasCoins('ada', 600_000, 100_000),
    hasCoins('ben', 100_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000),
    paid('ada', 'ben', 100_000_000),
  ])
  const channel = channelOf(world, 'ada')
  if (channel === undefined) throw new Error('no channel')
  return { world, ada: world.node('ada'), ben: world.node('ben'), channel }
}

/** Time passes for those that are up. */
function blocks(world: World, n: number): void {
  world.mine(n)
  for (let i = 0; i < 3; i++) {
    world.pass(20_000)
    world.drain()
  }
}

/** The node is back after days. */
function back(world: World, node: SimNode): void {
  world.now += 3 * DAY
  world.boot(node)
  world.settle()
}

const of = (world: World, node: SimNode, kind: Incident['kind']): Incident | undefined =>
  Object.values(world.stateOf(node).incidents).find((incident) => incident.kind === kind)

const blockTime = (world: World, node: SimNode, height: number): number =>
  (headerAt(world.stateOf(node).chain.headers, height)?.time ?? 0) * 1000

describe('while the wallet was closed', () => {
  test('the peer closed the channel: the block and its time, since when the wallet was closed', () => {
    const { world, ada, ben, channel } = beginning()
    const seen = world.now
    world.crash(ada)
    world.command(ben, { type: 'closeChannel', channelId: channel.id, force: true })
    world.drain()
    blocks(world, 1)
    const height = world.chain.tip.height
    blocks(world, 20)
    back(world, ada)
    const incident = of(world, ada, 'peerClosed')
    expect(incident).toMatchObject({ channelId: channel.id, height, time: blockTime(world, ada, height) })
    expect(Math.abs((incident?.closedSince ?? 0) - seen)).toBeLessThan(5 * 60_000)
    expect(incident?.noticedAt).toBeGreaterThan(seen + DAY)
    const state = world.stateOf(ada)
    const [shown] = projectIncidents(state)
    expect(shown).toMatchObject({ kind: 'peerClosed', time: new Date(incident?.time ?? 0).toISOString() })
    // The opener paid for it.
    expect(BigInt(shown?.costMsat ?? 0)).toBeGreaterThan(660_000n)
    expect(awayNotices(state)).toMatchObject([{ code: 'whileClosed', channelId: channel.id }])
    world.checkStores()
    // Another start does not tell it anew.
    world.crash(ada)
    back(world, ada)
    expect(of(world, ada, 'peerClosed')).toEqual(incident)
  })

  test('the same with the wallet open is no absence, and a branch without the close takes it back', () => {
    const { world, ada, ben, channel } = beginning()
    // They do not talk: told of it, ada would publish her own commitment too.
    for (const node of world.nodes) node.keep.clear()
    for (const link of world.links) world.cut(link)
    world.command(ben, { type: 'closeChannel', channelId: channel.id, force: true })
    world.drain()
    world.mine()
    world.settle()
    const incident = of(world, ada, 'peerClosed')
    expect(incident?.closedSince).toBeUndefined()
    world.chain.holdBack = true
    world.chain.reorg(1)
    world.settle()
    expect(of(world, ada, 'peerClosed')).toBeUndefined()
    world.checkStores()
    world.chain.holdBack = false
    world.mine()
    const { height } = world.chain.tip
    world.settle()
    world.mine()
    world.settle()
    expect(of(world, ada, 'peerClosed')?.height).toBe(height)
  })

  test('a payment expired: its deadline is the date, and the money comes back on chain', () => {
    const { world: base, channel } = beginning()
    let world: World | undefined
    base.onDelivered = () => {
      const ada = channelOf(base, 'ada')
      const ben = channelOf(base, 'ben')
      if (world !== undefined || ada === undefined || ben === undefined) return
      // In both commitments, and not answered yet.
      const offered = viewAt(ben, ben.localTip.indexes).htlcs.length === 1 && ada.base.htlcs.length === 1
      if (offered) world = base.fork()
    }
    base.notes.delete('goal')
    reach(base, [paid('ada', 'ben', 50_000_000)])
    if (world === undefined) throw new Error('the payment was never under way')
    const [ada, ben] = [world.node('ada'), world.node('ben')]
    const expiry = world.stateOf(ada).channels[channel.id]?.base.htlcs[0]?.cltvExpiry ?? 0
    world.crash(ada)
    world.crash(ben)
    world.mine(expiry + 30 - world.chain.tip.height)
    world.now += 3 * DAY
    world.boot(ada)
    for (let i = 0; i < 6; i++) blocks(world, 1)
    expect(of(world, ada, 'deadlineClose')).toMatchObject({
      height: expiry + EXPIRY_GRACE_BLOCKS,
      time: blockTime(world, ada, expiry + EXPIRY_GRACE_BLOCKS),
    })
    expect(of(world, ada, 'deadlineClose')?.closedSince).toBeDefined()
    for (let i = 0; i < 8; i++) blocks(world, 1)
    const returned = of(world, ada, 'paymentReturned')
    expect(returned?.amountMsat).toBe(50_000_000n)
    expect(returned?.closedSince).toBeUndefined()
  })

  test('the peer cheated: punished, and how many blocks were left', () => {
    const { world, ada, ben, channel } = beginning()
    const old = new Map(ben.store)
    world.notes.delete('goal')
    reach(world, [paid('ada', 'ben', 50_000_000)])
    world.crash(ada)
    world.crash(ben)
    ben.store.clear()
    for (const [key, value] of old) ben.store.set(key, value)
    world.boot(ben)
    for (const node of world.nodes) node.keep.clear()
    blocks(world, 0)
    world.command(ben, { type: 'closeChannel', channelId: channel.id, force: true })
    world.drain()
    blocks(world, 1)
    const height = world.chain.tip.height
    blocks(world, 100)
    world.now += DAY
    world.boot(ada)
    for (const node of world.nodes) node.keep.clear()
    for (let i = 0; i < 4; i++) blocks(world, 1)
    expect(of(world, ada, 'cheated')).toMatchObject({ height, blocksLeft: 43 })
    expect(of(world, ada, 'cheated')?.closedSince).toBeDefined()
    expect(of(world, ada, 'lost')).toBeUndefined()
  })
})
