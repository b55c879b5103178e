import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { sat } from '../base/units.ts'
import { type BlockHeader, encodeHeader } from '../bitcoin/header.ts'
import { encodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { hash256 } from '../crypto/hash.ts'
import type { EsploraRequest } from './esplora.ts'
import { fakeTx, FakeNode, rawOf } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import { failure, FakeEsplora, summary } from './testkit/fakeEsplora.ts'

const SCRIPT = Uint8Array.of(0x00, 0x20, ...new Uint8Array(32).fill(9))
const outpoint = (tx: Tx) => ({ txid: txidOf(tx), vout: 0 })
const funding = (tag = 1) => fakeTx({ txid: 'aa'.repeat(32), vout: tag }, SCRIPT, tag)
const value = (v: unknown) => ({ ok: true, value: v }) as const
const watchTx = (tx: Tx, minDepth = 1) =>
  ({ type: 'watchTx', token: 't', txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth }) as const
const watchSpend = (tx: Tx) =>
  ({ type: 'watchSpend', token: 's', outpoint: outpoint(tx), scriptPubKey: SCRIPT }) as const

const setup = (blocks = 30) => {
  const node = new FakeNode()
  node.mine(blocks)
  return { node, bad: new FakeEsplora(node), good: new FakeEsplora(node) }
}
const lies = (d: Driver) =>
  d.of('alarm').flatMap((e) => (e.alarm.kind === 'serverLies' ? [`${e.alarm.server}: ${e.alarm.what}`] : []))
const only =
  (kind: EsploraRequest['kind'], answer: ReturnType<FakeEsplora['answer']>) => (r: EsploraRequest) =>
    r.kind === kind ? answer : undefined

describe('a server that lies about headers', () => {
  test('without proof of work: refused, named, and the honest one is followed', () => {
    const { node, bad, good } = setup()
    const d = new Driver({ bad, good })
    d.run(2_000)
    const parent = node.tip
    // A block that hashes above the target.
    let fake = summary({ ...parent, height: 31, header: { ...parent.header, prevHash: parent.hash } })
    for (let nonce = 0; ; nonce++) {
      const header = { ...parent.header, prevHash: parent.hash, time: parent.header.time + 1, nonce }
      const hash = toHex(hashOf(header))
      fake = { ...summary({ ...parent, height: 31, header, hash }) }
      if (Number.parseInt(hash.slice(0, 2), 16) >= 0x80) break
    }
    bad.fault = (r) =>
      r.kind === 'tipHash'
        ? value(fake.id)
        : r.kind === 'blocks'
          ? value([fake, ...node.blocks.slice(-9).reverse().map(summary)])
          : undefined
    d.run(5_000)
    expect(lies(d)).toEqual(['bad: header refused: pow'])
    expect(d.state.headers.tip.hash).toBe(parent.hash)
    node.mine()
    d.run(5_000)
    expect(d.state.headers.tip.height).toBe(31)
    expect(d.last('health')?.servers.map((s) => s.state)).toEqual(['lying', 'ok'])
  })

  test('fields that do not hash to the id', () => {
    const { node, bad, good } = setup()
    bad.fault = (r) =>
      r.kind === 'blocks' ? value([{ ...summary(node.tip), nonce: node.tip.header.nonce + 1 }]) : undefined
    const d = new Driver({ bad, good })
    d.run(3_000)
    expect(lies(d)).toEqual(['bad: block does not hash to its id'])
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
  })

  test('another chain altogether', () => {
    const { node, good } = setup()
    const elsewhere = new FakeNode()
    elsewhere.blocks = [{ ...(elsewhere.blocks[0] as FakeNode['tip']), hash: 'ef'.repeat(32) }]
    const d = new Driver({ other: new FakeEsplora(elsewhere), good })
    d.run(3_000)
    expect(lies(d)).toEqual(['other: follows another chain'])
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
  })

  test('a fork with less work is not followed and costs nothing more', () => {
    const { node, good } = setup()
    const minority = node.fork()
    minority.reorg(4, 3)
    const lagging = new FakeEsplora(minority)
    const d = new Driver({ good, lagging })
    d.run(20_000)
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
    expect(lagging.count('blocks')).toBeLessThan(5)
    expect(d.last('health')?.servers[1]?.state).toBe('behind')
    expect(lies(d)).toEqual([])
  })

  test('a stale tip: behind, not lying, and not waited for', () => {
    const { node, bad, good } = setup()
    bad.node = node.fork()
    const d = new Driver({ bad, good })
    d.run(2_000)
    const tx = funding()
    d.input(watchTx(tx))
    node.mine(3, [tx])
    d.run(6_000)
    expect(d.of('confirmed', 't')).toHaveLength(1)
    expect(d.last('health')?.servers[0]).toMatchObject({ state: 'behind', height: 30 })
    expect(lies(d)).toEqual([])
  })

  test('a clock far behind: no alarm against the server, but one about the clock, and on it goes when that is set', () => {
    const { node, good } = setup()
    const d = new Driver({ good }, { now: ((node.blocks[10]?.header.time ?? 0) - 7_300) * 1000 })
    d.run(5_000)
    expect(d.state.headers.tip.height).toBeLessThan(30)
    expect(lies(d)).toEqual([])
    expect(d.alarms()).toEqual(['clockBehind'])
    expect(good.log.length).toBeLessThan(20)
    d.now += 7_200_000
    d.run(5_000)
    expect(d.state.headers.tip.height).toBe(30)
  })
})

describe('a server that lies about transactions', () => {
  test('a wrong proof confirms nothing; said twice at our tip it is a lie; the other server settles it', () => {
    const { node, bad, good } = setup()
    const d = new Driver({ bad, good })
    d.run(2_000)
    const tx = funding()
    bad.fault = only('merkleProof', value({ block_height: 30, merkle: ['ab'.repeat(32)], pos: 1 }))
    d.input(watchTx(tx))
    node.mempool.push(tx)
    d.run(10_000)
    expect(d.of('confirmed')).toEqual([])
    expect(lies(d)).toEqual(['bad: its merkle proof leads to no block'])
    node.mine()
    d.run(5_000)
    expect(d.of('confirmed', 't')).toHaveLength(1)
  })

  test('a proof that repeats a sibling is refused at once', () => {
    const { node, bad, good } = setup()
    const tx = funding()
    node.mine(1, [tx])
    bad.fault = only('merkleProof', value({ block_height: 31, merkle: [txidOf(tx)], pos: 1 }))
    const d = new Driver({ bad, good })
    d.input(watchTx(tx))
    d.run(5_000)
    expect(lies(d)).toEqual(['bad: merkle proof refused: duplicate'])
    expect(d.of('confirmed', 't')).toHaveLength(1)
  })

  test('another transaction than asked for', () => {
    const { node, bad, good } = setup()
    const tx = funding()
    node.mine(1, [tx])
    bad.fault = only('tx', value(toHex(encodeTx(funding(2)))))
    const d = new Driver({ bad, good })
    d.input(watchTx(tx))
    d.run(5_000)
    expect(lies(d)).toEqual([`bad: gave another transaction for ${txidOf(tx)}`])
    expect(d.last('confirmed', 't')?.tx).toEqual(rawOf(tx))
  })

  test('a 64-byte transaction is never confirmed, and nobody is blamed', () => {
    const { node, bad, good } = setup()
    const short: Tx = {
      ...funding(),
      inputs: [{ ...(funding().inputs[0] as Tx['inputs'][number]), witness: [] }],
      outputs: [{ valueSat: sat(1), script: Uint8Array.of(0x51, 0x51, 0x51, 0x51) }],
    }
    expect(encodeTx(short)).toHaveLength(64)
    node.mine(1, [short])
    const d = new Driver({ bad, good })
    d.input(watchTx(short))
    d.run(10_000)
    expect(d.of('confirmed')).toEqual([])
    expect(lies(d)).toEqual([])
  })

  test('an invented spender that does not spend the output', () => {
    const { node, bad, good } = setup()
    const tx = funding()
    const unrelated = funding(8)
    node.mine(1, [tx, unrelated])
    bad.fault = (r) =>
      r.kind === 'outspend'
        ? value({ spent: true, txid: txidOf(unrelated), vin: 0, status: { confirmed: false } })
        : undefined
    const d = new Driver({ bad, good })
    d.input(watchSpend(tx))
    d.run(5_000)
    expect(d.of('spent')).toEqual([])
    expect(lies(d)).toEqual(['bad: names a spender that does not spend the output'])
  })

  test('a hidden spend is seen through the second server, and who hides it is called a liar', () => {
    const { node, bad, good } = setup()
    const tx = funding()
    node.mine(1, [tx])
    bad.fault = only('outspend', value({ spent: false }))
    const d = new Driver({ bad, good })
    d.input(watchSpend(tx))
    d.run(5_000)
    const spender = fakeTx(outpoint(tx), SCRIPT, 5)
    node.mine(1, [spender])
    d.run(8_000)
    expect(d.last('spent', 's')).toMatchObject({ txid: txidOf(spender), confirmed: { height: 32 } })
    expect(lies(d)).toEqual([`bad: hides a spend of ${txidOf(tx)}:0`])
  })

  test('a confirmed spend that cannot be proved, denied by the other: servers disagree', () => {
    const { node, bad, good } = setup()
    const tx = funding()
    const spender = fakeTx(outpoint(tx), SCRIPT, 5)
    node.mine(1, [tx])
    const status = { confirmed: true, block_height: 31, block_hash: node.tip.hash }
    bad.fault = (r) =>
      r.kind === 'outspend'
        ? value({ spent: true, txid: txidOf(spender), vin: 0, status })
        : r.kind === 'tx' && r.txid === txidOf(spender)
          ? value(toHex(encodeTx(spender)))
          : undefined
    const d = new Driver({ bad, good })
    d.input(watchSpend(tx))
    d.run(8_000)
    // It is told as an unconfirmed spend, since any one server's word is followed up, and never as a confirmed one.
    expect(d.of('spent', 's').map((e) => e.confirmed)).toEqual([null])
    expect(d.of('alarm').map((e) => e.alarm)).toContainEqual({
      kind: 'serversDisagree',
      token: 's',
      spent: ['bad'],
      unspent: ['good'],
    })
  })
})

describe('a server that does not work', () => {
  test.each([
    ['HTML', value('<!DOCTYPE html><html><body>Bad gateway</body></html>')],
    ['a JSON notice', value({ message: 'slow down' })],
    ['500', failure('http', 'oops', 500)],
    ['429', failure('rateLimited', 'Too Many Requests', 429)],
    ['a network error', failure('network', 'Failed to fetch')],
    ['silence', 'silence' as const],
  ])('%s: the other one does it, and the first is left in peace', (_, answer) => {
    const { node, bad, good } = setup()
    bad.fault = () => answer
    const d = new Driver({ bad, good })
    const tx = funding()
    node.mine(1, [tx])
    d.input(watchTx(tx))
    d.run(12_000)
    expect(d.of('confirmed', 't')).toHaveLength(1)
    expect(bad.log.length).toBeLessThan(16)
    expect(d.last('health')?.servers[0]?.state).toBe(
      answer === 'silence' || !('error' in answer) || answer.error.status !== 429 ? 'failing' : 'rateLimited',
    )
    expect(d.alarms()).toEqual([])
  })

  test('each kind of answer, broken by itself, stops nothing for good', () => {
    const kinds = [
      'tipHash',
      'blocks',
      'blockHash',
      'tx',
      'merkleProof',
      'outspend',
      'history',
      'feeEstimates',
    ] as const
    for (const kind of kinds) {
      for (const broken of [
        value('<html>'),
        value(null),
        value(7),
        value([{}]),
        value({}),
        value('00'),
        'silence',
      ] as const) {
        const { node, bad, good } = setup(12)
        bad.fault = only(kind, broken)
        const d = new Driver({ bad, good })
        const tx = funding()
        const spender = fakeTx(outpoint(tx), SCRIPT, 3)
        d.input(watchTx(tx))
        d.input(watchSpend(tx))
        d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
        node.mine(1, [tx])
        node.mine(1, [spender])
        d.run(40_000)
        expect(d.of('confirmed', 't'), kind).toHaveLength(1)
        expect(d.last('spent', 's')?.confirmed?.height, kind).toBe(14)
        expect(
          d.last('scriptHistory', 'w')?.txs.filter((t) => t.confirmed),
          kind,
        ).toHaveLength(2)
        expect(d.last('feeEstimates'), kind).toBeDefined()
        expect(d.steps).toBeLessThan(2_000)
      }
    }
  })

  test('all of them: an alarm, patience, and a word when one is back', () => {
    const { node, bad, good } = setup()
    const d = new Driver({ bad, good })
    d.run(2_000)
    bad.fault = () => failure('network', 'Failed to fetch')
    good.fault = bad.fault
    const before = bad.log.length
    d.run(60_000)
    expect(d.alarms()).toEqual(['allServersFail'])
    expect(d.last('health')?.synced).toBe(false)
    expect(bad.log.length - before).toBeLessThan(20)
    good.fault = null
    node.mine()
    d.input({ type: 'refresh' })
    d.run(2_000)
    expect(d.alarms()).toEqual(['allServersFail', 'serversBack'])
    expect(d.state.headers.tip.height).toBe(31)
  })

  test('answers to questions that were never asked, or twice, change nothing', () => {
    const { good } = setup()
    const d = new Driver({ good })
    d.run(2_000)
    const before = d.state.headers
    for (let id = 0; id < 50; id++) d.input({ type: 'response', id, result: value('ab'.repeat(32)) })
    expect(d.state.headers).toBe(before)
    expect(d.alarms()).toEqual([])
  })
})

const hashOf = (header: BlockHeader) => hash256(encodeHeader(header)).reverse()
