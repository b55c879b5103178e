import { describe, expect, it } from 'vitest'
import { msat, sat } from '../../engine/base/units.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { checkAnnouncement, updateSignedBy } from '../../engine/router/announcement.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import type { ChannelAnnouncement, ChannelUpdate } from '../../engine/wire/messages.ts'
import type { Name } from './node.ts'
import { connected, hasCoins, reach } from './scenario.ts'
import { World } from './world.ts'

/** Channels that are to be announced (BOLT 7 §announcement_signatures). */

const told = (world: World, name: Name): readonly ChannelAnnouncement[] =>
  world.node(name).published.flatMap((item) => (item.kind === 'channel' ? [item.message] : []))
const terms = (world: World, name: Name): readonly ChannelUpdate[] =>
  world.node(name).published.flatMap((item) => (item.kind === 'update' ? [item.message] : []))

/** ada and ben with a channel whose funding transaction is so many blocks deep. */
function pair(announce: boolean, depth: number): World {
  const world = new World({ nodes: 2, forwards: true, formats: ['lcp', 'anchors_zero_fee_htlc_tx'] })
  reach(world, [hasCoins('ada', 1_000_000), connected('ada', 'ben')])
  world.command(world.node('ada'), {
    type: 'openChannel',
    nodeId: world.node('ben').id,
    amountSat: sat(800_000),
    pushMsat: msat(300_000_000),
    announce,
  })
  world.settle()
  world.mine(depth)
  world.settle()
  return world
}

/** Both told the same, and it holds. */
function expectAnnounced(world: World): ChannelAnnouncement {
  const [ours] = told(world, 'ada')
  const theirs = told(world, 'ben').at(-1)
  if (ours === undefined) throw new Error('ada announced nothing')
  const last = told(world, 'ada').at(-1) as ChannelAnnouncement
  expect(theirs).toEqual(last)
  expect(checkAnnouncement(last, NETWORKS.regtest.chainHash).ok).toBe(true)
  return last
}

describe('a channel that its opener wants announced', () => {
  const five = pair(true, 5)

  it('is told of by both at six blocks, not at five, with terms that each has signed', () => {
    expect(told(five, 'ada')).toEqual([])
    const w = five.fork(1)
    w.mine()
    w.settle()
    const announced = expectAnnounced(w)
    for (const [name, other] of [
      ['ada', 'ben'],
      ['ben', 'ada'],
    ] as const) {
      const [update] = terms(w, name)
      if (update === undefined) throw new Error(`${name} told no terms`)
      expect(update.shortChannelId).toBe(announced.shortChannelId)
      expect(update.messageFlags).toBe(1)
      const id = Uint8Array.from(Buffer.from(w.node(name).id, 'hex'))
      expect(updateSignedBy(update, id)).toBe(true)
      expect(update.channelFlags).toBe(w.node(name).id < w.node(other).id ? 0 : 1)
    }
  })

  it('is told of although the connection broke before the halves went over, and after one of them had', () => {
    for (const delivered of [0, 1]) {
      const w = five.fork(2)
      w.mine()
      // ada sees the block first and sends her half.
      w.pass(15_000)
      for (let i = 0; i < 40 && told(w, 'ada').length + told(w, 'ben').length < delivered; i++) {
        const end = w.readable()[0]
        const asking = w.nodes.find((n) => n.requests.length > 0)
        if (asking !== undefined) w.turn(asking, w.answers(asking.requests.splice(0)))
        else if (end !== undefined) w.deliver(end)
        else w.pass(5_000)
      }
      const link = w.linkBetween(w.node('ada'), w.node('ben'))
      if (link === undefined) throw new Error('no link')
      w.cut(link)
      w.settle()
      expectAnnounced(w)
    }
  })

  it('is told of with our terms although the peer’s half came long before our chain server had shown the sixth block', () => {
    const w = five.fork(8)
    const [ada, ben] = [w.node('ada'), w.node('ben')]
    w.mine()
    for (let i = 0; i < 60 && Object.keys(w.stateOf(ben).announced).length === 0; i++) {
      const end = w.readable()[0]
      if (ada.requests.length > 0) w.turn(ada, w.answers(ada.requests.splice(0)))
      else if (end !== undefined) w.deliver(end)
      else w.pass(15_000)
    }
    expect(Object.keys(w.stateOf(ben).announced)).toHaveLength(1)
    // Ben's clock goes on, and he tells nothing.
    w.pass(61_000)
    expect(ben.published).toEqual([])
    w.settle()
    expectAnnounced(w)
    expect(ben.published.map((item) => item.kind)).toEqual(expect.arrayContaining(['channel', 'update']))
    expect(terms(w, 'ben')[0]?.shortChannelId).toBe(told(w, 'ben')[0]?.shortChannelId)
  })

  it('is told of again after a restart without another word from the peer', () => {
    const w = five.fork(3)
    w.mine()
    w.settle()
    const before = expectAnnounced(w)
    const ada = w.node('ada')
    ada.published.length = 0
    w.crash(ada)
    w.boot(ada)
    expect(told(w, 'ada')).toEqual([before])
  })

  it('is told of by its new place when a reorganisation has moved it, and never again by the old one', () => {
    const w = five.fork(4)
    w.mine()
    w.settle()
    const before = expectAnnounced(w)
    for (const node of w.nodes) node.published.length = 0
    w.chain.reorg(7, 9, () => true)
    w.settle()
    // Her funding transaction is sent again in time.
    for (let i = 0; i < 3; i++) {
      w.pass(61_000)
      w.settle()
    }
    w.mine(8)
    w.settle()
    const after = expectAnnounced(w)
    expect(after.shortChannelId).not.toBe(before.shortChannelId)
  })

  it('is switched off for everybody when its owner passes nothing on any more, and on again', () => {
    const w = five.fork(6)
    w.mine()
    w.settle()
    expectAnnounced(w)
    const forwarding = (on: boolean) => {
      const ada = w.node('ada')
      const state = w.stateOf(ada)
      ada.state = { ...state, preferences: { ...state.preferences, forwarding: on ? 'on' : 'off' } }
      w.pass(5_000)
      return terms(w, 'ada').map((update) => (update.channelFlags & 2) !== 0)
    }
    expect(forwarding(true)).toEqual([false])
    expect(forwarding(false)).toEqual([false, true])
    expect(forwarding(false)).toEqual([false, true])
    expect(forwarding(true)).toEqual([false, true, false])
  })

  it('is taken back when it closes', () => {
    const w = five.fork(5)
    w.mine()
    w.settle()
    const { shortChannelId } = expectAnnounced(w)
    const [id = ''] = Object.keys(w.stateOf(w.node('ada')).channels)
    w.command(w.node('ada'), { type: 'closeChannel', channelId: id, force: false })
    w.settle()
    w.mine(3)
    w.settle()
    w.pass(5_000)
    for (const name of ['ada', 'ben'] as const)
      expect(w.node(name).published.filter((p) => p.kind === 'closed')).toMatchObject([{ shortChannelId }])
  })
})

describe('a half whose signatures are not the peer’s', () => {
  it('is warned of and kept out of what is told', () => {
    const w = pair(true, 5)
    const ada = w.node('ada')
    const [channel] = Object.values(w.stateOf(ada).channels)
    const connection = w.stateOf(ada).peers[w.node('ben').id]?.connection
    if (channel?.funding.shortChannelId === undefined || connection === undefined)
      throw new Error('no channel')
    const bytes = encodeMessage({
      type: 'announcement_signatures',
      channelId: Uint8Array.from(Buffer.from(channel.id, 'hex')),
      shortChannelId: channel.funding.shortChannelId,
      nodeSignature: new Uint8Array(64).fill(1),
      bitcoinSignature: new Uint8Array(64).fill(1),
    })
    w.turn(ada, [{ type: 'peerMessage', connection, bytes }])
    expect(w.stateOf(ada).announced).toEqual({})
    expect(ada.events.some((e) => e.type === 'notice' && e.code === 'peerWarning')).toBe(true)
    w.mine()
    w.settle()
    expectAnnounced(w)
  })
})

describe('a channel that stays between two', () => {
  it('is never told of, even when the peer sends its half', () => {
    const w = pair(false, 8)
    const ada = w.node('ada')
    const [channel] = Object.values(w.stateOf(ada).channels)
    const connection = w.stateOf(ada).peers[w.node('ben').id]?.connection
    if (channel?.funding.shortChannelId === undefined || connection === undefined)
      throw new Error('no channel')
    const half = encodeMessage({
      type: 'announcement_signatures',
      channelId: Uint8Array.from(Buffer.from(channel.id, 'hex')),
      shortChannelId: channel.funding.shortChannelId,
      nodeSignature: new Uint8Array(64).fill(1),
      bitcoinSignature: new Uint8Array(64).fill(1),
    })
    w.turn(ada, [{ type: 'peerMessage', connection, bytes: half }])
    w.settle()
    expect(w.stateOf(ada).announced).toEqual({})
    for (const name of ['ada', 'ben'] as const) {
      expect(told(w, name)).toEqual([])
      expect(terms(w, name)).toEqual([])
    }
  })
})
