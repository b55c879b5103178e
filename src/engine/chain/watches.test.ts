import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { chainConfig } from './config.ts'
import { chainRecords, loadChain } from './records.ts'
import { fakeTx, FakeNode, rawOf } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import { failure, FakeEsplora } from './testkit/fakeEsplora.ts'
import { unwrap } from '../base/result.ts'
import type { ChainEvent } from './types.ts'

const script = (n: number) => Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(n))
const SCRIPT = script(9)
const outpoint = (tx: Tx) => ({ txid: txidOf(tx), vout: 0 })
const funding = (tag = 1, spk = SCRIPT) => fakeTx({ txid: 'aa'.repeat(32), vout: tag }, spk, tag)
const setup = (blocks = 30) => {
  const node = new FakeNode()
  node.mine(blocks)
  return { node, a: new FakeEsplora(node), b: new FakeEsplora(node) }
}
const watchSpend = (tx: Tx, token = 's') =>
  ({ type: 'watchSpend', token, outpoint: outpoint(tx), scriptPubKey: SCRIPT }) as const

describe('spends', () => {
  test('a replaced spend is told again, an evicted one is taken back', () => {
    const { node, a, b } = setup()
    const tx = funding()
    node.mine(1, [tx])
    const d = new Driver({ a, b })
    d.input(watchSpend(tx))
    const first = fakeTx(outpoint(tx), SCRIPT, 5)
    const second = fakeTx(outpoint(tx), SCRIPT, 6)
    node.mempool = [first]
    d.run(4_000)
    node.mempool = [second]
    d.run(4_000)
    expect(d.of('spent', 's').map((e) => e.txid)).toEqual([txidOf(first), txidOf(second)])
    node.mempool = []
    d.run(4_000)
    expect(d.last('unspent', 's')).toEqual({ type: 'unspent', token: 's', outpoint: outpoint(tx) })
    expect(d.of('unspent')).toHaveLength(1)
  })

  test.each([1, 3, 10])(
    'a confirmed spend goes with a reorganisation of %i, and another spender can take its place',
    (depth) => {
      const { node, a, b } = setup()
      const tx = funding()
      node.mine(1, [tx])
      const d = new Driver({ a, b })
      d.input(watchSpend(tx))
      const theirs = fakeTx(outpoint(tx), SCRIPT, 5)
      node.mine(1, [theirs])
      node.mine(depth - 1)
      d.run(5_000)
      expect(d.last('spent', 's')?.confirmed?.height).toBe(32)
      const before = d.events.length
      node.reorg(depth, depth + 1)
      const ours = fakeTx(outpoint(tx), SCRIPT, 6)
      node.mine(1, [ours])
      d.run(8_000)
      const story = d.events.slice(before).filter((e) => !['health', 'tip', 'feeEstimates'].includes(e.type))
      expect(story.slice(0, 2)).toMatchObject([
        { type: 'unconfirmed', token: 's', txid: txidOf(theirs) },
        { type: 'reorg', forkHeight: 31 },
      ])
      expect(story.at(-1)).toMatchObject({
        type: 'spent',
        txid: txidOf(ours),
        confirmed: { height: node.tip.height },
      })
      expect(d.alarms()).toEqual([])
    },
  )

  test('once a spend is proved nobody is asked about it again', () => {
    const { node, a, b } = setup()
    const tx = funding()
    const d = new Driver({ a, b })
    d.input(watchSpend(tx))
    node.mine(1, [tx, fakeTx(outpoint(tx), SCRIPT, 5)])
    d.run(5_000)
    const asked = a.count('outspend') + b.count('outspend')
    node.mine(3)
    d.run(10_000)
    expect(a.count('outspend') + b.count('outspend')).toBe(asked)
  })

  test('what the owner remembers needs no look-up, and a reorganisation still takes it back', () => {
    const { node, a } = setup()
    const tx = funding()
    const spender = fakeTx(outpoint(tx), SCRIPT, 5)
    node.mine(1, [tx])
    node.mine(1, [spender])
    const d = new Driver({ a })
    d.run(3_000)
    const known = {
      txid: txidOf(spender),
      tx: rawOf(spender),
      height: 32,
      blockHash: node.tip.hash,
      index: 1,
    }
    d.input({ ...watchSpend(tx), known })
    expect(d.last('spent', 's')?.confirmed?.height).toBe(32)
    d.run(5_000)
    expect(a.count('outspend') + a.count('merkleProof') + a.count('tx')).toBe(0)
    node.reorg(1, 2)
    d.run(5_000)
    expect(d.of('unconfirmed', 's')).toHaveLength(1)
    expect(d.of('unspent', 's')).toHaveLength(1)
  })
})

describe('a wallet’s scripts', () => {
  const watch = (...n: number[]) =>
    ({ type: 'watchScripts', token: 'w', scriptPubKeys: n.map(script) }) as const
  const shown = (e: Extract<ChainEvent, { type: 'scriptHistory' }> | undefined) =>
    e?.txs.map((t) => [t.txid, t.confirmed?.height ?? null])

  test('each history is told once, then when it changes: mempool, block, spend', () => {
    const { node, a, b } = setup()
    const d = new Driver({ a, b })
    d.input(watch(1, 2))
    d.run(3_000)
    expect(d.of('scriptHistory', 'w').map((e) => [e.scriptPubKey[2], e.txs.length])).toEqual([
      [1, 0],
      [2, 0],
    ])
    const deposit = funding(1, script(1))
    node.mempool.push(deposit)
    d.run(4_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([[txidOf(deposit), null]])
    node.mine()
    d.run(4_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([[txidOf(deposit), 31]])
    const spend = fakeTx(outpoint(deposit), script(7), 3)
    node.mine(1, [spend])
    d.run(4_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([
      [txidOf(spend), 32],
      [txidOf(deposit), 31],
    ])
    expect(d.of('scriptHistory', 'w')).toHaveLength(5)
  })

  test('a long history comes in pages; the next look needs one page', () => {
    const { node, a } = setup()
    for (let i = 0; i < 6; i++)
      node.mine(
        1,
        Array.from({ length: 10 }, (_, k) => funding(100 * i + k + 1, script(1))),
      )
    const d = new Driver({ a })
    d.input(watch(1))
    d.run(1_400)
    expect(d.last('scriptHistory', 'w')?.txs.filter((t) => t.confirmed)).toHaveLength(60)
    expect(a.count('history')).toBe(3)
    expect(d.of('scriptHistory', 'w')).toHaveLength(1)
    const one = funding(999, script(1))
    node.mempool.push(one)
    d.run(1_500)
    expect(d.last('scriptHistory', 'w')?.txs).toHaveLength(61)
    expect(a.count('history')).toBeLessThan(7)
  })

  test('a reorganisation makes a deposit unconfirmed or gone', () => {
    const { node, a, b } = setup()
    const deposit = funding(1, script(1))
    node.mine(1, [deposit])
    const d = new Driver({ a, b })
    d.input(watch(1))
    d.run(3_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([[txidOf(deposit), 31]])
    node.reorg(1, 2)
    node.mempool.push(deposit)
    d.run(5_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([[txidOf(deposit), null]])
    node.mempool = []
    d.run(5_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([])
  })

  test('a server that forgets does not make a proved deposit disappear', () => {
    const { node, a } = setup()
    const deposit = funding(1, script(1))
    node.mine(1, [deposit])
    const d = new Driver({ a })
    d.input(watch(1))
    d.run(3_000)
    a.fault = (r) => (r.kind === 'history' ? { ok: true, value: [] } : undefined)
    node.mine()
    d.run(5_000)
    expect(shown(d.last('scriptHistory', 'w'))).toEqual([[txidOf(deposit), 31]])
  })

  test('more scripts later: those that stay are not told again', () => {
    const { node, a } = setup()
    node.mine(1, [funding(1, script(1))])
    const d = new Driver({ a })
    d.input(watch(1))
    d.run(3_000)
    const before = d.of('scriptHistory').length
    d.input(watch(1, 2))
    d.run(1_000)
    expect(
      d
        .of('scriptHistory')
        .slice(before)
        .map((e) => e.scriptPubKey[2]),
    ).toEqual([2])
    d.input({ type: 'unwatch', token: 'w' })
    expect(d.state.txs).toEqual({})
    const asked = a.count('history')
    d.run(5_000)
    expect(a.count('history')).toBe(asked)
  })
})

describe('broadcasts', () => {
  const broadcast = (tx: Tx, keep = false) =>
    ({ type: 'broadcast', token: 'b', tx: rawOf(tx), keep }) as const

  test('to every server; accepted when one takes it; twice is the same', () => {
    const node = new FakeNode()
    const other = new FakeNode()
    const a = new FakeEsplora(node)
    const b = new FakeEsplora(other)
    const d = new Driver({ a, b })
    d.run(1_000)
    const tx = funding()
    d.input(broadcast(tx))
    d.run(500)
    expect([node.mempool, other.mempool]).toEqual([[tx], [tx]])
    expect(d.of('broadcastResult', 'b')).toHaveLength(1)
    expect(d.last('broadcastResult')).toMatchObject({ accepted: true, txid: txidOf(tx) })
    node.mine()
    other.mine()
    // In a block it is known still: Bitcoin Core answers -27.
    d.input(broadcast(tx))
    d.run(500)
    expect(d.of('broadcastResult', 'b').map((e) => e.accepted)).toEqual([true, true])
    expect(d.state.broadcasts).toEqual({})
  })

  test('a refusal says why', () => {
    const { a, b } = setup()
    a.refuses = 'min relay fee not met'
    b.refuses = 'bad-txns-inputs-missingorspent'
    const d = new Driver({ a, b })
    d.input(broadcast(funding()))
    d.run(1_000)
    expect(d.of('broadcastResult')).toEqual([
      {
        type: 'broadcastResult',
        token: 'b',
        txid: txidOf(funding()),
        accepted: false,
        servers: [
          { url: 'a', ok: false, reason: 'min relay fee not met' },
          { url: 'b', ok: false, reason: 'bad-txns-inputs-missingorspent' },
        ],
      },
    ])
  })

  test('no server answers: it stays to be sent and goes out when one is back', () => {
    const { node, a } = setup()
    a.fault = () => failure('network', 'Failed to fetch')
    const d = new Driver({ a })
    d.input(broadcast(funding()))
    d.run(30_000)
    expect(d.of('broadcastResult')).toEqual([])
    a.fault = null
    d.run(15_000)
    expect(d.last('broadcastResult')?.accepted).toBe(true)
    expect(node.mempool).toHaveLength(1)
  })

  test('kept up: a mempool that forgot gets it again, until unwatch', () => {
    const { node, a } = setup()
    const d = new Driver({ a })
    d.input(broadcast(funding(), true))
    d.run(1_000)
    node.mempool = []
    d.run(6_000)
    expect(node.mempool).toHaveLength(1)
    expect(d.of('broadcastResult')).toHaveLength(1)
    d.input({ type: 'unwatch', token: 'b' })
    node.mempool = []
    d.run(20_000)
    expect(node.mempool).toEqual([])
  })

  test('a child goes to a server after its parent, and again as soon as a server that refused the parent takes it', () => {
    const { node, a } = setup()
    const parent = funding()
    const child: Tx = {
      ...parent,
      inputs: [{ ...parent.inputs[0], outpoint: { txid: txidOf(parent), vout: 0 } } as Tx['inputs'][number]],
    }
    let takesParent = false
    a.fault = (request) => {
      if (request.kind !== 'broadcast') return undefined
      const missing = request.hex === toHex(rawOf(child)) && node.find(txidOf(parent)) === undefined
      const refused = !takesParent && request.hex === toHex(rawOf(parent))
      if (!missing && !refused) return undefined
      const message = missing ? 'bad-txns-inputs-missingorspent' : 'txn-mempool-conflict'
      return failure('http', `sendrawtransaction RPC error: {"code":-26,"message":"${message}"}`, 400)
    }
    const d = new Driver({ a }, { config: { rebroadcastMs: 60_000 } })
    d.run(1_000)
    d.input({ type: 'broadcast', token: 'child', tx: rawOf(child), keep: true })
    d.input({ type: 'broadcast', token: 'parent', tx: rawOf(parent), keep: true })
    d.run(1_000)
    expect(d.last('broadcastResult', 'child')?.accepted).toBe(false)
    takesParent = true
    // The parent's next round, and no more than a moment.
    d.run(59_500)
    expect(node.mempool).toEqual([parent, child])
    expect(d.last('broadcastResult', 'child')?.accepted).toBe(true)
    // In the right order nothing is refused at all.
    node.mempool = []
    const e = new Driver({ a })
    e.run(1_000)
    const sent = a.count('broadcast')
    e.input({ type: 'broadcast', token: 'parent', tx: rawOf(parent), keep: true })
    e.input({ type: 'broadcast', token: 'child', tx: rawOf(child), keep: true })
    e.run(1_000)
    expect(node.mempool).toEqual([parent, child])
    expect(a.count('broadcast') - sent).toBe(2)
  })

  test('a parent that pays too little goes with its child as a package, where the server takes packages', () => {
    for (const takes of [true, false]) {
      const { node, a } = setup()
      const parent = funding()
      const child: Tx = {
        ...parent,
        inputs: [
          { ...parent.inputs[0], outpoint: { txid: txidOf(parent), vout: 0 } } as Tx['inputs'][number],
        ],
      }
      a.fault = (request) => {
        if (request.kind === 'package') {
          expect(request.hexes).toEqual([toHex(rawOf(parent)), toHex(rawOf(child))])
          return takes ? undefined : failure('http', 'endpoint does not exist', 404)
        }
        if (request.kind !== 'broadcast') return undefined
        const cheap = request.hex === toHex(rawOf(parent))
        const message = cheap ? 'min relay fee not met, 10 < 200' : 'bad-txns-inputs-missingorspent'
        return failure('http', `sendrawtransaction RPC error: {"code":-26,"message":"${message}"}`, 400)
      }
      const d = new Driver({ a }, { config: { rebroadcastMs: 60_000 } })
      d.run(1_000)
      d.input({ type: 'broadcast', token: 'parent', tx: rawOf(parent), keep: true })
      d.input({ type: 'broadcast', token: 'child', tx: rawOf(child), keep: true })
      d.run(1_000)
      expect(node.mempool).toEqual(takes ? [parent, child] : [])
      expect(d.last('broadcastResult', 'child')?.accepted).toBe(takes)
      expect(d.last('broadcastResult', 'parent')?.accepted).toBe(takes)
      // Tried again with every round, and a server without packages is not held to be broken for it.
      d.run(61_000)
      expect(a.count('package')).toBeGreaterThan(1)
      expect(d.state.servers[0]?.backoffUntil).toBeLessThanOrEqual(d.now)
    }
  })

  test('bytes that are no transaction are refused here', () => {
    const { a } = setup()
    const d = new Driver({ a })
    d.input({ type: 'broadcast', token: 'b', tx: Uint8Array.of(1, 2, 3) })
    expect(d.last('broadcastResult')?.accepted).toBe(false)
    expect(a.count('broadcast')).toBe(0)
  })
})

describe('a restored wallet older than the checkpoint', () => {
  const old = () => {
    const { node, a, b } = setup(10)
    const deposit = funding(1, script(1))
    node.mine(1, [deposit])
    node.mine(400)
    const first = new Driver({ a }, { config: { keepHeaders: 144 } })
    first.run(5_000)
    return { node, a, b, deposit, headers: first.state.headers }
  }

  test('its old deposits count when two servers show the same block with the same root', () => {
    const { node, a, b, deposit, headers } = old()
    expect(headers.base).toBe(144)
    const d = new Driver({ a, b }, { headers })
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [script(1)] })
    d.run(3_000)
    const blockHash = node.blocks[11]?.hash
    expect(d.last('scriptHistory')?.txs[0]).toMatchObject({
      txid: txidOf(deposit),
      confirmed: { height: 11, blockHash },
    })
    expect(d.of('scriptHistory')).toHaveLength(1)
  })

  test('one server’s invention does not', () => {
    const { node, a, b, headers } = old()
    const invented = fakeTx({ txid: 'bb'.repeat(32), vout: 0 }, script(2), 1)
    const other = node.fork()
    other.blocks = other.blocks.slice(0, 11)
    other.mine(1, [invented])
    const fake = new FakeEsplora(other)
    b.fault = (r) => {
      if (r.kind === 'history')
        return {
          ok: true,
          value: [{ txid: txidOf(invented), status: { confirmed: true, block_height: 11 } }],
        }
      if (r.kind === 'tx' || r.kind === 'merkleProof' || (r.kind === 'blocks' && r.height === 11))
        return fake.answer(r)
      return undefined
    }
    const d = new Driver({ b, a }, { headers })
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [script(2)] })
    d.run(20_000)
    expect(fake.count('merkleProof')).toBeGreaterThan(0)
    expect(
      d
        .of('scriptHistory')
        .flatMap((e) => e.txs.map((t) => t.confirmed))
        .every((c) => c === null),
    ).toBe(true)
  })
})

describe('coming back', () => {
  test('from records: only what is new is fetched, and a remembered confirmation is told without a look-up', () => {
    const { node, a } = setup(200)
    const tx = funding()
    node.mine(1, [tx])
    const first = new Driver({ a })
    first.run(5_000)
    const saved = chainRecords(undefined, first.state.headers).puts
    const headers = unwrap(loadChain('regtest', saved))
    const blockHash = node.tip.hash
    node.mine(3)
    const again = new FakeEsplora(node)
    const d = new Driver({ again }, { headers })
    const known = { txid: txidOf(tx), tx: rawOf(tx), height: 201, blockHash, index: 1 }
    d.input({ type: 'watchTx', token: 't', txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth: 3, known })
    d.run(3_000)
    expect(again.count('blocks')).toBe(1)
    expect(d.last('confirmed', 't')).toMatchObject({ height: 201, depth: 4 })
    expect(again.count('merkleProof') + again.count('tx')).toBe(0)
  })

  test('a remembered confirmation in a block that is not ours does not count', () => {
    const { node, a } = setup()
    const d = new Driver({ a })
    d.run(2_000)
    const tx = funding()
    const known = { txid: txidOf(tx), tx: rawOf(tx), height: 20, blockHash: 'cd'.repeat(32), index: 1 }
    d.input({ type: 'watchTx', token: 't', txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth: 1, known })
    d.run(3_000)
    expect(d.of('confirmed')).toEqual([])
    node.mine(1, [tx])
    d.run(3_000)
    expect(d.last('confirmed', 't')?.height).toBe(31)
  })

  test('after a sleep: headers, then spends, then the rest', () => {
    const { node, a } = setup()
    const tx = funding()
    node.mine(1, [tx])
    const d = new Driver({ a })
    d.input(watchSpend(tx))
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
    d.run(5_000)
    node.mine(25, [fakeTx(outpoint(tx), SCRIPT, 5)])
    const before = a.log.length
    d.sleep(86_400_000)
    d.run(10_000)
    const kinds = a.log.slice(before).map((r) => r.kind)
    const firstOf = (kind: (typeof kinds)[number]) => kinds.indexOf(kind)
    expect(kinds.lastIndexOf('blocks')).toBeLessThan(firstOf('outspend'))
    expect(firstOf('outspend')).toBeLessThan(firstOf('history'))
    expect(kinds.filter((k) => k === 'blocks').length).toBeLessThan(6)
    expect(d.last('spent', 's')?.confirmed?.height).toBe(32)
  })

  test('as long as spends have not been looked at, a wallet’s history waits', () => {
    const { node, a } = setup()
    const tx = funding()
    node.mine(1, [tx])
    const d = new Driver({ a })
    d.input(watchSpend(tx))
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys: [SCRIPT] })
    d.run(5_000)
    a.fault = (r) => (r.kind === 'outspend' ? 'silence' : undefined)
    d.sleep(600_000)
    const before = a.count('history')
    d.run(7_000)
    expect(a.count('history')).toBe(before)
    // Not for ever, though.
    d.run(120_000)
    expect(a.count('history')).toBeGreaterThan(before)
  })

  test('unanswered questions from before a sleep are asked again', () => {
    const { node, a } = setup()
    const d = new Driver({ a })
    d.run(2_000)
    node.mine()
    d.run(1_510)
    d.sleep(600_000)
    d.run(15_000)
    expect(d.state.headers.tip.height).toBe(31)
  })
})

describe('cost', () => {
  test('an hour with public servers stays within their allowance', () => {
    const { node, a, b } = setup()
    const config = { ...chainConfig('bitcoin'), network: 'regtest' as const }
    const d = new Driver({ a, b }, { config, latencyMs: 300 })
    const channels = Array.from({ length: 8 }, (_, i) => funding(i + 1, script(i)))
    node.mine(1, channels)
    for (const [i, tx] of channels.entries()) d.input(watchSpend(tx, `s${i}`))
    const scriptPubKeys = Array.from({ length: 40 }, (_, i) => script(100 + i))
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys })
    d.run(60_000)
    const before = [a.log.length, b.log.length]
    for (let i = 0; i < 6; i++) {
      node.mine()
      d.run(600_000)
    }
    expect(a.log.length - (before[0] ?? 0)).toBeLessThan(700)
    expect(b.log.length - (before[1] ?? 0)).toBeLessThan(700)
    expect(d.state.headers.tip.height).toBe(node.tip.height)
    expect(d.of('scriptHistory', 'w')).toHaveLength(40)
    // Each channel is looked at by both servers, often enough.
    expect(a.count('outspend')).toBeGreaterThan(100)
    expect(b.count('outspend')).toBeGreaterThan(100)
  })

  test('five requests a second to one server, with a burst of five', () => {
    const { a } = setup()
    const config = { ...chainConfig('bitcoin'), network: 'regtest' as const }
    const d = new Driver({ a }, { config, latencyMs: 10 })
    const scriptPubKeys = Array.from({ length: 60 }, (_, i) => script(i))
    d.input({ type: 'watchScripts', token: 'w', scriptPubKeys })
    const counts: number[] = []
    for (let i = 0; i < 20; i++) {
      const before = a.log.length
      d.run(1_000)
      counts.push(a.log.length - before)
    }
    // Five at once after a quiet time, then one every fifth of a second.
    expect(Math.max(...counts)).toBeLessThanOrEqual(10)
    expect(a.log.length).toBeLessThanOrEqual(20 * 5 + 5)
    expect(a.count('history')).toBe(60)
  })

  test('the same run twice gives the same events', () => {
    const run = () => {
      const { node, a, b } = setup()
      const d = new Driver({ a, b })
      const tx = funding()
      d.input(watchSpend(tx))
      node.mine(1, [tx])
      d.run(5_000)
      node.reorg(2, 3)
      d.run(5_000)
      return d.events
    }
    expect(run()).toEqual(run())
  })
})

describe('servers come and go', () => {
  test('a removed server’s answers are ignored and a new one takes over', () => {
    const { node, a, b } = setup()
    const d = new Driver({ a, b })
    d.input({ type: 'removeServer', url: 'b' })
    d.run(2_000)
    expect(b.log.length).toBeLessThan(4)
    d.input({ type: 'removeServer', url: 'a' })
    node.mine()
    d.run(5_000)
    expect(d.state.headers.tip.height).toBe(30)
    d.input({ type: 'addServer', url: 'b' })
    d.run(2_000)
    expect(d.state.headers.tip.height).toBe(31)
  })
})
