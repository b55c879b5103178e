import type { ReceivePreview } from '../contract/receive-view.ts'
import type { Msat } from '../engine/base/units.ts'
import { receivableMsat } from '../engine/channel/limits.ts'
import { candidateState } from '../engine/node/channel-state.ts'
import type { NodeState } from '../engine/node/state.ts'
import { routeHints } from '../engine/node/updates.ts'

/**
 * Whether a payment can arrive: what each channel has room for on the peer's side, and who can pay through it. The parts of one payment
 * may come through all of them at once.
 */
export function previewReceive(state: NodeState, amountMsat: Msat | undefined): ReceivePreview {
  const hints = new Set(
    routeHints(state, amountMsat).flatMap((hops) => hops.map((hop) => hop.shortChannelId)),
  )
  const ways: ReceivePreview['ways'] = []
  let total = 0n
  let largest = 0n
  let away = 0n
  for (const channel of Object.values(state.channels)) {
    const status = candidateState(channel, state.closes[channel.id] !== undefined)
    if (status !== 'usable' && status !== 'offline') continue
    const receivable = receivableMsat(channel)
    const policy = state.peerPolicies[channel.id]
    const passesOn = policy !== undefined && !policy.disabled
    const announced = state.announced[channel.id] !== undefined
    const scid = channel.remoteAlias ?? channel.funding.shortChannelId
    if (status === 'offline') away += receivable
    else {
      total += receivable
      if (receivable > largest) largest = receivable
    }
    ways.push({
      channelId: channel.id,
      peer: channel.peer,
      receivableMsat: String(receivable),
      connected: status === 'usable',
      reach: announced ? 'everybody' : passesOn ? 'invoice' : 'peer',
      hinted: scid !== undefined && hints.has(scid),
      ...(passesOn
        ? { feeBaseMsat: policy.feeBaseMsat, feeProportionalMillionths: policy.feeProportionalMillionths }
        : {}),
    })
  }
  ways.sort((a, b) => (BigInt(b.receivableMsat) > BigInt(a.receivableMsat) ? 1 : -1))
  return {
    totalMsat: String(total),
    largestMsat: String(largest),
    awayMsat: String(away),
    ...(amountMsat !== undefined && amountMsat > total ? { missingMsat: String(amountMsat - total) } : {}),
    ways,
  }
}
