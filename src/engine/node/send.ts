import { encodeMessage } from '../wire/encode.ts'
import { initFeatures } from '../wire/features.ts'
import type { Message } from '../wire/messages.ts'
import type { Turn } from './state.ts'

/** What every part of the node says to peers. */

/** Our `init` features in this setup. */
export const ourFeatures = (turn: Pick<Turn, 'setup'>): Uint8Array =>
  initFeatures({ lcp: turn.setup.formats.includes('lcp') })

/** Queues a message to a peer; nothing happens when it is not connected. */
export function sendTo(turn: Turn, nodeId: string, message: Message): void {
  const peer = turn.state.peers[nodeId]
  if (peer === undefined) return
  const queue = turn.outbox.get(peer.connection) ?? []
  queue.push(encodeMessage(message))
  turn.outbox.set(peer.connection, queue)
}
