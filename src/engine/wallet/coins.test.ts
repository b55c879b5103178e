import { describe, expect, it } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import {
  abandon,
  applyScriptHistory,
  emptyWallet,
  extendWatch,
  GAP_LIMIT,
  listAddresses,
  newAddress,
  noteTransaction,
  rescan,
  unseenTransactions,
  watchedScripts,
} from './coins.ts'
import { context, foreignScript, NOW, testKeys, testWallet, walletWith } from './fixture.ts'
import { listTransactions } from './history.ts'
import type { WalletKeys } from './keys.ts'
import { balanceOf, listCoins } from './ledger.ts'
import { commit } from './reservations.ts'
import { signSpend } from './sign.ts'
import { buildSend } from './spend.ts'
import type { WalletState } from './types.ts'

const receive = (index: number) => ({ purpose: 84, change: 0, index }) as const

/** Sends and commits; returns the wallet and the transaction that is now to be broadcast. */
function send(
  state: WalletState,
  keys: WalletKeys,
  amountSat: number,
  id = 'send',
): { state: WalletState; tx: Tx } {
  const built = unwrap(
    buildSend(state, [{ script: foreignScript(), amountSat: sat(amountSat) }], 500, id, context),
  )
  const tx = signSpend(built.spend, keys)
  return { state: unwrap(commit(built.state, keys, id, tx, { label: '', nowSec: NOW })).state, tx }
}

describe('watching addresses', () => {
  it('watches 20 scripts of each branch at first and 20 beyond the last one used', () => {
    const { state, keys, chain } = testWallet()
    expect(watchedScripts(state)).toHaveLength(40)
    chain.pay(keys.script(receive(7)), 5000, 100)
    const synced = chain.sync(state, keys)
    expect(synced.branches.map((b) => b.scripts.length)).toEqual([28, 20])
  })

  it('finds coins behind chains of gaps, and none beyond a gap', () => {
    const { state, keys, chain } = testWallet()
    for (const index of [19, 38, 58]) chain.pay(keys.script(receive(index)), 1000, 100)
    chain.pay(keys.script({ purpose: 84, change: 1, index: 19 }), 500, 100)
    chain.pay(keys.script(receive(79)), 7, 100)
    expect(balanceOf(chain.sync(state, keys), 1000).totalSat).toBe(3500n)
    const wide = rescan(chain.sync(state, keys), keys, 21)
    expect(wide.watch).toEqual(watchedScripts(wide.state))
    expect(balanceOf(chain.sync(wide.state, keys), 1000).totalSat).toBe(3507n)
  })

  it('names the new scripts to watch when history moves the gap', () => {
    const { state, keys, chain } = testWallet()
    const script = keys.script(receive(3))
    chain.pay(script, 1000)
    const change = unwrap(applyScriptHistory(state, keys, script, chain.history(script), NOW))
    expect(change.watch.map(toHex)).toEqual([20, 21, 22, 23].map((i) => toHex(keys.script(receive(i)))))
  })

  it('hands out fresh addresses, and no further than a later scan with the usual gap can see', () => {
    let { state, keys, chain } = testWallet()
    const seen = new Set<string>()
    for (let i = 0; i < GAP_LIMIT; i++) {
      const next = newAddress(state, keys)
      expect(next.repeated).toBe(false)
      expect(next.path.index).toBe(i)
      state = next.state
      seen.add(next.address)
    }
    expect(seen.size).toBe(GAP_LIMIT)
    expect(newAddress(state, keys)).toMatchObject({ repeated: true, path: receive(0), watch: [] })
    chain.pay(keys.script(receive(4)), 1000)
    state = chain.sync(state, keys)
    expect(newAddress(state, keys)).toMatchObject({ repeated: false, path: receive(20) })
    expect(listAddresses(state).filter((a) => a.used)).toHaveLength(1)
    expect(listAddresses(state)).toHaveLength(20)
  })

  it('watches both accounts when asked to', () => {
    const { state, keys, chain } = testWallet(0, [84, 86])
    expect(watchedScripts(state)).toHaveLength(80)
    chain.pay(keys.script({ purpose: 86, change: 0, index: 2 }), 900, 5)
    expect(balanceOf(chain.sync(state, keys), 10).confirmedSat).toBe(900n)
  })

  it('refuses keys of another seed or network rather than watching strangers’ scripts', () => {
    const { state, keys, chain } = testWallet()
    chain.pay(keys.script(receive(0)), 1, 1)
    const script = keys.script(receive(0))
    expect(() => applyScriptHistory(state, testKeys(1), script, chain.history(script), NOW)).toThrow(/seed/)
    expect(() => extendWatch(emptyWallet('bitcoin'), keys)).toThrow(/network/)
  })
})

describe('what the chain says', () => {
  it('counts a stranger’s coin as untrusted until confirmed, and takes confirmations back', () => {
    const { state, keys, chain } = testWallet()
    const tx = chain.pay(keys.script(receive(0)), 1000)
    let now = chain.sync(state, keys)
    expect(balanceOf(now, 1000)).toMatchObject({ untrustedSat: 1000n, confirmedSat: 0n, totalSat: 1000n })
    chain.add(tx, 500)
    now = chain.sync(now, keys)
    expect(balanceOf(now, 1000)).toMatchObject({ untrustedSat: 0n, confirmedSat: 1000n })
    chain.add(tx, null)
    now = chain.sync(now, keys)
    expect(balanceOf(now, 1000)).toMatchObject({ untrustedSat: 1000n, confirmedSat: 0n })
  })

  it('leaves the state untouched, by reference, when nothing is new', () => {
    const { state, keys, chain } = walletWith([1000, 2000])
    const script = keys.script(receive(0))
    const again = unwrap(applyScriptHistory(state, keys, script, chain.history(script), NOW + 1))
    expect(again.state).toBe(state)
    const other = unwrap(applyScriptHistory(state, keys, foreignScript(), chain.history(script), NOW))
    expect(other.state).toBe(state)
  })

  it('drops a stranger’s transaction only when no history lists it any more', () => {
    const { state, keys, chain } = testWallet()
    const tx = chain.pay(keys.script(receive(0)), 1000)
    const both = { ...tx, outputs: [...tx.outputs, { valueSat: sat(70), script: keys.script(receive(1)) }] }
    chain.remove(txidOf(tx))
    const txid = chain.add(both)
    const synced = chain.sync(state, keys)
    const first = unwrap(applyScriptHistory(synced, keys, keys.script(receive(0)), [], NOW))
    expect(first.dropped).toEqual([])
    expect(balanceOf(first.state, 1000).totalSat).toBe(1070n)
    const second = unwrap(applyScriptHistory(first.state, keys, keys.script(receive(1)), [], NOW))
    expect(second.dropped).toEqual([{ txid, kind: null, own: false, reason: 'vanished' }])
    expect(balanceOf(second.state, 1000).totalSat).toBe(0n)
  })

  it('gives inputs back when another device’s spend vanishes', () => {
    const { state, keys, chain } = walletWith([100_000])
    const other = send(state, keys, 50_000)
    const txid = chain.add(other.tx)
    const seen = chain.sync(state, keys)
    expect(balanceOf(seen, 1000)).toMatchObject({ confirmedSat: 0n, trustedSat: 0n })
    expect(balanceOf(seen, 1000).untrustedSat).toBeGreaterThan(49_000n)
    chain.remove(txid)
    expect(balanceOf(chain.sync(seen, keys), 1000)).toMatchObject({
      confirmedSat: 100_000n,
      untrustedSat: 0n,
    })
  })

  it('replaces a stranger’s payment by the conflicting one learnt later, and lists both fates', () => {
    const { state, keys, chain } = testWallet()
    const first = chain.pay(keys.script(receive(0)), 1000)
    const synced = chain.sync(state, keys)
    const replacement = { ...first, outputs: [{ valueSat: sat(900), script: keys.script(receive(1)) }] }
    chain.add(replacement)
    const now = chain.sync(synced, keys)
    expect(balanceOf(now, 1000).untrustedSat).toBe(900n)
    expect(listTransactions(now).map((t) => t.status)).toEqual(['unconfirmed', 'replaced'])
    chain.remove(txidOf(first))
    expect(listTransactions(chain.sync(now, keys))).toHaveLength(1)
  })

  it('keeps our own transaction, and its inputs spent, while servers do not show it', () => {
    const { state, keys, chain } = walletWith([100_000])
    const sent = send(state, keys, 50_000)
    const txid = chain.add(sent.tx)
    expect(unseenTransactions(sent.state).map((t) => t.txid)).toEqual([txid])
    const seen = chain.sync(sent.state, keys)
    expect(unseenTransactions(seen)).toEqual([])
    expect(abandon(seen, keys, txid)).toEqual({ ok: false, error: 'still_seen' })
    chain.remove(txid)
    const evicted = chain.sync(seen, keys)
    expect(unseenTransactions(evicted).map((t) => t.txid)).toEqual([txid])
    expect(balanceOf(evicted, 1000).confirmedSat).toBe(0n)
    const given = unwrap(abandon(evicted, keys, txid))
    expect(balanceOf(given.state, 1000).confirmedSat).toBe(100_000n)
  })

  it('lets a block, but no rumour, overrule what we signed; and a reorg brings ours back', () => {
    const { state, keys, chain } = walletWith([100_000])
    const sent = send(state, keys, 50_000)
    const ours = chain.add(sent.tx)
    const rival = {
      ...sent.tx,
      outputs: [{ valueSat: sat(99_000), script: keys.script(receive(5)) }],
    }
    const rivalId = chain.add(rival)
    const rumour = chain.sync(sent.state, keys)
    expect(listTransactions(rumour).find((t) => t.txid === ours)?.status).toBe('unconfirmed')
    expect(listTransactions(rumour).find((t) => t.txid === rivalId)?.status).toBe('replaced')

    chain.add(rival, 600)
    const script = keys.script(receive(0))
    const proved = unwrap(applyScriptHistory(rumour, keys, script, chain.history(script), NOW))
    expect(proved.dropped).toEqual([{ txid: ours, kind: 'send', own: true, reason: 'conflict' }])
    expect(balanceOf(proved.state, 1000)).toMatchObject({ confirmedSat: 99_000n, totalSat: 99_000n })

    chain.remove(rivalId)
    const back = chain.sync(proved.state, keys)
    expect(listTransactions(back).find((t) => t.txid === ours)?.status).toBe('unconfirmed')
  })

  it('drops what descends from a transaction that is gone', () => {
    const { state, keys, chain } = walletWith([100_000])
    const first = send(state, keys, 10_000, 'a')
    const second = send(first.state, keys, 20_000, 'b')
    expect(balanceOf(second.state, 1000).trustedSat).toBeGreaterThan(69_000n)
    const rival = { ...first.tx, outputs: [{ valueSat: sat(1), script: foreignScript(9) }] }
    chain.add(rival, 700)
    const script = keys.script(receive(0))
    const after = unwrap(applyScriptHistory(second.state, keys, script, chain.history(script), NOW))
    expect(after.dropped.map((d) => d.txid).sort()).toEqual([txidOf(first.tx), txidOf(second.tx)].sort())
    expect(balanceOf(after.state, 1000).totalSat).toBe(0n)
    expect(unseenTransactions(after.state)).toEqual([])
  })

  it('holds mined coins back for 100 blocks', () => {
    const { state, keys, chain } = testWallet()
    chain.mined(keys.script(receive(0)), 5000, 901)
    chain.mined(keys.script(receive(1)), 300, 10)
    const synced = chain.sync(state, keys)
    expect(balanceOf(synced, 999)).toMatchObject({ immatureSat: 5000n, confirmedSat: 300n })
    expect(balanceOf(synced, 1000)).toMatchObject({ immatureSat: 0n, confirmedSat: 5300n })
    expect(balanceOf(synced, null)).toMatchObject({ immatureSat: 5300n })
  })

  it('ignores listed transactions that do not touch the script', () => {
    const { state, keys, chain } = testWallet()
    chain.pay(keys.script(receive(9)), 1000)
    const history = chain.history(keys.script(receive(9)))
    const lied = unwrap(applyScriptHistory(state, keys, keys.script(receive(0)), history, NOW))
    expect(lied.state).toBe(state)
  })

  it('refuses a history without end', () => {
    const { state, keys, chain } = testWallet()
    const tx = chain.pay(keys.script(receive(0)), 1000)
    const history = Array.from({ length: 25_001 }, () => ({ tx, height: null }))
    expect(applyScriptHistory(state, keys, keys.script(receive(0)), history, NOW)).toEqual({
      ok: false,
      error: 'history_too_long',
    })
  })

  it('shows a noted transaction of another room at once and keeps its name when the chain confirms it', () => {
    const { state, keys, chain } = testWallet()
    const tx = chain.pay(keys.script(receive(0)), 4000)
    const noted = noteTransaction(state, keys, tx, { kind: 'close', label: 'with ada', nowSec: NOW })
    expect(balanceOf(noted.state, 1000).untrustedSat).toBe(4000n)
    chain.add(tx, 800)
    const [listed] = listTransactions(chain.sync(noted.state, keys))
    expect(listed).toMatchObject({ status: 'confirmed', kind: 'close', label: 'with ada', netSat: 4000n })
  })
})

describe('activity', () => {
  it('tells payments from receipts, with amounts and fee', () => {
    const { state, keys, chain } = walletWith([100_000])
    const sent = send(state, keys, 50_000)
    chain.add(sent.tx)
    // As another device with the same words would see it.
    const other = chain.sync(testWallet().state, keys)
    const [pending, received] = listTransactions(other)
    expect(received).toMatchObject({ kind: 'receive', netSat: 100_000n, feeSat: null })
    expect(pending).toMatchObject({ kind: 'send', status: 'unconfirmed', own: false })
    expect(pending?.netSat).toBe(-50_000n - (pending?.feeSat ?? 0n))
    expect(listTransactions(sent.state)[0]).toMatchObject({
      feeSat: pending?.feeSat,
      own: true,
      status: 'unseen',
    })
    expect(listCoins(sent.state)).toHaveLength(1)
  })
})
