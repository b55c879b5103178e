import * as v from 'valibot'
import { ApiError } from './errors.ts'

/**
 * The way in of duplex streams. The server says how many requests it takes (`want`), as a window of TCP does: what is sent and not yet
 * given to the handler never exceeds that, whatever the client does, and a slow handler slows the client's source down.
 */

/** Requests that a server takes ahead of its handler. */
const WINDOW = 512
/** Results that a client lets lie unread before it stops asking its source for more. */
const MAX_UNREAD = 1024
/** Requests in one message. */
const MAX_BATCH = 64

// ── the server's side ─────────────────────────────────────────────────────────────────────────────────────────────────

export interface Inlet {
  /** Asks for requests of this schema; what is iterated are all that have come since. May be called once. */
  open(schema: v.GenericSchema): AsyncIterable<readonly unknown[]>
  /** Requests came. */
  take(items: readonly unknown[]): void
  /** No more will come. */
  end(): void
}

/** @param want tells the client how many more requests it may send */
export function inlet(want: (count: number) => void): Inlet {
  let schema: v.GenericSchema | undefined
  let waiting: unknown[] = []
  let credit = 0
  let ended = false
  let failure: ApiError | undefined
  let wake: (() => void) | undefined

  const grant = (count: number): void => {
    credit += count
    want(count)
  }
  const end = (why?: ApiError): void => {
    if (ended) return
    ended = true
    failure = why
    wake?.()
  }

  const next = async (): Promise<IteratorResult<readonly unknown[]>> => {
    for (;;) {
      if (waiting.length > 0) {
        const batch = waiting
        waiting = []
        if (!ended) grant(batch.length)
        return { done: false, value: batch }
      }
      if (failure !== undefined) throw failure
      if (ended) return { done: true, value: undefined }
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return {
    open(of) {
      schema = of
      grant(WINDOW)
      return {
        [Symbol.asyncIterator]: () => ({
          next,
          return() {
            end()
            return Promise.resolve({ done: true, value: undefined })
          },
        }),
      }
    },
    take(items) {
      if (schema === undefined || ended) return
      if (items.length > credit) return end(invalid('more requests than were asked for'))
      credit -= items.length
      for (const item of items) {
        const parsed = v.safeParse(schema, item)
        if (!parsed.success) {
          const [issue] = parsed.issues
          return end(
            invalid(`${v.getDotPath(issue) ?? 'request'}: ${issue.expected ?? 'another value'} expected`),
          )
        }
        waiting.push(parsed.output)
      }
      wake?.()
    },
    end: () => end(),
  }
}

const invalid = (message: string): ApiError => new ApiError({ code: 'invalidInput', message })

// ── the client's side ─────────────────────────────────────────────────────────────────────────────────────────────────

export type ItemMessage =
  | { readonly type: 'items'; readonly items: readonly unknown[] }
  | { readonly type: 'done' }

export interface Feeder {
  /** The server takes so many more. */
  want(count: number): void
  /** The consumer has read a result. */
  read(): void
  /** The stream is over: the source is let go. */
  stop(): void
}

/**
 * Asks `source` for requests as the server wants them and as long as results are read, and posts them.
 * @param unread how many results lie there
 * @param failed called with what the source throws
 */
export function feed(
  source: Iterable<unknown> | AsyncIterable<unknown>,
  post: (message: ItemMessage) => void,
  unread: () => number,
  failed: (thrown: unknown) => void,
): Feeder {
  const iterator: Iterator<unknown> | AsyncIterator<unknown> =
    Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  const isAsync = Symbol.asyncIterator in source
  let credit = 0
  let pumping = false
  let over = false

  async function pump(): Promise<void> {
    if (pumping) return
    pumping = true
    try {
      while (!over && credit > 0 && unread() < MAX_UNREAD) {
        const batch: unknown[] = []
        let done = false
        // What is there at once goes together; what is waited for goes when it comes.
        const most = isAsync ? 1 : Math.min(credit, MAX_BATCH)
        while (batch.length < most && !done) {
          const step = await iterator.next()
          if (over) return
          if (step.done === true) done = true
          else batch.push(step.value)
        }
        credit -= batch.length
        if (batch.length > 0) post({ type: 'items', items: batch })
        if (done) {
          over = true
          post({ type: 'done' })
        }
      }
    } catch (thrown) {
      if (!over) {
        over = true
        failed(thrown)
      }
    } finally {
      pumping = false
    }
  }

  return {
    want(count) {
      credit += count
      void pump()
    },
    read() {
      if (!over && !pumping && credit > 0) void pump()
    },
    stop() {
      if (over) return
      over = true
      // A source that waits for something of its own is told that nobody waits for it any more.
      void Promise.resolve(iterator.return?.()).catch(() => {})
    },
  }
}
