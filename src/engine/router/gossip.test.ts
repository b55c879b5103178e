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
