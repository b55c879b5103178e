import { type Msat, type Sat, addMsat, msat, subMsat, toMsat } from '../base/units.ts'
import { anchorsCostSat, commitmentFeeSat } from '../commitment/fees.ts'
import { formatNamed } from '../commitment/formats.ts'
import { otherRole } from '../commitment/types.ts'
import { balanceOf, cautiousTally, cautiousView, nextLocalTally, saturatingSub } from './log.ts'
import { FEE_SPIKE_FACTOR, type Offered, type Tally, tallyOf, tallyWith, tallyWithout } from './tally.ts'
import type { Channel, Fault, Htlc, Party } from './types.ts'

/**
 * What may be proposed (rule 8) and what a peer may propose (BOLT 2 §update_add_htlc). Limits are announced by the receiver and
 * hold per direction; the proposer is stricter than the receiver, so that crossing updates never break one.
 */

/** Trimmed HTLCs go to miners when a commitment is broadcast: the most we let stand there, each direction, `bolt` formats. */
export const MAX_DUST_EXPOSURE_MSAT = msat(50_000_000n)
/** BOLT 2: cltv_expiry is a block height, below 500,000,000. */
export const CLTV_EXPIRY_LIMIT = 500_000_000

type SizedHtlc = Pick<Htlc, 'offerer' | 'amountMsat'>

/**
 * Whether a received HTLC that is locked in stands above what we let stand in trimmed ones (BOLT 2 §max_dust_htlc_exposure_msat: SHOULD fail
 * it once it is committed). Those that came before it are counted, not those after. Where lcp announces the limit, none gets here.
 */
export function overDustExposure(
  channel: Channel,
  { id, amountMsat }: Pick<Htlc, 'id' | 'amountMsat'>,
): boolean {
  if (formatNamed(channel.formatName).lcpTlvs) return false
  const them = otherRole(channel.role)
  const tally = cautiousTally(channel)
  const limit = channel.local.maxDustInFlightMsat
  if (tally[them].dustMsat <= limit) return false
  if (tallyWith(channel, tallyWithout(tally), { offerer: them, amountMsat })[them].dustMsat === 0n)
    return false
  const { feeratePerKw } = tally
  const htlcs = channel.base.htlcs.filter((htlc) => htlc.offerer === them && htlc.id <= id)
  return (
    tallyOf(channel, { feeratePerKw, openerMsat: msat(0), accepterMsat: msat(0), htlcs })[them].dustMsat >
    limit
  )
}

/** Fee and anchors that the opener pays for so many HTLC outputs. */
function costMsat(channel: Channel, untrimmed: number, feeratePerKw: number): Msat {
  const format = formatNamed(channel.formatName)
  const fee: Sat = commitmentFeeSat(format, feeratePerKw, untrimmed)
  return addMsat(toMsat(fee), toMsat(anchorsCostSat(format)))
}

/** Fee and anchors that the opener pays on the dearer of the two commitments, and the same at the feerate it has to be able to pay. */
const costOf = (channel: Channel, { opener, accepter, feeratePerKw }: Tally): Msat =>
  costMsat(
    channel,
    Math.max(opener.onOpener + accepter.onOpener, opener.onAccepter + accepter.onAccepter),
    feeratePerKw,
  )
const spikedCostOf = (channel: Channel, { opener, accepter, feeratePerKw }: Tally): Msat =>
  costMsat(
    channel,
    Math.max(
      opener.onOpenerSpiked + accepter.onOpenerSpiked,
      opener.onAccepterSpiked + accepter.onAccepterSpiked,
    ),
    FEE_SPIKE_FACTOR * feeratePerKw,
  )

/** Fee and anchors that the opener pays on the dearer of the two commitments with these HTLCs. */
export const openerCostMsat = (channel: Channel, htlcs: readonly SizedHtlc[], feeratePerKw: number): Msat =>
  costOf(channel, tallyOf(channel, { feeratePerKw, openerMsat: msat(0), accepterMsat: msat(0), htlcs }))

/**
 * Whether a direction has more HTLCs than its receiver takes. Where trimmed ones have slots of their own (lcp), an HTLC that is an
 * output on either commitment takes one of the 483: that is what bounds the weight of both.
 */
const tooMany = (receiver: Party, { count, untrimmed }: Offered): boolean =>
  (receiver.maxTrimmedHtlcs > 0 ? untrimmed : count) > receiver.maxAcceptedHtlcs ||
  count > receiver.maxAcceptedHtlcs + receiver.maxTrimmedHtlcs

export type AddProblem =
  | { readonly code: 'amountTooSmall'; readonly minimumMsat: Msat }
  | { readonly code: 'tooManyHtlcs'; readonly limit: number }
  | { readonly code: 'inFlightLimit'; readonly limitMsat: Msat }
  | { readonly code: 'dustLimit'; readonly limitMsat: Msat }
  | { readonly code: 'belowReserve'; readonly spendableMsat: Msat }
  | { readonly code: 'peerCannotPayFee' }

/** What stands against offering an HTLC of this amount now, or undefined when nothing does. */
export function addProblem(
  channel: Channel,
  amountMsat: Msat,
  tally = cautiousTally(channel),
): AddProblem | undefined {
  const us = channel.role
  const receiver = channel.remote
  if (amountMsat <= 0n || amountMsat < receiver.htlcMinimumMsat) {
    return {
      code: 'amountTooSmall',
      minimumMsat: receiver.htlcMinimumMsat > 0n ? receiver.htlcMinimumMsat : msat(1),
    }
  }
  const all = tallyWith(channel, tally, { offerer: us, amountMsat })
  const offered = all[us]
  if (tooMany(receiver, offered)) {
    return { code: 'tooManyHtlcs', limit: receiver.maxAcceptedHtlcs }
  }
  if (offered.msat > receiver.maxHtlcValueInFlightMsat) {
    return { code: 'inFlightLimit', limitMsat: receiver.maxHtlcValueInFlightMsat }
  }
  if (offered.dustMsat > receiver.maxDustInFlightMsat)
    return { code: 'dustLimit', limitMsat: receiver.maxDustInFlightMsat }
  const spendable = balanceForAdds(channel, all)
  if (spendable < amountMsat) return { code: 'belowReserve', spendableMsat: spendable }
  if (us === 'accepter' && !canOpenerPay(channel, tally, all)) return { code: 'peerCannotPayFee' }
  return undefined
}

/**
 * What stands against an HTLC of this amount for as long as our balance is what it is: it would stand against it with nothing else in
 * flight, too, so that waiting for what is in flight is in vain. A limit on what is in flight may hide it in `addProblem`.
 */
export const lastingProblem = (
  channel: Channel,
  amountMsat: Msat,
  tally = cautiousTally(channel),
): AddProblem | undefined => addProblem(channel, amountMsat, tallyWithout(tally))

/**
 * Whether the opener can pay for these HTLCs at the present feerate and keep its reserve: an accepter SHOULD NOT add what the opener
 * cannot (BOLT 2 §update_add_htlc), and LDK fails the channel over it.
 */
function canOpenerPay(channel: Channel, { openerMsat }: Tally, all: Tally): boolean {
  const { channelReserveSat } = channel.role === 'opener' ? channel.remote : channel.local
  return openerMsat >= addMsat(costOf(channel, all), toMsat(channelReserveSat))
}

/** Our balance less reserve, and less the fee with these HTLCs where we pay it. */
function balanceForAdds(channel: Channel, all: Tally): Msat {
  const afterReserve = saturatingSub(balanceOf(all, channel.role), toMsat(channel.remote.channelReserveSat))
  return channel.role === 'opener' ? saturatingSub(afterReserve, spikedCostOf(channel, all)) : afterReserve
}

/** The most a single HTLC of ours may carry now: 0 when none may be added. */
export function spendableMsat(channel: Channel, tally = cautiousTally(channel)): Msat {
  const us = channel.role
  const offered = tally[us]
  // An HTLC large enough to be an output costs its share of the fee; a smaller one never costs more.
  const all = tallyWith(channel, tally, { offerer: us, amountMsat: toMsat(channel.funding.sat) })
  if (tooMany(channel.remote, all[us])) return msat(0)
  if (us === 'accepter' && !canOpenerPay(channel, tally, all)) return msat(0)
  const balance = balanceForAdds(channel, all)
  const inFlight = saturatingSub(channel.remote.maxHtlcValueInFlightMsat, offered.msat)
  const most = balance < inFlight ? balance : inFlight
  return most < channel.remote.htlcMinimumMsat ? msat(0) : most
}

/** The most that one may carry once all that is in flight has ended, as far as our balance goes now. */
export const lastingSpendableMsat = (channel: Channel): Msat =>
  spendableMsat(channel, tallyWithout(cautiousTally(channel)))

/** Our balance by what may be done with it; the four are the whole of it (`cautiousView`). */
export interface Share {
  /** What one HTLC may carry now. */
  readonly spendableMsat: Msat
  /** Neither reserve nor fee, and still not to be offered at once: limits of the peer's on HTLCs, or an opener that could not pay. */
  readonly limitedMsat: Msat
  /** What the peer wants us to keep (BOLT 2 §channel_reserve_satoshis). */
  readonly reserveMsat: Msat
  /** An opener's fee and anchors of the commitment, as it has to be able to pay them (rule 8). */
  readonly feeMsat: Msat
}

export function shareOf(channel: Channel): Share {
  const tally = cautiousTally(channel)
  const us = channel.role
  const balance = balanceOf(tally, us)
  const all = tallyWith(channel, tally, { offerer: us, amountMsat: toMsat(channel.funding.sat) })
  const smaller = (a: Msat, b: Msat): Msat => (a < b ? a : b)
  const reserveMsat = smaller(balance, toMsat(channel.remote.channelReserveSat))
  const afterReserve = subMsat(balance, reserveMsat)
  const feeMsat = us === 'opener' ? smaller(afterReserve, spikedCostOf(channel, all)) : msat(0)
  const free = subMsat(afterReserve, feeMsat)
  const spendable = smaller(spendableMsat(channel), free)
  return { spendableMsat: spendable, limitedMsat: subMsat(free, spendable), reserveMsat, feeMsat }
}

/**
 * The most the peer may send us in one HTLC (BOLT 2 §update_add_htlc): an opener pays the fee at the present feerate. A buffer for
 * dearer times is its own affair, and a recommendation.
 */
export function receivableMsat(channel: Channel): Msat {
  const tally = cautiousTally(channel)
  const them = otherRole(channel.role)
  const received = tally[them]
  const all = tallyWith(channel, tally, { offerer: them, amountMsat: toMsat(channel.funding.sat) })
  if (tooMany(channel.local, all[them])) return msat(0)
  let balance = saturatingSub(balanceOf(tally, them), toMsat(channel.local.channelReserveSat))
  if (them === 'opener') balance = saturatingSub(balance, costOf(channel, all))
  else if (!canOpenerPay(channel, tally, all)) return msat(0)
  const inFlight = saturatingSub(channel.local.maxHtlcValueInFlightMsat, received.msat)
  return balance < inFlight ? balance : inFlight
}

/** Whether the opener (us) can pay for a new feerate with every HTLC there is, with the spike factor (rule 8). */
export function canPayFeerate(channel: Channel, feeratePerKw: number): boolean {
  const view = cautiousView(channel)
  const need = addMsat(
    openerCostMsat(channel, view.htlcs, FEE_SPIKE_FACTOR * feeratePerKw),
    toMsat(channel.remote.channelReserveSat),
  )
  return view.openerMsat >= need
}

const fail = (code: string, text: string): Fault => ({ code, action: 'fail_channel', text })

/** Judges a state in which the peer's newest update is already in its log: the fault it committed, or undefined. */
export function receivedUpdateFault(channel: Channel, kind: 'add' | 'fee'): Fault | undefined {
  const them = otherRole(channel.role)
  const tally = nextLocalTally(channel)
  const received = tally[them]
  if (kind === 'add') {
    if (tooMany(channel.local, received)) {
      return fail('tooManyHtlcs', 'BOLT 2 §update_add_htlc: more HTLCs than our max_accepted_htlcs')
    }
    if (received.msat > channel.local.maxHtlcValueInFlightMsat) {
      return fail(
        'inFlightLimit',
        'BOLT 2 §update_add_htlc: more value than our max_htlc_value_in_flight_msat',
      )
    }
    // Only lcp announces this limit (rule 8); a BOLT peer does not know ours and breaks nothing.
    const lcp = formatNamed(channel.formatName).lcpTlvs
    if (lcp && received.dustMsat > channel.local.maxDustInFlightMsat) {
      return fail('dustLimit', 'lcp rule 8: more in trimmed HTLCs than our max_dust_in_flight_msat')
    }
  }
  const balance = balanceOf(tally, them)
  const reserve = toMsat(channel.local.channelReserveSat)
  const cost = them === 'opener' ? costOf(channel, tally) : msat(0)
  if (subMsat(balance, cost) < (kind === 'add' ? reserve : 0n)) {
    return kind === 'add'
      ? fail('belowReserve', 'BOLT 2 §update_add_htlc: the sender cannot pay it and keep its reserve and fee')
      : fail('feeUnpayable', 'BOLT 2 §update_fee: the opener cannot pay the new feerate')
  }
  return undefined
}
