import type { Graph } from './graph.ts'

/**
 * Gossip as it came, for peers that ask for it: a shelf of bounded size. A wallet keeps its own channels' alone; a node that serves
 * others keeps more. What is not on the shelf is not offered: the graph itself holds no signatures.
 */
export interface ShelvedChannel {
  readonly announcement: Uint8Array
  /** By direction. */
  readonly updates: [Uint8Array | undefined, Uint8Array | undefined]
  readonly times: [number, number]
  readonly nodes: readonly [string, string]
}

export class Shelf {
  readonly channels = new Map<bigint, ShelvedChannel>()
  /** node_announcements by id. */
  readonly nodes = new Map<string, { readonly bytes: Uint8Array; readonly timestamp: number }>()
  readonly #most: number

  /** @param most channels kept; about 900 bytes each */
  constructor(most: number) {
    this.#most = most
  }

  /** Whether there is room, or it is ours anyway. */
  putChannel(scid: bigint, announcement: Uint8Array, nodes: readonly [string, string], own: boolean): void {
    if (this.channels.has(scid) || (!own && this.channels.size >= this.#most)) return
    this.channels.set(scid, { announcement, updates: [undefined, undefined], times: [0, 0], nodes })
  }

  putUpdate(scid: bigint, direction: 0 | 1, bytes: Uint8Array, timestamp: number): void {
    const channel = this.channels.get(scid)
    if (channel === undefined) return
    channel.updates[direction] = bytes
    channel.times[direction] = timestamp
  }

  putNode(id: string, bytes: Uint8Array, timestamp: number): void {
    if (!this.nodes.has(id) && this.nodes.size >= 2 * this.#most + 100) return
    this.nodes.set(id, { bytes, timestamp })
  }

  /** Takes out what the graph has dropped. */
  sweep(graph: Graph): void {
    for (const scid of this.channels.keys()) if (graph.channelAt(scid) === -1) this.channels.delete(scid)
    for (const id of this.nodes.keys()) if (graph.nodeOf(id) === -1) this.nodes.delete(id)
  }

  /** Ids in a range of blocks, ascending. A channel without an update is not told of (BOLT 7 §gossip_timestamp_filter). */
  idsBetween(firstBlock: number, blocks: number): bigint[] {
    const from = BigInt(firstBlock) << 40n
    const to = (BigInt(firstBlock) + BigInt(blocks)) << 40n
    const ids: bigint[] = []
    for (const [scid, { times }] of this.channels)
      if (scid >= from && scid < to && times[0] + times[1] > 0) ids.push(scid)
    return ids.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  }
}
