import { toHex } from '../base/bytes.ts'
import { type Sat, sat } from '../base/units.ts'
import { outPointKey, type OutPoint, type Txid } from '../bitcoin/types.ts'
import type { KeyPath } from './keys.ts'
import type { Branch, WalletState, WalletTx } from './types.ts'

/**
 * What follows from the known transactions: which of them count when they conflict, which coins there are, who spends
 * them. One pure function of the state, so that the order in which news arrives can never matter.
 */

/** An output that pays us. */
export interface Coin {
  readonly outpoint: OutPoint
  readonly valueSat: Sat
  readonly script: Uint8Array
  readonly path: KeyPath
  readonly height: number | null
  readonly coinbase: boolean
  /**
   * Unconfirmed, but of a transaction that we signed. Not of a replacement while the one that it replaces may still confirm: what
   * would be built on it, a channel above all, could then never come.
   */
  readonly trusted: boolean
  /** 0 when confirmed; else at least the number of unconfirmed transactions that must confirm with it. */
  readonly depth: number
  /** The counted transaction that spends it. */
  readonly spentBy: Txid | null
}

export interface Ledger {
  /** Ids of the transactions that count (all but the losers of conflicts and their descendants), parents first. */
  readonly counted: ReadonlySet<Txid>
  /** All coins of counted transactions, spent ones too, by `txid:vout`. */
  readonly coins: ReadonlyMap<string, Coin>
  /** For each branch, the highest index that a counted transaction pays, or −1. */
  readonly lastUsed: readonly number[]
  /** Names (`84/0/7`) of the paths that counted transactions pay. */
  readonly used: ReadonlySet<string>
}

/** A coinbase output may be spent 100 blocks after its own (consensus: COINBASE_MATURITY). */
export const COINBASE_MATURITY = 100

const ledgers = new WeakMap<
  WalletState['txs'],
  { readonly branches: WalletState['branches']; ledger: Ledger }
>()
const indexes = new WeakMap<readonly Branch[], ReadonlyMap<string, KeyPath>>()

/** The ledger of a state; computed once for each set of transactions and scripts. */
export function ledgerOf(state: Pick<WalletState, 'txs' | 'branches'>): Ledger {
  const known = ledgers.get(state.txs)
  if (known !== undefined && known.branches === state.branches) return known.ledger
  const ledger = compute(state.txs, state.branches)
  ledgers.set(state.txs, { branches: state.branches, ledger })
  return ledger
}

/** The key path behind a script of the wallet, by the script's hex. */
export function pathsByScript(branches: readonly Branch[]): ReadonlyMap<string, KeyPath> {
  const known = indexes.get(branches)
  if (known !== undefined) return known
  const paths = new Map<string, KeyPath>()
  for (const { purpose, change, scripts } of branches)
    scripts.forEach((script, index) => paths.set(toHex(script), { purpose, change, index }))
  indexes.set(branches, paths)
  return paths
}

function compute(txs: WalletState['txs'], branches: readonly Branch[]): Ledger {
  const counted = resolve(txs)
  const spenders = new Map<string, Txid>()
  for (const id of counted)
    for (const input of (txs[id] as WalletTx).tx.inputs) spenders.set(outPointKey(input.outpoint), id)

  const paths = pathsByScript(branches)
  const depths = unconfirmedDepths(txs, counted)
  const replaced = new Set(
    Object.entries(txs).flatMap(([id, { tx, own }]) =>
      own && !counted.has(id) ? tx.inputs.map((i) => outPointKey(i.outpoint)) : [],
    ),
  )
  const coins = new Map<string, Coin>()
  const used = new Set<string>()
  const lastUsed = branches.map(() => -1)
  for (const txid of counted) {
    const { tx, height, own } = txs[txid] as WalletTx
    const coinbase = isCoinbase(tx.inputs[0]?.outpoint)
    const contested = tx.inputs.some((i) => replaced.has(outPointKey(i.outpoint)))
    tx.outputs.forEach(({ valueSat, script }, vout) => {
      const path = paths.get(toHex(script))
      if (path === undefined) return
      const outpoint = { txid, vout }
      const key = outPointKey(outpoint)
      const trusted = own && height === null && !contested
      const spentBy = spenders.get(key) ?? null
      const depth = depths.get(txid) ?? 0
      coins.set(key, { outpoint, valueSat, script, path, height, coinbase, trusted, depth, spentBy })
      used.add(`${path.purpose}/${path.change}/${path.index}`)
      const b = branches.findIndex((x) => x.purpose === path.purpose && x.change === path.change)
      lastUsed[b] = Math.max(lastUsed[b] ?? -1, path.index)
    })
  }
  return { counted, coins, lastUsed, used }
}

/**
 * Settles conflicts. Of two transactions that spend one output a confirmed one counts before an unconfirmed one (the lower
 * block first), one of ours before a stranger's (a server could invent the stranger's: only a proved block overrules what
 * we signed), and the later learnt before the earlier (a replacement, BIP 125). What descends from a loser loses too, and
 * so does one of ours whose parent is no longer known: all that we spend was paid to us by something we know.
 */
function resolve(txs: WalletState['txs']): ReadonlySet<Txid> {
  const order = Object.keys(txs).sort(
    (a, b) => priority(txs[a] as WalletTx, txs[b] as WalletTx) || (a < b ? -1 : 1),
  )
  const decided = new Map<Txid, boolean>()
  const spent = new Set<string>()
  for (const root of order) {
    // Parents first, with a stack of our own: chains of unconfirmed transactions may be long.
    const stack = [root]
    for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
      const { tx, own } = txs[id] as WalletTx
      const parents = tx.inputs.map((i) => i.outpoint.txid)
      const undecided = decided.has(id) ? [] : parents.filter((p) => txs[p] !== undefined && !decided.has(p))
      if (undecided.length > 0) {
        stack.push(...undecided)
        continue
      }
      stack.pop()
      if (decided.has(id)) continue
      // All coinbases name the same, empty outpoint: it is nothing that can be spent twice.
      const keys = tx.inputs.filter((i) => !isCoinbase(i.outpoint)).map((i) => outPointKey(i.outpoint))
      const counts = keys.every((k) => !spent.has(k)) && parents.every((p) => decided.get(p) ?? !own)
      decided.set(id, counts)
      if (counts) for (const key of keys) spent.add(key)
    }
  }
  return new Set([...decided].filter(([, counts]) => counts).map(([id]) => id))
}

function priority(a: WalletTx, b: WalletTx): number {
  if (a.height !== null && b.height !== null) return a.height - b.height
  if (a.height !== null) return -1
  if (b.height !== null) return 1
  if (a.own !== b.own) return a.own ? -1 : 1
  return b.seq - a.seq
}

/**
 * For each unconfirmed transaction, one more than the sum over its unconfirmed parents: an upper bound of the package that
 * must confirm with it. `counted` lists parents before children.
 */
function unconfirmedDepths(txs: WalletState['txs'], counted: ReadonlySet<Txid>): ReadonlyMap<Txid, number> {
  const depths = new Map<Txid, number>()
  for (const id of counted) {
    const { tx, height } = txs[id] as WalletTx
    if (height !== null) continue
    const parents = new Set(tx.inputs.map((i) => i.outpoint.txid))
    depths.set(
      id,
      [...parents].reduce((sum, p) => sum + (depths.get(p) ?? 0), 1),
    )
  }
  return depths
}

/**
 * Height of the first block by which one of our transactions has become impossible: it holds another that spends an output which
 * this one, or what this one is built upon, needs. Undefined while it may still confirm.
 */
export function defeatedAt(state: Pick<WalletState, 'txs' | 'branches'>, txid: Txid): number | undefined {
  const { txs } = state
  if (txs[txid] === undefined || ledgerOf(state).counted.has(txid)) return undefined
  const needed = new Map<string, Txid>()
  const seen = new Set<Txid>()
  for (const stack = [txid]; stack.length > 0; ) {
    const id = stack.pop() as Txid
    const known = txs[id]
    if (known === undefined || known.height !== null || seen.has(id)) continue
    seen.add(id)
    for (const { outpoint } of known.tx.inputs) {
      needed.set(outPointKey(outpoint), id)
      stack.push(outpoint.txid)
    }
  }
  let first: number | undefined
  for (const [id, { tx, height }] of Object.entries(txs)) {
    if (height === null || (first !== undefined && first <= height)) continue
    const takes = ({ outpoint }: { readonly outpoint: OutPoint }): boolean =>
      (needed.get(outPointKey(outpoint)) ?? id) !== id
    if (tx.inputs.some(takes)) first = height
  }
  return first
}

function isCoinbase(first: OutPoint | undefined): boolean {
  return first !== undefined && first.vout === 0xffffffff && /^0{64}$/.test(first.txid)
}

/** Whether the next block may hold a spend of the coin; false for a young coinbase and when the tip is unknown. */
export const isMature = (coin: Coin, tipHeight: number | null): boolean =>
  !coin.coinbase ||
  (coin.height !== null && tipHeight !== null && tipHeight + 1 - coin.height >= COINBASE_MATURITY)

/** Outpoints (`txid:vout`) that reservations hold. */
export function reservedOutpoints(state: Pick<WalletState, 'reservations'>): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const r of Object.values(state.reservations))
    for (const input of r.spend.inputs) keys.add(outPointKey(input.outpoint))
  return keys
}

/** Every satoshi of the wallet in exactly one place. */
export interface Balance {
  /** Confirmed, mature, not reserved. */
  readonly confirmedSat: Sat
  /** Unconfirmed, from transactions that we signed (change). */
  readonly trustedSat: Sat
  /** Unconfirmed, from others: shown, never spent. */
  readonly untrustedSat: Sat
  /** Set apart for transactions being made. */
  readonly reservedSat: Sat
  /** Mined by us less than 100 blocks ago. */
  readonly immatureSat: Sat
  /** The sum of the five. */
  readonly totalSat: Sat
}

/** The balance at a tip; `tipHeight` null while unknown (coinbase outputs then count as immature). */
export function balanceOf(state: WalletState, tipHeight: number | null): Balance {
  const reserved = reservedOutpoints(state)
  const sums = { confirmedSat: 0n, trustedSat: 0n, untrustedSat: 0n, reservedSat: 0n, immatureSat: 0n }
  for (const [key, coin] of ledgerOf(state).coins) {
    if (coin.spentBy !== null) continue
    if (reserved.has(key)) sums.reservedSat += coin.valueSat
    else if (!isMature(coin, tipHeight)) sums.immatureSat += coin.valueSat
    else if (coin.height !== null) sums.confirmedSat += coin.valueSat
    else if (coin.trusted) sums.trustedSat += coin.valueSat
    else sums.untrustedSat += coin.valueSat
  }
  return {
    confirmedSat: sat(sums.confirmedSat),
    trustedSat: sat(sums.trustedSat),
    untrustedSat: sat(sums.untrustedSat),
    reservedSat: sat(sums.reservedSat),
    immatureSat: sat(sums.immatureSat),
    totalSat: sat(Object.values(sums).reduce((a, b) => a + b, 0n)),
  }
}

/** A coin with what the user may do with it. */
export interface ListedCoin extends Coin {
  /** Id of the reservation that holds it. */
  readonly reservedFor: string | null
}

/** Unspent coins, oldest first, unconfirmed last. */
export function listCoins(state: WalletState): readonly ListedCoin[] {
  const holders = new Map<string, string>()
  for (const r of Object.values(state.reservations))
    for (const input of r.spend.inputs) holders.set(outPointKey(input.outpoint), r.id)
  return [...ledgerOf(state).coins]
    .filter(([, coin]) => coin.spentBy === null)
    .map(([key, coin]) => ({ ...coin, reservedFor: holders.get(key) ?? null }))
    .sort((a, b) => (a.height ?? Number.MAX_SAFE_INTEGER) - (b.height ?? Number.MAX_SAFE_INTEGER))
}
