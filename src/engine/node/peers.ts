import { equalBytes, toHex } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Channel } from '../channel/types.ts'
import { isAllChannels } from '../wire/channel-id.ts'
import { decodeMessage } from '../wire/decode.ts'
import { checkFeatures, combinedFeatures } from '../wire/features.ts'
import type { Init, Message, WireErrorMessage } from '../wire/messages.ts'
import { plainText, printableText } from '../wire/text.ts'
import { receiveHalf, receiveTogether } from './announce.ts'
import { claimAt, copyReturned, returnStored, stopForAnother, storeForPeer } from './backup.ts'
import { channelInput } from './channels.ts'
import { isHalted } from './lease.ts'
import { dropOpening, receiveOpeningMessage, refusedOpening } from './openings.ts'
import { offersPeerReady } from './offers.ts'
import { onionMessage } from './onion-messages.ts'
import type { ConnectionId } from './ports.ts'
import { ourFeatures, sendTo } from './send.ts'
import { peerUpdate } from './updates.ts'
import { emit, omit, type PeerState, type Turn } from './state.ts'
import { isUnproven, provesAnother } from './take-over.ts'

/** Peers: init, keep-alive, and where their messages go (BOLT 1). */

/** A silent peer is pinged, and let go when it stays silent. */
const PING_AFTER_MS = 30_000
const PONG_WITHIN_MS = 30_000
/** Time for the peer's init. */
const INIT_WITHIN_MS = 30_000
/** Time for the peer to give back what it keeps for us and to speak of its channels first, where they wait for that. */
const COPY_WITHIN_MS = 10_000
const ALL_CHANNELS = new Uint8Array(32)

/** Peers that the user connected and that we have no channel with: dialled again after a start, and no more of them than this. */
const MAX_KEPT_BY_HAND = 32

/** Whether a channel with this peer still needs it: not once its close has been seen, or when it was never funded. */
const isNeeded = (turn: Turn, nodeId: string): boolean =>
  Object.values(turn.state.channels).some(
    (c) => c.peer === nodeId && turn.state.closes[c.id]?.close === undefined && !isNeverFunded(c),
  )

/** The user wants this peer: it is dialled now, again whenever it is lost, and after every start until `dismissPeer`. */
export function wantPeer(turn: Turn, nodeId: string, address: string): void {
  const others = Object.keys(turn.state.peerAddresses).filter((id) => id !== nodeId && !isNeeded(turn, id))
  if (others.length >= MAX_KEPT_BY_HAND) {
    const oldest = others.find((id) => turn.state.peers[id] === undefined) ?? others[0]
    if (oldest !== undefined) dismissPeer(turn, oldest)
  }
  turn.state = { ...turn.state, peerAddresses: { ...turn.state.peerAddresses, [nodeId]: address } }
  turn.effects.push({ type: 'keepConnected', nodeId, address })
}

/** The user does not want this peer any more. One with a channel is dialled again at the next start. */
export function dismissPeer(turn: Turn, nodeId: string): void {
  turn.effects.push({ type: 'letGo', nodeId })
  hangUp(turn, nodeId, 'as the user wished')
  if (isNeeded(turn, nodeId)) return
  turn.state = { ...turn.state, peerAddresses: omit(turn.state.peerAddresses, nodeId) }
}

/** After loading: peers with channels, and those that the user connected. */
export function redialPeers(turn: Turn): void {
  for (const [nodeId, address] of Object.entries(turn.state.peerAddresses)) {
    turn.effects.push({ type: 'keepConnected', nodeId, address })
  }
}

function setPeer(turn: Turn, peer: PeerState): void {
  turn.state = { ...turn.state, peers: { ...turn.state.peers, [peer.nodeId]: peer } }
}

export function peerConnected(
  turn: Turn,
  connection: ConnectionId,
  nodeId: string,
  address: string | undefined,
): void {
  const old = turn.state.peers[nodeId]
  // A newer connection replaces the older: after a network change the old one may take minutes to notice.
  if (old !== undefined) {
    turn.hangUps.set(old.connection, 'replaced by a newer connection')
    peerGone(turn, old.connection, 'replaced by a newer connection')
  }
  turn.state = {
    ...turn.state,
    connections: { ...turn.state.connections, [connection]: nodeId },
    ...(address === undefined || turn.state.peerAddresses[nodeId] === address
      ? {}
      : { peerAddresses: { ...turn.state.peerAddresses, [nodeId]: address } }),
  }
  setPeer(turn, {
    nodeId,
    connection,
    phase: 'init',
    inbound: address === undefined,
    features: new Uint8Array(0),
    lastHeard: turn.now,
  })
  sendTo(turn, nodeId, {
    type: 'init',
    globalfeatures: new Uint8Array(0),
    features: ourFeatures(turn),
    networks: [NETWORKS[turn.setup.network].chainHash],
  })
}

/** The connection is gone: channels go offline, openings end. */
export function peerGone(turn: Turn, connection: ConnectionId, reason: string): void {
  const nodeId = turn.state.connections[connection]
  if (nodeId === undefined) return
  turn.state = { ...turn.state, connections: omit(turn.state.connections, connection) }
  turn.outbox.delete(connection)
  if (turn.state.peers[nodeId]?.connection !== connection) return
  turn.state = {
    ...turn.state,
    peers: omit(turn.state.peers, nodeId),
    // It may have lost what it kept: the next connection sends it again.
    sharedBackups: omit(turn.state.sharedBackups, nodeId),
  }
  for (const channel of Object.values(turn.state.channels)) {
    if (channel.peer === nodeId) channelInput(turn, channel.id, { type: 'disconnected' })
  }
  for (const [id, { opening }] of Object.entries(turn.state.openings)) {
    if (opening.peer === nodeId) {
      dropOpening(turn, id, {
        code: 'peerDisconnected',
        message: `The peer went away during the opening: ${reason}`,
      })
    }
  }
  emit(turn, { type: 'peerLost', nodeId, reason })
}

/** Lets a peer go for a fault of its own or a wish of ours. */
export function hangUp(turn: Turn, nodeId: string, reason: string): void {
  const peer = turn.state.peers[nodeId]
  if (peer === undefined) return
  // What was queued, an error most likely, is sent before the connection closes.
  const queued = turn.outbox.get(peer.connection)
  turn.hangUps.set(peer.connection, reason)
  peerGone(turn, peer.connection, reason)
  if (queued !== undefined) turn.outbox.set(peer.connection, queued)
}

/** An error for all channels of the peer, then the end of the connection. */
export function refusePeer(turn: Turn, nodeId: string, reason: string): void {
  sendTo(turn, nodeId, { type: 'error', channelId: ALL_CHANNELS, data: plainText(reason) })
  hangUp(turn, nodeId, reason)
}

export function peerMessage(turn: Turn, connection: ConnectionId, bytes: Uint8Array): void {
  const nodeId = turn.state.connections[connection]
  const peer = nodeId === undefined ? undefined : turn.state.peers[nodeId]
  if (nodeId === undefined || peer === undefined || peer.connection !== connection) return
  const { pingedAt: _, ...heard } = peer
  setPeer(turn, { ...heard, lastHeard: turn.now })
  const decoded = decodeMessage(bytes)
  if (!decoded.ok) {
    // BOLT 1: an unknown even message, or one that cannot be parsed, ends the connection. Channels stay as they are.
    sendTo(turn, nodeId, { type: 'warning', channelId: ALL_CHANNELS, data: plainText(decoded.error.message) })
    hangUp(turn, nodeId, decoded.error.message)
    return
  }
  const message = decoded.value
  if (peer.phase === 'init') {
    if (message.type === 'init') receiveInit(turn, peer, message)
    else refusePeer(turn, nodeId, 'BOLT 1 §init: init comes first')
    return
  }
  route(turn, nodeId, message)
}

const isOnChain = (turn: Turn, channelId: string): boolean => turn.state.closes[channelId] !== undefined

function receiveInit(turn: Turn, peer: PeerState, message: Init): void {
  const features = combinedFeatures(message)
  const checked = checkFeatures(features)
  const { nodeId } = peer
  if (!checked.ok) {
    emit(turn, {
      type: 'peerRefused',
      nodeId,
      error: { code: 'peerIncompatible', message: 'The peer needs features that this wallet does not have.' },
    })
    return refusePeer(turn, nodeId, 'incompatible features')
  }
  const ours = NETWORKS[turn.setup.network].chainHash
  if (message.networks !== undefined && !message.networks.some((hash) => equalBytes(hash, ours))) {
    emit(turn, {
      type: 'peerRefused',
      nodeId,
      error: { code: 'peerIncompatible', message: 'The peer is on another network.' },
    })
    return refusePeer(turn, nodeId, 'no common network')
  }
  setPeer(turn, { ...peer, phase: 'ready', features, lastHeard: turn.now })
  returnStored(turn, nodeId)
  // Channels from another device let the peer speak first: a copy that it keeps (BOLT 1 §peer_storage: before anything else), and its
  // channel_reestablish. Ours, if old, would make some peers close what another device goes on with.
  if (Object.values(turn.state.channels).some((c) => c.peer === nodeId && isUnproven(turn.state, c))) {
    setPeer(turn, { ...peer, phase: 'ready', features, lastHeard: turn.now, awaitsCopy: turn.now })
  } else greet(turn, nodeId)
  emit(turn, { type: 'peerReady', nodeId })
  offersPeerReady(turn)
}

/**
 * The peer has spoken first of this channel, or (undefined) has had its time. It hears who goes on with the wallet now, and only then the
 * channel greets it; with the first one all those greet it that need not wait.
 */
function greetAfter(turn: Turn, nodeId: string, channelId: string | undefined): void {
  const peer = turn.state.peers[nodeId]
  if (peer?.awaitsCopy === undefined || isHalted(turn.state.lease)) return
  const { awaitsCopy, claimed, ...heard } = peer
  const waits = (c: Channel): boolean => isUnproven(turn.state, c) && c.link === 'offline'
  const still = (c: Channel): boolean => channelId !== undefined && waits(c) && c.id !== channelId
  const ofPeer = Object.values(turn.state.channels).filter((c) => c.peer === nodeId)
  setPeer(turn, ofPeer.some(still) ? { ...heard, awaitsCopy, claimed: true } : heard)
  if (claimed !== true) claimAt(turn, nodeId)
  greet(turn, nodeId, (c) => (claimed === true ? waits(c) : true) && !still(c))
}

function greet(turn: Turn, nodeId: string, whom: (channel: Channel) => boolean = () => true): void {
  for (const channel of Object.values(turn.state.channels).filter(whom)) {
    // A failed channel says so on every connection (BOLT 2 §Message Retransmission); one that closes amicably on chain is silent.
    if (channel.peer === nodeId && (!isOnChain(turn, channel.id) || channel.failure !== undefined)) {
      // The window is a matter of today's policy, not of what was announced when the channel was opened.
      channelInput(turn, channel.id, { type: 'window', window: turn.setup.policy.window })
      channelInput(turn, channel.id, { type: 'connected' })
    }
  }
}

function route(turn: Turn, nodeId: string, message: Message): void {
  switch (message.type) {
    case 'init':
      return refusePeer(turn, nodeId, 'BOLT 1 §init: sent twice')
    case 'ping':
      // BOLT 1 §ping: no answer to a length of 65532 and above.
      if (message.numPongBytes < 65_532) {
        sendTo(turn, nodeId, { type: 'pong', ignored: new Uint8Array(message.numPongBytes) })
      }
      return
    case 'pong':
      return
    case 'warning':
      emit(turn, {
        type: 'notice',
        code: 'peerWarning',
        message: printableText(message.data) ?? 'unreadable',
      })
      return
    case 'error':
      return receiveError(turn, nodeId, message)
    case 'peer_storage':
      return storeForPeer(turn, nodeId, message.blob)
    case 'peer_storage_retrieval':
      return copyReturned(turn, nodeId, message.blob)
    case 'channel_reestablish':
      if (provesAnother(turn, nodeId, message))
        return stopForAnother(turn, nodeId, { epoch: turn.state.lease.epoch, device: '' })
      greetAfter(turn, nodeId, toHex(message.channelId))
      return toChannel(turn, nodeId, message.channelId, message)
    case 'announcement_signatures': {
      const channel = turn.state.channels[toHex(message.channelId)]
      return channel === undefined ? undefined : receiveHalf(turn, nodeId, channel, message)
    }
    case 'announcement_nonces':
    case 'announcement_partial_signatures': {
      const channel = turn.state.channels[toHex(message.channelId)]
      return channel === undefined ? undefined : receiveTogether(turn, nodeId, channel, message)
    }
    case 'channel_update':
      return peerUpdate(turn, nodeId, message)
    case 'onion_message':
      return onionMessage(turn, nodeId, message)
    case 'query_channel_range':
      // We keep no gossip of others yet; an empty complete answer is the truth.
      return sendTo(turn, nodeId, {
        type: 'reply_channel_range',
        chainHash: message.chainHash,
        firstBlocknum: message.firstBlocknum,
        numberOfBlocks: message.numberOfBlocks,
        syncComplete: 1,
        shortChannelIds: [],
      })
    case 'query_short_channel_ids':
      return sendTo(turn, nodeId, {
        type: 'reply_short_channel_ids_end',
        chainHash: message.chainHash,
        fullInformation: 0,
      })
    case 'open_channel':
    case 'accept_channel':
    case 'funding_created':
    case 'funding_signed':
      return receiveOpeningMessage(turn, nodeId, message)
    case 'unknown':
      // Only messages of protocols that we never negotiate arrive here when even (`wire/decode`); odd ones are ignored.
      if (message.number % 2 === 0) refusePeer(turn, nodeId, `message ${message.number} was not negotiated`)
      return
    default:
      if (!('channelId' in message)) return
      return toChannel(turn, nodeId, message.channelId, message)
  }
}

function toChannel(turn: Turn, nodeId: string, channelId: Uint8Array, message: Message): void {
  const id = toHex(channelId)
  const channel = turn.state.channels[id]
  if (channel !== undefined && channel.peer === nodeId) {
    // Its close is on chain, which the peer may not have seen yet: what it says of the channel has no meaning any more, and is no
    // fault for which the other channels with it should suffer.
    if (!isOnChain(turn, id)) channelInput(turn, id, { type: 'message', message })
    return
  }
  // BOLT 1 §error: an unknown channel is answered, so that the other side does not wait for ever.
  sendTo(turn, nodeId, { type: 'error', channelId, data: plainText('unknown channel') })
}

function receiveError(turn: Turn, nodeId: string, message: WireErrorMessage): void {
  const text = printableText(message.data) ?? 'unreadable'
  const all = isAllChannels(message.channelId)
  const id = toHex(message.channelId)
  for (const channel of Object.values(turn.state.channels)) {
    if (channel.peer === nodeId && (all || channel.id === id)) {
      channelInput(turn, channel.id, { type: 'message', message })
    }
  }
  for (const [openingId, { opening }] of Object.entries(turn.state.openings)) {
    if (opening.peer === nodeId && (all || opening.temporaryId === id)) {
      refusedOpening(turn, openingId, text)
    }
  }
  emit(turn, { type: 'notice', code: 'peerError', message: text })
}

/** Pings the silent, lets go of the dead. */
export function tickPeers(turn: Turn): void {
  for (const peer of Object.values(turn.state.peers)) {
    const { nodeId } = peer
    if (peer.phase === 'init') {
      if (turn.now - peer.lastHeard > INIT_WITHIN_MS) hangUp(turn, nodeId, 'no init')
    } else if (peer.awaitsCopy !== undefined && turn.now - peer.awaitsCopy > COPY_WITHIN_MS) {
      greetAfter(turn, nodeId, undefined)
    } else if (peer.pingedAt !== undefined) {
      if (turn.now - peer.pingedAt > PONG_WITHIN_MS) hangUp(turn, nodeId, 'no pong')
    } else if (turn.now - peer.lastHeard > PING_AFTER_MS) {
      sendTo(turn, nodeId, { type: 'ping', numPongBytes: 1, ignored: new Uint8Array(0) })
      setPeer(turn, { ...peer, pingedAt: turn.now })
    }
  }
}
