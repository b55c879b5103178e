import { offers } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import { Sync } from './gossip-sync.ts'
import { MAX_FOLLOWED, RESYNC_MS, RETRY_SYNC_MS, type Book, type Peer } from './gossip-types.ts'

/**
 * Whom we ask: one peer for the graph, slice by slice, and two for what is new. Where it stands is one number. Channels that somebody is
 * about to rely on and that are known by hearsay are asked for out of turn.
 */

/** Ids that wait to be asked for out of turn, and those of one question. */
const MAX_WANTED = 500
const WANTED_A_QUESTION = 100

export class Asking {
  /** First block that is still to be asked for. */
  nextBlock: number
  syncedAt: number | undefined
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
    if (question === undefined) this.#end(peer, now, true)
    else this.#reply(nodeId, question)
  }

  #start(now: number): void {
    for (const peer of this.#peers.values()) if (peer.sync !== undefined) return this.#addWanted()
    const isDone = this.syncedAt !== undefined && now - this.syncedAt < RESYNC_MS
    if (isDone && this.#wanted.size === 0) return
    for (const [nodeId, peer] of this.#peers) {
      if (!offers(peer.features, 'gossip_queries')) continue
      if (peer.failedAt !== undefined && now - peer.failedAt < RETRY_SYNC_MS) continue
      if (!isDone && this.syncedAt !== undefined) this.nextBlock = 0
      peer.sync = new Sync(this.#book.graph, this.#book.options.network, this.nextBlock, isDone)
      this.#addWanted()
      this.#follow(nodeId, peer, now)
      return this.on(nodeId, peer, now)
    }
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
