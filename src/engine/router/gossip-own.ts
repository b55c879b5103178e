import { toHex } from '../base/bytes.ts'
import { encodeMessage } from '../wire/encode.ts'
import type {
  ChannelAnnouncement,
  ChannelUpdate,
  NodeAnnouncement,
  ProvenChannelAnnouncement,
} from '../wire/messages.ts'
import { fundingProgram, nodeFlagsOf, policyOf } from './announcement.ts'
import type { Book, Peer } from './gossip-types.ts'
import { knowsProofs } from './gossip-types.ts'
import { CHANNEL } from './graph-terms.ts'
import { announcementsFor } from './shelf.ts'

/** What we tell of ourselves: made by the node, put into the graph and onto the shelf here. Each says whether peers are to hear of it. */

/**
 * An announcement whose two halves were signed by ourselves and checked when the peer's came in. Our channels' existence is known from
 * our own chain: they are proven.
 */
export function ownChannel(book: Book, message: ChannelAnnouncement, capacitySat: number): void {
  const { graph } = book
  const scid = message.shortChannelId
  const { nodeId1, nodeId2 } = message
  if (book.own.has(scid) && graph.channelAt(scid) !== -1) return
  const flags = CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent
  const witnessProgram = fundingProgram(message.bitcoinKey1, message.bitcoinKey2)
  const known = graph.channelAt(scid)
  // A snapshot may have told lies of it.
  if (known !== -1 && !graph.has(known, CHANNEL.signed)) graph.removeChannel(known)
  if (known === -1 || !graph.has(known, CHANNEL.signed)) {
    if (graph.addChannel({ scid, nodeId1, nodeId2, capacitySat, witnessProgram, flags }) === -1) return
  } else {
    graph.mark(known, flags, 0, capacitySat)
  }
  book.own.add(scid)
  book.shelf.putChannel(scid, 'announcement', encodeMessage(message), [toHex(nodeId1), toHex(nodeId2)], true)
}

/** The same with one signature and its proof. */
export function ownProven(book: Book, message: ProvenChannelAnnouncement): boolean {
  const { nodeId1, nodeId2, shortChannelId } = message
  if (!book.own.has(shortChannelId)) return false
  const nodes = [toHex(nodeId1), toHex(nodeId2)] as const
  book.shelf.putChannel(shortChannelId, 'proven', encodeMessage(message), nodes, true)
  return true
}

/** An update of a channel of ours that is announced, signed by us. */
export function ownUpdate(book: Book, message: ChannelUpdate): boolean {
  const { graph } = book
  const slot = graph.channelAt(message.shortChannelId)
  if (slot === -1 || !book.own.has(message.shortChannelId)) return false
  const direction = (message.channelFlags & 1) as 0 | 1
  if (message.timestamp <= (graph.policyTime[2 * slot + direction] as number)) return false
  graph.setPolicy(2 * slot + direction, policyOf(message))
  book.shelf.putUpdate(message.shortChannelId, direction, encodeMessage(message), message.timestamp)
  return true
}

/** Our own node_announcement. It counts only once a channel of ours is known (BOLT 7 §node_announcement). */
export function ownNode(book: Book, message: NodeAnnouncement): Uint8Array | undefined {
  const slot = book.graph.nodeAt(message.nodeId)
  if (slot === -1 || message.timestamp <= (book.graph.nodeTime[slot] as number)) return undefined
  book.graph.setNode(slot, message.timestamp, nodeFlagsOf(message), message.alias)
  const bytes = encodeMessage(message)
  book.shelf.putNode(toHex(message.nodeId), bytes, message.timestamp)
  return bytes
}

/** What a peer hears of a channel of ours: nothing without an update of ours (BOLT 7 §gossip_timestamp_filter). */
export function ownMessages(book: Book, peer: Pick<Peer, 'features'>, scid: bigint): readonly Uint8Array[] {
  const { nodeId } = book.options
  const channel = book.shelf.channels.get(scid)
  const update = channel?.updates.find((u, side) => u !== undefined && channel.nodes[side] === nodeId)
  if (channel === undefined || update === undefined) return []
  const node = book.shelf.nodes.get(nodeId)
  return [
    ...announcementsFor(channel, knowsProofs(peer)),
    update,
    ...(node === undefined ? [] : [node.bytes]),
  ]
}
