import { type Msat, type Sat, addMsat, msat, subMsat, toMsat } from '../base/units.ts'
import { anchorsCostSat, commitmentFeeSat, isHtlcTrimmed } from '../commitment/fees.ts'
import { formatNamed } from '../commitment/formats.ts'
import { type CommitmentView, otherRole, type Role } from '../commitment/types.ts'
import { balanceOf, cautiousView, logLength, saturatingSub, totalMsat, viewAt } from './log.ts'
import type { Channel, Fault, Htlc, Party } from './types.ts'

/**
 * What may be proposed (rule 8) and what a peer may propose (BOLT 2 §update_add_htlc). Limits are announced by the receiver and
 * hold per direction; the proposer is stricter than the receiver, so that crossing updates never break one.
 */

/** The opener proposes only what it could still pay for at twice the feerate. */
const FEE_SPIKE_FACTOR = 2
/** Trimmed HTLCs go to miners when a commitment is broadcast: the most we let stand there, each direction, `bolt` formats. */
export const MAX_DUST_EXPOSURE_MSAT = msat(50_000_000n)
/** BOLT 2: cltv_expiry is a block height, below 500,000,000. */
export const CLTV_EXPIRY_LIMIT = 500_000_000

type SizedHtlc = Pick<Htlc, 'offerer' | 'amountMsat'>

const party = (channel: Channel, role: Role): Party =>
  role === channel.role ? channel.local : channel.remote

/** Number of HTLC outputs on the commitment of `owner`. */
function untrimmedCount(
  channel: Channel,
  owner: Role,
  htlcs: readonly SizedHtlc[],
  feeratePerKw: number,
): number {
  const format = formatNamed(channel.formatName)
  const dust = party(channel, owner).dustLimitSat
  let count = 0
  for (const htlc of htlcs) {
    if (!isHtlcTrimmed(format, htlc.offerer === owner, htlc.amountMsat, feeratePerKw, dust)) count++
  }
  return count
}

/** Whether an HTLC is trimmed on the commitment of `owner`. */
const trimmed = (channel: Channel, htlc: SizedHtlc, feeratePerKw: number, owner: Role): boolean =>
  isHtlcTrimmed(
    formatNamed(channel.formatName),
    owner === htlc.offerer,
    htlc.amountMsat,
    feeratePerKw,
    party(channel, owner).dustLimitSat,
  )

/**
 * Whether a direction has more HTLCs than its receiver takes. Where trimmed ones have slots of their own (lcp), an HTLC that is
 * an output on either commitment counts as untrimmed: 483 a direction is what bounds the weight of both.
 */
function tooMany(
  channel: Channel,
  receiver: Party,
  htlcs: readonly SizedHtlc[],
  feeratePerKw: number,
): boolean {
  if (receiver.maxTrimmedHtlcs === 0) return htlcs.length > receiver.maxAcceptedHtlcs
  if (htlcs.length <= receiver.maxAcceptedHtlcs) return false
  if (htlcs.length > receiver.maxAcceptedHtlcs + receiver.maxTrimmedHtlcs) return true
  const untrimmed = htlcs.filter(
    (htlc) =>
      !trimmed(channel, htlc, feeratePerKw, 'opener') || !trimmed(channel, htlc, feeratePerKw, 'accepter'),
  )
  return untrimmed.length > receiver.maxAcceptedHtlcs
}

/** Fee and anchors that the opener pays on the dearer of the two commitments with these HTLCs. */
export function openerCostMsat(channel: Channel, htlcs: readonly SizedHtlc[], feeratePerKw: number): Msat {
  const format = formatNamed(channel.formatName)
  const count = Math.max(
    untrimmedCount(channel, 'opener', htlcs, feeratePerKw),
    untrimmedCount(channel, 'accepter', htlcs, feeratePerKw),
  )
  const fee: Sat = commitmentFeeSat(format, feeratePerKw, count)
  return addMsat(toMsat(fee), toMsat(anchorsCostSat(format)))
}

/** The HTLCs of one direction that are trimmed on either commitment. */
const dustMsat = (
  channel: Channel,
  offerer: Role,
  view: { htlcs: readonly SizedHtlc[]; feeratePerKw: number },
): Msat =>
  totalMsat(
    view.htlcs.filter(
      (htlc) =>
        htlc.offerer === offerer &&
        (trimmed(channel, htlc, view.feeratePerKw, 'opener') ||
          trimmed(channel, htlc, view.feeratePerKw, 'accepter')),
    ),
  )

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
  view = cautiousView(channel),
): AddProblem | undefined {
  const us = channel.role
  const receiver = channel.remote
  if (amountMsat <= 0n || amountMsat < receiver.htlcMinimumMsat) {
    return {
      code: 'amountTooSmall',
      minimumMsat: receiver.htlcMinimumMsat > 0n ? receiver.htlcMinimumMsat : msat(1),
    }
  }
  const offered = view.htlcs.filter((htlc) => htlc.offerer === us)
  const all: SizedHtlc[] = [...view.htlcs, { offerer: us, amountMsat }]
  if (tooMany(channel, receiver, [...offered, { offerer: us, amountMsat }], view.feeratePerKw)) {
    return { code: 'tooManyHtlcs', limit: receiver.maxAcceptedHtlcs }
  }
  if (addMsat(totalMsat(offered), amountMsat) > receiver.maxHtlcValueInFlightMsat) {
    return { code: 'inFlightLimit', limitMsat: receiver.maxHtlcValueInFlightMsat }
  }
  const dust = dustMsat(channel, us, { htlcs: all, feeratePerKw: view.feeratePerKw })
  if (dust > receiver.maxDustInFlightMsat)
    return { code: 'dustLimit', limitMsat: receiver.maxDustInFlightMsat }
  const spendable = balanceForAdds(channel, view, all)
  if (spendable < amountMsat) return { code: 'belowReserve', spendableMsat: spendable }
  if (us === 'accepter' && view.openerMsat < openerCostMsat(channel, all, view.feeratePerKw)) {
    return { code: 'peerCannotPayFee' }
  }
  return undefined
}

/** Our balance less reserve, and less the fee with these HTLCs where we pay it. */
function balanceForAdds(channel: Channel, view: CommitmentView, htlcs: readonly SizedHtlc[]): Msat {
  const afterReserve = saturatingSub(balanceOf(view, channel.role), toMsat(channel.remote.channelReserveSat))
  if (channel.role !== 'opener') return afterReserve
  return saturatingSub(afterReserve, openerCostMsat(channel, htlcs, FEE_SPIKE_FACTOR * view.feeratePerKw))
}

/** An HTLC that no dust limit trims. */
const largest = (channel: Channel, offerer: Role): SizedHtlc => ({
  offerer,
  amountMsat: toMsat(channel.funding.sat),
})

/** The most a single HTLC of ours may carry now: 0 when none may be added. */
export function spendableMsat(channel: Channel): Msat {
  const view = cautiousView(channel)
  const us = channel.role
  const offered = view.htlcs.filter((htlc) => htlc.offerer === us)
  const full = tooMany(channel, channel.remote, [...offered, largest(channel, us)], view.feeratePerKw)
  if (full) return msat(0)
  // An HTLC large enough to be an output costs its share of the fee; a smaller one never costs more.
  const all: SizedHtlc[] = [...view.htlcs, largest(channel, us)]
  if (us === 'accepter' && view.openerMsat < openerCostMsat(channel, all, view.feeratePerKw)) return msat(0)
  const balance = balanceForAdds(channel, view, all)
  const inFlight = saturatingSub(channel.remote.maxHtlcValueInFlightMsat, totalMsat(offered))
  const most = balance < inFlight ? balance : inFlight
  return most < channel.remote.htlcMinimumMsat ? msat(0) : most
}

/** The most the peer may send us in one HTLC, as far as we can tell. */
export function receivableMsat(channel: Channel): Msat {
  const view = cautiousView(channel)
  const them = otherRole(channel.role)
  const received = view.htlcs.filter((htlc) => htlc.offerer === them)
  if (tooMany(channel, channel.local, [...received, largest(channel, them)], view.feeratePerKw))
    return msat(0)
  let balance = saturatingSub(balanceOf(view, them), toMsat(channel.local.channelReserveSat))
  if (them === 'opener') {
    const all: SizedHtlc[] = [...view.htlcs, largest(channel, them)]
    balance = saturatingSub(balance, openerCostMsat(channel, all, FEE_SPIKE_FACTOR * view.feeratePerKw))
  }
  const inFlight = saturatingSub(channel.local.maxHtlcValueInFlightMsat, totalMsat(received))
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

/** The view that the peer's next signature will sign: all of its updates, and of ours what its tail includes (rule 2). */
export function nextLocalView(channel: Channel): CommitmentView {
  const theirs = logLength(channel.logs[otherRole(channel.role)])
  const ours = channel.remoteTail.indexes[channel.role]
  return viewAt(
    channel,
    channel.role === 'opener' ? { opener: ours, accepter: theirs } : { opener: theirs, accepter: ours },
  )
}

const fail = (code: string, text: string): Fault => ({ code, action: 'fail_channel', text })

/** Judges a state in which the peer's newest update is already in its log: the fault it committed, or undefined. */
export function receivedUpdateFault(channel: Channel, kind: 'add' | 'fee'): Fault | undefined {
  const them = otherRole(channel.role)
  const view = nextLocalView(channel)
  const received = view.htlcs.filter((htlc) => htlc.offerer === them)
  if (kind === 'add') {
    if (tooMany(channel, channel.local, received, view.feeratePerKw)) {
      return fail('tooManyHtlcs', 'BOLT 2 §update_add_htlc: more HTLCs than our max_accepted_htlcs')
    }
    if (totalMsat(received) > channel.local.maxHtlcValueInFlightMsat) {
      return fail(
        'inFlightLimit',
        'BOLT 2 §update_add_htlc: more value than our max_htlc_value_in_flight_msat',
      )
    }
    // Only lcp announces this limit (rule 8); a BOLT peer does not know ours and breaks nothing.
    const { maxDustInFlightMsat } = channel.local
    const lcp = formatNamed(channel.formatName).lcpTlvs
    if (
      lcp &&
      totalMsat(received) > maxDustInFlightMsat &&
      dustMsat(channel, them, view) > maxDustInFlightMsat
    ) {
      return fail('dustLimit', 'lcp rule 8: more in trimmed HTLCs than our max_dust_in_flight_msat')
    }
  }
  const balance = balanceOf(view, them)
  const reserve = toMsat(channel.local.channelReserveSat)
  const cost = them === 'opener' ? openerCostMsat(channel, view.htlcs, view.feeratePerKw) : msat(0)
  if (subMsat(balance, cost) < (kind === 'add' ? reserve : 0n)) {
    return kind === 'add'
      ? fail('belowReserve', 'BOLT 2 §update_add_htlc: the sender cannot pay it and keep its reserve and fee')
      : fail('feeUnpayable', 'BOLT 2 §update_fee: the opener cannot pay the new feerate')
  }
  return undefined
}
