import { err, type Result } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { outPointKey, type Txid } from '../bitcoin/types.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { weightOf } from '../bitcoin/tx.ts'
import type { BumpError } from './bump.ts'
import { type Coin, ledgerOf, reservedOutpoints } from './ledger.ts'
import { feeFor, type Funded, MAX_DEPTH, signedWeight, spendableCoins, toInput } from './select.ts'
import {
  type Built,
  checkFeerate,
  checkReservationId,
  finish,
  nextChange,
  type SpendContext,
} from './spend.ts'
import type { SpendInput, WalletState, WalletTx } from './types.ts'

/**
 * A child that pays for its parents (CPFP): the way to hurry a transaction that must not be replaced, a channel's funding above all,
 * since the commitments spend its very txid.
 */

/** What nodes ask of a transaction for its own relay, and of a replacement on top: 1 sat/vB (a tenth of it since Bitcoin Core 30). */
const RELAY_PER_KW = 250

/** The unconfirmed transactions that must be mined before or with this one, itself included. */
function package_(state: WalletState, txid: Txid): ReadonlyMap<Txid, WalletTx> {
  const found = new Map<Txid, WalletTx>()
  for (const stack = [txid]; stack.length > 0; ) {
    const id = stack.pop() as Txid
    const known = state.txs[id]
    if (known === undefined || known.height !== null || found.has(id)) continue
    found.set(id, known)
    stack.push(...known.tx.inputs.map((i) => i.outpoint.txid))
  }
  return found
}

interface Source {
  readonly coin: Coin
  readonly ancestors: ReadonlyMap<Txid, WalletTx>
  /** The child that was made for it before, to be replaced. */
  readonly former?: Txid
}

/** The coin that a child would spend: change of the transaction or of what was built on it, or what an earlier child of it spends. */
export function childSource(state: WalletState, txid: Txid): Source | undefined {
  const known = state.txs[txid]
  const { counted, coins } = ledgerOf(state)
  if (known === undefined || !known.own || known.height !== null || !counted.has(txid)) return undefined
  const reserved = reservedOutpoints(state)
  const free = (coin: Coin): boolean =>
    coin.spentBy === null && coin.height === null && !reserved.has(outPointKey(coin.outpoint))
  let best: Source | undefined
  for (const coin of coins.values()) {
    if (coin.height !== null || coin.depth > MAX_DEPTH) continue
    const { spentBy } = coin
    const former = spentBy !== null && state.txs[spentBy]?.kind === 'child' ? spentBy : undefined
    // A child whose own output is in use is part of something else by now; its output is a coin like any other once it is not.
    const replaceable =
      former !== undefined && [...coins.values()].some((c) => c.outpoint.txid === former && free(c))
    const isChild = state.txs[coin.outpoint.txid]?.kind === 'child'
    if (!(replaceable || (free(coin) && !isChild))) continue
    const ancestors = package_(state, coin.outpoint.txid)
    if (!ancestors.has(txid)) continue
    const better = best === undefined || coin.valueSat > best.coin.valueSat
    if (better) best = { coin, ancestors, ...(replaceable && former !== undefined ? { former } : {}) }
  }
  return best
}

/**
 * Builds a child that brings a transaction of ours, and all unconfirmed ones below it, to this feerate together; an earlier child is
 * replaced. Confirmed coins are added where the change alone cannot pay. Like a send it is then signed, committed and broadcast.
 */
export function bumpByChild(
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
  if (!ledgerOf(state).counted.has(txid)) return err({ code: 'already_replaced' })
  const source = childSource(state, txid)
  if (source === undefined) return err({ code: 'no_change' })
  const change = nextChange(state)
  if (change === undefined) return err({ code: 'too_many_reservations' })

  let weightBelow = 0
  let feeBelow = 0n
  for (const { tx, feeSat } of source.ancestors.values()) {
    // Only transactions of our own are built upon, and their fees are known.
    if (feeSat === undefined) return err({ code: 'not_ours' })
    weightBelow += weightOf(tx)
    feeBelow += feeSat
  }
  const former = source.former === undefined ? undefined : state.txs[source.former]
  const inputs = former === undefined ? [toInput(source.coin)] : inputsOf(state, former)
  const extra = spendableCoins(state, context.tipHeight, false).map(toInput)
  for (let funded = pay(inputs); ; ) {
    const least = feeFor(funded.weight, RELAY_PER_KW) + (former?.feeSat ?? 0n)
    if (funded.feeSat < least) {
      const [above, whole] = [least + feeBelow, BigInt(weightBelow + funded.weight)]
      return err({
        code: 'feerate_not_higher',
        minFeeratePerKw: Number((above * 1000n + whole - 1n) / whole),
      })
    }
    if (funded.changeSat >= dustLimitSat(change.script))
      return finish(state, funded, [], change, reservationId, 'bump', context, source.former)
    const next = extra.shift()
    if (next === undefined) return err({ code: 'no_coins_for_fee' })
    inputs.push(next)
    funded = pay(inputs)
  }

  function pay(from: readonly SpendInput[]): Funded {
    const weight = signedWeight(from, [{ valueSat: sat(0), script: change?.script ?? new Uint8Array(0) }])
    const wanted = feeFor(weightBelow + weight, feeratePerKw) - feeBelow
    const rest = from.reduce((n, i) => n + i.valueSat, 0n) - wanted
    return {
      inputs: [...from],
      weight,
      feeSat: sat(wanted > 0n ? wanted : 0n),
      changeSat: sat(rest > 0n ? rest : 0n),
    }
  }
}

function inputsOf(state: WalletState, { tx }: WalletTx): SpendInput[] {
  const { coins } = ledgerOf(state)
  return tx.inputs.flatMap(({ outpoint }) => {
    const coin = coins.get(outPointKey(outpoint))
    return coin === undefined ? [] : [toInput(coin)]
  })
}
