import { expect, test } from 'vitest'
import { msat } from '../base/units.ts'
import { generateNetwork } from '../../testing/network/generate.ts'
import { type Random, seeded } from '../../testing/random.ts'
import { feeFor } from './fees.ts'
import type { Graph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { emptyHistory, learn, probabilityOf } from './history.ts'
import { overlayOf, pairSlot } from './overlay.ts'
import { findPath } from './path.ts'
import { CHEAPEST, type Limits, search, SHORTEST, type Weights, WEIGHTS } from './search.ts'
import type { History, PathRequest } from './types.ts'

/** The plain search, over the columns of the graph: no bounds, no stretches of memory, no heap. What it finds costs so much. */
function plainly(graph: Graph, request: PathRequest, limits: Limits, weights: Weights): number | undefined {
  const overlay = overlayOf(graph, request)
  const labels = new Map([
    [overlay.target, { cost: 0, amount: limits.amount, cltv: limits.finalCltv, hops: 0, done: false }],
  ])
  for (;;) {
    const open = [...labels].filter(([, l]) => !l.done).sort((a, b) => a[1].cost - b[1].cost || a[0] - b[0])
    const [v, label] = open[0] ?? []
    if (v === undefined || label === undefined) return undefined
    label.done = true
    const local = overlay.locals.get(v) ?? []
    const fits = local.some(
      (c) => Number(c.spendableMsat) >= label.amount && Number(c.minimumMsat ?? 0n) <= label.amount,
    )
    if (fits) return label.cost
    if (v >= graph.nodeSlots) continue
    for (let half = graph.first[v] as number; half !== -1; half = graph.halves.after(half)) {
      const edge = half ^ 1
      const u = graph.ends[edge] as number
      const policy = graph.policy(edge)
      const bad = graph.has(half >> 1, CHANNEL.spent) || !graph.has(half >> 1, CHANNEL.signed)
      if (u === overlay.source || bad || policy === undefined || policy.disabled) continue
      if (overlay.excludedEdges.has(edge) || labels.get(u)?.done === true) continue
      const capacity = graph.capacityMsat(half >> 1)
      const sent = label.amount
      if (sent < policy.htlcMinimumMsat || sent > policy.htlcMaximumMsat || sent > capacity) continue
      const fee = feeFor(sent, policy.feeBaseMsat, policy.feeProportionalMillionths)
      const cltv = label.cltv + policy.cltvExpiryDelta
      if (sent + fee - limits.amount > limits.maxFee || cltv > limits.maxCltv || label.hops + 1 >= 20)
        continue
      const p = probabilityOf(sent, capacity, overlay.pairs.get(pairSlot(u, v)), limits.now)
      if (p < 0.01) continue
      let cost = label.cost + fee * weights.fee + policy.cltvExpiryDelta * sent * weights.lock
      cost -= Math.log(p) * (weights.riskBaseMsat + weights.riskOfAmount * sent)
      if (cost < (labels.get(u)?.cost ?? Number.POSITIVE_INFINITY))
        labels.set(u, { cost, amount: sent + fee, cltv, hops: label.hops + 1, done: false })
    }
  }
}

function requestOf(graph: Graph, random: Random, history: History): PathRequest {
  const amount = Math.floor(10 ** (4 + 5 * random.next()))
  const peer = (n: number) => ({
    channelId: `${n}`,
    scid: BigInt(n),
    peer: graph.nodeId(random.int(graph.nodeSlots)),
    // Some that carry it surely, some only without its fees, some not at all.
    spendableMsat: msat(Math.floor(amount * random.pick([0.5, 1, 1.0005, 1.003, 2]))),
    ...(random.bool(0.2) ? { minimumMsat: msat(Math.floor(amount * random.pick([0.9, 1.001]))) } : {}),
  })
  const edge = random.int(graph.channelSlots)
  return {
    source: `03${'f'.repeat(64)}`,
    target: graph.nodeId(random.int(graph.nodeSlots)),
    amountMsat: msat(amount),
    height: 900_000,
    finalCltvDelta: 40,
    maxFeeMsat: msat(random.bool(0.3) ? 1500 : Math.floor(amount / 20)),
    maxCltvDelta: random.bool(0.2) ? 200 : 2016,
    localChannels: [1, 2, 3, 4].map(peer),
    excluded: { channels: new Set([`${graph.scid(edge)}/${random.int(2)}`]) },
    history,
    now: 1_760_100_000_000,
  }
}

test('bounds change no result: what is found costs what the plain search finds, whatever the peers can carry', () => {
  let found = 0
  let none = 0
  for (let seed = 1; seed <= 12; seed++) {
    const { graph } = generateNetwork({ nodes: 60, channels: 180, seed })
    const random = seeded(seed)
    let history = emptyHistory
    for (let i = 0; i < 25; i++) {
      const request = requestOf(graph, random, history)
      const limits: Limits = {
        amount: Number(request.amountMsat),
        maxFee: Number(request.maxFeeMsat),
        finalCltv: request.finalCltvDelta,
        maxCltv: request.maxCltvDelta ?? 2016,
        budget: 1000,
        now: request.now,
        unverified: false,
      }
      for (const weights of [WEIGHTS, CHEAPEST, SHORTEST]) {
        const wanted = plainly(graph, request, limits, weights)
        const outcome = search(graph, overlayOf(graph, request), limits, weights, undefined)
        expect(outcome.found?.cost, `seed ${seed}, ${i}`).toBe(wanted)
        if (wanted === undefined) none++
        else found++
      }
      const result = findPath(graph, request)
      if (!result.ok) continue
      const { route } = result.value
      const failedHop = random.int(route.hops.length)
      history = learn(history, {
        route,
        at: request.now,
        result: { type: 'hopFailed', failedHop, any: false },
      })
    }
  }
  expect(Math.min(found, none)).toBeGreaterThan(100)
})

test('what searches read is in step with the columns, whatever comes and goes', () => {
  const { graph } = generateNetwork({ nodes: 60, channels: 180, seed: 3 })
  const random = seeded(9)
  for (let i = 0; i < 300; i++) {
    const slot = random.int(graph.channelSlots)
    if (!graph.has(slot, CHANNEL.used)) continue
    const policy = graph.policy(2 * slot)
    if (random.bool(0.3)) graph.removeChannel(slot)
    else if (random.bool(0.5)) graph.mark(slot, CHANNEL.proven, 0, 1 + random.int(1e6))
    else if (policy) graph.setPolicy(2 * slot, { ...policy, feeBaseMsat: 2 ** 32 - 1, disabled: true })
  }
  const { words, floats } = graph.halves
  for (let half = 0; half < 2 * graph.channelSlots; half++) {
    if (!graph.has(half >> 1, CHANNEL.used)) continue
    const edge = half ^ 1
    const flags = (graph.channelFlags[half >> 1] as number) | ((graph.policyFlags[edge] as number) << 6)
    expect(words[12 * half + 2]).toBe(graph.ends[edge])
    expect((words[12 * half + 3] as number) >>> 0).toBe(graph.feeBase[edge])
    expect((words[12 * half + 4] as number) >>> 0).toBe(graph.feePpm[edge])
    expect((words[12 * half + 5] as number) >>> 0).toBe(
      ((flags << 16) | (graph.cltvDelta[edge] as number)) >>> 0,
    )
    expect(floats.subarray(6 * half + 3, 6 * half + 6)).toEqual(
      Float64Array.of(
        graph.htlcMinimum[edge] as number,
        graph.htlcMaximum[edge] as number,
        graph.capacityMsat(half >> 1),
      ),
    )
  }
})
