import { compareBytes, concat, equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { isPublicKey, verifyEcdsa } from '../crypto/curve.ts'
import { hash256, sha256 } from '../crypto/hash.ts'
import { encodeMessage } from '../wire/encode.ts'
import { parseAddresses } from '../wire/addresses.ts'
import { supports, unknownRequiredBits } from '../wire/features.ts'
import type { ChannelAnnouncement, ChannelUpdate, NodeAnnouncement } from '../wire/messages.ts'
import { CHANNEL, msatNumber, type NewChannel, NODE, type Policy } from './graph-terms.ts'

/** The three signed messages of BOLT 7: what their signatures cover, who must have made them, and what they say to the graph. */

const TYPE = 2
const SIGNATURE = 64

/** What the four signatures cover: from offset 256 to the end, fields unknown to us included (BOLT 7 §channel_announcement). */
export const announcementDigest = (message: ChannelAnnouncement): Uint8Array =>
  hash256(encodeMessage(message).subarray(TYPE + 4 * SIGNATURE))

/** What the signature of a channel_update or node_announcement covers: all that follows it. */
export const signedDigest = (message: ChannelUpdate | NodeAnnouncement): Uint8Array =>
  hash256(encodeMessage(message).subarray(TYPE + SIGNATURE))

/** SHA256 of the 2-of-2 script over two funding keys (BOLT 3 §Funding Transaction Output), in either order: 32 bytes. */
export function fundingProgram(key1: Uint8Array, key2: Uint8Array): Uint8Array {
  const [a, b] = compareBytes(key1, key2) < 0 ? [key1, key2] : [key2, key1]
  return sha256(concat(Uint8Array.of(0x52, 33), a, Uint8Array.of(33), b, Uint8Array.of(0x52, 0xae)))
}

export type GossipFault =
  /** Of another chain. */
  | 'chain'
  /** Node ids not in order, a key that is no point, the same node twice. */
  | 'keys'
  | 'signature'

/** Checks all that a channel_announcement can show by itself. Four signature checks. */
export function checkAnnouncement(
  message: ChannelAnnouncement,
  chainHash: Uint8Array,
): Result<NewChannel, GossipFault> {
  if (!equalBytes(message.chainHash, chainHash)) return err('chain')
  const { nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 } = message
  if (compareBytes(nodeId1, nodeId2) >= 0) return err('keys')
  for (const key of [nodeId1, nodeId2, bitcoinKey1, bitcoinKey2]) if (!isPublicKey(key)) return err('keys')
  const digest = announcementDigest(message)
  const signed =
    verifyEcdsa(message.nodeSignature1, digest, nodeId1) &&
    verifyEcdsa(message.nodeSignature2, digest, nodeId2) &&
    verifyEcdsa(message.bitcoinSignature1, digest, bitcoinKey1) &&
    verifyEcdsa(message.bitcoinSignature2, digest, bitcoinKey2)
  if (!signed) return err('signature')
  return ok({
    scid: message.shortChannelId,
    nodeId1,
    nodeId2,
    capacitySat: 0,
    witnessProgram: fundingProgram(bitcoinKey1, bitcoinKey2),
    flags: CHANNEL.signed | (unknownRequiredBits(message.features).length > 0 ? CHANNEL.unknownFeature : 0),
  })
}

/** Whether the update was signed by this node (33 bytes). */
export const updateSignedBy = (message: ChannelUpdate, nodeId: Uint8Array): boolean =>
  verifyEcdsa(message.signature, signedDigest(message), nodeId)

/** What a channel_update says to the graph. */
export const policyOf = (message: ChannelUpdate): Policy => ({
  timestamp: message.timestamp,
  disabled: (message.channelFlags & 2) !== 0,
  cltvExpiryDelta: message.cltvExpiryDelta,
  feeBaseMsat: message.feeBaseMsat,
  feeProportionalMillionths: message.feeProportionalMillionths,
  htlcMinimumMsat: msatNumber(message.htlcMinimumMsat),
  htlcMaximumMsat: msatNumber(message.htlcMaximumMsat),
})

/** Flags of the graph for a node_announcement's features. */
export const nodeFlagsOf = (message: NodeAnnouncement): number =>
  NODE.announced |
  (unknownRequiredBits(message.features).length > 0 ? NODE.unknownFeature : 0) |
  (supports(message.features, 'basic_mpp') ? NODE.basicMpp : 0) |
  (supports(message.features, 'keysend') ? NODE.keysend : 0) |
  (supports(message.features, 'option_onion_messages') ? NODE.onionMessages : 0)

/** Where a node says that it is reached, as `host:port`: what a gateway or a socket can dial. */
export function addressIn(message: NodeAnnouncement): string | undefined {
  const read = parseAddresses(message.addresses)
  const best =
    read.ok &&
    (['dns', 'ipv4', 'ipv6'] as const).map((t) => read.value.find((a) => a.type === t)).find((a) => a)
  if (!best) return undefined
  if (best.type === 'dns') return `${best.hostname}:${best.port}`
  if (best.type === 'ipv4') return `${best.address.join('.')}:${best.port}`
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((best.address[2 * i] ?? 0) << 8) | (best.address[2 * i + 1] ?? 0)).toString(16),
  )
  return `[${groups.join(':')}]:${best.port}`
}

/** Which side of a channel a node is: 0 for the lesser id of the two (BOLT 7 §channel_update). */
export const sideOf = (nodeId: Uint8Array, other: Uint8Array): 0 | 1 =>
  compareBytes(nodeId, other) < 0 ? 0 : 1
