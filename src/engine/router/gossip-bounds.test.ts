import { describe, expect, test } from 'vitest'
import { generateNetwork } from '../../testing/network/generate.ts'
import { announcementOf, idOf, keysOf, updateOf } from '../../testing/network/signed.ts'
import { encodeFeatures } from '../wire/features.ts'
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
})
