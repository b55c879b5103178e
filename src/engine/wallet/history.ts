import { toHex } from '../base/bytes.ts'
import { type Sat, sat } from '../base/units.ts'
import type { TxOutput, Txid } from '../bitcoin/types.ts'
import { ledgerOf, pathsByScript } from './ledger.ts'
import type { TxKind, WalletState } from './types.ts'

/** A transaction as an activity list shows it. */
export interface ListedTx {
  readonly txid: Txid
  /** `unseen`: ours, and no server shows it yet; `replaced`: a conflicting one counts in its stead. */
  readonly status: 'confirmed' | 'unconfirmed' | 'unseen' | 'replaced'
  readonly height: number | null
  readonly timeSec: number
  readonly kind: TxKind
  readonly label: string
  readonly own: boolean
  /** Outputs to us, change included. */
  readonly receivedSat: Sat
  /** Inputs from us. */
  readonly spentSat: Sat
  /** received − spent: what it did to the balance; negative for a payment. */
  readonly netSat: bigint
  /** null where an input is not ours, so that its amount is unknown. */
  readonly feeSat: Sat | null
}

/** All transactions, those without a block first, then the newest block first. */
export function listTransactions(state: WalletState): readonly ListedTx[] {
  const { counted } = ledgerOf(state)
  const paths = pathsByScript(state.branches)
  const ourSat = (output: TxOutput | undefined): bigint =>
    output !== undefined && paths.has(toHex(output.script)) ? output.valueSat : 0n
  return Object.entries(state.txs)
    .sort(
      ([, a], [, b]) =>
        (b.height ?? Number.MAX_SAFE_INTEGER) - (a.height ?? Number.MAX_SAFE_INTEGER) || b.seq - a.seq,
    )
    .map(([txid, { tx, height, timeSec, kind, label, own, seenIn, feeSat }]) => {
      const received = tx.outputs.reduce((n, o) => n + ourSat(o), 0n)
      const inputs = tx.inputs.map(({ outpoint }) =>
        ourSat(state.txs[outpoint.txid]?.tx.outputs[outpoint.vout]),
      )
      const spent = inputs.reduce((n, v) => n + v, 0n)
      const fee = inputs.every((v) => v > 0n) ? spent - tx.outputs.reduce((n, o) => n + o.valueSat, 0n) : null
      const pending = own && seenIn.length === 0 ? 'unseen' : 'unconfirmed'
      return {
        txid,
        status: !counted.has(txid) ? 'replaced' : height !== null ? 'confirmed' : pending,
        height,
        timeSec,
        kind: kind ?? (spent > received ? 'send' : 'receive'),
        label,
        own,
        receivedSat: sat(received),
        spentSat: sat(spent),
        netSat: received - spent,
        feeSat: feeSat ?? (fee === null ? null : sat(fee)),
      }
    })
}
