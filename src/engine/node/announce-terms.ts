import { fromHex, utf8 } from '../base/bytes.ts'
import type { Channel } from '../channel/types.ts'
import { signEcdsa } from '../crypto/curve.ts'
import { signedDigest } from '../router/announcement.ts'
import type { NodeAnnouncement } from '../wire/messages.ts'
import { isForwarding } from './forward-policy.ts'
import { ourFeatures } from './send.ts'
import { omit, type Turn } from './state.ts'
import { ourUpdate } from './updates.ts'

/**
 * Our terms for announced channels, as the network hears of them: told when a channel is announced, again before they are forgotten, and
 * switched off while nothing can pass (BOLT 7 §channel_update, `disable`): where we pass nothing on, or the peer has been away for a
 * while. On and off need time between them, so that a peer that comes and goes makes two messages in eleven minutes at most.
 */

/** Terms are told again before the network forgets them: it does after two weeks. */
const REFRESH_SECONDS = 7 * 86_400
/** So long is a peer away before the network is told, and so long is it back. */
export const OFF_AFTER_MS = 10 * 60_000
export const ON_AFTER_MS = 60_000

/** Our terms for an announced channel, and our name, where they are not known, not true, or will soon be forgotten. */
export function publishTerms(turn: Turn, channel: Channel): void {
  const shortChannelId = turn.state.announced[channel.id]?.shortChannelId
  if (shortChannelId === undefined || shortChannelId !== channel.funding.shortChannelId) return
  const told = turn.state.termsTold[channel.id] ?? 0
  if (!isForwarding(turn.state, turn.setup)) {
    if (told > 0) {
      forgetTerms(turn, channel.id)
      publishUpdate(turn, channel, shortChannelId, true)
    }
    return
  }
  const { online, since, off } = reachability(turn, channel)
  if (!online) {
    if (off || turn.now - since < OFF_AFTER_MS) return
    setReachable(turn, channel.id, { online, since, off: true })
    return publishUpdate(turn, channel, shortChannelId, true)
  }
  if (off && turn.now - since < ON_AFTER_MS) return
  const now = Math.floor(turn.now / 1000)
  if (!off && now - told < REFRESH_SECONDS) return
  if (off) setReachable(turn, channel.id, { online, since, off: false })
  turn.state = { ...turn.state, termsTold: { ...turn.state.termsTold, [channel.id]: now } }
  publishUpdate(turn, channel, shortChannelId, false)
  turn.effects.push({ type: 'publish', item: { kind: 'node', message: ourNode(turn) } })
}

/** What was told of a channel is void: it has moved or ended, or nothing is passed on any more. */
export function forgetTerms(turn: Turn, channelId: string): void {
  const { termsTold, reachable } = turn.state
  turn.state = {
    ...turn.state,
    termsTold: omit(termsTold, channelId),
    reachable: omit(reachable, channelId),
  }
}

type Reachable = Turn['state']['reachable'][string]

/** Since when the peer is there, or is not; noted as it changes. */
function reachability(turn: Turn, channel: Channel): Reachable {
  const online = channel.link === 'online'
  const before = turn.state.reachable[channel.id]
  if (before?.online === online) return before
  const changed = { online, since: turn.now, off: before?.off ?? false }
  setReachable(turn, channel.id, changed)
  return changed
}

function setReachable(turn: Turn, channelId: string, reachable: Reachable): void {
  turn.state = { ...turn.state, reachable: { ...turn.state.reachable, [channelId]: reachable } }
}

function publishUpdate(turn: Turn, channel: Channel, shortChannelId: bigint, disabled: boolean): void {
  const message = ourUpdate(turn, channel, shortChannelId, true, disabled)
  turn.effects.push({ type: 'publish', item: { kind: 'update', message } })
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
