import { type Sat, sat } from '../base/units.ts'
import { formatNamed } from '../commitment/formats.ts'
import type { NodeSetup, NodeState } from './state.ts'

/**
 * Coins kept back from spending so that there is something to pay fees with when a channel with anchors has to go to the chain: its
 * commitment and its HTLC transactions carry little or no fee of their own (BOLT 3), and what is late is lost.
 */

/**
 * For one channel: brings a commitment with a few HTLCs (1,124 + 172 weight each) and its child (about 700) into a block at 20 sat/vB,
 * or pays for some ten second stages at 4. More would be idle money in most years; a claim that needs more pays it from what it saves
 * as soon as other coins are there.
 */
export const ANCHOR_RESERVE_SAT = 10_000n
/** Channels that fail all at once are one peer's, or a flood; beyond ten the coins that come back pay for the next. */
export const MAX_RESERVED_CHANNELS = 10

/** What is to be kept, with so many channels more than there are. */
export function anchorReserveSat(state: Pick<NodeState, 'channels' | 'closes'>, more = 0): Sat {
  const channels = Object.values(state.channels).filter(({ id, formatName, closing }) => {
    if (!formatNamed(formatName).anchors) return false
    const told = state.closes[id]?.told ?? []
    // Both signed the close: it pays for itself.
    return !told.includes('done') && closing?.tx === undefined
  })
  const count = Math.min(MAX_RESERVED_CHANNELS, channels.length + more)
  return sat(BigInt(count) * ANCHOR_RESERVE_SAT)
}

/** One more channel than there are, of a format that this node would choose. */
export const reserveWithOneMore = (state: NodeState, setup: NodeSetup): Sat =>
  anchorReserveSat(state, setup.formats.some((name) => formatNamed(name).anchors) ? 1 : 0)
