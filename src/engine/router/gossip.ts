import { equalBytes, parseHex, toHex } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { createFifo } from '../base/fifo.ts'
import { decodeMessage } from '../wire/decode.ts'
import { encodeMessage } from '../wire/encode.ts'
import { offers } from '../wire/features.ts'
import type { ChannelAnnouncement, ChannelUpdate, Message, NodeAnnouncement } from '../wire/messages.ts'
import {
  checkAnnouncement,
  fundingProgram,
  nodeFlagsOf,
  policyOf,
  signedDigest,
  updateSignedBy,
} from './announcement.ts'
import { verifyEcdsa } from '../crypto/curve.ts'
import type { Graph } from './graph.ts'
import { CHANNEL, NODE, POLICY } from './graph-terms.ts'
import { answerIds, answerRange, backlog, passes } from './gossip-serve.ts'
import { Sync } from './gossip-sync.ts'
import {
  BURST,
  MAX_AHEAD_SECONDS,
  MAX_FOLLOWED,
  MAX_FORGED,
  MAX_OUTBOX,
  MAX_QUEUE,
  MAX_SERVED,
  PER_SECOND,
  PRUNE_SLICE,
  RESYNC_MS,
  RETRY_SYNC_MS,
  SERVED_PER_SECOND,
  UPDATE_GAP_SECONDS,
  type GossipEffect,
  type GossipOptions,
  type GossipStatus,
  type GossipVerdict,
  type Peer,
} from './gossip-types.ts'
import { pruneSlice, STALE_SECONDS } from './prune.ts'
import { Shelf } from './shelf.ts'

/**
 * The gossip machine (BOLT 7): takes messages in, checks them, keeps the graph; asks a peer for what is missing and answers what peers ask.
 * Deterministic, without clock or promises: the host calls `work` in slices between the node's turns, so that payments never wait for
 * gossip. Unlike the other machines it changes in place, like the graph it keeps, and nothing it does touches money.
 */

export class Gossip {
  readonly graph: Graph
  readonly shelf: Shelf
  readonly counts: Record<GossipVerdict, number> = {
    accepted: 0,
    known: 0,
    stale: 0,
    future: 0,
    tooOften: 0,
    unknownChannel: 0,
    wrongChain: 0,
    forged: 0,
    conflict: 0,
    full: 0,
    dropped: 0,
  }
  /** Checked since the start. */
  signatures = 0
  /** Channels that two announcements tell different stories of: to be proved first. Bounded. */
  readonly disputed = new Set<bigint>()
  readonly #options: GossipOptions
  readonly #chainHash: Uint8Array
  readonly #peers = new Map<string, Peer>()
  readonly #own = new Set<bigint>()
  #effects: GossipEffect[] = []
  #nextBlock: number
  #syncedAt: number | undefined
  #height = 0
  #pruneAt = 0

  constructor(graph: Graph, options: GossipOptions) {
    this.graph = graph
    this.#options = options
    this.#chainHash = NETWORKS[options.network].chainHash
    this.#nextBlock = options.nextBlock ?? 0
    this.shelf = new Shelf(options.shelf ?? 0)
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
    return {
      queued,
      sync: syncPeer !== undefined ? 'running' : this.#syncedAt === undefined ? 'idle' : 'done',
      ...(syncPeer === undefined ? {} : { syncPeer }),
      nextBlock: this.#nextBlock,
      counts: this.counts,
      signatures: this.signatures,
    }
  }

  /** A peer's init is through. */
  connected(nodeId: string, features: Uint8Array, now: number): void {
    this.#peers.set(nodeId, {
      features,
      queue: createFifo<Uint8Array>(),
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
    for (const scid of this.#own) this.#sendOwn(nodeId, scid)
  }

  disconnected(nodeId: string): void {
    this.#peers.delete(nodeId)
  }

  /** A message of BOLT 7 from a peer; waits for `work`. */
  receive(nodeId: string, bytes: Uint8Array): void {
    const peer = this.#peers.get(nodeId)
    if (peer === undefined) return
    if (peer.queue.size >= MAX_QUEUE) {
      this.counts.dropped++
      // What was dropped was part of an answer: the range is asked for again another time.
      if (peer.sync !== undefined) peer.sync.phase = 'failed'
      return
    }
    peer.queue.push(bytes)
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
        this.#handle(nodeId, peer, bytes, now)
        if (--left === 0) break
      }
    }
    for (const peer of this.#peers.values()) if (peer.queue.size > 0) return true
    return false
  }

  /** Time has passed. `height`: of the best verified block, 0 while it is not known to be true now. */
  tick(now: number, height: number): void {
    this.#height = height
    for (const [nodeId, peer] of this.#peers) {
      if (peer.sync?.isStuck(now) === true || peer.sync?.phase === 'failed') this.#endSync(peer, now, false)
      if (peer.outbox.length > 0 && now - peer.flushedAt >= (this.#options.flushMs ?? 60_000))
        this.#flush(nodeId, peer, now)
    }
    if (height > 0) {
      this.#startSync(now)
      const at = { nowSeconds: Math.floor(now / 1000), height }
      const own = (slot: number): boolean => this.#own.has(this.graph.scid(slot))
      const pruned = pruneSlice(this.graph, at, this.#pruneAt, PRUNE_SLICE, own)
      this.#pruneAt = pruned.next ?? 0
      if (pruned.removed > 0) this.shelf.sweep(this.graph)
    }
  }

  /**
   * An announcement of our own, made by the node: its two halves were signed by ourselves and checked when the peer's came in. Into the
   * graph, onto the shelf, and to every peer. Our channels' existence is known from our own chain: they are proven.
   */
  publishChannel(message: ChannelAnnouncement, capacitySat: number): void {
    const scid = message.shortChannelId
    if (this.#own.has(scid) && this.graph.channelAt(scid) !== -1) return
    const { nodeId1, nodeId2 } = message
    const proof = CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent
    const known = this.graph.channelAt(scid)
    if (known === -1) {
      const added = this.graph.addChannel({
        scid,
        nodeId1,
        nodeId2,
        capacitySat,
        witnessProgram: fundingProgram(message.bitcoinKey1, message.bitcoinKey2),
        flags: proof,
      })
      if (added === -1) return
    } else {
      this.graph.capacity[known] = capacitySat
      this.graph.mark(known, proof)
    }
    this.#own.add(scid)
    this.shelf.putChannel(scid, encodeMessage(message), [toHex(nodeId1), toHex(nodeId2)], true)
  }

  /** An update of a channel of ours that is announced, signed by us. */
  publishUpdate(message: ChannelUpdate): void {
    const slot = this.graph.channelAt(message.shortChannelId)
    if (slot === -1 || !this.#own.has(message.shortChannelId)) return
    const direction = (message.channelFlags & 1) as 0 | 1
    if (message.timestamp <= (this.graph.policyTime[2 * slot + direction] as number)) return
    this.graph.setPolicy(2 * slot + direction, policyOf(message))
    this.shelf.putUpdate(message.shortChannelId, direction, encodeMessage(message), message.timestamp)
    for (const nodeId of this.#peers.keys()) this.#sendOwn(nodeId, message.shortChannelId)
  }

  /** Our own node_announcement. It counts only once a channel of ours is known (BOLT 7 §node_announcement). */
  publishNode(message: NodeAnnouncement): void {
    const slot = this.graph.nodeAt(message.nodeId)
    if (slot === -1 || message.timestamp <= (this.graph.nodeTime[slot] as number)) return
    this.graph.setNode(slot, message.timestamp, nodeFlagsOf(message), message.alias)
    const bytes = encodeMessage(message)
    this.shelf.putNode(toHex(message.nodeId), bytes, message.timestamp)
    for (const nodeId of this.#peers.keys()) this.#send(nodeId, bytes)
  }

  /** A channel of ours has ended: it is told no more, and forgotten like any other that was spent. */
  ownClosed(scid: bigint, height: number): void {
    this.#own.delete(scid)
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
    const message = decoded.value
    switch (message.type) {
      case 'channel_announcement':
        return this.#judge(nodeId, peer, bytes, this.#announcement(peer, message, bytes, now), 'channel')
      case 'channel_update':
        return this.#judge(nodeId, peer, bytes, this.#update(nodeId, peer, message, bytes, now), 'update')
      case 'node_announcement':
        return this.#judge(nodeId, peer, bytes, this.#node(peer, message, bytes, now), 'node')
      case 'gossip_timestamp_filter':
        if (!equalBytes(message.chainHash, this.#chainHash)) return
        peer.filter = { first: message.firstTimestamp, range: message.timestampRange }
        peer.outbox = [...backlog(this.shelf, peer.filter, this.#own, MAX_OUTBOX)]
        return this.#flush(nodeId, peer, now)
      case 'query_channel_range':
        for (const reply of answerRange(this.shelf, message, this.#chainHash)) this.#reply(nodeId, reply)
        return
      case 'query_short_channel_ids': {
        const mine = equalBytes(message.chainHash, this.#chainHash)
        if (mine && this.#serve(peer, message.shortChannelIds.length, now))
          for (const raw of answerIds(this.shelf, message)) this.#send(nodeId, raw)
        return this.#reply(nodeId, {
          type: 'reply_short_channel_ids_end',
          chainHash: message.chainHash,
          // We keep no full map of anything as it came.
          fullInformation: mine && (this.#options.shelf ?? 0) > 0 ? 1 : 0,
        })
      }
      case 'reply_channel_range':
        if (!equalBytes(message.chainHash, this.#chainHash)) return
        if (peer.sync?.range(message, now) === true) this.#askOn(nodeId, peer, now)
        return
      case 'reply_short_channel_ids_end':
        if (peer.sync?.batchEnd(now) === true) this.#askOn(nodeId, peer, now)
        return
      default:
        return
    }
  }

  #judge(nodeId: string, peer: Peer, bytes: Uint8Array, verdict: GossipVerdict, kind: string): void {
    this.counts[verdict]++
    if (verdict === 'accepted' && kind !== 'channel') this.#relay(nodeId, bytes, kind)
    if (verdict !== 'forged') return
    peer.forged++
    if (peer.forged < MAX_FORGED) return
    // BOLT 7: SHOULD send a warning and close the connection.
    this.#effects.push({ type: 'hangUp', nodeId, reason: 'BOLT 7: signatures that are none' })
    this.#peers.delete(nodeId)
  }

  #announcement(peer: Peer, message: ChannelAnnouncement, bytes: Uint8Array, now: number): GossipVerdict {
    const scid = message.shortChannelId
    if (!equalBytes(message.chainHash, this.#chainHash)) return 'wrongChain'
    const known = this.graph.channelAt(scid)
    const nodes = [toHex(message.nodeId1), toHex(message.nodeId2)] as const
    if (known !== -1 && this.graph.has(known, CHANNEL.signed)) {
      const same =
        this.graph.nodeId(this.graph.ends[2 * known] as number) === nodes[0] &&
        this.graph.nodeId(this.graph.ends[2 * known + 1] as number) === nodes[1]
      // Without a look at the chain anybody can make a rival: BOLT 7's blacklist of both would be a weapon. The chain decides.
      if (!same && !this.graph.has(known, CHANNEL.proven) && this.disputed.size < 1000)
        this.disputed.add(scid)
      if (same && !this.shelf.channels.has(scid)) {
        // Known from an earlier run, whose raw messages were not kept: worth a check only to whoever serves them on.
        if ((this.#options.shelf ?? 0) === 0 || !this.#spend(peer, scid, now)) return 'known'
        if (this.#checked(message) !== undefined) this.shelf.putChannel(scid, bytes, nodes, false)
      }
      return same ? 'known' : 'conflict'
    }
    if (this.#height > 0 && Number(scid >> 40n) > this.#height + 1) return 'future'
    if (!this.#spend(peer, scid, now)) return 'tooOften'
    const checked = this.#checked(message)
    if (checked === undefined) return 'forged'
    // Known from a snapshot, unverified until now: it may have told of other ends.
    if (known !== -1) this.graph.removeChannel(known)
    if (this.graph.addChannel(checked) === -1) return 'full'
    this.shelf.putChannel(scid, bytes, nodes, false)
    return 'accepted'
  }

  #checked(message: ChannelAnnouncement) {
    this.signatures += 4
    const checked = checkAnnouncement(message, this.#chainHash)
    return checked.ok ? checked.value : undefined
  }

  #update(nodeId: string, peer: Peer, message: ChannelUpdate, bytes: Uint8Array, now: number): GossipVerdict {
    if (!equalBytes(message.chainHash, this.#chainHash)) return 'wrongChain'
    const slot = this.graph.channelAt(message.shortChannelId)
    if (slot === -1) return 'unknownChannel'
    const direction = (message.channelFlags & 1) as 0 | 1
    const edge = 2 * slot + direction
    const seconds = Math.floor(now / 1000)
    if (message.timestamp > seconds + MAX_AHEAD_SECONDS) return 'future'
    if (seconds - message.timestamp > STALE_SECONDS) return 'stale'
    const old = this.graph.policyTime[edge] as number
    const state = this.graph.policyFlags[edge] as number
    const onShelf = this.shelf.channels.get(message.shortChannelId)?.updates[direction] !== undefined
    if ((state & POLICY.present) !== 0) {
      const again = message.timestamp === old && !onShelf && (this.#options.shelf ?? 0) > 0
      if (message.timestamp <= old && !again) return message.timestamp === old ? 'known' : 'stale'
      const switches = ((state & POLICY.disabled) !== 0) !== ((message.channelFlags & 2) !== 0)
      const ours =
        this.#own.has(message.shortChannelId) || this.graph.nodeId(this.graph.ends[edge] as number) === nodeId
      if (!again && !switches && !ours && message.timestamp - old < UPDATE_GAP_SECONDS) return 'tooOften'
    }
    if (!this.#spend(peer, message.shortChannelId, now)) return 'tooOften'
    const owner = this.graph.ends[edge] as number
    this.signatures++
    if (!updateSignedBy(message, this.graph.nodeIds.slice(33 * owner, 33 * owner + 33))) return 'forged'
    this.graph.setPolicy(edge, policyOf(message))
    // BOLT 7: one that says dont_forward is for us alone.
    if ((message.messageFlags & 2) === 0)
      this.shelf.putUpdate(message.shortChannelId, direction, bytes, message.timestamp)
    return 'accepted'
  }

  #node(peer: Peer, message: NodeAnnouncement, bytes: Uint8Array, now: number): GossipVerdict {
    const slot = this.graph.nodeAt(message.nodeId)
    if (slot === -1) return 'unknownChannel'
    const id = toHex(message.nodeId)
    const again =
      message.timestamp === this.graph.nodeTime[slot] &&
      !this.shelf.nodes.has(id) &&
      (this.#options.shelf ?? 0) > 0
    if (message.timestamp <= (this.graph.nodeTime[slot] as number) && !again) return 'known'
    if (message.timestamp > Math.floor(now / 1000) + MAX_AHEAD_SECONDS) return 'future'
    if (!this.#spend(peer, undefined, now)) return 'tooOften'
    this.signatures++
    if (!verifyEcdsa(message.signature, signedDigest(message), message.nodeId)) return 'forged'
    this.graph.setNode(slot, message.timestamp, nodeFlagsOf(message), message.alias)
    this.shelf.putNode(id, bytes, message.timestamp)
    return 'accepted'
  }

  /** Whether the peer may be answered so much: a small question has a large answer. */
  #serve(peer: Peer, ids: number, now: number): boolean {
    peer.serving = Math.min(MAX_SERVED, peer.serving + ((now - peer.servingAt) / 1000) * SERVED_PER_SECOND)
    peer.servingAt = now
    if (peer.serving < ids) return false
    peer.serving -= ids
    return true
  }

  /** Whether the peer may make us check signatures for something it was not asked for. */
  #spend(peer: Peer, scid: bigint | undefined, now: number): boolean {
    if (peer.sync !== undefined && (scid === undefined || peer.sync.awaits(scid))) return true
    peer.allowance = Math.min(BURST, peer.allowance + ((now - peer.allowanceAt) / 1000) * PER_SECOND)
    peer.allowanceAt = now
    if (peer.allowance < 1) return false
    peer.allowance--
    return true
  }

  // ── asking ──

  #startSync(now: number): void {
    for (const peer of this.#peers.values()) if (peer.sync !== undefined) return
    if (this.#syncedAt !== undefined && now - this.#syncedAt < RESYNC_MS) return
    for (const [nodeId, peer] of this.#peers) {
      if (!offers(peer.features, 'gossip_queries')) continue
      if (peer.failedAt !== undefined && now - peer.failedAt < RETRY_SYNC_MS) continue
      if (this.#syncedAt !== undefined) this.#nextBlock = 0
      peer.sync = new Sync(this.graph, this.#options.network, this.#nextBlock)
      this.#follow(nodeId, peer, now)
      this.#askOn(nodeId, peer, now)
      return
    }
  }

  #askOn(nodeId: string, peer: Peer, now: number): void {
    if (peer.sync === undefined) return
    const question = peer.sync.ask(now, this.#height)
    this.#nextBlock = peer.sync.nextBlock
    if (question === undefined) return this.#endSync(peer, now, true)
    this.#reply(nodeId, question)
  }

  #endSync(peer: Peer, now: number, done: boolean): void {
    peer.sync = undefined
    if (done) {
      this.#syncedAt = now
      for (const [nodeId, other] of this.#peers) this.#follow(nodeId, other, now)
    } else peer.failedAt = now
  }

  /** Asks for what is new from now on, of a few peers. */
  #follow(nodeId: string, peer: Peer, now: number): void {
    if (peer.following || !offers(peer.features, 'gossip_queries')) return
    let followed = 0
    for (const other of this.#peers.values()) if (other.following) followed++
    if (followed >= MAX_FOLLOWED) return
    peer.following = true
    this.#reply(nodeId, {
      type: 'gossip_timestamp_filter',
      chainHash: this.#chainHash,
      firstTimestamp: Math.max(0, Math.floor(now / 1000) - 600),
      timestampRange: 0xffff_ffff,
    })
  }

  // ── telling ──

  #reply(nodeId: string, message: Message): void {
    this.#send(nodeId, encodeMessage(message))
  }

  #send(nodeId: string, bytes: Uint8Array): void {
    this.#effects.push({ type: 'send', nodeId, bytes })
  }

  #sendOwn(nodeId: string, scid: bigint): void {
    const channel = this.shelf.channels.get(scid)
    // Without an update of ours nobody has a use for the announcement (BOLT 7 §gossip_timestamp_filter).
    const update = channel?.updates.find(
      (u, side) => u !== undefined && channel.nodes[side] === this.#options.nodeId,
    )
    if (channel === undefined || update === undefined) return
    this.#send(nodeId, channel.announcement)
    this.#send(nodeId, update)
    const node = this.shelf.nodes.get(this.#options.nodeId)
    if (node !== undefined) this.#send(nodeId, node.bytes)
  }

  /** What we accepted from one peer goes to those that asked for such, at the next flush (BOLT 7: never unasked). */
  #relay(from: string, bytes: Uint8Array, kind: string): void {
    if ((this.#options.shelf ?? 0) === 0) return
    const decoded = decodeMessage(bytes)
    if (!decoded.ok) return
    const message = decoded.value
    if (message.type !== 'channel_update' && message.type !== 'node_announcement') return
    for (const [nodeId, peer] of this.#peers) {
      if (nodeId === from || peer.filter === undefined || peer.outbox.length >= MAX_OUTBOX) continue
      if (!passes(peer.filter, message.timestamp)) continue
      if (kind === 'update' && message.type === 'channel_update') {
        const channel = this.shelf.channels.get(message.shortChannelId)
        if (channel === undefined || (message.messageFlags & 2) !== 0) continue
        // The announcement comes before the first update that a peer hears of; more often it is known and ignored there.
        peer.outbox.push(channel.announcement)
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

/** Message numbers that belong here (BOLT 7); announcement_signatures (259) is the channel's. */
export const isGossip = (bytes: Uint8Array): boolean =>
  bytes.length >= 2 &&
  bytes[0] === 1 &&
  ((bytes[1] as number) <= 2 || ((bytes[1] as number) >= 5 && (bytes[1] as number) <= 9))

/** Whether a node announced that it takes payments in parts. */
export function knowsMpp(graph: Graph, nodeId: string): boolean {
  const id = parseHex(nodeId, 33)
  const slot = id === undefined ? -1 : graph.nodeAt(id)
  return slot !== -1 && ((graph.nodeFlags[slot] as number) & NODE.basicMpp) !== 0
}
