import { describe, expect, test } from 'vitest'
import { type BlockHeader, encodeHeader, hashHeader } from '../bitcoin/header.ts'
import { CHECKPOINTS } from './checkpoints.ts'
import {
  chainFromCheckpoint,
  CHUNK_HEADERS,
  connectHeaders,
  hashAt,
  headerAt,
  heightOf,
  pruneHeaders,
} from './headers.ts'
import type { HeaderChain } from './headers.ts'
import { chainRecordPrefix, chainRecords, loadChain, type ChainRecord } from './records.ts'
import { type FakeBlock, FakeNode } from './testkit/blocks.ts'
import { unwrap } from '../base/result.ts'

const NOW = 1_900_000_000_000
const genesis = chainFromCheckpoint('regtest', CHECKPOINTS.regtest)
const of = (blocks: readonly FakeBlock[]): BlockHeader[] => blocks.map((b) => b.header)
const grow = (chain: HeaderChain, node: FakeNode): HeaderChain =>
  unwrap(connectHeaders(chain, chain.tip.height + 1, of(node.blocks.slice(chain.tip.height + 1)), NOW)).chain

const node = new FakeNode()
node.mine(400)
const chain = grow(genesis, node)

describe('the header chain', () => {
  test('every header is found by height and hash, across chunks', () => {
    expect(chain.tip).toMatchObject({ height: 400, hash: node.tip.hash, work: 2n * 401n })
    for (const b of node.blocks) {
      expect(hashAt(chain, b.height)).toBe(b.hash)
      expect(headerAt(chain, b.height)).toEqual(b.header)
      expect(heightOf(chain, b.hash, 1000)).toBe(b.height)
    }
    expect(hashAt(chain, 401)).toBeUndefined()
    expect(heightOf(chain, node.blocks[10]?.hash ?? '', 100)).toBeUndefined()
  })

  test('a branch is adopted for more work, not for equal work', () => {
    for (const depth of [1, 2, 143, 144, 145, 300]) {
      const other = node.fork()
      other.reorg(depth, depth)
      const from = 401 - depth
      expect(connectHeaders(chain, from, of(other.blocks.slice(from)), NOW)).toEqual({
        ok: false,
        error: 'lessWork',
      })
      other.mine()
      const result = unwrap(connectHeaders(chain, from, of(other.blocks.slice(from)), NOW))
      expect(result).toMatchObject({ forkHeight: 400 - depth, disconnected: depth })
      expect(result.chain.tip).toMatchObject({ height: 401, hash: other.tip.hash, work: 2n * 402n })
      for (const b of other.blocks) expect(hashAt(result.chain, b.height)).toBe(b.hash)
    }
  })

  test('headers that are ours already do not count as a branch', () => {
    const other = node.fork()
    other.mine(2)
    const result = unwrap(connectHeaders(chain, 395, of(other.blocks.slice(395)), NOW))
    expect(result).toMatchObject({ forkHeight: 400, disconnected: 0 })
  })

  test('no proof of work, wrong bits, a broken link and bad times are refused by name', () => {
    const good = node.fork().mine().header
    const connect = (h: BlockHeader, now = NOW) => {
      const r = connectHeaders(chain, 401, [h], now)
      return r.ok ? 'ok' : r.error
    }
    expect(connect(good)).toBe('ok')
    // Half of all nonces do on regtest: one that does not.
    let weak = good
    while (connect(weak) === 'ok') weak = { ...weak, nonce: weak.nonce + 1 }
    expect(connect(weak)).toBe('pow')
    expect(connect({ ...good, bits: 0x207ffffe })).toBe('bits')
    expect(connect({ ...good, prevHash: 'ab'.repeat(32) })).toBe('unlinked')
    expect(connect({ ...good, time: node.blocks[395]?.header.time ?? 0 })).toBe('time')
    expect(connect(good, (good.time - 7201) * 1000)).toBe('future')
    expect(connectHeaders(chain, 500, [good], NOW)).toEqual({ ok: false, error: 'unlinked' })
  })
})

describe('records', () => {
  const apply = (store: Map<string, Uint8Array>, prev: HeaderChain | undefined, next: HeaderChain) => {
    const { puts, deletes } = chainRecords(prev, next)
    for (const key of deletes) store.delete(key)
    for (const { key, value } of puts) store.set(key, value)
    return puts.length
  }
  const records = (store: Map<string, Uint8Array>): ChainRecord[] =>
    [...store].map(([key, value]) => ({ key, value }))

  test('what is stored after every change loads as the same chain', () => {
    const store = new Map<string, Uint8Array>()
    apply(store, undefined, genesis)
    apply(store, genesis, chain)
    expect(loadChain('regtest', records(store))).toEqual({ ok: true, value: chain })
    const other = node.fork()
    other.reorg(150, 151)
    const next = unwrap(connectHeaders(chain, 251, of(other.blocks.slice(251)), NOW)).chain
    apply(store, chain, next)
    expect(loadChain('regtest', records(store).reverse())).toEqual({ ok: true, value: next })
    expect([...store.keys()].every((k) => k.startsWith(chainRecordPrefix('regtest')))).toBe(true)
  })

  test('a new block writes one record, none deletes what is needed', () => {
    const other = node.fork()
    other.mine()
    const next = grow(chain, other)
    const { puts, deletes } = chainRecords(chain, next)
    expect(puts).toHaveLength(1)
    expect(deletes).toEqual([])
    expect(chainRecords(next, next)).toEqual({ puts: [], deletes: [] })
  })

  test('a shorter but heavier chain deletes the chunk that it no longer fills', () => {
    // Equal work a block on regtest, so shorter cannot be heavier: the case is made by hand.
    const cut: HeaderChain = {
      ...chain,
      chunks: chain.chunks.slice(0, 2),
      tip: { ...chain.tip, height: 287 },
    }
    expect(chainRecords(chain, cut).deletes).toHaveLength(1)
  })

  test('pruning drops whole chunks and their records, and the rest still loads', () => {
    const pruned = pruneHeaders(chain, 100)
    expect(pruned.base).toBe(2 * CHUNK_HEADERS)
    expect(headerAt(pruned, 287)).toBeUndefined()
    expect(hashAt(pruned, 288)).toBe(node.blocks[288]?.hash)
    const store = new Map<string, Uint8Array>()
    apply(store, undefined, chain)
    apply(store, chain, pruned)
    expect(store.size).toBe(1)
    expect(loadChain('regtest', records(store))).toEqual({ ok: true, value: pruned })
  })

  test('damage ends the chain before it; nothing usable is an error', () => {
    const store = new Map<string, Uint8Array>()
    apply(store, undefined, chain)
    const keys = [...store.keys()].sort()
    const hurt = (key: string, at: number) => {
      const copy = new Map(store)
      const value = Uint8Array.from(copy.get(key) ?? [])
      value[at] = (value[at] ?? 0) ^ 1
      copy.set(key, value)
      return loadChain('regtest', records(copy))
    }
    const second = keys[1] ?? ''
    for (const at of [0, 4, 200, 5000]) expect(unwrap(hurt(second, at)).tip.hash).toBe(node.blocks[143]?.hash)
    expect(hurt(keys[0] ?? '', 300).ok).toBe(false)
    expect(loadChain('regtest', []).ok).toBe(false)
    expect(loadChain('signet', records(store)).ok).toBe(false)
    expect(loadChain('regtest', [{ key: keys[0] ?? '', value: new Uint8Array(3) }]).ok).toBe(false)
  })

  test('golden: the first record as version 1 writes it', () => {
    const [put] = chainRecords(undefined, genesis).puts
    expect(put?.key).toBe('headers/regtest/00000000')
    const value = put?.value ?? new Uint8Array()
    expect(value.subarray(0, 37)).toEqual(Uint8Array.of(1, ...new Uint8Array(35), 2))
    expect(value.subarray(37)).toEqual(encodeHeader(headerAt(genesis, 0) as BlockHeader))
    expect(hashHeader(headerAt(genesis, 0) as BlockHeader)).toBe(genesis.tip.hash)
  })
})
