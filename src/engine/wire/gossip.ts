import {
  bytes32,
  blob,
  checked,
  extended,
  field,
  fixed,
  msatLimit,
  plain,
  point,
  readItems,
} from './fields.ts'
import { signature, signed, u8, u16, u32, u64, written } from './fields.ts'
import type { Reader, Writer } from './codec.ts'
import { refuse } from './errors.ts'
import type { ChannelUpdateChecksums, ChannelUpdateTimestamps } from './messages.ts'
import type { TlvField } from './tlv.ts'
import { tlv } from './tlv.ts'

/** No list in one message can be longer: 65,535 bytes at one byte an item. */
const MAX_ITEMS = 65_535

/** Encoding type 0 is the only one left: zlib (1) MUST NOT be used (BOLT 7 §Query Messages). */
function uncompressed(reader: Reader): void {
  const encoding = reader.u8()
  if (encoding !== 0) refuse('bad_value', `encoding type ${encoding}`)
}

/** A list after its encoding type. An empty value, without even the type, is taken for an empty list. */
function readEncoded<T>(reader: Reader, item: (r: Reader) => T): T[] {
  if (reader.left === 0) return []
  uncompressed(reader)
  return readItems(reader, MAX_ITEMS, item)
}

function writeEncoded<T>(writer: Writer, items: readonly T[], item: (w: Writer, value: T) => void): void {
  writer.u8(0)
  for (const value of items) item(writer, value)
}

const encodedShortIds = field<readonly bigint[]>(
  (r) => readEncoded(r.sub(r.u16(), 'encoded_short_ids'), (item) => item.u64()),
  (w, ids) => w.blob(written((list) => writeEncoded(list, ids, (l, id) => l.u64(id)))),
)

const encodedTlv = <T>(
  type: number,
  read: (r: Reader) => T,
  write: (w: Writer, value: T) => void,
): TlvField<readonly T[]> =>
  tlv<readonly T[]>(
    type,
    (r) => readEncoded(r, read),
    (w, items) => writeEncoded(w, items, write),
  )

/** BOLT 7 §Query Messages: flags, timestamps and checksums come one a short channel id. */
function onePerId(ids: readonly bigint[], list: readonly unknown[] | undefined, what: string): void {
  if (list !== undefined && list.length !== ids.length)
    refuse('bad_length', `${list.length} ${what} for ${ids.length} short channel ids`)
}

/** BOLT 7. */
export const GOSSIP = {
  channel_announcement: signed(256, 'channel_announcement', {
    nodeSignature1: signature,
    nodeSignature2: signature,
    bitcoinSignature1: signature,
    bitcoinSignature2: signature,
    features: blob,
    chainHash: bytes32,
    shortChannelId: u64,
    nodeId1: point,
    nodeId2: point,
    bitcoinKey1: point,
    bitcoinKey2: point,
  }),
  node_announcement: signed(257, 'node_announcement', {
    signature,
    features: blob,
    timestamp: u32,
    nodeId: point,
    rgbColor: fixed(3),
    alias: bytes32,
    addresses: blob,
  }),
  channel_update: signed(258, 'channel_update', {
    signature,
    chainHash: bytes32,
    shortChannelId: u64,
    timestamp: u32,
    messageFlags: u8,
    channelFlags: u8,
    cltvExpiryDelta: u16,
    htlcMinimumMsat: msatLimit,
    feeBaseMsat: u32,
    feeProportionalMillionths: u32,
    htlcMaximumMsat: msatLimit,
  }),
  query_short_channel_ids: checked(
    extended(
      261,
      'query_short_channel_ids',
      { chainHash: bytes32, shortChannelIds: encodedShortIds },
      {
        queryFlags: encodedTlv<bigint>(
          1,
          (r) => r.bigsize(),
          (w, flags) => w.bigsize(flags),
        ),
      },
    ),
    (m) => onePerId(m.shortChannelIds, m.queryFlags, 'query flags'),
  ),
  reply_short_channel_ids_end: plain(262, 'reply_short_channel_ids_end', {
    chainHash: bytes32,
    fullInformation: u8,
  }),
  query_channel_range: extended(
    263,
    'query_channel_range',
    { chainHash: bytes32, firstBlocknum: u32, numberOfBlocks: u32 },
    {
      queryOption: tlv(
        1,
        (r) => r.bigsize(),
        (w, flags) => w.bigsize(flags),
      ),
    },
  ),
  reply_channel_range: checked(
    extended(
      264,
      'reply_channel_range',
      {
        chainHash: bytes32,
        firstBlocknum: u32,
        numberOfBlocks: u32,
        syncComplete: u8,
        shortChannelIds: encodedShortIds,
      },
      {
        timestamps: encodedTlv<ChannelUpdateTimestamps>(
          1,
          (r) => ({ timestampNodeId1: r.u32(), timestampNodeId2: r.u32() }),
          (w, v) => w.u32(v.timestampNodeId1).u32(v.timestampNodeId2),
        ),
        checksums: tlv<readonly ChannelUpdateChecksums[]>(
          3,
          (r) =>
            readItems(r, MAX_ITEMS, (item) => ({
              checksumNodeId1: item.u32(),
              checksumNodeId2: item.u32(),
            })),
          (w, items) => items.forEach((v) => w.u32(v.checksumNodeId1).u32(v.checksumNodeId2)),
        ),
      },
    ),
    (m) => {
      onePerId(m.shortChannelIds, m.timestamps, 'timestamps')
      onePerId(m.shortChannelIds, m.checksums, 'checksums')
    },
  ),
  gossip_timestamp_filter: plain(265, 'gossip_timestamp_filter', {
    chainHash: bytes32,
    firstTimestamp: u32,
    timestampRange: u32,
  }),
} as const
