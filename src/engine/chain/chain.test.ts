import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { fakeTx, FakeNode, rawOf } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import { FakeEsplora } from './testkit/fakeEsplora.ts'

const SCRIPT = Uint8Array.of(0x00, 0x20, ...new Uint8Array(32).fill(9))
const outpoint = (tx: Tx) => ({ txid: txidOf(tx), vout: 0 })
/** A transaction that spends nothing known. */
const funding = (tag = 1) => fakeTx({ txid: 'aa'.repeat(32), vout: tag }, SCRIPT, tag)

const setup = (blocks = 30) => {
  const node = new FakeNode()
  node.mine(blocks)
  const a = new FakeEsplora(node)
  const b = new FakeEsplora(node)
  return { node, a, b }
}

describe('headers', () => {
  test('from genesis to the tip, in windows, and then a poll an interval', () => {
    const { node, a } = setup(137)
    const d = new Driver({ a })
    d.run(2_000)
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
    expect(d.last('health')?.synced).toBe(true)
    expect(d.last('health')?.progress).toBe(1)
    expect(a.count('blocks')).toBeLessThan(20)
    const before = a.log.length
    d.run(15_000)
    expect(a.count('tipHash')).toBeLessThan(15)
    // Fees once; nothing else without watches.
    expect(a.log.slice(before).every((r) => r.kind === 'tipHash')).toBe(true)
  })

  test('one request for a new block', () => {
    const { node, a } = setup()
    const d = new Driver({ a })
    d.run(2_000)
    const before = a.count('blocks')
    node.mine()
    d.run(3_000)
    expect(d.state.headers.tip.height).toBe(31)
    expect(a.count('blocks')).toBe(before + 1)
    expect(d.last('tip')).toMatchObject({ height: 31, hash: node.tip.hash })
  })
})

describe('several servers', () => {
  test('whose answer comes first and whose last: the tip is reached in any order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 6, maxLength: 6 }), {
          minLength: 2,
          maxLength: 3,
        }),
        (latencies) => {
          const { node } = setup(45)
          const names = latencies.map((_, i) => `s${i}`)
          const asked = latencies.map(() => 0)
          const servers = Object.fromEntries(names.map((name) => [name, new FakeEsplora(node)]))
          const latencyMs = (_: unknown, server: string) => {
            const i = names.indexOf(server)
            const nth = asked[i] ?? 0
            asked[i] = nth + 1
            return latencies[i]?.[nth % 6] ?? 1
          }
          const d = new Driver(servers, { latencyMs })
          d.run(8_000)
          expect(d.state.headers.tip.hash).toBe(node.tip.hash)
          expect(d.last('health')?.synced).toBe(true)
        },
      ),
    )
  })
})

describe('deep forks', () => {
  test.each([11, 25, 60])('a branch that left %i blocks ago is followed back to its foot', (depth) => {
    const { node, a } = setup(100)
    const d = new Driver({ a })
    d.run(3_000)
    node.reorg(depth, depth + 3)
    d.run(3_000)
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
    expect(d.of('reorg')).toEqual([{ type: 'reorg', forkHeight: 100 - depth, disconnected: depth }])
  })

  test.each([1, 2, 7])(
    'back after days, and the newest %i blocks that we knew are not on the chain any more',
    (depth) => {
      const { node, a } = setup(100)
      const d = new Driver({ a })
      d.run(3_000)
      node.reorg(depth, depth + 1)
      node.mine(61)
      d.sleep(600_000)
      d.run(5_000)
      expect(d.state.headers.tip.hash).toBe(node.tip.hash)
      expect(d.of('reorg')).toEqual([{ type: 'reorg', forkHeight: 100 - depth, disconnected: depth }])
      // Windows asked for before the branch showed are no reason to take the server for broken.
      expect(d.state.servers[0]?.failures).toBe(0)
      expect(d.alarms()).toEqual([])
    },
  )

  test('a server that changes its chain while its branch is read is asked again', () => {
    const { node, a } = setup(100)
    const d = new Driver({ a })
    d.run(3_000)
    const stale = new FakeEsplora(node.fork())
    node.reorg(25, 26)
    let wrong = 2
    a.fault = (r) => (r.kind === 'blocks' && r.height !== null && wrong-- > 0 ? stale.answer(r) : undefined)
    d.run(10_000)
    expect(wrong).toBeLessThanOrEqual(0)
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
    expect(d.alarms().filter((k) => k === 'serverLies')).toEqual([])
  })

  test('two servers on two chains: the one with more work, whoever has it', () => {
    const { node, a, b } = setup(50)
    const d = new Driver({ a, b })
    d.run(3_000)
    const other = node.fork()
    b.node = other
    other.reorg(12, 14)
    d.run(6_000)
    expect(d.state.headers.tip.hash).toBe(other.tip.hash)
    node.mine(5)
    d.run(6_000)
    expect(d.state.headers.tip.hash).toBe(node.tip.hash)
    expect(d.of('reorg').map((e) => e.disconnected)).toEqual([12, 14])
  })
})

describe('confirmations', () => {
  test('depth by depth, and confirmed once at its depth with a proof', () => {
    const { node, a, b } = setup()
    const d = new Driver({ a, b })
    const tx = funding()
    d.input({ type: 'watchTx', token: 't', txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth: 3, upTo: 6 })
    node.mempool.push(tx)
    d.run(3_000)
    expect(d.of('depth')).toEqual([])
    for (let i = 0; i < 8; i++) {
      node.mine()
      d.run(4_000)
    }
    expect(d.of('depth', 't').map((e) => e.depth)).toEqual([1, 2, 3, 4, 5, 6])
    expect(d.of('confirmed', 't')).toEqual([
      {
        type: 'confirmed',
        token: 't',
        txid: txidOf(tx),
        tx: rawOf(tx),
        depth: 3,
        height: 31,
        blockHash: node.blocks[31]?.hash,
        index: 1,
      },
    ])
  })

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'a reorganisation of %i blocks takes it back and confirms again',
    (depth) => {
      const { node, a, b } = setup()
      const d = new Driver({ a, b })
      const tx = funding()
      d.input({ type: 'watchTx', token: 't', txid: txidOf(tx), scriptPubKey: SCRIPT, minDepth: 1 })
      node.mempool.push(tx)
      node.mine(depth)
      d.run(5_000)
      expect(d.of('confirmed', 't')).toHaveLength(1)
      const before = d.events.length
      node.reorg(depth, depth + 1)
      d.run(6_000)
      const after = d.events
        .slice(before)
        .filter((e) => ['unconfirmed', 'reorg', 'tip', 'confirmed'].includes(e.type))
      expect(after.map((e) => e.type)).toEqual(['unconfirmed', 'reorg', 'tip'])
      expect(d.last('reorg')).toEqual({ type: 'reorg', forkHeight: 30, disconnected: depth })
      node.mempool.push(tx)
      node.mine()
      d.run(6_000)
      expect(d.of('confirmed', 't')).toHaveLength(2)
      expect(d.last('confirmed', 't')?.height).toBe(node.tip.height)
      expect(d.alarms()).toEqual([])
    },
  )
})

describe('spends', () => {
  test('in the mempool, then confirmed with a proof', () => {
    const { node, a, b } = setup()
    const d = new Driver({ a, b })
    const tx = funding()
    node.mine(1, [tx])
    d.input({ type: 'watchSpend', token: 's', outpoint: outpoint(tx), scriptPubKey: SCRIPT })
    d.run(5_000)
    expect(d.of('spent')).toEqual([])
    const spender = fakeTx(outpoint(tx), SCRIPT, 5)
    node.mempool.push(spender)
    d.run(4_000)
    expect(d.of('spent', 's')).toMatchObject([
      { txid: txidOf(spender), tx: rawOf(spender), vin: 0, confirmed: null },
    ])
    node.mine()
    d.run(4_000)
    expect(d.last('spent', 's')?.confirmed).toEqual({ height: 32, blockHash: node.tip.hash, index: 1 })
    expect(d.of('spent', 's')).toHaveLength(2)
  })
})
