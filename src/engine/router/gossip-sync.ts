import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import type { Message, ReplyChannelRange } from '../wire/messages.ts'
import type { Graph } from './graph.ts'
import { CHANNEL } from './graph-terms.ts'
import { STALE_SECONDS } from './prune.ts'

/**
 * Asking one peer for the graph: block range after block range, the ids that are new, in small batches. Where it stands is one number
 * (`nextBlock`), so that it goes on after a restart, with another peer, or never; nothing in it grows with the network.
 */

/** Blocks of one query_channel_range: some thousands of channels in today's network. */
export const RANGE_BLOCKS = 20_000
/** Channels of one query_short_channel_ids: about half a megabyte of answers. */
export const BATCH = 500
/** Most ids of one range; a peer that names more is not believed. */
const MAX_RANGE_IDS = 40_000
/** An answer that takes longer is none. */
const ANSWER_WITHIN_MS = 60_000
/** However often a peer says that there is more to come: one question is answered within this. */
const ANSWERED_WITHIN_MS = 5 * 60_000

export type SyncPhase = 'range' | 'channels' | 'done' | 'failed'

export class Sync {
  phase: SyncPhase = 'range'
  /** First block of the range that is asked for now. */
  nextBlock: number
  /** Ids that are still to be asked for, with the flags of what is wanted (BOLT 7 §query_flags). */
  #wanted: { readonly scid: bigint; readonly flags: bigint }[] = []
  #asked = new Set<bigint>()
  #rangeIds = 0
  #useFlags = false
  #lastHeard = 0
  #askedAt = 0
  readonly #graph: Graph
  readonly #chainHash: Uint8Array
  /** Last block of the range under way. */
  #rangeEnd = 0
  /** Whether a range was asked for and is not done yet. */
  #rangeOpen = false
  /** Asks for what `wantFirst` was given and for nothing else: everything before is up to date. */
  readonly detour: boolean
  readonly #lacks: (scid: bigint) => boolean

  /** @param lacks whether a channel that the graph knows is wanted as it came all the same, to be served on */
  constructor(
    graph: Graph,
    network: NetworkName,
    nextBlock: number,
    detour = false,
    lacks: (scid: bigint) => boolean = () => false,
  ) {
    this.#lacks = lacks
    this.#graph = graph
    this.#chainHash = NETWORKS[network].chainHash
    this.nextBlock = nextBlock
    this.detour = detour
  }

  /** Asks for all that is known of these channels before anything else. */
  wantFirst(scids: readonly bigint[]): void {
    const known = new Set(this.#wanted.map((w) => w.scid))
    const more = scids.filter((scid) => !known.has(scid) && !this.#asked.has(scid))
    this.#wanted.unshift(...more.map((scid) => ({ scid, flags: 0b11111n })))
  }

  /** Whether this channel was asked for just now: its announcement does not count against limits of what comes unasked. */
  awaits(scid: bigint): boolean {
    return this.#asked.has(scid)
  }

  /** Ids asked for and to be asked for. */
  get open(): number {
    return this.#wanted.length + this.#asked.size
  }

  /** The next question, or undefined at the end. */
  ask(now: number, height: number): Message | undefined {
    this.#lastHeard = now
    this.#askedAt = now
    if (this.#wanted.length > 0) return this.#askChannels()
    if (this.detour || this.nextBlock > height) {
      this.phase = 'done'
      return undefined
    }
    this.phase = 'range'
    this.#rangeIds = 0
    this.#rangeOpen = true
    this.#rangeEnd = Math.min(this.nextBlock + RANGE_BLOCKS - 1, Math.max(height, this.nextBlock))
    return {
      type: 'query_channel_range',
      chainHash: this.#chainHash,
      firstBlocknum: this.nextBlock,
      numberOfBlocks: this.#rangeEnd - this.nextBlock + 1,
      queryOption: 1n,
    }
  }

  #askChannels(): Message {
    this.phase = 'channels'
    const batch = this.#wanted.splice(0, BATCH)
    this.#asked = new Set(batch.map((w) => w.scid))
    return {
      type: 'query_short_channel_ids',
      chainHash: this.#chainHash,
      shortChannelIds: batch.map((w) => w.scid),
      ...(this.#useFlags ? { queryFlags: batch.map((w) => w.flags) } : {}),
    }
  }

  /** A part of the answer to a range. True when it is complete and `ask` has more to say. */
  range(reply: ReplyChannelRange, now: number): boolean {
    if (this.phase !== 'range') return false
    this.#lastHeard = now
    this.#rangeIds += reply.shortChannelIds.length
    if (this.#rangeIds > MAX_RANGE_IDS) {
      this.phase = 'failed'
      return false
    }
    reply.shortChannelIds.forEach((scid, i) => {
      const block = Number(scid >> 40n)
      // Canned replies may go beyond what was asked (BOLT 7 §reply_channel_range).
      if (block < this.nextBlock || block > this.#rangeEnd) return
      const times = reply.timestamps?.[i]
      const flags = this.#missing(scid, times, Math.floor(now / 1000))
      if (flags !== 0n) this.#wanted.push({ scid, flags })
    })
    if (reply.timestamps !== undefined) this.#useFlags = true
    // Older nodes mean something else by sync_complete: the blocks tell.
    if (reply.firstBlocknum + reply.numberOfBlocks <= this.#rangeEnd && reply.syncComplete === 0) return false
    this.#goOn()
    return true
  }

  /** A range of which nothing is open any more is done, for ever: this is what is remembered. */
  #goOn(): void {
    if (!this.#rangeOpen || this.#wanted.length > 0) return
    this.nextBlock = this.#rangeEnd + 1
    this.#rangeOpen = false
  }

  /** What of a channel is wanted; 0: nothing. */
  #missing(
    scid: bigint,
    times: { readonly timestampNodeId1: number; readonly timestampNodeId2: number } | undefined,
    nowSeconds: number,
  ): bigint {
    const slot = this.#graph.channelAt(scid)
    const theirs = times === undefined ? undefined : [times.timestampNodeId1, times.timestampNodeId2]
    const fresh = (t: number): boolean => nowSeconds - t <= STALE_SECONDS
    // What a snapshot told is asked for as if nobody had.
    if (slot === -1 || !this.#graph.has(slot, CHANNEL.signed)) {
      // A channel that would be pruned at once is not fetched.
      if (theirs !== undefined && !theirs.some(fresh)) return 0n
      return 0b11111n
    }
    if (this.#lacks(scid)) return 0b11111n
    if (theirs === undefined) return 0n
    let flags = 0n
    theirs.forEach((time, side) => {
      const newer = time > (this.#graph.policyTime[2 * slot + side] as number)
      if (newer && fresh(time)) flags |= side === 0 ? 0b01010n : 0b10100n
    })
    return flags
  }

  /** The end of an answer to ids. True when `ask` has more to say. */
  batchEnd(now: number): boolean {
    if (this.phase !== 'channels') return false
    this.#lastHeard = now
    this.#asked.clear()
    this.#goOn()
    return true
  }

  /** Whether the peer has kept us waiting too long. */
  isStuck(now: number): boolean {
    if (this.phase !== 'range' && this.phase !== 'channels') return false
    return now - this.#lastHeard > ANSWER_WITHIN_MS || now - this.#askedAt > ANSWERED_WITHIN_MS
  }
}
