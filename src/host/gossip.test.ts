import { describe, expect, test } from 'vitest'
import { chainFromCheckpoint } from '../engine/chain/headers.ts'
import { CHECKPOINTS } from '../engine/chain/checkpoints.ts'
import type { RecordWrite } from '../engine/node/ports.ts'
import type { NodeState } from '../engine/node/state.ts'
import { encodeMessage } from '../engine/wire/encode.ts'
import { encodeFeatures } from '../engine/wire/features.ts'
import { announcementOf, idOf, keysOf, updateOf } from '../testing/network/signed.ts'
import { createGossipHost, storedGraph } from './gossip.ts'
import type { Clock } from './ports.ts'

/** Gossip beside a node that has one peer, on a clock that goes on by itself: every look at it costs some milliseconds. */

const NOW = 1_760_000_000_000
const PEER = idOf(keysOf(5))
const [alice, bob] = [keysOf(1), keysOf(2)]

function world(records: ReadonlyMap<string, Uint8Array> = new Map()) {
  let now = NOW
  let tasks: { at: number; task: () => void }[] = []
  const clock: Clock = {
    now: () => {
      now += 2
      return now
    },
    after(ms, task) {
      const entry = { at: now + ms, task }
      tasks.push(entry)
      return () => {
        tasks = tasks.filter((t) => t !== entry)
      }
    },
  }
  const state = {
    connections: { c1: PEER },
    peers: { [PEER]: { phase: 'ready', connection: 'c1', features: encodeFeatures([7]) } },
    channels: {},
    preferences: {},
    chain: { headers: chainFromCheckpoint('regtest', CHECKPOINTS.regtest), servers: [] },
  } as unknown as NodeState
  const commits: (readonly RecordWrite[])[] = []
  const sent: Uint8Array[] = []
  const graph = storedGraph(records, 1).graph
  const host = createGossipHost({
    setup: { network: 'regtest', nodeId: idOf(keysOf(9)), graph } as unknown as Parameters<
      typeof createGossipHost
    >[0]['setup'],
    clock,
    store: {
      commit: (writes) => {
        commits.push(writes)
        return Promise.resolve()
      },
    },
    nextBlock: storedGraph(records, 1).nextBlock,
    shelf: 0,
    state: () => state,
    frozen: () => false,
    send: (_, messages) => sent.push(...messages),
    hangUp: () => {},
    request: () => new Promise(() => {}),
    onDefect: (error) => {
      throw error
    },
  })
  host.event({ type: 'peerReady', nodeId: PEER })
  return {
    host,
    commits,
    graph,
    hear: (bytes: Uint8Array) => host.intercept({ type: 'peerMessage', connection: 'c1', bytes }),
    /** The one task that is due next; false: none before `until` ms from now. */
    one(until = 0): boolean {
      const next = tasks.filter((t) => t.at <= now + until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) return false
      tasks = tasks.filter((t) => t !== next)
      now = Math.max(now, next.at)
      next.task()
      return true
    },
  }
}

/** Channels of alice and bob, each with two updates. */
const told = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => {
    const scid = BigInt(i + 1)
    return [
      announcementOf(alice, bob, scid),
      updateOf(alice, bob, scid, NOW / 1000),
      updateOf(bob, alice, scid, NOW / 1000),
    ].map(encodeMessage)
  }).flat()

describe('gossip beside the node', () => {
  test('is taken off before the loop and worked a slice at a time, with room for everybody else in between', () => {
    const w = world()
    const messages = told(60)
    for (const bytes of messages) expect(w.hear(bytes)).toBe(true)
    // A message of the node's own is the node's.
    expect(w.hear(Uint8Array.of(0, 18, 0, 1, 0, 0))).toBe(false)
    const sizes: number[] = []
    let before = messages.length
    for (let i = 0; i < 100 && w.host.summary().gossip.queued > 0; i++) {
      expect(w.one()).toBe(true)
      sizes.push(before - w.host.summary().gossip.queued)
      before = w.host.summary().gossip.queued
    }
    expect(w.graph.channelCount).toBe(60)
    // Twelve milliseconds on this clock are a handful of looks at it, eight messages each.
    expect(Math.max(...sizes)).toBeLessThanOrEqual(48)
    expect(sizes.length).toBeGreaterThan(3)
  })

  test('is written some chunks at a time, apart from turns, and goes on from there after a restart', async () => {
    const w = world()
    for (const bytes of told(20)) w.hear(bytes)
    while (w.host.summary().gossip.queued > 0) w.one()
    expect(w.commits).toEqual([])
    for (let i = 0; i < 200 && w.commits.length === 0; i++) w.one(30_000)
    expect(w.commits[0]?.length).toBeGreaterThan(0)
    expect(w.commits[0]?.length).toBeLessThanOrEqual(9)
    await w.host.stop()
    const records = new Map(
      w.commits.flat().flatMap(({ key, value }) => (value === null ? [] : [[key, value]])),
    )
    expect([...records.keys()].every((key) => key.startsWith('graph/'))).toBe(true)
    const again = world(records)
    expect(again.graph.channelCount).toBe(20)
    expect(again.graph.policy(1)).toEqual(w.graph.policy(1))
  })
})
