import { toHex } from '../base/bytes.ts'
import { err, type Result } from '../base/result.ts'
import { outPointKey, type TxOutput, type Txid } from '../bitcoin/types.ts'
import { isChangeInUse } from './coins.ts'
import { ledgerOf, pathsByScript, reservedOutpoints } from './ledger.ts'
import { chooseCoins, feeFor, fund, spendableCoins, toInput } from './select.ts'
import {
  type Built,
  checkFeerate,
  checkReservationId,
  finish,
  nextChange,
  type SpendContext,
  type SpendError,
} from './spend.ts'
import type { SpendInput, WalletState } from './types.ts'

/**
 * What a replacement must add for its own relay (BIP 125 rule 4), in sat per 1000 weight: 1 sat/vB, which nodes asked for
 * until Bitcoin Core 30 lowered it to a tenth.
 */
const INCREMENTAL_PER_KW = 250

export type BumpError =
  | SpendError
  | { readonly code: 'unknown_transaction' | 'not_ours' | 'already_confirmed' | 'already_replaced' }
  /** Both commitments spend this very transaction's output: a replacement would leave the channel without its coins. */
  | { readonly code: 'funding_not_replaceable' }
  /** It has no output to us that a child could spend. */
  | { readonly code: 'no_change' }
  /** Another transaction spends its change (or is about to) and would vanish with it. */
  | { readonly code: 'change_in_use' }
  /** Neither its change nor the wallet's confirmed coins can pay the higher fee. */
  | { readonly code: 'no_coins_for_fee' }
  /** A bump of it is being made already. */
  | { readonly code: 'bump_in_progress' }
  /** Nodes would not accept the replacement below this. */
  | { readonly code: 'feerate_not_higher'; readonly minFeeratePerKw: number }

/**
 * Builds a replacement (BIP 125) of an unconfirmed payment of ours: the same recipients and inputs, a higher fee out of the
 * change, confirmed coins added where the change does not suffice. Like a send it is then signed, committed and broadcast.
 */
export function bumpFee(
  state: WalletState,
  txid: Txid,
  feeratePerKw: number,
  reservationId: string,
  context: SpendContext,
): Result<Built, BumpError> {
  const refused = checkReservationId(state, reservationId) ?? checkFeerate(feeratePerKw, context.policy)
  if (refused !== undefined) return err(refused)
  const known = state.txs[txid]
  if (known === undefined) return err({ code: 'unknown_transaction' })
  if (!known.own) return err({ code: 'not_ours' })
  if (known.height !== null) return err({ code: 'already_confirmed' })
  const { counted, coins } = ledgerOf(state)
  if (!counted.has(txid)) return err({ code: 'already_replaced' })
  if (known.kind === 'funding') return err({ code: 'funding_not_replaceable' })
  if (isChangeInUse(state, txid)) return err({ code: 'change_in_use' })

  const reserved = reservedOutpoints(state)
  const required: SpendInput[] = []
  for (const { outpoint } of known.tx.inputs) {
    const coin = coins.get(outPointKey(outpoint))
    if (coin === undefined) return err({ code: 'not_ours' })
    if (reserved.has(outPointKey(outpoint))) return err({ code: 'bump_in_progress' })
    required.push(toInput(coin))
  }
  const paths = pathsByScript(state.branches)
  const ours = known.tx.outputs.map((o) => paths.get(toHex(o.script)))
  const changeAt = ours.findIndex((path) => path?.change === 1)
  const changePath = ours[changeAt]
  const changeScript = known.tx.outputs[changeAt]?.script
  const change =
    changePath !== undefined && changeScript !== undefined
      ? { path: changePath, script: changeScript }
      : nextChange(state)
  if (change === undefined) return err({ code: 'too_many_reservations' })
  const recipients: TxOutput[] = known.tx.outputs.filter((_, i) => i !== changeAt).map((o) => ({ ...o }))
  if (recipients.length === 0) return err({ code: 'no_recipients' })

  // BIP 125 rule 2: no unconfirmed inputs that the replaced transaction did not have.
  const confirmed = spendableCoins(state, context.tipHeight, false)
  const funded =
    fund(required, recipients, change.script, feeratePerKw) ??
    chooseCoins(confirmed, recipients, change.script, feeratePerKw, required)
  if (funded === undefined) return err({ code: 'no_coins_for_fee' })
  const paid = required.reduce((n, i) => n + i.valueSat, 0n)
  const oldFee = known.feeSat ?? paid - known.tx.outputs.reduce((n, o) => n + o.valueSat, 0n)
  const least = oldFee + feeFor(funded.weight, INCREMENTAL_PER_KW)
  if (funded.feeSat < least) {
    // The least feerate whose fee, rounded up to a satoshi, is `least`.
    const weight = BigInt(funded.weight)
    const minFeeratePerKw = Number(((least - 1n) * 1000n + weight) / weight)
    return err({ code: 'feerate_not_higher', minFeeratePerKw })
  }
  return finish(state, funded, recipients, change, reservationId, 'bump', context, txid)
}
