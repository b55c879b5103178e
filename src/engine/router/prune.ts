import type { Graph } from './graph.ts'
import { CHANNEL, POLICY } from './graph-terms.ts'

/** BOLT 7 §Recommendation on Pruning Stale Entries: two weeks, in seconds. */
export const STALE_SECONDS = 1_209_600
/** BOLT 7 §channel_announcement: forgotten so many blocks after its output was spent; a splice is announced meanwhile. */
export const FORGET_BLOCKS = 72
/** A channel without any update that old (in blocks) never had one. */
const WITHOUT_UPDATE_BLOCKS = 2016

/**
 * Takes out what is stale: channels of which one direction has not been updated for two weeks (the older of the two counts), those that
 * never got an update, and those spent 72 blocks ago. Looks at `most` slots from `from` on; where to go on, or undefined at the end.
 */
export function pruneSlice(
  graph: Graph,
  at: { readonly nowSeconds: number; readonly height: number },
  from: number,
  most: number,
  keep: (slot: number) => boolean = () => false,
): { readonly next: number | undefined; readonly removed: number } {
  const end = Math.min(from + most, graph.channelSlots)
  let removed = 0
  for (let slot = from; slot < end; slot++) {
    if (!graph.has(slot, CHANNEL.used) || keep(slot) || !isStale(graph, slot, at)) continue
    graph.removeChannel(slot)
    removed++
  }
  return { next: end >= graph.channelSlots ? undefined : end, removed }
}

function isStale(
  graph: Graph,
  slot: number,
  at: { readonly nowSeconds: number; readonly height: number },
): boolean {
  if (graph.has(slot, CHANNEL.spent) && at.height >= (graph.spentHeight[slot] as number) + FORGET_BLOCKS)
    return true
  let oldest = Number.POSITIVE_INFINITY
  for (const edge of [2 * slot, 2 * slot + 1]) {
    const time = ((graph.policyFlags[edge] as number) & POLICY.present) === 0 ? 0 : graph.policyTime[edge]
    oldest = Math.min(oldest, time as number)
  }
  if (oldest > 0) return at.nowSeconds - oldest > STALE_SECONDS
  // One direction has never been announced: give it as long, by what the other says, or by its block.
  const newest = Math.max(graph.policyTime[2 * slot] as number, graph.policyTime[2 * slot + 1] as number)
  return newest > 0
    ? at.nowSeconds - newest > STALE_SECONDS
    : at.height - graph.blockOf(slot) > WITHOUT_UPDATE_BLOCKS
}
