import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { concat, equalBytes, fromHex, toHex, uintBE } from '../base/bytes.ts'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { packShortChannelId, parseShortChannelId } from './short-channel-id.ts'
import { CODECS, UNUSED_EVEN } from './table.ts'
import { encodeTlvRecords } from './tlv.ts'

interface FieldRow {
  name: string
  type: string
  count?: number | 'rest' | { field: string }
}
interface MessageRow {
  type: number
  name: string
  min_message_bytes: number
  fields: FieldRow[]
  tlvs?: string
}
interface Layouts {
  fundamental_types: { name: string; bytes: number | string }[]
  messages: MessageRow[]
  tlv_streams: Record<string, { type: number; name: string; fields: FieldRow[] }[]>
}

const file = loadVectors<Layouts>('messages.json')
const sizes = new Map((file.fundamental_types ?? []).map((t) => [t.name, t.bytes]))
const known = (file.messages ?? []).filter((m) => m.name in CODECS)
const others = (file.messages ?? []).filter((m) => !(m.name in CODECS))

/** Names here that differ from the BOLT's, because they stand for a list or for a TLV with one field. */
const RENAMED: Record<string, string> = { htlc_signature: 'htlcSignatures' }
const camel = (name: string) =>
  RENAMED[name] ?? name.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())

/** Counter-filled bytes: every field of a message gets different content, so that swapped fields show. */
function filler() {
  let next = 1
  return (length: number) => Uint8Array.from({ length }, () => next++ & 0xff)
}

function value(type: string, fill: (n: number) => Uint8Array): Uint8Array {
  const size = type === 'bigsize' ? 1 : sizes.get(type)
  if (typeof size !== 'number') throw new Error(`no size for ${type}`)
  const out = fill(size)
  if (type === 'point') out[0] = 2
  if (type === 'u64') out.fill(0, 0, 3) // below 21 million bitcoin
  if (type === 'bigsize') out[0] = 7
  return out
}

/** Bytes of a row list after the published layout: `variable` bytes or items in each counted field. */
function build(fields: FieldRow[], variable: number) {
  const fill = filler()
  const parts: Uint8Array[] = []
  const values: Record<string, Uint8Array> = {}
  const counts = new Set(fields.flatMap((f) => (typeof f.count === 'object' ? [f.count.field] : [])))
  for (const f of fields) {
    if (counts.has(f.name)) {
      const short = fields.some((x) => x.name.startsWith('encoded_') && typeof x.count === 'object')
      parts.push(uintBE(short && variable > 0 ? 1 + 8 * variable : variable, 2))
      continue
    }
    let bytes: Uint8Array
    if (f.name === 'encoded_short_ids')
      bytes = variable > 0 ? concat(uintBE(0, 1), fill(8 * variable)) : fill(0)
    else if (f.count === undefined) bytes = value(f.type, fill)
    else {
      const items = typeof f.count === 'number' ? f.count : variable
      bytes = concat(...Array.from({ length: items }, () => value(f.type, fill)))
    }
    parts.push(bytes)
    values[f.name] = bytes
  }
  return { bytes: concat(...parts), values }
}

const same = (decoded: unknown, bytes: Uint8Array): boolean => {
  if (decoded instanceof Uint8Array) return equalBytes(decoded, bytes)
  if (typeof decoded === 'number' || typeof decoded === 'bigint')
    return equalBytes(uintBE(decoded, bytes.length), bytes)
  if (Array.isArray(decoded)) return equalBytes(concat(...(decoded as Uint8Array[])), bytes)
  return false
}

describe.skipIf(!vectorsPresent)('message layouts of BOLT 1, 2, 4 and 7', () => {
  it('knows every message but interactive transactions, dual funding and splicing', () => {
    // Ours are in the range that BOLT 1 leaves to experiments.
    const ours = Object.values(CODECS).filter(({ number }) => number >= 32_768)
    expect(ours.every(({ number }) => number % 2 === 1)).toBe(true)
    expect(known.length).toBe(Object.keys(CODECS).length - ours.length)
    for (const m of others) expect(m.name).toMatch(/^(tx_|splice_|open_channel2|accept_channel2|start_batch)/)
  })

  it.each(known)('$name ($type): number, order and width of every field', (m) => {
    const { bytes, values } = build(m.fields, 3)
    const wire = concat(uintBE(m.type, 2), bytes)
    const result = decodeMessage(wire)
    if (!result.ok) throw new Error(result.error.message)
    expect(result.value.type).toBe(m.name)
    const decoded = result.value as unknown as Record<string, unknown>
    for (const [name, expected] of Object.entries(values)) {
      if (name === 'encoded_short_ids') {
        const ids = decoded['shortChannelIds'] as bigint[]
        expect(toHex(concat(uintBE(0, 1), ...ids.map((id) => uintBE(id, 8))))).toBe(toHex(expected))
      } else {
        expect(same(decoded[camel(name)], expected), `${m.name}.${name}`).toBe(true)
      }
    }
    expect(toHex(encodeMessage(result.value))).toBe(toHex(wire))
  })

  it.each(known)('$name: $min_message_bytes bytes are enough, one less is not', (m) => {
    const wire = concat(uintBE(m.type, 2), build(m.fields, 0).bytes)
    expect(wire.length).toBe(m.min_message_bytes)
    expect(decodeMessage(wire).ok).toBe(true)
    expect(decodeMessage(wire.subarray(0, -1))).toMatchObject({
      ok: false,
      error: { code: 'truncated', messageType: m.type },
    })
  })

  it.each(known.filter((m) => m.tlvs))('$name: the published TLVs', (m) => {
    // Splices are never negotiated: their TLVs are odd and ignored.
    const ignored = ['funding_txid', 'next_funding', 'my_current_funding_locked']
    // Lists with one entry a short channel id, after their encoding type.
    const lists: Record<string, Uint8Array> = {
      query_flags: fromHex('00010204'),
      timestamps_tlv: concat(uintBE(0, 1), filler()(24)),
      checksums_tlv: filler()(24),
      attribution_data: filler()(920),
    }
    const { bytes } = build(m.fields, 3)
    for (const row of file.tlv_streams[m.tlvs ?? ''] ?? []) {
      const one = lists[row.name] ?? build(row.fields, 1).bytes
      const tlv = encodeTlvRecords([{ type: BigInt(row.type), value: one }])
      const wire = concat(uintBE(m.type, 2), bytes, tlv)
      const result = decodeMessage(wire)
      if (!result.ok) throw new Error(`${row.name}: ${result.error.message}`)
      const expected = ignored.includes(row.name) ? wire.subarray(0, -tlv.length) : wire
      expect(toHex(encodeMessage(result.value)), row.name).toBe(toHex(expected))
      if (ignored.includes(row.name)) continue
      // Cut short by a byte, whatever has a fixed size is refused.
      if (row.fields.some((f) => f.count === 'rest' && f.type === 'byte') && !(row.name in lists)) continue
      const cut = encodeTlvRecords([{ type: BigInt(row.type), value: one.subarray(0, -1) }])
      expect(decodeMessage(concat(uintBE(m.type, 2), bytes, cut)).ok, `${row.name} cut`).toBe(false)
    }
  })

  it.each(others)('$name is left to others: no error, no reading', (m) => {
    const { bytes } = build(
      m.fields.filter((f) => f.type !== 'witness'),
      0,
    )
    expect(decodeMessage(concat(uintBE(m.type, 2), bytes))).toEqual({
      ok: true,
      value: { type: 'unknown', number: m.type, payload: bytes },
    })
    if (m.type % 2 === 0) expect(UNUSED_EVEN.has(m.type)).toBe(true)
  })
})

interface ExtensionFile {
  cases: { message: string; valid: boolean; explanation: string }[]
}

describe.skipIf(!vectorsPresent)('BOLT 1 appendix C: message extension', () => {
  it.each(loadVectors<ExtensionFile>('bolt01-message-extension.json').cases ?? [])(
    '$explanation',
    ({ message, valid }) => {
      expect(decodeMessage(fromHex(message)).ok).toBe(valid)
    },
  )
})

interface QueryMessage {
  chainHash: string
  type: string
  firstBlockNum?: number
  numberOfBlocks?: number
  complete?: number
  shortChannelIds?: { array: string[] }
  timestamps?: { timestamps: { timestamp1: number; timestamp2: number }[] }
  checksums?: { checksums: { checksum1: number; checksum2: number }[] }
}

describe.skipIf(!vectorsPresent)('BOLT 7 extended queries', () => {
  const cases =
    loadVectors<{ cases: { hex: string; uses_zlib: boolean; msg: QueryMessage }[] }>(
      'bolt07-extended-queries.json',
    ).cases ?? []

  it.each(cases.filter((c) => !c.uses_zlib))('$msg.type $hex', ({ hex, msg }) => {
    const result = decodeMessage(fromHex(hex))
    if (!result.ok) throw new Error(result.error.message)
    const m = result.value
    expect(toHex(encodeMessage(m))).toBe(hex)
    if (!('chainHash' in m)) throw new Error(m.type)
    expect(toHex(m.chainHash)).toBe(msg.chainHash)
    if ('shortChannelIds' in m)
      expect(m.shortChannelIds).toEqual(msg.shortChannelIds?.array.map((id) => parseShortChannelId(id)))
    if (m.type === 'query_channel_range' || m.type === 'reply_channel_range')
      expect([m.firstBlocknum, m.numberOfBlocks]).toEqual([msg.firstBlockNum, msg.numberOfBlocks])
    if (m.type === 'query_channel_range') expect(m.queryOption).toBe(hex.endsWith('010103') ? 3n : undefined)
    if (m.type === 'reply_channel_range') {
      expect(m.syncComplete).toBe(msg.complete)
      expect(m.timestamps?.map((t) => [t.timestampNodeId1, t.timestampNodeId2])).toEqual(
        msg.timestamps?.timestamps.map((t) => [t.timestamp1, t.timestamp2]),
      )
      expect(m.checksums?.map((c) => [c.checksumNodeId1, c.checksumNodeId2])).toEqual(
        msg.checksums?.checksums.map((c) => [c.checksum1, c.checksum2]),
      )
    }
  })

  it.each(cases.filter((c) => c.uses_zlib))('refuses zlib, which MUST NOT be used: $hex', ({ hex }) => {
    expect(decodeMessage(fromHex(hex))).toMatchObject({ ok: false, error: { code: 'bad_value' } })
  })
})

describe.skipIf(!vectorsPresent)('BOLT 7 short channel id', () => {
  const { short_channel_id: vector } = loadVectors<{
    short_channel_id?: {
      human_example: { string: string; block_height: number; tx_index: number; output_index: number }
    }
  }>('bolt07-misc.json')
  it('has the example of the BOLT', () => {
    const example = vector?.human_example
    if (example === undefined) throw new Error('no example')
    expect(parseShortChannelId(example.string)).toBe(
      packShortChannelId({
        blockHeight: example.block_height,
        txIndex: example.tx_index,
        outputIndex: example.output_index,
      }),
    )
  })
})
