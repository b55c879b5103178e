import { equalBytes, toHex } from '../base/bytes.ts'
import { encodeMessage } from '../wire/encode.ts'
import type {
  ChannelAnnouncement,
  ChannelUpdate,
  NodeAnnouncement,
  ProvenChannelAnnouncement,
} from '../wire/messages.ts'
import { verifyEcdsa } from '../crypto/curve.ts'
import { checkProven } from './aggregate.ts'
import {
  addressIn,
  checkAnnouncement,
  fundingProgram,
  nodeFlagsOf,
  policyOf,
  signedDigest,
  updateSignedBy,
} from './announcement.ts'
import {
  BURST,
  MAX_AHEAD_SECONDS,
  MAX_DISPUTED,
  PER_SECOND,
  UPDATE_GAP_SECONDS,
  type Book,
  type GossipVerdict,
  type Peer,
} from './gossip-types.ts'
import { CHANNEL, POLICY } from './graph-terms.ts'
import { STALE_SECONDS } from './prune.ts'

/**
 * What becomes of a message that tells something: looked at for what costs nothing first, then for signatures, of which each peer may
 * cause so many. What holds changes the graph, and the shelf where others are served.
 */

/** Whether others are served from the shelf. */
const serves = (book: Book): boolean => (book.options.shelf ?? 0) > 0

/** Whether a channel has these ends. */
const hasEnds = (book: Book, slot: number, nodes: readonly string[]): boolean =>
  book.graph.nodeId(book.graph.ends[2 * slot] as number) === nodes[0] &&
  book.graph.nodeId(book.graph.ends[2 * slot + 1] as number) === nodes[1]

const isAhead = (book: Book, scid: bigint): boolean =>
  book.height > 0 && Number(scid >> 40n) > book.height + 1

/** channel_announcement: step one, four signatures. */
export function judgeAnnouncement(
  book: Book,
  peer: Peer,
  message: ChannelAnnouncement,
  bytes: Uint8Array,
  now: number,
): GossipVerdict {
  const { graph, shelf } = book
  const scid = message.shortChannelId
  if (!equalBytes(message.chainHash, book.chainHash)) return 'wrongChain'
  const known = graph.channelAt(scid)
  const nodes = [toHex(message.nodeId1), toHex(message.nodeId2)] as const
  if (known !== -1 && graph.has(known, CHANNEL.signed)) {
    const same = hasEnds(book, known, nodes)
    // Without a look at the chain anybody can make a rival: BOLT 7's blacklist of both would be a weapon. The chain decides; it is asked
    // about signed stories only, and not about many.
    if (!same && !graph.has(known, CHANNEL.proven) && book.disputed.size < MAX_DISPUTED) {
      if (book.disputed.has(scid) || !spend(peer, scid, now)) return 'conflict'
      if (checked(book, message) === undefined) return 'forged'
      book.disputed.add(scid)
    }
    if (same && shelf.channels.get(scid)?.announcement === undefined) {
      // Known from an earlier run or by a proof: worth a check only to whoever serves such messages on.
      if (!serves(book) || !spend(peer, scid, now)) return 'known'
      if (checked(book, message) !== undefined) shelf.putChannel(scid, 'announcement', bytes, nodes, false)
    }
    return same ? 'known' : 'conflict'
  }
  if (isAhead(book, scid)) return 'future'
  if (!spend(peer, scid, now)) return 'tooOften'
  const channel = checked(book, message)
  if (channel === undefined) return 'forged'
  // Known from a snapshot, unverified until now: it may have told of other ends.
  if (known !== -1) graph.removeChannel(known)
  if (!makeRoom(book, false) || graph.addChannel(channel) === -1) return 'full'
  shelf.putChannel(scid, 'announcement', bytes, nodes, false)
  return 'accepted'
}

function checked(book: Book, message: ChannelAnnouncement) {
  book.signatures += 4
  const result = checkAnnouncement(message, book.chainHash)
  return result.ok ? result.value : undefined
}

/** Hints give way to what is signed, and what is signed alone to what is proven: signatures cost nothing, outputs do. */
function makeRoom({ graph, own }: Book, proven: boolean): boolean {
  // One that goes may leave its nodes behind, which others have channels with.
  for (let i = 0; i < 64 && graph.isFull() && graph.hintCount > 0; i++) graph.removeChannel(graph.anyHint())
  for (let i = 0; i < 64 && proven && graph.isFull(); i++) {
    const slot = graph.nextSlot()
    if (!graph.has(slot, CHANNEL.used) || graph.has(slot, CHANNEL.proven)) continue
    if (!own.has(graph.scid(slot))) graph.removeChannel(slot)
  }
  return !graph.isFull()
}

/**
 * A channel_announcement that proves itself: steps one and two with one signature and a merkle branch, where we have the header. Of a
 * block below our checkpoint its signature counts alone. That the output is unspent is for the chain watch to say.
 */
export function judgeProven(
  book: Book,
  peer: Peer,
  message: ProvenChannelAnnouncement,
  now: number,
): GossipVerdict {
  const { graph, shelf } = book
  const scid = message.shortChannelId
  if (!equalBytes(message.chainHash, book.chainHash)) return 'wrongChain'
  if (book.height === 0) return 'waiting'
  if (isAhead(book, scid)) return 'future'
  const known = graph.channelAt(scid)
  const nodes = [toHex(message.nodeId1), toHex(message.nodeId2)] as const
  const program = fundingProgram(message.bitcoinKey1, message.bitcoinKey2)
  const isSigned = known !== -1 && graph.has(known, CHANNEL.signed)
  const same =
    isSigned &&
    hasEnds(book, known, nodes) &&
    equalBytes(graph.programs.subarray(32 * known, 32 * known + 32), program)
  const header = book.options.headerAt?.(Number(scid >> 40n))
  if (isSigned && graph.has(known, CHANNEL.proven) && !same) return 'conflict'
  const news = !same || (header !== undefined && !graph.has(known, CHANNEL.proven))
  const missing = serves(book) && shelf.channels.get(scid)?.proven === undefined
  if (!news && !missing) return 'known'
  if (!spend(peer, scid, now)) return 'tooOften'
  book.signatures++
  const result = checkProven(message, book.chainHash, header)
  if (!result.ok) return result.error === 'merkle' || result.error === 'position' ? 'unproven' : 'forged'
  if (!same) {
    // Two stories, and the chain bears out this one; without a header none is better than the other.
    if (isSigned && header === undefined) return 'conflict'
    if (known !== -1) graph.removeChannel(known)
    if (!makeRoom(book, header !== undefined) || graph.addChannel(result.value) === -1) return 'full'
  } else if (news) {
    graph.mark(known, CHANNEL.proven, 0, result.value.capacitySat)
  }
  // As we would write it: what somebody added behind it does not travel on.
  shelf.putChannel(scid, 'proven', encodeMessage(message), nodes, false)
  return news ? 'accepted' : 'known'
}

/** channel_update: terms of one direction, signed by its node. */
export function judgeUpdate(
  book: Book,
  nodeId: string,
  peer: Peer,
  message: ChannelUpdate,
  bytes: Uint8Array,
  now: number,
): GossipVerdict {
  const { graph, shelf } = book
  if (!equalBytes(message.chainHash, book.chainHash)) return 'wrongChain'
  const slot = graph.channelAt(message.shortChannelId)
  // Nobody knows yet whose signature a hint's terms would have to bear.
  if (slot === -1 || !graph.has(slot, CHANNEL.signed)) return 'unknownChannel'
  const direction = (message.channelFlags & 1) as 0 | 1
  const edge = 2 * slot + direction
  const seconds = Math.floor(now / 1000)
  if (message.timestamp > seconds + MAX_AHEAD_SECONDS) return 'future'
  if (seconds - message.timestamp > STALE_SECONDS) return 'stale'
  const old = graph.policyTime[edge] as number
  const state = graph.policyFlags[edge] as number
  const onShelf = shelf.channels.get(message.shortChannelId)?.updates[direction] !== undefined
  if ((state & POLICY.present) !== 0) {
    const again = message.timestamp === old && !onShelf && serves(book)
    if (message.timestamp <= old && !again) return message.timestamp === old ? 'known' : 'stale'
    const switches = ((state & POLICY.disabled) !== 0) !== ((message.channelFlags & 2) !== 0)
    const ours = book.own.has(message.shortChannelId) || graph.nodeId(graph.ends[edge] as number) === nodeId
    if (!again && !switches && !ours && message.timestamp - old < UPDATE_GAP_SECONDS) return 'tooOften'
  }
  if (!spend(peer, message.shortChannelId, now)) return 'tooOften'
  const owner = graph.ends[edge] as number
  book.signatures++
  if (!updateSignedBy(message, graph.nodeIds.slice(33 * owner, 33 * owner + 33))) return 'forged'
  graph.setPolicy(edge, policyOf(message))
  // BOLT 7: one that says dont_forward is for us alone.
  if ((message.messageFlags & 2) === 0)
    shelf.putUpdate(message.shortChannelId, direction, bytes, message.timestamp)
  return 'accepted'
}

/** node_announcement: of a node that has a channel. */
export function judgeNode(
  book: Book,
  peer: Peer,
  message: NodeAnnouncement,
  bytes: Uint8Array,
  now: number,
): GossipVerdict {
  const { graph, shelf } = book
  const slot = graph.nodeAt(message.nodeId)
  if (slot === -1) return 'unknownChannel'
  const id = toHex(message.nodeId)
  const again = message.timestamp === graph.nodeTime[slot] && !shelf.nodes.has(id) && serves(book)
  if (message.timestamp <= (graph.nodeTime[slot] as number) && !again) return 'known'
  if (message.timestamp > Math.floor(now / 1000) + MAX_AHEAD_SECONDS) return 'future'
  if (!spend(peer, undefined, now)) return 'tooOften'
  book.signatures++
  if (!verifyEcdsa(message.signature, signedDigest(message), message.nodeId)) return 'forged'
  graph.setNode(slot, message.timestamp, nodeFlagsOf(message), message.alias, addressIn(message))
  shelf.putNode(id, bytes, message.timestamp)
  return 'accepted'
}

/** Whether the peer may make us check signatures for something it was not asked for. */
function spend(peer: Peer, scid: bigint | undefined, now: number): boolean {
  if (peer.sync !== undefined && (scid === undefined || peer.sync.awaits(scid))) return true
  peer.allowance = Math.min(BURST, peer.allowance + (Math.max(0, now - peer.allowanceAt) / 1000) * PER_SECOND)
  peer.allowanceAt = now
  if (peer.allowance < 1) return false
  peer.allowance--
  return true
}
