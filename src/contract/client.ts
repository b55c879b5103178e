import { createFifo } from '../engine/base/fifo.ts'
import { ApiError } from './errors.ts'
import { KINDS } from './kinds.ts'
import type { Port, Reply } from './port.ts'
import type { Client } from './procedures.ts'
import { feed, type ItemMessage } from './rpc-items.ts'

interface Pending {
  value(value: unknown): void
  want?(count: number): void
  end(): void
  error(error: ApiError): void
}

/** A client of the contract over a port. `close` fails whatever is still open with `cancelled`. */
export function createClient(port: Port): Client & { close(): void } {
  let nextId = 1
  const pending = new Map<number, Pending>()

  port.listen((message) => {
    const reply = message as Reply
    const waiter = pending.get(reply.id)
    if (waiter === undefined) return
    if (reply.type === 'value') waiter.value(reply.value)
    else if (reply.type === 'values') for (const value of reply.values) waiter.value(value)
    else if (reply.type === 'want') waiter.want?.(reply.count)
    else {
      pending.delete(reply.id)
      if (reply.type === 'end') waiter.end()
      else waiter.error(new ApiError(reply.error))
    }
  })

  function call(name: string, input: unknown): Promise<unknown> {
    const id = nextId++
    return new Promise((resolve, reject) => {
      pending.set(id, { value: resolve, end: () => resolve(undefined), error: reject })
      port.post({ type: 'call', id, name, input })
    })
  }

  function open(
    name: string,
    input: unknown,
    signal?: AbortSignal,
    items?: Iterable<unknown> | AsyncIterable<unknown>,
  ): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]() {
        const id = nextId++
        const values = createFifo<unknown>()
        let finished: { error?: unknown } | undefined
        let wake: (() => void) | undefined
        const stop = (error?: unknown) => {
          finished ??= error === undefined ? {} : { error }
          feeder?.stop()
          wake?.()
        }
        const feeder =
          items === undefined
            ? undefined
            : feed(
                items,
                (message: ItemMessage) => port.post({ ...message, id }),
                () => values.size,
                (thrown) => {
                  cancel(thrown)
                },
              )
        const cancel = (thrown?: unknown) => {
          if (finished === undefined) port.post({ type: 'cancel', id })
          pending.delete(id)
          stop(thrown)
        }
        pending.set(id, {
          value(value) {
            values.push(value)
            wake?.()
          },
          want: (count) => feeder?.want(count),
          end: () => stop(),
          error: (error) => stop(error),
        })
        port.post({ type: 'call', id, name, input })
        if (signal?.aborted === true) cancel()
        signal?.addEventListener('abort', () => cancel(), { once: true })
        return {
          async next(): Promise<IteratorResult<unknown>> {
            for (;;) {
              if (values.size > 0) {
                const value = values.shift()
                feeder?.read()
                return { done: false, value }
              }
              if (finished?.error !== undefined) {
                const { error } = finished
                finished = {}
                throw error
              }
              if (finished !== undefined) return { done: true, value: undefined }
              await new Promise<void>((resolve) => {
                wake = resolve
              })
            }
          },
          return(): Promise<IteratorResult<unknown>> {
            cancel()
            return Promise.resolve({ done: true, value: undefined })
          },
        }
      },
    }
  }

  const client: Record<string, unknown> = {
    close() {
      for (const waiter of pending.values())
        waiter.error(new ApiError({ code: 'cancelled', message: 'The connection closed.' }))
      pending.clear()
      port.close()
    },
  }
  for (const [name, kind] of Object.entries(KINDS)) {
    client[name] =
      kind === 'call'
        ? (input: unknown) => call(name, input)
        : kind === 'stream'
          ? (input: unknown, options?: { signal?: AbortSignal }) => open(name, input, options?.signal)
          : (
              items: Iterable<unknown> | AsyncIterable<unknown>,
              input?: unknown,
              options?: { signal?: AbortSignal },
            ) => open(name, input, options?.signal, items)
  }
  return client as unknown as Client & { close(): void }
}
