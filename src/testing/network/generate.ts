import { compareBytes } from '../../engine/base/bytes.ts'
import { createGraph, type Graph } from '../../engine/router/graph.ts'
import { CHANNEL } from '../../engine/router/graph-terms.ts'
import { type Random, seeded } from '../random.ts'

/**
 * A network of the real one's size and shape, from a seed. Stated, with reasons; all from public figures of mainnet, rounded:
 *
 * - 15,000 nodes, 50,000 channels: a mean degree of 6.7.
 * - Degrees are heavy-tailed: a fifth of the nodes has one channel, half at most three, the largest hubs some thousands. New nodes bring 1 + geometric
 *   channels; four fifths go to an end of a channel drawn evenly (preferential attachment), the rest to one of 40 hubs by Zipf's law,
 *   since preferential attachment alone makes hubs of some hundreds only.
 * - Capacities are log-normal, median 2 million sat and mean 10 million (σ = 1.79): about 5,000 bitcoin in 50,000 channels.
 * - Fees: base 0 for half, 1 sat for most others; proportional log-normal around 150 millionths, a tenth above 1,000; many free of fee.
 * - `cltv_expiry_delta` 34, 40, 72, 80, 144 as the implementations' defaults are; `htlc_minimum_msat` 1 or 1,000; maxima 99 % of the
 *   capacity or 45 %; 6 % of the directions are disabled.
 */
export interface NetworkOptions {
  readonly nodes: number
  readonly channels: number
  readonly seed: number
  /** Seconds since 1970 of the updates. */
  readonly timestamp?: number
}

/** A graph, and what only its owners know: msat on the side of each half-edge's node. */
export interface Network {
  readonly graph: Graph
  readonly balances: Float64Array
}

export function generateNetwork(options: NetworkOptions): Network {
  const random = seeded(options.seed)
  const graph = createGraph(options.seed)
  const ids = Array.from({ length: options.nodes }, () => {
    const id = random.bytes(33)
    id[0] = 2 + random.int(2)
    return id
  })
  // Nodes by the channels they have: an even draw from it is preferential attachment.
  const ends: number[] = []
  const mean = options.channels / options.nodes
  const hubs = Math.min(40, Math.ceil(options.nodes / 4))
  let made = 0
  const connect = (a: number, b: number): void => {
    if (a === b || made >= options.channels) return
    const [first, second] = compareBytes(ids[a] as Uint8Array, ids[b] as Uint8Array) < 0 ? [a, b] : [b, a]
    const slot = graph.addChannel({
      scid: scidOf(made, random),
      nodeId1: ids[first] as Uint8Array,
      nodeId2: ids[second] as Uint8Array,
      capacitySat: capacityOf(random),
      witnessProgram: random.bytes(32),
      flags: CHANNEL.signed,
    })
    setPolicies(graph, slot, random, options.timestamp ?? 1_760_000_000)
    ends.push(a, b)
    made++
  }
  for (let n = 1; n < options.nodes; n++) {
    let channels = 1
    while (random.bool(1 - 1 / mean)) channels++
    for (let i = 0; i < channels; i++) {
      const other = random.bool(0.2) || ends.length === 0 ? zipf(hubs, random) : random.pick(ends)
      connect(n, Math.min(other, n - 1))
    }
  }
  while (made < options.channels) connect(random.pick(ends), random.pick(ends))
  return { graph, balances: hiddenBalances(graph, 'bimodal', options.seed) }
}

/**
 * Balances that nobody else knows. `even`: anything between nothing and all is as likely. `bimodal`: three quarters of the channels have
 * nearly everything on one side, as measured on the real network.
 */
export function hiddenBalances(graph: Graph, kind: 'even' | 'bimodal', seed: number): Float64Array {
  const random = seeded(seed ^ 0x2545_f491)
  const balances = new Float64Array(2 * graph.channelSlots)
  for (let c = 0; c < graph.channelSlots; c++) {
    const all = graph.capacityMsat(c)
    let share = random.next()
    if (kind === 'bimodal' && random.bool(0.75)) {
      const little = 0.1 * random.next() ** 2
      share = random.bool(0.5) ? little : 1 - little
    }
    balances[2 * c] = Math.floor(all * share)
    balances[2 * c + 1] = all - (balances[2 * c] as number)
  }
  return balances
}

function scidOf(index: number, random: Random): bigint {
  // A few channels a block, as in reality: ids ascend with time.
  const height = 500_000 + index * 8
  return (BigInt(height) << 40n) | (BigInt(random.int(4000)) << 16n) | BigInt(random.int(3))
}

function zipf(n: number, random: Random): number {
  // By inverting the harmonic sum; n is small.
  let h = 0
  for (let i = 1; i <= n; i++) h += 1 / i
  let x = random.next() * h
  for (let i = 1; i <= n; i++) {
    x -= 1 / i
    if (x <= 0) return i - 1
  }
  return n - 1
}

/** A standard normal deviate (Box and Muller). */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}

const capacityOf = (random: Random): number =>
  Math.round(Math.min(1e9, Math.max(20_000, 2e6 * Math.exp(1.79 * normal(random)))))

function setPolicies(graph: Graph, slot: number, random: Random, timestamp: number): void {
  const capacity = (graph.capacity[slot] as number) * 1000
  for (const edge of [2 * slot, 2 * slot + 1]) {
    const roll = random.next()
    graph.setPolicy(edge, {
      timestamp: timestamp - random.int(1_000_000),
      disabled: random.bool(0.06),
      cltvExpiryDelta: random.pick([34, 40, 40, 72, 80, 80, 144]),
      feeBaseMsat: roll < 0.5 ? 0 : roll < 0.9 ? 1000 : random.int(5000),
      feeProportionalMillionths: random.bool(0.12)
        ? 0
        : Math.min(10_000, Math.round(150 * Math.exp(1.5 * normal(random)))),
      htlcMinimumMsat: random.bool(0.4) ? 1 : 1000,
      htlcMaximumMsat: Math.floor(capacity * (random.bool(0.7) ? 0.99 : 0.45)),
    })
  }
}
