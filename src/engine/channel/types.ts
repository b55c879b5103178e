import type { Msat, Sat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { OutPoint, Tx } from '../bitcoin/types.ts'
import type { ChannelSigner, SignerState } from '../commitment/signer.ts'
import type { ChannelPublicKeys, Role } from '../commitment/types.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { SecretStore } from '../revocation/secrets.ts'
import type { Message } from '../wire/messages.ts'

/** What one side announced when the channel was opened (BOLT 2 §open_channel, §accept_channel; lcp.md §wire). */
export interface Party {
  readonly keys: ChannelPublicKeys
  /** Dust limit of this side's own commitment. */
  readonly dustLimitSat: Sat
  /** The most this side lets the other have in flight towards it. */
  readonly maxHtlcValueInFlightMsat: Msat
  /** What the *other* side must keep. */
  readonly channelReserveSat: Sat
  readonly htlcMinimumMsat: Msat
  /** The delay the *other* side's to_local gets. */
  readonly toSelfDelay: number
  readonly maxAcceptedHtlcs: number
  readonly upfrontShutdownScript?: Uint8Array
  /** Points past its tail that this side keeps granted to the other: 1 in the `bolt` formats. */
  readonly window: number
  /** Trimmed HTLCs it accepts beyond `maxAcceptedHtlcs` (lcp); 0 where trimmed ones count like the others. */
  readonly maxTrimmedHtlcs: number
  readonly maxDustInFlightMsat: Msat
}

/** An entry of an update log (lcp.md §Rules). Who proposed it is told by the log it is in. */
export type Update = AddUpdate | RemoveUpdate | FeeUpdate

export interface AddUpdate {
  readonly type: 'add'
  readonly id: bigint
  readonly amountMsat: Msat
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** 1366 bytes */
  readonly onion: Uint8Array
  readonly pathKey?: Uint8Array
  /** Ours only: names the payment or circuit that asked for it. Never on the wire. */
  readonly token?: string
}

export type RemoveUpdate =
  | {
      readonly type: 'fulfill'
      readonly id: bigint
      readonly preimage: Uint8Array
      /** 920 bytes (BOLT 4 §attribution_data), also below. The peer's comes with `htlcFulfilled` alone. */
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'fail'
      readonly id: bigint
      readonly reason: Uint8Array
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'malformed'
      readonly id: bigint
      readonly sha256OfOnion: Uint8Array
      readonly failureCode: number
    }

export interface FeeUpdate {
  readonly type: 'fee'
  readonly feeratePerKw: number
}

/** An HTLC as the channel keeps it once the add has left the log. */
export interface Htlc {
  readonly offerer: Role
  readonly id: bigint
  readonly amountMsat: Msat
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** Where its add stood in its offerer's log: under that index the add's record stays until the HTLC is gone. */
  readonly index?: number
  readonly token?: string
}

/** The updates of one side from index `start`; what lies before is folded into the base. */
export interface Log {
  readonly start: number
  readonly entries: readonly Update[]
  /** The id that the side's next add will carry. */
  readonly nextHtlcId: bigint
}

/** The view at the start of both logs. */
export interface Base {
  readonly openerMsat: Msat
  readonly accepterMsat: Msat
  readonly feeratePerKw: number
  readonly htlcs: readonly Htlc[]
}

/** How many entries of each log a commitment includes. */
export interface Indexes {
  readonly opener: number
  readonly accepter: number
}

/** Our own newest commitment, signed by the peer. Its tail is its tip: accepting and revoking are one write (rule 3). */
export interface LocalCommitment {
  readonly number: number
  readonly indexes: Indexes
  readonly signature: Uint8Array
  readonly htlcSignatures: readonly Uint8Array[]
}

/** A commitment of the peer's that we signed. */
export interface RemoteCommitment {
  readonly number: number
  readonly indexes: Indexes
  readonly point: Uint8Array
  readonly txid: string
  readonly signature: Uint8Array
  readonly htlcSignatures: readonly Uint8Array[]
}

/** What we sent and the peer has not confirmed, in its original order (rule 9). */
export type JournalEntry =
  | { readonly kind: 'sign'; readonly number: number }
  | {
      readonly kind: 'revoke'
      /** The number revoked. */
      readonly number: number
      /** The points it granted: `count` from `firstGranted`. */
      readonly firstGranted: number
      readonly granted: number
    }

/** A removal, at once or not before a time: ms since 1970, a few seconds away at most (`LONGEST_DELAY_MS`). */
export type ProposedRemoval = RemoveUpdate & { readonly notBefore?: number }

/** An update that waits outside the log until it may be proposed (rule 8). */
export type Proposal = Omit<AddUpdate, 'id'> | ProposedRemoval | FeeUpdate

export interface Funding {
  readonly outpoint: OutPoint
  readonly sat: Sat
  readonly script: Uint8Array
  /** The whole transaction, when we are the opener and may have to broadcast it again. */
  readonly tx?: Tx
  /** Depth at which we send channel_ready. */
  readonly minimumDepth: number
  readonly confirmedHeight?: number
  readonly shortChannelId?: bigint
  /** Height when the channel was made: an accepter forgets an unconfirmed one 2016 blocks later (BOLT 2). */
  readonly createdHeight: number
}

export interface Closing {
  /** Where our balance goes; set once we want to close or the peer asked to. */
  readonly localScript: Uint8Array
  /** Whether our shutdown is out (it is sent again after every reconnection). */
  readonly sent: boolean
  readonly remoteScript?: Uint8Array
  readonly feeratePerKw: number
  /** Fee negotiation of this connection; begins anew on the next one. */
  readonly negotiation?: { readonly lastSentSat: Sat; readonly rounds: number }
  /** The agreed transaction, signed by both. */
  readonly tx?: Tx
}

/** Why a channel does not go on off chain. */
export interface Failure {
  readonly code: string
  readonly reason: string
  /** `broadcast`: our newest commitment goes to the chain. `awaitRemote`: we are behind and must never broadcast (rule 10). */
  readonly remedy: 'broadcast' | 'awaitRemote'
  /** Of an unproven channel: the height, agreed by servers, since when its peer has been asked to close it. */
  readonly askedAt?: number
}

/** A channel from the moment both hold a signature for the other's first commitment. Plain data, changed only by `step`. */
export interface Channel {
  /** 64 hex digits (BOLT 2 §channel_id). */
  readonly id: string
  readonly temporaryId: string
  /** The peer's node id, 66 hex digits. */
  readonly peer: string
  /** Ours. */
  readonly role: Role
  readonly formatName: string
  /** 32 random bytes drawn for this channel; with the wallet's master they give its seed. */
  readonly salt: Uint8Array
  /** Where our balance goes when the channel is closed cooperatively. */
  readonly shutdownScript: Uint8Array
  readonly local: Party
  readonly remote: Party
  readonly funding: Funding
  /** Time of creation, ms since 1970. */
  readonly createdAt: number

  readonly base: Base
  readonly logs: { readonly opener: Log; readonly accepter: Log }
  readonly localTip: LocalCommitment
  /** The highest number of ours for which the peer holds a point: its credit ends there. */
  readonly grantedThrough: number
  /** The window we want to keep granted, where it is no more the one announced at the opening (lcp; rule 5). */
  readonly window?: number
  readonly remoteTail: RemoteCommitment
  /** Signed by us, past the tail, ascending. */
  readonly remotePending: readonly RemoteCommitment[]
  /** Points granted to us for the numbers after the remote tip, ascending. */
  readonly remotePoints: readonly Uint8Array[]
  readonly remoteSecrets: SecretStore
  readonly journal: readonly JournalEntry[]
  readonly outbox: readonly Proposal[]
  readonly signer: SignerState

  readonly readySent: boolean
  readonly readyReceived: boolean
  /** Alias that we told the peer (BOLT 2 §channel_ready), and the one it told us. */
  readonly localAlias?: bigint
  /** The opener wished it to be announced (BOLT 2 §open_channel, `announce_channel`). */
  readonly announce?: true
  readonly remoteAlias?: bigint
  readonly closing?: Closing
  readonly failure?: Failure
  /**
   * This state came from another device and may have gone on elsewhere: nothing is signed or broadcast before `channel_reestablish` has
   * shown that the peer knows no newer one.
   */
  readonly unproven?: true
  /** Connection is a field, not a wrapper state (house law 6). Not stored: a loaded channel is offline. */
  readonly link: 'offline' | 'reestablishing' | 'online'
}

/** What the machine may ask besides its state; nothing else of the world. */
export interface ChannelContext {
  /** ms since 1970 */
  readonly now: number
  /** Height of the best verified block. */
  readonly height: number
  readonly network: NetworkName
  readonly entropy: Entropy
  readonly signer: ChannelSigner
  /** Whether `option_shutdown_anysegwit` is negotiated with the peer. */
  readonly anysegwit: boolean
  /** The feerate at which a commitment should be signed now, sat per 1000 weight. */
  readonly feeratePerKw: number
}

export type ChannelInput =
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected' }
  | { readonly type: 'message'; readonly message: Message }
  /** Offer, settle or fail an HTLC, or change the fee. Adds wait until limits allow them. */
  | { readonly type: 'propose'; readonly proposal: Proposal }
  /** Takes an add back that is not in the log yet. */
  | { readonly type: 'withdraw'; readonly token: string }
  | {
      readonly type: 'fundingConfirmed'
      readonly height: number
      readonly txIndex: number
      readonly depth: number
    }
  | { readonly type: 'fundingUnconfirmed' }
  /** The coins of our funding transaction were spent otherwise, blocks ago: the channel will never be. */
  | { readonly type: 'neverFunded' }
  | { readonly type: 'close'; readonly feeratePerKw: number }
  | { readonly type: 'forceClose'; readonly reason: string }
  /** Servers agree lately that `ctx.height` is the chain's: the wait of an unproven channel begins. */
  | { readonly type: 'heightAgreed' }
  /** The user closes an unproven channel after all: `UNPROVEN_WAIT_BLOCKS` have gone by, and the user has been told what it may cost. */
  | { readonly type: 'overrideUnproven'; readonly reason: string }
  /** Another window for the peer from now on (lcp): its credit grows or shrinks with our next revocations (rule 5). */
  | { readonly type: 'window'; readonly window: number }
  /** The funding output was spent on chain. */
  | { readonly type: 'fundingSpent' }
  /** A block came, or time passed. */
  | { readonly type: 'tick' }
  /** The turn is over: whatever may be proposed and signed now is (rule 4). */
  | { readonly type: 'flush' }

export type ChannelEffect =
  | { readonly type: 'send'; readonly message: Message }
  | {
      readonly type: 'broadcast'
      readonly tx: Tx
      readonly purpose: 'funding' | 'mutualClose' | 'commitment'
    }
  /** A record for the court (rule 11), written with the turn and never changed. */
  | { readonly type: 'courtRecord'; readonly number: number; readonly value: CourtRecord }
  | { readonly type: 'event'; readonly event: ChannelEvent }

/** What a channel tells the machines above it. */
export type ChannelEvent =
  | { readonly type: 'ready' }
  /** A received add is locked in: it may be forwarded, settled or shown, now and not before (rule 6). */
  | { readonly type: 'htlcReceived'; readonly add: AddUpdate }
  /** The preimage of an offered HTLC arrived: proof of payment at once. */
  | {
      readonly type: 'htlcFulfilled'
      readonly id: bigint
      readonly token?: string
      readonly preimage: Uint8Array
      readonly attributionData?: Uint8Array
    }
  /** The removal of an offered HTLC is locked in. */
  | {
      readonly type: 'htlcRemoved'
      readonly id: bigint
      readonly token?: string
      readonly paymentHash: Uint8Array
      readonly removal: RemoveUpdate
    }
  /** Our removal of a received HTLC is locked in. */
  | {
      readonly type: 'htlcSettled'
      readonly id: bigint
      readonly paymentHash: Uint8Array
      readonly fulfilled: boolean
    }
  /** An add that waited outside the log will not be proposed any more. */
  | { readonly type: 'addRefused'; readonly token?: string; readonly reason: string }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'closing' }
  | { readonly type: 'closed'; readonly txid: string }
  | { readonly type: 'forgotten'; readonly reason: string }

/** All that is needed to resolve a signed remote commitment on chain, whenever it shows up. */
export interface CourtRecord {
  readonly number: number
  readonly indexes: Indexes
  readonly point: Uint8Array
  readonly txid: string
  readonly feeratePerKw: number
  readonly openerMsat: Msat
  readonly accepterMsat: Msat
  /** Untrimmed HTLCs. */
  readonly htlcs: readonly (Omit<Htlc, 'token'> & { readonly outputIndex: number })[]
}

/** A peer's fault: chosen here, obeyed by the shell (house law 9). */
export interface Fault {
  readonly code: string
  readonly action: 'ignore' | 'warn' | 'disconnect' | 'fail_channel'
  /** The requirement broken, with its source. */
  readonly text: string
}

export interface Transition {
  readonly channel: Channel
  readonly effects: readonly ChannelEffect[]
}
