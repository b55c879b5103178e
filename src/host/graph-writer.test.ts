import { expect, test } from 'vitest'
import { generateNetwork } from '../testing/network/generate.ts'
import { seeded } from '../testing/random.ts'
import { loadGraph } from '../engine/router/graph-records.ts'
import { markAllDirty } from '../engine/router/graph-records.ts'
import { createGraphWriter, type SyncPlace, storedPlace } from './graph-writer.ts'

const NONE: SyncPlace = { nextBlock: 0, passAt: undefined }

test('where the sync stands is written with the last of what it had brought, though something changes all the time', () => {
  const { graph } = generateNetwork({ nodes: 3000, channels: 9000, seed: 2 })
  markAllDirty(graph)
  let place: SyncPlace = { nextBlock: 700, passAt: 5 }
  const writer = createGraphWriter(
    graph,
    NONE,
    () => place,
    () => [],
  )
  const random = seeded(5)
  const disk = new Map<string, Uint8Array>()
  let writes = 0
  while (storedPlace(disk).nextBlock === 0) {
    for (const { key, value } of writer.take(4)) if (value !== null) disk.set(key, value)
    expect(++writes).toBeLessThan(40)
    // Terms of channels everywhere change between two writes, and channels come.
    place = { nextBlock: 700 + writes, passAt: 5 }
    for (let i = 0; i < 30; i++) {
      const edge = random.int(2 * graph.channelSlots)
      const policy = graph.policy(edge)
      if (policy !== undefined) graph.setPolicy(edge, { ...policy, timestamp: policy.timestamp + writes })
    }
  }
  expect(storedPlace(disk)).toEqual({ nextBlock: 700, passAt: 5 })
  // A crash here loses nothing of what was asked for up to there.
  const again = loadGraph(disk)
  expect(again.channelCount).toBe(9000)
  for (let edge = 0; edge < 18_000; edge += 7) expect(again.policy(edge)).toBeDefined()
})

test('a crash at any write leaves no channel with another node than its own, whatever slots were used again', () => {
  const { graph } = generateNetwork({ nodes: 1200, channels: 3000, seed: 2 })
  markAllDirty(graph)
  const writer = createGraphWriter(
    graph,
    NONE,
    () => NONE,
    () => [],
  )
  const random = seeded(6)
  const disk = new Map<string, Uint8Array>()
  const ends = new Map<bigint, string>()
  const note = (slot: number): void => {
    ends.set(
      graph.scid(slot),
      [0, 1].map((side) => graph.nodeId(graph.ends[2 * slot + side] as number)).join(),
    )
  }
  for (let slot = 0; slot < graph.channelSlots; slot++) note(slot)
  for (let i = 0; i < 60; i++) {
    for (const { key, value } of writer.take(3)) {
      if (value === null) disk.delete(key)
      else disk.set(key, value)
    }
    for (let n = 0; n < 20; n++) graph.removeChannel(random.int(graph.channelSlots))
    for (let n = 0; n < 20; n++) {
      const [a, b] = [random.bytes(33), random.bytes(33)]
      a[0] = b[0] = 2
      a[1] = 0
      b[1] = 255
      const scid = (BigInt(i) << 40n) | BigInt(n)
      const slot = graph.addChannel({
        scid,
        nodeId1: a,
        nodeId2: b,
        capacitySat: 1000,
        witnessProgram: random.bytes(32),
        flags: 2,
      })
      note(slot)
    }
    if (i % 5 !== 0) continue
    const again = loadGraph(disk)
    for (let slot = 0; slot < again.channelSlots; slot++) {
      if (!again.has(slot, 1)) continue
      const names = [0, 1].map((side) => again.nodeId(again.ends[2 * slot + side] as number)).join()
      expect(names).toBe(ends.get(again.scid(slot)))
    }
  }
})

test('an older record is a block without a time, and nonsense is the beginning', () => {
  expect(storedPlace(new Map())).toEqual(NONE)
  expect(storedPlace(new Map([['graph/sync', Uint8Array.of(1, 0xcd, 3, 0)]]))).toEqual({
    nextBlock: 768,
    passAt: undefined,
  })
  expect(storedPlace(new Map([['graph/sync', Uint8Array.of(9, 9, 9)]]))).toEqual(NONE)
})
