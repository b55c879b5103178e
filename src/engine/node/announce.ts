import { compareBytes, equalBytes, fromHex, utf8 } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import type { Channel } from '../channel/types.ts'
import { signEcdsa, verifyEcdsa } from '../crypto/curve.ts'
import { announcementDigest, signedDigest } from '../router/announcement.ts'
import type { AnnouncementSignatures, ChannelAnnouncement, NodeAnnouncement } from '../wire/messages.ts'
import { plainText } from '../wire/text.ts'
import { channelContext } from './channels.ts'
import { isForwarding } from './forward-policy.ts'
import { ourFeatures, sendTo } from './send.ts'
import { emit, heightOf, omit, type RemoteHalf, type Turn } from './state.ts'
import { ourUpdate } from './updates.ts'

/**
 * Announcing channels (BOLT 7 §announcement_signatures): both ends sign the same words about a channel whose funding transaction is six
 * blocks deep; whoever holds both halves tells the network. A channel is announced when its opener asked for it, and never otherwise.
 */

/** Blocks before which a short_channel_id may still change (BOLT 7). */
const ANNOUNCE_DEPTH = 6
/** Terms are told again before the network forgets them: it does after two weeks. */
const REFRESH_SECONDS = 7 * 86_400

/** The words that both sign, with empty signatures. */
function unsigned(turn: Turn, channel: Channel, shortChannelId: bigint): ChannelAnnouncement {
  const ours = { node: fromHex(turn.setup.nodeId), bitcoin: channel.local.keys.fundingPubkey }
  const theirs = { node: fromHex(channel.peer), bitcoin: channel.remote.keys.fundingPubkey }
  const [one, two] = isFirst(turn, channel) ? [ours, theirs] : [theirs, ours]
  const none = new Uint8Array(64)
  return {
    type: 'channel_announcement',
    nodeSignature1: none,
    nodeSignature2: none,
    bitcoinSignature1: none,
    bitcoinSignature2: none,
    // No feature of ours has the context of a channel (BOLT 9).
    features: new Uint8Array(0),
    chainHash: NETWORKS[turn.setup.network].chainHash,
    shortChannelId,
    nodeId1: one.node,
    nodeId2: two.node,
    bitcoinKey1: one.bitcoin,
    bitcoinKey2: two.bitcoin,
  }
}

const isFirst = (turn: Turn, channel: Channel): boolean =>
  compareBytes(fromHex(turn.setup.nodeId), fromHex(channel.peer)) < 0

/** The id to announce it by, once everything that must be is: both are ready, it is deep, and nothing has begun to end it. */
function announceable(turn: Turn, channel: Channel): bigint | undefined {
  const { shortChannelId } = channel.funding
  const ready =
    channel.announce === true &&
    channel.readySent &&
    channel.readyReceived &&
    channel.closing === undefined &&
    channel.failure === undefined &&
    turn.state.closes[channel.id] === undefined &&
    (turn.state.fundingDepths[channel.id] ?? 0) >= ANNOUNCE_DEPTH
  return ready ? shortChannelId : undefined
}

function ourHalf(
  turn: Turn,
  channel: Channel,
  words: ChannelAnnouncement,
): Pick<AnnouncementSignatures, 'nodeSignature' | 'bitcoinSignature'> | undefined {
  const signed = channelContext(turn, channel).signer.signAnnouncement(words)
  if (!signed.ok) return undefined
  return {
    nodeSignature: signEcdsa(announcementDigest(words), turn.setup.nodeSecret),
    bitcoinSignature: signed.value,
  }
}

/** Something that matters may have changed: depth, readiness, a connection. Sends our half once a connection, and tells what is whole. */
export function considerAnnouncing(turn: Turn, channelId: string): void {
  const channel = turn.state.channels[channelId]
  if (channel === undefined) return
  const shortChannelId = announceable(turn, channel)
  if (shortChannelId === undefined) return
  // BOLT 7: again on every connection until the other end's half has come. That it has ours is not known: once a connection does no harm.
  sendHalf(turn, channel, shortChannelId)
  announce(turn, channel)
}

function sendHalf(turn: Turn, channel: Channel, shortChannelId: bigint): void {
  const connection = turn.state.peers[channel.peer]?.connection
  if (channel.link !== 'online' || connection === undefined) return
  // By its place too: a reorganisation may have moved it, and then other words are true.
  const sent = `${connection}/${shortChannelId}`
  if (turn.state.halvesSent[channel.id] === sent) return
  const half = ourHalf(turn, channel, unsigned(turn, channel, shortChannelId))
  if (half === undefined) return
  turn.state = { ...turn.state, halvesSent: { ...turn.state.halvesSent, [channel.id]: sent } }
  sendTo(turn, channel.peer, {
    type: 'announcement_signatures',
    channelId: fromHex(channel.id),
    shortChannelId,
    ...half,
  })
}

/** The other end's half. */
export function receiveHalf(
  turn: Turn,
  nodeId: string,
  channel: Channel,
  message: AnnouncementSignatures,
): void {
  // A channel that was to stay between us is not announced, whatever the other end sends.
  if (channel.announce !== true || channel.peer !== nodeId) return
  const { shortChannelId, nodeSignature, bitcoinSignature } = message
  const deep = announceable(turn, channel)
  if (deep !== undefined && deep !== shortChannelId) {
    sendTo(turn, nodeId, {
      type: 'warning',
      channelId: message.channelId,
      data: plainText('BOLT 7 §announcement_signatures: the short_channel_id is not the one that we see'),
    })
    return
  }
  const digest = announcementDigest(unsigned(turn, channel, shortChannelId))
  const good =
    verifyEcdsa(nodeSignature, digest, fromHex(nodeId)) &&
    verifyEcdsa(bitcoinSignature, digest, channel.remote.keys.fundingPubkey)
  if (!good) {
    emit(turn, {
      type: 'notice',
      code: 'peerWarning',
      message: 'The peer’s half of a channel announcement has a signature that is not its own.',
      channelId: channel.id,
    })
    sendTo(turn, nodeId, {
      type: 'warning',
      channelId: message.channelId,
      data: plainText('BOLT 7 §announcement_signatures: a signature is not correct'),
    })
    return
  }
  const half: RemoteHalf = { shortChannelId, nodeSignature, bitcoinSignature }
  const before = turn.state.announced[channel.id]
  if (before !== undefined && before.shortChannelId !== shortChannelId) {
    retract(turn, before)
    turn.state = { ...turn.state, termsTold: omit(turn.state.termsTold, channel.id) }
  }
  if (before === undefined || !equalBytes(before.nodeSignature, nodeSignature))
    turn.state = { ...turn.state, announced: { ...turn.state.announced, [channel.id]: half } }
  // What the peer sees deep enough before we do is kept until we do.
  if (deep !== shortChannelId) return
  // BOLT 7: MUST respond with its own, once a connection.
  sendHalf(turn, channel, shortChannelId)
  announce(turn, channel)
}

/** Both halves are here: the network may hear of it, and of our terms. */
function announce(turn: Turn, channel: Channel): void {
  const half = turn.state.announced[channel.id]
  if (half === undefined || announceable(turn, channel) !== half.shortChannelId) return
  const words = unsigned(turn, channel, half.shortChannelId)
  const ours = ourHalf(turn, channel, words)
  if (ours === undefined) return
  const [one, two] = isFirst(turn, channel) ? [ours, half] : [half, ours]
  turn.effects.push({
    type: 'publish',
    item: {
      kind: 'channel',
      message: {
        ...words,
        nodeSignature1: one.nodeSignature,
        nodeSignature2: two.nodeSignature,
        bitcoinSignature1: one.bitcoinSignature,
        bitcoinSignature2: two.bitcoinSignature,
      },
      capacitySat: channel.funding.sat,
    },
  })
  publishTerms(turn, channel)
}

/** Our terms for an announced channel, and our name, where they are not known or will soon be forgotten. */
function publishTerms(turn: Turn, channel: Channel): void {
  const shortChannelId = turn.state.announced[channel.id]?.shortChannelId
  if (shortChannelId === undefined || shortChannelId !== channel.funding.shortChannelId) return
  const told = turn.state.termsTold[channel.id] ?? 0
  if (!isForwarding(turn.state, turn.setup)) {
    if (told > 0) withdrawTerms(turn, channel, shortChannelId)
    return
  }
  const now = Math.floor(turn.now / 1000)
  if (now - told < REFRESH_SECONDS) return
  turn.state = { ...turn.state, termsTold: { ...turn.state.termsTold, [channel.id]: now } }
  turn.effects.push({
    type: 'publish',
    item: { kind: 'update', message: ourUpdate(turn, channel, shortChannelId, true) },
  })
  turn.effects.push({ type: 'publish', item: { kind: 'node', message: ourNode(turn) } })
}

/** Nothing is passed on any more: who would try is told not to (BOLT 7 §channel_update, `disable`). */
function withdrawTerms(turn: Turn, channel: Channel, shortChannelId: bigint): void {
  turn.state = { ...turn.state, termsTold: omit(turn.state.termsTold, channel.id) }
  turn.effects.push({
    type: 'publish',
    item: { kind: 'update', message: ourUpdate(turn, channel, shortChannelId, true, true) },
  })
}

function ourNode(turn: Turn): NodeAnnouncement {
  const nodeId = fromHex(turn.setup.nodeId)
  const alias = new Uint8Array(32)
  alias.set(utf8(turn.setup.alias ?? '').subarray(0, 32))
  const message: NodeAnnouncement = {
    type: 'node_announcement',
    signature: new Uint8Array(64),
    features: ourFeatures(turn),
    timestamp: Math.floor(turn.now / 1000),
    nodeId,
    rgbColor: nodeId.slice(1, 4),
    alias,
    // A wallet is not called: whoever wants to be says so elsewhere.
    addresses: new Uint8Array(0),
  }
  return { ...message, signature: signEcdsa(signedDigest(message), turn.setup.nodeSecret) }
}

/** Terms are kept fresh; channels that have ended are told no more. */
export function tickAnnouncements(turn: Turn): void {
  for (const [id, half] of Object.entries(turn.state.announced)) {
    const channel = turn.state.channels[id]
    if (channel !== undefined && turn.state.closes[id] === undefined && channel.failure === undefined) {
      if (channel.closing === undefined) publishTerms(turn, channel)
      continue
    }
    turn.state = { ...turn.state, announced: omit(turn.state.announced, id) }
    retract(turn, half)
  }
}

/** Nothing more is said of it; whoever knows it forgets it in time. */
function retract(turn: Turn, { shortChannelId }: RemoteHalf): void {
  turn.effects.push({
    type: 'publish',
    item: { kind: 'closed', shortChannelId, height: heightOf(turn.state) },
  })
}

/** After a start: what was announced before is told to the gossip machine, which keeps no raw messages over a restart. */
export function resumeAnnouncements(turn: Turn): void {
  for (const [id, half] of Object.entries(turn.state.announced)) {
    const channel = turn.state.channels[id]
    if (channel === undefined || channel.funding.shortChannelId !== half.shortChannelId) continue
    // It was six blocks deep when the half was taken; a reorganisation since then takes the depth back.
    turn.state = {
      ...turn.state,
      fundingDepths: { [id]: ANNOUNCE_DEPTH, ...turn.state.fundingDepths },
    }
    announce(turn, channel)
  }
}
