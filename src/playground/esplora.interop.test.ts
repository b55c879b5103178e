import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { createEsplora, type Esplora } from './esplora.ts'
import { createMiner, type Miner, scriptOf } from './miner.ts'

const BOB = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const KEY = new Uint8Array(32).fill(7)
const UNKNOWN = 'ab'.repeat(32)
let node: Bitcoind
let miner: Miner
let esplora: Esplora
let server: { readonly url: string; close(): Promise<void> }

beforeAll(async () => {
  node = await startBitcoind()
  miner = createMiner({ rpc: node.rpc, key: KEY })
  await miner.ready()
  esplora = createEsplora({ rpc: node.rpc })
  server = await esplora.listen()
})
afterAll(async () => {
  await server?.close()
  await node?.stop()
})
beforeEach(() => {
  for (const key of Object.keys(esplora.faults)) delete (esplora.faults as Record<string, unknown>)[key]
})

const get = (path: string): Promise<Response> => fetch(server.url + path)
const text = async (path: string): Promise<string> => (await get(path)).text()
const json = async <T>(path: string): Promise<T> => (await get(path)).json() as Promise<T>
const post = (path: string, body: string): Promise<Response> =>
  fetch(server.url + path, { method: 'POST', body, headers: { 'content-type': 'text/plain' } })
const failure = async (response: Promise<Response>): Promise<[number, string]> => {
  const answer = await response
  return [answer.status, await answer.text()]
}
const hash256 = (bytes: Uint8Array): Buffer =>
  createHash('sha256').update(createHash('sha256').update(bytes).digest()).digest()
const hashOf = (address: string): string => createHash('sha256').update(scriptOf(address)).digest('hex')

/** Checks a proof the way a client does; the root it leads to, in display order. */
function rootOf(txid: string, merkle: readonly string[], pos: number): string {
  let at = Buffer.from(txid, 'hex').reverse()
  let index = pos
  for (const sibling of merkle) {
    const other = Buffer.from(sibling, 'hex').reverse()
    at = Buffer.from(hash256(Buffer.concat(index & 1 ? [other, at] : [at, other])))
    index >>= 1
  }
  return Buffer.from(at).reverse().toString('hex')
}

interface Status {
  confirmed: boolean
  block_height?: number
  block_hash?: string
}
interface Summary {
  id: string
  height: number
  merkle_root: string
  previousblockhash: string
  nonce: number
  bits: number
  timestamp: number
  version: number
  tx_count: number
  mediantime: number
}

describe('headers and blocks', () => {
  it('tells the tip and rebuilds into the header that hashes to the block', async () => {
    const height = Number(await text('/blocks/tip/height'))
    const hash = await text('/blocks/tip/hash')
    expect(await text(`/block-height/${height}`)).toBe(hash)
    const header = Buffer.from(await text(`/block/${hash}/header`), 'hex')
    expect(header.length).toBe(80)
    expect(hash256(header).reverse().toString('hex')).toBe(hash)
    const [newest, ...older] = await json<Summary[]>('/blocks')
    expect(newest).toMatchObject({ id: hash, height })
    expect(older.length).toBe(9)
    // A client rebuilds headers from summaries alone: ten a request instead of one.
    const rebuilt = Buffer.alloc(80)
    if (!newest) throw new Error('no block')
    rebuilt.writeInt32LE(newest.version, 0)
    Buffer.from(newest.previousblockhash, 'hex').reverse().copy(rebuilt, 4)
    Buffer.from(newest.merkle_root, 'hex').reverse().copy(rebuilt, 36)
    rebuilt.writeUInt32LE(newest.timestamp, 68)
    rebuilt.writeUInt32LE(newest.bits, 72)
    rebuilt.writeUInt32LE(newest.nonce, 76)
    expect(rebuilt.equals(header)).toBe(true)
    const page = await json<Summary[]>('/blocks/4')
    expect(page.map((b) => b.height)).toEqual([4, 3, 2, 1, 0])
    expect(page.at(-1)?.previousblockhash).toBe(null)
  })

  it('answers for one block: summary, status, txids, raw', async () => {
    const hash = await text('/block-height/5')
    const next = await text('/block-height/6')
    expect(await json(`/block/${hash}/status`)).toEqual({ in_best_chain: true, height: 5, next_best: next })
    expect(await json<Summary>(`/block/${hash}`)).toMatchObject({ id: hash, tx_count: 1, height: 5 })
    const txids = await json<string[]>(`/block/${hash}/txids`)
    expect(await text(`/block/${hash}/txid/0`)).toBe(txids[0])
    expect(await failure(get(`/block/${hash}/txid/1`))).toEqual([404, 'tx index out of range'])
    const raw = Buffer.from(await (await get(`/block/${hash}/raw`)).arrayBuffer())
    expect(hash256(raw.subarray(0, 80)).reverse().toString('hex')).toBe(hash)
    const [coinbase] = await json<{ vin: { is_coinbase: boolean; prevout: null }[]; fee: number }[]>(
      `/block/${hash}/txs`,
    )
    expect(coinbase).toMatchObject({ fee: 0, vin: [{ is_coinbase: true, prevout: null }] })
  })

  it('is right at once after a block, without a pause', async () => {
    for (let i = 0; i < 5; i++) {
      const [hash] = await miner.mine()
      expect(await text('/blocks/tip/hash')).toBe(hash)
    }
  })
})

describe('transactions', () => {
  it('follows one from the mempool into a block and proves it against the header', async () => {
    const before = await json<{ txid: string }[]>(`/address/${BOB}/utxo`)
    const { txid, hex } = await miner.build([{ script: scriptOf(BOB), amountSat: 70_000n }])
    expect(await failure(get(`/tx/${txid}`))).toEqual([404, 'Transaction not found'])
    expect(await (await post('/tx', hex)).text()).toBe(txid)
    const tx = await json<{
      status: Status
      fee: number
      vin: { txid: string; vout: number; prevout: object }[]
    }>(`/tx/${txid}`)
    expect(tx).toMatchObject({
      status: { confirmed: false },
      vin: [{ prevout: { scriptpubkey_type: 'v0_p2wpkh', scriptpubkey_address: miner.address } }],
      vout: [
        {
          value: 70_000,
          scriptpubkey_address: BOB,
          scriptpubkey_asm: 'OP_0 OP_PUSHBYTES_20 751e76e8199196d454941c45d1b3a323f1433bd6',
        },
        {},
      ],
    })
    expect(tx.fee).toBeGreaterThan(0)
    const [input] = tx.vin
    if (!input) throw new Error('no input')
    const spent = { spent: true, txid, vin: 0 }
    expect(await json(`/tx/${input.txid}/outspend/${input.vout}`)).toEqual({
      ...spent,
      status: { confirmed: false },
    })
    expect((await get(`/tx/${txid}/merkle-proof`)).status).toBe(404)
    expect(await json(`/scripthash/${hashOf(BOB)}/txs/mempool`)).toMatchObject([{ txid }])
    expect(await json(`/mempool`)).toMatchObject({ count: 1, total_fee: tx.fee })
    expect(await json(`/mempool/txids`)).toEqual([txid])

    const [hash] = await miner.mine()
    const height = Number(await text('/blocks/tip/height'))
    const status = await json<Status>(`/tx/${txid}/status`)
    expect(status).toMatchObject({ confirmed: true, block_hash: hash, block_height: height })
    const proof = await json<{ block_height: number; merkle: string[]; pos: number }>(
      `/tx/${txid}/merkle-proof`,
    )
    expect(proof.block_height).toBe(height)
    const block = await json<Summary>(`/block/${hash}`)
    expect(rootOf(txid, proof.merkle, proof.pos)).toBe(block.merkle_root)
    expect(await json(`/tx/${input.txid}/outspend/${input.vout}`)).toEqual({ ...spent, status })
    expect(await text(`/tx/${txid}/hex`)).toBe(hex)
    expect(await json(`/tx/${txid}/outspends`)).toEqual([{ spent: false }, { spent: false }])
    const after = await json<{ txid: string }[]>(`/address/${BOB}/utxo`)
    expect(after.length).toBe(before.length + 1)
    expect(after.find((u) => u.txid === txid)).toEqual({ txid, vout: 0, value: 70_000, status })
    expect(await json(`/scripthash/${hashOf(BOB)}/utxo`)).toEqual(after)
  })

  it('proves every transaction of a block with many', async () => {
    const txids: string[] = []
    for (let i = 0; i < 6; i++) txids.push(await miner.fund(BOB, 10_000 + i))
    const [hash] = await miner.mine()
    const { merkle_root } = await json<Summary>(`/block/${hash}`)
    for (const txid of await json<string[]>(`/block/${hash}/txids`)) {
      const { merkle, pos } = await json<{ merkle: string[]; pos: number }>(`/tx/${txid}/merkle-proof`)
      expect(rootOf(txid, merkle, pos)).toBe(merkle_root)
    }
    expect(txids.length).toBe(6)
  })

  it('pages a long history by 25 without gap or repetition, newest first', async () => {
    type Entry = { txid: string; status: Status }
    const seen: Entry[] = []
    let path = `/address/${miner.address}/txs/chain`
    for (;;) {
      const page = await json<Entry[]>(path)
      seen.push(...page)
      if (page.length < 25) break
      path = `/address/${miner.address}/txs/chain/${page.at(-1)?.txid}`
    }
    const height = Number(await text('/blocks/tip/height'))
    expect(seen.length).toBeGreaterThanOrEqual(height)
    expect(new Set(seen.map((e) => e.txid)).size).toBe(seen.length)
    const heights = seen.map((e) => e.status.block_height ?? 0)
    expect(heights).toEqual([...heights].sort((a, b) => b - a))
  })

  it('sums up a script', async () => {
    const { chain_stats } = await json<{
      chain_stats: {
        funded_txo_count: number
        spent_txo_count: number
        tx_count: number
        funded_txo_sum: number
      }
    }>(`/address/${BOB}`)
    const utxos = await json<{ value: number }[]>(`/address/${BOB}/utxo`)
    expect(chain_stats).toMatchObject({
      funded_txo_count: utxos.length,
      spent_txo_count: 0,
      tx_count: utxos.length,
      funded_txo_sum: utxos.reduce((sum, u) => sum + u.value, 0),
    })
  })

  it('takes a package and says what became of each transaction', async () => {
    const first = await miner.build([{ script: scriptOf(BOB), amountSat: 20_000n }])
    const answer = await post('/txs/package', JSON.stringify([first.hex]))
    expect(await answer.json()).toMatchObject({ package_msg: 'success' })
    expect(await json(`/tx/${first.txid}/status`)).toEqual({ confirmed: false })
    expect((await post('/txs/package', 'zz')).status).toBe(400)
    expect((await post('/txs/package', '["zz"]')).status).toBe(400)
    await miner.mine()
  })
})

describe('errors as the public servers word them', () => {
  it.each([
    ['/tx/' + UNKNOWN, 404, 'Transaction not found'],
    [`/tx/${UNKNOWN}/hex`, 404, 'Transaction not found'],
    [`/tx/${UNKNOWN}/status`, 200, '{"confirmed":false}'],
    [`/tx/${UNKNOWN}/outspend/0`, 200, '{"spent":false}'],
    [`/tx/${UNKNOWN}/outspends`, 404, 'Transaction not found'],
    [`/tx/zz`, 400, 'Invalid hex string'],
    [`/block/${UNKNOWN}`, 404, 'Block not found'],
    [`/block/${UNKNOWN}/header`, 404, 'Block not found'],
    [`/block-height/999999`, 404, 'Block not found'],
    ['/address/bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 400, 'Invalid Bitcoin address'],
    ['/nothing', 404, 'endpoint does not exist'],
    ['/fee-estimates', 200, '{}'],
    [`/scripthash/${UNKNOWN}/txs`, 200, '[]'],
    [`/scripthash/${UNKNOWN}/utxo`, 200, '[]'],
  ])('GET %s', async (path, status, body) => {
    expect(await failure(get(path))).toEqual([status, body])
  })

  it('refuses transactions with Core’s code and words, and takes one twice', async () => {
    expect(await failure(post('/tx', 'zz'))).toEqual([
      400,
      'sendrawtransaction RPC error: {"code":-22,"message":"TX decode failed. Make sure the tx has at least one input."}',
    ])
    const good = await miner.build([{ script: scriptOf(BOB), amountSat: 30_000n }])
    const bad = good.hex.slice(0, -10) + '00' + good.hex.slice(-8)
    const [status, words] = await failure(post('/tx', bad))
    expect(status).toBe(400)
    expect(words).toMatch(/^sendrawtransaction RPC error: \{"code":-2[56],"message":"/)
    expect((await post('/tx', good.hex)).status).toBe(200)
    expect((await post('/tx', good.hex)).status).toBe(200)
    await miner.mine()
  })

  it('lets any page read it and knows no preflight', async () => {
    expect((await get('/blocks/tip/height')).headers.get('access-control-allow-origin')).toBe('*')
    expect((await get(`/tx/${UNKNOWN}`)).headers.get('access-control-allow-origin')).toBe('*')
    expect((await fetch(`${server.url}/tx`, { method: 'OPTIONS' })).status).toBe(404)
  })
})

describe('a reorganisation of three blocks', () => {
  it('takes back confirmations, spends and heights, then follows the other branch', async () => {
    const height = Number(await text('/blocks/tip/height'))
    const fork = await text('/blocks/tip/hash')
    const txid = await miner.fund(BOB, 55_000)
    const [first] = await miner.mine(3)
    const tx = await json<{ status: Status; vin: { txid: string; vout: number }[] }>(`/tx/${txid}`)
    expect(tx.status).toMatchObject({ confirmed: true, block_height: height + 1, block_hash: first })
    const [input] = tx.vin

    await node.rpc.call('invalidateblock', first)
    expect(await text('/blocks/tip/hash')).toBe(fork)
    expect(await json(`/tx/${txid}/status`)).toEqual({ confirmed: false })
    expect(await json(`/tx/${input?.txid}/outspend/${input?.vout}`)).toMatchObject({
      spent: true,
      status: { confirmed: false },
    })
    expect(await json(`/block/${first}/status`)).toMatchObject({ in_best_chain: false, next_best: null })

    // The other branch leaves the transaction out of its first block and is one block longer.
    const branch = await node.rpc.call<{ hash: string }>('generateblock', BOB, [])
    await miner.mine(3)
    expect(await text(`/block-height/${height + 1}`)).toBe(branch.hash)
    expect(Number(await text('/blocks/tip/height'))).toBe(height + 4)
    const status = await json<Status>(`/tx/${txid}/status`)
    expect(status).toMatchObject({ confirmed: true, block_height: height + 2 })
    const { merkle, pos } = await json<{ merkle: string[]; pos: number }>(`/tx/${txid}/merkle-proof`)
    expect(rootOf(txid, merkle, pos)).toBe((await json<Summary>(`/block/${status.block_hash}`)).merkle_root)

    // An index that starts now must agree with the one that lived through it.
    const fresh = createEsplora({ rpc: node.rpc })
    await fresh.index.sync()
    for (const hash of [hashOf(BOB), hashOf(miner.address)])
      expect(esplora.index.history(hash).map((e) => e.tx.txid)).toEqual(
        fresh.index.history(hash).map((e) => e.tx.txid),
      )
  })

  it('takes one block back and, when it is reconsidered, again', async () => {
    const txid = await miner.fund(BOB, 40_000)
    const [block] = await miner.mine()
    await node.rpc.call('invalidateblock', block)
    expect(await json(`/tx/${txid}/status`)).toEqual({ confirmed: false })
    await node.rpc.call('reconsiderblock', block)
    expect(await json(`/tx/${txid}/status`)).toMatchObject({ confirmed: true, block_hash: block })
  })

  it('drops a transaction whose input a block gave to another one', async () => {
    // A second wallet over the same key does not know what the first has chosen, so both spend the same coin.
    const twin = createMiner({ rpc: node.rpc, key: KEY })
    const [paid, double] = [
      await miner.build([{ script: scriptOf(BOB), amountSat: 41_000n }]),
      await twin.build([{ script: scriptOf(BOB), amountSat: 42_000n }]),
    ]
    await post('/tx', paid.hex)
    const { vin } = await json<{ vin: { txid: string; vout: number }[] }>(`/tx/${paid.txid}`)
    const [input] = vin
    await node.rpc.call('generateblock', BOB, [double.hex])
    expect((await get(`/tx/${paid.txid}`)).status).toBe(404)
    expect(await json(`/tx/${input?.txid}/outspend/${input?.vout}`)).toMatchObject({
      spent: true,
      txid: double.txid,
      status: { confirmed: true },
    })
    expect(JSON.stringify(await json(`/address/${BOB}/utxo`))).not.toContain(paid.txid)
  })
})

describe('faults that tests switch on', () => {
  it('fails outright in each way a server can', async () => {
    esplora.faults.answer = ({ path }) => (path === '/blocks/tip/hash' ? { kind: 'html' } : undefined)
    expect(await text('/blocks/tip/hash')).toMatch(/^<html>/)
    expect(await text('/blocks/tip/height')).toMatch(/^\d+$/)
    esplora.faults.answer = () => ({ kind: 'tooManyRequests', cors: false })
    const limited = await get('/blocks/tip/height')
    expect([limited.status, limited.headers.get('access-control-allow-origin')]).toEqual([429, null])
    esplora.faults.answer = () => ({ kind: 'notice' })
    expect(await json('/blocks/tip/height')).toHaveProperty('error')
    esplora.faults.answer = () => ({ kind: 'reset' })
    await expect(get('/blocks/tip/height')).rejects.toThrow()
    esplora.faults.answer = () => ({ kind: 'silence' })
    const abort = AbortSignal.timeout(100)
    await expect(fetch(`${server.url}/blocks/tip/height`, { signal: abort })).rejects.toThrow('timeout')
  })

  it('lies about headers, proofs, the tip and spends', async () => {
    const height = Number(await text('/blocks/tip/height'))
    const hash = await text('/blocks/tip/hash')
    esplora.faults.wrongHeaderAt = new Set([height])
    const header = Buffer.from(await text(`/block/${hash}/header`), 'hex')
    const [summary] = await json<Summary[]>('/blocks')
    expect(hash256(header).reverse().toString('hex')).not.toBe(hash)
    expect(header.readUInt32LE(76)).toBe(summary?.nonce)
    delete esplora.faults.wrongHeaderAt

    const txid = await miner.fund(BOB, 33_000)
    const [block] = await miner.mine()
    const { merkle_root } = await json<Summary>(`/block/${block}`)
    esplora.faults.wrongProof = true
    const proof = await json<{ merkle: string[]; pos: number }>(`/tx/${txid}/merkle-proof`)
    expect(rootOf(txid, proof.merkle, proof.pos)).not.toBe(merkle_root)
    delete esplora.faults.wrongProof

    esplora.faults.staleHeight = height
    expect(await text('/blocks/tip/height')).toBe(String(height))
    expect(await json(`/tx/${txid}/status`)).toEqual({ confirmed: false })
    expect((await get(`/block/${block}`)).status).toBe(404)
    delete esplora.faults.staleHeight

    const { vin } = await json<{ vin: { txid: string; vout: number }[] }>(`/tx/${txid}`)
    const [input] = vin
    esplora.faults.hideSpends = new Set([`${input?.txid}:${input?.vout}`])
    expect(await json(`/tx/${input?.txid}/outspend/${input?.vout}`)).toEqual({ spent: false })
    delete esplora.faults.hideSpends
    esplora.faults.hideTxs = new Set([txid])
    expect((await get(`/tx/${txid}`)).status).toBe(404)
  })
})
