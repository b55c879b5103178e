import { connect, createServer, type Socket } from 'node:net'
import { freePort } from '../src/playground/ports.ts'

/** A TCP port in front of another one, which can go quiet or away. */
export interface Proxy {
  readonly port: number
  /**
   * Nothing comes from the other side any more once, from now on, pieces of at least these many bytes have been sent to it, in this order.
   * What is sent is counted, not what comes: gossip comes when it likes.
   */
  holdOnce(...sent: readonly number[]): void
  /** Resolves once something has been held back. */
  readonly held: Promise<void>
  close(): Promise<void>
}

/** Stands in front of a port on loopback. */
export async function proxyTo(target: number): Promise<Proxy> {
  let waitFor: readonly number[] | undefined
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
    client.on('data', (data) => {
      const [bytes, ...rest] = waitFor ?? []
      if (bytes !== undefined && data.length >= bytes) waitFor = rest
      peer.write(data)
    })
    peer.on('data', (data) => {
      if (waitFor?.length === 0) told()
      else client.write(data)
    })
  })
  const port = await freePort()
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  return {
    port,
    holdOnce: (...sent) => {
      waitFor = sent
    },
    held,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
