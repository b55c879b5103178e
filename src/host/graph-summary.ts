import type { GossipStatus } from '../engine/router/gossip-types.ts'
import type { Graph } from '../engine/router/graph.ts'
import { CHANNEL, POLICY } from '../engine/router/graph-terms.ts'
import type { SnapshotStatus } from './snapshots.ts'

/** What the host says of the graph it keeps. Reads only. */

/** What the graph page shows. */
export interface GraphSummary {
  readonly nodes: number
  readonly channels: number
  /** Of `channels`: signatures checked by us, funding output proven, seen unspent. */
  readonly signed: number
  readonly proven: number
  readonly unspent: number
  readonly capacitySat: bigint
  /** s since 1970 of the newest update, 0: none. */
  readonly newest: number
  /** Terms that are known, and those of them told within 14 days. */
  readonly updates: number
  readonly freshUpdates: number
  readonly memoryBytes: number
  /** Of its records. */
  readonly storageBytes: number
  /** When all was compared with a peer's last, in this run (ms since 1970). */
  readonly lastSync: { readonly at: number; readonly peer: string | undefined } | undefined
  /** Undefined while the user has named no server for them. */
  readonly snapshot: SnapshotStatus | undefined
  readonly gossip: GossipStatus
}

/** `oldest`: s since 1970 from which terms count as fresh. */
export function summaryOf(
  graph: Graph,
  gossip: GossipStatus,
  oldest: number,
): Omit<GraphSummary, 'storageBytes' | 'lastSync' | 'snapshot'> {
  let signed = 0
  let proven = 0
  let unspent = 0
  let capacity = 0
  let newest = 0
  let updates = 0
  let freshUpdates = 0
  for (let c = 0; c < graph.channelSlots; c++) {
    const flags = graph.channelFlags[c] as number
    if ((flags & CHANNEL.used) === 0) continue
    if ((flags & CHANNEL.signed) !== 0) signed++
    if ((flags & CHANNEL.proven) !== 0) proven++
    if ((flags & CHANNEL.unspent) !== 0) unspent++
    capacity += graph.capacity[c] as number
    for (const edge of [2 * c, 2 * c + 1]) {
      if (((graph.policyFlags[edge] as number) & POLICY.present) === 0) continue
      const told = graph.policyTime[edge] as number
      updates++
      if (told >= oldest) freshUpdates++
      newest = Math.max(newest, told)
    }
  }
  return {
    nodes: graph.nodeCount,
    channels: graph.channelCount,
    signed,
    proven,
    unspent,
    capacitySat: BigInt(capacity),
    newest,
    updates,
    freshUpdates,
    memoryBytes: graph.bytes(),
    gossip,
  }
}

/** Channels between each node of a path and the next: at most three a pair. */
export function channelsAlong(graph: Graph, nodes: readonly string[]): bigint[] {
  const scids: bigint[] = []
  const slots = nodes.map((id) => graph.nodeOf(id))
  slots.slice(1).forEach((to, i) => {
    const from = slots[i] as number
    if (from === -1 || to === -1) return
    let found = 0
    for (let half = graph.first[from] as number; half !== -1 && found < 3; half = graph.halves.after(half)) {
      if (graph.ends[half ^ 1] !== to) continue
      found++
      scids.push(graph.scid(half >> 1))
    }
  })
  return scids
}
