import { procedures, type ProcedureName } from '../../../contract/procedures.ts'
import { client } from '../../state/session.ts'

type AnyCall = (input: unknown) => Promise<unknown>
type AnyStream = (input: unknown, options: { signal: AbortSignal }) => AsyncIterable<unknown>

/** Calls a procedure by its name; each value that it answers with goes to `onValue`. Ends with its stream, or when aborted. */
export async function runProcedure(
  name: ProcedureName,
  input: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  onValue: (value: unknown) => void,
): Promise<void> {
  const member: unknown = client()[name]
  if (procedures[name].kind === 'call') {
    onValue(await (member as AnyCall)(input))
    return
  }
  for await (const value of (member as AnyStream)(input, { signal })) {
    if (signal.aborted) return
    onValue(value)
  }
}
