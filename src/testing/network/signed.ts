import { compareBytes, toHex } from '../../engine/base/bytes.ts'
import { msat } from '../../engine/base/units.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { publicKey, signEcdsa } from '../../engine/crypto/curve.ts'
import {
  aggregateNonces,
  combinePartials,
  makeNonce,
  signingSession,
  signPartially,
} from '../../engine/crypto/musig2.ts'
import { announcementDigest, signedDigest } from '../../engine/router/announcement.ts'
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../../engine/wire/messages.ts'
import { keysOfWords, provenDigest, type ProvenWords } from '../../engine/wire/proven.ts'
import { seeded } from '../random.ts'

/** Gossip with real signatures, from a seed. */
export interface Keys {
  readonly secret: Uint8Array
  readonly id: Uint8Array
}

export function keysOf(seed: number): Keys {
  const secret = seeded(seed ^ 0x51ed).bytes(32)
  secret[0] = 1
  return { secret, id: publicKey(secret) }
}

const CHAIN = NETWORKS.regtest.chainHash
const EMPTY = new Uint8Array(64)

/** A channel of two nodes; funding keys follow from the id. */
export function announcementOf(
  a: Keys,
  b: Keys,
  scid: bigint,
  change: Partial<ChannelAnnouncement> = {},
): ChannelAnnouncement {
  const [one, two] = compareBytes(a.id, b.id) < 0 ? [a, b] : [b, a]
  const bitcoin = [keysOf(Number(scid & 0xffffn) + 7001), keysOf(Number(scid & 0xffffn) + 9001)] as const
  const unsigned: ChannelAnnouncement = {
    type: 'channel_announcement',
    nodeSignature1: EMPTY,
    nodeSignature2: EMPTY,
    bitcoinSignature1: EMPTY,
    bitcoinSignature2: EMPTY,
    features: new Uint8Array(0),
    chainHash: CHAIN,
    shortChannelId: scid,
    nodeId1: one.id,
    nodeId2: two.id,
    bitcoinKey1: bitcoin[0].id,
    bitcoinKey2: bitcoin[1].id,
    ...change,
  }
  const digest = announcementDigest(unsigned)
  return {
    ...unsigned,
    nodeSignature1: signEcdsa(digest, one.secret),
    nodeSignature2: signEcdsa(digest, two.secret),
    bitcoinSignature1: signEcdsa(digest, bitcoin[0].secret),
    bitcoinSignature2: signEcdsa(digest, bitcoin[1].secret),
  }
}

/** `from`'s terms for its channel with `to`. */
export function updateOf(
  from: Keys,
  to: Keys,
  scid: bigint,
  timestamp: number,
  change: Partial<ChannelUpdate> = {},
): ChannelUpdate {
  const direction = compareBytes(from.id, to.id) < 0 ? 0 : 1
  const unsigned: ChannelUpdate = {
    type: 'channel_update',
    signature: EMPTY,
    chainHash: CHAIN,
    shortChannelId: scid,
    timestamp,
    messageFlags: 1,
    channelFlags: direction,
    cltvExpiryDelta: 40,
    htlcMinimumMsat: msat(1),
    feeBaseMsat: 1000,
    feeProportionalMillionths: 100,
    htlcMaximumMsat: msat(1_000_000_000),
    ...change,
  }
  return { ...unsigned, signature: signEcdsa(signedDigest(unsigned), from.secret) }
}

export function nodeAnnouncementOf(
  keys: Keys,
  timestamp: number,
  change: Partial<NodeAnnouncement> = {},
): NodeAnnouncement {
  const unsigned: NodeAnnouncement = {
    type: 'node_announcement',
    signature: EMPTY,
    features: new Uint8Array(0),
    timestamp,
    nodeId: keys.id,
    rgbColor: new Uint8Array(3),
    alias: new Uint8Array(32).fill(97, 0, 5),
    addresses: new Uint8Array(0),
    ...change,
  }
  return { ...unsigned, signature: signEcdsa(signedDigest(unsigned), keys.secret) }
}

/** Id of a node as the API has it. */
export const idOf = (keys: Keys): string => toHex(keys.id)

/** One signature under the four keys (in their order), as two nodes with two keys each make it. */
export function signTogether(words: ProvenWords, signers: readonly Keys[]): Uint8Array {
  const message = provenDigest(words)
  const random = seeded(7)
  const nonces = signers.map(({ secret, id }) =>
    makeNonce(random.bytes(32), id, { secretKey: secret, message }),
  )
  const sum = aggregateNonces(nonces.map((nonce) => nonce.public))
  const session = sum === undefined ? undefined : signingSession(keysOfWords(words), sum, message)
  if (session === undefined) throw new Error('keys that are none')
  const partials = signers.map(({ secret }, i) => {
    const nonce = nonces[i]
    const partial = nonce === undefined ? undefined : signPartially(session, nonce, secret)
    if (partial === undefined) throw new Error('a key that is not among the four')
    return partial
  })
  const signature = combinePartials(session, partials, message)
  if (signature === undefined) throw new Error('parts that make no signature')
  return signature
}
