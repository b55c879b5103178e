import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { type Sat, sat } from '../base/units.ts'
import { txidOf, weightOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { bumpByChild, childSource } from './child.ts'
import { context, foreignScript, fundingScript, NOW, walletWith } from './fixture.ts'
import { balanceOf } from './ledger.ts'
import { commit, release } from './reservations.ts'
import { feeFor } from './select.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend, type Built, maxSpendable } from './spend.ts'

type Wallet = ReturnType<typeof walletWith>

function sent(wallet: Wallet, built: Built, id: string, kind?: 'child'): { wallet: Wallet; tx: Tx } {
  const tx = signSpend(built.spend, wallet.keys)
  const note = { label: 'x', nowSec: NOW, ...(kind === undefined ? {} : { kind }) }
  const state = unwrap(commit(built.state, wallet.keys, id, tx, note)).state
  if (built.spend.replaces !== undefined) wallet.chain.remove(built.spend.replaces)
  wallet.chain.add(tx)
  return { wallet: { ...wallet, state: wallet.chain.sync(state, wallet.keys) }, tx }
}

/** A wallet whose funding transaction waits, at 250 sat per 1000 weight. */
function funded(coins: number[], amountSat: Sat = sat(50_000)) {
  const start = walletWith(coins)
  const built = unwrap(buildFunding(start.state, fundingScript, amountSat, 250, 'f', context))
  return { ...sent(start, built, 'f'), fee: built.spend.feeSat }
}

const fees = (state: Wallet['state'], tx: Tx): bigint => state.txs[txidOf(tx)]?.feeSat ?? 0n

describe('a child that pays for a funding transaction', () => {
  it('brings both together to the feerate, out of the change', () => {
    const { wallet, tx, fee } = funded([100_000])
    const built = unwrap(bumpByChild(wallet.state, txidOf(tx), 5_000, 'c', context))
    expect(built.spend.tx.inputs.map((i) => i.outpoint.txid)).toEqual([txidOf(tx)])
    expect(built.spend.tx.outputs).toHaveLength(1)
    expect(fee + built.spend.feeSat).toBe(feeFor(weightOf(tx) + built.spend.weight, 5_000))
    const { wallet: after } = sent(wallet, built, 'c', 'child')
    // The funding transaction still counts, and what the child left is ours.
    expect(after.state.txs[txidOf(tx)]?.kind).toBe('funding')
    expect(balanceOf(after.state, 1000).totalSat).toBe(100_000n - 50_000n - fee - built.spend.feeSat)
  })

  it('is replaced by a better one, which pays for its own relay too', () => {
    const { wallet, tx, fee } = funded([100_000])
    const first = unwrap(bumpByChild(wallet.state, txidOf(tx), 2_000, 'c', context))
    const { wallet: once, tx: child } = sent(wallet, first, 'c', 'child')
    const second = unwrap(bumpByChild(once.state, txidOf(tx), 6_000, 'd', context))
    expect(second.spend.replaces).toBe(txidOf(child))
    expect(fee + second.spend.feeSat).toBe(feeFor(weightOf(tx) + second.spend.weight, 6_000))
    expect(second.spend.feeSat).toBeGreaterThanOrEqual(
      fees(once.state, child) + feeFor(second.spend.weight, 250),
    )
    const { wallet: twice } = sent(once, second, 'd', 'child')
    expect(balanceOf(twice.state, 1000).totalSat).toBe(50_000n - fee - second.spend.feeSat)
    // Hardly more than before is not worth a replacement: the least is told, and it suffices.
    const little = bumpByChild(twice.state, txidOf(tx), 6_001, 'e', context)
    if (little.ok || little.error.code !== 'feerate_not_higher') throw new Error('refused by its feerate')
    const least = little.error.minFeeratePerKw
    expect(bumpByChild(twice.state, txidOf(tx), least, 'e', context).ok).toBe(true)
    expect(bumpByChild(twice.state, txidOf(tx), least - 5, 'e', context).ok).toBe(false)
  })

  it('adds confirmed coins where the change is too small, and says so when there are none', () => {
    const small = funded([52_000, 40_000])
    expect(small.tx.inputs).toHaveLength(1)
    const built = unwrap(bumpByChild(small.wallet.state, txidOf(small.tx), 20_000, 'c', context))
    expect(built.spend.inputs).toHaveLength(2)
    expect(small.fee + built.spend.feeSat).toBe(feeFor(weightOf(small.tx) + built.spend.weight, 20_000))
    const alone = funded([52_000])
    expect(bumpByChild(alone.wallet.state, txidOf(alone.tx), 20_000, 'c', context)).toEqual({
      ok: false,
      error: { code: 'no_coins_for_fee' },
    })
  })

  it('pays for unconfirmed parents below as well', () => {
    const start = walletWith([200_000])
    const send = unwrap(
      buildSend(start.state, [{ script: foreignScript(), amountSat: sat(10_000) }], 250, 's', context),
    )
    const { wallet, tx: parent } = sent(start, send, 's')
    const opening = unwrap(buildFunding(wallet.state, fundingScript, sat(50_000), 250, 'f', context))
    const { wallet: both, tx } = sent(wallet, opening, 'f')
    const built = unwrap(bumpByChild(both.state, txidOf(tx), 3_000, 'c', context))
    const weight = weightOf(parent) + weightOf(tx) + built.spend.weight
    expect(send.spend.feeSat + opening.spend.feeSat + built.spend.feeSat).toBe(feeFor(weight, 3_000))
  })

  it('spends what was built on the change, where the change is spent', () => {
    const { wallet, tx } = funded([200_000])
    const send = unwrap(
      buildSend(wallet.state, [{ script: foreignScript(), amountSat: sat(10_000) }], 250, 's', context),
    )
    const { wallet: later, tx: next } = sent(wallet, send, 's')
    const built = unwrap(bumpByChild(later.state, txidOf(tx), 3_000, 'c', context))
    expect(built.spend.tx.inputs.map((i) => i.outpoint.txid)).toEqual([txidOf(next)])
  })

  it('is refused for what is mined, unknown, of others, without change, or with its change set apart', () => {
    const { wallet, tx } = funded([100_000])
    const code = (state: Wallet['state'], txid = txidOf(tx)) => {
      const built = bumpByChild(state, txid, 5_000, 'c', context)
      return built.ok ? 'built' : built.error.code
    }
    expect(code(wallet.state, 'ab'.repeat(32))).toBe('unknown_transaction')
    expect(code(wallet.state, Object.keys(wallet.state.txs).find((id) => id !== txidOf(tx)) ?? '')).toBe(
      'not_ours',
    )
    const aside = unwrap(buildFunding(wallet.state, fundingScript, sat(20_000), 250, 'g', context))
    expect(code(aside.state)).toBe('no_change')
    expect(code(release(aside.state, 'g'))).toBe('built')
    const start = walletWith([100_000])
    const all = unwrap(maxSpendable(start.state, fundingScript, 250, context)).amountSat
    const whole = funded([100_000], all)
    expect(childSource(whole.wallet.state, txidOf(whole.tx))).toBeUndefined()
    expect(code(whole.wallet.state, txidOf(whole.tx))).toBe('no_change')
    wallet.chain.add(tx, 1001)
    expect(code(wallet.chain.sync(wallet.state, wallet.keys))).toBe('already_confirmed')
  })
})
