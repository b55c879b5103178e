import { concat } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import type { Role } from '../commitment/types.ts'
import { readSecrets, storedSecrets } from '../revocation/secrets.ts'
import { outboxStart, withOutboxStart } from './log.ts'
import type { Channel, CourtRecord, Htlc, JournalEntry, Proposal, RemoteCommitment, Update } from './types.ts'

/**
 * A channel as records. What a turn writes must not grow with what is in flight, so that only a small core is written whenever something
 * changed, and the rest once:
 * - `log/…`: one an update of a log. An add's, its onion in it, stays until its HTLC is gone; others go when both tails hold them.
 * - `signed/…`: one a remote commitment that has not been revoked, with our signatures for it.
 * - `outbox/…`: one a proposal that waits.
 * - `court/…`: one a signed remote commitment, never changed (rule 11).
 */

/** Version 1 held HTLCs, remote commitments and the outbox in the core. It is read, and written anew as version 2. */
export const CHANNEL_VERSION = 2
export const UPDATE_VERSION = 1
export const SIGNED_VERSION = 1
export const OUTBOX_VERSION = 1
export const COURT_VERSION = 1

interface Write {
  readonly key: string
  readonly value: Uint8Array | null
}

/** Records for the court are as many as there were states, and are read one at a time. */
export const COURT_PREFIX = 'court/'

/** Where the record of a signed remote commitment lies. */
export const courtKey = (id: string, number: bigint | number): string => `${COURT_PREFIX}${id}/${number}`

const coreKey = (id: string): string => `channel/${id}`
const logKey = (id: string, role: 'opener' | 'accepter', index: number): string =>
  `log/${id}/${role === 'opener' ? 'o' : 'a'}/${index}`

/** The record for the court of a signed remote commitment. */
export const courtWrite = (id: string, record: CourtRecord): Write => ({
  key: courtKey(id, record.number),
  value: encodeRecord(COURT_VERSION, record),
})

const ROLES = ['opener', 'accepter'] as const
const signedKey = (id: string, number: number): string => `signed/${id}/${number}`
const outboxKey = (id: string, n: number): string => `outbox/${id}/${n}`

/** Byte strings of equal length as one. */
const joined = (parts: readonly Uint8Array[]): Uint8Array => concat(...parts)

function split(bytes: Uint8Array, length: number): readonly Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / length) }, (_, i) =>
    bytes.slice(i * length, (i + 1) * length),
  )
}

const SIGNATURE_LENGTH = 64
const POINT_LENGTH = 33

/** The journal as numbers: most of a core's entries would be names otherwise. */
const flatJournal = (journal: readonly JournalEntry[]): readonly number[] =>
  journal.flatMap((e) => (e.kind === 'sign' ? [0, e.number, 0, 0] : [1, e.number, e.firstGranted, e.granted]))

function readJournal(flat: readonly number[]): readonly JournalEntry[] {
  return Array.from({ length: Math.floor(flat.length / 4) }, (_, i) => {
    const [kind, number = 0, firstGranted = 0, granted = 0] = flat.slice(4 * i, 4 * i + 4)
    return kind === 0 ? { kind: 'sign', number } : { kind: 'revoke', number, firstGranted, granted }
  })
}

const indexed = (htlcs: readonly Htlc[], role: Role): number =>
  htlcs.reduce((n, htlc) => (htlc.offerer === role && htlc.index !== undefined ? n + 1 : n), 0)

/** What is written whenever something changed. */
function coreOf(channel: Channel) {
  const {
    link: _,
    logs,
    base,
    outbox,
    localTip,
    remoteTail,
    remotePending,
    remotePoints,
    remoteSecrets,
    journal,
    ...rest
  } = channel
  const { htlcs, ...sums } = base
  const logOf = (role: Role) => ({
    start: logs[role].start,
    count: logs[role].entries.length,
    nextHtlcId: logs[role].nextHtlcId,
  })
  const inline = htlcs.filter((htlc) => htlc.index === undefined)
  return {
    ...rest,
    base: {
      ...sums,
      opener: indexed(htlcs, 'opener'),
      accepter: indexed(htlcs, 'accepter'),
      ...(inline.length === 0 ? {} : { htlcs: inline }),
    },
    logs: { opener: logOf('opener'), accepter: logOf('accepter') },
    outbox: { start: outboxStart(outbox), count: outbox.length },
    localTip: { ...localTip, htlcSignatures: joined(localTip.htlcSignatures) },
    signed: { tail: remoteTail.number, pending: remotePending.length },
    remotePoints: joined(remotePoints),
    remoteSecrets: storedSecrets(remoteSecrets),
    journal: flatJournal(journal),
  }
}

/** The writes that turn the records of `prev` into those of `next`. */
export function channelWrites(prev: Channel | undefined, next: Channel | undefined): readonly Write[] {
  const writes: Write[] = []
  const id = next?.id ?? prev?.id
  if (id === undefined || prev === next) return writes
  writes.push({
    key: coreKey(id),
    value: next === undefined ? null : encodeRecord(CHANNEL_VERSION, coreOf(next)),
  })
  for (const role of ROLES) updateWrites(writes, id, role, prev, next)
  const kept = (channel: Channel | undefined): readonly RemoteCommitment[] =>
    channel === undefined ? [] : [channel.remoteTail, ...channel.remotePending]
  const [before, after] = [kept(prev), kept(next)]
  for (const { number } of before) {
    if (!after.some((c) => c.number === number)) writes.push({ key: signedKey(id, number), value: null })
  }
  for (const commitment of after) {
    if (before.includes(commitment)) continue
    const value = { ...commitment, htlcSignatures: joined(commitment.htlcSignatures) }
    writes.push({ key: signedKey(id, commitment.number), value: encodeRecord(SIGNED_VERSION, value) })
  }
  outboxWrites(writes, id, prev?.outbox ?? [], next?.outbox ?? [])
  return writes
}

/** What is stored under one index of a side's updates: an entry of its log, or below the log the add of an HTLC that lives. */
interface StoredUpdate {
  readonly index: number
  readonly value: Update | Htlc
}

function storedUpdates(channel: Channel | undefined, role: Role): readonly StoredUpdate[] {
  const found: StoredUpdate[] = []
  if (channel === undefined) return found
  for (const htlc of channel.base.htlcs) {
    if (htlc.offerer === role && htlc.index !== undefined) found.push({ index: htlc.index, value: htlc })
  }
  const { start, entries } = channel.logs[role]
  for (let i = 0; i < entries.length; i++) found.push({ index: start + i, value: entries[i] as Update })
  return found
}

/** Whether the record of `before` says what that of `after` has to: the same entry, or the add that `after` came from. */
const isSame = (before: Update | Htlc, after: Update | Htlc): boolean =>
  before === after ||
  (!('type' in after) && 'paymentHash' in before && before.paymentHash === after.paymentHash)

/** The updates of one side. Both lists rise by index: one walk over both finds what came, what went and what changed. */
function updateWrites(
  writes: Write[],
  id: string,
  role: Role,
  prev: Channel | undefined,
  next: Channel | undefined,
): void {
  if (prev?.logs[role] === next?.logs[role] && prev?.base.htlcs === next?.base.htlcs) return
  const before = storedUpdates(prev, role)
  let at = 0
  const drop = (below: number): void => {
    for (; (before[at]?.index ?? Number.POSITIVE_INFINITY) < below; at++)
      writes.push({ key: logKey(id, role, (before[at] as StoredUpdate).index), value: null })
  }
  for (const { index, value } of storedUpdates(next, role)) {
    drop(index)
    const old = before[at]
    if (old?.index === index) {
      at += 1
      if (isSame(old.value, value)) continue
    }
    // Written whole, without a store that has seen it grow, an HTLC has no onion any more; nobody needs it.
    const entry = 'type' in value ? value : { type: 'add', ...value }
    writes.push({ key: logKey(id, role, index), value: encodeRecord(UPDATE_VERSION, entry) })
  }
  drop(Number.POSITIVE_INFINITY)
}

function outboxWrites(
  writes: Write[],
  id: string,
  before: readonly Proposal[],
  after: readonly Proposal[],
): void {
  if (before === after) return
  const [was, is] = [outboxStart(before), outboxStart(after)]
  for (let n = was; n < was + before.length; n++) {
    if (n < is || n >= is + after.length) writes.push({ key: outboxKey(id, n), value: null })
  }
  after.forEach((proposal, i) => {
    const n = is + i
    if (n < was || before[n - was] !== proposal)
      writes.push({ key: outboxKey(id, n), value: encodeRecord(OUTBOX_VERSION, proposal) })
  })
}

interface StoredLog {
  readonly start: number
  readonly count: number
  readonly nextHtlcId: bigint
}
interface StoredLogs {
  readonly logs: { readonly opener: StoredLog; readonly accepter: StoredLog }
}
/** Version 1. */
type WholeCore = Omit<Channel, 'link' | 'logs'> & StoredLogs
type StoredCore = ReturnType<typeof coreOf>

/** The channels that records hold. An error names the record that is missing or of a later version: nothing is guessed. */
export function loadChannels(
  records: ReadonlyMap<string, Uint8Array>,
): Result<Readonly<Record<string, Channel>>> {
  const channels: Record<string, Channel> = {}
  /** Indexes of updates, by channel and side. */
  const updates = new Map<string, number[]>()
  for (const key of records.keys()) {
    const [kind, id, side, index] = key.split('/')
    if (kind !== 'log') continue
    const name = `${id}/${side}`
    const found = updates.get(name)
    if (found === undefined) updates.set(name, [Number(index)])
    else found.push(Number(index))
  }
  for (const [key, bytes] of records) {
    if (!key.startsWith('channel/')) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    const { version, value } = decoded.value
    if (version !== 1 && version !== CHANNEL_VERSION) return err(`${key}: version ${version}`)
    const core = value as StoredLogs & { readonly id: string }
    const logs = { opener: readLog(records, core, 'opener'), accepter: readLog(records, core, 'accepter') }
    if (!logs.opener.ok) return logs.opener
    if (!logs.accepter.ok) return logs.accepter
    const read = {
      logs: { opener: logs.opener.value, accepter: logs.accepter.value },
      link: 'offline',
    } as const
    if (version === 1) {
      channels[core.id] = { ...(value as WholeCore), ...read }
      continue
    }
    const rest = readRest(records, value as StoredCore, updates)
    if (!rest.ok) return rest
    channels[core.id] = { ...rest.value, ...read }
  }
  return ok(channels)
}

/** One record of a version that we know. */
function readOne(records: ReadonlyMap<string, Uint8Array>, key: string, version: number): Result<unknown> {
  const stored = records.get(key)
  const decoded = stored === undefined ? err('missing') : decodeRecord(stored)
  if (!decoded.ok) return err(`${key}: ${decoded.error}`)
  return decoded.value.version === version
    ? ok(decoded.value.value)
    : err(`${key}: version ${decoded.value.version}`)
}

function readLog(
  records: ReadonlyMap<string, Uint8Array>,
  core: StoredLogs & { readonly id: string },
  role: Role,
): Result<Channel['logs']['opener']> {
  const { start, count, nextHtlcId } = core.logs[role]
  const entries: Update[] = []
  for (let index = start; index < start + count; index++) {
    const entry = readOne(records, logKey(core.id, role, index), UPDATE_VERSION)
    if (!entry.ok) return entry
    entries.push(entry.value as Update)
  }
  return ok({ start, entries, nextHtlcId })
}

/** All but the logs. */
function readRest(
  records: ReadonlyMap<string, Uint8Array>,
  core: StoredCore,
  updates: ReadonlyMap<string, readonly number[]>,
): Result<Omit<Channel, 'logs' | 'link'>> {
  const { base, outbox, signed, remotePoints, remoteSecrets, journal, localTip, logs, ...rest } = core
  const { opener, accepter, htlcs: inline = [], ...sums } = base
  const htlcs: Htlc[] = []
  for (const role of ROLES) {
    const mine = updates.get(`${core.id}/${role === 'opener' ? 'o' : 'a'}`) ?? []
    const below = mine.filter((index) => index < logs[role].start).sort((a, b) => a - b)
    if (below.length !== (role === 'opener' ? opener : accepter))
      return err(`channel/${core.id}: ${below.length} HTLCs`)
    htlcs.push(...inline.filter((htlc) => htlc.offerer === role))
    for (const index of below) {
      const add = readOne(records, logKey(core.id, role, index), UPDATE_VERSION)
      if (!add.ok) return add
      const { id, amountMsat, paymentHash, cltvExpiry, token } = add.value as Htlc
      const named = token === undefined ? {} : { token }
      htlcs.push({ offerer: role, id, amountMsat, paymentHash, cltvExpiry, index, ...named })
    }
  }
  const commitments: RemoteCommitment[] = []
  for (let number = signed.tail; number <= signed.tail + signed.pending; number++) {
    const record = readOne(records, signedKey(core.id, number), SIGNED_VERSION)
    if (!record.ok) return record
    const commitment = record.value as Omit<RemoteCommitment, 'htlcSignatures'> & {
      htlcSignatures: Uint8Array
    }
    commitments.push({ ...commitment, htlcSignatures: split(commitment.htlcSignatures, SIGNATURE_LENGTH) })
  }
  const [remoteTail, ...remotePending] = commitments
  if (remoteTail === undefined) return err(`channel/${core.id}: no remote commitment`)
  const waiting: Proposal[] = []
  for (let n = outbox.start; n < outbox.start + outbox.count; n++) {
    const proposal = readOne(records, outboxKey(core.id, n), OUTBOX_VERSION)
    if (!proposal.ok) return proposal
    waiting.push(proposal.value as Proposal)
  }
  const secrets = readSecrets(remoteSecrets)
  if (!secrets.ok) return err(`channel/${core.id}: ${secrets.error}`)
  return ok({
    ...rest,
    base: { ...sums, htlcs },
    outbox: withOutboxStart(waiting, outbox.start),
    localTip: { ...localTip, htlcSignatures: split(localTip.htlcSignatures, SIGNATURE_LENGTH) },
    remoteTail,
    remotePending,
    remotePoints: split(remotePoints, POINT_LENGTH),
    remoteSecrets: secrets.value,
    journal: readJournal(journal),
  })
}
