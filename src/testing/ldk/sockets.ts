import { connect, createServer, type Server, type Socket } from 'node:net'
import {
  Option_SocketAddressZ,
  type PeerManager,
  Result_boolPeerHandleErrorZ_OK,
  Result_CVec_u8ZPeerHandleErrorZ_OK,
  Result_NonePeerHandleErrorZ_OK,
  SocketDescriptor,
} from 'lightningdevkit'
import { unhex } from './wasm.ts'

/** Bytes that may wait in a socket before LDK is asked to wait. */
const MAX_QUEUED_BYTES = 1_000_000

export interface Sockets {
  /** Opens TCP and starts the handshake; resolves when TCP is open, rejects when it is refused. */
  dial(peer: string, host: string, port: number): Promise<void>
  /** Takes connections; resolves with the port. */
  listen(port: number, host: string): Promise<number>
  close(): Promise<void>
}

/** TCP for LDK's peer manager. `drive` runs after everything that gave LDK something to do. */
export function createSockets(peers: PeerManager, drive: () => void): Sockets {
  const open = new Map<Socket, SocketDescriptor>()
  // LDK may still name a descriptor in a late callback, so none is given back to the collector.
  const kept: SocketDescriptor[] = []
  let ids = 0n
  let server: Server | undefined

  function describe(socket: Socket): SocketDescriptor {
    const id = ++ids
    let full = false
    const descriptor = SocketDescriptor.new_impl({
      send_data(data, resume_read) {
        if (resume_read) socket.resume()
        if (full || socket.destroyed) return 0
        // Node takes all of it. LDK is told to wait only when much is queued: Node's own mark, 16 KB, is ten onions, and stopping there
        // costs LDK a turn of its loop for every ten payments.
        full = !socket.write(Uint8Array.from(data)) && socket.writableLength > MAX_QUEUED_BYTES
        return data.length
      },
      disconnect_socket() {
        open.delete(socket)
        socket.destroy()
      },
      eq: (other) => other.hash() === id,
      hash: () => id,
    })
    kept.push(descriptor)
    open.set(socket, descriptor)
    const lost = (): void => {
      if (!open.delete(socket)) return
      peers.socket_disconnected(descriptor)
      socket.destroy()
      drive()
    }
    socket.setNoDelay(true)
    socket.on('drain', () => {
      if (!full) return
      full = false
      if (!(peers.write_buffer_space_avail(descriptor) instanceof Result_NonePeerHandleErrorZ_OK)) {
        open.delete(socket)
        socket.destroy()
      }
      drive()
    })
    socket.on('data', (bytes: Buffer) => {
      if (!open.has(socket)) return
      const result = peers.read_event(descriptor, bytes)
      if (result instanceof Result_boolPeerHandleErrorZ_OK) {
        if (result.res) socket.pause()
      } else {
        // A peer manager that reports an error has forgotten the socket already.
        open.delete(socket)
        socket.destroy()
      }
      drive()
    })
    socket.on('error', lost)
    socket.on('end', lost)
    socket.on('close', lost)
    return descriptor
  }

  return {
    dial: (peer, host, port) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port })
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.off('error', reject)
          const descriptor = describe(socket)
          const none = Option_SocketAddressZ.constructor_none()
          const act = peers.new_outbound_connection(unhex(peer), descriptor, none)
          if (!(act instanceof Result_CVec_u8ZPeerHandleErrorZ_OK)) {
            open.delete(socket)
            socket.destroy()
            return reject(new Error(`LDK does not dial ${peer}`))
          }
          socket.write(Uint8Array.from(act.res))
          drive()
          resolve()
        })
      }),
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        const listener = createServer((socket) => {
          const descriptor = describe(socket)
          const none = Option_SocketAddressZ.constructor_none()
          if (!(peers.new_inbound_connection(descriptor, none) instanceof Result_NonePeerHandleErrorZ_OK)) {
            open.delete(socket)
            socket.destroy()
          }
          drive()
        })
        server = listener
        listener.once('error', reject)
        listener.listen(port, host, () => {
          const address = listener.address()
          resolve(typeof address === 'object' && address ? address.port : port)
        })
      }),
    close: async () => {
      for (const [socket] of open) {
        open.delete(socket)
        socket.destroy()
      }
      const listener = server
      if (listener) await new Promise((resolve) => listener.close(resolve))
    },
  }
}
