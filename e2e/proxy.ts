import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../src/playground/ports.ts'

/** A TCP port in front of another one, which can go quiet or away. */
export interface Proxy {
  readonly port: number
  /** From now on nothing comes from the other side any more once a piece of at least `bytes` has come through. */
  holdAfter(bytes: number): void
  /** Resolves once something has been held back. */
  readonly held: Promise<void>
  close(): Promise<void>
}

/** Stands in front of a port on loopback. */
export async function proxyTo(target: number): Promise<Proxy> {
  let limit: number | undefined
  let silent = false
  let told = (): void => {}
  const held = new Promise<void>((resolve) => {
    told = resolve
  })
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const peer = connect(target, '127.0.0.1')
    for (const socket of [client, peer]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        peer.destroy()
      })
    }
    client.on('data', (data) => peer.write(data))
    peer.on('data', (data) => {
      if (silent) return told()
      client.write(data)
      if (limit !== undefined && data.length >= limit) silent = true
    })
  })
  const port = await freePort()
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  return {
    port,
    holdAfter: (bytes) => {
      limit = bytes
    },
    held,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
