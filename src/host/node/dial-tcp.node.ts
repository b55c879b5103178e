import { connect, createServer, type Socket } from 'node:net'
import { ApiError } from '../../contract/errors.ts'
import type { ByteSocket, Dial, SocketEnd } from '../socket.ts'

/** For peers without a browser: TCP, both ways. */

const CONNECT_MS = 15_000

/** Dials TCP addresses; `ws://` ones go to `webSocket`, when given. */
export function createTcpDialer(webSocket?: Dial): Dial {
  return (address, signal) => {
    if (address.kind === 'ws') {
      if (webSocket !== undefined) return webSocket(address, signal)
      return Promise.reject(
        new ApiError({ code: 'peerAddressInvalid', message: 'WebSocket addresses are not dialled here.' }),
      )
    }
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port })
      const fail = (why: string): void => {
        cleanUp()
        socket.on('error', () => {})
        socket.destroy()
        reject(new ApiError({ code: 'peerUnreachable', message: why }))
      }
      const failed = (error: NodeJS.ErrnoException) => fail(error.code ?? error.message)
      const aborted = () => fail('No longer wanted.')
      const timer = setTimeout(() => fail(`No answer within ${CONNECT_MS / 1000} s.`), CONNECT_MS)
      const cleanUp = (): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        socket.removeListener('error', failed)
      }
      signal.addEventListener('abort', aborted)
      socket.once('error', failed)
      socket.once('connect', () => {
        cleanUp()
        resolve(tcpSocket(socket))
      })
      if (signal.aborted) aborted()
    })
  }
}

export interface TcpListener {
  readonly port: number
  /** Stops listening; connections that are open stay. */
  close(): Promise<void>
}

/** Listens for peers; port 0 takes a free one. Rejects when the port is taken. */
export function listenTcp(
  options: { readonly host?: string; readonly port: number },
  accept: (socket: ByteSocket) => void,
): Promise<TcpListener> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => accept(tcpSocket(socket)))
    server.once('error', reject)
    server.listen(options.port, options.host ?? '127.0.0.1', () => {
      server.removeListener('error', reject)
      // Accepting may fail later (too many files): the caller is refused, we go on.
      server.on('error', () => {})
      const address = server.address()
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : options.port,
        // Not its callback, which waits until the last connection has gone.
        close: () => {
          server.close()
          return Promise.resolve()
        },
      })
    })
  })
}

/** An open TCP socket as a stream of bytes; it is not read before somebody listens. */
export function tcpSocket(socket: Socket): ByteSocket {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  let onClose: ((end: SocketEnd) => void) | undefined
  let ended: SocketEnd | undefined
  let closing = false
  const end = (reason: string): void => {
    if (ended !== undefined) return
    ended = { reason }
    socket.destroy()
    if (!closing) onClose?.(ended)
  }
  socket.on('end', () => end('the peer closed the connection'))
  socket.on('error', (error: NodeJS.ErrnoException) => end(`connection lost: ${error.code ?? error.message}`))
  socket.on('close', () => end('connection lost'))

  return {
    write(bytes) {
      if (ended === undefined && !closing) socket.write(bytes)
    },
    close() {
      if (ended !== undefined || closing) return
      closing = true
      socket.removeAllListeners('data')
      socket.resume()
      // What was written still leaves; a peer that does not take it is cut.
      socket.end()
      const cut = setTimeout(() => socket.destroy(), 5_000)
      socket.once('close', () => clearTimeout(cut))
    },
    onData(listener) {
      // A copy: Node reuses pools behind small buffers, and ours outlive the event.
      socket.on('data', (bytes) => listener(Uint8Array.from(bytes as Buffer)))
    },
    onClose(listener) {
      onClose = listener
      if (ended !== undefined) listener(ended)
    },
    get bufferedAmount() {
      return socket.writableLength
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  }
}
