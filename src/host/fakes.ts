import type { Clock } from './ports.ts'

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
