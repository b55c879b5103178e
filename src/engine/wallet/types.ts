import type { Sat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { OutPoint, Tx, Txid } from '../bitcoin/types.ts'
import type { Change, KeyPath, Purpose } from './keys.ts'

/** What a transaction of ours is for; what others pay us with is `receive`. A `child` pays the fee of what it spends (`child.ts`). */
export type TxKind = 'receive' | 'send' | 'funding' | 'close' | 'sweep' | 'child'

/**
 * A transaction that touches the wallet. Coins and balances are computed from these and from the scripts of the branches
 * (`ledger.ts`), so no record can disagree with another.
 */
export interface WalletTx {
  readonly tx: Tx
  /** Height of its block; null while unconfirmed. */
  readonly height: number | null
  /** Key paths (`84/0/7`) whose histories list it; empty for one of ours that no server has shown yet, or no longer. */
  readonly seenIn: readonly string[]
  /** We built and signed it: it stays until something confirmed conflicts with it, and its change may be spent. */
  readonly own: boolean
  /** Rises with each transaction learnt: the later of two unconfirmed conflicting ones counts. */
  readonly seq: number
  /** Unix seconds when first seen, or of its block where the chain gave that. */
  readonly timeSec: number
  /** null: neither made nor named by the node; `listTransactions` then tells `send` from `receive` by the amounts. */
  readonly kind: TxKind | null
  readonly label: string
  /** Known for transactions of our own. */
  readonly feeSat?: Sat
}

/** One chain of addresses below the account. */
export interface Branch {
  readonly purpose: Purpose
  readonly change: Change
  /** scriptPubKeys by index, as far as they are watched. */
  readonly scripts: readonly Uint8Array[]
  /** Addresses below this index have been given to somebody. */
  readonly handedOut: number
}

/** A coin as a spend needs it. */
export interface SpendInput {
  readonly outpoint: OutPoint
  readonly valueSat: Sat
  readonly script: Uint8Array
  readonly path: KeyPath
}

/** A transaction built and not yet signed, with all that signing and explaining it takes. Plain data, no secrets. */
export interface Spend {
  /** Unsigned; inputs and outputs in BIP 69 order. */
  readonly tx: Tx
  /** In the order of `tx.inputs`. */
  readonly inputs: readonly SpendInput[]
  readonly feeSat: Sat
  /** Of the signed transaction with signatures of the greatest length; at most 1 an input more than in the end. */
  readonly weight: number
  /** Where each requested output went, in the order requested. */
  readonly outputIndexes: readonly number[]
  readonly change?: { readonly outputIndex: number; readonly valueSat: Sat; readonly path: KeyPath }
  /** The transaction of ours that this one replaces (`bumpFee`). */
  readonly replaces?: Txid
}

/** `claim`: the wallet only pays the fee (`payer.ts`); `spend.inputs` are then those of its own, the last of `spend.tx`. */
export type ReservationPurpose = 'send' | 'funding' | 'bump' | 'claim'

/** Coins (and a change address) set apart for a transaction that is being made; ends by `release` or `commit` alone. */
export interface Reservation {
  readonly id: string
  readonly purpose: ReservationPurpose
  readonly spend: Spend
}

/** All that the wallet knows. Plain data; every field is stored (`records.ts`). */
export interface WalletState {
  readonly network: NetworkName
  /** BIP 44: how many unused addresses in a row end a scan. */
  readonly gapLimit: number
  readonly branches: readonly Branch[]
  readonly txs: Readonly<Record<Txid, WalletTx>>
  readonly reservations: Readonly<Record<string, Reservation>>
}

/** One entry of a script's history, as the chain room gives it: the whole list each time. */
export interface HistoryEntry {
  readonly tx: Tx
  /** null while unconfirmed */
  readonly height: number | null
  /** Unix seconds of the block, where known. */
  readonly timeSec?: number
}

/** A transaction that the wallet no longer counts. */
export interface Dropped {
  readonly txid: Txid
  readonly kind: TxKind | null
  readonly own: boolean
  /** `vanished`: no history lists it any more; `conflict`: another one spends its inputs, or a parent of it is gone. */
  readonly reason: 'vanished' | 'conflict'
}

/** What a change of the wallet asks of the node. */
export interface WalletChange {
  readonly state: WalletState
  /** Scripts to watch from now on, in addition to those before. */
  readonly watch: readonly Uint8Array[]
  readonly dropped: readonly Dropped[]
}
