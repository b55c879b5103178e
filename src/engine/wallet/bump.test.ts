import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { txidOf, weightOf } from '../bitcoin/tx.ts'
import { bumpFee } from './bump.ts'
import { context, foreignScript, fundingScript, NOW, walletWith } from './fixture.ts'
import { listTransactions } from './history.ts'
import { balanceOf } from './ledger.ts'
import { commit, release } from './reservations.ts'
import { feeFor } from './select.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend, type Built } from './spend.ts'

const note = { label: 'rent', nowSec: NOW }
const recipient = { script: foreignScript(), amountSat: sat(40_000) }

/** A wallet whose one payment is unconfirmed. */
function sentWallet(amounts: readonly number[], amountSat: 'max' | ReturnType<typeof sat> = sat(40_000)) {
  const wallet = walletWith(amounts)
  const built = unwrap(buildSend(wallet.state, [{ ...recipient, amountSat }], 500, 'a', context))
  const tx = signSpend(built.spend, wallet.keys)
  const txid = wallet.chain.add(tx)
  const committed = unwrap(commit(built.state, wallet.keys, 'a', tx, note)).state
  return { ...wallet, state: wallet.chain.sync(committed, wallet.keys), tx, txid, spend: built.spend }
}

describe('raising the fee of a payment', () => {
  it('pays the same recipients from the same coins, the difference out of the change', () => {
    const { state, keys, txid, spend, chain } = sentWallet([100_000])
    const bumped = unwrap(bumpFee(state, txid, 2000, 'b', context))
    expect(bumped.spend.replaces).toBe(txid)
    expect(bumped.spend.inputs).toEqual(spend.inputs)
    expect(bumped.spend.change?.path).toEqual(spend.change?.path)
    expect(bumped.spend.tx.outputs).toContainEqual({ valueSat: 40_000n, script: foreignScript() })
    expect(bumped.spend.feeSat).toBe(feeFor(bumped.spend.weight, 2000))

    const signed = signSpend(bumped.spend, keys)
    const after = unwrap(commit(bumped.state, keys, 'b', signed, note))
    expect(after.dropped).toEqual([{ txid, kind: 'send', own: true, reason: 'conflict' }])
    expect(balanceOf(after.state, 1000).totalSat).toBe(60_000n - bumped.spend.feeSat)
    // The network replaces, too; then the replacement confirms.
    chain.remove(txid)
    chain.add(signed, 1001)
    const done = chain.sync(after.state, keys)
    expect(listTransactions(done).map((t) => t.status)).toEqual(['replaced', 'confirmed', 'confirmed'])
    expect(balanceOf(done, 1001).confirmedSat).toBe(60_000n - bumped.spend.feeSat)
  })

  it('counts the original after all when that is what a block holds', () => {
    const { state, keys, txid, tx, spend, chain } = sentWallet([100_000])
    const bumped = unwrap(bumpFee(state, txid, 2000, 'b', context))
    const after = unwrap(commit(bumped.state, keys, 'b', signSpend(bumped.spend, keys), note)).state
    chain.add(tx, 1001)
    const done = chain.sync(after, keys)
    expect(balanceOf(done, 1001).confirmedSat).toBe(60_000n - spend.feeSat)
  })

  it('adds confirmed coins to a Max payment that has no change, and says so when there are none', () => {
    const { state, keys, txid, chain } = sentWallet([100_000], 'max')
    expect(bumpFee(state, txid, 2000, 'b', context)).toEqual({
      ok: false,
      error: { code: 'no_coins_for_fee' },
    })
    chain.pay(keys.script({ purpose: 84, change: 0, index: 5 }), 20_000, 900)
    const bumped = unwrap(bumpFee(chain.sync(state, keys), txid, 2000, 'b', context))
    expect(bumped.spend.inputs).toHaveLength(2)
    expect(weightOf(signSpend(bumped.spend, keys))).toBeLessThanOrEqual(bumped.spend.weight)
    expect(bumped.spend.feeSat).toBe(feeFor(bumped.spend.weight, 2000))
  })

  it('asks for as much more as nodes will want to see', () => {
    const { state, txid } = sentWallet([100_000])
    const refused = bumpFee(state, txid, 600, 'b', context)
    if (refused.ok || refused.error.code !== 'feerate_not_higher') throw new Error('expected a refusal')
    // 500 of the original and 250 for the replacement's own relay.
    expect(refused.error.minFeeratePerKw).toBe(750)
    expect(bumpFee(state, txid, 749, 'b', context)).toMatchObject({ error: { code: 'feerate_not_higher' } })
    expect(bumpFee(state, txid, 750, 'b', context).ok).toBe(true)
  })

  it('is refused for a funding transaction', () => {
    const { state, keys } = walletWith([100_000])
    const built = unwrap(buildFunding(state, fundingScript, sat(50_000), 500, 'c', context))
    const tx = signSpend(built.spend, keys)
    const open = unwrap(commit(built.state, keys, 'c', tx, note)).state
    expect(bumpFee(open, txidOf(tx), 5000, 'b', context)).toEqual({
      ok: false,
      error: { code: 'funding_not_replaceable' },
    })
  })

  it('is refused when it would pull the ground from under something else', () => {
    const { state, keys, txid, chain, tx } = sentWallet([100_000])
    const child: Built = unwrap(buildFunding(state, fundingScript, sat(30_000), 500, 'c', context))
    const inUse = { ok: false, error: { code: 'change_in_use' } }
    expect(bumpFee(child.state, txid, 2000, 'b', context)).toEqual(inUse)
    expect(bumpFee(release(child.state, 'c'), txid, 2000, 'b', context).ok).toBe(true)
    const open = unwrap(commit(child.state, keys, 'c', signSpend(child.spend, keys), note)).state
    expect(bumpFee(open, txid, 2000, 'b', context)).toEqual(inUse)

    const bumped = unwrap(bumpFee(state, txid, 2000, 'b', context))
    expect(
      buildSend(bumped.state, [{ ...recipient, amountSat: sat(5000) }], 500, 'd', context),
    ).toMatchObject({
      error: { code: 'insufficient_funds', spendableSat: 0n },
    })
    const again = bumpFee(bumped.state, txid, 3000, 'b2', context)
    expect(again).toEqual({ ok: false, error: { code: 'bump_in_progress' } })
    chain.add(tx, 1001)
    expect(bumpFee(chain.sync(state, keys), txid, 2000, 'b', context)).toEqual({
      ok: false,
      error: { code: 'already_confirmed' },
    })
  })

  it('is refused for what is not known or not ours', () => {
    const { state, keys, chain } = walletWith([100_000])
    const theirs = txidOf(chain.pay(keys.script({ purpose: 84, change: 0, index: 5 }), 20_000))
    const seen = chain.sync(state, keys)
    expect(bumpFee(seen, theirs, 500, 'b', context)).toMatchObject({ error: { code: 'not_ours' } })
    expect(bumpFee(seen, 'f'.repeat(64), 500, 'b', context)).toMatchObject({
      error: { code: 'unknown_transaction' },
    })
  })
})
