import type { NodeEvent } from '../engine/node/commands.ts'

/** Async iterables over callbacks. Both stop, and let go of their source, when `signal` fires or the consumer leaves. */

/** The newest value now and after every change; values in between are skipped, so a slow consumer is never behind. */
export async function* latest<T>(
  read: () => T,
  onChange: (listener: () => void) => () => void,
  signal: AbortSignal,
): AsyncGenerator<T> {
  let changed = true
  let wake: (() => void) | undefined
  const stir = () => {
    changed = true
    wake?.()
  }
  const leave = onChange(stir)
  signal.addEventListener('abort', stir, { once: true })
  try {
    while (!signal.aborted) {
      if (changed) {
        changed = false
        yield read()
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    leave()
    signal.removeEventListener('abort', stir)
  }
}

/**
 * As `latest`, at most once in `gapMs`: what changes in between shows at its end, so the last value always comes. `read` answers with
 * undefined when there is nothing any more, which ends it; a value that is the one before it is not sent again.
 */
export async function* paced<S, T>(
  read: () => S | undefined,
  project: (value: S) => T,
  onChange: (listener: () => void) => () => void,
  after: (ms: number, task: () => void) => () => void,
  gapMs: number,
  signal: AbortSignal,
): AsyncGenerator<T> {
  let shown: S | undefined
  let resting = false
  let cancelRest: (() => void) | undefined
  let wake: () => void = () => {}
  const leave = onChange(() => {
    // Comparing two references is all that a change costs while nothing may be shown yet.
    if (!resting && read() !== shown) wake()
  })
  const stir = () => wake()
  signal.addEventListener('abort', stir, { once: true })
  try {
    while (!signal.aborted) {
      const now = read()
      if (now === undefined) return
      if (!resting && now !== shown) {
        shown = now
        resting = true
        cancelRest = after(gapMs, () => {
          resting = false
          wake()
        })
        yield project(now)
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    leave()
    cancelRest?.()
    signal.removeEventListener('abort', stir)
  }
}

/** All events from the moment of the call on, in order. More than `limit` unread ones end the stream: its consumer has stopped. */
export function eventStream(
  source: { subscribe(listener: (event: NodeEvent) => void): () => void },
  signal: AbortSignal,
  limit = 100_000,
  wanted: (event: NodeEvent) => boolean = () => true,
): AsyncIterable<NodeEvent> & { readonly stop: () => void } {
  const events: NodeEvent[] = []
  let ended = false
  let wake: (() => void) | undefined
  const end = () => {
    ended = true
    leave()
    wake?.()
  }
  const leave = source.subscribe((event) => {
    if (!wanted(event)) return
    events.push(event)
    if (events.length > limit) end()
    wake?.()
  })
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  return {
    stop: end,
    [Symbol.asyncIterator]: () => ({
      async next() {
        for (;;) {
          const value = events.shift()
          if (value !== undefined) return { done: false, value }
          if (ended) return { done: true, value: undefined }
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      },
      return() {
        end()
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
}
