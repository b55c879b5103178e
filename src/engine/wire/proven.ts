import { uintBE } from '../base/bytes.ts'
import { MAX_BRANCH } from '../bitcoin/merkle.ts'
import { PARTIAL_SIGNATURE_BYTES, PUBLIC_NONCE_BYTES } from '../crypto/musig2.ts'
import { taggedHash } from '../crypto/hash.ts'
import { refuse } from './errors.ts'
import { blob, bytes32, extended, field, fixed, plain, point, signature, u64 } from './fields.ts'
import type { ProvenChannelAnnouncement } from './messages.ts'

/**
 * Messages of our own between nodes of this project (feature `lcp`): announcements that prove themselves. Their numbers are odd and in
 * the range that BOLT 1 leaves to experiments; they are the low 16 bits of what follows lcp's TLVs (780311 is 59415 + 11 · 65536).
 */
const nonce = fixed(PUBLIC_NONCE_BYTES)
const partial = fixed(PARTIAL_SIGNATURE_BYTES)

/** A u8 count, then so many hashes: no tree of a block is higher. */
const branch = field<readonly Uint8Array[]>(
  (r) => {
    const count = r.u8()
    if (count > MAX_BRANCH) refuse('bad_value', `a branch of ${count} hashes`)
    return Array.from({ length: count }, () => r.bytes(32, 'branch'))
  },
  (w, hashes) => {
    w.u8(hashes.length)
    for (const hash of hashes) w.bytes(hash, 32)
  },
)

export const PROVEN = {
  announcement_nonces: plain(59415, 'announcement_nonces', {
    channelId: bytes32,
    shortChannelId: u64,
    nodeNonce: nonce,
    bitcoinNonce: nonce,
  }),
  announcement_partial_signatures: plain(59417, 'announcement_partial_signatures', {
    channelId: bytes32,
    shortChannelId: u64,
    nodePartial: partial,
    bitcoinPartial: partial,
  }),
  proven_channel_announcement: extended(
    59419,
    'proven_channel_announcement',
    {
      signature,
      features: blob,
      chainHash: bytes32,
      shortChannelId: u64,
      nodeId1: point,
      nodeId2: point,
      bitcoinKey1: point,
      bitcoinKey2: point,
      branch,
      fundingTx: blob,
    },
    // Whatever follows is not signed, and is not passed on.
    {},
  ),
} as const

/** What the four keys sign together, and nothing of the proof: that speaks for itself. */
export type ProvenWords = Pick<
  ProvenChannelAnnouncement,
  'features' | 'chainHash' | 'shortChannelId' | 'nodeId1' | 'nodeId2' | 'bitcoinKey1' | 'bitcoinKey2'
>

/** The four keys in the order in which they are aggregated. It is part of what is signed. */
export const keysOfWords = (words: ProvenWords): readonly Uint8Array[] => [
  words.nodeId1,
  words.nodeId2,
  words.bitcoinKey1,
  words.bitcoinKey2,
]

/** What all four keys sign (32 bytes). The tag keeps it apart from everything else that they sign. */
export const provenDigest = (words: ProvenWords): Uint8Array =>
  taggedHash(
    'switchback/proven_channel_announcement',
    words.chainHash,
    uintBE(words.shortChannelId, 8),
    uintBE(words.features.length, 2),
    words.features,
    ...keysOfWords(words),
  )
