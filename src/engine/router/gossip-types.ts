import type { Fifo } from '../base/fifo.ts'
import type { BlockHeader } from '../bitcoin/header.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { offers } from '../wire/features.ts'
import type { Filter } from './gossip-serve.ts'
import type { Sync } from './gossip-sync.ts'
import type { Graph } from './graph.ts'
import type { Shelf } from './shelf.ts'

/** What crosses the border of the gossip machine, what its parts share, what it keeps of a peer, and its bounds. */

export interface GossipOptions {
  readonly network: NetworkName
  /** Ours, 66 hex digits. */
  readonly nodeId: string
  /** Channels of others kept as they came, to serve them on: 0 for a wallet. */
  readonly shelf?: number
  /** Others' gossip goes on at most so often (BOLT 7 §Rebroadcasting: 60 s). */
  readonly flushMs?: number
  /** Where an earlier run's sync stopped, and when its pass over all blocks had begun (ms since 1970). */
  readonly nextBlock?: number
  readonly passAt?: number
  /** A header of our own chain, undefined where it is not kept: above the tip, or below the checkpoint. */
  readonly headerAt?: (height: number) => Pick<BlockHeader, 'merkleRoot'> | undefined
}

/** What the parts of the machine share. Changed in place, as the graph is. */
export interface Book {
  readonly graph: Graph
  readonly shelf: Shelf
  readonly options: GossipOptions
  /** 32 bytes */
  readonly chainHash: Uint8Array
  /** Channels of ours that are announced. */
  readonly own: Set<bigint>
  /** Channels that two announcements tell different stories of: to be proved first. Bounded. */
  readonly disputed: Set<bigint>
  readonly counts: Record<GossipVerdict, number>
  /** Checked since the start. */
  signatures: number
  /** Of the best verified block, 0 while it is not known to be true now. */
  height: number
}

export type GossipEffect =
  | { readonly type: 'send'; readonly nodeId: string; readonly bytes: Uint8Array }
  | { readonly type: 'hangUp'; readonly nodeId: string; readonly reason: string }

export interface GossipStatus {
  readonly queued: number
  readonly sync: 'idle' | 'running' | 'done'
  readonly syncPeer?: string
  /** First block that is still to be asked for. */
  readonly nextBlock: number
  /** When the pass over all blocks began that is under way or done (ms since 1970). */
  readonly passAt: number | undefined
  readonly counts: Readonly<Record<GossipVerdict, number>>
  readonly signatures: number
}

/** What became of a message. */
export type GossipVerdict =
  | 'accepted'
  | 'known'
  | 'stale'
  | 'future'
  | 'tooOften'
  | 'unknownChannel'
  | 'wrongChain'
  | 'forged'
  | 'conflict'
  /** A proof that does not lead to our header: perhaps of another branch. */
  | 'unproven'
  /** A proof that came before our headers did: looked at again when they are here. */
  | 'waiting'
  | 'full'
  | 'dropped'

/** One connected peer, as the machine keeps it. */
export interface Peer {
  readonly features: Uint8Array
  readonly queue: Fifo<Uint8Array>
  queuedBytes: number
  filter?: Filter
  sync?: Sync | undefined
  /** Whether we asked it for what is new. */
  following: boolean
  /** What may still come unasked; fills up with time. */
  allowance: number
  allowanceAt: number
  forged: number
  /** Channels that it may still be told of on request; fills up with time. */
  serving: number
  servingAt: number
  /** To be sent at the next flush. */
  outbox: Uint8Array[]
  flushedAt: number
  /** A sync with it failed at this time. */
  failedAt?: number
}

/** Messages that wait for one peer: a batch's answer, and some. Beyond it they are dropped; they can be asked for again. */
export const MAX_QUEUE = 6_000
/** A message may have 65 KB: all of them that wait together. */
export const MAX_QUEUE_BYTES = 8_000_000
/** Unasked announcements that cost signatures: a burst, and so many a second. */
export const BURST = 2_000
export const PER_SECOND = 10
/** Two updates of one direction come no closer than this, in seconds, except to switch it off or on. */
export const UPDATE_GAP_SECONDS = 60
/** A clock may be ahead of ours by so much (seconds). */
export const MAX_AHEAD_SECONDS = 86_400
/** So many forged messages end a connection. */
export const MAX_FORGED = 3
/** Peers that we let tell us what is new. */
export const MAX_FOLLOWED = 2
export const RETRY_SYNC_MS = 10 * 60_000
/** A finished sync is believed for so long; then missing ids are asked for again. */
export const RESYNC_MS = 6 * 3600_000
/** What one peer told is held against another's word so soon: a lie by leaving out lasts no longer. */
export const SECOND_OPINION_MS = 10 * 60_000
/** Stories of two ends that wait to be decided by the chain. */
export const MAX_DISPUTED = 100
/** Channels looked at by one tick's pruning. */
export const PRUNE_SLICE = 5_000
export const MAX_OUTBOX = 4_000
/** Channels told of on request: a burst, and so many a second. */
export const MAX_SERVED = 60_000
export const SERVED_PER_SECOND = 500
/** What a question about a range costs of these, and each 16 ids of its answer one more; what a filter's backlog does. */
export const RANGE_COST = 20
export const BACKLOG_COST = 1_000
/** Announcements with a proof that wait for headers: bytes of all together. */
export const MAX_WAITING_BYTES = 1_000_000

/** Whether the peer knows announcements that prove themselves. */
export const knowsProofs = (peer: Pick<Peer, 'features'>): boolean => offers(peer.features, 'lcp')
