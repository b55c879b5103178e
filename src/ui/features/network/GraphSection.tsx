import type { ReactNode } from 'react'
import { Link } from 'wouter'
import { useNow } from '../../state/hooks.ts'
import { graphWords as words } from '../../text/graph.ts'
import { formatSpan } from '../../text/times.ts'
import { Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { count, useGraph } from './useGraph.ts'

/** What this node knows of others' channels, in short; the rest is a page of its own. */
export function GraphSection(): ReactNode {
  const graph = useGraph()
  const now = useNow(10_000)
  if (graph === undefined) return null
  const state = { name: words.state, value: words.sync[graph.sync.state] }
  if (graph.channels === 0) {
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
          { name: words.nodes, value: count(graph.nodes) },
          { name: words.channels, value: count(graph.channels) },
          graph.newestAt === undefined
            ? undefined
            : {
                name: words.newest,
                value: words.ago(formatSpan(Math.max(0, now - new Date(graph.newestAt).getTime()))),
              },
          state,
        ]}
      />
      <p>
        <Link href="/network/graph">{words.look}</Link>
      </p>
    </Section>
  )
}
