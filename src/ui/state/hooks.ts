import { useCallback, useEffect, useRef, useState } from 'react'
import type { ApiErrorData } from '../../contract/errors.ts'
import { toError } from './session.ts'

export interface Action<A extends readonly unknown[], R> {
  /** Runs it, unless it is running already; answers with the result or, after an error, with undefined. */
  readonly run: (...args: A) => Promise<R | undefined>
  readonly pending: boolean
  readonly error: ApiErrorData | undefined
  readonly clear: () => void
}

/** Something the user sets off: one run at a time, with its pending state and its error. */
export function useAction<A extends readonly unknown[], R>(action: (...args: A) => Promise<R>): Action<A, R> {
  const [pending, setPending] = useState(false)
  const [error, setError] = useState<ApiErrorData>()
  const running = useRef(false)
  const latest = useRef(action)
  useEffect(() => {
    latest.current = action
  })
  const run = useCallback(async (...args: A): Promise<R | undefined> => {
    if (running.current) return undefined
    running.current = true
    setPending(true)
    setError(undefined)
    try {
      return await latest.current(...args)
    } catch (thrown) {
      setError(toError(thrown))
      return undefined
    } finally {
      running.current = false
      setPending(false)
    }
  }, [])
  const clear = useCallback(() => setError(undefined), [])
  return { run, pending, error, clear }
}

export interface Loaded<R> {
  readonly value: R | undefined
  readonly error: ApiErrorData | undefined
  readonly pending: boolean
}

/**
 * Loads something now and again whenever `deps` change. The newest answer wins and older ones are dropped; the last good value stays
 * while the next is on its way, so that nothing jumps. With `load` undefined there is nothing to load.
 */
export function useLoad<R>(load: (() => Promise<R>) | undefined, deps: readonly unknown[]): Loaded<R> {
  const [loaded, setLoaded] = useState<Loaded<R>>({
    value: undefined,
    error: undefined,
    pending: load !== undefined,
  })
  useEffect(() => {
    if (load === undefined) {
      setLoaded({ value: undefined, error: undefined, pending: false })
      return
    }
    let stale = false
    setLoaded((before) => (before.pending ? before : { ...before, pending: true }))
    load().then(
      (value) => {
        if (!stale) setLoaded({ value, error: undefined, pending: false })
      },
      (thrown: unknown) => {
        if (!stale) setLoaded({ value: undefined, error: toError(thrown), pending: false })
      },
    )
    return () => {
      stale = true
    }
    // The caller names what the load depends on; `load` itself is a new closure at every render.
  }, deps)
  return loaded
}

/** The newest value of a stream that lives as long as the component and `deps`; no stream while `open` is undefined. */
export function useStream<R>(
  open: ((signal: AbortSignal) => AsyncIterable<R>) | undefined,
  deps: readonly unknown[],
): { readonly value: R | undefined; readonly error: ApiErrorData | undefined } {
  const [state, setState] = useState<{ value: R | undefined; error: ApiErrorData | undefined }>({
    value: undefined,
    error: undefined,
  })
  useEffect(() => {
    setState({ value: undefined, error: undefined })
    if (open === undefined) return
    const controller = new AbortController()
    const follow = async () => {
      for await (const value of open(controller.signal)) {
        if (controller.signal.aborted) return
        setState({ value, error: undefined })
      }
    }
    follow().catch((thrown: unknown) => {
      if (!controller.signal.aborted) setState((before) => ({ ...before, error: toError(thrown) }))
    })
    return () => controller.abort()
    // As above: the caller names what the stream depends on.
  }, deps)
  return state
}

/** The time, again every `everyMs`, for what counts down. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
