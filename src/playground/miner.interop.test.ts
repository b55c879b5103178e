import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { drip } from './faucet.ts'
import { createMiner, type Miner } from './miner.ts'

const BOB = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
let node: Bitcoind
let miner: Miner
const folder = mkdtempSync(join(tmpdir(), 'switchback-test-'))
const keyFile = join(folder, 'wallet', 'key')

beforeAll(async () => {
  node = await startBitcoind()
  miner = createMiner({ rpc: node.rpc, keyFile })
  await miner.ready()
})
afterAll(async () => {
  miner?.stop()
  await node?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const height = (): Promise<number> => node.rpc.call<number>('getblockcount')

it('mines a new chain to where coins can be spent, and does not mine again on the next start', async () => {
  expect(await height()).toBe(110)
  const again = createMiner({ rpc: node.rpc, keyFile })
  await again.ready()
  expect(await height()).toBe(110)
  expect(again.address).toBe(miner.address)
})

it('pays many at once, more than the mempool takes in a row, each with the amount asked for', async () => {
  const txids = await Promise.all(Array.from({ length: 60 }, (_, i) => miner.fund(BOB, 100_000 + i)))
  expect(new Set(txids).size).toBe(60)
  await miner.mine()
  for (const [i, txid] of txids.entries()) {
    const out = await node.rpc.call<{ value: number; confirmations: number }>('gettxout', txid, 0)
    expect(Math.round(out.value * 1e8)).toBe(100_000 + i)
    expect(out.confirmations).toBeGreaterThan(0)
  }
})

it('faucet names what is wrong and pays nothing for it', async () => {
  const pool = (): Promise<unknown> => node.rpc.call('getrawmempool')
  for (const [address, sat] of [
    ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 5000],
    ['', 5000],
    [7, 5000],
    [BOB, 1.5],
    [BOB, -1],
    [BOB, '5000'],
    [BOB, 1e12],
  ])
    expect(await drip(miner, address, sat)).toMatchObject({
      ok: false,
      message: expect.any(String) as string,
    })
  expect(await pool()).toEqual([])
  expect(await drip(miner, BOB, 5000)).toMatchObject({ ok: true })
  expect(await pool()).toHaveLength(1)
  await miner.mine()
})

it('mines by itself only while something waits: the payment’s block, the blocks after it, then silence', async () => {
  const before = await height()
  const tip = await node.rpc.call<string>('getbestblockhash')
  miner.auto(5, 2)
  expect(await node.waitForTipOtherThan(tip, 200)).toBe(tip)
  await miner.fund(BOB, 9_000)
  let seen = tip
  for (let i = 0; i < 3; i++) {
    const next = await node.waitForTipOtherThan(seen, 5_000)
    expect(next).not.toBe(seen)
    seen = next
  }
  const last = await node.rpc.call<string>('getbestblockhash')
  expect(await node.waitForTipOtherThan(last, 200)).toBe(last)
  expect(await height()).toBe(before + 3)
  miner.want(1)
  expect(await node.waitForTipOtherThan(last, 5_000)).not.toBe(last)
})
