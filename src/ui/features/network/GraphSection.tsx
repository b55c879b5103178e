import { type ReactNode, useEffect, useState } from 'react'
import type { GraphView } from '../../../contract/graph-view.ts'
import { useNow } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { formatSat } from '../../text/amounts.ts'
import { graphWords as words } from '../../text/graph.ts'
import { formatSpan } from '../../text/times.ts'
import { Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'

/** How often it is asked while it is looked at. */
const EVERY_MS = 4_000

const count = (n: number): string => formatSat(BigInt(n))

/** Whole percents; none of it is 0 %, and all but a few is not 100 %. */
function share(part: number, all: number): string {
  if (part === 0 || all === 0) return '0 %'
  if (part === all) return '100 %'
  return `${Math.min(99, Math.max(1, Math.round((100 * part) / all)))} %`
}

function useGraph(): GraphView | undefined {
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

/** What this node knows of others' channels: how many, how fresh, how far checked. */
export function GraphSection(): ReactNode {
  const graph = useGraph()
  const now = useNow(10_000)
  if (graph === undefined) return null
  const { channels, nodes, sync } = graph
  const step = (part: number) => words.ofAll(count(part), share(part, channels))
  const state = { name: words.state, value: words.sync[sync.state] }
  if (channels === 0) {
    return (
      <Section title={words.title}>
        <p className="quiet">{words.none}</p>
        <Facts facts={[state]} />
      </Section>
    )
  }
  return (
    <Section title={words.title}>
      <p className="quiet">{words.about}</p>
      <Facts
        facts={[
          { name: words.nodes, value: count(nodes) },
          { name: words.channels, value: count(channels) },
          { name: words.signed, value: step(graph.signed) },
          { name: words.proven, value: step(graph.proven) },
          { name: words.unspent, value: step(graph.unspent) },
          graph.newestAt === undefined
            ? undefined
            : {
                name: words.newest,
                value: words.ago(formatSpan(Math.max(0, now - new Date(graph.newestAt).getTime()))),
              },
          state,
          { name: words.size, value: `${(graph.memoryBytes / 1e6).toFixed(1)} MB` },
        ]}
      />
      <p className="quiet">{words.stepsAbout}</p>
    </Section>
  )
}
