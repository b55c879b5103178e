import { type Msat, addMsat, msat, subMsat } from '../base/units.ts'
import type { CommitmentView, Role } from '../commitment/types.ts'
import { otherRole } from '../commitment/types.ts'
import { type Tally, tallyAdd, tallyOf, tallyRemoval } from './tally.ts'
import type { AddUpdate, Base, Channel, Htlc, Indexes, Log, RemoveUpdate, Update } from './types.ts'

/**
 * Update logs and the views that are folded from them: pure functions of base, logs and two indexes. What is asked for at every update
 * (an HTLC by its id, sums over a view) is remembered beside the state, by the identity of its immutable parts: an append or a
 * compaction moves it on, and whatever was made in another way is reckoned anew.
 */

export const EMPTY_LOG: Log = { start: 0, entries: [], nextHtlcId: 0n }

/** Index one past the log's last entry. */
export const logLength = (log: Log): number => log.start + log.entries.length

/** The entries from index `from` up to and not including `to`. Both must lie at or past the log's start. */
export const entriesBetween = (log: Log, from: number, to: number): readonly Update[] =>
  log.entries.slice(from - log.start, to - log.start)

/** Appends an entry; an add advances the side's next id. */
export function append(log: Log, entry: Update): Log {
  const entries = [...log.entries, entry]
  const removals = removalsByLog.get(log.entries)
  if (removals !== undefined) {
    removalsByLog.delete(log.entries)
    if (isRemoval(entry)) removals.set(Number(entry.id), entry)
    removalsByLog.set(entries, removals)
  }
  return {
    start: log.start,
    entries,
    nextHtlcId: entry.type === 'add' ? log.nextHtlcId + 1n : log.nextHtlcId,
  }
}

/** The channel with an entry more in the log of `role`. */
export function withEntry(channel: Channel, role: Role, entry: Update): Channel {
  const next: Channel = {
    ...channel,
    logs: { ...channel.logs, [role]: append(channel.logs[role], entry) },
  }
  const sums = talliesOf(channel)
  if (sums !== undefined && entry.type !== 'fee') {
    const { cautious, nextLocal } = sums
    remember(next, {
      ours: sums.ours,
      cautious: cautious && (entry.type === 'add' ? tallyEntry(channel, cautious, role, entry) : cautious),
      nextLocal:
        nextLocal && (role === channel.role ? nextLocal : tallyEntry(channel, nextLocal, role, entry)),
    })
  }
  return next
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
  /** Those that the opener offered, then the accepter's, each by rising id. */
  readonly htlcs: Htlc[]
}

const ROLES = ['opener', 'accepter'] as const

const toHtlc = (offerer: Role, add: AddUpdate, index: number): Htlc => ({
  offerer,
  id: add.id,
  amountMsat: add.amountMsat,
  paymentHash: add.paymentHash,
  cltvExpiry: add.cltvExpiry,
  index,
  ...(add.token === undefined ? {} : { token: add.token }),
})

/**
 * Folds adds up to `adds` and removals up to `removals` into the base. A removal is proposed only once its add is locked in, so
 * every pair of indexes that a commitment can have includes the add of each removal it includes.
 */
function fold(base: Base, logs: Channel['logs'], adds: Indexes, removals: Indexes): Fold {
  const state: Fold = {
    openerMsat: base.openerMsat,
    accepterMsat: base.accepterMsat,
    feeratePerKw: base.feeratePerKw,
    htlcs: [],
  }
  const live = liveHtlcs(base)
  for (const role of ROLES) {
    const removed = new Map<number, RemoveUpdate>()
    const remover = otherRole(role)
    for (const entry of entriesBetween(logs[remover], logs[remover].start, removals[remover])) {
      if (isRemoval(entry)) removed.set(Number(entry.id), entry)
    }
    let found = 0
    const take = (htlc: Htlc): void => {
      const removal = removed.size === 0 ? undefined : removed.get(Number(htlc.id))
      if (removal === undefined) {
        state.htlcs.push(htlc)
        return
      }
      found += 1
      if ((removal.type === 'fulfill' ? remover : role) === 'opener') state.openerMsat += htlc.amountMsat
      else state.accepterMsat += htlc.amountMsat
    }
    for (const htlc of live[role].values()) take(htlc)
    const { start } = logs[role]
    for (const [i, entry] of entriesBetween(logs[role], start, adds[role]).entries()) {
      if (entry.type === 'add') {
        if (role === 'opener') state.openerMsat -= entry.amountMsat
        else state.accepterMsat -= entry.amountMsat
        take(toHtlc(role, entry, start + i))
      } else if (entry.type === 'fee') state.feeratePerKw = entry.feeratePerKw
    }
    if (found !== removed.size) throw new Error('invariant: removal of an HTLC that is not in the view')
  }
  return state
}

/** The HTLCs of a base by who offered them and id, each side's in the base's order. */
type Live = Readonly<Record<Role, Map<number, Htlc>>>
const liveByBase = new WeakMap<Base['htlcs'], Live>()

function liveHtlcs(base: Base): Live {
  const known = liveByBase.get(base.htlcs)
  if (known !== undefined) return known
  const live: Live = { opener: new Map(), accepter: new Map() }
  for (const htlc of base.htlcs) live[htlc.offerer].set(Number(htlc.id), htlc)
  liveByBase.set(base.htlcs, live)
  return live
}

/** The HTLC with this id among those in the base. */
function htlcInBase(base: Base, offerer: Role, id: bigint): Htlc | undefined {
  const htlc = liveHtlcs(base)[offerer].get(Number(id))
  return htlc?.id === id ? htlc : undefined
}

/** The removals in a log by the id of what they remove. */
const removalsByLog = new WeakMap<Log['entries'], Map<number, RemoveUpdate>>()

function removalsIn(entries: Log['entries']): Map<number, RemoveUpdate> {
  const known = removalsByLog.get(entries)
  if (known !== undefined) return known
  const removals = new Map<number, RemoveUpdate>()
  for (const entry of entries) if (isRemoval(entry)) removals.set(Number(entry.id), entry)
  removalsByLog.set(entries, removals)
  return removals
}

/** Sums of the two views that every update is judged by, as far as they are known. */
interface Tallies {
  readonly base: Base
  readonly cautious: Tally | undefined
  readonly nextLocal: Tally | undefined
  /** How much of our log `nextLocal` includes. */
  readonly ours: number
}
const talliesByLogs = new WeakMap<Channel['logs'], Tallies>()

function talliesOf(channel: Channel): Tallies | undefined {
  const known = talliesByLogs.get(channel.logs)
  return known?.base === channel.base ? known : undefined
}

const remember = (channel: Channel, tallies: Omit<Tallies, 'base'>): void =>
  void talliesByLogs.set(channel.logs, { ...tallies, base: channel.base })

/** The sums after an entry; undefined when they have to be reckoned anew. */
function tallyEntry(channel: Channel, tally: Tally, role: Role, entry: Update): Tally | undefined {
  if (entry.type === 'fee') return undefined
  if (entry.type === 'add') return tallyAdd(channel, tally, { offerer: role, amountMsat: entry.amountMsat })
  const htlc = htlcInBase(channel.base, otherRole(role), entry.id)
  return htlc && tallyRemoval(channel, tally, htlc, entry.type === 'fulfill')
}

/** The sums of `cautiousView`. */
export function cautiousTally(channel: Channel): Tally {
  const known = talliesOf(channel)
  if (known?.cautious !== undefined) return known.cautious
  const cautious = tallyOf(channel, cautiousView(channel))
  remember(channel, { ours: known?.ours ?? 0, nextLocal: known?.nextLocal, cautious })
  return cautious
}

/** The sums of `nextLocalView`. */
export function nextLocalTally(channel: Channel): Tally {
  const ours = channel.remoteTail.indexes[channel.role]
  const known = talliesOf(channel)
  const nextLocal = advanced(channel, known, ours) ?? tallyOf(channel, nextLocalView(channel))
  if (nextLocal !== known?.nextLocal || ours !== known.ours)
    remember(channel, { ours, nextLocal, cautious: known?.cautious })
  return nextLocal
}

/** The remembered sums of `nextLocalView` with so much of our log; undefined when they have to be reckoned anew. */
function advanced(channel: Channel, known: Tallies | undefined, ours: number): Tally | undefined {
  if (known?.nextLocal === undefined || known.ours === ours) return known?.nextLocal
  const us = channel.role
  const log = channel.logs[us]
  if (known.ours > ours || known.ours < log.start) return undefined
  let tally: Tally | undefined = known.nextLocal
  for (const entry of entriesBetween(log, known.ours, ours))
    tally = tally && tallyEntry(channel, tally, us, entry)
  return tally
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

const asView = (state: Fold): CommitmentView => ({
  feeratePerKw: state.feeratePerKw,
  openerMsat: msat(state.openerMsat),
  accepterMsat: msat(state.accepterMsat),
  htlcs: state.htlcs,
})

/** The view of a commitment with these indexes. Balances may be negative when a peer proposed too much; callers check. */
export const viewAt = (channel: Pick<Channel, 'base' | 'logs'>, indexes: Indexes): CommitmentView =>
  asView(fold(channel.base, channel.logs, indexes, indexes))

/**
 * The view by which proposals are judged (rule 8): every add that is proposed counts, a removal only once it is locked in. Funds
 * and slots that a removal will free are not free before.
 */
export function cautiousView(channel: Channel): CommitmentView {
  const everything = { opener: logLength(channel.logs.opener), accepter: logLength(channel.logs.accepter) }
  return asView(fold(channel.base, channel.logs, everything, lockedIn(channel)))
}

/** The live HTLC with this id in the view where only what is locked in counts, or undefined. */
export function lockedInHtlc(channel: Channel, offerer: Role, id: bigint): Htlc | undefined {
  const locked = lockedIn(channel)
  // What is locked in is folded away at once, so that this is the base.
  if (locked.opener === channel.logs.opener.start && locked.accepter === channel.logs.accepter.start)
    return htlcInBase(channel.base, offerer, id)
  const state = fold(channel.base, channel.logs, locked, locked)
  return state.htlcs.find((htlc) => htlc.offerer === offerer && htlc.id === id)
}

/** Whether a removal of this HTLC stands in the log of the side that received it, or waits in our outbox. */
export function isBeingRemoved(channel: Channel, offerer: Role, id: bigint): boolean {
  const receiver = otherRole(offerer)
  if (isRemovedInLog(channel, offerer, id)) return true
  return receiver === channel.role && removalsInOutbox(channel.outbox).has(id)
}

/** Whether a removal of this HTLC stands in the log of the side that received it. */
export const isRemovedInLog = (channel: Channel, offerer: Role, id: bigint): boolean =>
  removalsIn(channel.logs[otherRole(offerer)].entries).get(Number(id))?.id === id

const removalsByOutbox = new WeakMap<Channel['outbox'], Set<bigint>>()

function removalsInOutbox(outbox: Channel['outbox']): Set<bigint> {
  const known = removalsByOutbox.get(outbox)
  if (known !== undefined) return known
  const ids = new Set<bigint>()
  for (const p of outbox) if (p.type !== 'add' && p.type !== 'fee') ids.add(p.id)
  removalsByOutbox.set(outbox, ids)
  return ids
}

const queuedByOutbox = new WeakMap<Channel['outbox'], Msat>()

/** What the adds in an outbox will take from our balance. */
export function queuedMsat(outbox: Channel['outbox']): Msat {
  if (outbox.length === 0) return msat(0)
  const known = queuedByOutbox.get(outbox)
  if (known !== undefined) return known
  const sum = totalMsat(outbox.filter((p) => p.type === 'add'))
  queuedByOutbox.set(outbox, sum)
  return sum
}

const startByOutbox = new WeakMap<Channel['outbox'], number>()

/** The number under which the first proposal of an outbox is stored; those after it follow. */
export const outboxStart = (outbox: Channel['outbox']): number => startByOutbox.get(outbox) ?? 0

/** An outbox whose first proposal is stored under that number. Any number will do; a good one keeps what has been written. */
export function withOutboxStart(outbox: Channel['outbox'], start: number): Channel['outbox'] {
  if (start !== 0) startByOutbox.set(outbox, start)
  return outbox
}

/** The outbox with a proposal more. */
export function enqueued(outbox: Channel['outbox'], proposal: Channel['outbox'][number]): Channel['outbox'] {
  const next = withOutboxStart([...outbox, proposal], outbox.length === 0 ? 0 : outboxStart(outbox))
  const ids = removalsByOutbox.get(outbox)
  if (ids !== undefined) {
    removalsByOutbox.delete(outbox)
    if (proposal.type !== 'add' && proposal.type !== 'fee') ids.add(proposal.id)
    removalsByOutbox.set(next, ids)
  }
  const queued = outbox.length === 0 ? msat(0) : queuedByOutbox.get(outbox)
  if (queued !== undefined)
    queuedByOutbox.set(next, proposal.type === 'add' ? addMsat(queued, proposal.amountMsat) : queued)
  return next
}

/** Balance of a role in a view. */
export const balanceOf = (view: Pick<CommitmentView, 'openerMsat' | 'accepterMsat'>, role: Role): Msat =>
  role === 'opener' ? view.openerMsat : view.accepterMsat

/** Folds what both tails include into the base, so that the logs hold only what is on its way. */
export function compact(channel: Channel): Channel {
  const locked = lockedIn(channel)
  const { base, logs } = channel
  if (locked.opener === logs.opener.start && locked.accepter === logs.accepter.start) return channel
  const state = fold(base, logs, locked, locked)
  const next: Channel = {
    ...channel,
    base: {
      openerMsat: msat(state.openerMsat),
      accepterMsat: msat(state.accepterMsat),
      feeratePerKw: state.feeratePerKw,
      htlcs: state.htlcs,
    },
    logs: { opener: cut(logs.opener, locked.opener), accepter: cut(logs.accepter, locked.accepter) },
  }
  moveTallies(channel, next, locked)
  moveLive(channel, next, locked)
  return next
}

/** A log from index `to` on. */
function cut(log: Log, to: number): Log {
  if (to === log.start) return log
  const entries = log.entries.slice(to - log.start)
  const removals = removalsByLog.get(log.entries)
  if (removals !== undefined) {
    removalsByLog.delete(log.entries)
    for (const entry of entriesBetween(log, log.start, to)) {
      if (isRemoval(entry)) removals.delete(Number(entry.id))
    }
    removalsByLog.set(entries, removals)
  }
  return { start: to, entries, nextHtlcId: log.nextHtlcId }
}

/** The sums after a compaction: the next local view is the same, and the cautious one is without what has been removed. */
function moveTallies(before: Channel, after: Channel, locked: Indexes): void {
  const known = talliesOf(before)
  if (known === undefined) return
  const ours = before.remoteTail.indexes[before.role]
  const nextLocal = advanced(before, known, ours)
  let cautious: Tally | undefined = known.cautious
  for (const role of ROLES) {
    for (const entry of entriesBetween(before.logs[role], before.logs[role].start, locked[role])) {
      if (cautious !== undefined && isRemoval(entry)) cautious = tallyEntry(before, cautious, role, entry)
    }
  }
  remember(after, { ours, nextLocal, cautious })
}

/** The HTLCs by id after a compaction. */
function moveLive(before: Channel, after: Channel, locked: Indexes): void {
  const live = liveByBase.get(before.base.htlcs)
  if (live === undefined) return
  liveByBase.delete(before.base.htlcs)
  for (const role of ROLES) {
    for (const entry of entriesBetween(before.logs[role], before.logs[role].start, locked[role])) {
      if (isRemoval(entry)) live[otherRole(role)].delete(Number(entry.id))
    }
  }
  // By rising id: what was locked in now stands behind what was before.
  for (const role of ROLES) {
    const { start } = before.logs[role]
    const adds = locked[role] - start
    if (adds === 0) continue
    for (const htlc of after.base.htlcs) {
      if (htlc.offerer === role && htlc.index !== undefined && htlc.index >= start)
        live[role].set(Number(htlc.id), htlc)
    }
  }
  liveByBase.set(after.base.htlcs, live)
}

/** Sum of the amounts of HTLCs. */
export const totalMsat = (htlcs: readonly { readonly amountMsat: Msat }[]): Msat =>
  htlcs.reduce((sum, htlc) => addMsat(sum, htlc.amountMsat), msat(0))

/** a − b, not below zero. */
export const saturatingSub = (a: Msat, b: Msat): Msat => (a > b ? subMsat(a, b) : msat(0))
