import { type Msat, msat } from '../base/units.ts'
import { otherRole } from '../commitment/types.ts'
import { shareOf, type Share } from './limits.ts'
import { balanceOf, totalMsat } from './log.ts'
import type { Channel, Htlc } from './types.ts'

/** Where every millisatoshi of a channel is while its funding output is unspent: the parts are its capacity. */

export type ChannelHtlc = Pick<Htlc, 'offerer' | 'id' | 'amountMsat' | 'paymentHash' | 'cltvExpiry' | 'token'>

export interface ChannelMoney {
  /** Our balance. */
  readonly share: Share
  /** Offered by us, and neither paid nor failed: ours until it is. */
  readonly offered: readonly ChannelHtlc[]
  /** Offered by us, and its preimage is known: the peer's, though no commitment says so yet. */
  readonly paid: readonly ChannelHtlc[]
  /** Offered by the peer, and we gave its preimage: ours, though no commitment says so yet. */
  readonly arriving: readonly ChannelHtlc[]
  /** Offered by the peer, and not ours. */
  readonly incoming: readonly ChannelHtlc[]
  readonly theirsMsat: Msat
}

/** What the channel itself does not know of an HTLC. */
export interface HtlcFacts {
  /** Whether the preimage of an HTLC of ours is known, from wherever. */
  readonly isPaid: (htlc: ChannelHtlc) => boolean
  /** Whether we took a received HTLC and give its preimage for it. */
  readonly isTaken: (htlc: ChannelHtlc) => boolean
}

export function channelMoney(channel: Channel, facts: HtlcFacts): ChannelMoney {
  const us = channel.role
  // What is locked in is folded into the base; of what is not, an add of ours takes from our balance and a removal counts for nothing.
  const pending = channel.logs[us].entries.flatMap((entry) => {
    if (entry.type !== 'add') return []
    return [{ ...entry, offerer: us }]
  })
  const ours = [...channel.base.htlcs.filter((htlc) => htlc.offerer === us), ...pending]
  const theirs = channel.base.htlcs.filter((htlc) => htlc.offerer !== us)
  const revealed = new Set(
    channel.logs[otherRole(us)].entries.flatMap((entry) => (entry.type === 'fulfill' ? [entry.id] : [])),
  )
  const isPaid = (htlc: ChannelHtlc): boolean => revealed.has(htlc.id) || facts.isPaid(htlc)
  return {
    share: shareOf(channel),
    offered: ours.filter((htlc) => !isPaid(htlc)),
    paid: ours.filter(isPaid),
    arriving: theirs.filter(facts.isTaken),
    incoming: theirs.filter((htlc) => !facts.isTaken(htlc)),
    theirsMsat: balanceOf(channel.base, otherRole(us)),
  }
}

/** What of it is ours. */
export function ownMsat({ share, offered, arriving }: ChannelMoney): Msat {
  const { spendableMsat, limitedMsat, reserveMsat, feeMsat } = share
  const balance = spendableMsat + limitedMsat + reserveMsat + feeMsat
  return msat(balance + totalMsat(offered) + totalMsat(arriving))
}
