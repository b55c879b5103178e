import { type ReactNode, useState } from 'react'
import { Link } from 'wouter'
import { useLoad } from '../../state/hooks.ts'
import { client } from '../../state/session.ts'
import { shorten } from '../../text/amounts.ts'
import { graphPage as page } from '../../text/graph.ts'
import { TextField } from '../../widgets/Field.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Nodes by any part of their name, or by the beginning of their key. */
export function FindNode({ at }: { readonly at: string | undefined }): ReactNode {
  const [typed, setTyped] = useState('')
  const text = typed.trim().slice(0, 66)
  const found = useLoad(text.length < 2 ? undefined : text, () => client().findNodes({ text }))
  const nodes = text.length < 2 ? [] : (found.value?.nodes ?? [])
  const all = found.value?.count ?? 0
  return (
    <Section title={page.find}>
      <TextField label={page.findField} hint={page.findHint} value={typed} onText={setTyped} />
      <Trouble error={found.error} />
      <p className="quiet" role="status">
        {text.length < 2 || found.pending
          ? ''
          : nodes.length === 0
            ? page.notFound
            : all > nodes.length
              ? page.more(nodes.length, all)
              : ''}
      </p>
      {nodes.length === 0 ? null : (
        <ul className="ledger" aria-label={page.find}>
          {nodes.map((node) => (
            <li key={node.nodeId}>
              <Link
                href={`/network/graph/${node.nodeId}`}
                className="graph-node"
                aria-current={node.nodeId === at ? 'true' : undefined}
              >
                <span className="graph-name">{node.name ?? shorten(node.nodeId, 8, 6)}</span>
                <span className="quiet">{page.channelsOf(node.channels)}</span>
                <span className="quiet mono">{shorten(node.nodeId, 10, 6)}</span>
              </Link>
            </li>
          ))}
        </ul>
      )}
    </Section>
  )
}
