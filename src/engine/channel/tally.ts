import { type Msat, msat } from '../base/units.ts'
import { isHtlcTrimmed } from '../commitment/fees.ts'
import { formatNamed } from '../commitment/formats.ts'
import { type CommitmentFormat, type CommitmentView, otherRole, type Role } from '../commitment/types.ts'
import type { Channel, Htlc } from './types.ts'

/**
 * The sums over a view's HTLCs that limits are judged by. A log entry changes them by one addition, however many HTLCs are in flight:
 * counting all of them anew for each that is offered would cost the square of their number.
 */
export interface Tally {
  readonly feeratePerKw: number
  readonly openerMsat: Msat
  readonly accepterMsat: Msat
  /** Sums by who offered the HTLCs. */
  readonly opener: Offered
  readonly accepter: Offered
}

/** The HTLCs that one side offered. */
export interface Offered {
  readonly count: number
  readonly msat: Msat
  /** Of those that are trimmed on either commitment. */
  readonly dustMsat: Msat
  /** How many have an output on either commitment. */
  readonly untrimmed: number
  /** How many have an output on the opener's and on the accepter's commitment. */
  readonly onOpener: number
  readonly onAccepter: number
  /** The same at the feerate that the opener has to be able to pay. */
  readonly onOpenerSpiked: number
  readonly onAccepterSpiked: number
}

/** The opener proposes only what it could still pay for at twice the feerate (rule 8). */
export const FEE_SPIKE_FACTOR = 2

const NONE: Offered = {
  count: 0,
  msat: msat(0),
  dustMsat: msat(0),
  untrimmed: 0,
  onOpener: 0,
  onAccepter: 0,
  onOpenerSpiked: 0,
  onAccepterSpiked: 0,
}

type Terms = Pick<Channel, 'formatName' | 'role' | 'local' | 'remote'>
type SizedHtlc = Pick<Htlc, 'offerer' | 'amountMsat'>

/** What trimming depends on, looked up once for many HTLCs. */
interface Scale {
  readonly format: CommitmentFormat
  readonly dust: Readonly<Record<Role, Channel['local']['dustLimitSat']>>
  readonly feeratePerKw: number
}

const scaleOf = (channel: Terms, feeratePerKw: number): Scale => {
  const local = channel.local.dustLimitSat
  const remote = channel.remote.dustLimitSat
  const dust =
    channel.role === 'opener' ? { opener: local, accepter: remote } : { opener: remote, accepter: local }
  return { format: formatNamed(channel.formatName), dust, feeratePerKw }
}

/** Adds (`by` = 1) or takes away (−1) one HTLC. */
function counted(sums: Offered, scale: Scale, htlc: SizedHtlc, by: 1 | -1): Offered {
  const { offerer, amountMsat } = htlc
  const has = (owner: Role, feeratePerKw: number): boolean =>
    !isHtlcTrimmed(scale.format, owner === offerer, amountMsat, feeratePerKw, scale.dust[owner])
  const opener = has('opener', scale.feeratePerKw)
  const accepter = has('accepter', scale.feeratePerKw)
  // A higher feerate trims more, and with anchors none does.
  const spiked = scale.feeratePerKw * FEE_SPIKE_FACTOR
  const openerSpiked = opener && (scale.format.anchors || has('opener', spiked))
  const accepterSpiked = accepter && (scale.format.anchors || has('accepter', spiked))
  const signed = by === 1 ? amountMsat : -amountMsat
  return {
    count: sums.count + by,
    msat: msat(sums.msat + signed),
    dustMsat: opener && accepter ? sums.dustMsat : msat(sums.dustMsat + signed),
    untrimmed: sums.untrimmed + (opener || accepter ? by : 0),
    onOpener: sums.onOpener + (opener ? by : 0),
    onAccepter: sums.onAccepter + (accepter ? by : 0),
    onOpenerSpiked: sums.onOpenerSpiked + (openerSpiked ? by : 0),
    onAccepterSpiked: sums.onAccepterSpiked + (accepterSpiked ? by : 0),
  }
}

/** The sums over a whole view. */
export function tallyOf(
  channel: Terms,
  view: Omit<CommitmentView, 'htlcs'> & { readonly htlcs: readonly SizedHtlc[] },
): Tally {
  const scale = scaleOf(channel, view.feeratePerKw)
  let opener = NONE
  let accepter = NONE
  for (const htlc of view.htlcs) {
    if (htlc.offerer === 'opener') opener = counted(opener, scale, htlc, 1)
    else accepter = counted(accepter, scale, htlc, 1)
  }
  const { feeratePerKw, openerMsat, accepterMsat } = view
  return { feeratePerKw, openerMsat, accepterMsat, opener, accepter }
}

/** The sums with an HTLC more that nobody has paid for yet: balances are as before. */
export const tallyWith = (channel: Terms, tally: Tally, htlc: SizedHtlc): Tally => ({
  ...tally,
  [htlc.offerer]: counted(tally[htlc.offerer], scaleOf(channel, tally.feeratePerKw), htlc, 1),
})

/** The sums when all that is in flight has ended and the balances are still these. */
export const tallyWithout = (tally: Tally): Tally => ({ ...tally, opener: NONE, accepter: NONE })

/** The sums with so much of a side's balance spoken for. */
export const tallyLess = (tally: Tally, role: Role, byMsat: Msat): Tally =>
  byMsat === 0n ? tally : credited(tally, role, -byMsat)

const credited = (tally: Tally, role: Role, by: bigint): Tally =>
  role === 'opener'
    ? { ...tally, openerMsat: msat(tally.openerMsat + by) }
    : { ...tally, accepterMsat: msat(tally.accepterMsat + by) }

/** The sums after an add. */
export const tallyAdd = (channel: Terms, tally: Tally, htlc: SizedHtlc): Tally =>
  credited(tallyWith(channel, tally, htlc), htlc.offerer, -htlc.amountMsat)

/** The sums after the removal of an HTLC that is in them. */
export const tallyRemoval = (channel: Terms, tally: Tally, htlc: SizedHtlc, fulfilled: boolean): Tally =>
  credited(
    {
      ...tally,
      [htlc.offerer]: counted(tally[htlc.offerer], scaleOf(channel, tally.feeratePerKw), htlc, -1),
    },
    fulfilled ? otherRole(htlc.offerer) : htlc.offerer,
    htlc.amountMsat,
  )
