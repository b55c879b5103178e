import { decode, encode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { encodeTx, txidOf } from '../bitcoin/tx.ts'
import { newAddress } from './coins.ts'
import { context, foreignScript, fundingScript, NOW, testWallet, walletWith } from './fixture.ts'
import { loadWallet, type WalletRecord, walletRecords } from './records.ts'
import { commit, release } from './reservations.ts'
import { signSpend } from './sign.ts'
import { buildFunding, buildSend } from './spend.ts'
import type { WalletState } from './types.ts'

/** A store that keeps records as the real one does: MessagePack with bigints. */
function store() {
  const held = new Map<string, Uint8Array>()
  return {
    write(records: readonly WalletRecord[]) {
      for (const r of records) {
        if (r.value === null) held.delete(r.key)
        else held.set(r.key, encode([r.version, r.value], { useBigInt64: true }))
      }
    },
    read: (): WalletRecord[] =>
      [...held].map(([key, data]) => {
        const [version, value] = decode(data, { useBigInt64: true }) as [number, WalletRecord['value']]
        return { key, version, value }
      }),
    keys: () => [...held.keys()],
  }
}

/** Every step of a wallet's life that the records must follow. */
function life(): readonly WalletState[] {
  const { state: first, keys, chain } = testWallet(0, [84, 86])
  const states = [first]
  let state = first
  const to = (next: WalletState) => {
    state = next
    states.push(state)
  }
  to(newAddress(state, keys).state)
  chain.pay(keys.script({ purpose: 84, change: 0, index: 0 }), 200_000, 10)
  chain.pay(keys.script({ purpose: 86, change: 0, index: 17 }), 90_000)
  to(chain.sync(state, keys))
  const opening = unwrap(buildFunding(state, fundingScript, sat(50_000), 500, 'open:1', context))
  to(opening.state)
  to(release(state, 'open:1'))
  const send = unwrap(
    buildSend(state, [{ script: foreignScript(), amountSat: 'max' }], 500, 'send.1', context),
  )
  to(send.state)
  const signed = signSpend(send.spend, keys)
  to(unwrap(commit(state, keys, 'send.1', signed, { label: 'all of it', nowSec: NOW })).state)
  chain.remove([...chain.txs].find(([, t]) => t.height === null)?.[0] ?? '')
  chain.add(signed, 40)
  to(chain.sync(state, keys))
  return states
}

describe('records of the wallet', () => {
  it('hold after every step exactly what the wallet knew', () => {
    const disk = store()
    let previous: WalletState | undefined
    for (const state of life()) {
      disk.write(walletRecords(previous, state))
      expect(unwrap(loadWallet(disk.read()))).toEqual(state)
      expect(unwrap(loadWallet(disk.read().reverse()))).toEqual(state)
      previous = state
    }
    const fresh = store()
    if (previous) fresh.write(walletRecords(undefined, previous))
    expect(fresh.keys().sort()).toEqual(disk.keys().sort())
  })

  it('writes only what changed', () => {
    const { state, keys, chain } = walletWith(Array.from({ length: 19 }, () => 5000))
    expect(walletRecords(state, state)).toEqual([])
    const tx = chain.pay(keys.script({ purpose: 84, change: 0, index: 0 }), 77)
    const next = chain.sync(state, keys)
    expect(walletRecords(state, next).map((r) => r.key)).toEqual([`wallet/tx/${txidOf(tx)}`])
    const addressed = newAddress(next, keys).state
    expect(walletRecords(next, addressed).map((r) => r.key)).toEqual([
      'wallet/branch/84/0',
      'wallet/scripts/84/0/1',
    ])
  })

  it('hold no secret', () => {
    const { keys } = testWallet()
    const secret = toHex(keys.secret({ purpose: 84, change: 0, index: 0 }))
    for (const state of life())
      for (const r of walletRecords(undefined, state))
        expect(toHex(encode(r.value, { useBigInt64: true }))).not.toContain(secret)
  })

  it('are refused when a later program wrote them, or when one is broken or missing', () => {
    const records = walletRecords(undefined, life()[3] as WalletState)
    const swap = (key: string, change: (r: WalletRecord) => WalletRecord) =>
      loadWallet(records.map((r) => (r.key.startsWith(key) ? change(r) : r)))
    expect(loadWallet([...records, { key: 'wallet/new/1', version: 1, value: {} }])).toEqual({
      ok: false,
      error: { code: 'record_too_new', key: 'wallet/new/1' },
    })
    expect(swap('wallet/meta', (r) => ({ ...r, version: 2 }))).toEqual({
      ok: false,
      error: { code: 'record_too_new', key: 'wallet/meta' },
    })
    expect(swap('wallet/meta', (r) => ({ ...r, value: { ...r.value, network: 'moon' } }))).toEqual({
      ok: false,
      error: { code: 'record_invalid', key: 'wallet/meta' },
    })
    const other = encodeTx(testWallet().chain.pay(foreignScript(), 5))
    expect(swap('wallet/tx', (r) => ({ ...r, value: { ...r.value, raw: other } }))).toMatchObject({
      ok: false,
      error: { code: 'record_invalid' },
    })
    for (const kind of ['wallet/meta', 'wallet/branch', 'wallet/scripts/86/1'])
      expect(loadWallet(records.filter((r) => !r.key.startsWith(kind)))).toMatchObject({
        ok: false,
        error: { code: 'record_missing' },
      })
  })

  it('are refused, and nothing throws, with any field of any record replaced', () => {
    const accepted: string[] = []
    for (const state of life().slice(3, 6)) {
      const records = walletRecords(undefined, state)
      for (const [i, r] of records.entries()) {
        for (const field of Object.keys(r.value ?? {})) {
          for (const junk of [undefined, -1, 1.5, 'x', {}, [1], new Uint8Array(3)]) {
            const bad = records.map((x, k) => (k === i ? { ...r, value: { ...r.value, [field]: junk } } : x))
            if (loadWallet(bad).ok) accepted.push(`${field}=${JSON.stringify(junk)}`)
          }
        }
      }
    }
    // A label is any text.
    expect(new Set(accepted)).toEqual(new Set(['label="x"']))
  })
})
