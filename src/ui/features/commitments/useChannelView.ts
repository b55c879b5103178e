import { useCallback, useEffect, useRef, useState } from 'react'
import type { ChannelView } from '../../../contract/channel-view.ts'
import type { ApiErrorData } from '../../../contract/errors.ts'
import { client, toError } from '../../state/session.ts'
import { ratesOf, type Sample, sampleOf, withSample } from './geometry.ts'

const READ_EVERY_MS = 500

export interface LiveView {
  readonly view: ChannelView | undefined
  readonly rates: { readonly updates: number; readonly commitments: number }
  readonly error: ApiErrorData | undefined
}

/** The channel's view as long as it is looked at: the node is asked for nothing while `held` or while the page is hidden. */
export function useChannelView(channelId: string, held: boolean): LiveView {
  const [view, setView] = useState<ChannelView>()
  const [error, setError] = useState<ApiErrorData>()
  const [rates, setRates] = useState({ updates: 0, commitments: 0 })
  const [hidden, setHidden] = useState(document.hidden)
  const samples = useRef<readonly Sample[]>([])

  useEffect(() => {
    const onChange = () => setHidden(document.hidden)
    document.addEventListener('visibilitychange', onChange)
    return () => document.removeEventListener('visibilitychange', onChange)
  }, [])

  const read = useCallback(() => {
    const now = ratesOf(samples.current, performance.now())
    setRates((before) =>
      before.updates === now.updates && before.commitments === now.commitments ? before : now,
    )
  }, [])

  useEffect(() => {
    if (held || hidden) return
    const controller = new AbortController()
    samples.current = []
    const follow = async () => {
      for await (const next of client().channelView({ channelId }, { signal: controller.signal })) {
        if (controller.signal.aborted) return
        samples.current = withSample(samples.current, sampleOf(next, performance.now()))
        setView(next)
      }
    }
    follow().catch((thrown: unknown) => {
      if (!controller.signal.aborted) setError(toError(thrown))
    })
    const timer = setInterval(read, READ_EVERY_MS)
    return () => {
      clearInterval(timer)
      controller.abort()
    }
  }, [channelId, held, hidden, read])

  return { view, rates, error }
}

/** The width of an element, now and whenever it changes. */
export function useWidth(): readonly [(element: HTMLElement | null) => void, number] {
  const [width, setWidth] = useState(0)
  const observer = useRef<ResizeObserver>(undefined)
  const attach = useCallback((element: HTMLElement | null) => {
    observer.current?.disconnect()
    if (element === null) return
    observer.current = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.current.observe(element)
    setWidth(element.clientWidth)
  }, [])
  return [attach, width]
}
