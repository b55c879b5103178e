import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { EsploraRequest } from '../../engine/chain/esplora.ts'
import { createEsploraClient } from './client.ts'

const HASH = 'ab'.repeat(32)
let handler: (request: IncomingMessage, response: ServerResponse) => void = () => {}
let server: Server
let base = ''

beforeAll(async () => {
  server = createServer((request, response) => handler(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

const client = (options: { timeoutMs?: number; maxBytes?: number } = {}) =>
  createEsploraClient({ fetch, ...options })
const answer = (status: number, body: string) => {
  handler = (_, response) => response.writeHead(status).end(body)
}
const ask = (request: EsploraRequest, options = {}) => client(options).request(base, request)

describe('requests', () => {
  test.each<[EsploraRequest, string]>([
    [{ kind: 'tipHash' }, 'GET /api/blocks/tip/hash'],
    [{ kind: 'blocks', height: null }, 'GET /api/blocks'],
    [{ kind: 'blocks', height: 7 }, 'GET /api/blocks/7'],
    [{ kind: 'blockHash', height: 7 }, 'GET /api/block-height/7'],
    [{ kind: 'blockHeader', hash: HASH }, `GET /api/block/${HASH}/header`],
    [{ kind: 'tx', txid: HASH }, `GET /api/tx/${HASH}/hex`],
    [{ kind: 'merkleProof', txid: HASH }, `GET /api/tx/${HASH}/merkle-proof`],
    [{ kind: 'outspend', txid: HASH, vout: 3 }, `GET /api/tx/${HASH}/outspend/3`],
    [{ kind: 'history', scriptHash: HASH, after: null }, `GET /api/scripthash/${HASH}/txs`],
    [{ kind: 'history', scriptHash: HASH, after: HASH }, `GET /api/scripthash/${HASH}/txs/chain/${HASH}`],
    [{ kind: 'feeEstimates' }, 'GET /api/fee-estimates'],
    [{ kind: 'broadcast', hex: '00' }, 'POST /api/tx'],
  ])('%o goes to its place', async (request, line) => {
    let seen = ''
    handler = (r, response) => {
      seen = `${r.method} ${r.url}`
      response.end('[]')
    }
    await ask(request)
    expect(seen).toBe(line)
  })

  test('a broadcast is plain text, which needs no preflight, and nothing carries cookies or a referrer', async () => {
    let body = ''
    let headers: IncomingMessage['headers'] = {}
    handler = (r, response) => {
      headers = r.headers
      r.on('data', (d) => {
        body += String(d)
      })
      r.on('end', () => response.end(HASH))
    }
    expect(await ask({ kind: 'broadcast', hex: 'c0ffee' })).toEqual({ ok: true, value: HASH })
    expect(body).toBe('c0ffee')
    expect(headers['content-type']).toBe('text/plain')
    expect(headers.referer).toBeUndefined()
  })
})

describe('answers', () => {
  test('text stays text, JSON is parsed', async () => {
    answer(200, HASH)
    expect(await ask({ kind: 'tipHash' })).toEqual({ ok: true, value: HASH })
    answer(200, '{"spent":false}')
    expect(await ask({ kind: 'outspend', txid: HASH, vout: 0 })).toEqual({
      ok: true,
      value: { spent: false },
    })
  })

  test.each<[string, number, string, object]>([
    ['404', 404, 'Block not found', { kind: 'http', status: 404, message: 'Block not found' }],
    [
      '500 in HTML',
      500,
      '<html>\n<b>Bad</b>\ngateway</html>',
      { kind: 'http', status: 500, message: 'Bad gateway' },
    ],
    ['429', 429, 'Too Many Requests', { kind: 'rateLimited', status: 429, message: 'Too Many Requests' }],
    ['HTML for JSON', 200, '<!DOCTYPE html><p>hello', { kind: 'shape', status: 200, message: 'hello' }],
  ])('%s', async (_, status, body, error) => {
    answer(status, body)
    expect(await ask({ kind: 'blocks', height: null })).toEqual({ ok: false, error })
  })

  test('a rate limit worded as a good answer is one all the same', async () => {
    answer(200, '{"error":"rate limit exceeded"}')
    for (const request of [{ kind: 'tipHash' }, { kind: 'feeEstimates' }] as const)
      expect(await ask(request)).toMatchObject({ ok: false, error: { kind: 'rateLimited' } })
  })

  test('a refused broadcast keeps the node’s words, shortened', async () => {
    const words = 'sendrawtransaction RPC error: {"code":-26,"message":"min relay fee not met"}'
    answer(400, words + ' '.repeat(10) + 'x'.repeat(10_000))
    const result = await ask({ kind: 'broadcast', hex: '00' })
    expect(result).toMatchObject({ ok: false, error: { kind: 'http', status: 400 } })
    const message = result.ok ? '' : result.error.message
    expect(message.startsWith(words)).toBe(true)
    expect(message).toHaveLength(300)
  })

  test('more bytes than allowed, with or without a stated length, are not read', async () => {
    answer(200, 'x'.repeat(2_000))
    expect(await ask({ kind: 'tipHash' }, { maxBytes: 1_000 })).toMatchObject({
      ok: false,
      error: { kind: 'shape' },
    })
    let closed = false
    handler = (_, response) => {
      response.on('close', () => {
        closed = true
      })
      const more = () => {
        if (!response.destroyed) response.write('x'.repeat(1_000), () => setImmediate(more))
      }
      more()
    }
    expect(await ask({ kind: 'tipHash' }, { maxBytes: 10_000 })).toMatchObject({
      ok: false,
      error: { kind: 'shape' },
    })
    await expect.poll(() => closed).toBe(true)
  })
})

describe('patience', () => {
  test('silence, before or within the body, times out', async () => {
    handler = () => {}
    expect(await ask({ kind: 'tipHash' }, { timeoutMs: 60 })).toMatchObject({
      ok: false,
      error: { kind: 'timeout' },
    })
    handler = (_, response) => response.write('ab')
    expect(await ask({ kind: 'tipHash' }, { timeoutMs: 60 })).toMatchObject({
      ok: false,
      error: { kind: 'timeout' },
    })
  })

  test('a cut or refused connection is a network error', async () => {
    handler = (request) => request.socket.destroy()
    expect(await ask({ kind: 'tipHash' })).toMatchObject({ ok: false, error: { kind: 'network' } })
    expect(await client().request('http://127.0.0.1:1/api', { kind: 'tipHash' })).toMatchObject({
      ok: false,
      error: { kind: 'network' },
    })
  })

  test('giving up ends it at once, also before it began', async () => {
    const reached = new Promise<void>((resolve) => {
      handler = () => resolve()
    })
    const controller = new AbortController()
    const pending = client().request(base, { kind: 'tipHash' }, controller.signal)
    await reached
    controller.abort()
    expect(await pending).toMatchObject({ ok: false, error: { kind: 'network' } })
    expect(await client().request(base, { kind: 'tipHash' }, controller.signal)).toMatchObject({ ok: false })
  })
})
