import type { Sat } from '../base/units.ts'
import type { BlockHash } from '../bitcoin/header.ts'
import type { OutPoint, Tx, Txid } from '../bitcoin/types.ts'
import type { ChannelSigner } from '../commitment/signer.ts'
import type { ClosingSnapshot, RevokedRecord } from '../commitment/snapshot.ts'
import type { Role, ViewHtlc } from '../commitment/types.ts'

// ---- inputs --------------------------------------------------------------------------------------------------------

/** The block that holds a transaction, proved. */
export interface Confirmation {
  readonly height: number
  readonly blockHash: BlockHash
  readonly index: number
}

/**
 * What arrives. The first four are events of the chain machine as they are: those of watches with our tokens are handed on
 * unchanged.
 */
export type OnchainInput =
  /** `confirmed` null: a server's word, believed as far as it proves itself (a preimage does, two good signatures do). */
  | {
      readonly type: 'spent'
      readonly outpoint: OutPoint
      readonly txid: Txid
      readonly tx: Uint8Array
      readonly confirmed: Confirmation | null
    }
  /** The unconfirmed spend that was reported is nowhere any more. */
  | { readonly type: 'unspent'; readonly outpoint: OutPoint }
  /** A transaction that was in a block is in none now. */
  | { readonly type: 'unconfirmed'; readonly txid: Txid }
  | { readonly type: 'tip'; readonly height: number }
  /** Broadcast this spend of the funding output until one is in a block: our commitment, or a mutual close. */
  | { readonly type: 'publish'; readonly tx: Tx }
  /** A preimage that may be given out: received HTLCs with its hash are claimed. 32 bytes. */
  | { readonly type: 'preimage'; readonly preimage: Uint8Array }
  /** The answer to `loadCourtRecord`; null when there is none. */
  | { readonly type: 'courtRecord'; readonly number: bigint; readonly record: RevokedRecord | null }

// ---- effects -------------------------------------------------------------------------------------------------------

/** What is to be done once the state is written. The first five are inputs of the chain machine as they are. */
export type OnchainEffect =
  | {
      readonly type: 'watchSpend'
      readonly token: string
      readonly outpoint: OutPoint
      readonly scriptPubKey: Uint8Array
      readonly known?: {
        readonly txid: Txid
        readonly tx: Uint8Array
        readonly height: number | null
        readonly blockHash: BlockHash | null
        readonly index: number | null
      }
    }
  /** Ends a watch or a broadcast. */
  | { readonly type: 'unwatch'; readonly token: string }
  /** This spender took an HTLC that we offered and shows no preimage: perhaps whoever brought its bytes left that out. */
  | { readonly type: 'askEveryone'; readonly txid: Txid }
  /** These bytes do hold a preimage that was looked for. */
  | { readonly type: 'witnessHolds'; readonly txid: Txid; readonly tx: Uint8Array }
  | { readonly type: 'broadcast'; readonly token: string; readonly tx: Uint8Array; readonly keep: true }
  /** The court's record of this revoked commitment of the peer's is needed: answer with `courtRecord`. */
  | { readonly type: 'loadCourtRecord'; readonly channelId: string; readonly number: bigint }
  /** Coins that the fee payer reserved under this token are free again. */
  | { readonly type: 'releaseCoins'; readonly token: string }
  | { readonly type: 'event'; readonly event: OnchainEvent }

/** How a channel was closed. */
export type CloseKind =
  | 'mutual'
  /** Our newest commitment. */
  | 'local'
  /** The peer's oldest commitment that is not revoked. */
  | 'remote'
  /** A later one of the peer's that we signed and it has not acknowledged. */
  | 'remoteNext'
  /** A commitment that the peer revoked: it cheats. */
  | 'revoked'
  /** None that we know: state was lost, on this side or the other, or a key leaked. BOLT 5: the user must be warned. */
  | 'unknown'

/** What the machine tells those above it. Told again when a reorganisation undid it and it came true again. */
export type OnchainEvent =
  /** A spend of the funding output; again when it confirms or another takes its place. */
  | {
      readonly type: 'closeSeen'
      readonly kind: CloseKind
      readonly txid: Txid
      /** Of the block; null while unconfirmed. */
      readonly height: number | null
    }
  /** No spend of the funding output is known any more (reorganisation, replaced): it lives again. */
  | { readonly type: 'closeGone' }
  /** Proof of payment, as soon as it shows itself; also of HTLCs that are then settled upstream (BOLT 5). */
  | { readonly type: 'preimageLearnt'; readonly paymentHash: Uint8Array; readonly preimage: Uint8Array }
  /** An HTLC is over for good, `IRREVOCABLE_DEPTH` deep, except that an offered one is fulfilled as soon as its preimage is known. */
  | {
      readonly type: 'htlcFulfilled'
      readonly offerer: Role
      readonly id: bigint
      readonly paymentHash: Uint8Array
      readonly preimage: Uint8Array
    }
  | {
      readonly type: 'htlcFailed'
      readonly offerer: Role
      readonly id: bigint
      readonly paymentHash: Uint8Array
    }
  /** A claim of ours is in a block. */
  | {
      readonly type: 'outputSwept'
      readonly kind: KnownOutput['kind']
      readonly outpoint: OutPoint
      readonly amountSat: Sat
      readonly txid: Txid
    }
  /** Everything is resolved, `IRREVOCABLE_DEPTH` deep. The machine goes on watching. */
  | { readonly type: 'done' }
  /** `FORGET_DEPTH` deep: nothing is watched any more, the record may be deleted. */
  | { readonly type: 'forget' }

// ---- state ---------------------------------------------------------------------------------------------------------

/** A transaction that spends an output, as reported last. */
export interface Spend {
  readonly txid: Txid
  readonly tx: Uint8Array
  readonly confirmed: Confirmation | null
}

/** An output of the transaction that closed the channel. */
export interface KnownOutput {
  readonly vout: number
  readonly valueSat: Sat
  /** scriptPubKey */
  readonly script: Uint8Array
  readonly kind: 'mutualClose' | 'toLocal' | 'toRemote' | 'anchor' | 'htlc' | 'unknown'
  /** Whether its money is meant for us, now or under the right circumstances. */
  readonly ours: boolean
  readonly witnessScript?: Uint8Array
  readonly htlc?: ViewHtlc
}

/** The spend of the funding output, explained. Made anew whenever another takes its place. */
export interface Close {
  readonly txid: Txid
  readonly kind: CloseKind
  /** Whose commitment it is; absent for a mutual close and for what is no commitment. */
  readonly owner?: Role
  readonly number?: bigint
  /** The owner's per-commitment point, where known. */
  readonly point?: Uint8Array
  /** The peer's per-commitment secret, of a revoked one. */
  readonly secret?: Uint8Array
  /** Witness script of `to_local` and of second stages. */
  readonly delayedScript?: Uint8Array
  /** All of them, in order. */
  readonly outputs: readonly KnownOutput[]
}

/** A transaction of ours that claims outputs. Made once, broadcast until it or another spend of them is in a block. */
export interface Claim {
  readonly txid: Txid
  readonly tx: Tx
  /** Claimed outpoints as `txid:vout`; coins of the wallet that pay the fee are not among them. */
  readonly claims: readonly string[]
  readonly feeratePerKw: number
  /** Height when it was made. */
  readonly height: number
  /** A fee cannot be changed: the peer signed it too. */
  readonly fixedFee?: true
  /** The reservation of the coins that pay the fee. */
  readonly coins?: string
  /** The commitment, ours or the peer's, that it helps into a block; claims nothing but the anchor. */
  readonly bumps?: Txid
}

/** One closed (or closing) channel on chain. Plain data, changed only by `onchainStep`. */
export interface OnchainState {
  readonly snapshot: ClosingSnapshot
  readonly localTxid: Txid
  readonly height: number
  /** What we would like to be the close, while it is not decided. */
  readonly publish?: Tx
  /** By outpoint (`txid:vout`): the funding output, those of the close, those of second stages. */
  readonly spends: Readonly<Record<string, Spend>>
  readonly close?: Close
  /** Since when an unconfirmed spend of the funding output has been seen. */
  readonly waits?: { readonly txid: Txid; readonly since: number }
  readonly court?: { readonly number: bigint; readonly record: RevokedRecord | null }
  /** By payment hash in hex. */
  readonly preimages: Readonly<Record<string, Uint8Array>>
  readonly claims: readonly Claim[]
  /** Every claim that was ever made: any of them may confirm. */
  readonly ownTxids: readonly Txid[]
  /** Tokens of live watches and broadcasts. */
  readonly tokens: readonly string[]
  /** Events that were told and still hold. */
  readonly told: readonly string[]
  /** Once forgotten: the court's records below this number have been deleted. The owner's to count. */
  readonly erased?: bigint
}

// ---- context -------------------------------------------------------------------------------------------------------

/** A transaction that cannot pay its own fee, with the wallet's coins added. */
export interface PaidTx {
  readonly tx: Tx
  /** Puts the wallet's witnesses on its inputs; the other witnesses stay. */
  readonly sign: (tx: Tx) => Tx
}

/** The wallet, as far as claims need it: with anchors the peer's signatures leave second stages without a fee. */
export interface FeePayer {
  /**
   * Adds the wallet's inputs after those of `tx`, and at most one output of change after its outputs (one in any case when it has
   * none), so that the whole pays `feeratePerKw` for its weight, `surplusSat` being there already. Reserves the coins under `token`;
   * a reservation of that token is replaced, with the same coins as far as they suffice. Undefined, and nothing reserved or changed,
   * when coins do not suffice.
   * @param weight of `tx` by itself when its inputs are signed
   * @param surplusSat what `tx` pays by itself; negative: what it has to pay for another besides
   * @param limitSat the most that the wallet may lose by it: never more than is saved
   */
  attach(request: {
    readonly token: string
    readonly tx: Tx
    readonly weight: number
    readonly surplusSat: bigint
    readonly feeratePerKw: number
    readonly limitSat: bigint
  }): PaidTx | undefined
  /** Coins that are free: with fewer than there are second stages to pay for, one coin pays for several. Absent: enough. */
  readonly coins?: number
}

/** What the machine may ask besides its state. */
export interface OnchainContext {
  readonly signer: ChannelSigner
  /** For claims that wait for nothing, sat per 1000 weight. */
  readonly feeratePerKw: number
  /** For claims that somebody may contest; default: the same. */
  readonly urgentFeeratePerKw?: number
  readonly feePayer?: FeePayer
}

export interface OnchainStep {
  readonly state: OnchainState
  readonly effects: readonly OnchainEffect[]
}
