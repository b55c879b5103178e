import type { RecordWrite, Store } from '../../engine/node/ports.ts'
import { storeFailure } from './failure.ts'

/** A disk in memory for tests and practice wallets: stores come and go, what was committed stays. */
export interface MemoryDisk {
  /** A store on this disk. One at a time: opening ends the one before as a crash would. */
  open(): Promise<Store>
  /** Power loss: commits under way are dropped and never settle, and the open store is dead. */
  crash(): void
  /** Makes the nth commit from now (1: the next one) fail with `error`, leaving the records as they were. */
  failCommit(nth: number, error?: unknown): void
  /** How many commits have been applied. */
  readonly commits: number
  /** What is on the disk now. */
  readonly records: ReadonlyMap<string, Uint8Array>
}

export interface MemoryDiskOptions {
  /** Called before each commit is applied: how long the disk takes. At once by default. */
  readonly latency?: () => Promise<void>
}

export function createMemoryDisk(options: MemoryDiskOptions = {}): MemoryDisk {
  let records = new Map<string, Uint8Array>()
  let commits = 0
  /** Which store is alive; a crash or a new one moves it on. */
  let generation = 0
  let failures: { left: number; error: unknown }[] = []

  function takeFailure(): { error: unknown } | undefined {
    failures = failures.map((f) => ({ ...f, left: f.left - 1 }))
    const due = failures.find((f) => f.left === 0)
    failures = failures.filter((f) => f.left > 0)
    return due
  }

  function open(): Promise<Store> {
    const mine = ++generation
    let closed = false
    let last: Promise<void> = Promise.resolve()

    async function apply(writes: readonly RecordWrite[], before: Promise<void>): Promise<void> {
      await before
      await options.latency?.()
      if (mine !== generation) return new Promise(() => {})
      const failure = takeFailure()
      if (failure !== undefined) throw failure.error
      const next = new Map(records)
      for (const { key, value } of writes) {
        if (value === null) next.delete(key)
        else next.set(key, value)
      }
      records = next
      commits += 1
    }

    return Promise.resolve({
      load: (except) => {
        if (closed || mine !== generation) return Promise.reject(closedFailure())
        const wanted = [...records].filter(([key]) => except === undefined || !key.startsWith(except))
        return Promise.resolve(new Map(wanted.map(([key, value]) => [key, value.slice()])))
      },
      read: async (key) => {
        await last
        if (closed || mine !== generation) throw closedFailure()
        return records.get(key)?.slice()
      },
      commit: (writes) => {
        if (closed) return Promise.reject(closedFailure())
        const copy = writes.map(({ key, value }) => ({ key, value: value?.slice() ?? null }))
        const applied = apply(copy, last)
        last = applied.catch(() => {})
        return applied
      },
      close: async () => {
        closed = true
        if (mine === generation) await last
      },
    })
  }

  return {
    open,
    crash: () => {
      generation += 1
    },
    failCommit: (nth, error = storeFailure('quota', 'The disk is full.')) => {
      failures.push({ left: nth, error })
    },
    get commits() {
      return commits
    },
    get records() {
      return records
    },
  }
}

const closedFailure = () => storeFailure('closed', 'This store is closed.')
