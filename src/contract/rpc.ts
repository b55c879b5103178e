import * as v from 'valibot'
import { ApiError, type ApiErrorData } from './errors.ts'
import { type DuplexName, type Output, type ProcedureName, procedures } from './procedures.ts'
import type { Port, Reply } from './port.ts'
import { type Inlet, inlet } from './rpc-items.ts'

/** The server's side of the contract over a port. */

const requestSchema = v.variant('type', [
  v.object({ type: v.literal('call'), id: v.number(), name: v.string(), input: v.unknown() }),
  v.object({ type: v.literal('cancel'), id: v.number() }),
  // Of duplex streams: requests, at most as many as were asked for; and that there will be no more.
  v.object({ type: v.literal('items'), id: v.number(), items: v.array(v.unknown()) }),
  v.object({ type: v.literal('done'), id: v.number() }),
])

/**
 * What a server implements: calls answer with a promise, streams with an async iterable that stops when `signal` fires. Duplex streams
 * get their requests and give their results in batches of whatever is there.
 */
export type Handlers = {
  readonly [N in Exclude<ProcedureName, DuplexName>]: (
    input: v.InferOutput<(typeof procedures)[N]['input']>,
    signal: AbortSignal,
  ) => (typeof procedures)[N]['kind'] extends 'call' ? Promise<Output<N>> : AsyncIterable<Output<N>>
} & {
  readonly [N in DuplexName]: (
    input: v.InferOutput<(typeof procedures)[N]['input']>,
    items: AsyncIterable<readonly v.InferOutput<(typeof procedures)[N]['item']>[]>,
    signal: AbortSignal,
  ) => AsyncIterable<readonly Output<N>[]>
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
  items: Inlet,
):
  | { kind: 'call'; result: Promise<unknown> }
  | { kind: 'stream'; values: AsyncIterable<unknown> }
  | { kind: 'duplex'; batches: AsyncIterable<readonly unknown[]> } {
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
  if (procedure.kind === 'duplex') {
    const handler = handlers[name as DuplexName] as (
      input: unknown,
      items: AsyncIterable<readonly unknown[]>,
      signal: AbortSignal,
    ) => AsyncIterable<readonly unknown[]>
    return { kind: 'duplex', batches: handler(parsed.output, items.open(procedure.item), signal) }
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
  const running = new Map<number, { readonly controller: AbortController; readonly items: Inlet }>()
  const reply = (message: Reply) => port.post(message)

  async function run(id: number, name: string, input: unknown): Promise<void> {
    const controller = new AbortController()
    const items = inlet((count) => reply({ type: 'want', id, count }))
    running.set(id, { controller, items })
    try {
      const answer = dispatch(handlers, name, input, controller.signal, items)
      if (answer.kind === 'call') reply({ type: 'value', id, value: await answer.result })
      else if (answer.kind === 'duplex') {
        for await (const values of answer.batches) {
          if (controller.signal.aborted) return
          if (values.length > 0) reply({ type: 'values', id, values })
        }
      } else {
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
      items.end()
      running.delete(id)
    }
  }

  port.listen((message) => {
    const parsed = v.safeParse(requestSchema, message)
    if (!parsed.success) return
    const request = parsed.output
    const stream = running.get(request.id)
    if (request.type === 'call') void run(request.id, request.name, request.input)
    else if (request.type === 'cancel') {
      stream?.items.end()
      stream?.controller.abort()
    } else if (request.type === 'items') stream?.items.take(request.items)
    else stream?.items.end()
  })
  return () => {
    for (const { controller, items } of running.values()) {
      items.end()
      controller.abort()
    }
  }
}
