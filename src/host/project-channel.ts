import type { Channel as ApiChannel, ClosingOutput } from '../contract/schemas.ts'
import { receivableMsat, spendableMsat } from '../engine/channel/limits.ts'
import { balanceOf, cautiousView, totalMsat, viewAt } from '../engine/channel/log.ts'
import { isRestored } from '../engine/channel/restore.ts'
import { isNeverFunded, overrideHeight } from '../engine/channel/step.ts'
import type { Channel } from '../engine/channel/types.ts'
import { otherRole } from '../engine/commitment/types.ts'
import { closeReason } from '../engine/node/closes.ts'
import { heightOf, type NodeState } from '../engine/node/state.ts'
import { closingOutputs } from '../engine/onchain/project.ts'
import type { OnchainState } from '../engine/onchain/types.ts'
import { formatShortChannelId } from '../engine/wire/short-channel-id.ts'
import { iso } from './project-time.ts'

/** Channels as the API shows them. */

/** A channel's status in the contract's words. */
export function channelStatus(channel: Channel, close: OnchainState | undefined): ApiChannel['status'] {
  if (close?.close !== undefined) {
    if (close.close.kind === 'mutual') {
      const spend = Object.values(close.spends).find((s) => s.txid === close.close?.txid)
      return spend?.confirmed ? 'closed' : 'closing'
    }
    const outputs = closingOutputs(close)
    const open = outputs.some((o) => o.state === 'waiting' || o.state === 'sweeping')
    return open ? 'forceClosing' : 'closed'
  }
  // There was never anything of it on the chain.
  if (isNeverFunded(channel)) return 'closed'
  // The peer is asked to close it, and will.
  if (isRestored(channel)) return 'forceClosing'
  if (channel.failure !== undefined) return close === undefined ? 'failed' : 'forceClosing'
  if (channel.closing !== undefined) return 'closing'
  return channel.readySent && channel.readyReceived ? 'open' : 'confirming'
}

export function projectClosing(close: OnchainState): ClosingOutput[] {
  return closingOutputs(close).map((output) => ({
    kind: output.kind,
    amountSat: String(output.amountSat),
    state: output.state,
    ...(output.spendableAtHeight === undefined ? {} : { spendableAtHeight: output.spendableAtHeight }),
    ...(output.sweepTxid === undefined ? {} : { sweepTxid: output.sweepTxid }),
  }))
}

const depthOf = (state: NodeState, channel: Channel): number => {
  const { confirmedHeight } = channel.funding
  const height = heightOf(state)
  if (confirmedHeight !== undefined) return Math.max(0, height - confirmedHeight + 1)
  return state.fundingDepths[channel.id] ?? 0
}

/** Why it does not go on. Where we wanted to close it and the peer's commitment came first, that is how it closed. */
function reasonOf(
  { failure }: Channel,
  close: OnchainState | undefined,
): { readonly reason?: string; readonly code?: string } {
  const kind = close?.close?.kind
  const byUser = failure?.code === 'forceClose' || failure?.code === 'unprovenClose'
  if (!byUser || kind === undefined || kind === 'local') return failure ?? {}
  return { reason: closeReason(kind), code: `closed:${kind}` }
}

/** Whether it came from another device, and is neither shown to be the newest state nor given up otherwise. */
const waitsForPeer = ({ unproven, failure }: Channel, close: OnchainState | undefined): boolean =>
  unproven === true && close?.close === undefined && (failure === undefined || failure.code === 'unproven')

function projectUnproven(channel: Channel): NonNullable<ApiChannel['unproven']> {
  const closableFrom = overrideHeight(channel)
  return closableFrom === undefined ? {} : { closableFrom }
}

export function projectChannel(state: NodeState, channel: Channel): ApiChannel {
  const close = state.closes[channel.id]
  const view = viewAt(channel, channel.localTip.indexes)
  const cautious = cautiousView(channel)
  const us = channel.role
  const status = channelStatus(channel, close)
  const open = status === 'open'
  // What was in flight when a channel was closed on chain has been settled there by the time it counts as closed.
  const inFlight = status === 'closed' ? [] : cautious.htlcs
  const offered = inFlight.filter((htlc) => htlc.offerer === us)
  const received = inFlight.filter((htlc) => htlc.offerer !== us)
  const kind = close?.close?.kind
  const closedBy =
    kind === undefined ? undefined : kind === 'mutual' ? 'mutual' : kind === 'local' ? 'local' : 'remote'
  const restored = isRestored(channel)
  const { reason, code: reasonCode } = reasonOf(channel, close)
  return {
    channelId: channel.id,
    peer: channel.peer,
    connected: channel.link !== 'offline',
    status,
    format: channel.formatName,
    role: channel.role,
    capacitySat: String(channel.funding.sat),
    // Of a restored channel nothing is known before its close.
    localMsat: String(restored ? 0n : balanceOf(view, us)),
    remoteMsat: String(restored ? 0n : balanceOf(view, otherRole(us))),
    ...(restored ? { restored } : {}),
    ...(waitsForPeer(channel, close) ? { unproven: projectUnproven(channel) } : {}),
    spendableMsat: String(open ? spendableMsat(channel) : 0n),
    receivableMsat: String(open ? receivableMsat(channel) : 0n),
    localReserveSat: String(channel.remote.channelReserveSat),
    remoteReserveSat: String(channel.local.channelReserveSat),
    inFlightOutMsat: String(totalMsat(offered)),
    inFlightInMsat: String(totalMsat(received)),
    htlcs: inFlight.length,
    feeratePerKw: view.feeratePerKw,
    fundingTxid: channel.funding.outpoint.txid,
    fundingVout: channel.funding.outpoint.vout,
    ...(channel.funding.shortChannelId === undefined
      ? {}
      : { shortChannelId: formatShortChannelId(channel.funding.shortChannelId) }),
    confirmations: depthOf(state, channel),
    confirmationsNeeded: channel.funding.minimumDepth,
    ...(close?.close === undefined ? {} : { closeTxid: close.close.txid }),
    ...(closedBy === undefined ? {} : { closedBy }),
    closingOutputs: close === undefined ? [] : projectClosing(close),
    ...(reason === undefined ? {} : { reason }),
    ...(reasonCode === undefined ? {} : { reasonCode }),
    localCommitmentNumber: channel.localTip.number,
    remoteCommitmentNumber: (channel.remotePending.at(-1) ?? channel.remoteTail).number,
    createdAt: iso(channel.createdAt),
  }
}
