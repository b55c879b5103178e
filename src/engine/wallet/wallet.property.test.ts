import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { outputSumSat, txidOf, weightOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx, type Txid } from '../bitcoin/types.ts'
import { bumpFee } from './bump.ts'
import { applyScriptHistory, emptyWallet, newAddress } from './coins.ts'
import {
  context,
  type FakeChain,
  fakeChain,
  foreignScript,
  fundingScript,
  NOW,
  REGTEST,
  testWords,
  walletWith,
} from './fixture.ts'
import { walletKeys } from './keys.ts'
import { balanceOf, ledgerOf, listCoins } from './ledger.ts'
import { loadWallet, type WalletRecord, walletRecords } from './records.ts'
import { commit, release } from './reservations.ts'
import { feeFor, perKwFromPerVb } from './select.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend, maxSpendable } from './spend.ts'
import type { WalletState } from './types.ts'
import { parseWords, seedFromWords } from './words.ts'

const { words, keys } = testWords()

/** What the network does with a transaction: conflicting unconfirmed ones give way, confirmed ones do not. */
function broadcast(chain: FakeChain, tx: Tx): void {
  const spends = new Set(tx.inputs.map((i) => outPointKey(i.outpoint)))
  const rivals = [...chain.txs].filter(
    ([id, t]) => id !== txidOf(tx) && t.tx.inputs.some((i) => spends.has(outPointKey(i.outpoint))),
  )
  if (rivals.some(([, t]) => t.height !== null)) return
  if (tx.inputs.some((i) => !chain.txs.has(i.outpoint.txid))) return
  for (const [id] of rivals) evict(chain, id)
  chain.add(tx)
}

/** Takes a transaction and all that descends from it out of the chain and the mempool. */
function evict(chain: FakeChain, txid: Txid): void {
  chain.remove(txid)
  for (const [id, t] of chain.txs) if (t.tx.inputs.some((i) => i.outpoint.txid === txid)) evict(chain, id)
}

/** Unconfirms a transaction and what descends from it, as a reorg does. */
function unconfirm(chain: FakeChain, txid: Txid): void {
  const known = chain.txs.get(txid)
  if (known === undefined) return
  chain.add(known.tx, null)
  for (const [id, t] of chain.txs) if (t.tx.inputs.some((i) => i.outpoint.txid === txid)) unconfirm(chain, id)
}

/** Confirms a transaction with all its ancestors. */
function confirm(chain: FakeChain, txid: Txid, height: number): void {
  const known = chain.txs.get(txid)
  if (known === undefined || known.height !== null) return
  for (const i of known.tx.inputs) confirm(chain, i.outpoint.txid, height)
  chain.add(known.tx, height)
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('pay' as const),
      n: fc.nat(30),
      amount: fc.integer({ min: 300, max: 90_000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('confirm' as const), n: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reorg' as const), n: fc.nat(50) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('vanish' as const), n: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('see' as const), n: fc.nat(100) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'address' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('send' as const, 'fund' as const),
      amount: fc.integer({ min: 330, max: 150_000 }),
      feerate: fc.integer({ min: 25, max: 4000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('bump' as const),
      n: fc.nat(50),
      feerate: fc.integer({ min: 500, max: 9000 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('release' as const), n: fc.nat(10) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('commit' as const), n: fc.nat(10) }) },
  { weight: 2, arbitrary: fc.constant({ do: 'sync' as const }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

const pick = <T>(items: readonly T[], n: number): T | undefined => items[n % Math.max(1, items.length)]

function run(chain: FakeChain, state: WalletState, s: Step, height: number): WalletState {
  const reservations = Object.values(state.reservations)
  const id = `r${height}`
  switch (s.do) {
    case 'pay':
      chain.pay(keys.script({ purpose: 84, change: 0, index: s.n % 20 }), s.amount)
      return state
    case 'confirm': {
      const chosen = pick([...chain.txs.keys()], s.n)
      if (chosen !== undefined) confirm(chain, chosen, height)
      return state
    }
    case 'reorg': {
      const chosen = pick([...chain.txs.keys()], s.n)
      if (chosen !== undefined) unconfirm(chain, chosen)
      return state
    }
    case 'vanish': {
      const own = (txid: Txid) => state.txs[txid]?.own === true
      const loose = [...chain.txs].filter(([txid, t]) => t.height === null && !own(txid))
      const chosen = pick(loose, s.n)
      if (chosen !== undefined) evict(chain, chosen[0])
      return state
    }
    case 'see': {
      const script = pick(
        state.branches.flatMap((b) => b.scripts),
        s.n,
      )
      if (script === undefined) return state
      return unwrap(applyScriptHistory(state, keys, script, chain.history(script), NOW)).state
    }
    case 'address':
      return newAddress(state, keys).state
    case 'send':
    case 'fund': {
      const built =
        s.do === 'fund'
          ? buildFunding(state, fundingScript, sat(s.amount), s.feerate, id, context)
          : buildSend(state, [{ script: foreignScript(), amountSat: sat(s.amount) }], s.feerate, id, context)
      return built.ok ? built.value.state : state
    }
    case 'bump': {
      const chosen = pick(Object.keys(state.txs), s.n)
      const built = chosen === undefined ? undefined : bumpFee(state, chosen, s.feerate, id, context)
      return built?.ok ? built.value.state : state
    }
    case 'release': {
      const chosen = pick(reservations, s.n)
      return chosen === undefined ? state : release(state, chosen.id)
    }
    case 'commit': {
      const chosen = pick(reservations, s.n)
      if (chosen === undefined) return state
      const tx = signSpend(chosen.spend, keys)
      broadcast(chain, tx)
      return unwrap(commit(state, keys, chosen.id, tx, { label: '', nowSec: NOW })).state
    }
    case 'sync':
      return chain.sync(state, keys)
  }
}

/** What may never fail to hold, whatever happened. */
function invariants(state: WalletState): void {
  const reserved = Object.values(state.reservations).flatMap((r) =>
    r.spend.inputs.map((i) => outPointKey(i.outpoint)),
  )
  expect(new Set(reserved).size).toBe(reserved.length)
  const changes = Object.values(state.reservations).flatMap((r) =>
    r.spend.change ? [r.spend.change.path.index] : [],
  )
  expect(new Set(changes).size).toBe(changes.length)
  for (const { spend } of Object.values(state.reservations)) {
    const paid = spend.inputs.reduce((n, i) => n + i.valueSat, 0n)
    expect(paid).toBe(outputSumSat(spend.tx) + spend.feeSat)
  }
  const { counted, coins } = ledgerOf(state)
  const spent = [...counted].flatMap(
    (id) => state.txs[id]?.tx.inputs.map((i) => outPointKey(i.outpoint)) ?? [],
  )
  expect(new Set(spent).size).toBe(spent.length)
  const held = listCoins(state).reduce((n, c) => n + c.valueSat, 0n)
  expect(balanceOf(state, 1000).totalSat).toBe(held)
  for (const coin of coins.values()) if (coin.spentBy !== null) expect(counted.has(coin.spentBy)).toBe(true)
}

// Searching takes seconds on a busy machine; finding nothing is no failure.
const SLOW = 120_000

describe('any sequence of payments, openings, cancellations, confirmations and reorgs', {
  timeout: SLOW,
}, () => {
  it('keeps coins apart and sums right, loses no record, and restores to the same balance', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 70, size: 'max' }), (steps) => {
        const chain = fakeChain()
        // Something to begin with, so that few steps are wasted on an empty wallet.
        for (let i = 0; i < 5; i++)
          chain.pay(keys.script({ purpose: 84, change: 0, index: i }), 70_000 + i, 90)
        let state = chain.sync(emptyWallet('regtest'), keys)
        const disk = new Map<string, WalletRecord>()
        const write = (before: WalletState | undefined) => {
          for (const r of walletRecords(before, state)) {
            if (r.value === null) disk.delete(r.key)
            else disk.set(r.key, r)
          }
        }
        write(undefined)
        steps.forEach((s, i) => {
          const before = state
          state = run(chain, state, s, 100 + i)
          invariants(state)
          write(before)
        })
        expect(unwrap(loadWallet([...disk.values()]))).toEqual(state)

        state = chain.sync(state, keys)
        invariants(state)
        const restored = chain.sync(emptyWallet('regtest'), keys)
        expect(balanceOf(restored, 1000).totalSat).toBe(balanceOf(state, 1000).totalSat)
      }),
      { numRuns: 80 },
    )
  })

  it('restores the same keys from the words as typed', () => {
    const typed = unwrap(parseWords(words.join('  ').toUpperCase()))
    const again = walletKeys(seedFromWords(typed), REGTEST)
    const path = { purpose: 84, change: 1, index: 12 } as const
    expect(again.address(path)).toBe(keys.address(path))
  })
})

describe('money is conserved', { timeout: SLOW }, () => {
  const amounts = fc.array(fc.integer({ min: 200, max: 3_000_000 }), { minLength: 1, maxLength: 12 })
  const feerate = fc.integer({ min: 25, max: 30_000 })

  it('Max is exact: it can be sent with the exact fee, and a satoshi more cannot', () => {
    fc.assert(
      fc.property(amounts, feerate, (coins, rate) => {
        const wallet = walletWith(coins)
        const script = foreignScript()
        const max = maxSpendable(wallet.state, script, rate, context)
        if (!max.ok) return
        const { amountSat, feeSat } = max.value
        const send = (n: bigint) =>
          buildSend(wallet.state, [{ script, amountSat: sat(n) }], rate, 'm', context)
        const { spend } = unwrap(send(amountSat))
        expect(spend.tx.outputs).toEqual([{ valueSat: amountSat, script }])
        expect([spend.feeSat, spend.feeSat]).toEqual([feeSat, feeFor(spend.weight, rate)])
        expect(send(amountSat + 1n)).toMatchObject({
          error: { code: 'insufficient_funds', spendableSat: amountSat },
        })
      }),
      { numRuns: 60 },
    )
  })

  it('any amount up to Max can be sent; inputs = outputs + fee; the fee covers the signed weight and wastes no more than dust', () => {
    fc.assert(
      fc.property(amounts, feerate, fc.double({ min: 0, max: 1, noNaN: true }), (coins, rate, part) => {
        const wallet = walletWith(coins)
        const script = foreignScript()
        const max = maxSpendable(wallet.state, script, rate, context)
        if (!max.ok) return
        const least = 294
        const amountSat = sat(least + Math.floor(part * (Number(max.value.amountSat) - least)))
        const { spend } = unwrap(buildSend(wallet.state, [{ script, amountSat }], rate, 'p', context))
        const paid = spend.inputs.reduce((n, i) => n + i.valueSat, 0n)
        expect(paid).toBe(outputSumSat(spend.tx) + spend.feeSat)
        const weight = weightOf(signSpend(spend, wallet.keys))
        expect(weight).toBeLessThanOrEqual(spend.weight)
        const exact = feeFor(spend.weight, rate)
        const waste = spend.change ? 0n : 294n + feeFor(124, rate)
        expect(spend.feeSat).toBeGreaterThanOrEqual(exact)
        expect(spend.feeSat).toBeLessThanOrEqual(exact + waste)
      }),
      { numRuns: 40 },
    )
  })

  it('sat/vB never becomes less than asked', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.1, max: 2000, noNaN: true }), (rate) => {
        expect(perKwFromPerVb(rate) / 250).toBeGreaterThanOrEqual(rate)
        expect(perKwFromPerVb(rate) / 250).toBeLessThan(rate + 0.0041)
      }),
    )
  })
})
