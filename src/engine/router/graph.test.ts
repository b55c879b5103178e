import { expect, test } from 'vitest'
import { generateNetwork } from '../../testing/network/generate.ts'
import { seeded } from '../../testing/random.ts'
import { createGraph, type Graph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { decodeHistory, encodeHistory, isDirty, loadGraph, takeWrites } from './graph-records.ts'
import { probabilityOf } from './history.ts'
import { pruneSlice, STALE_SECONDS } from './prune.ts'
import type { History } from './types.ts'
import { msat } from '../base/units.ts'

/** Everything that can be seen of a graph, whatever slots it is in. */
function seen(graph: Graph): string[] {
  const lines: string[] = []
  for (let c = 0; c < graph.channelSlots; c++) {
    if (!graph.has(c, CHANNEL.used)) continue
    const nodes = [2 * c, 2 * c + 1].map((e) => graph.nodeId(graph.ends[e] as number))
    const policies = [2 * c, 2 * c + 1].map((e) => graph.policy(e) ?? null)
    const program = Buffer.from(graph.programs.subarray(32 * c, 32 * c + 32)).toString('hex')
    lines.push(
      JSON.stringify([
        `${graph.scid(c)}`,
        nodes,
        graph.capacity[c],
        graph.channelFlags[c],
        program,
        policies,
      ]),
    )
  }
  return lines.sort()
}

/** Each node's list holds exactly its channels, and every name is found. */
function checkWhole(graph: Graph): void {
  const degrees = new Map<number, number>()
  let channels = 0
  for (let c = 0; c < graph.channelSlots; c++) {
    if (!graph.has(c, CHANNEL.used)) continue
    channels++
    expect(graph.channelAt(graph.scid(c))).toBe(c)
    for (const e of [2 * c, 2 * c + 1])
      degrees.set(graph.ends[e] as number, (degrees.get(graph.ends[e] as number) ?? 0) + 1)
  }
  expect(graph.channelCount).toBe(channels)
  expect(graph.nodeCount).toBe(degrees.size)
  for (const [node, degree] of degrees) {
    expect(graph.nodeOf(graph.nodeId(node))).toBe(node)
    let length = 0
    for (let e = graph.first[node] as number; e !== -1; e = graph.halves.after(e)) {
      expect(graph.ends[e]).toBe(node)
      length++
    }
    expect(length).toBe(degree)
    expect(graph.degree[node]).toBe(degree)
  }
}

test('channels come and go by thousands, and all that is left is found, also after a reload', () => {
  const { graph } = generateNetwork({ nodes: 300, channels: 1000, seed: 1 })
  checkWhole(graph)
  const random = seeded(2)
  const store = new Map<string, Uint8Array>()
  const save = () => {
    for (const { key, value } of takeWrites(graph)) {
      if (value === undefined) store.delete(key)
      else store.set(key, value)
    }
  }
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 250; i++) {
      const slot = random.int(graph.channelSlots)
      if (random.bool(0.6)) graph.removeChannel(slot)
      else
        graph.addChannel({
          scid: BigInt(round * 1000 + i),
          nodeId1: Uint8Array.of(2, ...random.bytes(32)),
          nodeId2: graph.nodeIds.slice(33 * 5, 33 * 6),
          capacitySat: 0,
          witnessProgram: random.bytes(32),
          flags: 0,
        })
    }
    checkWhole(graph)
    save()
    expect(isDirty(graph)).toBe(false)
    const again = loadGraph(store)
    checkWhole(again)
    expect(seen(again)).toEqual(seen(graph))
    expect(isDirty(again)).toBe(false)
  }
  for (let c = 0; c < graph.channelSlots; c++) graph.removeChannel(c)
  expect([graph.channelCount, graph.nodeCount]).toEqual([0, 0])
  save()
  expect(store.size).toBe(0)
})

test('one update rewrites one chunk of tens of kilobytes', () => {
  const { graph } = generateNetwork({ nodes: 1200, channels: 4000, seed: 1 })
  const all = takeWrites(graph)
  expect(all.length).toBeGreaterThan(15)
  const policy = graph.policy(4242)
  if (policy === undefined) throw new Error('no policy')
  graph.setPolicy(4242, { ...policy, feeBaseMsat: 1 })
  const writes = takeWrites(graph)
  expect(writes.map((w) => w.key)).toEqual(['graph/p/0004'])
  expect(writes[0]?.value?.length).toBeLessThan(40_000)
})

test('a store with missing, cut or foreign records gives a smaller graph that is whole', () => {
  const { graph } = generateNetwork({ nodes: 560, channels: 1100, seed: 4 })
  const records = takeWrites(graph).map((w) => [w.key, w.value as Uint8Array] as const)
  for (let i = 0; i < records.length; i++) {
    const spoilt = records.map(([key, value], j) => {
      if (j !== i) return [key, value] as const
      return [key, i % 2 === 0 ? value.slice(0, value.length - 7) : Uint8Array.of(9)] as const
    })
    const loaded = loadGraph([...spoilt, ['graph/x', new Uint8Array(3)], ['graph/c/9999', records[0]![1]]])
    checkWhole(loaded)
    expect(loaded.channelCount).toBeLessThanOrEqual(graph.channelCount)
    // A policy that is gone leaves its channel.
    if (records[i]?.[0].startsWith('graph/p')) expect(loaded.channelCount).toBe(graph.channelCount)
  }
})

test('two weeks after the older of its updates a channel goes; spent ones after 72 blocks; slice by slice', () => {
  const now = 1_760_000_000
  const graph = createGraph()
  const add = (n: number, times: readonly (number | undefined)[]) => {
    const slot = graph.addChannel({
      scid: (800_000n << 40n) | BigInt(n),
      nodeId1: new Uint8Array(33).fill(2),
      nodeId2: new Uint8Array(33).fill(3),
      capacitySat: 1,
      witnessProgram: new Uint8Array(32),
      flags: CHANNEL.signed,
    })
    const rest = { disabled: false, cltvExpiryDelta: 1, feeBaseMsat: 0, feeProportionalMillionths: 0 }
    times.forEach((timestamp, side) => {
      if (timestamp !== undefined)
        graph.setPolicy(2 * slot + side, { ...rest, timestamp, htlcMinimumMsat: 0, htlcMaximumMsat: 1 })
    })
    return slot
  }
  const fresh = now - STALE_SECONDS
  add(1, [fresh, now])
  add(2, [fresh - 1, now])
  add(3, [undefined, fresh])
  add(4, [undefined, fresh - 1])
  add(5, [undefined, undefined])
  const spent = add(6, [now, now])
  graph.mark(spent, CHANNEL.spent)
  graph.spentHeight[spent] = 800_100
  const prune = (height: number) => {
    for (let from: number | undefined = 0; from !== undefined; )
      from = pruneSlice(graph, { nowSeconds: now, height }, from, 2).next
    return seen(graph).map((line) => Number(BigInt(JSON.parse(line)[0] as string) & 0xffn))
  }
  expect(prune(800_171)).toEqual([1, 3, 5, 6])
  expect(prune(800_172)).toEqual([1, 3, 5])
  expect(prune(802_017)).toEqual([1, 3])
  expect(graph.nodeCount).toBe(2)
})

test('what was learnt is stored and read again; a record of something else is nothing', () => {
  const id = '02'.padEnd(66, 'a')
  const history: History = {
    pairs: { [`${id}>${id}`]: { from: id, to: id, failedMsat: msat(5), failedAt: 7 } },
  }
  expect(decodeHistory(encodeHistory(history))).toEqual(history)
  expect(decodeHistory(Uint8Array.of(1, 0xc0))).toEqual({ pairs: {} })
  expect(decodeHistory(encodeHistory({ pairs: { x: { from: 'x', to: id } } }))).toEqual({ pairs: {} })
})

test('chances: less for more, hardly any beyond what failed, all of it below what passed, and knowledge fades', () => {
  const pair = {
    from: 'a',
    to: 'b',
    passedMsat: msat(2000),
    passedAt: 0,
    failedMsat: msat(6000),
    failedAt: 0,
  }
  const at = (amount: number, now = 0) => probabilityOf(amount, 10_000, pair, now)
  expect(at(2000)).toBeGreaterThan(0.98)
  expect(at(3000)).toBeGreaterThan(at(5000))
  expect(at(6000)).toBe(0)
  // It may have been full for a moment, and that is over soon: any amount may be tried where there is nothing better.
  expect(at(6000, 1000)).toBeCloseTo(0.01)
  expect(at(10_000, 10_000)).toBeCloseTo(0.02)
  expect(at(10_001, 10_000)).toBe(0)
  expect(probabilityOf(6000, 10_000, { ...pair, failedMsat: msat(0) }, 10_000)).toBeLessThan(0.001)
  expect(at(6000, 3600_000)).toBeGreaterThan(0)
  const forgotten = 400 * 24 * 3600_000
  expect(at(6000, forgotten)).toBeCloseTo(probabilityOf(6000, 10_000, undefined, 0), 2)
  expect(probabilityOf(10_001, 10_000, undefined, 0)).toBe(0)
})

test('where nodes are reached is there after a restart; what is no address is not', () => {
  const graph = createGraph()
  const keys = [1, 2].map((n) => Uint8Array.from({ length: 33 }, (_, i) => (i === 0 ? 2 : n)))
  const [nodeId1, nodeId2] = keys as [Uint8Array, Uint8Array]
  const witnessProgram = new Uint8Array(32)
  graph.addChannel({ scid: 5n, nodeId1, nodeId2, capacitySat: 0, witnessProgram, flags: CHANNEL.signed })
  graph.setNode(graph.nodeAt(nodeId1), 7, 0, new Uint8Array(32), 'node.example:9735')
  graph.setNode(graph.nodeAt(nodeId2), 7, 0, new Uint8Array(32), `${'a'.repeat(400)}:1`)
  const records = takeWrites(graph).map((w) => [w.key, w.value as Uint8Array] as const)
  const again = loadGraph(records)
  expect(again.addressOf(again.nodeId(again.nodeAt(nodeId1)))).toBe('node.example:9735')
  expect(again.addressOf(again.nodeId(again.nodeAt(nodeId2)))).toBeUndefined()
})
