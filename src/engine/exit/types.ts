import type { Network } from '../bitcoin/network.ts'
import type { Tx, Txid } from '../bitcoin/types.ts'
import type { ChannelSigner } from '../commitment/signer.ts'
import type { RevokedRecord } from '../commitment/snapshot.ts'
import type { CloseKind, KnownOutput, OnchainState } from '../onchain/types.ts'
import type { AccountDescriptors } from '../wallet/descriptors.ts'
import type { WalletKeys } from '../wallet/keys.ts'
import type { ListedCoin } from '../wallet/ledger.ts'
import type { WalletState } from '../wallet/types.ts'

/** What the copy says of itself besides the records. */
export interface ExitAbout {
  /** ms since 1970 */
  readonly madeAt: number
  /** Of the best verified block then. */
  readonly height: number
}

export interface ExitChannel {
  /** The peer's node id, 66 hex digits. */
  readonly peer: string
  /** Where it was last reached. */
  readonly address?: string
  readonly signer: ChannelSigner
  /** The channel had not lost state already: its commitment may be broadcast, as long as nothing newer exists. */
  readonly isWhole: boolean
  /** The court's machine: as it was stored, or one that waits for a close. */
  readonly state: OnchainState
}

/** A wallet out of a copy. It lives for the length of a visit: nothing is stored, and nothing of it ever speaks to a peer. */
export interface Exit {
  readonly network: Network
  readonly keys: WalletKeys
  readonly about: ExitAbout
  readonly words: readonly string[]
  readonly passphrase: string
  readonly descriptors: readonly AccountDescriptors[]
  readonly wallet: WalletState
  readonly channels: readonly ExitChannel[]
  /** What the copy knows of a revoked commitment. */
  readonly court: (channelId: string, number: bigint) => RevokedRecord | null
  /** Records that could not be read, in words; the rest is there. */
  readonly problems: readonly string[]
}

/** Where the money is to go, and for what fee. */
export interface Terms {
  /** scriptPubKey */
  readonly script: Uint8Array
  readonly feeratePerKw: number
  /** Coins (`txid:vout`) that are not to be used. */
  readonly leaveOut: ReadonlySet<string>
}

/** A signed transaction, ready to be broadcast by anybody. */
export interface ExitTx {
  readonly txid: Txid
  readonly tx: Tx
  /** `child`: pays for a close that waits. `stage`: the first of two, pays no address yet. */
  readonly kind: 'sweep' | 'stage' | 'child' | 'coins'
  readonly feeSat: bigint
  readonly weight: number
  /** What arrives at the address. */
  readonly paysSat: bigint
  /** The first block that may hold it, as far as that is known. */
  readonly first: number
  /** Only after this transaction has so many confirmations. */
  readonly after?: { readonly txid: Txid; readonly blocks: number }
  /** Outputs of closes that it claims (`txid:vout`). */
  readonly claims: readonly string[]
  /** Coins of the wallet that it spends. */
  readonly coins: number
}

export type OutputFate =
  /** One of the plan's transactions claims it. */
  | 'claimable'
  /** Costs more than it brings at this feerate. */
  | 'tooSmall'
  /** Its first stage needs a coin of the wallet for the fee. */
  | 'needsCoins'
  /** A payment to us whose preimage the copy does not have. */
  | 'needsPreimage'
  /** The closing transaction pays the wallet's own address. */
  | 'direct'
  | 'claimed'
  | 'taken'
  /** Of a state that the copy does not know. */
  | 'unexplained'

/** An output of a close that is ours, or may be. */
export interface ExitOutput {
  readonly key: string
  readonly kind: KnownOutput['kind']
  readonly amountSat: bigint
  readonly fate: OutputFate
  /** The first block that may hold a claim. */
  readonly first?: number
  /** Who claims it, or spent it. */
  readonly txid?: Txid
  /** A spend of it was seen that is in no block. */
  readonly waiting?: Txid
  /** Until then the claim has to be in a block. */
  readonly deadline?: number
}

export interface ChannelPlan {
  readonly entry: ExitChannel
  readonly close?: { readonly txid: Txid; readonly kind: CloseKind; readonly height: number | null }
  /** A close that was sent before the copy was made: safe to send at any time. */
  readonly publish?: Tx
  readonly outputs: readonly ExitOutput[]
  /** In the order in which they are to be sent. */
  readonly txs: readonly ExitTx[]
}

export interface CoinsPlan {
  readonly coins: readonly ListedCoin[]
  /** All of them but those left out and those that pay for claims, to the address. */
  readonly tx?: ExitTx
  /** Why not. */
  readonly problem?: 'none' | 'tooSmall' | 'feerate'
  /** Sent before the copy was made, and in no block then. */
  readonly pending: readonly Tx[]
}

export interface ExitPlan {
  readonly channels: readonly ChannelPlan[]
  readonly coins: CoinsPlan
}
