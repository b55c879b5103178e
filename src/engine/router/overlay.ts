import type { Graph } from './graph.ts'
import { msatNumber, NO_LIMIT_MSAT } from './graph-terms.ts'
import type { LocalChannel, PairHistory, PathRequest } from './types.ts'

/** An edge that is not in the graph: of a route hint, or a blinded path as a whole. */
export interface OverlayEdge {
  readonly from: number
  readonly to: number
  readonly scid: bigint
  readonly feeBase: number
  readonly feePpm: number
  readonly cltvDelta: number
  readonly minimum: number
  readonly maximum: number
  /** Index of the blinded path, or −1 for a hint. */
  readonly blinded: number
}

/** A request with its names turned into slots. Nodes that the graph does not know get slots behind its own. */
export interface Overlay {
  readonly slots: number
  readonly source: number
  readonly target: number
  readonly edges: readonly OverlayEdge[]
  readonly edgesTo: ReadonlyMap<number, readonly number[]>
  /** Our channels by the peer's slot, the one with the least room first. */
  readonly locals: ReadonlyMap<number, readonly LocalChannel[]>
  readonly excludedNodes: ReadonlySet<number>
  /** Half-edges of the graph. */
  readonly excludedEdges: ReadonlySet<number>
  readonly excludedScids: ReadonlySet<string>
  readonly pairs: ReadonlyMap<number, PairHistory>
  nameOf(slot: number): string
}

/** One number for a directed pair of slots. */
export const pairSlot = (from: number, to: number): number => from * 0x400_0000 + to

/** Most hops of hints, paths and local channels looked at: invoices are from outside. */
const MAX_HINT_HOPS = 200

export function overlayOf(graph: Graph, request: PathRequest): Overlay {
  const names: string[] = []
  const extra = new Map<string, number>()
  const slotOf = (id: string): number => {
    const known = graph.nodeOf(id)
    if (known !== -1) return known
    const made = extra.get(id)
    if (made !== undefined) return made
    const slot = graph.nodeSlots + names.length
    names.push(id)
    extra.set(id, slot)
    return slot
  }
  const source = slotOf(request.source)
  const blinded = request.blinded !== undefined && request.blinded.length > 0
  // A blinded recipient has no name: a slot of its own that nothing else leads to.
  const target = blinded ? slotOf('blinded recipient') : slotOf(request.target)
  const edges: OverlayEdge[] = []
  let hops = 0
  for (const hint of request.hints ?? []) {
    hint.forEach((hop, i) => {
      const to = hint[i + 1]
      if (++hops > MAX_HINT_HOPS) return
      edges.push({
        from: slotOf(hop.nodeId),
        to: to === undefined ? target : slotOf(to.nodeId),
        scid: hop.scid,
        feeBase: hop.feeBaseMsat,
        feePpm: hop.feeProportionalMillionths,
        cltvDelta: hop.cltvExpiryDelta,
        minimum: 0,
        maximum: NO_LIMIT_MSAT,
        blinded: -1,
      })
    })
  }
  if (blinded) {
    request.blinded?.forEach((tail, i) => {
      edges.push({
        from: slotOf(tail.introductionNode),
        to: target,
        scid: 0n,
        feeBase: tail.feeBaseMsat,
        feePpm: tail.feeProportionalMillionths,
        cltvDelta: tail.cltvExpiryDelta,
        minimum: msatNumber(tail.htlcMinimumMsat),
        maximum: msatNumber(tail.htlcMaximumMsat),
        blinded: i,
      })
    })
  }
  const edgesTo = new Map<number, number[]>()
  edges.forEach((edge, i) => {
    const list = edgesTo.get(edge.to)
    if (list === undefined) edgesTo.set(edge.to, [i])
    else list.push(i)
  })
  const locals = new Map<number, LocalChannel[]>()
  for (const channel of request.localChannels) {
    const slot = slotOf(channel.peer)
    const list = locals.get(slot)
    if (list === undefined) locals.set(slot, [channel])
    else list.push(channel)
  }
  for (const list of locals.values()) list.sort(byRoom)

  const excludedNodes = new Set<number>()
  for (const id of request.excluded?.nodes ?? []) {
    const slot = extra.get(id) ?? graph.nodeOf(id)
    if (slot !== -1) excludedNodes.add(slot)
  }
  const excludedEdges = new Set<number>()
  for (const key of request.excluded?.channels ?? []) {
    const parsed = parseChannelKey(key)
    const slot = parsed === undefined ? -1 : graph.channelAt(parsed.scid)
    if (parsed !== undefined && slot !== -1) excludedEdges.add(2 * slot + parsed.direction)
  }
  const pairs = new Map<number, PairHistory>()
  for (const pair of Object.values(request.history?.pairs ?? {})) {
    const from = extra.get(pair.from) ?? graph.nodeOf(pair.from)
    const to = extra.get(pair.to) ?? graph.nodeOf(pair.to)
    if (from !== -1 && to !== -1) pairs.set(pairSlot(from, to), pair)
  }
  return {
    slots: graph.nodeSlots + names.length,
    source,
    target,
    edges,
    edgesTo,
    locals,
    excludedNodes,
    excludedEdges,
    excludedScids: request.excluded?.channels ?? new Set(),
    pairs,
    nameOf: (slot) =>
      slot < graph.nodeSlots ? graph.nodeId(slot) : (names[slot - graph.nodeSlots] as string),
  }
}

/** `<scid>/<direction>`: 0 from the lesser node id, 1 from the greater. For `Excluded`. */
export const channelKey = (scid: bigint, from: string, to: string): string => `${scid}/${from < to ? 0 : 1}`

function parseChannelKey(key: string): { scid: bigint; direction: number } | undefined {
  const match = /^(\d{1,20})\/([01])$/.exec(key)
  return match === null ? undefined : { scid: BigInt(match[1] as string), direction: Number(match[2]) }
}

function byRoom(a: LocalChannel, b: LocalChannel): number {
  if (a.spendableMsat !== b.spendableMsat) return a.spendableMsat < b.spendableMsat ? -1 : 1
  return a.channelId < b.channelId ? -1 : a.channelId > b.channelId ? 1 : 0
}
