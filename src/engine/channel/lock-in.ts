import { otherRole, type Role } from '../commitment/types.ts'
import { compact, entriesBetween, htlcKey, lockedIn, lockedInHtlc } from './log.ts'
import type { Channel, ChannelEffect, Htlc, Indexes } from './types.ts'

/**
 * What became locked in between two states of a channel, as events, and the channel with those entries folded away (rule 6).
 * Called by the two steps that move a tail: accepting a signature and receiving a revocation.
 */
export function settleLockedIn(
  before: Channel,
  after: Channel,
): { readonly channel: Channel; readonly effects: readonly ChannelEffect[] } {
  const from: Indexes = lockedIn(before)
  const to: Indexes = lockedIn(after)
  if (from.opener === to.opener && from.accepter === to.accepter) return { channel: after, effects: [] }
  const effects: ChannelEffect[] = []
  const us = after.role
  const them = otherRole(us)
  // The HTLCs that the removals below refer to were locked in before those removals were proposed.
  const live = (offerer: Role, id: bigint): Htlc => {
    const htlc = lockedInHtlc(before, offerer, id)
    if (htlc === undefined) throw new Error(`invariant: removal of unknown HTLC ${htlcKey(offerer, id)}`)
    return htlc
  }
  for (const entry of entriesBetween(after.logs[them], from[them], to[them])) {
    if (entry.type === 'add') effects.push({ type: 'event', event: { type: 'htlcReceived', add: entry } })
    else if (entry.type !== 'fee') {
      const htlc = live(us, entry.id)
      effects.push({
        type: 'event',
        event: {
          type: 'htlcRemoved',
          id: entry.id,
          paymentHash: htlc.paymentHash,
          removal: entry,
          ...(htlc.token === undefined ? {} : { token: htlc.token }),
        },
      })
    }
  }
  for (const entry of entriesBetween(after.logs[us], from[us], to[us])) {
    if (entry.type === 'add' || entry.type === 'fee') continue
    const htlc = live(them, entry.id)
    effects.push({
      type: 'event',
      event: {
        type: 'htlcSettled',
        id: entry.id,
        paymentHash: htlc.paymentHash,
        fulfilled: entry.type === 'fulfill',
      },
    })
  }
  return { channel: compact(after), effects }
}
