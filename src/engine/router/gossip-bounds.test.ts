import { describe, expect, test } from 'vitest'
import { generateNetwork } from '../../testing/network/generate.ts'
import { announcementOf, idOf, keysOf, updateOf } from '../../testing/network/signed.ts'
import { encodeFeatures } from '../wire/features.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeMessage } from '../wire/encode.ts'
import { Gossip } from './gossip.ts'
import { createGraph, type Graph } from './graph.ts'
import { markAllDirty, takeWrites } from './graph-records.ts'
import { CHANNEL, MAX_CHANNELS, MAX_NODES } from './graph-terms.ts'

/** What keeps gossip within a phone: slices, memory, storage. */

const NOW = 1_760_000_000_000
const QUERIES = encodeFeatures([7])
const scid = (n: number): bigint => (200n << 40n) | BigInt(n)
const [alice, bob] = [keysOf(1), keysOf(2)]

function machine(graph: Graph = createGraph()): Gossip {
  const gossip = new Gossip(graph, { network: 'regtest', nodeId: idOf(keysOf(99)) })
  gossip.tick(NOW, 300)
  return gossip
}

describe('slices', () => {
  test('work takes as many messages as it is told to and no more, from each peer in turn', () => {
    const gossip = machine()
    for (const peer of ['a', 'b']) gossip.connected(peer, QUERIES, NOW)
    const update = encodeMessage(updateOf(alice, bob, scid(1), NOW / 1000))
    for (let i = 0; i < 50; i++) gossip.receive('a', update)
    for (let i = 0; i < 3; i++) gossip.receive('b', update)
    expect(gossip.work(6, NOW)).toBe(true)
    // Whoever sends much does not keep others waiting: b is through.
    expect([gossip.counts.unknownChannel, gossip.status().queued]).toEqual([6, 47])
    expect(gossip.work(47, NOW)).toBe(false)
    expect(gossip.status().queued).toBe(0)
  })

  test('records are taken a few at a time, nodes before the channels that name them, until nothing is left', () => {
    const { graph } = generateNetwork({ nodes: 1200, channels: 3000, seed: 4 })
    markAllDirty(graph)
    const keys: string[] = []
    for (let writes = takeWrites(graph, 4); writes.length > 0; writes = takeWrites(graph, 4)) {
      expect(writes.length).toBeLessThanOrEqual(4)
      keys.push(...writes.map((w) => w.key.slice(6, 7)))
    }
    expect(keys.join('')).toMatch(/^n+c+p+$/)
  })
})

describe('memory and storage', () => {
  test('grow with the network: at worst 400 bytes a channel in memory and 170 on disk, nodes included', () => {
    const { graph } = generateNetwork({ nodes: 1200, channels: 4000, seed: 4 })
    // Arrays double: at worst half of them is empty.
    expect(graph.bytes() / graph.channelCount).toBeLessThan(400)
    markAllDirty(graph)
    const bytes = takeWrites(graph).reduce((sum, w) => sum + (w.value?.length ?? 0), 0)
    expect(bytes / graph.channelCount).toBeLessThan(170)
  })

  test('end at ten times today’s network: what is signed pushes hints out, and after them nothing comes in', () => {
    const graph = createGraph()
    const hint = (n: number) =>
      graph.addChannel({
        scid: scid(n),
        nodeId1: keysOf(10 + n).id,
        nodeId2: keysOf(50 + n).id,
        capacitySat: 0,
        witnessProgram: new Uint8Array(32),
        flags: 0,
      })
    hint(1)
    hint(2)
    const gossip = machine(graph)
    gossip.connected('peer', QUERIES, NOW)
    const tell = (n: number): void => {
      gossip.receive('peer', encodeMessage(announcementOf(alice, bob, scid(n))))
      while (gossip.work(10, NOW));
    }
    // As if all the others were there.
    graph.channelCount += MAX_CHANNELS - 2
    tell(7)
    tell(8)
    expect([graph.hintCount, gossip.counts.accepted, gossip.counts.full]).toEqual([0, 2, 0])
    tell(9)
    expect([gossip.counts.full, graph.channelAt(scid(9))]).toEqual([1, -1])
    graph.channelCount -= MAX_CHANNELS - 2
    graph.nodeCount += MAX_NODES - 2
    tell(9)
    expect(gossip.counts.full).toBe(2)
    graph.nodeCount -= MAX_NODES - 2
    tell(9)
    expect(graph.has(graph.channelAt(scid(9)), CHANNEL.signed)).toBe(true)
  })

  test('of what one peer sends waits so many bytes, not only so many messages', () => {
    const gossip = machine()
    for (const peer of ['a', 'b']) gossip.connected(peer, QUERIES, NOW)
    const long = encodeMessage(announcementOf(alice, bob, scid(1), { features: new Uint8Array(60_000) }))
    for (let i = 0; i < 1000; i++) gossip.receive('a', long)
    expect(gossip.status().queued).toBe(Math.floor(8_000_000 / long.length))
    gossip.receive('b', long)
    expect(gossip.status().queued).toBe(Math.floor(8_000_000 / long.length) + 1)
    while (gossip.work(1000, NOW));
    for (let i = 0; i < 10; i++) gossip.receive('a', long)
    expect(gossip.status().queued).toBe(10)
  })

  test('what is longer than any true announcement counts, and is not kept for others', () => {
    const gossip = new Gossip(createGraph(), { network: 'regtest', nodeId: idOf(keysOf(99)), shelf: 100 })
    gossip.tick(NOW, 300)
    gossip.connected('a', QUERIES, NOW)
    const features = new Uint8Array(20_000)
    for (const [n, change] of [{}, { features }].entries())
      gossip.receive('a', encodeMessage(announcementOf(alice, bob, scid(n), change)))
    while (gossip.work(10, NOW));
    expect([gossip.graph.channelCount, [...gossip.shelf.channels.keys()]]).toEqual([2, [scid(0)]])
  })

  test('questions cost whoever asks them: after so many about ranges the answer is that it is not full', () => {
    const gossip = new Gossip(createGraph(), { network: 'regtest', nodeId: idOf(keysOf(99)), shelf: 100 })
    gossip.tick(NOW, 300)
    gossip.connected('a', QUERIES, NOW)
    gossip.receive('a', encodeMessage(announcementOf(alice, bob, scid(1))))
    gossip.receive('a', encodeMessage(updateOf(alice, bob, scid(1), NOW / 1000)))
    const { chainHash } = announcementOf(alice, bob, scid(1))
    const question = {
      type: 'query_channel_range',
      chainHash,
      firstBlocknum: 0,
      numberOfBlocks: 900,
    } as const
    const answers = (count: number, now: number): number[] => {
      for (let i = 0; i < count; i++) gossip.receive('a', encodeMessage(question))
      while (gossip.work(1000, now));
      return gossip.take().flatMap((effect) => {
        const decoded = effect.type === 'send' ? decodeMessage(effect.bytes) : undefined
        const reply = decoded?.ok === true ? decoded.value : undefined
        return reply?.type === 'reply_channel_range'
          ? [reply.syncComplete * 10 + reply.shortChannelIds.length]
          : []
      })
    }
    expect(new Set(answers(1000, NOW))).toEqual(new Set([11]))
    const flood = answers(4000, NOW)
    expect(flood.length).toBe(4000)
    expect(flood.filter((a) => a === 11).length).toBeLessThan(2100)
    expect(flood.at(-1)).toBe(0)
    expect(answers(1, NOW + 1000)).toEqual([11])
  })
})
