/** Success or failure as data. Decoders and machines return it; only defects throw (house law 9). */
export type Result<T, E = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E }

/** Wraps a value as success. */
export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value })

/** Wraps an error as failure. */
export const err = <E>(error: E): { readonly ok: false; readonly error: E } => ({ ok: false, error })

/** The value of a result that cannot have failed; throws (a defect) when it did. */
export function unwrap<T>(result: Result<T, unknown>, what = 'result'): T {
  if (result.ok) return result.value
  throw new Error(
    `${what}: ${typeof result.error === 'string' ? result.error : JSON.stringify(result.error)}`,
  )
}

/** Marks a branch that the types rule out; throws if it is reached all the same. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${String(value)}`)
}

/** Throws a defect unless `condition` holds. For invariants of our own, never for input from outside. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant: ${message}`)
}
