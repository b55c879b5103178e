import { describe, expect, test } from 'vitest'
import { generateNetwork } from '../../testing/network/generate.ts'
import { announcementOf, idOf, keysOf, updateOf } from '../../testing/network/signed.ts'
import { seeded } from '../../testing/random.ts'
import { concat, uintBE } from '../base/bytes.ts'
import { msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { encodeMessage } from '../wire/encode.ts'
import { encodeFeatures } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import { Gossip } from './gossip.ts'
import { createGraph, type Graph } from './graph.ts'
import { loadGraph, markAllDirty, takeWrites } from './graph-records.ts'
import { CHANNEL, NO_LIMIT_MSAT } from './graph-terms.ts'
import { findPath } from './path.ts'
import { MAX_SNAPSHOT_BYTES, SNAPSHOT_PREFIX, SnapshotReader } from './snapshot.ts'
import { writeSnapshot } from './snapshot-write.ts'
import type { PathRequest } from './types.ts'

const NOW = 1_760_100_000
const chainHash = NETWORKS.regtest.chainHash
const at = { chainHash, nowSeconds: NOW, height: 0 }
const network = () => generateNetwork({ nodes: 60, channels: 200, seed: 5, timestamp: NOW - 1000 }).graph

function read(graph: Graph, bytes: Uint8Array, most = 1000, when = at) {
  const reader = new SnapshotReader(graph, bytes, when)
  for (let steps = 1; ; steps++) {
    const result = reader.step(most)
    if (!result.ok) return { fault: result.error, reader, steps }
    if (result.value) return { fault: undefined, reader, steps }
  }
}

/** All that a graph says, in no order; without what only its owner can know. */
function contents(graph: Graph): readonly string[] {
  const all: string[] = []
  for (let c = 0; c < graph.channelSlots; c++) {
    if (!graph.has(c, CHANNEL.used)) continue
    const ends = [0, 1].map((side) => graph.nodeId(graph.ends[2 * c + side] as number))
    const terms = [0, 1].map((side) => {
      const policy = graph.policy(2 * c + side)
      return policy === undefined ? 'none' : JSON.stringify({ ...policy, timestamp: 0 })
    })
    all.push([graph.scid(c), ...ends, ...terms].join(' '))
  }
  return all.sort()
}

const flagsOf = (graph: Graph): number => {
  let all = 0
  for (let c = 0; c < graph.channelSlots; c++) all |= graph.channelFlags[c] as number
  return all
}

describe('a snapshot', () => {
  test('brings channels and terms as they are, and marks nothing as checked', () => {
    const from = network()
    from.setPolicy(0, {
      ...(from.policy(0) as NonNullable<ReturnType<Graph['policy']>>),
      htlcMaximumMsat: NO_LIMIT_MSAT,
    })
    const bytes = writeSnapshot(from, chainHash, NOW)
    const graph = createGraph()
    const { fault, reader } = read(graph, bytes)
    expect(fault).toBeUndefined()
    expect(reader.latestSeen).toBe(NOW)
    expect(contents(graph)).toEqual(contents(from))
    expect([graph.hintCount, reader.counts.hints]).toEqual([200, 200])
    expect(flagsOf(graph) & (CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent)).toBe(0)
    expect(graph.policy(0)?.timestamp).toBe(NOW - 7 * 86_400)
    // Stored and loaded, hints are still hints.
    markAllDirty(graph)
    const again = loadGraph(takeWrites(graph).map((w) => [w.key, w.value as Uint8Array]))
    expect([again.hintCount, flagsOf(again)]).toEqual([200, flagsOf(graph)])
  })

  test('is read in slices of any size, and again from the start after an end in the middle, to the same', () => {
    const bytes = writeSnapshot(network(), chainHash, NOW)
    const whole = createGraph()
    read(whole, bytes)
    for (const most of [1, 7, 100]) {
      const graph = createGraph()
      const reader = new SnapshotReader(graph, bytes, at)
      for (let i = 0; i < 5; i++) reader.step(most)
      const { steps } = read(graph, bytes, most)
      expect(steps).toBeGreaterThan(5)
      expect(contents(graph)).toEqual(contents(whole))
    }
    // A third time there is nothing to write.
    takeWrites(whole)
    const third = read(whole, bytes)
    expect([third.reader.counts.hints, third.reader.counts.taken, takeWrites(whole).length]).toEqual([
      0, 0, 0,
    ])
  })

  test('tells what has changed: an update says only what is new, of a hint that is here', () => {
    const graph = createGraph()
    read(graph, writeSnapshot(network(), chainHash, NOW))
    const slot = 3
    const before = graph.policy(2 * slot)
    const scid = graph.scid(slot)
    const big = (n: bigint) => concat(Uint8Array.of(0xff), uintBE(n, 8))
    const incremental = concat(
      SNAPSHOT_PREFIX,
      chainHash,
      uintBE(NOW + 100, 4),
      new Uint8Array(8),
      uintBE(3, 4),
      // Defaults, which an incremental update does not look at.
      new Uint8Array(26),
      // A new base fee; of a channel that nobody knows; and of the other end, switched off.
      big(scid),
      Uint8Array.of(0x80 | 0x10),
      uintBE(4242, 4),
      Uint8Array.of(1, 0x80 | 0x40, 0, 9),
      Uint8Array.of(0, 0x80 | 1 | 2),
    )
    expect(read(graph, incremental).fault).toBeUndefined()
    expect(graph.policy(2 * slot)).toEqual({
      ...before,
      feeBaseMsat: 4242,
      timestamp: NOW - 7 * 86_400,
    })
    expect(graph.channelAt(scid + 1n)).toBe(-1)
  })

  test('of another chain or version, too large, from the future, cut or garbled is refused, and never throws', () => {
    const bytes = writeSnapshot(network(), chainHash, NOW)
    const fault = (b: Uint8Array, when = at) => read(createGraph(), b, 50, when).fault
    expect(fault(bytes, { ...at, chainHash: NETWORKS.bitcoin.chainHash })).toBe('chain')
    expect(fault(bytes.map((b, i) => (i === 3 ? 2 : b)))).toBe('version')
    expect(fault(bytes, { ...at, nowSeconds: NOW - 200_000 })).toBe('future')
    expect(fault(new Uint8Array(0))).toBe('malformed')
    expect(fault(concat(bytes, new Uint8Array(MAX_SNAPSHOT_BYTES)))).toBe('tooLarge')
    // Counts beyond all bounds cost no memory: 2^32 − 1 nodes, channels, updates.
    const head = bytes.slice(0, 40)
    expect(fault(concat(head, uintBE(0xffff_ffff, 4)))).toBe('tooLarge')
    expect(fault(concat(head, uintBE(0, 4), uintBE(0xffff_ffff, 4)))).toBe('malformed')
    for (let cut = 0; cut < bytes.length - 1; cut += 397) expect(fault(bytes.slice(0, cut))).toBe('malformed')
    const random = seeded(3)
    for (let i = 0; i < 80; i++) {
      const garbled = bytes.slice()
      for (let n = 0; n < 3; n++) garbled[40 + random.int(bytes.length - 40)] = random.int(256)
      const graph = createGraph()
      read(graph, garbled, 50)
      expect(flagsOf(graph) & (CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent)).toBe(0)
    }
  })

  test('names no channel ahead of our tip', () => {
    const graph = createGraph()
    const { reader } = read(graph, writeSnapshot(network(), chainHash, NOW), 1000, { ...at, height: 500_100 })
    expect(reader.counts.channels).toBe(200)
    expect([reader.counts.hints > 0, reader.counts.hints < 20]).toEqual([true, true])
  })
})

describe('a lying snapshot', () => {
  const [alice, bob, mallory] = [keysOf(1), keysOf(2), keysOf(3)]
  const scid = (200n << 40n) | 1n
  const announced = announcementOf(alice, bob, scid)
  const update = updateOf(alice, bob, scid, NOW - 3600)

  /** What Mallory's server says: the channel of two others is hers, as good as free, and leads to bob. */
  function lie(): Uint8Array {
    const graph = createGraph()
    const add = (a: typeof alice, b: typeof alice, id: bigint) => {
      const { nodeId1, nodeId2 } = announcementOf(a, b, id)
      const slot = graph.addChannel({
        scid: id,
        nodeId1,
        nodeId2,
        capacitySat: 0,
        witnessProgram: new Uint8Array(32),
        flags: CHANNEL.signed,
      })
      for (const edge of [2 * slot, 2 * slot + 1])
        graph.setPolicy(edge, {
          timestamp: NOW,
          disabled: false,
          cltvExpiryDelta: 6,
          feeBaseMsat: 0,
          feeProportionalMillionths: 0,
          htlcMinimumMsat: 0,
          htlcMaximumMsat: NO_LIMIT_MSAT,
        })
    }
    add(alice, mallory, scid)
    add(alice, bob, scid + 1n)
    return writeSnapshot(graph, chainHash, NOW)
  }

  const request: PathRequest = {
    source: idOf(keysOf(50)),
    target: idOf(bob),
    amountMsat: msat(1_000_000),
    height: 300,
    finalCltvDelta: 18,
    maxFeeMsat: msat(100_000),
    localChannels: [{ channelId: 'c', scid: 9n, peer: idOf(alice), spendableMsat: msat(9_000_000) }],
    now: NOW * 1000,
  }

  function wallet(): Gossip {
    const gossip = new Gossip(createGraph(), { network: 'regtest', nodeId: idOf(keysOf(50)) })
    gossip.tick(NOW * 1000, 300)
    gossip.connected('peer', encodeFeatures([7]), NOW * 1000)
    // Everything has been asked for once.
    gossip.tick(NOW * 1000, 300)
    finishSync(gossip)
    gossip.take()
    return gossip
  }
  /** The peer has nothing to say. */
  function finishSync(gossip: Gossip): void {
    for (let asked = gossip.take(); asked.length > 0; asked = gossip.take()) {
      if (gossip.status().sync !== 'running') return
      const reply: Message = {
        type: 'reply_channel_range',
        chainHash,
        firstBlocknum: 0,
        numberOfBlocks: 0xffff_ffff,
        syncComplete: 1,
        shortChannelIds: [],
      }
      gossip.receive('peer', encodeMessage(reply))
      while (gossip.work(10, NOW * 1000));
    }
  }
  const tell = (gossip: Gossip, ...messages: readonly Message[]): void => {
    for (const message of messages) gossip.receive('peer', encodeMessage(message))
    while (gossip.work(10, NOW * 1000));
  }

  test('brings no payment on a way that nobody signed', () => {
    const { graph } = wallet()
    read(graph, lie())
    const found = findPath(graph, request)
    expect(found.ok).toBe(false)
    // It is seen as a way that might be, which is what it is there for.
    expect(findPath(graph, { ...request, unverified: true })).toMatchObject({
      ok: true,
      value: { route: { hops: [{ scid: 9n }, { scid: scid + 1n }] } },
    })
  })

  test('changes nothing of what was signed: ends, terms, steps', () => {
    const gossip = wallet()
    tell(gossip, announced, update)
    const before = contents(gossip.graph)
    const flags = flagsOf(gossip.graph)
    read(gossip.graph, lie())
    expect(contents(gossip.graph).filter((line) => line.startsWith(`${scid} `))).toEqual(before)
    expect(flagsOf(gossip.graph)).toBe(flags)
    const found = findPath(gossip.graph, request)
    expect(found).toMatchObject({ ok: true, value: { route: { hops: [{ scid: 9n }, { scid }] } } })
  })

  test('gives way to what is signed: other ends, and none of its terms remain', () => {
    const gossip = wallet()
    read(gossip.graph, lie())
    // Terms alone are no use while nobody has signed the channel.
    tell(gossip, update)
    expect(gossip.counts.unknownChannel).toBe(1)
    tell(gossip, announced)
    const slot = gossip.graph.channelAt(scid)
    expect(gossip.graph.has(slot, CHANNEL.signed)).toBe(true)
    expect(gossip.graph.has(slot, CHANNEL.proven)).toBe(false)
    expect([0, 1].map((side) => gossip.graph.policy(2 * slot + side))).toEqual([undefined, undefined])
    tell(gossip, update)
    expect(contents(gossip.graph)[0]).toContain(idOf(bob))
  })

  test('is asked about before it is used: a peer has to give the signatures, and of what is signed nobody asks', () => {
    const gossip = wallet()
    read(gossip.graph, lie())
    const ids = (): readonly bigint[] =>
      gossip.take().flatMap((e) => {
        if (e.type !== 'send' || e.bytes[1] !== 5) return []
        return [new DataView(e.bytes.buffer, e.bytes.byteOffset).getBigUint64(37)]
      })
    gossip.want([scid + 1n, 77n], NOW * 1000)
    expect(ids()).toEqual([scid + 1n])
    tell(gossip, announcementOf(alice, bob, scid + 1n), updateOf(alice, bob, scid + 1n, NOW - 60))
    expect(findPath(gossip.graph, request).ok).toBe(true)
    gossip.want([scid + 1n], NOW * 1000)
    expect(ids()).toEqual([])
  })
})
