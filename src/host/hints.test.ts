import { expect, test } from 'vitest'
import { msat } from '../engine/base/units.ts'
import { createGraph, type Graph } from '../engine/router/graph.ts'
import { CHANNEL } from '../engine/router/graph-terms.ts'
import { findPath } from '../engine/router/path.ts'
import type { PathRequest } from '../engine/router/types.ts'
import { announcementOf, idOf, keysOf } from '../testing/network/signed.ts'
import { confirmHints, payeeOf } from './hints.ts'

/** Hints on a payment's way: asked about, waited for a little, and never used as they are. */

const [us, peer, hub, shop] = [keysOf(1), keysOf(2), keysOf(3), keysOf(4)]
const NOW = 1_760_000_000_000
const request: PathRequest = {
  source: idOf(us),
  target: idOf(shop),
  amountMsat: msat(1_000_000),
  height: 300,
  finalCltvDelta: 18,
  maxFeeMsat: msat(1_000_000),
  localChannels: [{ channelId: 'c', scid: 9n, peer: idOf(peer), spendableMsat: msat(9_000_000) }],
  now: NOW,
}

function put(graph: Graph, a: typeof us, b: typeof us, scid: bigint, flags: number): void {
  const known = graph.channelAt(scid)
  if (known !== -1) graph.removeChannel(known)
  const { nodeId1, nodeId2 } = announcementOf(a, b, scid)
  const slot = graph.addChannel({
    scid,
    nodeId1,
    nodeId2,
    capacitySat: 0,
    witnessProgram: new Uint8Array(32),
    flags,
  })
  for (const edge of [2 * slot, 2 * slot + 1])
    graph.setPolicy(edge, {
      timestamp: NOW / 1000,
      disabled: false,
      cltvExpiryDelta: 40,
      feeBaseMsat: 1,
      feeProportionalMillionths: 1,
      htlcMinimumMsat: 1,
      htlcMaximumMsat: 100_000_000,
    })
}

/** `onAsk`: what a peer gives when it is asked for signatures. */
function world(flags: number, onAsk: (graph: Graph) => void = () => {}) {
  const graph = createGraph()
  put(graph, peer, hub, 11n, CHANNEL.signed)
  put(graph, hub, shop, 12n, flags)
  const asked: bigint[] = []
  let now = NOW
  const confirm = () =>
    confirmHints(graph, request, {
      want: (scids) => {
        asked.push(...scids)
        onAsk(graph)
      },
      now: () => now,
      after: (ms, task) => {
        now += ms
        queueMicrotask(task)
      },
    })
  return { graph, asked, confirm, waited: () => now - NOW }
}

test('a way that is signed throughout is taken without a question', async () => {
  const w = world(CHANNEL.signed)
  await w.confirm()
  expect([w.asked, w.waited()]).toEqual([[], 0])
})

test('a way that only a snapshot knows is asked about, and is a way as soon as the signatures are here', async () => {
  const w = world(0, (graph) => put(graph, hub, shop, 12n, CHANNEL.signed))
  expect(findPath(w.graph, request).ok).toBe(false)
  await w.confirm()
  expect(w.asked).toContain(12n)
  expect(w.waited()).toBe(0)
  expect(findPath(w.graph, request).ok).toBe(true)
})

test('where nobody gives them the payment begins after four seconds, and does not go that way', async () => {
  const w = world(0)
  await w.confirm()
  expect(w.waited()).toBe(4_000)
  expect(findPath(w.graph, request).ok).toBe(false)
})

test('whom nobody knows, nobody is asked about', async () => {
  const w = world(0)
  const elsewhere = { ...request, target: idOf(keysOf(77)) }
  await confirmHints(w.graph, elsewhere, { want: (s) => w.asked.push(...s), now: () => NOW, after: () => {} })
  expect(w.asked).toEqual([])
  expect(payeeOf('no invoice', 1n)).toBeUndefined()
})
