import type { Graph } from './graph.ts'

/**
 * Gossip as it came, for peers that ask for it: a shelf of bounded size. A wallet keeps its own channels' alone; a node that serves
 * others keeps more. What is not on the shelf is not offered: the graph itself holds no signatures.
 */
export interface ShelvedChannel {
  /** channel_announcement, for everybody. */
  announcement?: Uint8Array
  /** The same with one signature and its proof, for nodes of this project. */
  proven?: Uint8Array
  /** By direction. */
  readonly updates: [Uint8Array | undefined, Uint8Array | undefined]
  readonly times: [number, number]
  readonly nodes: readonly [string, string]
}

/** What announces a channel to a peer: for one that knows proofs first the one that is cheap to check. Nothing: it cannot be told of it. */
export function announcementsFor(channel: ShelvedChannel, knowsProofs: boolean): readonly Uint8Array[] {
  const { announcement, proven } = channel
  return [
    ...(knowsProofs && proven !== undefined ? [proven] : []),
    ...(announcement === undefined ? [] : [announcement]),
  ]
}

/** Longer messages are not kept, bytes: nobody fills the shelf with what he made up. A proof's transaction may be long. */
const MAX_BYTES = { announcement: 1_000, proven: 8_000, update: 400, node: 4_000 } as const

export class Shelf {
  readonly channels = new Map<bigint, ShelvedChannel>()
  /** node_announcements by id. */
  readonly nodes = new Map<string, { readonly bytes: Uint8Array; readonly timestamp: number }>()
  readonly #most: number

  /** @param most channels kept; about 900 bytes each, and twice that with a proof */
  constructor(most: number) {
    this.#most = most
  }

  /** Whether a channel of others would be kept. */
  get hasRoom(): boolean {
    return this.channels.size < this.#most
  }

  /** Puts one of the two announcements there, if there is room or the channel is ours. */
  putChannel(
    scid: bigint,
    kind: 'announcement' | 'proven',
    bytes: Uint8Array,
    nodes: readonly [string, string],
    own: boolean,
  ): void {
    if (!own && bytes.length > MAX_BYTES[kind]) return
    const known = this.channels.get(scid)
    if (known !== undefined) known[kind] ??= bytes
    else if (own || this.channels.size < this.#most)
      this.channels.set(scid, { [kind]: bytes, updates: [undefined, undefined], times: [0, 0], nodes })
  }

  putUpdate(scid: bigint, direction: 0 | 1, bytes: Uint8Array, timestamp: number): void {
    const channel = this.channels.get(scid)
    if (channel === undefined || bytes.length > MAX_BYTES.update) return
    channel.updates[direction] = bytes
    channel.times[direction] = timestamp
  }

  putNode(id: string, bytes: Uint8Array, timestamp: number): void {
    if (bytes.length > MAX_BYTES.node) return
    if (!this.nodes.has(id) && this.nodes.size >= 2 * this.#most + 100) return
    this.nodes.set(id, { bytes, timestamp })
  }

  /** Takes out what the graph has dropped. */
  sweep(graph: Graph): void {
    for (const scid of this.channels.keys()) if (graph.channelAt(scid) === -1) this.channels.delete(scid)
    for (const id of this.nodes.keys()) if (graph.nodeOf(id) === -1) this.nodes.delete(id)
  }

  /**
   * Ids in a range of blocks, ascending, that the peer can be told of. A channel without an update is not told of
   * (BOLT 7 §gossip_timestamp_filter).
   */
  idsBetween(firstBlock: number, blocks: number, knowsProofs: boolean): bigint[] {
    const from = BigInt(firstBlock) << 40n
    const to = (BigInt(firstBlock) + BigInt(blocks)) << 40n
    const ids: bigint[] = []
    for (const [scid, channel] of this.channels) {
      const told =
        channel.times[0] + channel.times[1] > 0 && announcementsFor(channel, knowsProofs).length > 0
      if (scid >= from && scid < to && told) ids.push(scid)
    }
    return ids.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }
}
