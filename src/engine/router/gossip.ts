import { equalBytes, parseHex } from '../base/bytes.ts'
import { createFifo } from '../base/fifo.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeMessage } from '../wire/encode.ts'
import type {
  ChannelAnnouncement,
  ChannelUpdate,
  Message,
  NodeAnnouncement,
  ProvenChannelAnnouncement,
} from '../wire/messages.ts'
import { PROVEN } from '../wire/proven.ts'
import { Asking } from './gossip-ask.ts'
import { judgeAnnouncement, judgeNode, judgeProven, judgeUpdate } from './gossip-judge.ts'
import { ownChannel, ownMessages, ownNode, ownProven, ownUpdate } from './gossip-own.ts'
import { answerIds, answerRange, backlog, passes, refusal } from './gossip-serve.ts'
import {
  BACKLOG_COST,
  BURST,
  knowsProofs,
  MAX_FORGED,
  MAX_OUTBOX,
  MAX_QUEUE,
  MAX_QUEUE_BYTES,
  MAX_SERVED,
  MAX_WAITING_BYTES,
  PRUNE_SLICE,
  RANGE_COST,
  SERVED_PER_SECOND,
  type Book,
  type GossipEffect,
  type GossipOptions,
  type GossipStatus,
  type GossipVerdict,
  type Peer,
} from './gossip-types.ts'
import type { Graph } from './graph.ts'
import { CHANNEL, NODE } from './graph-terms.ts'
import { pruneSlice } from './prune.ts'
import { announcementsFor, Shelf } from './shelf.ts'

/**
 * The gossip machine (BOLT 7): takes messages in, checks them, keeps the graph; asks a peer for what is missing and answers what peers ask.
 * Deterministic, without clock or promises: the host calls `work` in slices between the node's turns, so that payments never wait for
 * gossip. Unlike the other machines it changes in place, like the graph it keeps, and nothing it does touches money.
 */

export class Gossip {
  readonly graph: Graph
  readonly shelf: Shelf
  readonly #book: Book
  readonly #peers = new Map<string, Peer>()
  readonly #asking: Asking
  #effects: GossipEffect[] = []
  #pruneAt = 0
  /** Proofs that came before our headers did. */
  #waiting: { readonly nodeId: string; readonly bytes: Uint8Array }[] = []
  #waitingBytes = 0

  constructor(graph: Graph, options: GossipOptions) {
    this.graph = graph
    this.shelf = new Shelf(options.shelf ?? 0)
    this.#book = {
      graph,
      shelf: this.shelf,
      options,
      chainHash: NETWORKS[options.network].chainHash,
      own: new Set(),
      disputed: new Set(),
      counts: {
        accepted: 0,
        known: 0,
        stale: 0,
        future: 0,
        tooOften: 0,
        unknownChannel: 0,
        wrongChain: 0,
        forged: 0,
        conflict: 0,
        unproven: 0,
        waiting: 0,
        full: 0,
        dropped: 0,
      },
      signatures: 0,
      height: 0,
    }
    this.#asking = new Asking(this.#book, this.#peers, (nodeId, message) => this.#reply(nodeId, message))
  }

  get counts(): Readonly<Record<GossipVerdict, number>> {
    return this.#book.counts
  }

  /** Signatures checked since the start. */
  get signatures(): number {
    return this.#book.signatures
  }

  /** Channels that two announcements tell different stories of: to be proved first. */
  get disputed(): Set<bigint> {
    return this.#book.disputed
  }

  /** What is to be done since the last call. */
  take(): readonly GossipEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  status(): GossipStatus {
    let queued = 0
    let syncPeer: string | undefined
    for (const [id, peer] of this.#peers) {
      queued += peer.queue.size
      if (peer.sync !== undefined) syncPeer = id
    }
    const { nextBlock, passAt, syncedAt } = this.#asking
    return {
      queued,
      sync: syncPeer !== undefined ? 'running' : syncedAt === undefined ? 'idle' : 'done',
      ...(syncPeer === undefined ? {} : { syncPeer }),
      nextBlock,
      passAt,
      counts: this.counts,
      signatures: this.signatures,
    }
  }

  /** A peer's init is through. */
  connected(nodeId: string, features: Uint8Array, now: number): void {
    this.#peers.set(nodeId, {
      features,
      queue: createFifo<Uint8Array>(),
      queuedBytes: 0,
      following: false,
      allowance: BURST,
      allowanceAt: now,
      forged: 0,
      serving: MAX_SERVED,
      servingAt: now,
      outbox: [],
      flushedAt: now,
    })
    // A peer of ours hears of our own channels in any case (BOLT 7 §gossip_timestamp_filter: generated messages go regardless).
    for (const scid of this.#book.own) this.#sendOwn(nodeId, scid)
  }

  disconnected(nodeId: string): void {
    this.#peers.delete(nodeId)
  }

  /** A message of gossip from a peer; waits for `work`. */
  receive(nodeId: string, bytes: Uint8Array): void {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return
    if (peer.queue.size >= MAX_QUEUE || peer.queuedBytes + bytes.length > MAX_QUEUE_BYTES) {
      this.#book.counts.dropped++
      // What was dropped was part of an answer: the range is asked for again another time.
      if (peer.sync !== undefined) peer.sync.phase = 'failed'
      return
    }
    peer.queue.push(bytes)
    peer.queuedBytes += bytes.length
  }

  /** Takes up to so many messages, one from each peer in turn. True when more wait. */
  work(most: number, now: number): boolean {
    let left = most
    let any = true
    while (left > 0 && any) {
      any = false
      for (const [nodeId, peer] of this.#peers) {
        const bytes = peer.queue.shift()
        if (bytes === undefined) continue
        any = true
        peer.queuedBytes -= bytes.length
        this.#handle(nodeId, peer, bytes, now)
        if (--left === 0) break
      }
    }
    for (const peer of this.#peers.values()) if (peer.queue.size > 0) return true
    return false
  }

  /** Time has passed. `height`: of the best verified block, 0 while it is not known to be true now. */
  tick(now: number, height: number): void {
    this.#book.height = height
    this.#asking.tick(now)
    for (const [nodeId, peer] of this.#peers) {
      if (peer.outbox.length > 0 && now - peer.flushedAt >= (this.#book.options.flushMs ?? 60_000))
        this.#flush(nodeId, peer, now)
    }
    if (height === 0) return
    for (const { nodeId, bytes } of this.#waiting) this.receive(nodeId, bytes)
    this.#waiting = []
    this.#waitingBytes = 0
    const at = { nowSeconds: Math.floor(now / 1000), height }
    const own = (slot: number): boolean => this.#book.own.has(this.graph.scid(slot))
    const pruned = pruneSlice(this.graph, at, this.#pruneAt, PRUNE_SLICE, own)
    this.#pruneAt = pruned.next ?? 0
    if (pruned.removed > 0) this.shelf.sweep(this.graph)
  }

  /** Channels known by hearsay that somebody is about to rely on: a peer is asked for their signatures. */
  want(scids: readonly bigint[], now: number): void {
    this.#asking.want(
      scids.filter((scid) => {
        const slot = this.graph.channelAt(scid)
        return slot !== -1 && !this.graph.has(slot, CHANNEL.signed)
      }),
      now,
    )
  }

  // ── our own (`gossip-own.ts`) ──

  /** An announcement of our own, made by the node. */
  publishChannel(message: ChannelAnnouncement, capacitySat: number): void {
    ownChannel(this.#book, message, capacitySat)
  }

  /** The same with one signature and its proof: to peers that know such. */
  publishProven(message: ProvenChannelAnnouncement): void {
    if (!ownProven(this.#book, message)) return
    for (const [nodeId, peer] of this.#peers)
      if (knowsProofs(peer)) this.#sendOwn(nodeId, message.shortChannelId)
  }

  publishUpdate(message: ChannelUpdate): void {
    if (!ownUpdate(this.#book, message)) return
    for (const nodeId of this.#peers.keys()) this.#sendOwn(nodeId, message.shortChannelId)
  }

  publishNode(message: NodeAnnouncement): void {
    const bytes = ownNode(this.#book, message)
    if (bytes !== undefined) for (const nodeId of this.#peers.keys()) this.#send(nodeId, bytes)
  }

  /** A channel of ours has ended: it is told no more, and forgotten like any other that was spent. */
  ownClosed(scid: bigint, height: number): void {
    this.#book.own.delete(scid)
    this.markSpent(scid, height)
  }

  /** A funding output was seen spent in this block. */
  markSpent(scid: bigint, height: number): void {
    const slot = this.graph.channelAt(scid)
    if (slot === -1 || this.graph.has(slot, CHANNEL.spent)) return
    this.graph.spentHeight[slot] = height
    this.graph.mark(slot, CHANNEL.spent, CHANNEL.unspent)
  }

  // ── messages ──

  #handle(nodeId: string, peer: Peer, bytes: Uint8Array, now: number): void {
    const decoded = decodeMessage(bytes)
    if (!decoded.ok) {
      this.#effects.push({ type: 'hangUp', nodeId, reason: `gossip: ${decoded.error.message}` })
      this.#peers.delete(nodeId)
      return
    }
    const book = this.#book
    const message = decoded.value
    switch (message.type) {
      case 'channel_announcement':
        this.#count(nodeId, peer, judgeAnnouncement(book, peer, message, bytes, now))
        return
      case 'proven_channel_announcement': {
        const verdict = judgeProven(book, peer, message, now)
        if (verdict === 'waiting') this.#keepWaiting(nodeId, bytes)
        return this.#count(nodeId, peer, verdict)
      }
      case 'channel_update': {
        const verdict = judgeUpdate(book, nodeId, peer, message, bytes, now)
        if (verdict === 'accepted') this.#relay(nodeId, message, bytes)
        return this.#count(nodeId, peer, verdict)
      }
      case 'node_announcement': {
        const verdict = judgeNode(book, peer, message, bytes, now)
        if (verdict === 'accepted') this.#relay(nodeId, message, bytes)
        return this.#count(nodeId, peer, verdict)
      }
      case 'gossip_timestamp_filter':
        if (!equalBytes(message.chainHash, book.chainHash)) return
        peer.filter = { first: message.firstTimestamp, range: message.timestampRange }
        if (this.shelf.channels.size === 0 || !this.#serve(peer, BACKLOG_COST, now)) return
        peer.outbox = [...backlog(this.shelf, peer.filter, book.own, MAX_OUTBOX, knowsProofs(peer))]
        return this.#flush(nodeId, peer, now)
      case 'query_channel_range': {
        // Whoever asks too much is told that this is not all.
        const replies = this.#serve(peer, RANGE_COST, now)
          ? answerRange(this.shelf, message, book.chainHash, knowsProofs(peer))
          : [refusal(message)]
        peer.serving -= replies.reduce((sum, reply) => sum + reply.shortChannelIds.length / 16, 0)
        for (const reply of replies) this.#reply(nodeId, reply)
        return
      }
      case 'query_short_channel_ids': {
        const mine = equalBytes(message.chainHash, book.chainHash)
        if (mine && this.#serve(peer, message.shortChannelIds.length, now))
          for (const raw of answerIds(this.shelf, message, knowsProofs(peer))) this.#send(nodeId, raw)
        return this.#reply(nodeId, {
          type: 'reply_short_channel_ids_end',
          chainHash: message.chainHash,
          // We keep no full map of anything as it came.
          fullInformation: mine && (book.options.shelf ?? 0) > 0 ? 1 : 0,
        })
      }
      case 'reply_channel_range':
        if (!equalBytes(message.chainHash, book.chainHash)) return
        if (peer.sync?.range(message, now) === true) this.#asking.on(nodeId, peer, now)
        return
      case 'reply_short_channel_ids_end':
        if (peer.sync?.batchEnd(now) === true) this.#asking.on(nodeId, peer, now)
        return
      default:
        return
    }
  }

  #count(nodeId: string, peer: Peer, verdict: GossipVerdict): void {
    this.#book.counts[verdict]++
    if (verdict !== 'forged') return
    peer.forged++
    if (peer.forged < MAX_FORGED) return
    // BOLT 7: SHOULD send a warning and close the connection.
    this.#effects.push({ type: 'hangUp', nodeId, reason: 'BOLT 7: signatures that are none' })
    this.#peers.delete(nodeId)
  }

  #keepWaiting(nodeId: string, bytes: Uint8Array): void {
    if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) return
    this.#waitingBytes += bytes.length
    this.#waiting.push({ nodeId, bytes })
  }

  /** Whether the peer may be answered so much: a small question has a large answer. */
  #serve(peer: Peer, ids: number, now: number): boolean {
    peer.serving = Math.min(
      MAX_SERVED,
      peer.serving + (Math.max(0, now - peer.servingAt) / 1000) * SERVED_PER_SECOND,
    )
    peer.servingAt = now
    if (peer.serving < ids) return false
    peer.serving -= ids
    return true
  }

  // ── telling ──

  #reply(nodeId: string, message: Message): void {
    this.#send(nodeId, encodeMessage(message))
  }

  #send(nodeId: string, bytes: Uint8Array): void {
    this.#effects.push({ type: 'send', nodeId, bytes })
  }

  #sendOwn(nodeId: string, scid: bigint): void {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return
    for (const bytes of ownMessages(this.#book, peer, scid)) this.#send(nodeId, bytes)
  }

  /** What we accepted from one peer goes to those that asked for such, at the next flush (BOLT 7: never unasked). */
  #relay(from: string, message: ChannelUpdate | NodeAnnouncement, bytes: Uint8Array): void {
    if ((this.#book.options.shelf ?? 0) === 0) return
    const isUpdate = message.type === 'channel_update'
    const channel = isUpdate ? this.shelf.channels.get(message.shortChannelId) : undefined
    if (isUpdate && (channel === undefined || (message.messageFlags & 2) !== 0)) return
    for (const [nodeId, peer] of this.#peers) {
      if (nodeId === from || peer.filter === undefined || peer.outbox.length >= MAX_OUTBOX) continue
      if (!passes(peer.filter, message.timestamp)) continue
      if (channel !== undefined) {
        // The announcement comes before the first update that a peer hears of; more often it is known and ignored there.
        const announcements = announcementsFor(channel, knowsProofs(peer))
        if (announcements.length === 0) continue
        peer.outbox.push(...announcements)
      }
      peer.outbox.push(bytes)
    }
  }

  #flush(nodeId: string, peer: Peer, now: number): void {
    for (const bytes of peer.outbox) this.#send(nodeId, bytes)
    peer.outbox = []
    peer.flushedAt = now
  }
}

/** Message numbers that belong here: BOLT 7's but announcement_signatures (259), which is the channel's, and our own 59419. */
export function isGossip(bytes: Uint8Array): boolean {
  if (bytes.length < 2) return false
  const number = (bytes[0] as number) * 256 + (bytes[1] as number)
  return (
    (number >= 256 && number <= 258) ||
    (number >= 261 && number <= 265) ||
    number === PROVEN.proven_channel_announcement.number
  )
}

/** Whether a node announced that it takes payments in parts. */
export function knowsMpp(graph: Graph, nodeId: string): boolean {
  const id = parseHex(nodeId, 33)
  const slot = id === undefined ? -1 : graph.nodeAt(id)
  return slot !== -1 && ((graph.nodeFlags[slot] as number) & NODE.basicMpp) !== 0
}
