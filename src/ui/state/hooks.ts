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
  /** The newest good answer. While `pending` it may belong to an earlier key, so that nothing jumps meanwhile. */
  readonly value: R | undefined
  readonly error: ApiErrorData | undefined
  /** Whether the answer for the present key is still to come. */
  readonly pending: boolean
}

interface Answer<R> {
  readonly key: string
  readonly value: R | undefined
  readonly error: ApiErrorData | undefined
}

/** Loads something once for each `key`; the newest key wins and answers for older ones are dropped. No key, nothing to load. */
export function useLoad<R>(key: string | undefined, load: () => Promise<R>): Loaded<R> {
  const [answer, setAnswer] = useState<Answer<R>>()
  const latest = useRef(load)
  useEffect(() => {
    latest.current = load
  })
  useEffect(() => {
    if (key === undefined) return
    let stale = false
    latest.current().then(
      (value) => {
        if (!stale) setAnswer({ key, value, error: undefined })
      },
      (thrown: unknown) => {
        if (!stale) setAnswer({ key, value: undefined, error: toError(thrown) })
      },
    )
    return () => {
      stale = true
    }
  }, [key])
  if (key === undefined) return { value: undefined, error: undefined, pending: false }
  const fresh = answer?.key === key
  return { value: answer?.value, error: fresh ? answer.error : undefined, pending: !fresh }
}

/** The newest value of a stream that lives as long as the component and its `key`; without a key there is no stream. */
export function useStream<R>(
  key: string | undefined,
  open: (signal: AbortSignal) => AsyncIterable<R>,
): { readonly value: R | undefined; readonly error: ApiErrorData | undefined } {
  const [newest, setNewest] = useState<Answer<R>>()
  const latest = useRef(open)
  useEffect(() => {
    latest.current = open
  })
  useEffect(() => {
    if (key === undefined) return
    const controller = new AbortController()
    const follow = async () => {
      for await (const value of latest.current(controller.signal)) {
        if (controller.signal.aborted) return
        setNewest({ key, value, error: undefined })
      }
    }
    follow().catch((thrown: unknown) => {
      if (!controller.signal.aborted) setNewest({ key, value: undefined, error: toError(thrown) })
    })
    return () => controller.abort()
  }, [key])
  if (newest === undefined || newest.key !== key) return { value: undefined, error: undefined }
  return newest
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
