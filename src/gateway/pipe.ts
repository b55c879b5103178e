import type { Socket } from 'node:net'
import type { RawData, WebSocket } from 'ws'
import { CloseCode } from './codes.ts'

/** BOLT 8: act one, sent by the initiator, is 50 bytes and starts with the version byte 0. Act two likewise. */
const ACT_ONE_BYTES = 50

export interface PipeOptions {
  readonly highWaterBytes: number
  readonly idleMs: number
  readonly pingMs: number
  /** Only the Lightning transport may pass: an open gateway must not carry mail or shell sessions. */
  readonly lightningOnly: boolean
  /** Called for every chunk that passes; false ends the connection for want of allowance. */
  readonly onBytes: (direction: 'up' | 'down', bytes: number) => boolean
}

const asBuffer = (data: RawData): Buffer =>
  Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)

/**
 * Joins a WebSocket and an open TCP socket until either ends. Neither side is read faster than the other is written:
 * what is buffered between them stays near `highWaterBytes`, whatever the sizes and speeds.
 */
export function pipe(ws: WebSocket, tcp: Socket, options: PipeOptions): void {
  let ended = false
  let sentUp = 0
  let answered = false
  let lastBytes = Date.now()
  let alive = true
  let wsPaused = false

  const close = (code: number, reason: string): void => {
    if (ended) return
    ended = true
    clearInterval(timer)
    // A paused WebSocket would never read the closing handshake.
    ws.resume()
    ws.close(code, reason)
    tcp.removeAllListeners('data')
    tcp.destroy()
  }

  const timer = setInterval(
    () => {
      if (Date.now() - lastBytes >= options.idleMs)
        return close(CloseCode.idle, 'nothing passed for too long')
      // While a slow peer holds the client back we do not read its pongs either; the idle limit watches then.
      if (wsPaused) return
      if (!alive) {
        ws.terminate()
        return
      }
      alive = false
      ws.ping()
    },
    Math.min(options.pingMs, options.idleMs),
  )

  ws.on('pong', () => {
    alive = true
  })

  ws.on('message', (data, isBinary) => {
    if (ended) return
    if (!isBinary) return close(CloseCode.binaryOnly, 'raw bytes in binary frames only')
    const bytes = asBuffer(data)
    if (bytes.length === 0) return
    alive = true
    lastBytes = Date.now()
    if (options.lightningOnly && !answered) {
      if (sentUp === 0 && bytes[0] !== 0) return close(CloseCode.notLightning, 'this is not BOLT 8 act one')
      if (sentUp + bytes.length > ACT_ONE_BYTES)
        return close(CloseCode.notLightning, 'more than BOLT 8 act one before the peer answered')
    }
    sentUp += bytes.length
    if (!options.onBytes('up', bytes.length)) return close(CloseCode.byteLimit, 'allowance of bytes used up')
    if (!tcp.write(bytes)) {
      wsPaused = true
      ws.pause()
    }
  })
  tcp.on('drain', () => {
    wsPaused = false
    alive = true
    ws.resume()
  })

  tcp.on('data', (bytes: Buffer) => {
    if (ended) return
    lastBytes = Date.now()
    if (options.lightningOnly && !answered) {
      if (sentUp < ACT_ONE_BYTES || bytes[0] !== 0)
        return close(CloseCode.notLightning, 'what answers there is not a Lightning node')
      answered = true
    }
    if (!options.onBytes('down', bytes.length))
      return close(CloseCode.byteLimit, 'allowance of bytes used up')
    ws.send(bytes, { binary: true }, () => {
      if (!ended && tcp.isPaused() && ws.bufferedAmount < options.highWaterBytes / 2) tcp.resume()
    })
    if (ws.bufferedAmount >= options.highWaterBytes) tcp.pause()
  })
  tcp.on('end', () => close(CloseCode.peerClosed, 'the peer closed the connection'))
  tcp.on('error', (error: NodeJS.ErrnoException) =>
    close(CloseCode.connectionLost, `connection to the peer lost: ${error.code ?? 'error'}`),
  )
  tcp.on('close', () => close(CloseCode.connectionLost, 'connection to the peer lost'))

  ws.on('close', () => {
    clearInterval(timer)
    if (ended) return
    ended = true
    // What the client sent before it left still goes out; a peer that does not take it is cut.
    tcp.end()
    const cut = setTimeout(() => tcp.destroy(), 5_000)
    tcp.once('close', () => clearTimeout(cut))
    tcp.resume()
  })
  ws.on('error', () => ws.terminate())

  ws.resume()
  tcp.resume()
}
