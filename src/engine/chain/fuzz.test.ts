import { describe, expect, test } from 'vitest'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { chainRecords, loadChain } from './records.ts'
import { fakeTx, FakeNode } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import { type Fault, failure, FakeEsplora } from './testkit/fakeEsplora.ts'
import type { ChainEvent } from './types.ts'

/** A small generator of repeatable numbers (mulberry32). */
function random(seed: number): (below: number) => number {
  let a = seed
  return (below) => {
    a = (a + 0x6d2b79f5) | 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const script = (n: number) => Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(n))
const FAILURES = [
  'silence',
  failure('network', 'Failed to fetch'),
  failure('http', 'oops', 502),
  failure('rateLimited', 'Too Many Requests', 429),
  failure('http', 'Transaction not found', 404),
  { ok: true, value: '<html>' },
  { ok: true, value: [] },
  { ok: true, value: { spent: false } },
  { ok: true, value: { confirmed: false } },
] as const

/** What an owner who believes every event thinks at the end. */
function belief(events: readonly ChainEvent[]) {
  let confirmed: string | null = null
  let spend: string | null = null
  let history: string[] | null = null
  for (const e of events) {
    if (e.type === 'confirmed') confirmed = e.blockHash
    if (e.type === 'unconfirmed' && e.token === 't') confirmed = null
    if (e.type === 'spent') spend = `${e.txid} ${e.confirmed?.blockHash ?? 'mempool'}`
    if (e.type === 'unconfirmed' && e.token === 's') spend = `${e.txid} mempool`
    if (e.type === 'unspent') spend = null
    if (e.type === 'scriptHistory')
      history = e.txs.map((t) => `${t.txid} ${t.confirmed?.blockHash ?? 'mempool'}`).sort()
  }
  return { confirmed, spend, history }
}

describe('whatever happens on the way', () => {
  test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
    'what is believed in the end is what is so (seed %i)',
    (seed) => {
      const dice = random(seed)
      const node = new FakeNode()
      node.mine(5 + dice(30))
      const servers = { a: new FakeEsplora(node), b: new FakeEsplora(node) }
      const fund = fakeTx({ txid: 'aa'.repeat(32), vout: seed }, script(1), seed)
      const outpoint = { txid: txidOf(fund), vout: 0 }
      const spenders = [fakeTx(outpoint, script(2), 1), fakeTx(outpoint, script(2), 2)]
      const known = (tx: Tx) => node.find(txidOf(tx)) !== undefined
      let d = new Driver(servers, { latencyMs: 5 + dice(300) })
      const watch = () => {
        d.input({ type: 'watchTx', token: 't', txid: txidOf(fund), scriptPubKey: script(1), minDepth: 1 })
        d.input({ type: 'watchSpend', token: 's', outpoint, scriptPubKey: script(1) })
        d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [script(2)] })
      }
      watch()
      const faulty: Fault = () => (dice(3) === 0 ? FAILURES[dice(FAILURES.length)] : undefined)
      for (let round = 0; round < 40; round++) {
        const spender = spenders[dice(2)] as Tx
        switch (dice(9)) {
          case 0:
            node.mine(1 + dice(3))
            break
          case 1: {
            const depth = 1 + dice(Math.min(10, node.tip.height - 1))
            node.reorg(depth, depth + 1)
            break
          }
          case 2:
            if (!known(fund)) node.mempool.push(fund)
            break
          case 3:
            if (known(fund) && !spenders.some(known)) node.mempool.push(spender)
            break
          case 4:
            node.mempool = []
            break
          case 5:
            servers[dice(2) === 0 ? 'a' : 'b'].fault = dice(2) === 0 ? faulty : null
            break
          case 6:
            d.input({ type: 'refresh' })
            break
          case 7:
            if (dice(4) === 0) d.sleep(400_000)
            break
          default: {
            if (dice(6) > 0) break
            // The tab is closed and opened again, with what it had stored.
            const loaded = loadChain('regtest', chainRecords(undefined, d.state.headers).puts)
            const { now } = d
            d = new Driver(servers, {
              latencyMs: 5 + dice(300),
              now,
              ...(loaded.ok ? { headers: loaded.value } : {}),
            })
            watch()
          }
        }
        d.run(dice(3_000))
      }
      servers.a.fault = null
      servers.b.fault = null
      const steps = d.steps
      d.run(150_000)
      expect(d.steps - steps).toBeLessThan(5_000)
      expect(d.state.headers.tip.hash).toBe(node.tip.hash)
      const at = (tx: Tx) => {
        const found = node.find(txidOf(tx))
        return found === undefined ? null : (found.block?.hash ?? 'mempool')
      }
      const spender = spenders.find(known)
      const place = at(fund)
      const truth = {
        confirmed: place === 'mempool' ? null : place,
        spend: spender ? `${txidOf(spender)} ${at(spender)}` : null,
        history: spender ? [`${txidOf(spender)} ${at(spender)}`] : [],
      }
      expect(belief(d.events)).toEqual(truth)
    },
  )
})
