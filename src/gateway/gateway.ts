import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { allows, parseTarget, type Target } from './address.ts'
import { CloseCode, type Refusal, refusal } from './codes.ts'
import { dial } from './dial.ts'
import { Accounts, clientKey, DEFAULT_LIMITS, type Limits } from './limits.ts'
import { Metrics } from './metrics.ts'
import { pipe } from './pipe.ts'

/** The subprotocol of a gateway that tells, in a text frame, when TCP has opened. */
export const SUBPROTOCOL = 'switchback.v1'
/** A client's token as a subprotocol, since browsers cannot set headers on a WebSocket: `bearer.` and the token. */
export const BEARER_PREFIX = 'bearer.'

export interface GatewayOptions {
  /** Targets that may be dialled (`host`, `host:port`, `*.domain`); absent: open mode, any public target. */
  readonly allow?: readonly string[]
  /** Dial loopback and private ranges too. For a home network or a playground, never on the open internet. */
  readonly allowPrivate?: boolean
  /** Pages that may use it (`https://wallet.example`); absent: any. Clients without an Origin header pass. */
  readonly origins?: readonly string[]
  /** Tokens that let a client in; absent: none needed. At most 100 characters of `A–Z a–z 0–9 - _ .` each. */
  readonly tokens?: readonly string[]
  /** The client's address is the last entry of X-Forwarded-For. Only behind a proxy that sets it. */
  readonly trustProxy?: boolean
  /** Carry only connections that begin as BOLT 8 does. On by default. */
  readonly lightningOnly?: boolean
  /** SOCKS5 proxy for onion names. */
  readonly socks?: Target
  readonly limits?: Partial<Limits>
  /** How names resolve; for tests. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
}

export interface Gateway {
  /** Takes an upgrade of `/v1/…`; false (and untouched) for any other path. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): boolean
  /** Answers `/metrics`, `/health` and plain GETs of `/v1/…`; false for any other path. */
  request(request: IncomingMessage, response: ServerResponse): boolean
  /** Makes an HTTP server serve it. */
  attach(server: Server): void
  /** A server of its own; `port` 0 takes any free one. */
  listen(port: number, host?: string): Promise<{ readonly url: string; readonly port: number }>
  metrics(): string
  /** Takes no new connections, waits up to `graceMs` for those that are, then ends them and its own server. */
  drain(graceMs?: number): Promise<void>
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

export function createGateway(options: GatewayOptions = {}): Gateway {
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits }
  const accounts = new Accounts(limits)
  const metrics = new Metrics()
  const tokens = options.tokens?.map(digest)
  const sockets = new Set<WebSocket>()
  let draining = false
  let own: Server | undefined
  let emptied: (() => void) | undefined

  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    // Chrome drops a connection whose offered subprotocols are all left unanswered.
    handleProtocols: (offered) => {
      if (offered.has(SUBPROTOCOL)) return SUBPROTOCOL
      return [...offered].find((name) => !name.startsWith(BEARER_PREFIX)) ?? false
    },
  })

  const clientOf = (request: IncomingMessage): string => {
    const forwarded = options.trustProxy === true ? request.headers['x-forwarded-for'] : undefined
    const list = Array.isArray(forwarded) ? forwarded.join(',') : forwarded
    const last = list?.split(',').at(-1)?.trim()
    return clientKey(last !== undefined && last !== '' ? last : (request.socket.remoteAddress ?? ''))
  }

  const authorized = (request: IncomingMessage): boolean => {
    if (!tokens) return true
    const offered = (request.headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name.startsWith(BEARER_PREFIX))
      .map((name) => name.slice(BEARER_PREFIX.length))
    const query = new URL(request.url ?? '/', 'http://gateway').searchParams.get('token')
    if (query !== null) offered.push(query)
    const header = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (header !== undefined) offered.push(header)
    return offered.slice(0, 4).some((token) => {
      const given = digest(token)
      return tokens.some((known) => timingSafeEqual(known, given))
    })
  }

  /** Everything that can be said before dialling. */
  const judge = (request: IncomingMessage): Target | Refusal => {
    if (draining) return refusal(CloseCode.draining, 'this gateway is about to stop; try another')
    const { origin } = request.headers
    if (options.origins && origin !== undefined && !options.origins.includes(origin))
      return refusal(CloseCode.forbidden, 'this gateway does not serve that page')
    if (!authorized(request)) return refusal(CloseCode.unauthorized, 'this gateway needs a token')
    if (request.url?.startsWith('/v1/relay/') === true)
      return refusal(CloseCode.noRelay, 'this gateway does not relay between wallets yet')
    const target = parseTarget(request.url ?? '')
    if (!target) return refusal(CloseCode.badAddress, 'the path must be /v1/<host>/<port>')
    if (options.allow && !options.allow.some((entry) => allows(entry, target)))
      return refusal(CloseCode.forbidden, `${target.host}:${target.port} is not on this gateway's list`)
    return target
  }

  const refuse = (ws: WebSocket, why: Refusal): void => {
    metrics.add('switchback_gateway_refused_total', { code: String(why.code) })
    ws.on('error', () => ws.terminate())
    ws.close(why.code, why.reason)
  }

  async function serve(ws: WebSocket, target: Target, client: string): Promise<void> {
    // Nothing is read from the client until TCP is open, so nothing needs to be kept for it.
    ws.pause()
    const dialled = await dial(target, {
      allowPrivate: options.allowPrivate === true,
      timeoutMs: limits.dialMs,
      ...(options.socks ? { socks: options.socks } : {}),
      ...(options.resolve ? { resolve: options.resolve } : {}),
    })
    if (!dialled.ok) {
      metrics.add('switchback_gateway_dials_total', { result: String(dialled.error.code) })
      ws.resume()
      ws.close(dialled.error.code, dialled.error.reason)
      return
    }
    metrics.add('switchback_gateway_dials_total', { result: 'open' })
    if (ws.readyState !== ws.OPEN) {
      dialled.socket.destroy()
      return
    }
    if (ws.protocol === SUBPROTOCOL) ws.send(JSON.stringify({ type: 'connected' }))
    pipe(ws, dialled.socket, {
      highWaterBytes: limits.highWaterBytes,
      idleMs: limits.idleMs,
      pingMs: limits.pingMs,
      lightningOnly: options.lightningOnly !== false,
      onBytes: (direction, bytes) => {
        metrics.add('switchback_gateway_bytes_total', { direction }, bytes)
        return accounts.spend(client, bytes)
      },
    })
  }

  const gateway: Gateway = {
    upgrade(request, socket, head) {
      if (!/^\/v1(\/|$)/.test(request.url ?? '')) return false
      socket.on('error', () => socket.destroy())
      server.handleUpgrade(request, socket, head, (ws) => {
        const target = judge(request)
        if ('code' in target) return refuse(ws, target)
        const client = clientOf(request)
        const full = accounts.enter(client)
        if (full !== undefined) return refuse(ws, refusal(CloseCode.tooMany, full))
        metrics.add('switchback_gateway_connections_total')
        sockets.add(ws)
        ws.on('error', () => ws.terminate())
        ws.once('close', (code) => {
          metrics.add('switchback_gateway_closed_total', { code: String(code) })
          sockets.delete(ws)
          accounts.leave(client)
          if (sockets.size === 0) emptied?.()
        })
        serve(ws, target, client).catch(() => ws.close(1011, 'gateway error'))
      })
      return true
    },
    request(request, response) {
      const path = (request.url ?? '/').replace(/\?.*$/s, '')
      const answer = (status: number, body: string): true => {
        response.writeHead(status, {
          'content-type': 'text/plain; charset=utf-8',
          'cache-control': 'no-store',
        })
        response.end(body)
        return true
      }
      if (path === '/metrics') return answer(200, gateway.metrics())
      if (path === '/health') return draining ? answer(503, 'draining\n') : answer(200, 'ok\n')
      if (/^\/v1(\/|$)/.test(path)) return answer(426, 'WebSocket only: /v1/<host>/<port>\n')
      return false
    },
    attach(http) {
      http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (!gateway.upgrade(request, socket, head)) socket.destroy()
      })
      http.on('request', (request: IncomingMessage, response: ServerResponse) => {
        if (!gateway.request(request, response)) {
          response.writeHead(404, { 'content-type': 'text/plain' })
          response.end('not found\n')
        }
      })
    },
    listen(port, host = '127.0.0.1') {
      const http = createServer()
      gateway.attach(http)
      own = http
      return new Promise((resolve, reject) => {
        http.once('error', reject)
        http.listen(port, host, () => {
          const bound = (http.address() as AddressInfo).port
          const name = host.includes(':') ? `[${host}]` : host
          resolve({ url: `ws://${name}:${bound}`, port: bound })
        })
      })
    },
    metrics: () =>
      metrics.text({
        switchback_gateway_connections: accounts.open,
        switchback_gateway_draining: draining ? 1 : 0,
      }),
    async drain(graceMs = 10_000) {
      draining = true
      own?.close()
      if (sockets.size > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs)
          emptied = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
      const ends = [...sockets].map(
        (ws) =>
          new Promise<void>((resolve) => {
            const timer = setTimeout(() => ws.terminate(), 1_000)
            ws.once('close', () => {
              clearTimeout(timer)
              resolve()
            })
            ws.resume()
            ws.close(CloseCode.goingAway, 'this gateway restarts')
          }),
      )
      await Promise.all(ends)
      own?.closeAllConnections()
    },
  }
  return gateway
}
