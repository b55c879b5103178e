import { concat, uintBE } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { POW_RULES } from '../bitcoin/difficulty.ts'
import { decodeHeader, HEADER_BYTES, hashHeaderBytes, meetsTarget, workOfBits } from '../bitcoin/header.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { CHUNK_HEADERS, type HeaderChain, type HeaderChunk } from './headers.ts'

/**
 * What a store writes: keys sort as text, values are opaque bytes. A record is a version byte (1), the height of its first
 * header (u32), the work of the chain up to and including its last header (u256), and the headers, 80 bytes each.
 */
export interface ChainRecord {
  readonly key: string
  readonly value: Uint8Array
}

export interface ChainRecordChanges {
  readonly puts: readonly ChainRecord[]
  readonly deletes: readonly string[]
}

const VERSION = 1
const PREFIX_BYTES = 1 + 4 + 32

/** The prefix of every key of a network, to list a store by. */
export const chainRecordPrefix = (network: NetworkName): string => `headers/${network}/`

const keyOf = (network: NetworkName, chunk: HeaderChunk): string =>
  chainRecordPrefix(network) + String(Math.floor(chunk.start / CHUNK_HEADERS)).padStart(8, '0')

/** The writes and deletes that turn the records of `prev` into those of `next`; all of `next` when `prev` is undefined. */
export function chainRecords(prev: HeaderChain | undefined, next: HeaderChain): ChainRecordChanges {
  const old = new Set(prev?.chunks ?? [])
  const puts: ChainRecord[] = []
  let work = next.tip.work
  for (const chunk of [...next.chunks].reverse()) {
    // Versions of the chain share the chunks below the first that changed.
    if (old.has(chunk)) break
    const value = concat(Uint8Array.of(VERSION), uintBE(chunk.start, 4), uintBE(work, 32), chunk.bytes)
    puts.push({ key: keyOf(next.network, chunk), value })
    work -= chunkWork(chunk)
  }
  const kept = new Set(next.chunks.map((c) => keyOf(next.network, c)))
  const deletes = [...old].map((c) => keyOf(next.network, c)).filter((key) => !kept.has(key))
  return { puts, deletes }
}

function chunkWork(chunk: HeaderChunk): bigint {
  let work = 0n
  for (let at = 0; at < chunk.bytes.length; at += HEADER_BYTES) work += workOfBits(bitsAt(chunk.bytes, at))
  return work
}

const bitsAt = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset + at + 72, 4).getUint32(0, true)

/**
 * The chain that a store holds. Records may come in any order; what does not link, hash or decode ends the chain before it (it
 * is fetched again), and an error means that nothing usable was there: start from the checkpoint.
 */
export function loadChain(network: NetworkName, records: readonly ChainRecord[]): Result<HeaderChain> {
  const chunks = records
    .filter((r) => r.key.startsWith(chainRecordPrefix(network)))
    .map((r) => decodeRecord(r.value))
    .filter((r) => r !== undefined)
    .sort((a, b) => a.chunk.start - b.chunk.start)
  const good: (typeof chunks)[number][] = []
  for (const record of chunks) {
    const below = good.at(-1)
    if (below && !follows(below.chunk, record.chunk)) break
    if (!linked(record.chunk, network)) break
    good.push(record)
  }
  const last = good.at(-1)
  const first = good[0]
  if (!first || !last) return err('no usable header records')
  const count = last.chunk.bytes.length / HEADER_BYTES
  const tipBytes = last.chunk.bytes.subarray(-HEADER_BYTES)
  const tip = decodeHeader(tipBytes)
  if (!tip.ok) return tip
  return ok({
    network,
    base: first.chunk.start,
    chunks: good.map((r) => r.chunk),
    tip: {
      height: last.chunk.start + count - 1,
      hash: hashHeaderBytes(tipBytes),
      time: tip.value.time,
      work: last.work,
    },
  })
}

function decodeRecord(value: Uint8Array): { chunk: HeaderChunk; work: bigint } | undefined {
  const length = value.length - PREFIX_BYTES
  if (value[0] !== VERSION || length <= 0 || length % HEADER_BYTES !== 0) return undefined
  const view = new DataView(value.buffer, value.byteOffset, value.length)
  const start = view.getUint32(1)
  if (length / HEADER_BYTES > CHUNK_HEADERS - (start % CHUNK_HEADERS)) return undefined
  let work = 0n
  for (let i = 0; i < 4; i++) work = (work << 64n) | view.getBigUint64(5 + 8 * i)
  return { chunk: { start, bytes: value.slice(PREFIX_BYTES) }, work }
}

/** Whether `chunk` begins where `below`, a full chunk, ends. */
function follows(below: HeaderChunk, chunk: HeaderChunk): boolean {
  if (chunk.start !== below.start + below.bytes.length / HEADER_BYTES || chunk.start % CHUNK_HEADERS !== 0)
    return false
  const first = decodeHeader(chunk.bytes.subarray(0, HEADER_BYTES))
  return first.ok && first.value.prevHash === hashHeaderBytes(below.bytes.subarray(-HEADER_BYTES))
}

/** Whether a chunk's headers link and have proof of work: the store is ours but disks decay. About 1 ms a chunk. */
function linked(chunk: HeaderChunk, network: NetworkName): boolean {
  let parent: string | undefined
  for (let at = 0; at < chunk.bytes.length; at += HEADER_BYTES) {
    const bytes = chunk.bytes.subarray(at, at + HEADER_BYTES)
    const header = decodeHeader(bytes)
    if (!header.ok || (parent !== undefined && header.value.prevHash !== parent)) return false
    parent = hashHeaderBytes(bytes)
    if (!meetsTarget(parent, header.value.bits, POW_RULES[network].powLimit)) return false
  }
  return true
}
