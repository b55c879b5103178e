import { type ChannelView, MAX_LISTED_HTLCS } from '../contract/channel-view.ts'
import { toHex } from '../engine/base/bytes.ts'
import {
  balanceOf,
  cautiousView,
  lockedIn,
  logLength,
  remoteTip,
  totalMsat,
  viewAt,
} from '../engine/channel/log.ts'
import { currentWindow, remoteGrantedThrough } from '../engine/channel/points.ts'
import type { Channel, Indexes, Log, Update } from '../engine/channel/types.ts'
import { formatNamed } from '../engine/commitment/formats.ts'
import { otherRole, type Role } from '../engine/commitment/types.ts'
import { encodeElkrem } from '../engine/revocation/elkrem.ts'
import { receiverNext } from '../engine/revocation/secrets.ts'

/** From a channel's state to the commitment view (`channelView`): pure, and bounded whatever the channel holds. */

type Htlc = ChannelView['htlcs']['listed'][number]

const shortOf = (channel: Channel, commitment: { readonly number: number; readonly indexes: Indexes }) => ({
  number: commitment.number,
  localIndex: commitment.indexes[channel.role],
  remoteIndex: commitment.indexes[otherRole(channel.role)],
})

function wholeOf(channel: Channel, commitment: { readonly number: number; readonly indexes: Indexes }) {
  const view = viewAt(channel, commitment.indexes)
  const us = channel.role
  const htlcsOffered = view.htlcs.reduce((n, htlc) => (htlc.offerer === us ? n + 1 : n), 0)
  return {
    ...shortOf(channel, commitment),
    localMsat: String(balanceOf(view, us)),
    remoteMsat: String(balanceOf(view, otherRole(us))),
    feeratePerKw: view.feeratePerKw,
    htlcsOffered,
    htlcsReceived: view.htlcs.length - htlcsOffered,
  }
}

function localChain(channel: Channel): ChannelView['local'] {
  const tip = wholeOf(channel, channel.localTip)
  // What is granted past the tail and not signed for: the tail is the tip, so nothing past it is.
  const creditLeft = Math.max(0, channel.grantedThrough - channel.localTip.number)
  return {
    tail: tip,
    tip,
    pending: [],
    // While it narrows, more is still granted than the window we want.
    window: Math.max(currentWindow(channel), creditLeft),
    announced: formatNamed(channel.formatName).lcpTlvs ? channel.local.window : 1,
    granted: creditLeft,
    wanted: currentWindow(channel),
    grantedThrough: channel.grantedThrough,
    creditUsed: 0,
    creditLeft,
  }
}

function remoteChain(channel: Channel): ChannelView['remote'] {
  const tail = wholeOf(channel, channel.remoteTail)
  const newest = channel.remotePending.at(-1)
  const tip = newest === undefined ? tail : wholeOf(channel, newest)
  const creditUsed = channel.remotePending.length
  const creditLeft = channel.remotePoints.length
  const announced = formatNamed(channel.formatName).lcpTlvs ? channel.remote.window : 1
  return {
    tail,
    tip: { ...tip, txid: remoteTip(channel).txid },
    pending: channel.remotePending.slice(0, -1).map((commitment) => shortOf(channel, commitment)),
    // The peer may have widened it since it was announced (lcp rule 5).
    window: Math.max(announced, creditUsed + creditLeft),
    announced,
    granted: creditUsed + creditLeft,
    grantedThrough: remoteGrantedThrough(channel),
    creditUsed,
    creditLeft,
  }
}

function secretsOf({ remoteSecrets }: Channel): ChannelView['secrets'] {
  const held = Number(receiverNext(remoteSecrets))
  if (remoteSecrets.tree === 'elkrem') {
    const { nodes } = remoteSecrets
    return {
      tree: 'elkrem',
      held,
      heights: nodes.map(({ height }) => height),
      bytes: encodeElkrem(nodes).length,
    }
  }
  const heights = remoteSecrets.nodes.map(({ index }) => trailingZeros(index))
  // 8 bytes of index and 32 of secret each (BOLT 3 §Efficient Per-commitment Secret Storage).
  return { tree: 'shachain', held, heights: heights.reverse(), bytes: 40 * heights.length }
}

/** A bucket of BOLT 3's is as high as its index has zeros at its end: it holds two to the power of that many secrets. */
function trailingZeros(index: bigint): number {
  let zeros = 0
  while (zeros < 48 && (index >> BigInt(zeros)) % 2n === 0n) zeros++
  return zeros
}

function logOf(channel: Channel, role: Role): ChannelView['logs']['local'] {
  const log: Log = channel.logs[role]
  const kinds = { add: 0, fulfill: 0, fail: 0, malformed: 0, fee: 0 } satisfies Record<Update['type'], number>
  for (const entry of log.entries) kinds[entry.type]++
  return {
    role,
    start: log.start,
    length: logLength(log),
    inLocalTail: channel.localTip.indexes[role],
    inLocalTip: channel.localTip.indexes[role],
    inRemoteTail: channel.remoteTail.indexes[role],
    inRemoteTip: remoteTip(channel).indexes[role],
    adds: kinds.add,
    fulfills: kinds.fulfill,
    fails: kinds.fail + kinds.malformed,
    fees: kinds.fee,
    waiting: role === channel.role ? channel.outbox.length : 0,
  }
}

/** Every HTLC that is in a log or in the base, with how far it has come. */
function htlcsOf(channel: Channel): { count: number; listed: Htlc[] } {
  const { role: us, base, logs, localTip, remoteTail } = channel
  const tip = remoteTip(channel).indexes
  const both = lockedIn(channel)
  const removals = { opener: new Map<bigint, Htlc['state']>(), accepter: new Map<bigint, Htlc['state']>() }
  const gone = { opener: new Set<bigint>(), accepter: new Set<bigint>() }
  for (const role of ['opener', 'accepter'] as const) {
    const offerer = otherRole(role)
    for (const [i, entry] of logs[role].entries.entries()) {
      if (entry.type === 'add' || entry.type === 'fee') continue
      if (logs[role].start + i < both[role]) gone[offerer].add(entry.id)
      else removals[offerer].set(entry.id, entry.type === 'fulfill' ? 'fulfilling' : 'failing')
    }
  }
  const listed: Htlc[] = []
  let count = 0
  const put = (
    offerer: Role,
    htlc: { id: bigint; amountMsat: bigint; paymentHash: Uint8Array; cltvExpiry: number },
    state: Htlc['state'],
  ): void => {
    if (gone[offerer].has(htlc.id)) return
    count++
    if (listed.length >= MAX_LISTED_HTLCS) return
    listed.push({
      direction: offerer === us ? 'offered' : 'received',
      id: String(htlc.id),
      amountMsat: String(htlc.amountMsat),
      paymentHash: toHex(htlc.paymentHash),
      cltvExpiry: htlc.cltvExpiry,
      state: removals[offerer].get(htlc.id) ?? state,
    })
  }
  for (const htlc of base.htlcs) put(htlc.offerer, htlc, 'lockedIn')
  for (const role of ['opener', 'accepter'] as const) {
    for (const [i, entry] of logs[role].entries.entries()) {
      if (entry.type !== 'add') continue
      const index = logs[role].start + i
      const signed = Math.max(tip[role], localTip.indexes[role], remoteTail.indexes[role])
      put(role, entry, index < both[role] ? 'lockedIn' : index < signed ? 'committing' : 'proposed')
    }
  }
  return { count, listed }
}

/** What a channel's commitment machine looks like now. */
export function projectChannelView(channel: Channel): ChannelView {
  const us = channel.role
  const them = otherRole(us)
  const local = logOf(channel, us)
  const remote = logOf(channel, them)
  // By rule 8: an HTLC counts from its proposal until its removal is in both tails.
  const { htlcs } = cautiousView(channel)
  const offered = htlcs.filter((htlc) => htlc.offerer === us)
  const received = htlcs.filter((htlc) => htlc.offerer !== us)
  return {
    channelId: channel.id,
    format: channel.formatName,
    role: us,
    link: channel.link,
    capacitySat: String(channel.funding.sat),
    local: localChain(channel),
    remote: remoteChain(channel),
    logs: { local, remote },
    secrets: secretsOf(channel),
    inFlight: {
      signatures: channel.remotePending.length,
      updatesOut: local.inRemoteTip - local.inRemoteTail,
      updatesIn: remote.length - remote.inLocalTip,
      outMsat: String(totalMsat(offered)),
      inMsat: String(totalMsat(received)),
    },
    htlcs: htlcsOf(channel),
    closing: channel.closing !== undefined,
    ...(channel.failure === undefined ? {} : { failure: channel.failure.reason }),
  }
}
