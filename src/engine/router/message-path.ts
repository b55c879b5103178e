import type { Graph } from './graph.ts'
import { CHANNEL, NODE } from './graph-terms.ts'

/** Ways for onion messages (BOLT 4): over nodes that pass them on, along channels, since nodes with a channel are connected. */

/** Nodes between us and the one that is sought, at most. */
const MAX_HOPS = 8

/**
 * The shortest way from one of our peers to a node.
 * @param starts our peers that pass messages on: 66 hex digits
 * @param target 66 hex digits
 * @returns node ids from our peer to the one before the target; undefined when none is known
 */
export function messagePath(
  graph: Graph,
  starts: readonly string[],
  target: string,
): readonly string[] | undefined {
  const goal = graph.nodeOf(target)
  if (goal === -1) return undefined
  const begins = new Set(starts.map((id) => graph.nodeOf(id)).filter((slot) => slot !== -1 && slot !== goal))
  if (begins.size === 0) return undefined
  // From the target backwards, in rounds: whoever is met first is nearest.
  const onward = new Map<number, number>([[goal, -1]])
  let round = [goal]
  for (let hops = 0; hops < MAX_HOPS && round.length > 0; hops++) {
    const next: number[] = []
    for (const node of round) {
      for (let edge = graph.first[node] ?? -1; edge !== -1; edge = graph.halves.after(edge)) {
        const other = graph.ends[edge ^ 1] as number
        if (onward.has(other) || graph.has(edge >> 1, CHANNEL.spent)) continue
        if (((graph.nodeFlags[other] as number) & NODE.onionMessages) === 0 && !begins.has(other)) continue
        onward.set(other, node)
        if (begins.has(other)) return wayFrom(graph, other, onward)
        next.push(other)
      }
    }
    round = next
  }
  return undefined
}

function wayFrom(graph: Graph, start: number, onward: ReadonlyMap<number, number>): readonly string[] {
  const way: string[] = []
  for (let at = start; onward.get(at) !== -1; at = onward.get(at) as number) way.push(graph.nodeId(at))
  return way
}
