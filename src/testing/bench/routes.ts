import { unwrap } from '../../engine/base/result.ts'
import { msat } from '../../engine/base/units.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { checkAnnouncement, updateSignedBy } from '../../engine/router/announcement.ts'
import type { Graph } from '../../engine/router/graph.ts'
import { loadGraph, markAllDirty, takeWrites } from '../../engine/router/graph-records.ts'
import { emptyHistory, learn } from '../../engine/router/history.ts'
import { channelKey } from '../../engine/router/overlay.ts'
import { findPath } from '../../engine/router/path.ts'
import { CHEAPEST } from '../../engine/router/search.ts'
import type { History, LocalChannel, PathRequest, Route } from '../../engine/router/types.ts'
import { generateNetwork, hiddenBalances } from '../network/generate.ts'
import { announcementOf, keysOf, updateOf } from '../network/signed.ts'
import { type Random, seeded } from '../random.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

/** Routes on a network of the real one's size and shape (`network/generate.ts` states it). One entry a question. */

export const SIZE = { nodes: 15_000, channels: 50_000, seed: 1 }
export const HUGE = { nodes: 150_000, channels: 500_000, seed: 1 }
const ROUTES = Number(process.env['BENCH_ROUTES'] ?? 400)
const PAYMENTS = Number(process.env['BENCH_PAYMENTS'] ?? 300)
const MAX_ATTEMPTS = 15
const NOW = 1_760_100_000_000

export const round = (n: number): number => Number(n.toPrecision(3))

export function percentile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

/** A wallet: three channels with nodes that have at least ten, two million sat each, on our side. */
export function wallet(graph: Graph, random: Random): readonly LocalChannel[] {
  const locals: LocalChannel[] = []
  while (locals.length < 3) {
    const node = random.int(graph.nodeSlots)
    if ((graph.degree[node] as number) < 10) continue
    const name = `${locals.length}`
    locals.push({
      channelId: name,
      scid: BigInt(locals.length),
      peer: graph.nodeId(node),
      spendableMsat: msat(2_000_000_000),
    })
  }
  return locals
}

/** A payment of 1,000 to 1,000,000 sat to a node drawn evenly. */
export function payment(graph: Graph, random: Random, locals: readonly LocalChannel[]): PathRequest {
  const amount = Math.floor(10 ** (6 + 3 * random.next()))
  return {
    source: `03${'f'.repeat(64)}`,
    target: graph.nodeId(random.int(graph.nodeSlots)),
    amountMsat: msat(amount),
    height: 900_000,
    finalCltvDelta: 40,
    maxFeeMsat: msat(Math.max(50_000, Math.floor(amount / 20))),
    localChannels: locals,
    now: NOW,
    budget: graph.nodeSlots,
  }
}

function latency(graph: Graph, count: number) {
  const random = seeded(2)
  const locals = wallet(graph, random)
  for (let i = 0; i < 20; i++) findPath(graph, payment(graph, random, locals))
  const times: number[] = []
  let found = 0
  for (let i = 0; i < count; i++) {
    const request = payment(graph, random, locals)
    const began = performance.now()
    const result = findPath(graph, request)
    times.push(performance.now() - began)
    if (result.ok) found++
  }
  return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), found: round(found / count) }
}

/** Resident bytes after garbage was collected, where the engine lets us ask. */
export function heapBytes(): number {
  ;(globalThis as { gc?: () => void }).gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

export function loading(graph: Graph) {
  markAllDirty(graph)
  const records = takeWrites(graph).map((w) => [w.key, w.value as Uint8Array] as const)
  const before = heapBytes()
  const began = performance.now()
  const loaded = loadGraph(records)
  const loadMs = performance.now() - began
  const after = heapBytes()
  const policy = loaded.policy(0)
  if (policy === undefined) throw new Error('nothing was loaded')
  loaded.setPolicy(0, policy)
  const [update] = takeWrites(loaded)
  return {
    loadMs: round(loadMs),
    memoryMB: round((after - before) / 1e6),
    arraysMB: round(loaded.bytes() / 1e6),
    storageMB: round(records.reduce((n, [, value]) => n + value.length, 0) / 1e6),
    records: records.length,
    oneUpdateKB: round((update?.value?.length ?? 0) / 1000),
  }
}

/** Where an attempt gets stuck: index of the hop whose near side has too little, or −1. */
function stuckAt(graph: Graph, balances: Float64Array, route: Route): number {
  return route.hops.findIndex((hop) => {
    if (hop.known === 'local') return false
    const edge = 2 * graph.channelAt(hop.scid) + (hop.from < hop.nodeId ? 0 : 1)
    return (balances[edge] as number) < Number(hop.amountMsat)
  })
}

/** Moves what a payment moved. */
function settle(graph: Graph, balances: Float64Array, route: Route): void {
  for (const hop of route.hops) {
    if (hop.known === 'local') continue
    const edge = 2 * graph.channelAt(hop.scid) + (hop.from < hop.nodeId ? 0 : 1)
    balances[edge] = (balances[edge] as number) - Number(hop.amountMsat)
    balances[edge ^ 1] = (balances[edge ^ 1] as number) + Number(hop.amountMsat)
  }
}

/** Who pays: as the app does; the same with a fresh memory for each payment; the cheapest path. */
const PAYERS = ['ours', 'forgetful', 'cheapest'] as const
type Payer = (typeof PAYERS)[number]

/**
 * Payments under hidden balances (seed 11), the same ones (seed 4) with the same limits of fees (5 %) and of attempts for everybody, and
 * balances that move with what arrives. Ours: likeliest and cheapest, learning. The baseline: the cheapest path; a channel that failed is
 * not used again in the same payment, and nothing is learnt beyond it.
 */
function payments(graph: Graph, kind: 'even' | 'bimodal', payer: Payer) {
  const ours = payer !== 'cheapest'
  const balances = hiddenBalances(graph, kind, 11)
  const random = seeded(4)
  const locals = wallet(graph, random)
  let history: History = emptyHistory
  let arrived = 0
  let first = 0
  let attempts = 0
  let fees = 0
  let amounts = 0
  let possible = 0
  /** Fees in millionths by payment, of those that arrived. */
  const feesOf = new Map<number, number>()
  for (let i = 0; i < PAYMENTS; i++) {
    const request = payment(graph, random, locals)
    const failedHere = new Set<string>()
    if (payer === 'forgetful') history = emptyHistory
    let wayKnown = false
    for (let n = 1; n <= MAX_ATTEMPTS; n++) {
      const result = findPath(
        graph,
        ours
          ? { ...request, history, now: NOW + i * 30_000 }
          : { ...request, excluded: { channels: failedHere } },
        ours ? {} : { weights: CHEAPEST },
      )
      if (!result.ok) break
      wayKnown = true
      attempts++
      const { route } = result.value
      const stuck = stuckAt(graph, balances, route)
      if (ours)
        history = learn(history, {
          route,
          at: NOW + i * 30_000,
          result: stuck === -1 ? { type: 'arrived' } : { type: 'hopFailed', failedHop: stuck, any: false },
        })
      if (stuck === -1) {
        settle(graph, balances, route)
        arrived++
        if (n === 1) first++
        fees += Number(route.feeMsat)
        feesOf.set(i, (Number(route.feeMsat) / Number(route.amountMsat)) * 1e6)
        amounts += Number(route.amountMsat)
        break
      }
      const hop = route.hops[stuck]
      if (hop !== undefined) failedHere.add(channelKey(hop.scid, hop.from, hop.nodeId))
    }
    if (wayKnown) possible++
  }
  return {
    success: round(arrived / possible),
    first: round(first / possible),
    attempts: round(attempts / possible),
    feePpm: round((fees / amounts) * 1e6),
    feesOf,
  }
}

/** Figures of all payers. Fees are compared over the payments that arrived with each of them: whoever pays more often pays the dearer ones too. */
export function paymentFigures(graph: Graph, kind: 'even' | 'bimodal'): Figures {
  const figures: Record<string, number> = {}
  const results = PAYERS.map((payer) => [payer, payments(graph, kind, payer)] as const)
  for (const [payer, p] of results) {
    const who = `${payer}${kind === 'even' ? 'Even' : 'Bimodal'}`
    const shared = [...p.feesOf].filter(([i]) => results.every(([, other]) => other.feesOf.has(i)))
    figures[`${who}SuccessShare`] = p.success
    figures[`${who}FirstTryShare`] = p.first
    figures[`${who}AttemptsCount`] = p.attempts
    figures[`${who}FeePpm`] = p.feePpm
    figures[`${who}SharedMedianFeePpm`] = percentile(
      shared.map(([, fee]) => fee),
      0.5,
    )
  }
  return figures
}

/** Signature checks of gossip: messages a second. */
function verification() {
  const [a, b] = [keysOf(1), keysOf(2)]
  const announcement = announcementOf(a, b, 1n)
  const update = updateOf(a, b, 1n, 1_760_000_000)
  const announcementMs = millisecondsOf(
    () => void unwrap(checkAnnouncement(announcement, NETWORKS.regtest.chainHash)),
  )
  const updateMs = millisecondsOf(() => {
    if (!updateSignedBy(update, a.id)) throw new Error('not its signature')
  })
  return {
    announcementsPerSecond: round(1000 / announcementMs),
    updatesPerSecond: round(1000 / updateMs),
    signaturesPerSecond: round(4000 / announcementMs),
    // 50,000 announcements and twice as many updates, and 15,000 nodes.
    wholeNetworkSeconds: round((50_000 * announcementMs + 115_000 * updateMs) / 1000),
  }
}

export const routes: Bench = {
  name: 'routes',
  about:
    '15,000 nodes, 50,000 channels: loading, finding routes, ten times as much, payments under hidden balances',
  onDemand: true,
  run: () => {
    const figures: Record<string, number> = {}
    const { graph } = generateNetwork(SIZE)
    const degrees = [...graph.degree.subarray(0, graph.nodeSlots)].sort((x, y) => x - y)
    figures['degreeMedianCount'] = degrees[degrees.length >> 1] as number
    figures['degreeMaxCount'] = degrees.at(-1) as number
    for (const [name, value] of Object.entries(loading(graph))) figures[name] = value
    const { p50, p99, found } = latency(graph, ROUTES)
    Object.assign(figures, { routeP50Ms: p50, routeP99Ms: p99, routesFoundShare: found })
    for (const kind of ['bimodal', 'even'] as const) Object.assign(figures, paymentFigures(graph, kind))
    for (const [name, value] of Object.entries(verification())) figures[`gossip:${name}`] = value
    const huge = generateNetwork(HUGE).graph
    for (const [name, value] of Object.entries(loading(huge))) figures[`tenfold:${name}`] = value
    const ten = latency(huge, Math.ceil(ROUTES / 8))
    const bounded = latencyBounded(huge, Math.ceil(ROUTES / 8))
    Object.assign(figures, {
      'tenfold:routeP50Ms': ten.p50,
      'tenfold:routeP99Ms': ten.p99,
      'tenfold:boundedP99Ms': bounded.p99,
      'tenfold:boundedFoundShare': bounded.found,
    } satisfies Figures)
    return Promise.resolve(figures)
  },
}

/** With the default budget of settled nodes. */
function latencyBounded(graph: Graph, count: number) {
  const random = seeded(2)
  const locals = wallet(graph, random)
  const times: number[] = []
  let found = 0
  for (let i = 0; i < count; i++) {
    const { budget: _, ...request } = payment(graph, random, locals)
    const began = performance.now()
    if (findPath(graph, request).ok) found++
    times.push(performance.now() - began)
  }
  return { p99: percentile(times, 0.99), found: round(found / count) }
}
