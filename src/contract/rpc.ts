import * as v from 'valibot'
import { ApiError, type ApiErrorData } from './errors.ts'
import { type Client, type Output, type ProcedureName, procedures } from './procedures.ts'

/**
 * The contract over any port that carries structured messages: a MessagePort in the page, a BroadcastChannel between tabs, a
 * socket in Node. Small on purpose: 2 KB in place of a framework's 24 KB, since procedures and schemas are data already.
 */
export interface Port {
  post(message: unknown): void
  /** Registers the only listener. */
  listen(listener: (message: unknown) => void): void
  close(): void
}

const requestSchema = v.variant('type', [
  v.object({ type: v.literal('call'), id: v.number(), name: v.string(), input: v.unknown() }),
  v.object({ type: v.literal('cancel'), id: v.number() }),
])

type Reply =
  | { readonly type: 'value'; readonly id: number; readonly value: unknown }
  | { readonly type: 'end'; readonly id: number }
  | { readonly type: 'error'; readonly id: number; readonly error: ApiErrorData }

/** What a server implements: calls answer with a promise, streams with an async iterable that stops when `signal` fires. */
export type Handlers = {
  readonly [N in ProcedureName]: (
    input: v.InferOutput<(typeof procedures)[N]['input']>,
    signal: AbortSignal,
  ) => (typeof procedures)[N]['kind'] extends 'call' ? Promise<Output<N>> : AsyncIterable<Output<N>>
}

/** The error that crosses the boundary: known ones as they are, anything else without its text (it may hold what it must not). */
function asApiError(thrown: unknown): ApiErrorData {
  if (thrown instanceof ApiError) return { code: thrown.code, message: thrown.message, data: thrown.data }
  return { code: 'internal', message: 'The node met a defect and did not do this.' }
}

/** Checks a procedure's name and input; answers with its handler's promise or stream. Throws `ApiError`. */
export function dispatch(
  handlers: Handlers,
  name: string,
  input: unknown,
  signal: AbortSignal,
): { kind: 'call'; result: Promise<unknown> } | { kind: 'stream'; values: AsyncIterable<unknown> } {
  if (!Object.hasOwn(procedures, name)) {
    throw new ApiError({ code: 'unknownProcedure', message: 'There is no such procedure.' })
  }
  const procedure = procedures[name as ProcedureName]
  const parsed = v.safeParse(procedure.input, input ?? {})
  if (!parsed.success) {
    const issue = parsed.issues[0]
    throw new ApiError({
      code: 'invalidInput',
      message: `${v.getDotPath(issue) ?? 'input'}: ${issue.expected ?? 'another value'} expected`,
    })
  }
  const handler = handlers[name as ProcedureName] as (input: unknown, signal: AbortSignal) => unknown
  return procedure.kind === 'call'
    ? { kind: 'call', result: handler(parsed.output, signal) as Promise<unknown> }
    : { kind: 'stream', values: handler(parsed.output, signal) as AsyncIterable<unknown> }
}

/** Serves `handlers` on a port until it closes; the returned function stops all running streams. */
export function serve(
  port: Port,
  handlers: Handlers,
  onDefect: (error: unknown) => void = () => {},
): () => void {
  const running = new Map<number, AbortController>()
  const reply = (message: Reply) => port.post(message)

  async function run(id: number, name: string, input: unknown): Promise<void> {
    const controller = new AbortController()
    running.set(id, controller)
    try {
      const answer = dispatch(handlers, name, input, controller.signal)
      if (answer.kind === 'call') reply({ type: 'value', id, value: await answer.result })
      else {
        for await (const value of answer.values) {
          if (controller.signal.aborted) return
          reply({ type: 'value', id, value })
        }
      }
      reply({ type: 'end', id })
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) onDefect(thrown)
      reply({ type: 'error', id, error: asApiError(thrown) })
    } finally {
      running.delete(id)
    }
  }

  port.listen((message) => {
    const parsed = v.safeParse(requestSchema, message)
    if (!parsed.success) return
    if (parsed.output.type === 'cancel') running.get(parsed.output.id)?.abort()
    else void run(parsed.output.id, parsed.output.name, parsed.output.input)
  })
  return () => {
    for (const controller of running.values()) controller.abort()
  }
}

interface Pending {
  value(value: unknown): void
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

  function open(name: string, input: unknown, signal?: AbortSignal): AsyncIterable<unknown> {
    return {
      [Symbol.asyncIterator]() {
        const id = nextId++
        const values: unknown[] = []
        let finished: { error?: ApiError } | undefined
        let wake: (() => void) | undefined
        const stop = (error?: ApiError) => {
          finished ??= error === undefined ? {} : { error }
          wake?.()
        }
        const cancel = () => {
          if (finished === undefined) port.post({ type: 'cancel', id })
          pending.delete(id)
          stop()
        }
        pending.set(id, {
          value(value) {
            values.push(value)
            wake?.()
          },
          end: () => stop(),
          error: (error) => stop(error),
        })
        port.post({ type: 'call', id, name, input })
        signal?.addEventListener('abort', cancel, { once: true })
        return {
          async next(): Promise<IteratorResult<unknown>> {
            for (;;) {
              if (values.length > 0) return { done: false, value: values.shift() }
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
  for (const [name, procedure] of Object.entries(procedures)) {
    client[name] =
      procedure.kind === 'call'
        ? (input: unknown) => call(name, input)
        : (input: unknown, options?: { signal?: AbortSignal }) => open(name, input, options?.signal)
  }
  return client as unknown as Client & { close(): void }
}

/** A browser or Node MessagePort as a `Port`. */
export function messagePort(port: {
  postMessage(message: unknown): void
  onmessage: ((event: { data: unknown }) => void) | null
  close(): void
}): Port {
  return {
    post: (message) => port.postMessage(message),
    listen: (listener) => {
      port.onmessage = (event) => listener(event.data)
    },
    close: () => port.close(),
  }
}
