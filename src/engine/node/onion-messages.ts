import { toHex } from '../base/bytes.ts'
import { type OutgoingMessage, peelOnionMessage } from '../onion/message.ts'
import type { OnionMessage } from '../wire/messages.ts'
import { carriesMessages } from './message-send.ts'
import { messageForUs } from './offers.ts'
import { sendTo } from './send.ts'
import type { Turn } from './state.ts'

/** Onion messages of others (BOLT 4): passed on or read, never stored, so many a second from each peer. */

/** Each costs three multiplications of points. A peer has so many at once, and so many more a second. */
const BURST = 20
const PER_SECOND = 4
/** Layers of one message that are ours: hops that lead back to us. */
const MAX_LAYERS = 8

/** Whether this peer may send one more now. */
function mayCome(turn: Turn, nodeId: string): boolean {
  const peer = turn.state.peers[nodeId]
  if (peer === undefined) return false
  const { left, at } = peer.messages ?? { left: BURST, at: turn.now }
  const now = Math.min(BURST, left + (Math.max(0, turn.now - at) / 1000) * PER_SECOND)
  if (now < 1) return false
  const messages = { left: now - 1, at: turn.now }
  turn.state = { ...turn.state, peers: { ...turn.state.peers, [nodeId]: { ...peer, messages } } }
  return true
}

/** A message from a peer. Whatever is wrong with it, it is ignored: nobody is told. */
export function onionMessage(turn: Turn, nodeId: string, message: OnionMessage): void {
  let next: OutgoingMessage = { pathKey: message.pathKey, packet: message.onionMessagePacket }
  for (let layer = 0; layer < MAX_LAYERS; layer++) {
    if (!mayCome(turn, nodeId)) return
    const peeled = peelOnionMessage(next, turn.setup.nodeSecret)
    if (!peeled.ok) return
    if (peeled.value.kind === 'receive') return messageForUs(turn, peeled.value)
    const to = peeled.value.next
    next = peeled.value.message
    const peer = 'nodeId' in to ? toHex(to.nodeId) : peerByChannel(turn, to.shortChannelId)
    if (peer === turn.setup.nodeId) continue
    // Only to who is there: a message is never worth a connection of ours.
    if (peer !== undefined && carriesMessages(turn, peer))
      sendTo(turn, peer, { type: 'onion_message', pathKey: next.pathKey, onionMessagePacket: next.packet })
    return
  }
}

/** BOLT 4: an announced short_channel_id, or a local alias. */
const peerByChannel = (turn: Turn, scid: bigint): string | undefined =>
  Object.values(turn.state.channels).find(
    (c) =>
      c.localAlias === scid ||
      (c.funding.shortChannelId === scid && turn.state.announced[c.id] !== undefined),
  )?.peer
