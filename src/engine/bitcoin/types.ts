import type { Sat } from '../base/units.ts'

/** A transaction id: 64 lower-case hex digits in display order (the reverse of the wire's order). */
export type Txid = string

/** A reference to a transaction output. */
export interface OutPoint {
  readonly txid: Txid
  readonly vout: number
}

export interface TxInput {
  readonly outpoint: OutPoint
  readonly scriptSig: Uint8Array
  readonly sequence: number
  /** Witness stack; empty for unsigned and legacy inputs. */
  readonly witness: readonly Uint8Array[]
}

export interface TxOutput {
  readonly valueSat: Sat
  /** scriptPubKey */
  readonly script: Uint8Array
}

/** A Bitcoin transaction as plain data; `tx.ts` encodes, decodes, hashes and weighs it. */
export interface Tx {
  readonly version: number
  readonly inputs: readonly TxInput[]
  readonly outputs: readonly TxOutput[]
  readonly locktime: number
}

/** `txid:vout`, the key under which outpoints are kept in maps and records. */
export const outPointKey = (o: OutPoint): string => `${o.txid}:${o.vout}`
