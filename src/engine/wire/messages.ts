import type { Msat, Sat } from '../base/units.ts'

/**
 * The messages of BOLT 1, 2 and 7 (and BOLT 4's onion_message) as data. `type` is the BOLT's name, fields are the BOLT's
 * fields in camel case and in the order of the wire; known TLVs are the optional fields. Byte lengths stand beside the
 * fields. Hashes and txids are in the order of the wire (internal order, the reverse of how they are displayed).
 *
 * Points are only checked for their prefix when decoded; see `points.ts` for the check that they are on the curve.
 * Amounts are at most 21 million bitcoin (BOLT 1 §Fundamental Types), except the limits that peers set to 2^64 − 1 to say
 * "none": `maxHtlcValueInFlightMsat`, `htlcMinimumMsat`, `htlcMaximumMsat`, `maxDustInFlightMsat`.
 */
export type Message = KnownMessage | UnknownMessage

export type KnownMessage = SetupMessage | OpeningMessage | ClosingMessage | CommitmentMessage | GossipMessage

/** A message by its name: `MessageOf<'open_channel'>`. */
export type MessageOf<T extends Message['type']> = Extract<Message, { readonly type: T }>

export type MessageType = KnownMessage['type']

/**
 * A message of a type that this program does not use: any odd one, and those even ones that a BOLT defines but that need a
 * negotiation which we never make (dual funding, splicing, interactive transactions).
 */
export interface UnknownMessage {
  readonly type: 'unknown'
  readonly number: number
  /** All that follows the 2-byte type. */
  readonly payload: Uint8Array
}

// ---- BOLT 1 ----

export type SetupMessage =
  | Init
  | WireErrorMessage
  | Warning
  | Ping
  | Pong
  | PeerStorage
  | PeerStorageRetrieval
  | OnionMessage

export interface Init {
  readonly type: 'init'
  /** Feature bits below 14; combine with `features` on reading (`combinedFeatures`). */
  readonly globalfeatures: Uint8Array
  readonly features: Uint8Array
  /** Chain hashes, 32 bytes each. */
  readonly networks?: readonly Uint8Array[]
  /** An address descriptor of BOLT 7: how the peer sees us. */
  readonly remoteAddr?: Uint8Array
}

export interface WireErrorMessage {
  readonly type: 'error'
  /** 32 bytes; all zero means all channels with the sender. */
  readonly channelId: Uint8Array
  /** Text for humans, unless it is not printable ASCII. */
  readonly data: Uint8Array
}

export interface Warning {
  readonly type: 'warning'
  /** 32 bytes; all zero means all channels with the sender. */
  readonly channelId: Uint8Array
  readonly data: Uint8Array
}

export interface Ping {
  readonly type: 'ping'
  /** A pong of this many bytes is due if it is below 65,532. */
  readonly numPongBytes: number
  readonly ignored: Uint8Array
}

export interface Pong {
  readonly type: 'pong'
  readonly ignored: Uint8Array
}

export interface PeerStorage {
  readonly type: 'peer_storage'
  readonly blob: Uint8Array
}

export interface PeerStorageRetrieval {
  readonly type: 'peer_storage_retrieval'
  readonly blob: Uint8Array
}

/** BOLT 4 §Onion Messages. */
export interface OnionMessage {
  readonly type: 'onion_message'
  /** 33 bytes */
  readonly pathKey: Uint8Array
  readonly onionMessagePacket: Uint8Array
}

// ---- BOLT 2: opening ----

export type OpeningMessage =
  | OpenChannel
  | AcceptChannel
  | FundingCreated
  | FundingSigned
  | ChannelReady
  | AnnouncementSignatures
  | AnnouncementNonces
  | AnnouncementPartialSignatures

export interface OpenChannel {
  readonly type: 'open_channel'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  /** 32 bytes */
  readonly temporaryChannelId: Uint8Array
  readonly fundingSatoshis: Sat
  readonly pushMsat: Msat
  readonly dustLimitSatoshis: Sat
  readonly maxHtlcValueInFlightMsat: Msat
  readonly channelReserveSatoshis: Sat
  readonly htlcMinimumMsat: Msat
  readonly feeratePerKw: number
  readonly toSelfDelay: number
  readonly maxAcceptedHtlcs: number
  /** Points: 33 bytes each. */
  readonly fundingPubkey: Uint8Array
  readonly revocationBasepoint: Uint8Array
  readonly paymentBasepoint: Uint8Array
  readonly delayedPaymentBasepoint: Uint8Array
  readonly htlcBasepoint: Uint8Array
  readonly firstPerCommitmentPoint: Uint8Array
  /** Bit 0: announce_channel. */
  readonly channelFlags: number
  /** A scriptPubKey; empty says that none is committed to. */
  readonly upfrontShutdownScript?: Uint8Array
  /** A feature vector (features.ts). */
  readonly channelType?: Uint8Array
  readonly lcpParameters?: LcpParameters
}

export interface AcceptChannel {
  readonly type: 'accept_channel'
  /** 32 bytes */
  readonly temporaryChannelId: Uint8Array
  readonly dustLimitSatoshis: Sat
  readonly maxHtlcValueInFlightMsat: Msat
  readonly channelReserveSatoshis: Sat
  readonly htlcMinimumMsat: Msat
  readonly minimumDepth: number
  readonly toSelfDelay: number
  readonly maxAcceptedHtlcs: number
  /** Points: 33 bytes each. */
  readonly fundingPubkey: Uint8Array
  readonly revocationBasepoint: Uint8Array
  readonly paymentBasepoint: Uint8Array
  readonly delayedPaymentBasepoint: Uint8Array
  readonly htlcBasepoint: Uint8Array
  readonly firstPerCommitmentPoint: Uint8Array
  /** A scriptPubKey; empty says that none is committed to. */
  readonly upfrontShutdownScript?: Uint8Array
  /** A feature vector (features.ts). */
  readonly channelType?: Uint8Array
  readonly lcpParameters?: LcpParameters
}

export interface FundingCreated {
  readonly type: 'funding_created'
  /** 32 bytes */
  readonly temporaryChannelId: Uint8Array
  /** 32 bytes, internal order. */
  readonly fundingTxid: Uint8Array
  readonly fundingOutputIndex: number
  /** 64 bytes */
  readonly signature: Uint8Array
}

export interface FundingSigned {
  readonly type: 'funding_signed'
  /** 32 bytes */
  readonly channelId: Uint8Array
  /** 64 bytes */
  readonly signature: Uint8Array
}

export interface ChannelReady {
  readonly type: 'channel_ready'
  /** 32 bytes */
  readonly channelId: Uint8Array
  /** 33 bytes */
  readonly secondPerCommitmentPoint: Uint8Array
  /** The alias by which the sender will know the channel in HTLCs forwarded through it. */
  readonly shortChannelId?: bigint
  /** The points 1..W that open the sender's window: 1 to 64 of them. */
  readonly lcpPoints?: LcpPoints
}

/** BOLT 7 §The announcement_signatures Message. */
export interface AnnouncementSignatures {
  readonly type: 'announcement_signatures'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly shortChannelId: bigint
  /** 64 bytes */
  readonly nodeSignature: Uint8Array
  /** 64 bytes */
  readonly bitcoinSignature: Uint8Array
}

/** Our own, 59415: public nonces for one signature under the four keys of an announcement (BIP 327). */
export interface AnnouncementNonces {
  readonly type: 'announcement_nonces'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly shortChannelId: bigint
  /** 66 bytes: of the sender's node key. */
  readonly nodeNonce: Uint8Array
  /** 66 bytes: of its funding key. */
  readonly bitcoinNonce: Uint8Array
}

/** Our own, 59417: the sender's two parts of that signature, for the nonces that crossed on this connection. */
export interface AnnouncementPartialSignatures {
  readonly type: 'announcement_partial_signatures'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly shortChannelId: bigint
  /** 32 bytes each */
  readonly nodePartial: Uint8Array
  readonly bitcoinPartial: Uint8Array
}

// ---- BOLT 2: closing ----

export type ClosingMessage = Shutdown | ClosingSigned | ClosingComplete | ClosingSig

export interface Shutdown {
  readonly type: 'shutdown'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly scriptpubkey: Uint8Array
}

export interface ClosingSigned {
  readonly type: 'closing_signed'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly feeSatoshis: Sat
  /** 64 bytes */
  readonly signature: Uint8Array
  readonly feeRange?: FeeRange
}

export interface FeeRange {
  readonly minFeeSatoshis: Sat
  readonly maxFeeSatoshis: Sat
}

export interface ClosingComplete {
  readonly type: 'closing_complete'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly closerScriptpubkey: Uint8Array
  readonly closeeScriptpubkey: Uint8Array
  readonly feeSatoshis: Sat
  readonly locktime: number
  /** Signatures: 64 bytes each. */
  readonly closerOutputOnly?: Uint8Array
  readonly closeeOutputOnly?: Uint8Array
  readonly closerAndCloseeOutputs?: Uint8Array
}

export interface ClosingSig {
  readonly type: 'closing_sig'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly closerScriptpubkey: Uint8Array
  readonly closeeScriptpubkey: Uint8Array
  readonly feeSatoshis: Sat
  readonly locktime: number
  /** Signatures: 64 bytes each. */
  readonly closerOutputOnly?: Uint8Array
  readonly closeeOutputOnly?: Uint8Array
  readonly closerAndCloseeOutputs?: Uint8Array
}

// ---- BOLT 2: normal operation ----

export type CommitmentMessage = UpdateMessage | CommitmentSigned | RevokeAndAck | ChannelReestablish | Stfu

/** The messages that propose an entry of a log. */
export type UpdateMessage =
  | UpdateAddHtlc
  | UpdateFulfillHtlc
  | UpdateFailHtlc
  | UpdateFailMalformedHtlc
  | UpdateFee

export interface UpdateAddHtlc {
  readonly type: 'update_add_htlc'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly id: bigint
  readonly amountMsat: Msat
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** 1366 bytes */
  readonly onionRoutingPacket: Uint8Array
  /** TLV `blinded_path`: the path key of the sender's blinded route, 33 bytes. */
  readonly pathKey?: Uint8Array
}

export interface UpdateFulfillHtlc {
  readonly type: 'update_fulfill_htlc'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly id: bigint
  /** 32 bytes */
  readonly paymentPreimage: Uint8Array
  /** 20 × u32 hold times, then 210 × 4 bytes of HMAC: 920 bytes. */
  readonly attributionData?: Uint8Array
}

export interface UpdateFailHtlc {
  readonly type: 'update_fail_htlc'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly id: bigint
  readonly reason: Uint8Array
  /** 20 × u32 hold times, then 210 × 4 bytes of HMAC: 920 bytes. */
  readonly attributionData?: Uint8Array
}

export interface UpdateFailMalformedHtlc {
  readonly type: 'update_fail_malformed_htlc'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly id: bigint
  /** 32 bytes */
  readonly sha256OfOnion: Uint8Array
  readonly failureCode: number
}

export interface UpdateFee {
  readonly type: 'update_fee'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly feeratePerKw: number
}

export interface CommitmentSigned {
  readonly type: 'commitment_signed'
  /** 32 bytes */
  readonly channelId: Uint8Array
  /** 64 bytes */
  readonly signature: Uint8Array
  /** 64 bytes each, at most 966 (483 in each direction), in the order of the commitment's HTLC outputs. */
  readonly htlcSignatures: readonly Uint8Array[]
  readonly lcpIndexes?: LcpIndexes
}

export interface RevokeAndAck {
  readonly type: 'revoke_and_ack'
  /** 32 bytes */
  readonly channelId: Uint8Array
  /** 32 bytes */
  readonly perCommitmentSecret: Uint8Array
  /** 33 bytes */
  readonly nextPerCommitmentPoint: Uint8Array
  /** The grants this revocation carries: 0, 1 or 2 points. */
  readonly lcpPoints?: LcpPoints
}

/** TLVs about splices (`next_funding`, `my_current_funding_locked`) are ignored: we negotiate none. */
export interface ChannelReestablish {
  readonly type: 'channel_reestablish'
  /** 32 bytes */
  readonly channelId: Uint8Array
  readonly nextCommitmentNumber: bigint
  readonly nextRevocationNumber: bigint
  /** 32 bytes */
  readonly yourLastPerCommitmentSecret: Uint8Array
  /** 33 bytes */
  readonly myCurrentPerCommitmentPoint: Uint8Array
  readonly lcpState?: LcpState
}

export interface Stfu {
  readonly type: 'stfu'
  /** 32 bytes */
  readonly channelId: Uint8Array
  /** 1 when the sender starts the quiescence, 0 when it answers. */
  readonly initiator: number
}

// ---- LCP TLVs (our own format, feature bits 266/267) ----

export interface LcpParameters {
  readonly revocationWindow: number
  readonly maxTrimmedHtlcs: number
  readonly maxDustInFlightMsat: Msat
  /** BIP 340 proof of possession of the revocation basepoint, 64 bytes. */
  readonly basepointProof: Uint8Array
  /** BIP 340 proof of possession of the first per-commitment point, 64 bytes. */
  readonly firstPointProof: Uint8Array
}

/** Points `firstNumber`, `firstNumber` + 1, … */
export interface LcpPoints {
  readonly firstNumber: bigint
  readonly points: readonly LcpPoint[]
}

export interface LcpPoint {
  /** 33 bytes */
  readonly point: Uint8Array
  /** BIP 340 proof of possession, 64 bytes. */
  readonly proof: Uint8Array
}

/** The commitment that is signed: its number and how many entries of each log it includes. */
export interface LcpIndexes {
  readonly commitmentNumber: bigint
  readonly openerIndex: bigint
  readonly accepterIndex: bigint
}

/** The indexes of the sender's local tip. */
export interface LcpState {
  readonly openerIndex: bigint
  readonly accepterIndex: bigint
}

// ---- BOLT 7 ----

export type GossipMessage =
  | ChannelAnnouncement
  | NodeAnnouncement
  | ChannelUpdate
  | GossipTimestampFilter
  | QueryShortChannelIds
  | ReplyShortChannelIdsEnd
  | QueryChannelRange
  | ReplyChannelRange
  | ProvenChannelAnnouncement

/**
 * Our own, 59419: a channel_announcement with one signature under its four keys, and the proof that its funding output exists. Block
 * height, place in the block and output are those of the short_channel_id.
 */
export interface ProvenChannelAnnouncement {
  readonly type: 'proven_channel_announcement'
  /** 64 bytes, BIP 340, under the aggregate of the four keys (BIP 327). */
  readonly signature: Uint8Array
  readonly features: Uint8Array
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly shortChannelId: bigint
  /** Points: 33 bytes each, node ids ascending. */
  readonly nodeId1: Uint8Array
  readonly nodeId2: Uint8Array
  readonly bitcoinKey1: Uint8Array
  readonly bitcoinKey2: Uint8Array
  /** Hashes from the transaction's sibling up to below the root: 32 bytes each, in the order in which they are hashed. */
  readonly branch: readonly Uint8Array[]
  /** The funding transaction without witnesses. */
  readonly fundingTx: Uint8Array
}

export interface ChannelAnnouncement {
  readonly type: 'channel_announcement'
  /** Signatures: 64 bytes each. */
  readonly nodeSignature1: Uint8Array
  readonly nodeSignature2: Uint8Array
  readonly bitcoinSignature1: Uint8Array
  readonly bitcoinSignature2: Uint8Array
  readonly features: Uint8Array
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly shortChannelId: bigint
  /** Points: 33 bytes each. */
  readonly nodeId1: Uint8Array
  readonly nodeId2: Uint8Array
  readonly bitcoinKey1: Uint8Array
  readonly bitcoinKey2: Uint8Array
  /** Bytes after the known fields, kept because the signatures cover them. */
  readonly extra?: Uint8Array
}

export interface NodeAnnouncement {
  readonly type: 'node_announcement'
  /** 64 bytes */
  readonly signature: Uint8Array
  readonly features: Uint8Array
  readonly timestamp: number
  /** 33 bytes */
  readonly nodeId: Uint8Array
  /** 3 bytes */
  readonly rgbColor: Uint8Array
  /** 32 bytes, zero-padded UTF-8 of anybody's choice: for display see `safeAlias` of text.ts. */
  readonly alias: Uint8Array
  /** Address descriptors; `parseAddresses` reads them. */
  readonly addresses: Uint8Array
  /** Bytes after the known fields, kept because the signature covers them. */
  readonly extra?: Uint8Array
}

export interface ChannelUpdate {
  readonly type: 'channel_update'
  /** 64 bytes */
  readonly signature: Uint8Array
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly shortChannelId: bigint
  readonly timestamp: number
  /** Bit 0 must be 1; bit 1: dont_forward. */
  readonly messageFlags: number
  /** Bit 0: direction (0 when the sender is node 1); bit 1: disabled. */
  readonly channelFlags: number
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: Msat
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly htlcMaximumMsat: Msat
  /** Bytes after the known fields, kept because the signature covers them. */
  readonly extra?: Uint8Array
}

export interface GossipTimestampFilter {
  readonly type: 'gossip_timestamp_filter'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly firstTimestamp: number
  readonly timestampRange: number
}

export interface QueryShortChannelIds {
  readonly type: 'query_short_channel_ids'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly shortChannelIds: readonly bigint[]
  /** One bit field a short channel id. */
  readonly queryFlags?: readonly bigint[]
}

export interface ReplyShortChannelIdsEnd {
  readonly type: 'reply_short_channel_ids_end'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  /** 1 when the sender maintains up-to-date information for the chain. */
  readonly fullInformation: number
}

export interface QueryChannelRange {
  readonly type: 'query_channel_range'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly firstBlocknum: number
  readonly numberOfBlocks: number
  /** Bit 0: timestamps wanted; bit 1: checksums wanted. */
  readonly queryOption?: bigint
}

export interface ReplyChannelRange {
  readonly type: 'reply_channel_range'
  /** 32 bytes */
  readonly chainHash: Uint8Array
  readonly firstBlocknum: number
  readonly numberOfBlocks: number
  /** 1 on the last reply. */
  readonly syncComplete: number
  readonly shortChannelIds: readonly bigint[]
  /** One pair a short channel id. */
  readonly timestamps?: readonly ChannelUpdateTimestamps[]
  /** One pair a short channel id. */
  readonly checksums?: readonly ChannelUpdateChecksums[]
}

export interface ChannelUpdateTimestamps {
  readonly timestampNodeId1: number
  readonly timestampNodeId2: number
}

export interface ChannelUpdateChecksums {
  readonly checksumNodeId1: number
  readonly checksumNodeId2: number
}
