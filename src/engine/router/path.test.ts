import { describe, expect, test } from 'vitest'
import { msat } from '../base/units.ts'
import { generateNetwork } from '../../testing/network/generate.ts'
import { seeded } from '../../testing/random.ts'
import { findPaths } from './alternatives.ts'
import { feeFor } from './fees.ts'
import { createGraph, type Graph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { emptyHistory, learn } from './history.ts'
import { channelKey } from './overlay.ts'
import { findParts } from './parts.ts'
import { findPath } from './path.ts'
import { CHEAPEST } from './search.ts'
import type { PathRequest, Route } from './types.ts'

const id = (n: number): string => `02${n.toString(16).padStart(64, '0')}`
const bytes = (n: number): Uint8Array => Uint8Array.from(Buffer.from(id(n), 'hex'))

interface Terms {
  readonly base?: number
  readonly ppm?: number
  readonly delta?: number
  readonly min?: number
  readonly max?: number
  readonly disabled?: boolean
}

/** A channel a–b; `there` is a's policy, `back` b's. Ids of nodes order like their numbers. */
function link(
  graph: Graph,
  scid: number,
  a: number,
  b: number,
  sats: number,
  there: Terms,
  back: Terms = there,
) {
  const [one, two] = a < b ? [a, b] : [b, a]
  const slot = graph.addChannel({
    scid: BigInt(scid),
    nodeId1: bytes(one),
    nodeId2: bytes(two),
    capacitySat: sats,
    witnessProgram: new Uint8Array(32),
    flags: CHANNEL.signed,
  })
  const policy = (t: Terms) => ({
    timestamp: 1,
    disabled: t.disabled ?? false,
    cltvExpiryDelta: t.delta ?? 40,
    feeBaseMsat: t.base ?? 0,
    feeProportionalMillionths: t.ppm ?? 0,
    htlcMinimumMsat: t.min ?? 0,
    htlcMaximumMsat: t.max ?? sats * 1000,
  })
  graph.setPolicy(2 * slot, policy(a < b ? there : back))
  graph.setPolicy(2 * slot + 1, policy(a < b ? back : there))
}

const request = (change: Partial<PathRequest>): PathRequest => ({
  source: id(1),
  target: id(9),
  amountMsat: msat(1_000_000),
  height: 800_000,
  finalCltvDelta: 21,
  maxFeeMsat: msat(1_000_000),
  localChannels: [{ channelId: 'a', scid: 1n, peer: id(2), spendableMsat: msat(50_000_000) }],
  now: 0,
  ...change,
})

/** Goes along a route forwards and checks each hop against the policy of who forwards there (BOLT 7 §HTLC Fees). */
function checkForwards(graph: Graph, asked: PathRequest, route: Route): void {
  expect(route.hops[0]?.from).toBe(asked.source)
  expect(route.hops.at(-1)?.nodeId).toBe(asked.target)
  let fees = 0n
  route.hops.forEach((hop, i) => {
    const after = route.hops[i + 1]
    if (after === undefined) {
      expect(hop.amountMsat).toBe(asked.amountMsat)
      expect(hop.cltvExpiry).toBe(asked.height + asked.finalCltvDelta)
      return
    }
    expect(after.from).toBe(hop.nodeId)
    const slot = graph.channelAt(after.scid)
    const policy = graph.policy(2 * slot + (after.from < after.nodeId ? 0 : 1))
    if (policy === undefined) throw new Error('no policy')
    expect(policy.disabled).toBe(false)
    const out = Number(after.amountMsat)
    expect(out).toBeGreaterThanOrEqual(policy.htlcMinimumMsat)
    expect(out).toBeLessThanOrEqual(policy.htlcMaximumMsat)
    const fee =
      BigInt(policy.feeBaseMsat) + (after.amountMsat * BigInt(policy.feeProportionalMillionths)) / 1_000_000n
    expect(hop.amountMsat).toBe(after.amountMsat + fee)
    expect(hop.feeMsat).toBe(fee)
    expect(hop.cltvExpiry).toBe(after.cltvExpiry + policy.cltvExpiryDelta)
    fees += fee
  })
  expect(route.feeMsat).toBe(fees)
  expect(route.feeMsat <= asked.maxFeeMsat).toBe(true)
  expect((route.hops[0]?.cltvExpiry ?? 0) - asked.height).toBeLessThanOrEqual(asked.maxCltvDelta ?? 2016)
  expect(new Set(route.hops.map((h) => h.nodeId)).size).toBe(route.hops.length)
}

describe('a path', () => {
  test('the routing example of BOLT 7 comes out to the millisatoshi', () => {
    // A 10, B 20, C 30, D 40 blocks; 100+1000, 200+2000, 300+3000, 400+4000 (BOLT 7 §Routing Example).
    const [A, B, C, D] = [1, 2, 3, 4]
    const terms = (n: number): Terms => ({ base: 100 * n, ppm: 1000 * n, delta: 10 * n })
    const graph = createGraph()
    link(graph, 12, A, B, 1e6, terms(1), terms(2))
    link(graph, 14, A, D, 1e6, terms(1), terms(4))
    link(graph, 23, B, C, 1e6, terms(2), terms(3))
    link(graph, 34, C, D, 1e6, terms(3), terms(4))
    const asked = (peer: number) =>
      request({
        target: id(C),
        amountMsat: msat(4_999_999),
        finalCltvDelta: 18 + 42,
        localChannels: [{ channelId: 'x', scid: 1n, peer: id(peer), spendableMsat: msat(1e9) }],
      })
    for (const [peer, amount, delta] of [
      [B, 5_010_198n, 20],
      [D, 5_020_398n, 40],
    ] as const) {
      const found = findPath(graph, asked(peer))
      if (!found.ok) throw new Error(found.error.code)
      expect(found.value.route.hops[0]).toMatchObject({
        nodeId: id(peer),
        amountMsat: amount,
        cltvExpiry: 800_000 + delta + 18 + 42,
      })
      checkForwards(graph, asked(peer), found.value.route)
    }
    // To a direct peer nothing is added.
    const direct = findPath(graph, { ...asked(B), target: id(B) })
    expect(direct.ok && direct.value.route.feeMsat).toBe(0n)
  })

  test('it keeps the limits of fee and time, even where the likeliest way breaks them, and says which one it is', () => {
    const graph = createGraph()
    // Safe and dear over 3; cheap, slow and unlikely over 4.
    link(graph, 23, 2, 3, 1e8, { base: 5000 })
    link(graph, 39, 3, 9, 1e8, { base: 0 })
    link(graph, 24, 2, 4, 1100, { base: 10, delta: 500 })
    link(graph, 49, 4, 9, 1100, { base: 0, delta: 500 })
    const via = (r: ReturnType<typeof findPath>) => (r.ok ? r.value.route.hops[1]?.nodeId : r.error.code)
    expect(via(findPath(graph, request({})))).toBe(id(3))
    expect(via(findPath(graph, request({ maxFeeMsat: msat(4999) })))).toBe(id(4))
    expect(via(findPath(graph, request({ maxFeeMsat: msat(9) })))).toBe('feeLimit')
    expect(via(findPath(graph, request({ maxFeeMsat: msat(4999), maxCltvDelta: 200 })))).toBe('feeLimit')
    expect(via(findPath(graph, request({ maxCltvDelta: 60 })))).toBe('cltvLimit')
    const excluded = { channels: new Set([channelKey(39n, id(3), id(9))]) }
    expect(via(findPath(graph, request({ excluded })))).toBe(id(4))
    expect(via(findPath(graph, request({ excluded: { nodes: new Set([id(2)]) } })))).toBe('noPath')
  })

  test('who cannot be paid is told apart: nobody known, too little of ours, no way, out of budget, ourselves', () => {
    const graph = createGraph()
    link(graph, 23, 2, 3, 1e6, {})
    link(graph, 89, 8, 9, 1e6, {})
    const code = (change: Partial<PathRequest>) => {
      const r = findPath(graph, request(change))
      return r.ok ? 'found' : r.error.code
    }
    expect(code({ target: id(77) })).toBe('targetUnknown')
    expect(code({ target: id(9) })).toBe('noPath')
    expect(code({ target: id(3) })).toBe('found')
    expect(code({ target: id(3), amountMsat: msat(60_000_000) })).toBe('localLiquidity')
    expect(code({ target: id(3), budget: 1 })).toBe('budget')
    expect(code({ target: id(1) })).toBe('payingSelf')
    expect(code({ target: id(3), amountMsat: msat(0) })).toBe('noPath')
  })

  test('channels that must not be used are not: disabled, unknown features, spent, unverified, no update', () => {
    const spoil: readonly ((graph: Graph, slot: number) => void)[] = [
      (g, s) => g.mark(s, CHANNEL.unknownFeature),
      (g, s) => g.mark(s, CHANNEL.spent),
      (g, s) => g.mark(s, 0, CHANNEL.signed),
      (g, s) => g.setPolicy(2 * s, { ...(g.policy(2 * s) as object), disabled: true } as never),
      (g, s) => {
        g.removeChannel(s)
        const channel = { nodeId1: bytes(2), nodeId2: bytes(9), capacitySat: 1e6, flags: CHANNEL.signed }
        g.addChannel({ ...channel, scid: 29n, witnessProgram: new Uint8Array(32) })
      },
    ]
    for (const [i, wrong] of spoil.entries()) {
      const graph = createGraph()
      link(graph, 29, 2, 9, 1e6, {})
      expect(findPath(graph, request({})).ok).toBe(true)
      wrong(graph, graph.channelAt(29n))
      expect(findPath(graph, request({})).ok, `case ${i}`).toBe(false)
    }
  })

  test('hints lead to whom the graph does not know, with the fees they state, and several hops of them', () => {
    const graph = createGraph()
    link(graph, 23, 2, 3, 1e6, { base: 7 })
    const hop = (n: number, base: number) => ({
      nodeId: id(n),
      scid: BigInt(1000 + n),
      feeBaseMsat: base,
      feeProportionalMillionths: 0,
      cltvExpiryDelta: 9,
    })
    const found = findPath(graph, request({ target: id(99), hints: [[hop(3, 11), hop(50, 13)]] }))
    if (!found.ok) throw new Error(found.error.code)
    expect(found.value.route.hops.map((h) => [h.nodeId, h.amountMsat, h.known])).toEqual([
      [id(2), 1_000_031n, 'local'],
      [id(3), 1_000_024n, 'graph'],
      [id(50), 1_000_013n, 'hint'],
      [id(99), 1_000_000n, 'hint'],
    ])
    expect(found.value.route.hops.map((h) => h.scid)).toEqual([1n, 23n, 1003n, 1050n])
  })

  test('a blinded path is a tail: the route ends at its introduction node with what the tail takes', () => {
    const graph = createGraph()
    link(graph, 23, 2, 3, 1e6, { base: 7 })
    const tail = {
      introductionNode: id(3),
      feeBaseMsat: 100,
      feeProportionalMillionths: 1000,
      cltvExpiryDelta: 30,
      htlcMinimumMsat: msat(1),
      htlcMaximumMsat: msat(2_000_000),
    }
    const asked = request({ target: '', blinded: [{ ...tail, feeBaseMsat: 900_000 }, tail] })
    const found = findPath(graph, asked)
    if (!found.ok) throw new Error(found.error.code)
    expect(found.value.route.blinded).toBe(1)
    expect(found.value.route.hops.at(-1)).toMatchObject({
      nodeId: id(3),
      amountMsat: 1_001_100n,
      cltvExpiry: 800_051,
      feeMsat: 1100n,
    })
    expect(found.value.route.feeMsat).toBe(1107n)
    expect(findPath(graph, { ...asked, amountMsat: msat(2_000_001) }).ok).toBe(false)
  })

  test('what failed is not tried again until it is forgotten, and a larger amount is not either', () => {
    const graph = createGraph()
    link(graph, 23, 2, 3, 1e5, { base: 1 })
    link(graph, 39, 3, 9, 1e5, { base: 1 })
    link(graph, 24, 2, 4, 1e5, { base: 1000 })
    link(graph, 49, 4, 9, 1e5, { base: 1000 })
    const first = findPath(graph, request({}))
    if (!first.ok) throw new Error(first.error.code)
    expect(first.value.route.hops[1]?.nodeId).toBe(id(3))
    const history = learn(emptyHistory, {
      route: first.value.route,
      at: 1000,
      result: { type: 'hopFailed', failedHop: 2, any: false },
    })
    const via = (change: Partial<PathRequest>) => {
      const r = findPath(graph, request({ history, ...change }))
      return r.ok ? r.value.route.hops[1]?.nodeId : r.error.code
    }
    expect(via({ now: 1000 })).toBe(id(4))
    expect(via({ now: 1000, amountMsat: msat(2_000_000) })).toBe(id(4))
    expect(via({ now: 1000, amountMsat: msat(10_000) })).toBe(id(3))
    expect(via({ now: 1000 + 30 * 24 * 3600_000 })).toBe(id(3))
  })

  test('where there is no other way, what failed for the moment is tried again in seconds, and what failed for good is not', () => {
    const graph = createGraph()
    link(graph, 23, 2, 3, 1e5, { base: 1 })
    link(graph, 39, 3, 9, 1e5, { base: 1 })
    const first = findPath(graph, request({}))
    if (!first.ok) throw new Error(first.error.code)
    const { route } = first.value
    const after = (any: boolean, amountMsat: number, seconds = 2) => {
      const history = learn(emptyHistory, {
        route,
        at: 1000,
        result: { type: 'hopFailed', failedHop: 2, any },
      })
      const found = findPath(
        graph,
        request({ history, now: 1000 * (1 + seconds), amountMsat: msat(amountMsat) }),
      )
      return found.ok ? found.value.route.hops[1]?.nodeId : found.error.code
    }
    for (const amountMsat of [1_000_000, 5_000_000]) {
      expect(after(false, amountMsat)).toBe(id(3))
      expect(after(false, amountMsat, 0)).toBe('noPath')
      expect(after(true, amountMsat)).toBe('noPath')
    }
  })
})

test('fees are exact at every size', () => {
  const random = seeded(5)
  for (let i = 0; i < 2000; i++) {
    const amount = Math.floor(10 ** (random.next() * 15))
    const base = random.int(1e6)
    const ppm = random.int(5e6)
    const exact = BigInt(base) + (BigInt(amount) * BigInt(ppm)) / 1_000_000n
    const got = feeFor(amount, base, ppm)
    if (exact <= BigInt(Number.MAX_SAFE_INTEGER)) expect(BigInt(got)).toBe(exact)
    else expect(got).toBe(Number.POSITIVE_INFINITY)
  }
})

/** All simple paths from the target backwards, by fee alone: the least total, or undefined. */
function bruteForce(graph: Graph, asked: PathRequest): number | undefined {
  let best: number | undefined
  const source = graph.nodeOf(asked.source)
  const visit = (v: number, amount: number, cltv: number, seen: readonly number[]): void => {
    const fee = amount - Number(asked.amountMsat)
    if (fee > Number(asked.maxFeeMsat) || cltv > (asked.maxCltvDelta ?? 2016)) return
    const local = asked.localChannels.some(
      (c) => graph.nodeOf(c.peer) === v && Number(c.spendableMsat) >= amount,
    )
    if (local && (best === undefined || fee < best)) best = fee
    for (let half = graph.first[v] as number; half !== -1; half = graph.halves.after(half)) {
      const u = graph.ends[half ^ 1] as number
      const policy = graph.policy(half ^ 1)
      if (u === source || seen.includes(u) || policy === undefined || policy.disabled) continue
      if (amount < policy.htlcMinimumMsat || amount > policy.htlcMaximumMsat) continue
      if (amount > graph.capacityMsat(half >> 1)) continue
      const total = amount + feeFor(amount, policy.feeBaseMsat, policy.feeProportionalMillionths)
      visit(u, total, cltv + policy.cltvExpiryDelta, [...seen, u])
    }
  }
  const target = graph.nodeOf(asked.target)
  if (target !== -1) visit(target, Number(asked.amountMsat), asked.finalCltvDelta, [target])
  return best
}

describe('on random networks', () => {
  test('small ones: valid, never cheaper than the best of all paths, and the cheapest search is the best', () => {
    let found = 0
    let optimal = 0
    for (let seed = 1; seed <= 300; seed++) {
      const random = seeded(seed)
      const graph = createGraph(seed)
      for (let c = 0; c < 14; c++) {
        const a = 1 + random.int(8)
        const b = 1 + random.int(8)
        if (a === b) continue
        const terms = (): Terms => ({
          base: random.int(3000),
          ppm: random.int(4000),
          delta: random.int(300),
          disabled: random.bool(0.1),
          max: 500_000 + random.int(3_000_000),
        })
        link(graph, c + 1, a, b, 1000 + random.int(4000), terms(), terms())
      }
      const asked = request({
        target: id(2 + random.int(7)),
        maxFeeMsat: msat(random.int(12_000)),
        maxCltvDelta: 100 + random.int(900),
        localChannels: [2, 3].map((n) => ({
          channelId: `${n}`,
          scid: BigInt(n),
          peer: id(n),
          spendableMsat: msat(900_000 + random.int(300_000)),
        })),
      })
      if (graph.nodeOf(asked.target) === -1) continue
      const best = bruteForce(graph, asked)
      for (const weights of [undefined, CHEAPEST]) {
        const got = findPath(graph, asked, weights === undefined ? {} : { weights })
        if (!got.ok) {
          expect(got.error.code).not.toBe('budget')
          // Limits can cut off a node's cheapest way where a dearer one would do: allowed, and counted below.
          if (best === undefined) expect(got.ok).toBe(false)
          continue
        }
        checkForwards(graph, asked, got.value.route)
        expect(best).toBeDefined()
        expect(Number(got.value.route.feeMsat)).toBeGreaterThanOrEqual(best as number)
        if (weights === CHEAPEST) {
          found++
          if (Number(got.value.route.feeMsat) === best) optimal++
        }
      }
      // What exists is found unless a limit cut it off.
      if (best !== undefined && best === 0) expect(findPath(graph, asked).ok).toBe(true)
    }
    expect(found).toBeGreaterThan(60)
    expect(optimal / found).toBeGreaterThan(0.97)
  })

  test('a thousand nodes: valid, the same answer twice and from a copy, alternatives differ, parts add up', () => {
    const shape = { nodes: 1000, channels: 3300, seed: 3 }
    const { graph } = generateNetwork(shape)
    const copy = generateNetwork(shape).graph
    const random = seeded(8)
    let found = 0
    let split = 0
    for (let i = 0; i < 60; i++) {
      const source = graph.nodeId(random.int(graph.nodeSlots))
      const peers = [0, 1, 2].map(() => graph.nodeId(random.int(graph.nodeSlots)))
      const asked = request({
        source,
        target: graph.nodeId(random.int(graph.nodeSlots)),
        amountMsat: msat(Math.floor(10 ** (5 + random.next() * 5))),
        maxFeeMsat: msat(50_000_000),
        localChannels: peers.map((peer, n) => ({
          channelId: `${n}`,
          scid: BigInt(n),
          peer,
          spendableMsat: msat(Math.floor(4e9 * random.next())),
        })),
      })
      if (peers.includes(source) || asked.target === source) continue
      const one = findPath(graph, asked)
      expect(findPath(graph, asked)).toEqual(one)
      expect(findPath(copy, asked)).toEqual(one)
      if (one.ok) {
        found++
        checkForwards(graph, asked, one.value.route)
        const { others } = findPaths(graph, asked, 3)
        const names = [one.value.route, ...others].map((r) => r.hops.map((h) => h.scid).join())
        expect(new Set(names).size).toBe(names.length)
        for (const route of others) checkForwards(graph, asked, route)
      }
      const parts = findParts(graph, asked)
      expect(findParts(graph, asked)).toEqual(parts)
      if (!parts.ok) {
        expect(one.ok).toBe(false)
        continue
      }
      if (parts.value.routes.length > 1) split++
      checkParts(graph, asked, parts.value.routes)
      expect(parts.value.feeMsat <= asked.maxFeeMsat).toBe(true)
    }
    expect(found).toBeGreaterThan(25)
    expect(split).toBeGreaterThan(2)
  })
})

/** Parts bring the amount together, and no channel, ours among them, gets more than it can carry. */
function checkParts(graph: Graph, asked: PathRequest, routes: readonly Route[]): void {
  const through = new Map<string, bigint>()
  let sum = 0n
  for (const route of routes) {
    checkForwards(graph, { ...asked, amountMsat: route.amountMsat }, route)
    sum += route.amountMsat
    for (const hop of route.hops) {
      const key = hop.known === 'local' ? route.channelId : channelKey(hop.scid, hop.from, hop.nodeId)
      through.set(key, (through.get(key) ?? 0n) + hop.amountMsat)
    }
  }
  expect(sum).toBe(asked.amountMsat)
  for (const [key, amount] of through) {
    const local = asked.localChannels.find((c) => c.channelId === key)
    const capacity =
      local?.spendableMsat ?? BigInt(graph.capacityMsat(graph.channelAt(BigInt(key.split('/')[0] as string))))
    expect(amount <= capacity).toBe(true)
  }
}
