import { invariant } from '../base/result.ts'
import { type Sat, sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { type OutPoint, outPointKey, type Tx, type TxInput } from '../bitcoin/types.ts'
import type { KeyPath, WalletKeys } from './keys.ts'
import { ledgerOf } from './ledger.ts'
import { findReservation, release } from './reservations.ts'
import { feeFor, inputWeight, isEconomic, spendableCoins, toInput, unsignedTx } from './select.ts'
import { signInput } from './sign.ts'
import { checkFeerate, nextChange, type SpendContext } from './spend.ts'
import type { Spend, SpendInput, WalletState } from './types.ts'

/**
 * Fees for transactions of other rooms: second stages and children of commitments, which cannot pay their own (BOLT 3, anchors).
 * The wallet adds inputs and change and signs for its own inputs alone.
 */

/** Coins that one such transaction takes at most: each costs as much as a third of a second stage. */
const MAX_FEE_COINS = 20

export interface FeeRequest {
  /** The reservation's id; one that is there already is replaced, with the same coins as far as they suffice. */
  readonly token: string
  readonly tx: Tx
  /** Of `tx` by itself when its inputs are signed. */
  readonly weight: number
  /** What `tx` pays by itself; negative: what it has to pay for another besides. */
  readonly surplusSat: bigint
  /** sat per 1000 weight */
  readonly feeratePerKw: number
  /** The most that the wallet may lose by it. */
  readonly limitSat: bigint
  /** scriptPubKey for the change, where it is not to come back to the wallet. */
  readonly changeScript?: Uint8Array
}

export interface Attached {
  /** With the reservation in it. */
  readonly state: WalletState
  readonly spend: Spend
}

/**
 * Adds coins after the inputs of `tx`, and at most one output of change after its outputs, so that the whole pays the feerate.
 * Undefined, and nothing changed, when coins do not suffice or the fee would pass the limit.
 */
export function attachCoins(
  state: WalletState,
  request: FeeRequest,
  context: SpendContext,
): Attached | undefined {
  const { token, tx, weight, surplusSat, feeratePerKw } = request
  if (checkFeerate(feeratePerKw, context.policy) !== undefined) return undefined
  const before = findReservation(state, token)?.spend
  const free = release(state, token)
  // A replacement pays the same change address: the transaction that it replaces goes.
  const change: { readonly script: Uint8Array | undefined; readonly path?: KeyPath } | undefined =
    request.changeScript !== undefined
      ? { script: request.changeScript }
      : before?.change
        ? { path: before.change.path, script: scriptAt(state, before) }
        : nextChange(free)
  if (change?.script === undefined) return undefined
  const { script, path } = change
  const held = (before?.inputs ?? []).filter((input) => isStillOurs(state, input, tx.inputs))
  const others = candidates(free, feeratePerKw, context, held)

  const fits = (
    inputs: readonly SpendInput[],
  ): { feeSat: Sat; changeSat: Sat; weight: number } | undefined => {
    if (inputs.length === 0 || inputs.length > MAX_FEE_COINS) return undefined
    const given = inputs.reduce((n, i) => n + i.valueSat, 0n)
    const bare = inputs.reduce((n, i) => n + inputWeight(i), weight)
    const whole = bare + 4 * (8 + 1 + script.length)
    const rest = given + surplusSat - feeFor(whole, feeratePerKw)
    const changeSat = rest >= dustLimitSat(script) ? rest : 0n
    // A transaction without outputs is none, so there has to be change.
    if (changeSat === 0n && tx.outputs.length === 0) return undefined
    if (changeSat === 0n && given + surplusSat < feeFor(bare, feeratePerKw)) return undefined
    const lost = given - changeSat
    if (lost > request.limitSat || lost > context.policy.maxFeeSat) return undefined
    return { feeSat: sat(lost), changeSat: sat(changeSat), weight: changeSat > 0n ? whole : bare }
  }
  const inputs = choose(held, others, (chosen) => fits(chosen) !== undefined)
  const funded = inputs && fits(inputs)
  if (inputs === undefined || funded === undefined) return undefined

  const { feeSat, changeSat } = funded
  const outputs = changeSat > 0n ? [...tx.outputs, { valueSat: changeSat, script }] : tx.outputs
  const added = unsignedTx(inputs, [], 0).inputs
  const spend: Spend = {
    tx: { ...tx, inputs: [...tx.inputs, ...added], outputs },
    inputs,
    feeSat,
    weight: funded.weight,
    outputIndexes: [],
    ...(changeSat > 0n && path && { change: { outputIndex: tx.outputs.length, valueSat: changeSat, path } }),
  }
  const reservation = { id: token, purpose: 'claim' as const, spend }
  return { state: { ...free, reservations: { ...free.reservations, [token]: reservation } }, spend }
}

/** Puts the wallet's witnesses on the inputs that it added; the others stay as they are. */
export function signAttached(tx: Tx, spend: Spend, keys: WalletKeys): Tx {
  const first = tx.inputs.length - spend.inputs.length
  return spend.inputs.reduce((signed, input, i) => {
    const outpoint = tx.inputs[first + i]?.outpoint
    invariant(outpoint !== undefined && same(outpoint, input.outpoint), 'the wallet’s inputs are the last')
    return signInput(signed, first + i, input, keys)
  }, tx)
}

const same = (a: OutPoint, b: OutPoint): boolean => a.txid === b.txid && a.vout === b.vout

function scriptAt(state: WalletState, spend: Spend): Uint8Array | undefined {
  const path = spend.change?.path
  const branch = state.branches.find((b) => b.purpose === path?.purpose && b.change === path.change)
  return path === undefined ? undefined : branch?.scripts[path.index]
}

/** A coin of the reservation that is replaced: unspent, or spent by an earlier form of this very transaction. */
function isStillOurs(state: WalletState, input: SpendInput, claimed: readonly TxInput[]): boolean {
  const coin = ledgerOf(state).coins.get(outPointKey(input.outpoint))
  if (coin === undefined) return false
  const spender = coin.spentBy === null ? undefined : state.txs[coin.spentBy]
  if (spender === undefined) return true
  if (spender.height !== null) return false
  return spender.tx.inputs.some((i) => claimed.some((c) => same(i.outpoint, c.outpoint)))
}

/** Other coins that may be taken, confirmed ones first (BIP 125 rule 2 wants no new unconfirmed ones), then by value. */
function candidates(
  state: WalletState,
  feeratePerKw: number,
  { tipHeight, policy }: SpendContext,
  held: readonly SpendInput[],
): readonly SpendInput[] {
  const taken = new Set(held.map((i) => outPointKey(i.outpoint)))
  // P2WPKH only: a claim's other inputs are of version 0, and their digests need no amounts of each other.
  const coins = spendableCoins(state, tipHeight, policy.spendUnconfirmedChange).filter(
    (c) => c.path.purpose === 84 && !taken.has(outPointKey(c.outpoint)) && isEconomic(c, feeratePerKw),
  )
  const confirmed = coins.filter((c) => c.height !== null)
  return [...confirmed, ...coins.filter((c) => c.height === null)].map(toInput)
}

/**
 * What is held already, then the smallest single coin that does, so that others are left for other claims, else the largest together.
 */
function choose(
  held: readonly SpendInput[],
  others: readonly SpendInput[],
  suffice: (inputs: readonly SpendInput[]) => boolean,
): readonly SpendInput[] | undefined {
  if (suffice(held)) return held
  const single = others.toReversed().find((coin) => suffice([...held, coin]))
  if (single !== undefined) return [...held, single]
  for (let n = 2; n <= others.length && held.length + n <= MAX_FEE_COINS; n++) {
    const chosen = [...held, ...others.slice(0, n)]
    if (suffice(chosen)) return chosen
  }
  return undefined
}
