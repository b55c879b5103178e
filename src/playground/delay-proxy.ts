import { connect, createServer, type Socket } from 'node:net'

/** A TCP port in front of another one: whatever goes in comes out at the other end after half a round trip, in each direction. */
export interface DelayProxy {
  readonly port: number
  close(): Promise<void>
}

/** Bytes on the way that make a line stop reading: far above what 70 ms of loopback hold, and a bound all the same. */
const MAX_QUEUED_BYTES = 16_777_216

interface Piece {
  readonly due: number
  readonly bytes: Buffer
}

/** Carries what `from` says to `to`, each piece `delayMs` after it came; order is kept, nothing is joined or dropped. */
function delayLine(from: Socket, to: Socket, delayMs: number): void {
  const queue: Piece[] = []
  let queuedBytes = 0
  let ended = false
  let closed = false
  let full = false
  let timer: NodeJS.Timeout | undefined

  function deliver(): void {
    timer = undefined
    const now = performance.now()
    // Timers have whole milliseconds: half of one early is nearer than a whole one late.
    while (!full && (queue[0]?.due ?? Number.POSITIVE_INFINITY) <= now + 0.5) {
      const piece = queue.shift()
      if (piece === undefined) break
      queuedBytes -= piece.bytes.length
      if (!to.write(piece.bytes)) full = true
    }
    if (from.isPaused() && queuedBytes < MAX_QUEUED_BYTES / 2) from.resume()
    arm()
  }

  function arm(): void {
    if (timer !== undefined || full) return
    const [next] = queue
    if (next !== undefined) timer = setTimeout(deliver, Math.max(0, next.due - performance.now()))
    else if (closed) to.destroySoon()
    else if (ended) to.end()
  }

  to.on('drain', () => {
    full = false
    arm()
  })
  from.on('data', (bytes: Buffer) => {
    if (to.destroyed) return
    queue.push({ due: performance.now() + delayMs, bytes })
    queuedBytes += bytes.length
    if (queuedBytes > MAX_QUEUED_BYTES) from.pause()
    arm()
  })
  from.on('end', () => {
    ended = true
    arm()
  })
  from.on('close', () => {
    closed = true
    arm()
  })
  to.on('close', () => {
    clearTimeout(timer)
    timer = undefined
    full = true
    queue.length = 0
    // What the far side said before it went is still on its way: that line closes `from` when it has arrived.
    from.resume()
  })
}

/** Stands in front of a port of this machine with a round trip of `rttMs`; with 0 it only carries. Listens on loopback. */
export async function startDelayProxy(options: {
  readonly targetPort: number
  readonly rttMs: number
  /** Port to listen on; any free one by default. */
  readonly port?: number
}): Promise<DelayProxy> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: options.targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      // What went wrong shows at the other end as a line that closes.
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    delayLine(near, far, options.rttMs / 2)
    delayLine(far, near, options.rttMs / 2)
  })
  await new Promise<void>((listening, failed) => {
    server.once('error', failed)
    server.listen(options.port ?? 0, '127.0.0.1', listening)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  return {
    port: address.port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
