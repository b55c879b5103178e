import { offers } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import { Sync } from './gossip-sync.ts'
import {
  MAX_FOLLOWED,
  RESYNC_MS,
  RETRY_SYNC_MS,
  SECOND_OPINION_MS,
  type Book,
  type Peer,
} from './gossip-types.ts'

/**
 * Whom we ask: one peer for the graph, slice by slice, and two for what is new. Where it stands is one number. Channels that somebody is
 * about to rely on and that are known by hearsay are asked for out of turn.
 *
 * A pass goes over all blocks once, with as many peers as it takes, over restarts too. Six hours after it began the next one does: terms
 * that changed while nobody was here are only found by asking again.
 */

/** Ids that wait to be asked for out of turn, and those of one question. */
const MAX_WANTED = 500
const WANTED_A_QUESTION = 100
/** Peers of which is remembered that they were asked. */
const MAX_TOLD_BY = 50

export class Asking {
  /** First block that is still to be asked for. */
  nextBlock: number
  syncedAt: number | undefined
  /** When the pass over all blocks began (ms since 1970). */
  passAt: number | undefined
  /** Whether that pass came to its end in this run. */
  #passDone = false
  /** Who has told us of all blocks in this run. */
  readonly #toldBy = new Set<string>()
  readonly #book: Book
  readonly #peers: ReadonlyMap<string, Peer>
  readonly #reply: (nodeId: string, message: Message) => void
  readonly #wanted = new Set<bigint>()

  constructor(
    book: Book,
    peers: ReadonlyMap<string, Peer>,
    reply: (nodeId: string, message: Message) => void,
  ) {
    this.#book = book
    this.#peers = peers
    this.#reply = reply
    this.nextBlock = book.options.nextBlock ?? 0
    this.passAt = book.options.passAt
  }

  /** Channels whose signatures are wanted soon. */
  want(scids: readonly bigint[], now: number): void {
    for (const scid of scids) if (this.#wanted.size < MAX_WANTED) this.#wanted.add(scid)
    if (this.#wanted.size > 0) this.tick(now)
  }

  /** Ends what is stuck, begins what is due. */
  tick(now: number): void {
    for (const peer of this.#peers.values())
      if (peer.sync?.isStuck(now) === true || peer.sync?.phase === 'failed') this.#end(peer, now, false)
    if (this.#book.height > 0) this.#start(now)
  }

  /** A part of an answer has come and the question after it is due. */
  on(nodeId: string, peer: Peer, now: number): void {
    if (peer.sync === undefined) return
    const question = peer.sync.ask(now, this.#book.height)
    if (!peer.sync.detour) this.nextBlock = peer.sync.nextBlock
    if (question === undefined) {
      if (!peer.sync.detour && this.#toldBy.size < MAX_TOLD_BY) this.#toldBy.add(nodeId)
      this.#end(peer, now, true)
    } else this.#reply(nodeId, question)
  }

  #start(now: number): void {
    for (const peer of this.#peers.values()) if (peer.sync !== undefined) return this.#addWanted()
    const [nodeId, peer] = this.#nextPeer(now) ?? []
    if (nodeId === undefined || peer === undefined) return
    const fresh = now - (this.passAt ?? 0) < RESYNC_MS && !this.#wantsSecond(nodeId, now)
    const isDone = this.#passDone && fresh
    if (isDone && this.#wanted.size === 0) return
    if (this.#passDone && !isDone) {
      this.nextBlock = 0
      this.#passDone = false
    }
    if (this.nextBlock === 0) this.passAt = now
    const { graph, shelf, options } = this.#book
    const lacks = (scid: bigint): boolean => {
      const kept = shelf.channels.get(scid)
      if (kept === undefined) return shelf.hasRoom
      const edge = 2 * graph.channelAt(scid)
      return kept.updates.some((u, side) => u === undefined && graph.policy(edge + side) !== undefined)
    }
    peer.sync = new Sync(graph, options.network, this.nextBlock, isDone, lacks)
    this.#addWanted()
    this.#follow(nodeId, peer, now)
    this.on(nodeId, peer, now)
  }

  /** Whom to ask: one that has not told us yet comes before one that has. */
  #nextPeer(now: number): readonly [string, Peer] | undefined {
    const able = [...this.#peers].filter(
      ([, peer]) =>
        offers(peer.features, 'gossip_queries') &&
        (peer.failedAt === undefined || now - peer.failedAt >= RETRY_SYNC_MS),
    )
    return able.find(([nodeId]) => !this.#toldBy.has(nodeId)) ?? able[0]
  }

  /** Whether one peer alone has told us so far, and this is another: the first may have left out what it liked. */
  #wantsSecond(nodeId: string, now: number): boolean {
    const since = now - (this.syncedAt ?? now)
    return this.#toldBy.size === 1 && !this.#toldBy.has(nodeId) && since >= SECOND_OPINION_MS
  }

  #addWanted(): void {
    const sync = [...this.#peers.values()].find((peer) => peer.sync !== undefined)?.sync
    if (sync === undefined || this.#wanted.size === 0) return
    const some = [...this.#wanted].slice(0, WANTED_A_QUESTION)
    for (const scid of some) this.#wanted.delete(scid)
    sync.wantFirst(some)
  }

  #end(peer: Peer, now: number, done: boolean): void {
    const detour = peer.sync?.detour === true
    peer.sync = undefined
    if (!done) {
      peer.failedAt = now
      return
    }
    if (detour) return
    this.#passDone = true
    this.syncedAt = now
    for (const [nodeId, other] of this.#peers) this.#follow(nodeId, other, now)
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
      chainHash: this.#book.chainHash,
      firstTimestamp: Math.max(0, Math.floor(now / 1000) - 600),
      timestampRange: 0xffff_ffff,
    })
  }
}
