import { Writer } from '../wire/codec.ts'
import type { Graph } from './graph.ts'
import { CHANNEL, NO_LIMIT_MSAT, type Policy } from './graph-terms.ts'
import { SNAPSHOT_PREFIX } from './snapshot.ts'

/** Writes what `snapshot.ts` reads: for nodes that serve others. Only channels whose signatures were checked here are told of. */

/** All msat there can be stand for no limit: LDK drops terms with more. */
const ALL_MSAT = 2_100_000_000_000_000_000n
const msat = (n: number): bigint => (n >= NO_LIMIT_MSAT ? ALL_MSAT : BigInt(n))

type Terms = Pick<
  Policy,
  'cltvExpiryDelta' | 'htlcMinimumMsat' | 'feeBaseMsat' | 'feeProportionalMillionths' | 'htlcMaximumMsat'
>

/** The whole network as it is known here at `nowSeconds`. */
export function writeSnapshot(graph: Graph, chainHash: Uint8Array, nowSeconds: number): Uint8Array {
  const told = (slot: number): boolean =>
    graph.has(slot, CHANNEL.used | CHANNEL.signed) && !graph.has(slot, CHANNEL.spent)
  const slots = Array.from({ length: graph.channelSlots }, (_, slot) => slot)
    .filter(told)
    .map((slot) => ({ slot, scid: graph.scid(slot) }))
    .sort((a, b) => (a.scid < b.scid ? -1 : 1))
  const nodes: number[] = []
  const indexOf = new Map<number, number>()
  for (const { slot } of slots) {
    for (const edge of [2 * slot, 2 * slot + 1]) {
      const node = graph.ends[edge] as number
      if (indexOf.has(node)) continue
      indexOf.set(node, nodes.length)
      nodes.push(node)
    }
  }
  const writer = new Writer().bytes(SNAPSHOT_PREFIX).bytes(chainHash, 32).u32(nowSeconds).u32(nodes.length)
  for (const node of nodes) writer.bytes(graph.nodeIds.subarray(33 * node, 33 * node + 33), 33)
  writer.u32(slots.length)
  let before = 0n
  for (const { slot, scid } of slots) {
    // That there is a required feature unknown to us, of which none is kept: bit 254 stands for it.
    const features = graph.has(slot, CHANNEL.unknownFeature) ? UNKNOWN : NONE
    writer.blob(features).bigsize(scid - before)
    for (const edge of [2 * slot, 2 * slot + 1])
      writer.bigsize(indexOf.get(graph.ends[edge] as number) as number)
    before = scid
  }
  writeUpdates(writer, graph, slots)
  return writer.finish()
}

const NONE = new Uint8Array(0)
const UNKNOWN = new Uint8Array(32)
UNKNOWN[0] = 0x40

function writeUpdates(
  writer: Writer,
  graph: Graph,
  slots: readonly { readonly slot: number; readonly scid: bigint }[],
): void {
  const updates = slots.flatMap(({ slot, scid }) =>
    ([0, 1] as const).flatMap((side) => {
      const policy = graph.policy(2 * slot + side)
      return policy === undefined ? [] : [{ scid, side, policy }]
    }),
  )
  writer.u32(updates.length)
  if (updates.length === 0) return
  const common = <K extends keyof Terms>(name: K): number => mostFrequent(updates.map((u) => u.policy[name]))
  const defaults: Terms = {
    cltvExpiryDelta: common('cltvExpiryDelta'),
    htlcMinimumMsat: common('htlcMinimumMsat'),
    feeBaseMsat: common('feeBaseMsat'),
    feeProportionalMillionths: common('feeProportionalMillionths'),
    htlcMaximumMsat: common('htlcMaximumMsat'),
  }
  writer
    .u16(defaults.cltvExpiryDelta)
    .u64(msat(defaults.htlcMinimumMsat))
    .u32(defaults.feeBaseMsat)
    .u32(defaults.feeProportionalMillionths)
    .u64(msat(defaults.htlcMaximumMsat))
  let before = 0n
  for (const { scid, side, policy } of updates) {
    const differs = (name: keyof Terms, bit: number): number => (policy[name] === defaults[name] ? 0 : bit)
    const flags =
      side |
      (policy.disabled ? 2 : 0) |
      differs('cltvExpiryDelta', 0x40) |
      differs('htlcMinimumMsat', 0x20) |
      differs('feeBaseMsat', 0x10) |
      differs('feeProportionalMillionths', 0x08) |
      differs('htlcMaximumMsat', 0x04)
    writer.bigsize(scid - before).u8(flags)
    if ((flags & 0x40) !== 0) writer.u16(policy.cltvExpiryDelta)
    if ((flags & 0x20) !== 0) writer.u64(msat(policy.htlcMinimumMsat))
    if ((flags & 0x10) !== 0) writer.u32(policy.feeBaseMsat)
    if ((flags & 0x08) !== 0) writer.u32(policy.feeProportionalMillionths)
    if ((flags & 0x04) !== 0) writer.u64(msat(policy.htlcMaximumMsat))
    before = scid
  }
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>()
  let best = values[0] as number
  for (const value of values) {
    const count = (counts.get(value) ?? 0) + 1
    counts.set(value, count)
    if (count > (counts.get(best) ?? 0)) best = value
  }
  return best
}
