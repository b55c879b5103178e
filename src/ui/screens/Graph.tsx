import type { ReactNode } from 'react'
import '../styles/graph.css'
import { FindNode } from '../features/network/FindNode.tsx'
import { GraphFacts, GraphProof } from '../features/network/GraphFacts.tsx'
import { NodeDetail } from '../features/network/NodeDetail.tsx'
import { useGraph } from '../features/network/useGraph.ts'
import { graphWords as words } from '../text/graph.ts'
import { Panes, Screen } from '../widgets/Screen.tsx'

/** The network that payments go through, as this node knows it and as far as it is proved; one node of it in the second pane. */
export default function Graph({ at }: { readonly at: string | undefined }): ReactNode {
  const graph = useGraph()
  const empty = graph?.channels === 0
  return (
    <Screen
      title={words.title}
      back={at === undefined ? '/network' : '/network/graph'}
      className={at === undefined ? 'graph-screen' : 'graph-screen graph-at-node'}
    >
      {empty ? <p className="quiet">{words.none}</p> : null}
      {graph === undefined || empty ? null : (
        <Panes
          first={
            <>
              <GraphFacts graph={graph} />
              <GraphProof graph={graph} />
            </>
          }
          second={
            <>
              <div className="graph-find">
                <FindNode at={at} />
              </div>
              {at === undefined ? null : <NodeDetail nodeId={at} />}
            </>
          }
        />
      )}
    </Screen>
  )
}
