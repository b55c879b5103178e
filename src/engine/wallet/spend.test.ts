import { Transaction } from '@scure/btc-signer/transaction.js'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { dustLimitSat } from '../bitcoin/script.ts'
import { outputSumSat, SEQUENCE_RBF, txidOf, weightOf } from '../bitcoin/tx.ts'
import { outPointKey } from '../bitcoin/types.ts'
import { context, foreignScript, fundingScript, NOW, testWallet, walletWith } from './fixture.ts'
import { listTransactions } from './history.ts'
import type { WalletKeys } from './keys.ts'
import { balanceOf, listCoins } from './ledger.ts'
import { commit, findReservation, release } from './reservations.ts'
import { feeFor, perKwFromPerVb } from './select.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend, type Built, DEFAULT_POLICY, maxSpendable } from './spend.ts'
import type { Spend } from './types.ts'

const to = (amountSat: number | bigint | 'max', n = 0) => [
  { script: foreignScript(n), amountSat: amountSat === 'max' ? amountSat : sat(amountSat) },
]

/** What must hold of any spend: sums, order, signalling, and the fee against the signed weight. */
function check({ spend }: Built, keys: WalletKeys, feeratePerKw: number): void {
  const inputSum = spend.inputs.reduce((n, i) => n + i.valueSat, 0n)
  expect(inputSum).toBe(outputSumSat(spend.tx) + spend.feeSat)
  for (const input of spend.tx.inputs) expect(input.sequence).toBe(SEQUENCE_RBF)
  for (const output of spend.tx.outputs)
    expect(output.valueSat).toBeGreaterThanOrEqual(dustLimitSat(output.script))
  const signed = signSpend(spend, keys)
  expect(txidOf(signed)).toBe(txidOf(spend.tx))
  const weight = weightOf(signed)
  expect(weight).toBeLessThanOrEqual(spend.weight)
  expect(weight).toBeGreaterThanOrEqual(spend.weight - 3 * spend.inputs.length)
  expect(spend.feeSat).toBeGreaterThanOrEqual(feeFor(weight, feeratePerKw))
}

describe('sending', () => {
  it('pays the exact fee for the weight, with change to a change address', () => {
    const { state, keys } = walletWith([60_000, 100_000])
    const built = unwrap(buildSend(state, to(30_000), 1000, 'a', context))
    check(built, keys, 1000)
    const { spend } = built
    expect(spend.feeSat).toBe(feeFor(spend.weight, 1000))
    expect(spend.change?.path).toEqual({ purpose: 84, change: 1, index: 0 })
    expect(spend.tx.outputs[spend.outputIndexes[0] ?? -1]).toEqual({
      valueSat: 30_000n,
      script: foreignScript(),
    })
    expect(spend.tx.locktime).toBe(1000)
  })

  it('drops change that would be dust into the fee', () => {
    const { state, keys } = walletWith([100_000])
    const max = unwrap(maxSpendable(state, foreignScript(), 250, context))
    const built = unwrap(buildSend(state, to(max.amountSat - 300n), 250, 'a', context))
    check(built, keys, 250)
    expect(built.spend.change).toBeUndefined()
    expect(built.spend.feeSat).toBe(max.feeSat + 300n)
  })

  it('makes change as soon as it is worth an output', () => {
    const { state, keys } = walletWith([100_000])
    const max = unwrap(maxSpendable(state, foreignScript(), 250, context))
    // One more output of 31 bytes costs 31 sat at 1 sat/vB; 294 is the dust limit.
    const built = unwrap(buildSend(state, to(max.amountSat - 31n - 294n), 250, 'a', context))
    check(built, keys, 250)
    expect(built.spend.change?.valueSat).toBe(294n)
  })

  it('prefers one sufficient coin to a heap of small ones', () => {
    const { state } = walletWith([...Array.from({ length: 19 }, () => 1_000), 500_000])
    const built = unwrap(buildSend(state, to(15_000), 2500, 'a', context))
    expect(built.spend.inputs.map((i) => i.valueSat)).toEqual([500_000n])
  })

  it('pays several recipients and says where each went', () => {
    const { state, keys } = walletWith([100_000])
    const recipients = [...to(9000, 1), ...to(8000, 2), ...to(9000, 3)]
    const built = unwrap(buildSend(state, recipients, 253, 'a', context))
    check(built, keys, 253)
    built.spend.outputIndexes.forEach((at, i) =>
      expect(built.spend.tx.outputs[at]?.script).toEqual(recipients[i]?.script),
    )
  })

  it('spends unconfirmed change of our own, unless told not to, and never a stranger’s unconfirmed coin', () => {
    const { state, keys, chain } = walletWith([100_000])
    const first = unwrap(buildSend(state, to(20_000), 500, 'a', context))
    const signed = signSpend(first.spend, keys)
    const sent = unwrap(commit(first.state, keys, 'a', signed, { label: '', nowSec: NOW })).state
    chain.pay(keys.script({ purpose: 84, change: 0, index: 3 }), 1_000_000)
    const now = chain.sync(sent, keys)
    const careful = { ...context, policy: { ...DEFAULT_POLICY, spendUnconfirmedChange: false } }
    expect(buildSend(now, to(20_000), 500, 'b', context).ok).toBe(true)
    expect(buildSend(now, to(20_000), 500, 'b', careful)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', spendableSat: 0n },
    })
    expect(buildSend(now, to(500_000), 500, 'b', context)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', unconfirmedSat: 1_000_000n },
    })
  })

  it('builds no chain of unconfirmed transactions that nodes would not relay', () => {
    let { state, keys } = walletWith([1_000_000])
    for (let i = 0; i < 25; i++) {
      const built = unwrap(buildSend(state, to(1000), 250, `s${i}`, context))
      const tx = signSpend(built.spend, keys)
      state = unwrap(commit(built.state, keys, `s${i}`, tx, { label: '', nowSec: NOW })).state
    }
    const refused = buildSend(state, to(1000), 250, 'last', context)
    expect(refused).toMatchObject({ ok: false, error: { code: 'insufficient_funds', spendableSat: 0n } })
    if (!refused.ok && refused.error.code === 'insufficient_funds')
      expect(refused.error.unconfirmedSat).toBe(balanceOf(state, 1000).trustedSat)
  })

  it('names the spendable amount when there is too little, and that amount then works', () => {
    const { state, keys } = walletWith([40_000, 30_000])
    const refused = buildSend(state, to(70_000), 1000, 'a', context)
    if (refused.ok || refused.error.code !== 'insufficient_funds') throw new Error('expected a refusal')
    const built = unwrap(buildSend(state, to(refused.error.spendableSat), 1000, 'a', context))
    check(built, keys, 1000)
    expect(built.spend.inputs).toHaveLength(2)
  })

  it.each([
    ['dust', to(293), 500, { code: 'amount_below_dust', dustLimitSat: 294n }],
    ['zero', to(0), 500, { code: 'amount_out_of_range' }],
    ['more than there can be', to(2_100_000_000_000_001n), 500, { code: 'amount_out_of_range' }],
    ['nobody', [], 500, { code: 'no_recipients' }],
    ['Max for two', [...to('max'), ...to(1000)], 500, { code: 'max_needs_one_recipient' }],
    ['a feerate below relay', to(1000), 24, { code: 'feerate_too_low', minFeeratePerKw: 25 }],
    ['a feerate that is no integer', to(1000), 250.5, { code: 'feerate_too_low', minFeeratePerKw: 25 }],
    ['an absurd feerate', to(1000), 500_001, { code: 'feerate_too_high', maxFeeratePerKw: 500_000 }],
  ] as const)('refuses %s', (_, recipients, feerate, error) => {
    const { state } = walletWith([100_000])
    expect(buildSend(state, recipients, feerate, 'a', context)).toEqual({ ok: false, error })
  })

  it('refuses a fee above the ceiling, whatever the feerate', () => {
    const { state } = walletWith(Array.from({ length: 20 }, () => 10_000_000))
    const policy = { ...DEFAULT_POLICY, maxFeeSat: sat(100_000) }
    const result = buildSend(state, to(190_000_000), 100_000, 'a', { ...context, policy })
    expect(result).toMatchObject({ ok: false, error: { code: 'fee_above_ceiling', maxFeeSat: 100_000n } })
    const max = maxSpendable(state, foreignScript(), 100_000, { ...context, policy })
    expect(max).toMatchObject({ ok: false, error: { code: 'fee_above_ceiling' } })
  })

  it('signs the same bytes again, as the library does for both kinds of input', () => {
    const { state, keys, chain } = testWallet(0, [84, 86])
    chain.pay(keys.script({ purpose: 84, change: 0, index: 0 }), 50_000, 10)
    chain.pay(keys.script({ purpose: 86, change: 0, index: 4 }), 40_000, 11)
    const built = unwrap(buildSend(chain.sync(state, keys), to('max'), 700, 'a', context))
    check(built, keys, 700)
    const signed = signSpend(built.spend, keys)
    expect(signSpend(built.spend, keys)).toEqual(signed)
    const oracle = librarySigned(built.spend, keys)
    built.spend.inputs.forEach((input, i) => {
      // Taproot outputs are signed for with the tweaked key here and with the untweaked one there; both verify.
      if (input.path.purpose === 84) expect(signed.inputs[i]?.witness).toEqual(oracle[i])
      else expect(signed.inputs[i]?.witness[0]).toHaveLength(oracle[i]?.[0]?.length ?? -1)
    })
  })

  it('will not sign for a coin under another key', () => {
    const { state } = walletWith([100_000])
    const built = unwrap(buildSend(state, to(20_000), 500, 'a', context))
    expect(() => signSpend(built.spend, walletWith([], 1).keys)).toThrow(/key of each input/)
  })

  it('converts sat/vB', () => {
    expect([1, 1.01, 0.1, 50].map(perKwFromPerVb)).toEqual([250, 253, 25, 12_500])
  })
})

/** P2WPKH witnesses as @scure/btc-signer makes them for the same transaction. */
function librarySigned({ tx, inputs }: Spend, keys: WalletKeys): (readonly Uint8Array[])[] {
  const library = new Transaction({ version: tx.version, lockTime: tx.locktime })
  inputs.forEach((input, i) => {
    library.addInput({
      txid: fromHex(input.outpoint.txid),
      index: input.outpoint.vout,
      sequence: tx.inputs[i]?.sequence ?? 0,
      witnessUtxo: { script: input.script, amount: input.valueSat },
    })
  })
  for (const o of tx.outputs) library.addOutput({ script: o.script, amount: o.valueSat })
  return inputs.map((input, i) => {
    if (input.path.purpose === 86) return [new Uint8Array(64)]
    library.signIdx(keys.secret(input.path), i)
    library.finalizeIdx(i)
    return library.getInput(i).finalScriptWitness ?? []
  })
}

describe('exact Max', () => {
  it('spends every economic coin, leaves nothing and pays the exact fee', () => {
    const { state, keys } = walletWith([100_000, 2_000, 50, 777])
    const max = unwrap(maxSpendable(state, foreignScript(), 1000, context))
    expect(max.coins).toBe(3)
    for (const amountSat of ['max', max.amountSat] as const) {
      const built = unwrap(buildSend(state, to(amountSat), 1000, 'a', context))
      check(built, keys, 1000)
      expect(built.spend.change).toBeUndefined()
      expect(built.spend.feeSat).toBe(max.feeSat)
      expect(built.spend.feeSat).toBe(feeFor(built.spend.weight, 1000))
      expect(outputSumSat(built.spend.tx)).toBe(max.amountSat)
    }
    expect(buildSend(state, to(max.amountSat + 1n), 1000, 'a', context)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', spendableSat: max.amountSat },
    })
  })

  it('says there is nothing to spend when coins do not pay for themselves', () => {
    const { state } = walletWith([300, 400])
    expect(maxSpendable(state, foreignScript(), 5000, context)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', spendableSat: 0n },
    })
  })

  it('takes no more coins than nodes relay in one transaction, and says so', () => {
    const { state } = walletWith(Array.from({ length: 1_500 }, (_, i) => 10_000 + i))
    const max = unwrap(maxSpendable(state, foreignScript(), 1000, context))
    expect(max.coins).toBe(1_400)
    const { spend } = unwrap(buildSend(state, to('max'), 1000, 'a', context))
    expect(spend.weight).toBeLessThanOrEqual(400_000)
    expect(buildSend(state, to(max.amountSat + 1n), 1000, 'a', context)).toMatchObject({
      error: { code: 'too_many_coins', maxInputs: 1_400 },
    })
  })

  it('leaves reserved coins alone', () => {
    const { state } = walletWith([100_000, 50_000])
    const built = unwrap(buildSend(state, to(80_000), 500, 'a', context))
    const max = unwrap(maxSpendable(built.state, foreignScript(), 500, context))
    expect(max.coins).toBe(1)
    expect(max.amountSat).toBeLessThan(50_000n)
    expect(balanceOf(built.state, 1000).reservedSat).toBe(100_000n)
  })
})

describe('funding a channel', () => {
  it('knows the funding outpoint before anything is signed', () => {
    const { state, keys } = walletWith([300_000])
    const built = unwrap(buildFunding(state, fundingScript, sat(200_000), 1000, 'chan-1', context))
    check(built, keys, 1000)
    const output = built.spend.tx.outputs[built.spend.outputIndexes[0] ?? -1]
    expect(output).toEqual({ valueSat: 200_000n, script: fundingScript })
    expect(findReservation(built.state, 'chan-1')?.purpose).toBe('funding')
  })

  it('never gives one coin to two openings at once, and frees the coins of a cancelled one', () => {
    const { state } = walletWith([150_000, 150_000, 150_000])
    const first = unwrap(buildFunding(state, fundingScript, sat(100_000), 500, 'one', context))
    const second = unwrap(buildFunding(first.state, fundingScript, sat(140_000), 500, 'two', context))
    const used = [...first.spend.inputs, ...second.spend.inputs].map((i) => outPointKey(i.outpoint))
    expect(new Set(used).size).toBe(used.length)
    expect(first.spend.change?.path).not.toEqual(second.spend.change?.path)
    const third = buildFunding(second.state, fundingScript, sat(200_000), 500, 'three', context)
    expect(third).toMatchObject({ ok: false, error: { code: 'insufficient_funds', reservedSat: 300_000n } })
    const freed = release(second.state, 'one')
    expect(buildFunding(freed, fundingScript, sat(200_000), 500, 'three', context).ok).toBe(true)
    expect(listCoins(freed).filter((c) => c.reservedFor === 'two')).toHaveLength(1)
  })

  it('takes an amount equal to Max', () => {
    const { state, keys } = walletWith([123_456, 65_432])
    const max = unwrap(maxSpendable(state, fundingScript, 777, context))
    const built = unwrap(buildFunding(state, fundingScript, max.amountSat, 777, 'c', context))
    check(built, keys, 777)
    expect(built.spend.tx.outputs).toHaveLength(1)
  })

  it('uses the change address of a cancelled opening again, so that no gap grows', () => {
    let { state } = walletWith([150_000])
    for (let i = 0; i < 50; i++) {
      const built = unwrap(buildFunding(state, fundingScript, sat(50_000), 500, `c${i}`, context))
      expect(built.spend.change?.path.index).toBe(0)
      state = release(built.state, `c${i}`)
    }
  })

  it('refuses an id that is taken or could not be a key', () => {
    const { state } = walletWith([150_000, 150_000])
    const built = unwrap(buildFunding(state, fundingScript, sat(50_000), 500, 'x', context))
    const again = buildFunding(built.state, fundingScript, sat(50_000), 500, 'x', context)
    expect(again).toEqual({ ok: false, error: { code: 'reservation_id_taken' } })
    for (const id of ['', '__proto__', 'a/b', 'x'.repeat(101)])
      expect(buildFunding(state, fundingScript, sat(50_000), 500, id, context)).toEqual({
        ok: false,
        error: { code: 'reservation_id_invalid' },
      })
  })
})

describe('committing', () => {
  const built = (state = walletWith([100_000]).state) =>
    unwrap(buildFunding(state, fundingScript, sat(50_000), 500, 'chan', context))

  it('turns the reservation into a transaction of ours, once', () => {
    const { state, keys } = walletWith([100_000])
    const { state: reserved, spend } = built(state)
    const signed = signSpend(spend, keys)
    const note = { label: 'to ada', nowSec: NOW }
    const done = unwrap(commit(reserved, keys, 'chan', signed, note))
    expect(done.state.reservations).toEqual({})
    expect(listTransactions(done.state)[0]).toMatchObject({
      txid: txidOf(signed),
      kind: 'funding',
      label: 'to ada',
      feeSat: spend.feeSat,
      status: 'unseen',
    })
    expect(balanceOf(done.state, 1000)).toMatchObject({
      confirmedSat: 0n,
      trustedSat: 50_000n - spend.feeSat,
      totalSat: 50_000n - spend.feeSat,
    })
    expect(unwrap(commit(done.state, keys, 'chan', signed, note)).state).toBe(done.state)
  })

  it('refuses a transaction that was not reserved for, or is unsigned', () => {
    const { state, keys } = walletWith([100_000])
    const { state: reserved, spend } = built(state)
    const note = { label: '', nowSec: NOW }
    const signed = signSpend(spend, keys)
    expect(commit(reserved, keys, 'other', signed, note)).toEqual({ ok: false, error: 'no_reservation' })
    expect(commit(reserved, keys, 'chan', spend.tx, note)).toEqual({ ok: false, error: 'not_signed' })
    const changed = { ...signed, locktime: 7 }
    expect(commit(reserved, keys, 'chan', changed, note)).toEqual({
      ok: false,
      error: 'not_the_reserved_transaction',
    })
  })
})

describe('a reserve', () => {
  const kept = { ...context, reserveSat: sat(10_000) }

  it('is left behind by Max, to the satoshi, and refuses what would touch it', () => {
    const { state, keys } = walletWith([60_000, 100_000])
    const max = unwrap(maxSpendable(state, foreignScript(), 1000, kept))
    const built = unwrap(buildSend(state, to('max'), 1000, 'a', kept))
    check(built, keys, 1000)
    expect(max.amountSat + max.feeSat).toBe(150_000n)
    expect(built.spend.change?.valueSat).toBe(10_000n)
    expect(built.spend.tx.outputs[built.spend.outputIndexes[0] ?? -1]?.valueSat).toBe(max.amountSat)
    expect(buildSend(state, to(max.amountSat + 1n), 1000, 'a', kept)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', spendableSat: max.amountSat },
    })
    expect(buildFunding(state, fundingScript, sat(149_900), 1000, 'a', kept).ok).toBe(false)
    expect(buildFunding(state, fundingScript, sat(148_000), 1000, 'a', kept).ok).toBe(true)
  })

  it('leaves nothing to spend where there is no more than it', () => {
    const { state } = walletWith([9_000])
    expect(maxSpendable(state, foreignScript(), 250, kept)).toMatchObject({
      ok: false,
      error: { code: 'insufficient_funds', spendableSat: 0n },
    })
  })
})
