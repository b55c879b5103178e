import { shorten } from '../text/amounts.ts'
import { useNode, useSession } from './session.ts'

export interface Names {
  /** The name of a node, where one is known. */
  readonly known: (nodeId: string) => string | undefined
  /** Its name, else the ends of its key. */
  readonly of: (nodeId: string) => string
}

/** Nodes as people know them: the playground's names, then the names peers gave themselves. */
export function useNames(): Names {
  const offered = useSession((s) => s.defaults.peers)
  const channels = useNode((node) => node.channels)
  const known = (nodeId: string) =>
    offered.find((peer) => peer.nodeId === nodeId)?.name ??
    channels.find((channel) => channel.peer === nodeId)?.peerAlias
  return { known, of: (nodeId) => known(nodeId) ?? shorten(nodeId, 8, 6) }
}
