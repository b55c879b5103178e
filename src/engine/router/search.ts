import { feeFor } from './fees.ts'
import type { Graph } from './graph.ts'
import { CHANNEL, NODE, POLICY } from './graph-terms.ts'
import {
  BASE,
  CAPACITY,
  DELTA_FLAGS,
  FLOATS,
  MAXIMUM,
  MINIMUM,
  NEXT,
  OTHER,
  POLICY_SHIFT,
  PPM,
  WORDS,
} from './half-edges.ts'
import { Heap } from './heap.ts'
import { BASE_PROBABILITY, probabilityOf } from './history.ts'
import { type Overlay, pairSlot } from './overlay.ts'
import type { LocalChannel, RejectReason, Rejection } from './types.ts'

/** What a search minimises, in msat: fees · `fee` + lock-up + risk. */
export interface Weights {
  /** 0 or 1. */
  readonly fee: number
  /** For each msat and block of lock-up. */
  readonly lock: number
  /** For each nat of −ln(probability): so much, and so much of each msat sent. */
  readonly riskBaseMsat: number
  readonly riskOfAmount: number
}

/**
 * As LND weighs time (15 · 10⁻⁹ an msat and block). A failed attempt is taken to cost 20 sat and 0.1 % of the amount: it locks money and
 * makes a person wait; `npm run bench -- --only routes` shows what other figures would do.
 */
export const WEIGHTS: Weights = { fee: 1, lock: 15e-9, riskBaseMsat: 20_000, riskOfAmount: 0.001 }

/** The plain cheapest path: what the benchmark compares with, and the second try where the first breaks the fee limit. */
export const CHEAPEST: Weights = { fee: 1, lock: 0, riskBaseMsat: 0, riskOfAmount: 0 }

/** The soonest: the second try where the first breaks the limit of time. */
export const SHORTEST: Weights = { fee: 0, lock: 1, riskBaseMsat: 0, riskOfAmount: 0 }

/** BOLT 4: about as many hops fit into an onion of 1300 bytes with today's payloads. */
export const MAX_HOPS = 20

/** Less likely than this is not tried. */
const LEAST_PROBABILITY = 0.01

export interface Limits {
  readonly amount: number
  readonly maxFee: number
  readonly finalCltv: number
  readonly maxCltv: number
  readonly budget: number
  readonly now: number
  /** Also channels whose signatures were not verified: hints from a server. */
  readonly unverified: boolean
}

/** msat that other parts of the same payment put through, by half-edge of the graph or by −1 − index of the overlay. */
export type Reserved = ReadonlyMap<number, number>

/** One step of a path, forwards: the HTLC to `to`. */
export interface Step {
  readonly from: number
  readonly to: number
  /** Half-edge of the graph, −1 − index for the overlay's, undefined for our own channel. */
  readonly edge: number | undefined
  readonly amount: number
  readonly cltv: number
}

export interface Found {
  readonly local: LocalChannel
  readonly steps: readonly Step[]
  readonly cost: number
}

export interface Outcome {
  readonly found?: Found
  readonly settled: number
  readonly relaxed: number
  readonly rejected: readonly Rejection[]
  /** Why there is none. */
  readonly outOfBudget: boolean
  readonly localShort: boolean
}

const REASONS: readonly RejectReason[] = [
  'excluded',
  'disabled',
  'belowMinimum',
  'aboveMaximum',
  'unlikely',
  'feeLimit',
  'cltvLimit',
  'tooLong',
  'unknownFeature',
  'noUpdate',
  'spent',
  'unverified',
]
const NO = {
  excluded: 0,
  disabled: 1,
  belowMinimum: 2,
  aboveMaximum: 3,
  unlikely: 4,
  feeLimit: 5,
  cltvLimit: 6,
  tooLong: 7,
  unknownFeature: 8,
  noUpdate: 9,
  spent: 10,
  unverified: 11,
} as const

/** Arrays of a search, kept between searches: nothing in them outlives a call's meaning (`stamp` tells old from new). */
const scratch = {
  run: 0,
  stamp: new Uint32Array(0),
  done: new Uint8Array(0),
  cost: new Float64Array(0),
  amount: new Float64Array(0),
  cltv: new Float64Array(0),
  hops: new Uint8Array(0),
  via: new Int32Array(0),
  heap: new Heap(),
}

function prepare(slots: number): void {
  if (scratch.stamp.length < slots) {
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(slots)))
    scratch.stamp = new Uint32Array(size)
    scratch.done = new Uint8Array(size)
    scratch.cost = new Float64Array(size)
    scratch.amount = new Float64Array(size)
    scratch.cltv = new Float64Array(size)
    scratch.hops = new Uint8Array(size)
    scratch.via = new Int32Array(size)
    scratch.run = 0
  }
  if (++scratch.run === 0xffff_ffff) {
    scratch.stamp.fill(0)
    scratch.run = 1
  }
  scratch.heap.clear()
}

const TARGET = 0x7fff_ffff

/** A lower bound is taken a little lower: sums of floats are rounded. */
const SAFE = 1 - 1e-9

/** Flags of a half-edge that count here, and what they are where nothing is wrong with it. */
const GOOD = CHANNEL.signed | (POLICY.present << POLICY_SHIFT)
const COUNTING =
  CHANNEL.signed |
  CHANNEL.unknownFeature |
  CHANNEL.spent |
  ((POLICY.present | POLICY.disabled) << POLICY_SHIFT)

/** The reason not to take a channel with these flags, or −1. */
function whyNot(flags: number, unverified: boolean): number {
  if ((flags & CHANNEL.unknownFeature) !== 0) return NO.unknownFeature
  if ((flags & CHANNEL.spent) !== 0) return NO.spent
  if ((flags & CHANNEL.signed) === 0 && !unverified) return NO.unverified
  const policy = flags >>> POLICY_SHIFT
  return policy === POLICY.present ? -1 : policy === 0 ? NO.noUpdate : NO.disabled
}

/**
 * Dijkstra from the target backwards, so that each node's amount and expiry are known when its channels are looked at: fees depend on
 * what is forwarded. A node keeps its cheapest way only; where a limit cuts that one off, the caller asks again with other weights.
 */
export function search(
  graph: Graph,
  overlay: Overlay,
  limits: Limits,
  weights: Weights,
  reserved: Reserved | undefined,
): Outcome {
  prepare(overlay.slots)
  const { stamp, done, cost, amount, cltv, hops, via, heap, run } = scratch
  const { first, nodeFlags } = graph
  const { words, floats } = graph.halves
  const { source, target, excludedEdges, excludedNodes, pairs } = overlay
  const excluding = excludedEdges.size > 0 || excludedNodes.size > 0
  const counts = new Int32Array(REASONS.length)
  const examples: string[][] = REASONS.map(() => [])
  let settled = 0
  let relaxed = 0
  let localShort = false

  // Peers that we can surely send through, whatever fees their way turns out to have: the first of them that a way reaches bounds all others.
  const sure = new Set<number>()
  for (const [slot, channels] of overlay.locals) {
    const carries = (c: LocalChannel): boolean =>
      Number(c.spendableMsat) >= limits.amount + limits.maxFee && Number(c.minimumMsat ?? 0n) <= limits.amount
    if (slot !== source && !excludedNodes.has(slot) && channels.some(carries)) sure.add(slot)
  }
  let bound = Number.POSITIVE_INFINITY
  // No hop costs less than the risk that a node does not forward at all.
  const leastStep =
    -Math.log(BASE_PROBABILITY) * (weights.riskBaseMsat + weights.riskOfAmount * limits.amount) * SAFE

  const reject = (reason: number, edge: number): void => {
    counts[reason] = (counts[reason] as number) + 1
    const list = examples[reason] as string[]
    if (list.length < 3) list.push(nameOfEdge(graph, overlay, edge))
  }
  /** Another way to `u`, over an edge that all is well with so far. */
  const relax = (
    u: number,
    v: number,
    edge: number,
    base: number,
    ppm: number,
    delta: number,
    capacity: number,
  ) => {
    relaxed++
    const sent = amount[v] as number
    const fee = feeFor(sent, base, ppm)
    const total = sent + fee
    if (total - limits.amount > limits.maxFee) return reject(NO.feeLimit, edge)
    const expiry = (cltv[v] as number) + delta
    if (expiry > limits.maxCltv) return reject(NO.cltvLimit, edge)
    if ((hops[v] as number) + 1 >= MAX_HOPS) return reject(NO.tooLong, edge)
    const old = stamp[u] === run ? (cost[u] as number) : Number.POSITIVE_INFINITY
    let price = (cost[v] as number) + fee * weights.fee + delta * sent * weights.lock
    if (price >= old || price + (sure.has(u) ? 0 : leastStep) > bound) return
    const pair = pairs.size === 0 ? undefined : pairs.get(pairSlot(u, v))
    const held = reserved === undefined ? 0 : (reserved.get(edge) ?? 0)
    const p = probabilityOf(sent + held, capacity, pair, limits.now)
    if (p < LEAST_PROBABILITY) return reject(NO.unlikely, edge)
    price -= Math.log(p) * (weights.riskBaseMsat + weights.riskOfAmount * sent)
    if (price >= old || price > bound) return
    if (sure.has(u)) bound = price
    stamp[u] = run
    done[u] = 0
    cost[u] = price
    amount[u] = total
    cltv[u] = expiry
    hops[u] = (hops[v] as number) + 1
    via[u] = edge
    heap.push(price, u)
  }

  stamp[target] = run
  done[target] = 0
  cost[target] = 0
  amount[target] = limits.amount
  cltv[target] = limits.finalCltv
  hops[target] = 0
  via[target] = TARGET
  heap.push(0, target)
  let found: Found | undefined
  let outOfBudget = false
  while (heap.size > 0) {
    const key = heap.least
    const v = heap.pop()
    if (done[v] === 1 || key !== cost[v]) continue
    done[v] = 1
    if (key + leastStep > bound && !overlay.locals.has(v)) continue
    if (settled++ >= limits.budget) {
      outOfBudget = true
      break
    }
    const sent = amount[v] as number
    const local = overlay.locals.get(v)
    if (local !== undefined && v !== source && !excludedNodes.has(v)) {
      const fits = local.find((c) => Number(c.spendableMsat) >= sent && Number(c.minimumMsat ?? 0n) <= sent)
      // Nothing that is still open can be cheaper: our own channel costs nothing.
      if (fits !== undefined) {
        found = { local: fits, steps: stepsFrom(graph, overlay, v), cost: key }
        break
      }
      localShort = true
    }
    const extra = overlay.edgesTo.get(v)
    if (extra !== undefined) {
      for (const index of extra) {
        const edge = overlay.edges[index] as Overlay['edges'][number]
        const code = -1 - index
        if (edge.from === source || edge.from === v || (stamp[edge.from] === run && done[edge.from] === 1))
          continue
        if (excludedNodes.has(edge.from) || isExcludedHint(overlay, edge)) reject(NO.excluded, code)
        else if (sent < edge.minimum) reject(NO.belowMinimum, code)
        else if (sent > edge.maximum) reject(NO.aboveMaximum, code)
        else {
          // Hints and blinded paths were made for this payment by who is paid: taken to be good, up to what was learnt.
          const capacity = Number.MAX_SAFE_INTEGER
          relax(edge.from, v, code, edge.feeBase, edge.feePpm, edge.cltvDelta, capacity)
        }
      }
    }
    if (v >= graph.nodeSlots) continue
    // Whoever is paid may have features that we do not know; who only forwards may not.
    if (v !== target && ((nodeFlags[v] as number) & NODE.unknownFeature) !== 0) {
      counts[NO.unknownFeature] = (counts[NO.unknownFeature] as number) + 1
      continue
    }
    for (let half = first[v] as number, at = 0; half !== -1; half = words[at + NEXT] as number) {
      at = WORDS * half
      const u = words[at + OTHER] as number
      if (u === source || (stamp[u] === run && done[u] === 1)) continue
      const edge = half ^ 1
      const deltaFlags = words[at + DELTA_FLAGS] as number
      const flags = deltaFlags >>> 16
      if ((flags & COUNTING) !== GOOD) {
        const why = whyNot(flags, limits.unverified)
        if (why !== -1) {
          reject(why, edge)
          continue
        }
      }
      if (excluding && (excludedEdges.has(edge) || excludedNodes.has(u))) {
        reject(NO.excluded, edge)
        continue
      }
      if (sent < (floats[FLOATS * half + MINIMUM] as number)) {
        reject(NO.belowMinimum, edge)
        continue
      }
      const capacity = floats[FLOATS * half + CAPACITY] as number
      if (sent > (floats[FLOATS * half + MAXIMUM] as number) || (capacity > 0 && sent > capacity)) {
        reject(NO.aboveMaximum, edge)
        continue
      }
      const base = (words[at + BASE] as number) >>> 0
      const ppm = (words[at + PPM] as number) >>> 0
      relax(u, v, edge, base, ppm, deltaFlags & 0xffff, capacity)
    }
  }
  const rejected: Rejection[] = []
  REASONS.forEach((reason, i) => {
    const count = counts[i] as number
    if (count > 0) rejected.push({ reason, count, examples: examples[i] as string[] })
  })
  return {
    ...(found === undefined ? {} : { found }),
    settled,
    relaxed,
    rejected,
    outOfBudget,
    localShort: found === undefined && localShort,
  }
}

/** The path from the peer `start` to the target, ours to that peer first. */
function stepsFrom(graph: Graph, overlay: Overlay, start: number): Step[] {
  const { amount, cltv, via } = scratch
  const steps: Step[] = [
    {
      from: overlay.source,
      to: start,
      edge: undefined,
      amount: amount[start] as number,
      cltv: cltv[start] as number,
    },
  ]
  for (let at = start; via[at] !== TARGET; ) {
    const edge = via[at] as number
    const to =
      edge < 0 ? (overlay.edges[-1 - edge] as Overlay['edges'][number]).to : (graph.ends[edge ^ 1] as number)
    steps.push({ from: at, to, edge, amount: amount[to] as number, cltv: cltv[to] as number })
    at = to
  }
  return steps
}

function isExcludedHint(overlay: Overlay, edge: Overlay['edges'][number]): boolean {
  if (edge.blinded !== -1 || overlay.excludedScids.size === 0) return false
  const from = overlay.nameOf(edge.from)
  const to = overlay.nameOf(edge.to)
  return overlay.excludedScids.has(`${edge.scid}/${from < to ? 0 : 1}`)
}

function nameOfEdge(graph: Graph, overlay: Overlay, edge: number): string {
  if (edge >= 0) return `${graph.scid(edge >> 1)}/${edge & 1}`
  const extra = overlay.edges[-1 - edge] as Overlay['edges'][number]
  return extra.blinded === -1 ? `${extra.scid}/hint` : `blinded/${extra.blinded}`
}
