import { connect, createServer, type Socket } from 'node:net'

/** A TCP wire between two nodes that tests may cut: after a number of pieces, or at once. */
export interface Wire {
  /** Where the caller dials. */
  readonly port: number
  /** Pieces that went through since the last `watch`. A node's turn is one piece, as a rule. */
  readonly passed: number
  /** Pieces that were swallowed since then. */
  readonly lost: number
  /** Counts from zero; with a number the wire breaks once so many pieces have gone through. */
  watch(breakAfter?: number): void
  /** Whether the break that `watch` asked for has happened. */
  readonly broken: boolean
  /** Resolves when nothing has gone through for a while: both ends have said what there is to say. */
  quiet(): Promise<void>
  /** From now on nothing gets through in one direction, though the wire looks whole. `cut` ends it. */
  swallow(direction: 'toCaller' | 'toTarget'): void
  /** Breaks all connections now. */
  cut(): void
  close(): void
}

export function createWire(targetPort: number): Promise<Wire> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let passed = 0
  let lost = 0
  let all = 0
  let breakAfter: number | undefined
  let broken = false
  let swallowed: 'toCaller' | 'toTarget' | undefined

  const cut = (): void => {
    swallowed = undefined
    for (const pair of pairs) for (const socket of pair) socket.destroy()
    pairs.clear()
  }

  const server = createServer((caller) => {
    const target = connect({ host: '127.0.0.1', port: targetPort })
    const pair = [caller, target] as const
    pairs.add(pair)
    const join = (from: Socket, to: Socket, direction: 'toCaller' | 'toTarget'): void => {
      from.setNoDelay(true)
      from.on('data', (bytes) => {
        all++
        if (swallowed === direction) lost++
        if (swallowed === direction || broken) return
        passed++
        if (passed !== breakAfter) return void to.write(bytes)
        // The last piece still arrives; nothing after it does, in either direction.
        broken = true
        to.end(bytes, cut)
      })
      const gone = (): void => {
        pairs.delete(pair)
        to.destroy()
      }
      from.on('error', gone)
      from.on('close', gone)
    }
    join(caller, target, 'toTarget')
    join(target, caller, 'toCaller')
  })

  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve({
        port: typeof address === 'object' && address !== null ? address.port : 0,
        get passed() {
          return passed
        },
        get lost() {
          return lost
        },
        get broken() {
          return broken
        },
        watch(after) {
          passed = 0
          lost = 0
          broken = false
          breakAfter = after
        },
        async quiet() {
          for (let seen = -1; seen !== all; ) {
            seen = all
            await new Promise((resolve) => setTimeout(resolve, 30))
          }
        },
        swallow(direction) {
          swallowed = direction
        },
        cut,
        close() {
          cut()
          server.close()
        },
      })
    })
  })
}
