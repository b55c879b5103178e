import { type Msat, msat } from '../base/units.ts'
import type { AttemptOutcome, History, PairHistory } from './types.ts'

/** What attempts teach about pairs of nodes, and the chance that follows from it. Pure; `History` is plain data for a record. */

/** Most pairs remembered; the longest unheard of go first. */
export const MAX_PAIRS = 4000

/** After so long half of what was learnt has gone. */
export const HALF_LIFE_MS = 6 * 3600_000

/** Chance that a node forwards at all where liquidity is no question. */
export const BASE_PROBABILITY = 0.99

/**
 * Chance that comes back within seconds to what failed for the moment (temporary_channel_failure): the channel may merely have been full of
 * HTLCs then, whatever its balance. Just enough to be tried where there is no other way.
 */
const FULL_PROBABILITY = 0.02
const FULL_HALF_LIFE_MS = 1_000
/** After so long what failed for the moment is tried again at the latest, where there is no other way. */
export const MOMENT_MS = 3 * FULL_HALF_LIFE_MS

export const emptyHistory: History = { pairs: {} }

export const pairKey = (from: string, to: string): string => `${from}>${to}`

/** Bounds of what lies on the near side of a pair now, in msat: at least and at most. Capacity 0: unknown. */
export function boundsOf(
  pair: PairHistory | undefined,
  capacityMsat: number,
  now: number,
): { readonly lower: number; readonly upper: number } {
  const full = capacityMsat > 0 ? capacityMsat : Number.POSITIVE_INFINITY
  if (pair === undefined) return { lower: 0, upper: full }
  let lower = 0
  let upper = full
  if (pair.passedMsat !== undefined)
    lower = Math.min(full, Number(pair.passedMsat) * left(now, pair.passedAt))
  if (pair.failedMsat !== undefined) {
    const failed = Number(pair.failedMsat)
    const kept = left(now, pair.failedAt)
    // Unknown capacity: the bound doubles with each half-life, and is forgotten in the end.
    upper = full === Number.POSITIVE_INFINITY ? (failed + 1) / kept : failed + (full - failed) * (1 - kept)
    if (upper > full || kept < 0.001) upper = full
  }
  return { lower: Math.min(lower, upper), upper }
}

const left = (now: number, at = 0): number => 2 ** (-Math.max(0, now - at) / HALF_LIFE_MS)

/** Chance that a channel of this capacity carries the amount; what is unknown between the bounds is taken as evenly spread. */
export function probabilityOf(
  amountMsat: number,
  capacityMsat: number,
  pair: PairHistory | undefined,
  now: number,
): number {
  if (pair === undefined) {
    if (capacityMsat <= 0) return BASE_PROBABILITY / 2
    return amountMsat > capacityMsat
      ? 0
      : (BASE_PROBABILITY * (capacityMsat + 1 - amountMsat)) / (capacityMsat + 1)
  }
  if (capacityMsat > 0 && amountMsat > capacityMsat) return 0
  const { lower, upper } = boundsOf(pair, capacityMsat, now)
  if (amountMsat <= lower) return BASE_PROBABILITY
  // Of a failure that said more than that, nothing passes (`failedMsat` is 0).
  const since = Math.max(0, now - (pair.failedAt ?? 0))
  const least = (pair.failedMsat ?? 0n) > 0n ? FULL_PROBABILITY * (1 - 2 ** (-since / FULL_HALF_LIFE_MS)) : 0
  if (amountMsat >= upper) return least
  if (upper === Number.POSITIVE_INFINITY) return BASE_PROBABILITY / 2
  return Math.max(least, (BASE_PROBABILITY * (upper - amountMsat)) / (upper - lower))
}

/** The history after an attempt. Hops of our own channels teach nothing: their balances are known. */
export function learn(history: History, outcome: AttemptOutcome): History {
  const { route, result, at } = outcome
  const pairs: Record<string, PairHistory> = { ...history.pairs }
  if (result.type === 'nodeFailed') {
    for (const hop of route.hops) {
      if (hop.nodeId === result.nodeId || hop.from === result.nodeId) {
        if (hop.known !== 'local') failed(pairs, hop.from, hop.nodeId, msat(0), at)
      }
    }
    return { pairs: bounded(pairs) }
  }
  const reached = result.type === 'arrived' ? route.hops.length : result.failedHop
  route.hops.slice(0, reached).forEach((hop) => {
    if (hop.known === 'local') return
    if (result.type === 'arrived') moved(pairs, hop.from, hop.nodeId, hop.amountMsat, at)
    else passed(pairs, hop.from, hop.nodeId, hop.amountMsat, at)
  })
  const broken = result.type === 'hopFailed' ? route.hops[result.failedHop] : undefined
  if (broken !== undefined && result.type === 'hopFailed' && broken.known !== 'local')
    failed(pairs, broken.from, broken.nodeId, result.any ? msat(0) : broken.amountMsat, at)
  return { pairs: bounded(pairs) }
}

type Pairs = Record<string, PairHistory>

function passed(pairs: Pairs, from: string, to: string, amount: Msat, at: number): void {
  const old = pairs[pairKey(from, to)] ?? { from, to }
  const kept = Number(old.passedMsat ?? 0n) * left(at, old.passedAt)
  const now: PairHistory = {
    ...old,
    passedMsat: kept > Number(amount) ? msat(Math.floor(kept)) : amount,
    passedAt: at,
  }
  // What failed below what passes now has come back.
  pairs[pairKey(from, to)] =
    now.failedMsat !== undefined && now.failedMsat <= amount ? withoutFailure(now) : now
}

function failed(pairs: Pairs, from: string, to: string, amount: Msat, at: number): void {
  const old = pairs[pairKey(from, to)] ?? { from, to }
  const passedMsat = old.passedMsat !== undefined && old.passedMsat >= amount ? amount : old.passedMsat
  pairs[pairKey(from, to)] = {
    ...old,
    ...(passedMsat === undefined ? {} : { passedMsat: passedMsat > 0n ? msat(passedMsat - 1n) : msat(0) }),
    failedMsat: amount,
    failedAt: at,
  }
}

/** It arrived: the amount lies on the other side now. */
function moved(pairs: Pairs, from: string, to: string, amount: Msat, at: number): void {
  passed(pairs, from, to, amount, at)
  const there = pairs[pairKey(from, to)] as PairHistory
  pairs[pairKey(from, to)] = {
    ...there,
    passedMsat: msat((there.passedMsat ?? 0n) - amount),
    ...(there.failedMsat === undefined || there.failedMsat <= amount
      ? {}
      : { failedMsat: msat(there.failedMsat - amount) }),
  }
  passed(pairs, to, from, amount, at)
}

function withoutFailure(pair: PairHistory): PairHistory {
  const { failedMsat: _, failedAt: __, ...rest } = pair
  return rest
}

const lastHeard = (pair: PairHistory): number => Math.max(pair.passedAt ?? 0, pair.failedAt ?? 0)

function bounded(pairs: Pairs): Pairs {
  const keys = Object.keys(pairs)
  if (keys.length <= MAX_PAIRS) return pairs
  const kept = Object.entries(pairs)
    .sort((a, b) => lastHeard(b[1]) - lastHeard(a[1]) || (a[0] < b[0] ? -1 : 1))
    .slice(0, MAX_PAIRS - 200)
  return Object.fromEntries(kept)
}
