import type { ReactNode } from 'react'
import type { GraphView } from '../../../contract/graph-view.ts'
import { useNow } from '../../state/hooks.ts'
import { useNodeNames } from '../../state/node-names.ts'
import { graphPage as page, graphWords as words } from '../../text/graph.ts'
import { formatSpan } from '../../text/times.ts'
import { Bar } from '../../widgets/Bar.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { count, megabytes, share } from './useGraph.ts'

/** How large the known network is, how new, and what it takes on this device. */
export function GraphFacts({ graph }: { readonly graph: GraphView }): ReactNode {
  const now = useNow(10_000)
  const { sync } = graph
  const nameOf = useNodeNames(sync.donePeer === undefined ? [] : [sync.donePeer])
  const since = (iso: string) => formatSpan(Math.max(0, now - new Date(iso).getTime()))
  return (
    <Section title={page.size}>
      <Facts
        facts={[
          { name: words.nodes, value: count(graph.nodes) },
          { name: words.channels, value: count(graph.channels) },
          { name: page.updates, value: count(graph.updates) },
          { name: page.fresh, value: share(graph.freshUpdates, graph.updates) },
          graph.newestAt === undefined
            ? undefined
            : { name: words.newest, value: words.ago(since(graph.newestAt)) },
          { name: words.state, value: words.sync[sync.state] },
          sync.doneAt === undefined
            ? undefined
            : {
                name: page.lastSync,
                value:
                  sync.donePeer === undefined
                    ? words.ago(since(sync.doneAt))
                    : page.with(since(sync.doneAt), nameOf(sync.donePeer)),
              },
          { name: page.storage, value: megabytes(graph.storageBytes) },
          { name: page.memory, value: megabytes(graph.memoryBytes) },
        ]}
      />
    </Section>
  )
}

/** The three steps in which a channel comes to be believed, each with its share of all. */
export function GraphProof({ graph }: { readonly graph: GraphView }): ReactNode {
  const all = graph.channels
  const hints = all - graph.signed
  return (
    <Section title={page.proof}>
      <p className="quiet">{page.proofAbout}</p>
      <ol className="graph-steps">
        {(['signed', 'proven', 'unspent'] as const).map((step) => {
          const { name, about } = page.steps[step]
          const part = graph[step]
          const figure = page.ofAll(count(part), share(part, all))
          return (
            <li key={step} className="graph-step">
              <span>{name}</span>
              <span>{figure}</span>
              <Bar
                label={`${name}: ${figure}`}
                parts={[
                  { kind: 'spendable', msat: BigInt(part), label: name },
                  { kind: 'theirs', msat: BigInt(all - part), label: '' },
                ]}
              />
              <span className="quiet">{about}</span>
            </li>
          )
        })}
      </ol>
      <p>{hints === 0 ? page.noHints : page.hints(count(hints), share(hints, all))}</p>
      {hints === 0 ? null : <p className="quiet">{page.hintsAbout}</p>}
      <Snapshot graph={graph} />
    </Section>
  )
}

/** The server that hints come from, where the user has named one. */
function Snapshot({ graph: { snapshot } }: { readonly graph: GraphView }): ReactNode {
  const now = useNow(10_000)
  if (snapshot === undefined) return null
  const { state, madeAt, url } = snapshot
  const how =
    state === 'done'
      ? page.snapshot.done(formatSpan(Math.max(0, now - new Date(madeAt ?? now).getTime())))
      : page.snapshot[state]
  return (
    <Facts
      facts={[
        { name: page.from, value: <span className="breakable">{url}</span> },
        { name: words.state, value: how },
      ]}
    />
  )
}
