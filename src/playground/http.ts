import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import encodeQR from 'qr'
import type { Gateway } from '../gateway/gateway.ts'
import type { App } from './app.ts'
import type { Esplora } from './esplora.ts'
import { drip } from './faucet.ts'
import type { Miner } from './miner.ts'
import type { PlaygroundPeer } from './peer-types.ts'

const SHOP = new URL('./shop.html', import.meta.url)
const MAX_BODY = 64 * 1024
const MAX_BLOCKS = 500
const MAX_INVOICES = 10_000

export interface HttpParts {
  readonly esplora: Esplora
  readonly gateway: Gateway
  readonly miner: Miner
  readonly peers: () => readonly PlaygroundPeer[]
  /** The app as soon as it can be served; requests wait for it. */
  readonly app: () => Promise<App> | undefined
  /** `http://localhost:port` */
  readonly url: () => string
}

/** An answer that is not a success: what the caller did wrong, in words. */
class Refused extends Error {
  readonly status: number
  constructor(message: string, status = 400) {
    super(message)
    this.status = status
  }
}

const jsonText = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner), 1)

function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let size = 0
    request.on('data', (part: Buffer) => {
      size += part.length
      if (size <= MAX_BODY) parts.push(part)
    })
    request.on('error', reject)
    request.on('end', () => {
      try {
        if (size > MAX_BODY) throw new Error('too large')
        const text = Buffer.concat(parts).toString('utf8')
        const value: unknown = text === '' ? {} : JSON.parse(text)
        if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('no object')
        resolve(value as Record<string, unknown>)
      } catch {
        reject(new Refused('the body must be a JSON object of at most 64 KiB'))
      }
    })
  })
}

/** A decimal amount, as a string or a whole number; undefined where it is absent and may be. */
function amount(value: unknown, name: string, optional = false): bigint | undefined {
  if (value === undefined || value === null || value === '') {
    if (optional) return undefined
    throw new Refused(`${name} is needed`)
  }
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return BigInt(value)
  if (typeof value === 'string' && /^\d{1,18}$/.test(value)) return BigInt(value)
  throw new Refused(`${name}: a whole number, 0 or more`)
}

function text(value: unknown, name: string, longest: number): string {
  if (typeof value === 'string' && value !== '' && value.length <= longest) return value
  throw new Refused(`${name}: a text of at most ${longest} characters is needed`)
}

/** Pages of other origins may read the chain, but not spend the playground's coins (nor by a rebound name). */
function fromOurPage(request: IncomingMessage): boolean {
  const host = request.headers.host ?? ''
  if (!/^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)) return false
  const { origin } = request.headers
  return origin === undefined || origin === `http://${host}`
}

/** Everything that the playground's one port serves over HTTP. */
export function createHandler(
  parts: HttpParts,
): (request: IncomingMessage, response: ServerResponse) => void {
  const { esplora, gateway, miner } = parts

  const peer = (name: unknown): PlaygroundPeer => {
    const found = parts.peers().find((one) => one.name === (name ?? 'lil'))
    if (!found)
      throw new Refused(
        `peer: one of ${parts
          .peers()
          .map((one) => one.name)
          .join(', ')}`,
      )
    return found
  }
  const describe = (one: PlaygroundPeer) => ({
    name: one.name,
    nodeId: one.nodeId,
    host: '127.0.0.1',
    port: one.port,
    address: `${one.nodeId}@127.0.0.1:${one.port}`,
  })

  const info = async () => {
    await esplora.index.sync()
    const url = parts.url()
    return {
      network: 'regtest',
      app: `${url}/`,
      shop: `${url}/shop`,
      esplora: `${url}/esplora/api`,
      gateway: url.replace(/^http/, 'ws'),
      height: esplora.index.height,
      peers: parts.peers().map(describe),
    }
  }

  async function api(method: string, path: string, request: IncomingMessage): Promise<unknown> {
    const query = new URL(request.url ?? '/', 'http://playground').searchParams
    if (method === 'GET') {
      if (path === 'info') return info()
      if (path === 'peers')
        return parts.peers().map((one) => ({ ...describe(one), channels: one.api.channels() }))
      if (path === 'invoice') {
        const invoice = text(query.get('invoice'), 'invoice', 4000)
        return { paid: peer(query.get('peer') ?? undefined).api.isPaid(invoice) }
      }
      throw new Refused('no such thing', 404)
    }
    if (method !== 'POST') throw new Refused('GET or POST', 405)
    const body = await readBody(request)
    switch (path) {
      case 'invoice': {
        const amountMsat = amount(body.amountMsat, 'amountMsat', true)
        const memo = body.memo === undefined ? '' : text(body.memo, 'memo', 600)
        return { invoice: await peer(body.peer).api.addInvoice(amountMsat, memo) }
      }
      case 'invoices': {
        const count = Number(amount(body.count, 'count'))
        if (count < 1 || count > MAX_INVOICES) throw new Refused(`count: 1 to ${MAX_INVOICES}`)
        const amountMsat = amount(body.amountMsat, 'amountMsat') ?? 0n
        const memo = body.memo === undefined ? '' : text(body.memo, 'memo', 600)
        return { invoices: await peer(body.peer).api.addInvoices(count, amountMsat, memo) }
      }
      case 'pay': {
        const paid = await peer(body.peer).api.payInvoice(text(body.invoice, 'invoice', 4000).trim())
        if (!paid.ok) throw new Refused(paid.reason, 422)
        return { preimage: paid.preimage, feeMsat: paid.feeMsat }
      }
      case 'faucet': {
        const answer = await drip(miner, body.address, body.sat)
        if (!answer.ok) throw new Refused(answer.message)
        return { txid: answer.txid }
      }
      case 'mine': {
        // `waiting` asks the clock for blocks, `blocks` makes them now.
        const waiting = amount(body.waiting, 'waiting', true)
        if (waiting !== undefined) {
          miner.want(Number(waiting))
          return { waiting: Number(waiting) }
        }
        const blocks = Number(amount(body.blocks ?? 1, 'blocks'))
        if (blocks < 1 || blocks > MAX_BLOCKS) throw new Refused(`blocks: 1 to ${MAX_BLOCKS}`)
        const hashes = await miner.mine(blocks)
        await esplora.index.sync()
        return { height: esplora.index.height, hashes }
      }
      case 'channel': {
        // A node opens towards a wallet that is connected to it: how a wallet gets something to receive with.
        const sat = amount(body.sat, 'sat') ?? 0n
        const pushMsat = amount(body.pushMsat, 'pushMsat', true) ?? 0n
        await peer(body.peer).api.openChannel(
          { nodeId: text(body.nodeId, 'nodeId', 66) },
          sat,
          pushMsat,
          false,
        )
        return { opening: true }
      }
      default:
        throw new Refused('no such thing', 404)
    }
  }

  function send(response: ServerResponse, status: number, type: string, body: string): void {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
    response.end(body)
  }

  return (request, response) => {
    const url = request.url ?? '/'
    const path = url.replace(/\?.*$/s, '')
    if (path.startsWith('/esplora/api/')) {
      void esplora.handle(request, response, url.slice('/esplora/api'.length))
    } else if (path.startsWith('/api/')) {
      const refuse = (error: unknown): void => {
        const status = error instanceof Refused ? error.status : 500
        const message = error instanceof Error ? error.message : 'error'
        send(response, status, 'application/json', jsonText({ error: message }))
      }
      if (!fromOurPage(request)) return refuse(new Refused('only pages of the playground may ask this', 403))
      api(request.method ?? 'GET', path.slice('/api/'.length), request).then(
        (value) => send(response, 200, 'application/json', jsonText(value)),
        refuse,
      )
    } else if (/^\/snapshot\/\d{1,10}$/.test(path)) {
      // The whole every time: a practice network is small. Public gossip, so that any page may have it.
      const bytes = parts
        .peers()
        .find(({ name }) => name === 'ada')
        ?.api.snapshot?.()
      if (bytes === undefined) return send(response, 503, 'text/plain', 'no node is here yet\n')
      response
        .writeHead(200, {
          'content-type': 'application/octet-stream',
          'cache-control': 'no-store',
          'access-control-allow-origin': '*',
        })
        .end(bytes)
    } else if (path === '/shop' || path === '/shop/') {
      send(response, 200, 'text/html; charset=utf-8', readFileSync(SHOP, 'utf8'))
    } else if (path === '/shop/qr.svg') {
      const wanted = new URL(url, 'http://playground').searchParams.get('text') ?? ''
      if (wanted === '' || wanted.length > 2000) return send(response, 400, 'text/plain', 'text: 1 to 2000')
      send(response, 200, 'image/svg+xml', encodeQR(wanted.toUpperCase(), 'svg', { ecc: 'low' }))
    } else if (!gateway.request(request, response)) {
      const app = parts.app()
      const absent = (): void => send(response, 503, 'text/plain', 'the app is not here\n')
      if (app) app.then(({ handle }) => handle(request, response), absent)
      else absent()
    }
  }
}
