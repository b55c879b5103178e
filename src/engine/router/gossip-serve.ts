import { equalBytes } from '../base/bytes.ts'
import type { QueryChannelRange, QueryShortChannelIds, ReplyChannelRange } from '../wire/messages.ts'
import { announcementsFor, type Shelf } from './shelf.ts'

/** Answers to what peers ask (BOLT 7 §Query Messages), from the shelf. */

/** gossip_timestamp_filter: what a peer wants to hear of, in seconds since 1970. */
export interface Filter {
  readonly first: number
  readonly range: number
}

export const passes = (filter: Filter, timestamp: number): boolean =>
  timestamp >= filter.first && timestamp < filter.first + filter.range

/** Ids in one reply_channel_range: with timestamps 16 bytes each, within 65,535. */
const IDS_A_REPLY = 3_000
/** Ids of one query that are answered. */
const MAX_ANSWERED = 8_000

/** All replies to a range, in order; of another chain an empty and complete one. */
export function answerRange(
  shelf: Shelf,
  query: QueryChannelRange,
  chainHash: Uint8Array,
  knowsProofs: boolean,
): ReplyChannelRange[] {
  const ids = equalBytes(query.chainHash, chainHash)
    ? shelf.idsBetween(query.firstBlocknum, query.numberOfBlocks, knowsProofs)
    : []
  const end = query.firstBlocknum + query.numberOfBlocks
  const replies: ReplyChannelRange[] = []
  let first = query.firstBlocknum
  for (let at = 0; at < ids.length || at === 0; at += IDS_A_REPLY) {
    const part = ids.slice(at, at + IDS_A_REPLY)
    const last = at + IDS_A_REPLY >= ids.length
    // Blocks may be split over replies (BOLT 7 §query_channel_range), so the next begins where this one ends.
    const next = last ? end : Math.max(first, Number((part.at(-1) ?? 0n) >> 40n))
    replies.push({
      type: 'reply_channel_range',
      chainHash: query.chainHash,
      firstBlocknum: first,
      numberOfBlocks: Math.max(1, next - first + (last ? 0 : 1)),
      syncComplete: last ? 1 : 0,
      shortChannelIds: part,
      ...((query.queryOption ?? 0n) & 1n
        ? {
            timestamps: part.map((scid) => {
              const [timestampNodeId1, timestampNodeId2] = shelf.channels.get(scid)?.times ?? [0, 0]
              return { timestampNodeId1, timestampNodeId2 }
            }),
          }
        : {}),
    })
    first = next
  }
  return replies
}

/** An answer that has nothing and says so (BOLT 7 §reply_channel_range: `sync_complete` 0, no full information). */
export const refusal = (query: QueryChannelRange): ReplyChannelRange => ({
  type: 'reply_channel_range',
  chainHash: query.chainHash,
  firstBlocknum: query.firstBlocknum,
  numberOfBlocks: query.numberOfBlocks,
  syncComplete: 0,
  shortChannelIds: [],
})

/** What is asked for of each id, as it came; each node_announcement once. */
export function* answerIds(
  shelf: Shelf,
  query: QueryShortChannelIds,
  knowsProofs: boolean,
): Generator<Uint8Array> {
  const told = new Set<string>()
  for (const [i, scid] of query.shortChannelIds.slice(0, MAX_ANSWERED).entries()) {
    const channel = shelf.channels.get(scid)
    if (channel === undefined || channel.times[0] + channel.times[1] === 0) continue
    const announcements = announcementsFor(channel, knowsProofs)
    if (announcements.length === 0) continue
    const flags = query.queryFlags === undefined ? 0b11111n : (query.queryFlags[i] ?? 0n)
    if (flags & 1n) yield* announcements
    for (const side of [0, 1] as const) {
      const update = channel.updates[side]
      if (flags & (2n << BigInt(side)) && update !== undefined) yield update
    }
    for (const side of [0, 1] as const) {
      const id = channel.nodes[side]
      const node = shelf.nodes.get(id)
      if (!(flags & (8n << BigInt(side))) || node === undefined || told.has(id)) continue
      told.add(id)
      yield node.bytes
    }
  }
}

/** What a new filter lets through of what is there: each channel's announcement before its updates, then nodes. */
export function* backlog(
  shelf: Shelf,
  filter: Filter,
  own: ReadonlySet<bigint>,
  most: number,
  knowsProofs: boolean,
): Generator<Uint8Array> {
  let left = most
  const nodes = new Set<string>()
  for (const [scid, channel] of shelf.channels) {
    const updates = channel.updates.filter(
      (u, side) => u !== undefined && passes(filter, channel.times[side] as number),
    )
    // Our own go to every peer anyway, when they connect and when they change.
    const announcements = announcementsFor(channel, knowsProofs)
    if (own.has(scid) || updates.length === 0 || announcements.length === 0) continue
    left -= announcements.length + updates.length
    if (left < 0) return
    yield* announcements
    for (const update of updates) yield update as Uint8Array
    for (const id of channel.nodes) nodes.add(id)
  }
  for (const id of nodes) {
    const node = shelf.nodes.get(id)
    if (node === undefined || !passes(filter, node.timestamp)) continue
    if (--left < 0) return
    yield node.bytes
  }
}
