import { type Msat, addMsat, msat, subMsat } from '../base/units.ts'
import type { CommitmentView, Role } from '../commitment/types.ts'
import { otherRole } from '../commitment/types.ts'
import type { AddUpdate, Base, Channel, Htlc, Indexes, Log, RemoveUpdate, Update } from './types.ts'

/** Update logs and the views that are folded from them: pure functions of base, logs and two indexes. */

export const EMPTY_LOG: Log = { start: 0, entries: [], nextHtlcId: 0n }

/** Index one past the log's last entry. */
export const logLength = (log: Log): number => log.start + log.entries.length

/** The entries from index `from` up to and not including `to`. Both must lie at or past the log's start. */
export const entriesBetween = (log: Log, from: number, to: number): readonly Update[] =>
  log.entries.slice(from - log.start, to - log.start)

/** Appends an entry; an add advances the side's next id. */
export function append(log: Log, entry: Update): Log {
  return {
    start: log.start,
    entries: [...log.entries, entry],
    nextHtlcId: entry.type === 'add' ? log.nextHtlcId + 1n : log.nextHtlcId,
  }
}

/** Drops the entries at `length` and above, giving their HTLC ids back (rule 9). */
export function truncate(log: Log, length: number): Log {
  if (length >= logLength(log)) return log
  const dropped = log.entries.slice(length - log.start)
  const adds = dropped.reduce((n, entry) => (entry.type === 'add' ? n + 1n : n), 0n)
  return {
    start: log.start,
    entries: log.entries.slice(0, length - log.start),
    nextHtlcId: log.nextHtlcId - adds,
  }
}

/** The lower of two index pairs, each log for itself. */
export const minIndexes = (a: Indexes, b: Indexes): Indexes => ({
  opener: Math.min(a.opener, b.opener),
  accepter: Math.min(a.accepter, b.accepter),
})

export const sameIndexes = (a: Indexes, b: Indexes): boolean =>
  a.opener === b.opener && a.accepter === b.accepter

/** The newest commitment of the peer's that we signed. */
export const remoteTip = (channel: Channel) => channel.remotePending.at(-1) ?? channel.remoteTail

/** What is in both tails: only that counts (rule 6). */
export const lockedIn = (channel: Channel): Indexes =>
  minIndexes(channel.localTip.indexes, channel.remoteTail.indexes)

const isRemoval = (update: Update): update is RemoveUpdate => update.type !== 'add' && update.type !== 'fee'

/** Keys HTLCs by who offered them and their id. */
export const htlcKey = (offerer: Role, id: bigint): string => `${offerer === 'opener' ? 'o' : 'a'}${id}`

interface Fold {
  openerMsat: bigint
  accepterMsat: bigint
  feeratePerKw: number
  htlcs: Map<string, Htlc>
}

function toHtlc(offerer: Role, add: AddUpdate): Htlc {
  return {
    offerer,
    id: add.id,
    amountMsat: add.amountMsat,
    paymentHash: add.paymentHash,
    cltvExpiry: add.cltvExpiry,
    ...(add.token === undefined ? {} : { token: add.token }),
  }
}

/**
 * Folds adds up to `adds` and removals up to `removals` into the base. A removal is proposed only once its add is locked in, so
 * every pair of indexes that a commitment can have includes the add of each removal it includes.
 */
function fold(base: Base, logs: Channel['logs'], adds: Indexes, removals: Indexes): Fold {
  const state: Fold = {
    openerMsat: base.openerMsat,
    accepterMsat: base.accepterMsat,
    feeratePerKw: base.feeratePerKw,
    htlcs: new Map(base.htlcs.map((htlc) => [htlcKey(htlc.offerer, htlc.id), htlc])),
  }
  for (const role of ['opener', 'accepter'] as const) {
    for (const entry of entriesBetween(logs[role], logs[role].start, adds[role])) {
      if (entry.type === 'add') {
        state.htlcs.set(htlcKey(role, entry.id), toHtlc(role, entry))
        if (role === 'opener') state.openerMsat -= entry.amountMsat
        else state.accepterMsat -= entry.amountMsat
      } else if (entry.type === 'fee') state.feeratePerKw = entry.feeratePerKw
    }
  }
  for (const role of ['opener', 'accepter'] as const) {
    for (const entry of entriesBetween(logs[role], logs[role].start, removals[role])) {
      if (!isRemoval(entry)) continue
      const offerer = otherRole(role)
      const key = htlcKey(offerer, entry.id)
      const htlc = state.htlcs.get(key)
      if (htlc === undefined) throw new Error(`invariant: removal of HTLC ${key} that is not in the view`)
      state.htlcs.delete(key)
      const receiver = entry.type === 'fulfill' ? role : offerer
      if (receiver === 'opener') state.openerMsat += htlc.amountMsat
      else state.accepterMsat += htlc.amountMsat
    }
  }
  return state
}

/** The view of a commitment with these indexes. Balances may be negative when a peer proposed too much; callers check. */
export function viewAt(channel: Pick<Channel, 'base' | 'logs'>, indexes: Indexes): CommitmentView {
  const state = fold(channel.base, channel.logs, indexes, indexes)
  return {
    feeratePerKw: state.feeratePerKw,
    openerMsat: msat(state.openerMsat),
    accepterMsat: msat(state.accepterMsat),
    htlcs: [...state.htlcs.values()],
  }
}

/**
 * The view by which proposals are judged (rule 8): every add that is proposed counts, a removal only once it is locked in. Funds
 * and slots that a removal will free are not free before.
 */
export function cautiousView(channel: Channel): CommitmentView {
  const everything = { opener: logLength(channel.logs.opener), accepter: logLength(channel.logs.accepter) }
  const state = fold(channel.base, channel.logs, everything, lockedIn(channel))
  return {
    feeratePerKw: state.feeratePerKw,
    openerMsat: msat(state.openerMsat),
    accepterMsat: msat(state.accepterMsat),
    htlcs: [...state.htlcs.values()],
  }
}

/** The live HTLC with this id in the view where only what is locked in counts, or undefined. */
export function lockedInHtlc(channel: Channel, offerer: Role, id: bigint): Htlc | undefined {
  const locked = lockedIn(channel)
  return fold(channel.base, channel.logs, locked, locked).htlcs.get(htlcKey(offerer, id))
}

/** Whether a removal of this HTLC stands in the log of the side that received it, or waits in our outbox. */
export function isBeingRemoved(channel: Channel, offerer: Role, id: bigint): boolean {
  const receiver = otherRole(offerer)
  const inLog = channel.logs[receiver].entries.some((entry) => isRemoval(entry) && entry.id === id)
  if (inLog || receiver !== channel.role) return inLog
  return channel.outbox.some((p) => p.type !== 'add' && p.type !== 'fee' && p.id === id)
}

/** Balance of a role in a view. */
export const balanceOf = (view: CommitmentView, role: Role): Msat =>
  role === 'opener' ? view.openerMsat : view.accepterMsat

/** Folds what both tails include into the base, so that the logs hold only what is on its way. */
export function compact(channel: Channel): Channel {
  const locked = lockedIn(channel)
  if (locked.opener === channel.logs.opener.start && locked.accepter === channel.logs.accepter.start)
    return channel
  const state = fold(channel.base, channel.logs, locked, locked)
  const cut = (log: Log, to: number): Log => ({
    start: to,
    entries: log.entries.slice(to - log.start),
    nextHtlcId: log.nextHtlcId,
  })
  return {
    ...channel,
    base: {
      openerMsat: msat(state.openerMsat),
      accepterMsat: msat(state.accepterMsat),
      feeratePerKw: state.feeratePerKw,
      htlcs: [...state.htlcs.values()],
    },
    logs: {
      opener: cut(channel.logs.opener, locked.opener),
      accepter: cut(channel.logs.accepter, locked.accepter),
    },
  }
}

/** Sum of the amounts of HTLCs. */
export const totalMsat = (htlcs: readonly { readonly amountMsat: Msat }[]): Msat =>
  htlcs.reduce((sum, htlc) => addMsat(sum, htlc.amountMsat), msat(0))

/** a − b, not below zero. */
export const saturatingSub = (a: Msat, b: Msat): Msat => (a > b ? subMsat(a, b) : msat(0))
