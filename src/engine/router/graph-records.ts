import { utf8 } from '../base/bytes.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { createGraph, type Graph } from './graph.ts'
import { CHANNEL, MAX_CHANNELS, MAX_NODES, NODE, POLICY } from './graph-terms.ts'
import { emptyHistory, MAX_PAIRS } from './history.ts'
import { mix } from './slot-table.ts'
import type { History, PairHistory } from './types.ts'

/**
 * The graph as records: chunks of 512 slots, nodes, channels and policies apart, so that an update rewrites 36 KB and not the network.
 * Everything in them was said by strangers and can be asked for again: what cannot be read is dropped, never an error.
 */
export const GRAPH_PREFIX = 'graph/'
export const HISTORY_KEY = 'routing/history'

/** Version byte of all of them. */
export const GRAPH_VERSION = 1

const CHUNK = 512

/** As `addressIn` makes them. */
const ADDRESS = /^[\x21-\x7e]{1,300}$/

export interface GraphWrite {
  readonly key: string
  /** Undefined: delete. */
  readonly value: Uint8Array | undefined
}

const pad = (k: number): string => k.toString().padStart(4, '0')

/**
 * The records of up to `most` chunks that changed since they were last taken, and forgets that they did: whoever takes them writes them,
 * or marks the graph dirty again (`markAllDirty`). `among`: only these.
 */
export function takeWrites(
  graph: Graph,
  most = Number.POSITIVE_INFINITY,
  among?: ReadonlySet<string>,
): GraphWrite[] {
  const writes: GraphWrite[] = []
  for (const kind of KINDS) {
    const [dirty, encode] = partsOf(graph, kind)
    for (const k of chunksOf(dirty)) {
      if (writes.length >= most) return writes
      if (among !== undefined && !among.has(keyOf(kind, k))) continue
      writes.push({ key: keyOf(kind, k), value: encode(graph, k) })
      for (let slot = k * CHUNK; slot < (k + 1) * CHUNK; slot++) dirty.delete(slot)
    }
  }
  return writes
}

/** Nodes first: where writing ends between two calls, channels are there with the nodes that they name. */
const KINDS = ['n', 'c', 'p'] as const

const keyOf = (kind: (typeof KINDS)[number], k: number): string => `${GRAPH_PREFIX}${kind}/${pad(k)}`

function partsOf(graph: Graph, kind: (typeof KINDS)[number]) {
  if (kind === 'n') return [graph.dirtyNodes, nodesChunk] as const
  return kind === 'c'
    ? ([graph.dirtyChannels, channelsChunk] as const)
    : ([graph.dirtyPolicies, policiesChunk] as const)
}

/** Keys of all that waits to be written. */
export function dirtyKeys(graph: Graph): Set<string> {
  const keys = new Set<string>()
  for (const kind of KINDS) for (const k of chunksOf(partsOf(graph, kind)[0])) keys.add(keyOf(kind, k))
  return keys
}

/** Whether anything waits to be written. */
export const isDirty = (graph: Graph): boolean =>
  graph.dirtyNodes.size + graph.dirtyChannels.size + graph.dirtyPolicies.size > 0

/** Everything will be written again. */
export function markAllDirty(graph: Graph): void {
  for (let n = 0; n < graph.nodeSlots; n++) graph.dirtyNodes.add(n)
  for (let c = 0; c < graph.channelSlots; c++) {
    graph.dirtyChannels.add(c)
    graph.dirtyPolicies.add(c)
  }
}

/** A graph from its records, in any order. What does not fit together is left out. */
export function loadGraph(records: Iterable<readonly [string, Uint8Array]>, seed?: number): Graph {
  const graph = createGraph(seed)
  const channels: [number, Columns][] = []
  const policies: [number, Columns][] = []
  for (const [key, bytes] of records) {
    const match = /^graph\/([ncp])\/(\d{4,6})$/.exec(key)
    const columns = match === null ? undefined : columnsOf(bytes)
    if (match === null || columns === undefined) continue
    const k = Number(match[2])
    if (match[1] === 'n') loadNodes(graph, k, columns)
    else if (match[1] === 'c') channels.push([k, columns])
    else policies.push([k, columns])
  }
  for (const [k, columns] of channels) loadChannels(graph, k, columns)
  for (const [k, columns] of policies) loadPolicies(graph, k, columns)
  graph.settle()
  graph.dirtyNodes.clear()
  graph.dirtyChannels.clear()
  graph.dirtyPolicies.clear()
  return graph
}

type Columns = Readonly<Record<string, Uint8Array>>

function columnsOf(bytes: Uint8Array): Columns | undefined {
  const record = decodeRecord(bytes)
  if (!record.ok || record.value.version !== GRAPH_VERSION) return undefined
  const value = record.value.value
  if (typeof value !== 'object' || value === null) return undefined
  for (const column of Object.values(value)) if (!(column instanceof Uint8Array)) return undefined
  return value as Columns
}

function chunksOf(dirty: ReadonlySet<number>): number[] {
  const chunks = new Set<number>()
  for (const slot of dirty) chunks.add(Math.floor(slot / CHUNK))
  return [...chunks].sort((a, b) => a - b)
}

type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

/** A stretch of an array as little-endian bytes (as every machine that runs this has them). */
function part(array: Numbers, from: number, to: number): Uint8Array {
  const end = Math.min(to, array.length)
  const slice = array.slice(from, end)
  return new Uint8Array(slice.buffer, 0, slice.byteLength)
}

function anyUsed(flags: Uint8Array, k: number): boolean {
  for (let i = k * CHUNK; i < Math.min((k + 1) * CHUNK, flags.length); i++) if (flags[i] !== 0) return true
  return false
}

function nodesChunk(graph: Graph, k: number): Uint8Array | undefined {
  if (!anyUsed(graph.nodeFlags, k)) return undefined
  const [a, b] = [k * CHUNK, Math.min((k + 1) * CHUNK, graph.nodeSlots)]
  return encodeRecord(GRAPH_VERSION, {
    id: part(graph.nodeIds, 33 * a, 33 * b),
    flags: part(graph.nodeFlags, a, b),
    time: part(graph.nodeTime, a, b),
    alias: part(graph.aliases, 32 * a, 32 * b),
    // Later than the rest: where they said that they are reached, a line each.
    address: utf8(Array.from({ length: b - a }, (_, i) => graph.addresses.get(a + i) ?? '').join('\n')),
  })
}

function channelsChunk(graph: Graph, k: number): Uint8Array | undefined {
  if (!anyUsed(graph.channelFlags, k)) return undefined
  const [a, b] = [k * CHUNK, Math.min((k + 1) * CHUNK, graph.channelSlots)]
  return encodeRecord(GRAPH_VERSION, {
    high: part(graph.scidHigh, a, b),
    low: part(graph.scidLow, a, b),
    flags: part(graph.channelFlags, a, b),
    capacity: part(graph.capacity, a, b),
    program: part(graph.programs, 32 * a, 32 * b),
    spent: part(graph.spentHeight, a, b),
    ends: part(graph.ends, 2 * a, 2 * b),
    check: part(
      marksOf(a, b, (c) => endsMark(graph, graph.ends[2 * c] as number, graph.ends[2 * c + 1] as number)),
      0,
      b - a,
    ),
  })
}

function policiesChunk(graph: Graph, k: number): Uint8Array | undefined {
  if (!anyUsed(graph.channelFlags, k)) return undefined
  const [a, b] = [2 * k * CHUNK, 2 * Math.min((k + 1) * CHUNK, graph.channelSlots)]
  return encodeRecord(GRAPH_VERSION, {
    flags: part(graph.policyFlags, a, b),
    time: part(graph.policyTime, a, b),
    base: part(graph.feeBase, a, b),
    ppm: part(graph.feePpm, a, b),
    delta: part(graph.cltvDelta, a, b),
    min: part(graph.htlcMinimum, a, b),
    max: part(graph.htlcMaximum, a, b),
    check: part(
      marksOf(a / 2, b / 2, (c) => scidMark(graph, c)),
      0,
      (b - a) / 2,
    ),
  })
}

// Slots are used again, and chunks are written one after another: after a crash the nodes of one time may stand beside the channels of
// another. So each channel bears a mark of the ids of its ends, and terms one of the channel that they are of; what does not agree is dropped.

const marksOf = (from: number, to: number, markOf: (channel: number) => number): Uint32Array =>
  Uint32Array.from({ length: to - from }, (_, i) => markOf(from + i) >>> 0)

function endsMark(graph: Graph, node1: number, node2: number): number {
  let mark = 0
  for (const node of [node1, node2]) {
    const at = 33 * node
    for (let i = 0; i < 33; i++) mark = Math.imul(mark ^ (graph.nodeIds[at + i] as number), 0x01000193)
  }
  return mix(mark)
}

const scidMark = (graph: Graph, channel: number): number =>
  mix(mix(graph.scidHigh[channel] as number) ^ (graph.scidLow[channel] as number))

/** Whether a mark is what it should be; chunks of before 2026-11-23 have none. */
function agrees(columns: Columns, i: number, mark: () => number): boolean {
  const bytes = columns['check']
  if (bytes === undefined) return true
  if (bytes.length < 4 * i + 4) return false
  return new DataView(bytes.buffer, bytes.byteOffset + 4 * i, 4).getUint32(0, true) === mark() >>> 0
}

/** Columns as arrays of one length, or undefined where one is missing or of another length. */
function arrays<const S extends Record<string, number>>(
  columns: Columns,
  sizes: S,
): ({ readonly [K in keyof S]: DataView } & { readonly count: number }) | undefined {
  const views: Record<string, DataView> = {}
  let count = -1
  for (const [name, size] of Object.entries(sizes)) {
    const bytes = columns[name]
    if (bytes === undefined || bytes.length % size !== 0) return undefined
    if (count !== -1 && bytes.length / size !== count) return undefined
    count = bytes.length / size
    views[name] = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  if (count > 2 * CHUNK) return undefined
  return { ...views, count } as unknown as { readonly [K in keyof S]: DataView } & { readonly count: number }
}

const bytesAt = (view: DataView, at: number, length: number): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length)

function loadNodes(graph: Graph, k: number, columns: Columns): void {
  const c = arrays(columns, { id: 33, flags: 1, time: 4, alias: 32 })
  if (c === undefined || c.count > CHUNK) return
  const letters = Array.from(columns['address'] ?? [], (code) => String.fromCharCode(code))
  const addresses = letters.join('').split('\n')
  for (let i = 0; i < c.count; i++) {
    const slot = k * CHUNK + i
    const flags = c.flags.getUint8(i)
    const address = addresses[i] ?? ''
    if ((flags & NODE.used) === 0 || slot >= MAX_NODES) continue
    const id = bytesAt(c.id, 33 * i, 33)
    if (graph.nodeAt(id) !== -1) continue
    graph.loadNode(slot, id)
    graph.setNode(
      slot,
      c.time.getUint32(4 * i, true),
      flags,
      bytesAt(c.alias, 32 * i, 32),
      ADDRESS.test(address) ? address : undefined,
    )
  }
}

function loadChannels(graph: Graph, k: number, columns: Columns): void {
  const c = arrays(columns, { high: 4, low: 4, flags: 1, capacity: 8, program: 32, spent: 4, ends: 8 })
  if (c === undefined || c.count > CHUNK) return
  for (let i = 0; i < c.count; i++) {
    const slot = k * CHUNK + i
    const flags = c.flags.getUint8(i)
    if ((flags & CHANNEL.used) === 0 || slot >= MAX_CHANNELS) continue
    const scid = (BigInt(c.high.getUint32(4 * i, true)) << 32n) | BigInt(c.low.getUint32(4 * i, true))
    const nodes = [c.ends.getInt32(8 * i, true), c.ends.getInt32(8 * i + 4, true)] as const
    const known = (n: number): boolean =>
      n >= 0 && n < graph.nodeSlots && ((graph.nodeFlags[n] as number) & NODE.used) !== 0
    const capacitySat = c.capacity.getFloat64(8 * i, true)
    if (!known(nodes[0]) || !known(nodes[1]) || nodes[0] === nodes[1]) continue
    if (!Number.isSafeInteger(capacitySat) || capacitySat < 0 || graph.channelAt(scid) !== -1) continue
    if (!agrees(columns, i, () => endsMark(graph, ...nodes))) continue
    const ids = nodes.map((n) => graph.nodeIds.subarray(33 * n, 33 * n + 33))
    graph.setChannel(
      slot,
      {
        scid,
        nodeId1: ids[0] as Uint8Array,
        nodeId2: ids[1] as Uint8Array,
        capacitySat,
        witnessProgram: bytesAt(c.program, 32 * i, 32),
        flags,
      },
      nodes[0],
      nodes[1],
    )
    graph.spentHeight[slot] = c.spent.getUint32(4 * i, true)
  }
}

function loadPolicies(graph: Graph, k: number, columns: Columns): void {
  const c = arrays(columns, { flags: 1, time: 4, base: 4, ppm: 4, delta: 2, min: 8, max: 8 })
  if (c === undefined) return
  for (let i = 0; i < c.count; i++) {
    const edge = 2 * k * CHUNK + i
    const flags = c.flags.getUint8(i)
    if ((flags & POLICY.present) === 0 || edge >> 1 >= graph.channelSlots) continue
    if (!graph.has(edge >> 1, CHANNEL.used)) continue
    if (!agrees(columns, i >> 1, () => scidMark(graph, edge >> 1))) continue
    const limits = [c.min.getFloat64(8 * i, true), c.max.getFloat64(8 * i, true)] as const
    if (!limits.every((n) => Number.isSafeInteger(n) && n >= 0)) continue
    graph.setPolicy(edge, {
      timestamp: c.time.getUint32(4 * i, true),
      disabled: (flags & POLICY.disabled) !== 0,
      cltvExpiryDelta: c.delta.getUint16(2 * i, true),
      feeBaseMsat: c.base.getUint32(4 * i, true),
      feeProportionalMillionths: c.ppm.getUint32(4 * i, true),
      htlcMinimumMsat: limits[0],
      htlcMaximumMsat: limits[1],
    })
  }
}

/** The history as one record: at most 4,000 pairs of about 200 bytes; written when a payment ends, not with every attempt. */
export const encodeHistory = (history: History): Uint8Array =>
  encodeRecord(GRAPH_VERSION, { pairs: Object.values(history.pairs) })

/** What cannot be read is forgotten: it only ever made payments likelier to arrive. */
export function decodeHistory(bytes: Uint8Array): History {
  const record = decodeRecord(bytes)
  if (!record.ok || record.value.version !== GRAPH_VERSION) return emptyHistory
  const value = record.value.value as { readonly pairs?: unknown }
  if (typeof value !== 'object' || value === null || !Array.isArray(value.pairs)) return emptyHistory
  const pairs: Record<string, PairHistory> = {}
  for (const pair of value.pairs.slice(0, MAX_PAIRS) as unknown[]) {
    if (isPair(pair)) pairs[`${pair.from}>${pair.to}`] = pair
  }
  return { pairs }
}

function isPair(value: unknown): value is PairHistory {
  if (typeof value !== 'object' || value === null) return false
  const pair = value as Readonly<Record<string, unknown>>
  const node = (v: unknown): boolean => typeof v === 'string' && /^[0-9a-f]{66}$/.test(v)
  const amount = (v: unknown): boolean => v === undefined || (typeof v === 'bigint' && v >= 0n)
  const time = (v: unknown): boolean => v === undefined || (typeof v === 'number' && Number.isFinite(v))
  return (
    node(pair['from']) &&
    node(pair['to']) &&
    amount(pair['failedMsat']) &&
    amount(pair['passedMsat']) &&
    time(pair['failedAt']) &&
    time(pair['passedAt'])
  )
}
