import type { Clock } from './ports.ts'
import type { ByteSocket, SocketEnd } from './socket.ts'

/** Fakes of the shell's ports for tests; deterministic, no real time. */

/** A clock that only moves when told to. */
export function fakeClock(start = 1_000_000): Clock & {
  /** Moves time on and runs what falls due, in order; promises get their say after each task. */
  advance(ms: number): Promise<void>
  /** How many tasks wait. */
  waiting(): number
} {
  let now = start
  let order = 0
  let tasks: { at: number; order: number; task: () => void }[] = []
  return {
    now: () => now,
    after(ms, task) {
      const entry = { at: now + ms, order: order++, task }
      tasks.push(entry)
      return () => {
        tasks = tasks.filter((t) => t !== entry)
      }
    },
    async advance(ms) {
      const end = now + ms
      for (;;) {
        const due = tasks.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.order - b.order)[0]
        if (due === undefined) break
        tasks = tasks.filter((t) => t !== due)
        now = Math.max(now, due.at)
        due.task()
        await settle()
      }
      now = end
      await settle()
    },
    waiting: () => tasks.length,
  }
}

/** Lets everything that only waits for promises happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

export interface FakeSocket extends ByteSocket {
  /** Each write by itself, in order. */
  readonly written: Uint8Array[]
  readonly closed: boolean
  readonly isPaused: boolean
  /** Ends the socket from outside, as a network does. */
  end(end: SocketEnd): void
  bufferedAmount: number
}

/** Two ends of a stream in memory; bytes and ends arrive in later microtasks, as from a network. */
export function socketPair(options: { pausable?: boolean } = {}): [FakeSocket, FakeSocket] {
  const a = fakeSocket(options.pausable ?? true)
  const b = fakeSocket(options.pausable ?? true)
  a.join(b)
  b.join(a)
  return [a.socket, b.socket]
}

function fakeSocket(pausable: boolean) {
  let onData: ((bytes: Uint8Array) => void) | undefined
  let onClose: ((end: SocketEnd) => void) | undefined
  let early: Uint8Array[] = []
  let ended: SocketEnd | undefined
  let told = false
  let paused = false
  let closed = false
  let other: { take(bytes: Uint8Array): void; leave(end: SocketEnd): void } | undefined
  const written: Uint8Array[] = []

  const flush = (): void => {
    while (!paused && !closed && onData !== undefined && early.length > 0) {
      const next = early.shift()
      if (next !== undefined) onData(next)
    }
    if (ended !== undefined && onClose !== undefined && !told && early.length === 0) {
      told = true
      onClose(ended)
    }
  }
  const later = (task: () => void): void => void Promise.resolve().then(task)
  const take = (bytes: Uint8Array): void => {
    if (closed || ended !== undefined) return
    early.push(bytes)
    flush()
  }
  const leave = (end: SocketEnd): void => {
    ended ??= end
    flush()
  }
  const socket: FakeSocket = {
    written,
    bufferedAmount: 0,
    get closed() {
      return closed
    },
    get isPaused() {
      return paused
    },
    write(bytes) {
      if (closed || ended !== undefined) return
      written.push(bytes)
      later(() => other?.take(bytes))
    },
    close() {
      if (closed) return
      closed = true
      early = []
      later(() => other?.leave({ reason: 'the other end closed' }))
    },
    end: leave,
    onData(listener) {
      onData = listener
      later(flush)
    },
    onClose(listener) {
      onClose = listener
      later(flush)
    },
  }
  if (pausable) {
    socket.pause = () => {
      paused = true
    }
    socket.resume = () => {
      paused = false
      later(flush)
    }
  }
  return {
    socket,
    join: (end: { socket: FakeSocket; take(bytes: Uint8Array): void; leave(end: SocketEnd): void }) => {
      other = end
    },
    take,
    leave,
  }
}
