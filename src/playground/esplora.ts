import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Address, OutScript, TEST_NETWORK } from '@scure/btc-signer'
import type { EsploraFaults, FaultAnswer } from './esplora-faults.ts'
import { EsploraIndex, type IndexedBlock, type IndexedTx, scriptHash, statusOf } from './esplora-index.ts'
import { type EsploraBlock, merkleBranch } from './esplora-json.ts'
import { type Rpc, RpcError } from './rpc.ts'

/** An answer before it is written: text, JSON or bytes. */
interface Answer {
  readonly status: number
  readonly type: 'text/plain' | 'application/json' | 'application/octet-stream' | 'text/html'
  readonly body: string | Uint8Array
}
const text = (body: string, status = 200): Answer => ({ status, type: 'text/plain', body })
const json = (value: unknown): Answer => ({
  status: 200,
  type: 'application/json',
  body: JSON.stringify(value),
})
const raw = (body: Uint8Array): Answer => ({ status: 200, type: 'application/octet-stream', body })
const NO_TX = text('Transaction not found', 404)
const NO_BLOCK = text('Block not found', 404)
const BAD_HEX = text('Invalid hex string', 400)

const PAGE = 25
const MEMPOOL_PAGE = 50
const BLOCKS = 10
const MAX_BODY = 5_000_000
const HEX64 = /^[0-9a-f]{64}$/
const REGTEST = { ...TEST_NETWORK, bech32: 'bcrt' }

const flip = (hex: string): string =>
  `${(Number.parseInt(hex.slice(0, 2), 16) ^ 1).toString(16).padStart(2, '0')}${hex.slice(2)}`

export interface Esplora {
  readonly index: EsploraIndex
  /** Switches for tests; see EsploraFaults. */
  readonly faults: EsploraFaults
  /** Requests answered so far, so that tests can bound what a client asks. */
  readonly requests: { count: number }
  /** Answers one request; `path` is what follows the API's base (`/tx/…`). */
  handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>
  /** The same without HTTP, and without faults that are no answer: what a server in the same process asks. */
  answer(
    method: string,
    path: string,
    body: string,
  ): Promise<{ readonly status: number; readonly body: string }>
  /** Serves at `http://127.0.0.1:port/api` (port 0: any). */
  listen(port?: number): Promise<{ readonly url: string; close(): Promise<void> }>
}

/** An Esplora HTTP API over one bitcoind's RPC, answering as the public servers do, errors included. */
export function createEsplora(options: { readonly rpc: Rpc; readonly faults?: EsploraFaults }): Esplora {
  const { rpc } = options
  const index = new EsploraIndex(rpc)
  const faults: EsploraFaults = options.faults ?? {}
  const requests = { count: 0 }

  const tipHeight = (): number => Math.min(index.height, faults.staleHeight ?? Number.MAX_SAFE_INTEGER)
  const blockAt = (height: number): IndexedBlock | undefined =>
    height <= tipHeight() ? index.blockAt(height) : undefined
  const blockBy = (hash: string): IndexedBlock | undefined => {
    const block = index.block(hash)
    return block && block.summary.height > tipHeight() ? undefined : block
  }
  const txBy = (txid: string): IndexedTx | undefined => {
    const entry = faults.hideTxs?.has(txid) === true ? undefined : index.tx(txid)
    return entry && seen(entry)
  }
  const seen = (entry: IndexedTx): IndexedTx =>
    entry.block && entry.block.summary.height > tipHeight()
      ? { tx: entry.tx, hex: entry.hex, position: 0 }
      : entry
  const lies = (block: IndexedBlock): boolean => faults.wrongHeaderAt?.has(block.summary.height) === true
  const summary = (block: IndexedBlock): EsploraBlock =>
    lies(block) ? { ...block.summary, nonce: block.summary.nonce ^ 1 } : block.summary
  const header = (block: IndexedBlock): string =>
    lies(block) ? block.header.slice(0, 152) + flip(block.header.slice(152)) : block.header
  const withStatus = (entry: IndexedTx) => ({ ...entry.tx, status: statusOf(entry) })
  const history = (hash: string): IndexedTx[] =>
    index
      .history(hash)
      .filter((entry) => faults.hideTxs?.has(entry.tx.txid) !== true)
      .filter((entry) => !entry.tx.vin.some((vin) => faults.hideSpends?.has(`${vin.txid}:${vin.vout}`)))
      .map(seen)
  const outspend = (txid: string, vout: number) => {
    const spender = faults.hideSpends?.has(`${txid}:${vout}`) ? undefined : index.spender(txid, vout)
    const entry = spender && txBy(spender.txid)
    return spender && entry
      ? { spent: true, txid: spender.txid, vin: spender.vin, status: statusOf(entry) }
      : { spent: false }
  }

  function blocks(parts: readonly string[]): Answer {
    const [what, detail] = parts
    if (what === 'tip' && parts.length === 2) {
      const tip = blockAt(tipHeight())
      if (detail === 'height') return text(String(tipHeight()))
      if (detail === 'hash' && tip) return text(tip.summary.id)
    }
    if (parts.length > 1 || (what !== undefined && !/^\d{1,9}$/.test(what)))
      return text('Invalid height', 400)
    const start = what === undefined ? tipHeight() : Number(what)
    if (!blockAt(start)) return NO_BLOCK
    const list: EsploraBlock[] = []
    for (let height = start; height >= 0 && list.length < BLOCKS; height--) {
      const block = blockAt(height)
      if (block) list.push(summary(block))
    }
    return json(list)
  }

  async function block(hash: string, parts: readonly string[]): Promise<Answer> {
    if (!HEX64.test(hash)) return BAD_HEX
    const [what, detail] = parts
    const found = blockBy(hash)
    if (what === 'status' && parts.length === 1) {
      const best = found !== undefined && index.inBestChain(found)
      return json({
        in_best_chain: best,
        height: best ? found.summary.height : null,
        next_best: best ? (blockAt(found.summary.height + 1)?.summary.id ?? null) : null,
      })
    }
    if (!found) return NO_BLOCK
    if (what === undefined) return json(summary(found))
    if (parts.length === 1) {
      if (what === 'header') return text(header(found))
      if (what === 'txids') return json(found.txids)
      if (what === 'raw') return raw(Buffer.from(await rpc.call<string>('getblock', hash, 0), 'hex'))
    }
    if (what === 'txid' && parts.length === 2) {
      const txid = /^\d{1,9}$/.test(detail ?? '') ? found.txids[Number(detail)] : undefined
      return txid === undefined ? text('tx index out of range', 404) : text(txid)
    }
    if (what === 'txs' && parts.length <= 2) {
      const start = Number(detail ?? 0)
      if (!Number.isSafeInteger(start) || start < 0 || start >= found.txids.length)
        return text('start index out of range', 400)
      const page = found.txids.slice(start, start + PAGE).flatMap((txid) => txBy(txid) ?? [])
      return json(page.map(withStatus))
    }
    return text('endpoint does not exist', 404)
  }

  function tx(txid: string, parts: readonly string[]): Answer {
    if (!HEX64.test(txid)) return BAD_HEX
    const [what, detail] = parts
    const entry = txBy(txid)
    if (what === 'status' && parts.length === 1) return json(statusOf(entry))
    if (what === 'outspend' && parts.length === 2) {
      if (!/^\d{1,9}$/.test(detail ?? '')) return text('Invalid output index', 400)
      return json(outspend(txid, Number(detail)))
    }
    if (!entry) return NO_TX
    if (what === undefined) return json(withStatus(entry))
    if (parts.length > 1) return text('endpoint does not exist', 404)
    if (what === 'hex') return text(entry.hex)
    if (what === 'raw') return raw(Buffer.from(entry.hex, 'hex'))
    if (what === 'outspends') return json(entry.tx.vout.map((_, vout) => outspend(txid, vout)))
    if (what === 'merkle-proof') {
      if (!entry.block) return text('Transaction not found or is unconfirmed', 404)
      const merkle = merkleBranch(entry.block.txids, entry.position)
      const lie = faults.wrongProof === true
      const [first] = merkle
      return json({
        block_height: entry.block.summary.height,
        merkle: lie && first !== undefined ? [flip(first), ...merkle.slice(1)] : merkle,
        pos: lie && first === undefined ? entry.position + 1 : entry.position,
      })
    }
    return text('endpoint does not exist', 404)
  }

  function stats(hash: string) {
    const empty = () => ({
      funded_txo_count: 0,
      funded_txo_sum: 0,
      spent_txo_count: 0,
      spent_txo_sum: 0,
      tx_count: 0,
    })
    const chain = empty()
    const mempool = empty()
    for (const entry of history(hash)) {
      const side = entry.block ? chain : mempool
      side.tx_count++
      for (const out of entry.tx.vout)
        if (scriptHash(out.scriptpubkey) === hash) {
          side.funded_txo_count++
          side.funded_txo_sum += out.value
        }
      for (const { prevout } of entry.tx.vin)
        if (prevout && scriptHash(prevout.scriptpubkey) === hash) {
          side.spent_txo_count++
          side.spent_txo_sum += prevout.value
        }
    }
    return { chain_stats: chain, mempool_stats: mempool }
  }

  function script(hash: string, name: Record<string, string>, parts: readonly string[]): Answer {
    const [what, which, last] = parts
    if (what === undefined) return json({ ...name, ...stats(hash) })
    if (what === 'utxo' && parts.length === 1) {
      const hidden = (txid: string, vout: number): boolean => outspend(txid, vout).spent
      const unspent = history(hash).flatMap((entry) =>
        entry.tx.vout.flatMap((out, vout) =>
          scriptHash(out.scriptpubkey) === hash && !hidden(entry.tx.txid, vout)
            ? [{ txid: entry.tx.txid, vout, status: statusOf(entry), value: out.value }]
            : [],
        ),
      )
      return json(unspent)
    }
    if (what !== 'txs') return text('endpoint does not exist', 404)
    const all = history(hash)
    const pool = all.filter((entry) => !entry.block).slice(0, MEMPOOL_PAGE)
    const chain = all.filter((entry) => entry.block)
    if (which === undefined) return json([...pool, ...chain.slice(0, PAGE)].map(withStatus))
    if (which === 'mempool' && last === undefined) return json(pool.map(withStatus))
    if (which === 'chain') {
      if (last !== undefined && !HEX64.test(last)) return BAD_HEX
      const at = last === undefined ? -1 : chain.findIndex((entry) => entry.tx.txid === last)
      if (last !== undefined && at < 0) return json([])
      return json(chain.slice(at + 1, at + 1 + PAGE).map(withStatus))
    }
    return text('endpoint does not exist', 404)
  }

  function address(given: string, parts: readonly string[]): Answer {
    let hash: string
    try {
      const decoded = Address(REGTEST).decode(given)
      hash = scriptHash(Buffer.from(OutScript.encode(decoded)).toString('hex'))
    } catch {
      return text('Invalid Bitcoin address', 400)
    }
    return script(hash, { address: given }, parts)
  }

  function mempool(parts: readonly string[]): Answer {
    const entries = index.mempool()
    const [what] = parts
    if (what === 'txids') return json(entries.map((entry) => entry.tx.txid))
    const vsize = (entry: IndexedTx): number => Math.ceil(entry.tx.weight / 4)
    if (what === 'recent')
      return json(
        entries.slice(-10).map((entry) => ({
          txid: entry.tx.txid,
          fee: entry.tx.fee,
          vsize: vsize(entry),
          value: entry.tx.vout.reduce((sum, out) => sum + out.value, 0),
        })),
      )
    if (what !== undefined) return text('endpoint does not exist', 404)
    const rates = entries
      .map((entry): [number, number] => [entry.tx.fee / vsize(entry), vsize(entry)])
      .sort((a, b) => b[0] - a[0])
    return json({
      count: entries.length,
      vsize: entries.reduce((sum, entry) => sum + vsize(entry), 0),
      total_fee: entries.reduce((sum, entry) => sum + entry.tx.fee, 0),
      fee_histogram: rates,
    })
  }

  /** Core's error in the words of the public servers. */
  const rpcFailure = (method: string, error: unknown): Answer => {
    if (!(error instanceof RpcError)) throw error
    return text(`${method} RPC error: ${JSON.stringify({ code: error.code, message: error.message })}`, 400)
  }

  async function post(path: string, body: string): Promise<Answer> {
    if (path === '/tx') {
      try {
        return text(await rpc.call<string>('sendrawtransaction', body.trim()))
      } catch (error) {
        return rpcFailure('sendrawtransaction', error)
      }
    }
    if (path === '/txs/package') {
      let list: unknown
      try {
        list = JSON.parse(body)
      } catch {
        return text('Invalid JSON', 400)
      }
      if (!Array.isArray(list) || list.length === 0 || list.length > 25)
        return text('A package holds 1 to 25 transactions', 400)
      if (!list.every((hex) => typeof hex === 'string' && /^([0-9a-f]{2})+$/i.test(hex))) return BAD_HEX
      try {
        return json(await rpc.call('submitpackage', list))
      } catch (error) {
        return rpcFailure('submitpackage', error)
      }
    }
    return text('endpoint does not exist', 404)
  }

  async function get(path: string): Promise<Answer> {
    await index.sync()
    const [room, ...rest] = path.split('/').slice(1)
    const [id = '', ...more] = rest
    if (room === 'blocks') return blocks(rest)
    if (room === 'block-height' && rest.length === 1) {
      if (!/^\d{1,9}$/.test(id)) return text('Invalid height', 400)
      const found = blockAt(Number(id))
      return found ? text(found.summary.id) : NO_BLOCK
    }
    if (room === 'block') return block(id, more)
    if (room === 'tx') return tx(id, more)
    if (room === 'scripthash') return HEX64.test(id) ? script(id, { scripthash: id }, more) : BAD_HEX
    if (room === 'address') return address(id, more)
    if (room === 'mempool') return mempool(rest)
    if (room === 'fee-estimates' && rest.length === 0) return json({})
    return text('endpoint does not exist', 404)
  }

  function write(response: ServerResponse, answer: Answer, cors = true): void {
    response.writeHead(answer.status, {
      'content-type': answer.type === 'text/html' ? 'text/html; charset=utf-8' : answer.type,
      'cache-control': 'no-store',
      ...(cors ? { 'access-control-allow-origin': '*' } : {}),
    })
    response.end(answer.body)
  }

  function misbehave(fault: FaultAnswer, request: IncomingMessage, response: ServerResponse): void {
    if (fault.kind === 'silence') return
    if (fault.kind === 'reset') request.socket.destroy()
    else if (fault.kind === 'html')
      write(response, {
        status: 200,
        type: 'text/html',
        body: '<html><body>Sign in to the network</body></html>',
      })
    else if (fault.kind === 'notice')
      write(response, json({ error: 'You have been rate limited. Please contact us.' }))
    else if (fault.kind === 'tooManyRequests')
      write(response, text('Too Many Requests', 429), fault.cors !== false)
    else write(response, text(fault.body, fault.status))
  }

  function readBody(request: IncomingMessage): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const parts: Buffer[] = []
      let size = 0
      request.on('data', (part: Buffer) => {
        size += part.length
        if (size <= MAX_BODY) parts.push(part)
      })
      request.on('end', () => resolve(size > MAX_BODY ? undefined : Buffer.concat(parts).toString('utf8')))
      request.on('error', reject)
    })
  }

  async function handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    requests.count++
    const method = request.method ?? 'GET'
    const plain = path.replace(/\?.*$/s, '').replace(/(.)\/$/, '$1')
    const fault = faults.answer?.({ method, path: plain })
    if (fault) return misbehave(fault, request, response)
    try {
      if (method === 'GET' || method === 'HEAD') write(response, await get(plain))
      else if (method === 'POST') {
        const body = await readBody(request)
        write(response, body === undefined ? text('Body too large', 413) : await post(plain, body))
      } else write(response, text('endpoint does not exist', 404))
    } catch (error) {
      write(response, text(error instanceof Error ? error.message : 'internal error', 500))
    }
  }

  return {
    index,
    faults,
    requests,
    handle,
    async answer(method, path, body) {
      const { status, body: given } = method === 'POST' ? await post(path, body) : await get(path)
      return { status, body: typeof given === 'string' ? given : Buffer.from(given).toString('hex') }
    },
    listen(port = 0) {
      const server = createServer((request, response) => {
        void handle(request, response, (request.url ?? '/').replace(/^\/api(?=\/)/, ''))
      })
      return new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, '127.0.0.1', () =>
          resolve({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
            close: () =>
              new Promise((closed) => {
                server.close(() => closed())
                server.closeAllConnections()
              }),
          }),
        )
      })
    },
  }
}
