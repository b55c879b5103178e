import { createServer } from 'node:net'

/** Whether a TCP port on loopback can be bound now. */
export function portIsFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** A port on loopback that the system says is free. Another process may take it first: callers retry. */
export function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, host, () => {
      const address = probe.address()
      const port = typeof address === 'object' && address ? address.port : 0
      probe.close(() => resolve(port))
    })
  })
}

/** `preferred` when it is free, else the next free one of the twenty after it, else any free one. */
export async function portFrom(preferred: number, host = '127.0.0.1'): Promise<number> {
  for (let port = preferred; port < preferred + 20; port++) if (await portIsFree(port, host)) return port
  return freePort(host)
}

/**
 * Listens on `preferred`, on the next free one of the twenty after it, or on any. Unlike `portFrom` it leaves no moment between
 * looking and taking, so two nodes that start at once never want the same port.
 */
export async function listenFrom<T>(preferred: number, listen: (port: number) => Promise<T>): Promise<T> {
  for (let port = preferred; port < preferred + 20; port++) {
    try {
      return await listen(port)
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
  return listen(0)
}
