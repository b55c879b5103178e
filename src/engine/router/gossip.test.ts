import { describe, expect, test } from 'vitest'
import { announcementOf, idOf, keysOf, nodeAnnouncementOf, updateOf } from '../../testing/network/signed.ts'
import { seeded } from '../../testing/random.ts'
import { encodeMessage } from '../wire/encode.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeFeatures } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import { createGraph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { Gossip, isGossip } from './gossip.ts'
import type { GossipOptions } from './gossip-types.ts'

const NOW = 1_760_000_000_000
const SECONDS = NOW / 1000
const QUERIES = encodeFeatures([7])
const scid = (n: number, block = 200): bigint => (BigInt(block) << 40n) | BigInt(n)
const [alice, bob, carol] = [keysOf(1), keysOf(2), keysOf(3)]

function machine(options: Partial<GossipOptions> = {}): Gossip {
  return new Gossip(createGraph(), { network: 'regtest', nodeId: idOf(keysOf(99)), ...options })
}

/** Everything from one peer, worked off. */
function tell(gossip: Gossip, ...messages: readonly Message[]): void {
  for (const message of messages) gossip.receive('peer', encodeMessage(message))
  while (gossip.work(100, NOW));
}

function sent(gossip: Gossip): Message[] {
  return gossip.take().flatMap((e) => {
    if (e.type !== 'send') return []
    const decoded = decodeMessage(e.bytes)
    if (!decoded.ok) throw new Error(decoded.error.message)
    return [decoded.value]
  })
}

/** Messages to and fro until nobody says any more; how many. */
function talk(a: Gossip, b: Gossip, now = NOW): number {
  let messages = 0
  for (let quiet = false; !quiet; ) {
    quiet = true
    for (const [from, to, name] of [
      [a, b, 'a'],
      [b, a, 'b'],
    ] as const) {
      for (const effect of from.take()) {
        if (effect.type !== 'send') throw new Error(effect.reason)
        to.receive(name, effect.bytes)
        messages++
        quiet = false
      }
      while (to.work(50, now));
    }
  }
  return messages
}

describe('what is told', () => {
  const announced = announcementOf(alice, bob, scid(1))

  test('announcement, then updates, then nodes; out of order they are nothing', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    const update = updateOf(alice, bob, scid(1), SECONDS)
    const node = nodeAnnouncementOf(alice, SECONDS)
    tell(gossip, update, node)
    expect(gossip.counts.unknownChannel).toBe(2)
    expect(gossip.signatures).toBe(0)
    tell(gossip, announced, update, updateOf(bob, alice, scid(1), SECONDS), node)
    expect(gossip.counts.accepted).toBe(4)
    expect(gossip.signatures).toBe(7)
    const slot = gossip.graph.channelAt(scid(1))
    expect(gossip.graph.has(slot, CHANNEL.signed)).toBe(true)
    expect(gossip.graph.has(slot, CHANNEL.proven)).toBe(false)
    expect(gossip.graph.policy(2 * slot)?.feeBaseMsat).toBe(1000)
    // Again: no signature is looked at.
    tell(gossip, announced, update, node)
    expect([gossip.counts.known, gossip.signatures]).toEqual([3, 7])
  })

  test('every forged signature is found, wherever it is, and three of them end the connection', () => {
    const spoil = (bytes: Uint8Array) => bytes.map((b, i) => (i === 40 ? b ^ 1 : b))
    const forged: Message[] = [
      { ...announced, nodeSignature1: spoil(announced.nodeSignature1) },
      { ...announced, nodeSignature2: spoil(announced.nodeSignature2) },
      { ...announced, bitcoinSignature1: spoil(announced.bitcoinSignature1) },
      { ...announced, bitcoinSignature2: spoil(announced.bitcoinSignature2) },
      // Signed, but of something else: features, id, keys and unknown fields behind them.
      { ...announced, features: Uint8Array.of(2) },
      { ...announced, shortChannelId: scid(2) },
      { ...announced, bitcoinKey1: announced.bitcoinKey2, bitcoinKey2: announced.bitcoinKey1 },
      { ...announced, extra: Uint8Array.of(1) },
      { ...announced, nodeId1: announced.nodeId2, nodeId2: announced.nodeId1 },
    ]
    for (const message of forged) {
      const gossip = machine()
      gossip.connected('peer', QUERIES, NOW)
      tell(gossip, message)
      expect([gossip.counts.forged, gossip.graph.channelCount]).toEqual([1, 0])
      tell(gossip, announced)
      expect(gossip.graph.channelCount).toBe(1)
      const update = updateOf(alice, bob, scid(1), SECONDS)
      tell(gossip, { ...update, feeBaseMsat: 0 }, { ...update, channelFlags: update.channelFlags ^ 1 })
      expect(gossip.counts.forged).toBe(3)
      expect(gossip.graph.policy(0) ?? gossip.graph.policy(1)).toBeUndefined()
      expect(gossip.take().map((e) => e.type)).toContain('hangUp')
      // Nothing more of that peer is taken.
      tell(gossip, update)
      expect(gossip.counts.accepted).toBe(1)
    }
  })

  test('another chain, the future, the past, and updates every second are refused without a signature being checked', () => {
    const gossip = machine()
    gossip.tick(NOW, 300)
    gossip.connected('peer', QUERIES, NOW)
    tell(gossip, announced)
    const before = gossip.signatures
    tell(
      gossip,
      { ...announced, chainHash: new Uint8Array(32) },
      announcementOf(alice, carol, scid(9, 302)),
      updateOf(alice, bob, scid(1), SECONDS + 90_000),
      updateOf(alice, bob, scid(1), SECONDS - 1_300_000),
      { ...updateOf(alice, bob, scid(1), SECONDS), chainHash: new Uint8Array(32) },
    )
    expect(gossip.signatures).toBe(before)
    expect(gossip.counts).toMatchObject({ wrongChain: 2, future: 2, stale: 1, forged: 0 })
    tell(gossip, updateOf(alice, bob, scid(1), SECONDS - 100))
    for (let i = 1; i < 50; i++) tell(gossip, updateOf(alice, bob, scid(1), SECONDS - 100 + i))
    expect(gossip.counts).toMatchObject({ accepted: 2, tooOften: 49 })
    // Switching a channel off is always news.
    const side = updateOf(alice, bob, scid(1), SECONDS).channelFlags
    tell(gossip, updateOf(alice, bob, scid(1), SECONDS - 40, { channelFlags: side | 2 }))
    expect(gossip.counts.accepted).toBe(3)
  })

  test('a rival announcement of the same output displaces nothing: the chain will decide', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    tell(gossip, announced, announcementOf(alice, carol, scid(1)))
    expect(gossip.counts.conflict).toBe(1)
    expect([...gossip.disputed]).toEqual([scid(1)])
    expect(gossip.graph.nodeOf(idOf(carol))).toBe(-1)
    expect(gossip.graph.nodeOf(idOf(bob))).not.toBe(-1)
  })

  test('a rival that nobody signed is forged, and no reason to ask anybody about the channel', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    const rival = announcementOf(alice, carol, scid(1))
    tell(gossip, announced, { ...rival, bitcoinSignature2: rival.bitcoinSignature1 })
    expect([gossip.counts.forged, gossip.counts.conflict, gossip.disputed.size]).toEqual([1, 0, 0])
  })

  test('a channel in the place of one that went has no terms yet: its first are taken, whatever their time', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    tell(
      gossip,
      announced,
      updateOf(alice, bob, scid(1), SECONDS + 5000),
      updateOf(bob, alice, scid(1), SECONDS),
    )
    gossip.graph.removeChannel(gossip.graph.channelAt(scid(1)))
    gossip.publishChannel(announcementOf(alice, carol, scid(2)), 1000)
    gossip.publishUpdate(updateOf(alice, carol, scid(2), SECONDS))
    const slot = gossip.graph.channelAt(scid(2))
    expect([0, 1].map((side) => gossip.graph.policy(2 * slot + side)?.timestamp)).toContain(SECONDS)
  })

  test('features that we do not know are kept out of routes', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    tell(gossip, announcementOf(alice, bob, scid(4), { features: encodeFeatures([200]) }))
    expect(gossip.graph.has(gossip.graph.channelAt(scid(4)), CHANNEL.unknownFeature)).toBe(true)
  })

  test('what waits is bounded, and what comes unasked too', () => {
    const gossip = machine()
    gossip.connected('peer', QUERIES, NOW)
    const bytes = encodeMessage(updateOf(alice, bob, scid(1), SECONDS))
    for (let i = 0; i < 10_000; i++) gossip.receive('peer', bytes)
    expect(gossip.status().queued).toBe(6000)
    expect(gossip.counts.dropped).toBe(4000)
  })

  test('messages of random bytes are answered with the end of the connection, never with a throw', () => {
    const random = seeded(3)
    for (let i = 0; i < 300; i++) {
      const gossip = machine()
      gossip.connected('peer', QUERIES, NOW)
      const type = random.pick([256, 257, 258, 261, 262, 263, 264, 265])
      const bytes = Uint8Array.of(type >> 8, type & 255, ...random.bytes(random.int(400)))
      expect(isGossip(bytes)).toBe(true)
      gossip.receive('peer', bytes)
      while (gossip.work(10, NOW));
      expect(gossip.graph.channelCount).toBe(0)
    }
    expect(isGossip(Uint8Array.of(1, 3, 0))).toBe(false)
    expect(isGossip(Uint8Array.of(0, 16))).toBe(false)
  })
})

describe('the sync', () => {
  const nodes = Array.from({ length: 12 }, (_, i) => keysOf(20 + i))
  const random = seeded(6)
  const pairs = Array.from({ length: 30 }, (_, n) => {
    const a = random.int(12)
    return { a: nodes[a]!, b: nodes[(a + 1 + random.int(11)) % 12]!, scid: scid(n + 1, 100 + 900 * n) }
  })
  function server(): Gossip {
    const gossip = machine({ shelf: 1000, flushMs: 0 })
    gossip.tick(NOW, 50_000)
    gossip.connected('peer', encodeFeatures([]), NOW)
    for (const { a, b, scid: id } of pairs)
      tell(
        gossip,
        announcementOf(a, b, id),
        updateOf(a, b, id, SECONDS - 5000),
        updateOf(b, a, id, SECONDS - 6000),
      )
    for (const keys of nodes) tell(gossip, nodeAnnouncementOf(keys, SECONDS - 7000))
    gossip.disconnected('peer')
    gossip.take()
    return gossip
  }
  const full = server()

  test('a wallet gets all of it by ranges and batches, and a second time asks for nothing', () => {
    expect(full.graph.channelCount).toBe(30)
    const phone = machine()
    full.connected('b', encodeFeatures([]), NOW)
    phone.connected('a', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    talk(full, phone)
    expect([phone.graph.channelCount, phone.graph.nodeCount]).toEqual([30, full.graph.nodeCount])
    expect(phone.status()).toMatchObject({ sync: 'done', nextBlock: 50_001 })
    expect(phone.counts).toMatchObject({ forged: 0, tooOften: 0, stale: 0, unknownChannel: 0 })
    expect(phone.signatures).toBe(30 * 6 + full.graph.nodeCount)
    // Six hours later everything is known: ranges are compared, nothing is fetched.
    const later = NOW + 7 * 3600_000
    phone.tick(later, 50_000)
    expect(talk(full, phone, later)).toBeLessThan(10)
    expect(phone.signatures).toBe(30 * 6 + full.graph.nodeCount)
  })

  test('cut off at any message it goes on where it was, with another peer', () => {
    for (const after of [1, 3, 7, 40, 41, 90]) {
      const phone = machine()
      full.connected('b', encodeFeatures([]), NOW)
      phone.connected('a', QUERIES, NOW)
      phone.tick(NOW, 50_000)
      let left = after
      for (let quiet = false; !quiet && left > 0; ) {
        quiet = true
        for (const effect of phone.take()) {
          if (effect.type === 'send') full.receive('b', effect.bytes)
          quiet = false
        }
        while (full.work(50, NOW));
        for (const effect of full.take()) {
          if (effect.type !== 'send' || left-- <= 0) continue
          phone.receive('a', effect.bytes)
          quiet = false
        }
        while (phone.work(50, NOW));
      }
      phone.disconnected('a')
      const { nextBlock } = phone.status()
      const again = new Gossip(phone.graph, { network: 'regtest', nodeId: idOf(keysOf(99)), nextBlock })
      again.connected('a', QUERIES, NOW)
      again.tick(NOW, 50_000)
      full.connected('b', encodeFeatures([]), NOW)
      talk(full, again)
      expect(again.graph.channelCount).toBe(30)
    }
  })

  test('updates that are newer elsewhere are fetched, and only those', () => {
    const phone = machine()
    full.connected('b', encodeFeatures([]), NOW)
    phone.connected('a', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    talk(full, phone)
    const before = phone.signatures
    const { a, b, scid: id } = pairs[4]!
    full.connected('peer', encodeFeatures([]), NOW)
    phone.disconnected('a')
    tell(full, updateOf(a, b, id, SECONDS, { feeBaseMsat: 77 }))
    full.take()
    const later = NOW + 7 * 3600_000
    phone.connected('a', QUERIES, later)
    full.connected('b', encodeFeatures([]), later)
    phone.tick(later, 50_000)
    talk(full, phone, later)
    const slot = phone.graph.channelAt(id)
    const fees = [2 * slot, 2 * slot + 1].map((e) => phone.graph.policy(e)?.feeBaseMsat)
    expect(fees.sort((x, y) => (x ?? 0) - (y ?? 0))).toEqual([77, 1000])
    expect(phone.signatures - before).toBe(1)
  })

  test('a peer that does not answer is left after a minute, and the next one is asked', () => {
    const phone = machine()
    phone.connected('a', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    expect(phone.status().syncPeer).toBe('a')
    phone.connected('c', QUERIES, NOW)
    phone.tick(NOW + 61_000, 50_000)
    phone.tick(NOW + 62_000, 50_000)
    expect(phone.status().syncPeer).toBe('c')
  })

  test('a peer that names ids without end is left', () => {
    const phone = machine()
    phone.connected('peer', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    const range = sent(phone).find((m) => m.type === 'query_channel_range')
    if (range?.type !== 'query_channel_range') throw new Error('no question')
    for (let i = 0; i < 20; i++) {
      tell(phone, {
        type: 'reply_channel_range',
        chainHash: range.chainHash,
        firstBlocknum: range.firstBlocknum,
        numberOfBlocks: 1,
        syncComplete: 0,
        shortChannelIds: Array.from({ length: 8000 }, (_, n) => scid(i * 8000 + n, 5)),
      })
    }
    phone.tick(NOW, 50_000)
    expect(phone.status().sync).toBe('idle')
  })

  test('a peer that always says that there is more to come is left after five minutes', () => {
    const phone = machine()
    phone.connected('peer', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    const { chainHash } = announcementOf(alice, bob, scid(1))
    const more = { type: 'reply_channel_range', chainHash, firstBlocknum: 0, numberOfBlocks: 1 } as const
    let left = 0
    for (; phone.status().sync === 'running' && left < 1000; left += 30) {
      phone.receive('peer', encodeMessage({ ...more, syncComplete: 0, shortChannelIds: [] }))
      while (phone.work(10, NOW + left * 1000));
      phone.tick(NOW + left * 1000, 50_000)
    }
    expect(left).toBeGreaterThan(300)
    expect(left).toBeLessThan(400)
  })

  test('a run that begins hours after the last pass asks again for all: terms changed while nobody was here', () => {
    const first = machine()
    full.connected('b', encodeFeatures([]), NOW)
    first.connected('a', QUERIES, NOW)
    first.tick(NOW, 50_000)
    talk(full, first)
    const { nextBlock, passAt } = first.status()
    expect([nextBlock, passAt]).toEqual([50_001, NOW])
    const { a, b, scid: id } = pairs[7]!
    const later = NOW + 7 * 3600_000
    full.connected('peer', encodeFeatures([]), NOW)
    tell(full, updateOf(a, b, id, SECONDS + 3600, { feeBaseMsat: 78 }))
    full.take()
    const place = { nextBlock, ...(passAt === undefined ? {} : { passAt }) }
    const again = new Gossip(first.graph, { network: 'regtest', nodeId: idOf(keysOf(99)), ...place })
    full.connected('b', encodeFeatures([]), later)
    again.connected('a', QUERIES, later)
    for (let i = 0; i < 2; i++) {
      again.tick(later, 50_000)
      talk(full, again, later)
    }
    const slot = again.graph.channelAt(id)
    expect([2 * slot, 2 * slot + 1].map((e) => again.graph.policy(e)?.feeBaseMsat)).toContain(78)
    expect(again.status().passAt).toBe(later)
  })

  test('what the first peer left out the second is asked for ten minutes later, whichever it was', () => {
    const empty = machine({ shelf: 1000 })
    empty.tick(NOW, 50_000)
    const phone = machine()
    empty.connected('b', encodeFeatures([]), NOW)
    phone.connected('a', QUERIES, NOW)
    phone.tick(NOW, 50_000)
    talk(empty, phone)
    expect(phone.status()).toMatchObject({ sync: 'done' })
    phone.disconnected('a')
    for (const [name, features] of [
      ['mute', encodeFeatures([])],
      ['b', QUERIES],
    ] as const)
      phone.connected(name, features, NOW)
    full.connected('a', encodeFeatures([]), NOW)
    const talkTo = (now: number) => {
      phone.tick(now, 50_000)
      for (let quiet = false; !quiet; ) {
        quiet = true
        for (const effect of phone.take())
          if (effect.type === 'send' && effect.nodeId === 'b') full.receive('a', effect.bytes)
        while (full.work(50, now));
        for (const effect of full.take()) {
          if (effect.type === 'send' && effect.nodeId === 'a') phone.receive('b', effect.bytes)
          quiet = false
        }
        while (phone.work(50, now));
      }
    }
    talkTo(NOW + 60_000)
    expect(phone.graph.channelCount).toBe(0)
    talkTo(NOW + 11 * 60_000)
    expect(phone.graph.channelCount).toBe(30)
  })

  test('who serves others gets again after a restart what it had as it came, though the graph is here', () => {
    const node = machine({ shelf: 1000 })
    full.connected('b', encodeFeatures([]), NOW)
    node.connected('a', QUERIES, NOW)
    node.tick(NOW, 50_000)
    talk(full, node)
    expect(node.shelf.channels.size).toBe(30)
    const again = new Gossip(node.graph, { network: 'regtest', nodeId: idOf(keysOf(99)), shelf: 1000 })
    full.connected('b', encodeFeatures([]), NOW)
    again.connected('a', QUERIES, NOW)
    again.tick(NOW, 50_000)
    talk(full, again)
    expect(again.shelf.channels.size).toBe(30)
    expect(
      [...again.shelf.channels.values()].every((c) => c.announcement && c.updates[0] && c.updates[1]),
    ).toBe(true)
  })

  test('gossip of others goes only to whoever asked for it, announcement first; our own to everybody', () => {
    const gossip = machine({ shelf: 1000, flushMs: 0 })
    for (const name of ['peer', 'mute', 'curious']) gossip.connected(name, encodeFeatures([]), NOW)
    const heard = (name: string) =>
      gossip.take().flatMap((e) => {
        if (e.type !== 'send' || e.nodeId !== name) return []
        const decoded = decodeMessage(e.bytes)
        return decoded.ok ? [decoded.value.type] : []
      })
    gossip.receive(
      'curious',
      encodeMessage({
        type: 'gossip_timestamp_filter',
        chainHash: announcementOf(alice, bob, scid(1)).chainHash,
        firstTimestamp: SECONDS - 10,
        timestampRange: 500,
      }),
    )
    tell(gossip, announcementOf(alice, bob, scid(1)), updateOf(alice, bob, scid(1), SECONDS))
    gossip.tick(NOW, 300)
    expect(heard('curious')).toEqual(['channel_announcement', 'channel_update'])
    tell(gossip, updateOf(bob, alice, scid(1), SECONDS - 11))
    gossip.tick(NOW, 300)
    expect(heard('curious')).toEqual([])
    // Private terms stay private.
    tell(gossip, updateOf(bob, alice, scid(1), SECONDS + 100, { messageFlags: 3 }))
    gossip.tick(NOW, 300)
    expect(gossip.take()).toEqual([])
  })
})
