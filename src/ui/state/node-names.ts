import { useEffect, useState } from 'react'
import { shorten } from '../text/amounts.ts'
import { useNames } from './names.ts'
import { client } from './session.ts'

/** Names that nodes of the network gave themselves, as far as this page has asked; undefined: it has none. */
const asked = new Map<string, string | undefined>()

/** Names of nodes anywhere in the network: those people know, else what the node calls itself, else the ends of its key. */
export function useNodeNames(ids: readonly string[]): (nodeId: string) => string {
  const names = useNames()
  const [, setAnswers] = useState(0)
  const unknown = ids.filter((id) => names.known(id) === undefined && !asked.has(id)).join(',')
  useEffect(() => {
    if (unknown === '') return
    for (const id of unknown.split(',')) {
      asked.set(id, undefined)
      client()
        .findNodes({ text: id })
        .then(
          ({ nodes }) => {
            asked.set(id, nodes[0]?.name)
            if (nodes[0]?.name !== undefined) setAnswers((n) => n + 1)
          },
          () => asked.delete(id),
        )
    }
  }, [unknown])
  return (nodeId) => names.known(nodeId) ?? asked.get(nodeId) ?? shorten(nodeId, 8, 6)
}
