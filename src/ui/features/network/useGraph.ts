import { useEffect, useState } from 'react'
import type { GraphView } from '../../../contract/graph-view.ts'
import { client } from '../../state/session.ts'
import { formatSat } from '../../text/amounts.ts'

/** How often it is asked while it is looked at. */
const EVERY_MS = 4_000

/** The network as the node knows it, asked again while somebody looks. */
export function useGraph(): GraphView | undefined {
  const [graph, setGraph] = useState<GraphView>()
  useEffect(() => {
    let gone = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const ask = () => {
      client()
        .describeGraph()
        .then(
          (answer) => {
            if (!gone) setGraph(answer)
          },
          // A node that has stopped says so elsewhere; what was seen last stays.
          () => {},
        )
        .finally(() => {
          if (!gone) timer = setTimeout(ask, EVERY_MS)
        })
    }
    ask()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [])
  return graph
}

/** A count, grouped in threes. */
export const count = (n: number): string => formatSat(BigInt(n))

/** Whole percents; none of it is 0 %, and all but a few is not 100 %. */
export function share(part: number, all: number): string {
  if (part === 0 || all === 0) return '0 %'
  if (part === all) return '100 %'
  return `${Math.min(99, Math.max(1, Math.round((100 * part) / all)))} %`
}

/** Megabytes, with one place below ten. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
