import { ApiError } from '../contract/errors.ts'
import type { FoundNode, NodeView } from '../contract/graph-view.ts'
import type { Graph } from '../engine/router/graph.ts'
import { CHANNEL, NODE, NO_LIMIT_MSAT } from '../engine/router/graph-terms.ts'
import { formatShortChannelId } from '../engine/wire/short-channel-id.ts'
import { safeAlias } from '../engine/wire/text.ts'

/** Single nodes of the network as they announced themselves. Reads only. */

const MOST_NODES = 20
const MOST_CHANNELS = 60

/** The name a node gave itself, made safe to show; empty where it gave none. */
export const aliasOf = (graph: Graph, slot: number): string =>
  safeAlias(graph.aliases.slice(32 * slot, 32 * slot + 32))

/** A name's place in the table costs some microseconds; ten times today's network is looked through in a fifth of a second. */
export function findNodes(
  graph: Graph,
  text: string,
): { readonly nodes: FoundNode[]; readonly count: number } {
  const wanted = text.trim().toLowerCase()
  const maybeId = /^0[23]?[0-9a-f]*$/.test(wanted)
  const found: FoundNode[] = []
  let count = 0
  for (let slot = 0; wanted !== '' && slot < graph.nodeSlots; slot++) {
    if (((graph.nodeFlags[slot] as number) & NODE.used) === 0) continue
    const name = aliasOf(graph, slot)
    if (!name.toLowerCase().includes(wanted) && !(maybeId && graph.nodeId(slot).startsWith(wanted))) continue
    count++
    found.push({
      nodeId: graph.nodeId(slot),
      ...(name === '' ? {} : { name }),
      channels: graph.degree[slot] as number,
    })
    // Never many more than are shown: everybody may match.
    if (found.length >= 8 * MOST_NODES) best(found)
  }
  best(found)
  return { nodes: found, count }
}

function best(found: FoundNode[]): void {
  found.sort((a, b) => b.channels - a.channels || (a.nodeId < b.nodeId ? -1 : 1))
  found.length = Math.min(found.length, MOST_NODES)
}

/** One node and its channels, the largest first. Throws `invalidInput` where nobody has told of it. */
export function nodeInfo(graph: Graph, nodeId: string): NodeView {
  const slot = graph.nodeOf(nodeId)
  if (slot === -1)
    throw new ApiError({ code: 'invalidInput', message: 'No public channel of this node is known.' })
  const edges: number[] = []
  for (let edge = graph.first[slot] as number; edge !== -1; edge = graph.halves.after(edge)) edges.push(edge)
  const size = (edge: number) => graph.capacityMsat(edge >> 1)
  edges.sort((a, b) => size(b) - size(a))
  const name = aliasOf(graph, slot)
  const flags = graph.nodeFlags[slot] as number
  return {
    nodeId,
    ...(name === '' ? {} : { name }),
    parts: (flags & NODE.basicMpp) !== 0,
    keysend: (flags & NODE.keysend) !== 0,
    channelCount: edges.length,
    channels: edges.slice(0, MOST_CHANNELS).map((edge) => channelView(graph, edge)),
  }
}

function channelView(graph: Graph, edge: number): NodeView['channels'][number] {
  const channel = edge >> 1
  const peer = graph.ends[edge ^ 1] as number
  const peerName = aliasOf(graph, peer)
  const out = termsOf(graph, edge)
  const back = termsOf(graph, edge ^ 1)
  const sat = graph.capacity[channel] as number
  const said = graph.capacityMsat(channel)
  return {
    shortChannelId: formatShortChannelId(graph.scid(channel)),
    peer: graph.nodeId(peer),
    ...(peerName === '' ? {} : { peerName }),
    ...(sat > 0 ? { capacitySat: String(sat) } : {}),
    ...(sat > 0 || said === 0 ? {} : { saidMsat: String(said) }),
    checked: stepOf(graph, channel),
    ...(out === undefined ? {} : { out }),
    ...(back === undefined ? {} : { back }),
  }
}

/** How far a channel was checked here: each step includes the ones before. */
function stepOf(graph: Graph, channel: number): NodeView['channels'][number]['checked'] {
  if (graph.has(channel, CHANNEL.spent)) return 'spent'
  if (graph.has(channel, CHANNEL.proven | CHANNEL.unspent)) return 'unspent'
  if (graph.has(channel, CHANNEL.proven)) return 'proven'
  return graph.has(channel, CHANNEL.signed) ? 'signed' : 'hint'
}

function termsOf(graph: Graph, edge: number): NodeView['channels'][number]['out'] {
  const policy = graph.policy(edge)
  return policy === undefined
    ? undefined
    : {
        feeBaseMsat: Math.min(policy.feeBaseMsat, NO_LIMIT_MSAT),
        feeProportionalMillionths: policy.feeProportionalMillionths,
        cltvDelta: policy.cltvExpiryDelta,
        disabled: policy.disabled,
        toldAt: new Date(policy.timestamp * 1000).toISOString(),
      }
}
