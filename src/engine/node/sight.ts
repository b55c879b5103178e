import { fromHex } from '../base/bytes.ts'
import type { PathSight } from '../payment/blinded-ways.ts'
import type { Turn } from './state.ts'

/** What our channels and the graph know of the beginnings of paths. */
export const sightOf = (turn: Turn): PathSight => {
  const peerOf = (scid: bigint): string | undefined =>
    Object.values(turn.state.channels).find(
      (c) => c.funding.shortChannelId === scid || c.localAlias === scid || c.remoteAlias === scid,
    )?.peer
  return {
    nodeSecret: turn.setup.nodeSecret,
    nodeId: fromHex(turn.setup.nodeId),
    peerOf,
    endOf: (scid, direction) => {
      const peer = peerOf(scid)
      // BOLT 7: node 1 is the lesser id.
      if (peer !== undefined) return peer < turn.setup.nodeId === (direction === 0) ? peer : turn.setup.nodeId
      const { graph } = turn.setup
      const slot = graph?.channelAt(scid) ?? -1
      const node = slot < 0 ? undefined : graph?.ends[2 * slot + direction]
      return node === undefined ? undefined : graph?.nodeId(node)
    },
  }
}
