import { parseHex, toHex } from '../base/bytes.ts'
import {
  CHANNEL,
  MAX_CHANNELS,
  MAX_NODES,
  type NewChannel,
  NO_LIMIT_MSAT,
  NODE,
  POLICY,
  type Policy,
} from './graph-terms.ts'
import { HalfEdges, POLICY_SHIFT } from './half-edges.ts'
import { mix, SlotTable } from './slot-table.ts'

/**
 * The network as announced: nodes, channels, and a policy for each direction of a channel, in typed arrays. About 220 bytes a channel
 * and 80 a node, whatever the engine that runs it: 50,000 channels take 16 MB.
 *
 * Unlike the machines' states it is changed in place: it is a cache of what strangers said, nothing is lost with it, and a copy of it
 * a message would cost more than the message. Only this file, `graph-records.ts` and `prune.ts` write to it.
 *
 * Half-edges: channel `c` has two, `2c` at its node 1 (the lesser id) and `2c + 1` at its node 2. The policy of index `e` is of the
 * node `ends[e]`, for payments away from it. So the policy that matters for coming to a node over its half-edge `h` is `h ^ 1`.
 */

export class Graph {
  /** Changes with every change: caches of searches compare it. */
  version = 0

  // Nodes: slots below `nodeSlots`, some free.
  nodeSlots = 0
  nodeCount = 0
  nodeIds = new Uint8Array(33 * 1024)
  /** First half-edge of a node's list, or −1. */
  first = new Int32Array(1024).fill(-1)
  degree = new Uint32Array(1024)
  nodeFlags = new Uint8Array(1024)
  /** Of the last node_announcement. */
  nodeTime = new Uint32Array(1024)
  aliases = new Uint8Array(32 * 1024)
  /** Where nodes said that they are reached (`host:port`), by slot. */
  readonly addresses = new Map<number, string>()

  // Channels: slots below `channelSlots`, some free.
  channelSlots = 0
  channelCount = 0
  /** Channels that nobody's signature was checked of: hints of a snapshot. */
  hintCount = 0
  scidHigh = new Uint32Array(1024)
  scidLow = new Uint32Array(1024)
  channelFlags = new Uint8Array(1024)
  /** sat; 0: unknown. */
  capacity = new Float64Array(1024)
  programs = new Uint8Array(32 * 1024)
  spentHeight = new Uint32Array(1024)
  /** Of half-edges: the node. */
  ends = new Int32Array(2048)
  /** Of half-edges: what searches read, and each node's list of them. */
  readonly halves = new HalfEdges()

  // Policies, by half-edge of their origin.
  policyFlags = new Uint8Array(2048)
  policyTime = new Uint32Array(2048)
  feeBase = new Uint32Array(2048)
  feePpm = new Uint32Array(2048)
  cltvDelta = new Uint16Array(2048)
  htlcMinimum = new Float64Array(2048)
  htlcMaximum = new Float64Array(2048)

  /** Slots that changed since they were last written (`graph-records.ts`), by chunk. */
  readonly dirtyNodes = new Set<number>()
  readonly dirtyChannels = new Set<number>()
  readonly dirtyPolicies = new Set<number>()

  readonly #nodesById: SlotTable
  readonly #channelsById: SlotTable
  #freeNodes: number[] = []
  #freeChannels: number[] = []
  #cursor = 0
  readonly #seed: number

  /** @param seed any 32 bits, drawn by the host: nobody can choose ids that collide in the tables */
  constructor(seed = 0x5eed) {
    this.#seed = seed | 0
    this.#nodesById = new SlotTable((slot) => this.#hashNode(this.nodeIds, 33 * slot))
    this.#channelsById = new SlotTable((slot) =>
      this.#hashScid(this.scidHigh[slot] as number, this.scidLow[slot] as number),
    )
  }

  // ── looking up ──

  /** The slot of a node (33 bytes), or −1. */
  nodeAt(id: Uint8Array): number {
    return this.#nodesById.find(this.#hashNode(id, 0), (slot) => sameId(this.nodeIds, 33 * slot, id))
  }

  /** The slot of a node by its 66 hex digits, or −1. */
  nodeOf(id: string): number {
    const bytes = parseHex(id, 33)
    return bytes === undefined ? -1 : this.nodeAt(bytes)
  }

  /** 66 hex digits. */
  nodeId(slot: number): string {
    return toHex(this.nodeIds.subarray(33 * slot, 33 * slot + 33))
  }

  /** Where a node (66 hex digits) said that it is reached. */
  addressOf(id: string): string | undefined {
    return this.addresses.get(this.nodeOf(id))
  }

  /** The slot of a channel, or −1. */
  channelAt(scid: bigint): number {
    const high = Number((scid >> 32n) & 0xffff_ffffn)
    const low = Number(scid & 0xffff_ffffn)
    return this.#channelsById.find(
      this.#hashScid(high, low),
      (slot) => this.scidHigh[slot] === high && this.scidLow[slot] === low,
    )
  }

  scid(slot: number): bigint {
    return (BigInt(this.scidHigh[slot] as number) << 32n) | BigInt(this.scidLow[slot] as number)
  }

  /** Block of a channel's funding transaction. */
  blockOf(slot: number): number {
    return (this.scidHigh[slot] as number) >>> 8
  }

  has(slot: number, flags: number): boolean {
    return ((this.channelFlags[slot] as number) & flags) === flags
  }

  /** The policy of a half-edge's node, or undefined. */
  policy(edge: number): Policy | undefined {
    const flags = this.policyFlags[edge] as number
    if ((flags & POLICY.present) === 0) return undefined
    return {
      timestamp: this.policyTime[edge] as number,
      disabled: (flags & POLICY.disabled) !== 0,
      cltvExpiryDelta: this.cltvDelta[edge] as number,
      feeBaseMsat: this.feeBase[edge] as number,
      feeProportionalMillionths: this.feePpm[edge] as number,
      htlcMinimumMsat: this.htlcMinimum[edge] as number,
      htlcMaximumMsat: this.htlcMaximum[edge] as number,
    }
  }

  /** msat that can be at most on one side: the capacity, or as much as its owners said would fit. */
  capacityMsat(channel: number): number {
    const sat = this.capacity[channel] as number
    if (sat > 0) return sat * 1000
    const said = Math.max(
      this.htlcMaximum[2 * channel] as number,
      this.htlcMaximum[2 * channel + 1] as number,
    )
    return said >= NO_LIMIT_MSAT ? 0 : said
  }

  /** Bytes of all arrays. */
  bytes(): number {
    return (
      this.nodeIds.byteLength +
      this.first.byteLength +
      this.degree.byteLength +
      this.nodeFlags.byteLength +
      this.nodeTime.byteLength +
      this.aliases.byteLength +
      this.scidHigh.byteLength * 2 +
      this.channelFlags.byteLength +
      this.capacity.byteLength +
      this.programs.byteLength +
      this.spentHeight.byteLength +
      this.ends.byteLength +
      this.halves.bytes +
      this.policyFlags.byteLength +
      this.policyTime.byteLength * 3 +
      this.cltvDelta.byteLength +
      this.htlcMinimum.byteLength * 2 +
      this.#nodesById.bytes +
      this.#channelsById.bytes
    )
  }

  // ── changing ──

  /** Puts a channel in; its slot, or −1 where it is known already or there is no room. Nodes come with it. */
  addChannel(channel: NewChannel): number {
    if (this.isFull() || this.channelAt(channel.scid) !== -1) return -1
    const slot = this.#freeChannels.pop() ?? this.channelSlots
    this.setChannel(slot, channel, this.#node(channel.nodeId1), this.#node(channel.nodeId2))
    this.touchChannel(slot)
    this.dirtyPolicies.add(slot)
    return slot
  }

  /** Fills a given free slot; for `addChannel` and for loading. Nodes must be there. */
  setChannel(slot: number, channel: NewChannel, node1: number, node2: number): void {
    this.#growChannels(slot + 1)
    this.channelSlots = Math.max(this.channelSlots, slot + 1)
    this.channelCount++
    if ((channel.flags & CHANNEL.signed) === 0) this.hintCount++
    this.scidHigh[slot] = Number((channel.scid >> 32n) & 0xffff_ffffn)
    this.scidLow[slot] = Number(channel.scid & 0xffff_ffffn)
    this.channelFlags[slot] = channel.flags | CHANNEL.used
    this.capacity[slot] = channel.capacitySat
    this.programs.set(channel.witnessProgram, 32 * slot)
    this.spentHeight[slot] = 0
    // Nothing of a channel that had this slot before: a time of its terms would keep these out.
    for (const edge of [2 * slot, 2 * slot + 1]) {
      this.policyFlags[edge] = 0
      this.policyTime[edge] = 0
      this.htlcMaximum[edge] = 0
    }
    this.#link(2 * slot, node1, node2)
    this.#link(2 * slot + 1, node2, node1)
    this.#refresh(slot)
    this.#channelsById.put(slot, this.channelCount)
  }

  /** Takes a channel out, and nodes that have no other. */
  removeChannel(slot: number): void {
    if (!this.has(slot, CHANNEL.used)) return
    this.#channelsById.take(slot)
    this.touchChannel(slot)
    this.dirtyPolicies.add(slot)
    if (!this.has(slot, CHANNEL.signed)) this.hintCount--
    this.channelFlags[slot] = 0
    this.channelCount--
    this.policyFlags[2 * slot] = 0
    this.policyFlags[2 * slot + 1] = 0
    this.htlcMaximum[2 * slot] = 0
    this.htlcMaximum[2 * slot + 1] = 0
    this.#unlink(2 * slot)
    this.#unlink(2 * slot + 1)
    this.#freeChannels.push(slot)
  }

  /** Sets the policy of a half-edge's node. Whether it is newer is the caller's to judge. */
  setPolicy(edge: number, policy: Policy): void {
    this.policyFlags[edge] = POLICY.present | (policy.disabled ? POLICY.disabled : 0)
    this.policyTime[edge] = policy.timestamp
    this.cltvDelta[edge] = policy.cltvExpiryDelta
    this.feeBase[edge] = policy.feeBaseMsat
    this.feePpm[edge] = policy.feeProportionalMillionths
    this.htlcMinimum[edge] = policy.htlcMinimumMsat
    this.htlcMaximum[edge] = policy.htlcMaximumMsat
    this.#refresh(edge >> 1)
    this.version++
    this.dirtyPolicies.add(edge >> 1)
  }

  /** No room for a channel between two new nodes. */
  isFull(): boolean {
    return this.channelCount >= MAX_CHANNELS || this.nodeCount + 2 > MAX_NODES
  }

  /** One slot after the other, used or not, and over again: for who looks for something to take out. */
  nextSlot(): number {
    this.#cursor = (this.#cursor + 1) % this.channelSlots
    return this.#cursor
  }

  /** The slot of any hint, or −1. */
  anyHint(): number {
    if (this.hintCount === 0) return -1
    for (;;) {
      const slot = this.nextSlot()
      if (this.has(slot, CHANNEL.used) && !this.has(slot, CHANNEL.signed)) return slot
    }
  }

  /** Sets and clears flags of a channel, but for `used` and `signed`: those it has from its announcement. `capacitySat`: as proven. */
  mark(slot: number, set: number, clear = 0, capacitySat?: number): void {
    this.channelFlags[slot] = ((this.channelFlags[slot] as number) & ~clear) | set
    if (capacitySat !== undefined) this.capacity[slot] = capacitySat
    this.#refresh(slot)
    this.touchChannel(slot)
  }

  setNode(slot: number, timestamp: number, flags: number, alias: Uint8Array, address?: string): void {
    if (address === undefined) this.addresses.delete(slot)
    else this.addresses.set(slot, address)
    this.nodeTime[slot] = timestamp
    this.nodeFlags[slot] = flags | NODE.used
    this.aliases.set(alias.subarray(0, 32), 32 * slot)
    this.version++
    this.dirtyNodes.add(slot)
  }

  touchChannel(slot: number): void {
    this.version++
    this.dirtyChannels.add(slot)
  }

  /** Fills a given node slot; for loading. */
  loadNode(slot: number, id: Uint8Array): void {
    this.#growNodes(slot + 1)
    this.nodeSlots = Math.max(this.nodeSlots, slot + 1)
    this.nodeCount++
    this.nodeIds.set(id, 33 * slot)
    this.first[slot] = -1
    this.degree[slot] = 0
    this.nodeFlags[slot] = NODE.used
    this.nodeTime[slot] = 0
    this.aliases.fill(0, 32 * slot, 32 * slot + 32)
    this.#nodesById.put(slot, this.nodeCount)
  }

  /** After loading: which slots are free. Nodes without a channel go. */
  settle(): void {
    this.#freeNodes = []
    this.#freeChannels = []
    for (let n = this.nodeSlots - 1; n >= 0; n--) {
      if (((this.nodeFlags[n] as number) & NODE.used) === 0) this.#freeNodes.push(n)
      else if (this.degree[n] === 0) this.#dropNode(n)
    }
    for (let c = this.channelSlots - 1; c >= 0; c--) {
      if (!this.has(c, CHANNEL.used)) this.#freeChannels.push(c)
    }
    this.version++
  }

  // ── inside ──

  #node(id: Uint8Array): number {
    const known = this.nodeAt(id)
    if (known !== -1) return known
    const slot = this.#freeNodes.pop() ?? this.nodeSlots
    this.loadNode(slot, id)
    this.dirtyNodes.add(slot)
    return slot
  }

  /** Puts what searches read of a channel in step with its columns. */
  #refresh(slot: number): void {
    const channelFlags = this.channelFlags[slot] as number
    const capacity = this.capacityMsat(slot)
    for (const edge of [2 * slot, 2 * slot + 1]) {
      this.halves.set(
        edge ^ 1,
        this.feeBase[edge] as number,
        this.feePpm[edge] as number,
        this.cltvDelta[edge] as number,
        channelFlags | ((this.policyFlags[edge] as number) << POLICY_SHIFT),
        this.htlcMinimum[edge] as number,
        this.htlcMaximum[edge] as number,
        capacity,
      )
    }
  }

  #link(edge: number, node: number, other: number): void {
    this.ends[edge] = node
    this.halves.link(edge, this.first[node] as number, other)
    this.first[node] = edge
    this.degree[node] = (this.degree[node] as number) + 1
  }

  #unlink(edge: number): void {
    const node = this.ends[edge] as number
    this.first[node] = this.halves.unlink(edge, this.first[node] as number)
    const left = (this.degree[node] as number) - 1
    this.degree[node] = left
    if (left === 0) this.#dropNode(node)
  }

  #dropNode(slot: number): void {
    this.addresses.delete(slot)
    this.#nodesById.take(slot)
    this.nodeFlags[slot] = 0
    this.nodeCount--
    this.dirtyNodes.add(slot)
    this.#freeNodes.push(slot)
  }

  #hashNode(ids: Uint8Array, at: number): number {
    let h = this.#seed
    for (let i = 1; i < 33; i += 4) {
      const word =
        (ids[at + i] as number) |
        ((ids[at + i + 1] as number) << 8) |
        ((ids[at + i + 2] as number) << 16) |
        ((ids[at + i + 3] as number) << 24)
      h = mix(h ^ word)
    }
    return h >>> 0
  }

  #hashScid(high: number, low: number): number {
    return mix(mix(this.#seed ^ high) ^ low) >>> 0
  }

  #growNodes(slots: number): void {
    if (slots <= this.first.length) return
    const size = 2 ** Math.ceil(Math.log2(slots))
    this.nodeIds = grown(this.nodeIds, new Uint8Array(33 * size))
    this.first = grown(this.first, new Int32Array(size))
    this.degree = grown(this.degree, new Uint32Array(size))
    this.nodeFlags = grown(this.nodeFlags, new Uint8Array(size))
    this.nodeTime = grown(this.nodeTime, new Uint32Array(size))
    this.aliases = grown(this.aliases, new Uint8Array(32 * size))
  }

  #growChannels(slots: number): void {
    if (slots <= this.scidHigh.length) return
    const size = 2 ** Math.ceil(Math.log2(slots))
    this.scidHigh = grown(this.scidHigh, new Uint32Array(size))
    this.scidLow = grown(this.scidLow, new Uint32Array(size))
    this.channelFlags = grown(this.channelFlags, new Uint8Array(size))
    this.capacity = grown(this.capacity, new Float64Array(size))
    this.programs = grown(this.programs, new Uint8Array(32 * size))
    this.spentHeight = grown(this.spentHeight, new Uint32Array(size))
    this.ends = grown(this.ends, new Int32Array(2 * size))
    this.halves.grow(2 * size)
    this.policyFlags = grown(this.policyFlags, new Uint8Array(2 * size))
    this.policyTime = grown(this.policyTime, new Uint32Array(2 * size))
    this.feeBase = grown(this.feeBase, new Uint32Array(2 * size))
    this.feePpm = grown(this.feePpm, new Uint32Array(2 * size))
    this.cltvDelta = grown(this.cltvDelta, new Uint16Array(2 * size))
    this.htlcMinimum = grown(this.htlcMinimum, new Float64Array(2 * size))
    this.htlcMaximum = grown(this.htlcMaximum, new Float64Array(2 * size))
  }
}

/** An empty graph. `seed`: any 32 random bits. */
export const createGraph = (seed?: number): Graph => new Graph(seed)

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array>(
  from: T,
  to: T,
): T {
  to.set(from)
  return to
}

function sameId(ids: Uint8Array, at: number, id: Uint8Array): boolean {
  for (let i = 0; i < 33; i++) if (ids[at + i] !== id[i]) return false
  return true
}
