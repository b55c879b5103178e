import { fromHex, toHex } from '../base/bytes.ts'
import type { BlindedPath } from '../onion/blinded-path.ts'
import { afterUs, makeOnionMessage, type MessageContent, pathTo, pathToUs } from '../onion/message.ts'
import { sessionKey } from '../payment/onion-for.ts'
import { messagePath } from '../router/message-path.ts'
import { offers } from '../wire/features.ts'
import { sendTo } from './send.ts'
import { sightOf } from './sight.ts'
import { omit, type Turn } from './state.ts'

/** Onion messages of our own: a way is found, and the message handed to the first peer on it. Nothing is kept of it. */

/** Where a message goes: a node, or along a path that somebody gave us. */
export type MessageTarget =
  | {
      /** 33 bytes */
      readonly nodeId: Uint8Array
    }
  | { readonly path: BlindedPath }

/**
 * - `sent`: handed to the first node on the way.
 * - `dialling`: its first node is being connected to; try again when it is there.
 * - `noWay`: nobody who could pass it on is known. - `tooLarge`: it fits no packet.
 */
export type Sent = 'sent' | 'dialling' | 'noWay' | 'tooLarge'

/** Whether a peer that is there now passes onion messages on. */
export function carriesMessages(turn: Pick<Turn, 'state'>, nodeId: string): boolean {
  const peer = turn.state.peers[nodeId]
  return peer?.phase === 'ready' && offers(peer.features, 'option_onion_messages')
}

/** Paths that begin with us are gone along by ourselves so far; more hops of ours than this are a loop. */
const MAX_OWN_HOPS = 8

/** Where a target begins, for us: the node to reach, and what is left of the path from there. */
function beginning(
  turn: Turn,
  target: MessageTarget,
): { readonly first: string; readonly path?: BlindedPath } | undefined {
  if ('nodeId' in target) return { first: toHex(target.nodeId) }
  const sight = sightOf(turn)
  const { nodeSecret, nodeId } = turn.setup
  let { path } = target
  let first =
    'nodeId' in path.introduction
      ? toHex(path.introduction.nodeId)
      : sight.endOf(path.introduction.shortChannelId, path.introduction.direction)
  for (let n = 0; first === nodeId; n++) {
    const rest = n < MAX_OWN_HOPS ? afterUs(path, nodeSecret) : undefined
    if (rest === undefined) return undefined
    path = rest.path
    first = 'nodeId' in rest.next ? toHex(rest.next.nodeId) : sight.peerOf(rest.next.shortChannelId)
  }
  return first === undefined ? undefined : { first, path }
}

/**
 * Sends a message, by the shortest way over nodes that pass them on, or straight to a node that is connected or whose address is known.
 * @param replyId 32 bytes: with it goes a path on which it is answered
 */
export function sendMessage(
  turn: Turn,
  target: MessageTarget,
  content: MessageContent,
  replyId?: Uint8Array,
): Sent {
  const begins = beginning(turn, target)
  if (begins === undefined || begins.first === turn.setup.nodeId) return 'noWay'
  const { first, path } = begins
  const via = wayTo(turn, first)
  if (via === undefined) return dial(turn, first)
  const us = fromHex(turn.setup.nodeId)
  const key = (): Uint8Array => sessionKey(turn.entropy)
  const way = via.map(fromHex)
  const whole = pathTo(
    path === undefined ? { nodeId: fromHex(first) } : { path, first: fromHex(first) },
    way,
    key(),
  )
  // Our peer on the way there knows us, and whoever is asked has a way to it: the very one that the question came by.
  const peer = via[0] ?? first
  const reply = replyId === undefined ? undefined : pathToUs([fromHex(peer)], us, replyId, key())
  const message = makeOnionMessage(whole, content, key(), reply)
  if (!message.ok) return 'tooLarge'
  const { pathKey, packet } = message.value
  sendTo(turn, peer, { type: 'onion_message', pathKey, onionMessagePacket: packet })
  return 'sent'
}

/** Nodes before the one that is sought, our peer first; none where it is connected. Undefined where no way is known. */
function wayTo(turn: Turn, nodeId: string): readonly string[] | undefined {
  if (carriesMessages(turn, nodeId)) return []
  const { graph } = turn.setup
  const peers = Object.keys(turn.state.peers).filter((id) => carriesMessages(turn, id))
  return graph === undefined ? undefined : messagePath(graph, peers, nodeId)
}

/** Connects to a node for the sake of a message, where it is known how (BOLT 4 lets a message go straight to where a path begins). */
function dial(turn: Turn, nodeId: string): Sent {
  if (turn.state.peers[nodeId] !== undefined) {
    // Connected, and its init is not here yet; or it does not pass messages on.
    return turn.state.peers[nodeId]?.phase === 'init' ? 'dialling' : 'noWay'
  }
  if (turn.state.dialled[nodeId] === true) return 'dialling'
  const known = turn.state.peerAddresses[nodeId]
  if (known !== undefined) return 'dialling'
  const address = turn.setup.graph?.addressOf(nodeId)
  if (address === undefined) return 'noWay'
  turn.state = { ...turn.state, dialled: { ...turn.state.dialled, [nodeId]: true } }
  turn.effects.push({ type: 'keepConnected', nodeId, address: `${nodeId}@${address}` })
  return 'dialling'
}

/** Nodes that were dialled for messages alone are let go, once nothing waits for an answer. */
export function letDialledGo(turn: Turn): void {
  for (const nodeId of Object.keys(turn.state.dialled)) {
    turn.state = { ...turn.state, dialled: omit(turn.state.dialled, nodeId) }
    const wanted = (c: { readonly peer: string }): boolean => c.peer === nodeId
    if (Object.values(turn.state.channels).some(wanted)) continue
    turn.state = { ...turn.state, peerAddresses: omit(turn.state.peerAddresses, nodeId) }
    turn.effects.push({ type: 'letGo', nodeId })
    turn.pending.push({ kind: 'hangUp', nodeId, reason: 'the message has been answered' })
  }
}
