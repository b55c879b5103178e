import { compareBytes, equalBytes, fromHex } from '../base/bytes.ts'
import type { Msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { receivableMsat } from '../channel/limits.ts'
import type { Channel } from '../channel/types.ts'
import { signEcdsa, verifyEcdsa } from '../crypto/curve.ts'
import { hash256 } from '../crypto/hash.ts'
import type { RouteHint } from '../invoice/types.ts'
import { forwardPolicyOf, htlcMaximumOf, isForwarding } from './forward-policy.ts'
import { encodeMessage } from '../wire/encode.ts'
import type { ChannelUpdate } from '../wire/messages.ts'
import { candidateState } from './channel-state.ts'
import { sendTo } from './send.ts'
import type { NodeState, Turn } from './state.ts'

/**
 * `channel_update` between the two ends of a channel (BOLT 7): what each asks for forwarding to the other. For a channel that nobody
 * else knows of it is how the other end learns what to write into its invoices.
 */

const MESSAGE_TYPE_AND_SIGNATURE = 2 + 64
/** Ways in that an invoice tells of, at most: each makes its picture denser. */
const MAX_HINTS = 3

/** What the signature covers: all that follows it. */
export const updateDigest = (update: ChannelUpdate): Uint8Array =>
  hash256(encodeMessage(update).subarray(MESSAGE_TYPE_AND_SIGNATURE))

/** BOLT 7: bit 0 is set when the sender's id is the greater one. */
const directionOf = (from: string, to: string): 0 | 1 =>
  compareBytes(fromHex(from), fromHex(to)) < 0 ? 0 : 1

/** Our terms for a channel, to its peer; nothing while we forward nothing, since there is nothing to offer then. */
export function sendUpdate(turn: Turn, channelId: string): void {
  const channel = turn.state.channels[channelId]
  if (channel === undefined || !isForwarding(turn.state, turn.setup)) return
  const shortChannelId = channel.funding.shortChannelId ?? channel.remoteAlias
  if (shortChannelId === undefined) return
  sendTo(turn, channel.peer, ourUpdate(turn, channel, shortChannelId, false))
}

/** Our terms for a channel, signed: for its other end alone, or for everybody once it is announced. */
export function ourUpdate(
  turn: Turn,
  channel: Channel,
  shortChannelId: bigint,
  everybody: boolean,
  disabled = false,
): ChannelUpdate {
  const policy = forwardPolicyOf(turn.setup)
  const least = channel.remote.htlcMinimumMsat
  const unsigned: ChannelUpdate = {
    type: 'channel_update',
    signature: new Uint8Array(64),
    chainHash: NETWORKS[turn.setup.network].chainHash,
    shortChannelId,
    timestamp: everybody ? nextTime(turn, channel, shortChannelId) : Math.floor(turn.now / 1000),
    // must_be_one; dont_forward while the channel has not been announced (BOLT 7).
    messageFlags: everybody ? 0b01 : 0b11,
    channelFlags: directionOf(turn.setup.nodeId, channel.peer) | (disabled ? 2 : 0),
    cltvExpiryDelta: policy.cltvExpiryDelta,
    htlcMinimumMsat: least > policy.htlcMinimumMsat ? least : policy.htlcMinimumMsat,
    feeBaseMsat: policy.feeBaseMsat,
    feeProportionalMillionths: policy.feeProportionalMillionths,
    htlcMaximumMsat: htlcMaximumOf(channel),
  }
  return { ...unsigned, signature: signEcdsa(updateDigest(unsigned), turn.setup.nodeSecret) }
}

/**
 * BOLT 7: greater than of any earlier update. Two in a second, or a clock that was put back, would make a message that everybody ignores:
 * a channel would stay on that was switched off. A second ahead of what was told the peer alone just now.
 */
function nextTime(turn: Turn, channel: Channel, shortChannelId: bigint): number {
  const now = Math.floor(turn.now / 1000) + 1
  const { graph } = turn.setup
  const slot = graph === undefined ? -1 : graph.channelAt(shortChannelId)
  if (graph === undefined || slot === -1) return now
  const told = graph.policy(2 * slot + directionOf(turn.setup.nodeId, channel.peer))?.timestamp ?? 0
  return Math.max(now, told + 1)
}

/** The same for all channels, where the user has just allowed forwarding. */
export function sendUpdates(turn: Turn): void {
  for (const channel of Object.values(turn.state.channels)) {
    if (candidateState(channel, turn.state.closes[channel.id] !== undefined) === 'usable')
      sendUpdate(turn, channel.id)
  }
}

/** The channel of ours with this peer that an id names: the real one, our alias, or the peer's. */
const namedBy = (state: NodeState, nodeId: string, scid: bigint): Channel | undefined =>
  Object.values(state.channels).find(
    (c) =>
      c.peer === nodeId &&
      (c.funding.shortChannelId === scid || c.localAlias === scid || c.remoteAlias === scid),
  )

/** A peer's terms for a channel of ours. Of other channels, and with a signature that is not the peer's, it says nothing to us. */
export function peerUpdate(turn: Turn, nodeId: string, update: ChannelUpdate): void {
  const channel = namedBy(turn.state, nodeId, update.shortChannelId)
  if (channel === undefined) return
  if (!equalBytes(update.chainHash, NETWORKS[turn.setup.network].chainHash)) return
  if ((update.channelFlags & 1) !== directionOf(nodeId, turn.setup.nodeId)) return
  const known = turn.state.peerPolicies[channel.id]
  if (known !== undefined && known.timestamp >= update.timestamp) return
  if (!verifyEcdsa(update.signature, updateDigest(update), fromHex(nodeId))) return
  const { timestamp, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = update
  const { htlcMinimumMsat, htlcMaximumMsat } = update
  const terms = { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta, htlcMinimumMsat, htlcMaximumMsat }
  const policy = { timestamp, disabled: (update.channelFlags & 2) !== 0, ...terms }
  turn.state = {
    ...turn.state,
    peerPolicies: { ...turn.state.peerPolicies, [channel.id]: policy },
  }
}

/**
 * Ways in for an invoice: through peers that told us what they ask, those first that can bring the amount, then those that can bring most.
 */
export function routeHints(
  state: NodeState,
  amountMsat: Msat | undefined,
): readonly (readonly RouteHint[])[] {
  const ways = Object.values(state.channels).flatMap((channel) => {
    const policy = state.peerPolicies[channel.id]
    const shortChannelId = channel.remoteAlias ?? channel.funding.shortChannelId
    if (policy === undefined || policy.disabled || shortChannelId === undefined) return []
    const status = candidateState(channel, state.closes[channel.id] !== undefined)
    if (status !== 'usable' && status !== 'offline') return []
    const receivable = receivableMsat(channel)
    if (receivable <= 0n) return []
    const { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta } = policy
    const hint: RouteHint = {
      pubkey: fromHex(channel.peer),
      shortChannelId,
      feeBaseMsat,
      feeProportionalMillionths,
      cltvExpiryDelta,
    }
    return [{ hint, receivable, online: status === 'usable', fits: receivable >= (amountMsat ?? 0n) }]
  })
  const rank = (way: (typeof ways)[number]): number => (way.fits ? 2 : 0) + (way.online ? 1 : 0)
  ways.sort((a, b) => rank(b) - rank(a) || (a.receivable > b.receivable ? -1 : 1))
  return ways.slice(0, MAX_HINTS).map((way) => [way.hint])
}
