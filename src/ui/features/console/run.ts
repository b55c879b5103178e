import { KINDS } from '../../../contract/kinds.ts'
import type { ProcedureName } from '../../../contract/procedures.ts'
import { client } from '../../state/session.ts'

type AnyCall = (input: unknown) => Promise<unknown>
type AnyStream = (input: unknown, options: { signal: AbortSignal }) => AsyncIterable<unknown>
type AnyDuplex = (
  items: Iterable<unknown>,
  input: unknown,
  options: { signal: AbortSignal },
) => AsyncIterable<unknown>

/** Calls a procedure by its name; each value that it answers with goes to `onValue`. Ends with its stream, or when aborted. */
export async function runProcedure(
  name: ProcedureName,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  onValue: (value: unknown) => void,
): Promise<void> {
  const member: unknown = client()[name]
  if (KINDS[name] === 'call') {
    onValue(await (member as AnyCall)(input))
    return
  }
  const values =
    KINDS[name] === 'stream'
      ? (member as AnyStream)(input, { signal })
      : duplex(member as AnyDuplex, input, signal)
  for await (const value of values) {
    if (signal.aborted) return
    onValue(value)
  }
}

/** A duplex stream fed with the list `requests` of its input. */
function duplex(
  open: AnyDuplex,
  { requests, ...input }: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): AsyncIterable<unknown> {
  return open(Array.isArray(requests) ? (requests as unknown[]) : [], input, { signal })
}
