import { err, ok, type Result } from '../base/result.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { nextSeq, settle } from './coins.ts'
import type { WalletKeys } from './keys.ts'
import type { Reservation, TxKind, WalletChange, WalletState, WalletTx } from './types.ts'

/**
 * Reservations hold coins from the moment a transaction is built until it is broadcast (`commit`) or cancelled
 * (`release`). They are part of the stored state, so a restart in the middle of opening a channel finds them; nothing
 * expires by itself, because only the owner of a reservation knows whether a signature for its transaction is about.
 */

export const findReservation = (state: WalletState, id: string): Reservation | undefined =>
  Object.hasOwn(state.reservations, id) ? state.reservations[id] : undefined

/** Frees the coins and the change address of a transaction that was never sent. An unknown id changes nothing. */
export function release(state: WalletState, id: string): WalletState {
  if (!Object.hasOwn(state.reservations, id)) return state
  const { [id]: _freed, ...reservations } = state.reservations
  return { ...state, reservations }
}

export type CommitError =
  | 'no_reservation'
  /** The transaction is not the one that was reserved for. */
  | 'not_the_reserved_transaction'
  | 'not_signed'

export interface CommitNote {
  readonly label: string
  /** Unix seconds. */
  readonly nowSec: number
  /** Where it is more than the reservation's purpose says (`sweep`, `close`). */
  readonly kind?: TxKind
}

/**
 * Turns a reservation into a transaction of ours that is about to be broadcast: its coins count as spent and its change as
 * ours from now on. Called once the signed transaction may leave (write first, then send). Committing again changes
 * nothing, so that a turn replayed after a crash is harmless.
 */
export function commit(
  state: WalletState,
  keys: WalletKeys,
  id: string,
  signed: Tx,
  note: CommitNote,
): Result<WalletChange, CommitError> {
  const reservation = findReservation(state, id)
  const txid = txidOf(signed)
  if (reservation === undefined)
    return state.txs[txid]?.own === true ? ok({ state, watch: [], dropped: [] }) : err('no_reservation')
  const { spend, purpose } = reservation
  // The txid commits to everything but the witnesses.
  if (txidOf(spend.tx) !== txid) return err('not_the_reserved_transaction')
  if (signed.inputs.some((i) => i.witness.length === 0)) return err('not_signed')
  const known = state.txs[txid]
  const entry: WalletTx = {
    tx: signed,
    height: known?.height ?? null,
    seenIn: known?.seenIn ?? [],
    own: true,
    seq: nextSeq(state),
    timeSec: known?.timeSec ?? note.nowSec,
    kind: note.kind ?? (purpose === 'funding' ? 'funding' : 'send'),
    label: note.label,
    feeSat: spend.feeSat,
  }
  const after = { ...release(state, id), txs: { ...state.txs, [txid]: entry } }
  return ok(settle(state, after, keys))
}
