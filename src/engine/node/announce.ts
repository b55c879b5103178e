import { compareBytes, equalBytes, fromHex } from '../base/bytes.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import type { Channel } from '../channel/types.ts'
import { signEcdsa, verifyEcdsa } from '../crypto/curve.ts'
import { announcementDigest } from '../router/announcement.ts'
import type {
  AnnouncementNonces,
  AnnouncementPartialSignatures,
  AnnouncementSignatures,
  ChannelAnnouncement,
} from '../wire/messages.ts'
import type { ProvenWords } from '../wire/proven.ts'
import { plainText } from '../wire/text.ts'
import { forgetTerms, publishTerms } from './announce-terms.ts'
import { considerTogether, receiveNonces, receiveParts } from './announce-together.ts'
import { channelContext } from './channels.ts'
import { sendTo } from './send.ts'
import { emit, heightOf, omit, type RemoteHalf, type Turn } from './state.ts'

/**
 * Announcing channels (BOLT 7 §announcement_signatures): both ends sign the same words about a channel whose funding transaction is six
 * blocks deep; whoever holds both halves tells the network. A channel is announced when its opener asked for it, and never otherwise.
 */

/** Blocks before which a short_channel_id may still change (BOLT 7). */
const ANNOUNCE_DEPTH = 6

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
  considerTogether(turn, channel, wordsOf(unsigned(turn, channel, shortChannelId)))
}

/** What the four keys sign together: the same words. */
function wordsOf(message: ChannelAnnouncement): ProvenWords {
  const { features, chainHash, shortChannelId, nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 } = message
  return { features, chainHash, shortChannelId, nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 }
}

/** Nonces and parts of a signature under all four keys (`announce-together.ts`). */
export function receiveTogether(
  turn: Turn,
  nodeId: string,
  channel: Channel,
  message: AnnouncementNonces | AnnouncementPartialSignatures,
): void {
  // As with halves: what was to stay between us stays there.
  if (channel.announce !== true || channel.peer !== nodeId) return
  if (message.type === 'announcement_nonces') receiveNonces(turn, channel, message)
  const shortChannelId = announceable(turn, channel)
  if (shortChannelId === undefined) return
  const words = wordsOf(unsigned(turn, channel, shortChannelId))
  if (message.type === 'announcement_nonces') considerTogether(turn, channel, words)
  else if (receiveParts(turn, channel, words, message)) publishProven(turn, channel)
}

/** Told beside the ordinary announcement: only nodes of this project know it. */
function publishProven(turn: Turn, channel: Channel): void {
  const half = turn.state.announced[channel.id]
  if (half?.aggregate === undefined || announceable(turn, channel) !== half.shortChannelId) return
  turn.effects.push({
    type: 'publish',
    item: {
      kind: 'proven',
      words: wordsOf(unsigned(turn, channel, half.shortChannelId)),
      signature: half.aggregate,
      fundingTxid: channel.funding.outpoint.txid,
    },
  })
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
  const before = turn.state.announced[channel.id]
  const moved = before !== undefined && before.shortChannelId !== shortChannelId
  if (moved) {
    retract(turn, before)
    forgetTerms(turn, channel.id)
  }
  const half: RemoteHalf = {
    shortChannelId,
    nodeSignature,
    bitcoinSignature,
    ...(moved || before?.aggregate === undefined ? {} : { aggregate: before.aggregate }),
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
  publishProven(turn, channel)
  publishTerms(turn, channel)
}

/** Terms are kept fresh; channels that have ended are told no more. */
export function tickAnnouncements(turn: Turn): void {
  for (const [id, half] of Object.entries(turn.state.announced)) {
    const channel = turn.state.channels[id]
    if (channel !== undefined && turn.state.closes[id] === undefined && channel.failure === undefined) {
      // A half that came before we see the channel as deep announces nothing yet: terms told now would be lost.
      if (announceable(turn, channel) === half.shortChannelId) publishTerms(turn, channel)
      continue
    }
    turn.state = {
      ...turn.state,
      announced: omit(turn.state.announced, id),
      together: omit(turn.state.together, id),
    }
    forgetTerms(turn, id)
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
