import { ApiError } from '../contract/errors.ts'
import type { PeerAddress } from './peer-address.ts'
import { type Clock, systemClock } from './ports.ts'
import type { ByteSocket, Dial, DialFailureCode, SocketEnd } from './socket.ts'

/** What is used of a WebSocket: the browser's, or that of `ws` in Node. */
export interface WebSocketLike {
  binaryType: string
  readonly protocol: string
  readonly bufferedAmount: number
  onopen: (() => void) | null
  onmessage: ((event: { data: unknown }) => void) | null
  onclose: ((event: { code: number; reason: string }) => void) | null
  onerror: (() => void) | null
  send(data: Uint8Array): void
  close(): void
}

export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike

export interface WebSocketDialerOptions {
  /** The gateway for `host:port` addresses, as in `wss://gateway.example`; undefined when there is none. Asked at each dial. */
  readonly gateway: () => string | undefined
  /** A token for the gateway. */
  readonly token?: () => string | undefined
  /** Default: the platform's. */
  readonly WebSocket?: WebSocketConstructor
  readonly clock?: Clock
}

/** The gateway's way of saying that TCP is open: see src/gateway/README.md. */
const SUBPROTOCOL = 'switchback.v1'
/** Longer writes leave as several frames: gateways bound a frame (this project's at 1 MiB). */
const MAX_FRAME_BYTES = 256 * 1024
/** Until the WebSocket itself is open. */
const OPEN_MS = 10_000
/** Until the gateway has opened TCP. */
const CONNECTED_MS = 20_000

/**
 * Dials over WebSocket: `host:port` through the gateway, `ws://` and `wss://` directly. Rejects with `gatewayUnreachable`,
 * `peerUnreachable`, `handshakeFailed` (what answers is no Lightning node) or `peerAddressInvalid`.
 */
export function createWebSocketDialer(options: WebSocketDialerOptions): Dial {
  const Socket = options.WebSocket ?? (globalThis as unknown as { WebSocket: WebSocketConstructor }).WebSocket
  const clock = options.clock ?? systemClock

  async function dialGateway(
    address: PeerAddress & { kind: 'tcp' },
    signal: AbortSignal,
  ): Promise<ByteSocket> {
    const base = options.gateway()?.replace(/\/+$/, '')
    if (base === undefined || base === '')
      throw failure('gatewayUnreachable', 'No gateway is set: a browser needs one to reach this address.')
    const token = options.token?.()
    const protocols = token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, `bearer.${token}`]
    const host = address.host.includes(':') ? `[${address.host}]` : address.host
    try {
      return await open(`${base}/v1/${host}/${address.port}`, protocols, signal)
    } catch (e) {
      if (!(e instanceof NeverOpened) || signal.aborted) throw reported(e, 'gatewayUnreachable')
    }
    // Browsers do not say why. Gateways of the older kind know no subprotocol, which browsers take for a failure, and write
    // dots as underscores.
    const path = `${host.replaceAll('.', '_')}/${address.port}`
    try {
      return await open(`${base}/v1/${path}`, [], signal)
    } catch (e) {
      throw reported(e, 'gatewayUnreachable')
    }
  }

  function open(url: string, protocols: string[], signal: AbortSignal): Promise<ByteSocket> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(failure('peerUnreachable', 'No longer wanted.'))
      let ws: WebSocketLike
      try {
        ws = protocols.length > 0 ? new Socket(url, protocols) : new Socket(url)
      } catch {
        // The URL is malformed, or this page may not open it (ws: from https:).
        return reject(new NeverOpened('The browser does not allow a connection there.'))
      }
      ws.binaryType = 'arraybuffer'
      let opened = false
      const giveUp = (error: Error): void => {
        cleanUp()
        silence(ws)
        ws.close()
        reject(error)
      }
      const aborted = () => giveUp(failure('peerUnreachable', 'No longer wanted.'))
      let cancelTimer = clock.after(OPEN_MS, () =>
        giveUp(new NeverOpened(`No answer within ${OPEN_MS / 1000} s.`)),
      )
      const cleanUp = (): void => {
        cancelTimer()
        signal.removeEventListener('abort', aborted)
      }
      signal.addEventListener('abort', aborted)
      const connected = (): void => {
        cleanUp()
        resolve(byteSocket(ws))
      }
      ws.onopen = () => {
        opened = true
        if (ws.protocol !== SUBPROTOCOL) return connected()
        cancelTimer()
        cancelTimer = clock.after(CONNECTED_MS, () =>
          giveUp(failure('peerUnreachable', `The gateway got no answer within ${CONNECTED_MS / 1000} s.`)),
        )
      }
      ws.onmessage = ({ data }) => {
        if (isConnected(data)) connected()
        else giveUp(failure('gatewayUnreachable', 'The gateway said something that is not understood.'))
      }
      ws.onclose = ({ code, reason }) => {
        cleanUp()
        if (!opened) return reject(new NeverOpened('It cannot be reached.'))
        const end = endOf(code, reason)
        reject(failure(end.failure ?? 'peerUnreachable', end.reason))
      }
      // A close event always follows, with what little there is to say.
      ws.onerror = () => {}
    })
  }

  return async (address, signal) => {
    if (address.kind === 'tcp') return dialGateway(address, signal)
    try {
      return await open(address.url, [], signal)
    } catch (e) {
      throw reported(e, 'peerUnreachable')
    }
  }
}

/** The WebSocket did not open: refused, blocked or not there. Whose fault that is depends on who was called. */
class NeverOpened extends Error {}

const failure = (code: DialFailureCode, message: string): ApiError => new ApiError({ code, message })

const reported = (error: unknown, code: DialFailureCode): unknown =>
  error instanceof NeverOpened ? failure(code, error.message) : error

function isConnected(data: unknown): boolean {
  if (typeof data !== 'string' || data.length > 1000) return false
  try {
    const message: unknown = JSON.parse(data)
    return (
      typeof message === 'object' && message !== null && 'type' in message && message.type === 'connected'
    )
  } catch {
    return false
  }
}

/** What the gateway's close codes say (src/gateway/codes.ts); other servers only use those below 4000. */
function endOf(code: number, words: string): SocketEnd {
  const reason = words === '' ? `closed with code ${code}` : `${words.slice(0, 123)} (${code})`
  const fault = FAULTS[code]
  return fault === undefined ? { reason } : { reason, failure: fault }
}

const FAULTS: Readonly<Record<number, DialFailureCode>> = {
  1001: 'gatewayUnreachable', // restarts
  1008: 'gatewayUnreachable', // policy
  1011: 'gatewayUnreachable', // its own error
  4400: 'peerAddressInvalid',
  4401: 'gatewayUnreachable', // wants a token
  4403: 'gatewayUnreachable', // does not dial that, or does not serve this page
  4404: 'peerUnreachable', // name not found
  4408: 'peerUnreachable', // no answer
  4410: 'peerUnreachable', // idle
  4413: 'gatewayUnreachable', // allowance used up
  4415: 'handshakeFailed', // not the Lightning transport
  4429: 'gatewayUnreachable', // too many connections
  4501: 'gatewayUnreachable', // no relay
  4502: 'peerUnreachable', // refused
  4503: 'gatewayUnreachable', // draining
  4504: 'peerUnreachable', // lost
}

function silence(ws: WebSocketLike): void {
  ws.onopen = null
  ws.onmessage = null
  ws.onclose = null
  // Kept: `ws` throws on errors that nobody listens to.
  ws.onerror = () => {}
}

/** An open WebSocket as a stream of bytes; keeps what arrives until somebody listens. */
function byteSocket(ws: WebSocketLike): ByteSocket {
  let onData: ((bytes: Uint8Array) => void) | undefined
  let onClose: ((end: SocketEnd) => void) | undefined
  let early: Uint8Array[] = []
  let ended: SocketEnd | undefined

  const end = (how: SocketEnd): void => {
    if (ended !== undefined) return
    ended = how
    silence(ws)
    onClose?.(how)
  }
  ws.onmessage = ({ data }) => {
    if (!(data instanceof ArrayBuffer)) {
      ws.close()
      return end({ reason: 'text where bytes were expected', failure: 'handshakeFailed' })
    }
    const bytes = new Uint8Array(data)
    if (onData === undefined) early.push(bytes)
    else onData(bytes)
  }
  ws.onclose = ({ code, reason }) => end(endOf(code, reason))

  return {
    write(bytes) {
      for (let at = 0; at < bytes.length && ended === undefined; at += MAX_FRAME_BYTES)
        ws.send(bytes.subarray(at, at + MAX_FRAME_BYTES))
    },
    close() {
      if (ended !== undefined) return
      ended = { reason: 'closed by us' }
      silence(ws)
      ws.close()
    },
    onData(listener) {
      onData = listener
      const waiting = early
      early = []
      for (const bytes of waiting) listener(bytes)
    },
    onClose(listener) {
      onClose = listener
      if (ended !== undefined) listener(ended)
    },
    get bufferedAmount() {
      return ws.bufferedAmount
    },
  }
}
