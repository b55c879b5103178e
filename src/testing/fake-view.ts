import type { ChannelView } from '../contract/channel-view.ts'
import type { Channel } from '../contract/schemas.ts'
import { fakeHash } from './fake-data.ts'

const STATES = ['fulfilling', 'lockedIn', 'committing', 'proposed'] as const

/** The heights of an elkrem stack that has received so many secrets: whole trees, the largest first. */
function heightsOf(count: number): number[] {
  const heights: number[] = []
  for (let left = count; left > 0; ) {
    const height = Math.floor(Math.log2(left + 1)) - 1
    heights.push(height)
    left -= 2 ** (height + 1) - 1
  }
  return heights
}

/** A commitment view as a channel would show it in the middle of a stream of payments; `tick` is how far the stream has come. */
export function fakeView(channel: Channel, tick: number): ChannelView {
  const lcp = channel.format === 'lcp'
  const window = lcp ? 16 : 1
  const busy = channel.connected && channel.status === 'open'
  // A few signatures out, more or fewer as answers come: the same at the same tick.
  const pending = busy ? (lcp ? ([2, 5, 3, 7, 4, 9, 6, 1][tick % 8] ?? 0) : tick % 2) : 0
  const perSignature = lcp ? 23 : 41
  const tail = channel.remoteCommitmentNumber + tick * 3
  const local = channel.localCommitmentNumber + tick * 3
  const ours = tail * 11
  const theirs = local * 9
  const at = (number: number, included: number) => ({
    number,
    localIndex: ours + included * perSignature,
    remoteIndex: theirs + included,
  })
  const live = busy ? 40 + pending * perSignature : 0
  const paid = BigInt(tick * 24_000)
  const whole = (number: number, included: number) => ({
    ...at(number, included),
    localMsat: String(BigInt(channel.localMsat) - paid - BigInt(included * perSignature * 1000)),
    remoteMsat: String(BigInt(channel.remoteMsat) + paid),
    feeratePerKw: channel.feeratePerKw,
    htlcsOffered: busy ? 40 + included * perSignature : 0,
    htlcsReceived: busy ? 3 : 0,
  })
  const tip = { ...whole(tail + pending, pending), txid: fakeHash(tail + pending) }
  const localTip = whole(local, 0)
  const proposed = busy ? 17 : 0
  return {
    channelId: channel.channelId,
    format: channel.format,
    role: channel.role,
    link: channel.connected ? 'online' : 'offline',
    capacitySat: channel.capacitySat,
    local: {
      tail: localTip,
      tip: localTip,
      pending: [],
      window,
      announced: window,
      granted: busy && lcp ? window - 2 : window,
      wanted: window,
      grantedThrough: local + (busy && lcp ? window - 2 : window),
      creditUsed: 0,
      creditLeft: busy && lcp ? window - 2 : window,
    },
    remote: {
      tail: whole(tail, 0),
      tip,
      pending: Array.from({ length: Math.max(0, pending - 1) }, (_, i) => at(tail + 1 + i, i + 1)),
      window,
      announced: window,
      granted: window,
      grantedThrough: tail + window,
      creditUsed: pending,
      creditLeft: window - pending,
    },
    logs: {
      local: {
        role: channel.role,
        start: ours - (busy ? 12 : 0),
        length: ours + pending * perSignature,
        inLocalTail: ours - (busy ? 12 : 0),
        inLocalTip: ours - (busy ? 12 : 0),
        inRemoteTail: ours,
        inRemoteTip: ours + pending * perSignature,
        adds: busy ? 12 + pending * perSignature : 0,
        fulfills: 0,
        fails: 0,
        fees: 0,
        waiting: busy ? 58 : 0,
      },
      remote: {
        role: channel.role === 'opener' ? 'accepter' : 'opener',
        start: theirs - (busy ? 8 : 0),
        length: theirs + pending + proposed,
        inLocalTail: theirs + pending,
        inLocalTip: theirs + pending,
        inRemoteTail: theirs,
        inRemoteTip: theirs + pending,
        adds: 1,
        fulfills: busy ? 7 + pending + proposed : 0,
        fails: busy ? 1 : 0,
        fees: 0,
        waiting: 0,
      },
    },
    secrets: lcp
      ? { tree: 'elkrem', held: tail, heights: heightsOf(tail), bytes: 1 + 41 * heightsOf(tail).length }
      : { tree: 'shachain', held: tail, heights: [9, 6, 3, 1], bytes: 160 },
    inFlight: {
      signatures: pending,
      updatesOut: pending * perSignature,
      updatesIn: proposed,
      outMsat: String(live * 1000),
      inMsat: busy ? '21000' : '0',
    },
    htlcs: {
      count: live,
      listed: Array.from({ length: Math.min(64, live) }, (_, i) => ({
        direction: i % 9 === 4 ? ('received' as const) : ('offered' as const),
        id: String(tick * 70 + i),
        amountMsat: i % 9 === 4 ? '7000' : '1000',
        paymentHash: fakeHash(tick * 70 + i),
        cltvExpiry: 1042 + (i % 3),
        state: STATES[Math.min(3, Math.floor((i * 4) / Math.min(64, live)))] ?? 'proposed',
      })),
    },
    closing: channel.status === 'closing',
    ...(channel.reason === undefined ? {} : { failure: channel.reason }),
  }
}
