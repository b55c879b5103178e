import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { outputSumSat, SEQUENCE_RBF, txidOf, weightOf, withWitness } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { context, foreignScript, fundingScript, testWallet, walletWith } from './fixture.ts'
import { balanceOf, ledgerOf } from './ledger.ts'
import { attachCoins, type FeeRequest, signAttached } from './payer.ts'
import { loadWallet, walletRecords } from './records.ts'
import { release } from './reservations.ts'
import { feeFor } from './select.ts'
import { buildSend, maxSpendable } from './spend.ts'

/** A second stage: one input and one output of 40,000 sat, no fee of its own. */
const stage: Tx = {
  version: 2,
  inputs: [
    { outpoint: { txid: 'ab'.repeat(32), vout: 3 }, scriptSig: new Uint8Array(0), sequence: 1, witness: [] },
  ],
  outputs: [{ valueSat: sat(40_000), script: fundingScript }],
  locktime: 700,
}
const WITNESS = [new Uint8Array(72), new Uint8Array(72), new Uint8Array(140)]
const WEIGHT = weightOf(withWitness(stage, 0, WITNESS))

const request = (changes: Partial<FeeRequest> = {}): FeeRequest => ({
  token: 'claim:x:0',
  tx: stage,
  weight: WEIGHT,
  surplusSat: 0n,
  feeratePerKw: 1_000,
  limitSat: 20_000n,
  ...changes,
})

describe('paying for a claim', () => {
  it('adds the smallest coin that does and change; the rest of the transaction stays, and so do its witnesses', () => {
    const { state, keys } = walletWith([200_000, 9_000, 30_000])
    const attached = attachCoins(state, request(), context)
    if (attached === undefined) throw new Error('coins suffice')
    const { spend } = attached
    expect(spend.inputs.map((i) => i.valueSat)).toEqual([9_000n])
    expect(spend.tx.inputs[0]).toEqual(stage.inputs[0])
    expect(spend.tx.outputs[0]).toEqual(stage.outputs[0])
    expect(spend.tx.locktime).toBe(700)
    expect(spend.tx.inputs[1]?.sequence).toBe(SEQUENCE_RBF)
    const signed = signAttached(withWitness(spend.tx, 0, WITNESS), spend, keys)
    expect(signed.inputs[0]?.witness).toEqual(WITNESS)
    expect(signed.inputs[1]?.witness).toHaveLength(2)
    const fee = 9_000n + 40_000n - outputSumSat(signed)
    expect(fee).toBe(spend.feeSat)
    expect(fee).toBeGreaterThanOrEqual(feeFor(weightOf(signed), 1_000))
    expect(fee - feeFor(weightOf(signed), 1_000)).toBeLessThan(4n)
  })

  it('gives the change to another script when it is asked to', () => {
    const { state } = walletWith([200_000])
    const attached = attachCoins(state, request({ changeScript: foreignScript() }), context)
    const [, change] = attached?.spend.tx.outputs ?? []
    expect(change?.script).toEqual(foreignScript())
    expect(change?.valueSat).toBe(200_000n - (attached?.spend.feeSat ?? 0n))
    expect(attached?.spend.change).toBeUndefined()
  })

  it('takes several coins when none does alone, and leaves out change that would be dust', () => {
    const { state } = walletWith([790, 750, 700])
    const attached = attachCoins(state, request(), context)
    expect(attached?.spend.inputs.map((i) => i.valueSat)).toEqual([790n, 750n])
    expect(attached?.spend.change).toBeUndefined()
    expect(attached?.spend.tx.outputs).toHaveLength(1)
  })

  it('gives nothing and reserves nothing beyond the limit, without coins, or where only dust would come back', () => {
    const { state } = walletWith([200_000])
    expect(attachCoins(state, request({ limitSat: 500n }), context)).toBeUndefined()
    expect(attachCoins(walletWith([500]).state, request(), context)).toBeUndefined()
    const child = { ...stage, outputs: [] }
    expect(attachCoins(walletWith([1_200]).state, request({ tx: child }), context)).toBeUndefined()
    expect(attachCoins(state, request({ feeratePerKw: 1_000_000 }), context)).toBeUndefined()
  })

  it('never takes a stranger’s unconfirmed coin, and a confirmed one before change of our own', () => {
    const { state, keys, chain } = testWallet()
    const script = keys.script({ purpose: 84, change: 0, index: 0 })
    chain.pay(script, 50_000)
    expect(attachCoins(chain.sync(state, keys), request(), context)).toBeUndefined()
    chain.pay(script, 60_000, 900)
    const attached = attachCoins(chain.sync(state, keys), request(), context)
    expect(attached?.spend.inputs.map((i) => i.valueSat)).toEqual([60_000n])
  })

  it('holds its coins and its change address until released: two claims never share one, a send does not touch them', () => {
    const { state } = walletWith([50_000, 60_000])
    const first = attachCoins(state, request(), context)
    const second = first && attachCoins(first.state, request({ token: 'claim:y:1' }), context)
    if (second === undefined) throw new Error('two coins for two claims')
    expect(second.spend.inputs[0]?.outpoint).not.toEqual(first?.spend.inputs[0]?.outpoint)
    expect(second.spend.change?.path.index).not.toBe(first?.spend.change?.path.index)
    expect(maxSpendable(second.state, foreignScript(), 250, context).ok).toBe(false)
    expect(balanceOf(second.state, 1000).reservedSat).toBe(110_000n)
    const freed = release(release(second.state, 'claim:x:0'), 'claim:y:1')
    expect(freed).toEqual(state)
  })

  it('pays more for a replacement with the same coins and change address, also when a server shows what it replaces', () => {
    const { state, keys, chain } = walletWith([50_000, 60_000])
    const first = attachCoins(state, request(), context)
    if (first === undefined) throw new Error('coins suffice')
    const signed = signAttached(first.spend.tx, first.spend, keys)
    chain.add(signed)
    const seen = chain.sync(first.state, keys)
    expect(ledgerOf(seen).counted.has(txidOf(signed))).toBe(true)
    const next = attachCoins(seen, request({ feeratePerKw: 5_000 }), context)
    expect(next?.spend.inputs).toEqual(first.spend.inputs)
    expect(next?.spend.change?.path).toEqual(first.spend.change?.path)
    expect(next?.spend.feeSat).toBeGreaterThan(first.spend.feeSat)
    // Another transaction has its coin in a block: it takes another.
    const { outpoint } = first.spend.inputs[0] ?? {}
    if (outpoint === undefined) throw new Error('a coin')
    chain.remove(txidOf(signed))
    chain.add(
      {
        ...stage,
        inputs: [{ outpoint, scriptSig: new Uint8Array(0), sequence: 0, witness: [Uint8Array.of(1)] }],
      },
      990,
    )
    const other = attachCoins(chain.sync(first.state, keys), request({ feeratePerKw: 5_000 }), context)
    expect(other?.spend.inputs[0]?.outpoint).not.toEqual(outpoint)
  })

  it('survives storage, with the coins still held', () => {
    const { state } = walletWith([50_000])
    const attached = attachCoins(state, request(), context)
    if (attached === undefined) throw new Error('coins suffice')
    const loaded = unwrap(loadWallet(walletRecords(undefined, attached.state)))
    expect(loaded.reservations).toEqual(attached.state.reservations)
    expect(
      buildSend(loaded, [{ script: foreignScript(), amountSat: sat(1_000) }], 250, 'a', context).ok,
    ).toBe(false)
  })
})
