import { describe, expect, it } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { OFF_AFTER_MS, ON_AFTER_MS } from '../../engine/node/announce-terms.ts'
import { ourUpdate } from '../../engine/node/updates.ts'
import type { Turn } from '../../engine/node/state.ts'
import { Gossip } from '../../engine/router/gossip.ts'
import { createGraph } from '../../engine/router/graph.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { connected, hasCoins, reach } from './scenario.ts'
import { World } from './world.ts'

/** A channel whose other end is away is switched off for the network, and on again (BOLT 7 §channel_update, `disable`). */

function announced(): World {
  const world = new World({ nodes: 2, forwards: true })
  reach(world, [hasCoins('ada', 1_000_000), connected('ada', 'ben')])
  world.command(world.node('ada'), {
    type: 'openChannel',
    nodeId: world.node('ben').id,
    amountSat: sat(800_000),
    pushMsat: msat(300_000_000),
    announce: true,
  })
  world.settle()
  world.mine(6)
  world.settle()
  return world
}

/** What ada told the network: on or off. */
const told = (world: World): readonly string[] =>
  world
    .node('ada')
    .published.flatMap((item) =>
      item.kind === 'update' ? [(item.message.channelFlags & 2) === 0 ? 'on' : 'off'] : [],
    )

/** Time goes by, with a look every so often. */
function during(world: World, ms: number, stepMs = 30_000): void {
  for (let left = ms; left > 0; left -= stepMs) world.pass(Math.min(left, stepMs))
}

function part(world: World): void {
  const link = world.linkBetween(world.node('ada'), world.node('ben'))
  if (link !== undefined) world.cut(link)
  for (const end of world.readable()) world.deliver(end)
  world.node('ada').keep.clear()
  world.node('ben').keep.clear()
}

function meet(world: World): void {
  world.connect(world.node('ada'), world.node('ben'))
  for (let i = 0; i < 60; i++) for (const end of world.readable()) world.deliver(end)
}

describe('terms', () => {
  it('have a later time than those before, within one second too and with a clock that was put back: others are ignored', () => {
    const world = announced()
    const ada = world.node('ada')
    const items = ada.published.flatMap((item) => (item.kind === 'channel' ? [item.message] : []))
    const [announcement] = items
    const [channel] = Object.values(world.stateOf(ada).channels)
    if (announcement === undefined || channel === undefined) throw new Error('not announced')
    const graph = createGraph()
    const gossip = new Gossip(graph, { network: 'regtest', nodeId: ada.id })
    gossip.publishChannel(announcement, 800_000)
    const policyNow = () => {
      const side = ada.id === toHex(announcement.nodeId1) ? 0 : 1
      return graph.policy(2 * graph.channelAt(announcement.shortChannelId) + side)
    }
    const tell = (now: number, disabled: boolean): void => {
      const turn = { state: world.stateOf(ada), setup: { ...ada.setup, graph }, now }
      gossip.publishUpdate(
        ourUpdate(turn as unknown as Turn, channel, announcement.shortChannelId, true, disabled),
      )
      expect(policyNow()?.disabled).toBe(disabled)
    }
    tell(world.now, false)
    tell(world.now, true)
    tell(world.now, false)
    tell(world.now - 3600_000, true)
  })
})

describe('a channel whose peer is away', () => {
  const world = announced()

  it('is switched off after ten minutes, not before, once, and on when the peer has been back for a minute', () => {
    const w = world.fork(1)
    expect(told(w)).toEqual(['on'])
    part(w)
    during(w, OFF_AFTER_MS - 40_000)
    expect(told(w)).toEqual(['on'])
    during(w, 100_000)
    expect(told(w)).toEqual(['on', 'off'])
    during(w, 60 * 60_000, 120_000)
    expect(told(w)).toEqual(['on', 'off'])
    meet(w)
    w.pass(5_000)
    expect(told(w)).toEqual(['on', 'off'])
    during(w, ON_AFTER_MS + 10_000, 10_000)
    expect(told(w)).toEqual(['on', 'off', 'on'])
  })

  it('of a peer that comes and goes tells nothing while each absence is short, and twice in eleven minutes at most', () => {
    const w = world.fork(2)
    for (let i = 0; i < 6; i++) {
      part(w)
      during(w, 5 * 60_000)
      meet(w)
      w.pass(5_000)
    }
    expect(told(w)).toEqual(['on'])
    for (let i = 0; i < 3; i++) {
      part(w)
      during(w, OFF_AFTER_MS + 40_000)
      meet(w)
      during(w, ON_AFTER_MS + 10_000, 10_000)
    }
    expect(told(w)).toEqual(['on', 'off', 'on', 'off', 'on', 'off', 'on'])
    const times = w.node('ada').published.flatMap((i) => (i.kind === 'update' ? [i.message.timestamp] : []))
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b))
  })

  it('after a restart without the peer is switched off again, since nobody may have heard of it', () => {
    const w = world.fork(3)
    part(w)
    w.crash(w.node('ada'))
    w.boot(w.node('ada'))
    w.node('ada').keep.clear()
    during(w, OFF_AFTER_MS + 60_000)
    expect(told(w)).toEqual(['on', 'off'])
  })
})
