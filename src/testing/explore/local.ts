import type { Channel } from '../../engine/channel/types.ts'

/** One side of the whole: its channel and what its node knows. */

/** What the node around a channel knows, written in the same turns as the channel. */
export interface Node {
  /** Operations done: one bit each. */
  readonly done: number
  /** HTLCs of the peer that were shown as locked in, that were removed by us, and those of ours whose removal was told: by id. */
  readonly shown: number
  readonly settled: number
  readonly removed: number
  readonly paidMsat: bigint
  readonly gotMsat: bigint
  /** Txids by number of the records for the court, from the peer's tail on. */
  readonly court: readonly { readonly number: number; readonly txid: string }[]
  readonly closedTxid?: string
  /** The commitment of its own that it gave to the chain. */
  readonly broadcast?: number
}

/** A channel and its node at one moment; each is kept once. */
export interface Local {
  readonly channel: Channel
  readonly node: Node
  facts?: Facts
}

/** What can be said of one side's state by itself, and what is wrong with it. */
export interface Facts {
  readonly localNumber: number
  /** The transaction of our own tip, as we build it. */
  readonly localTxid: string
  readonly grantedThrough: number
  readonly tailNumber: number
  readonly tipNumber: number
  readonly heldThrough: number
  /** Txids of the peer's commitments, tail to tip. */
  readonly txids: readonly string[]
  readonly problem?: string
}
