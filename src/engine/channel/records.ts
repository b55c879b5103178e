import { err, ok, type Result } from '../base/result.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import type { Channel, CourtRecord, Update } from './types.ts'

/**
 * A channel as records: one small core that is written whenever something changed, one record an update of a log (written once, its
 * onion in it, deleted when both tails hold it), and one a signed remote commitment (never changed, rule 11).
 */

export const CHANNEL_VERSION = 1
export const UPDATE_VERSION = 1
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

/** The writes that turn the records of `prev` into those of `next`. */
export function channelWrites(prev: Channel | undefined, next: Channel | undefined): readonly Write[] {
  const writes: Write[] = []
  const id = next?.id ?? prev?.id
  if (id === undefined || prev === next) return writes
  if (next === undefined) writes.push({ key: coreKey(id), value: null })
  else {
    const { link: _, logs, ...rest } = next
    const core = {
      ...rest,
      logs: {
        opener: {
          start: logs.opener.start,
          count: logs.opener.entries.length,
          nextHtlcId: logs.opener.nextHtlcId,
        },
        accepter: {
          start: logs.accepter.start,
          count: logs.accepter.entries.length,
          nextHtlcId: logs.accepter.nextHtlcId,
        },
      },
    }
    writes.push({ key: coreKey(id), value: encodeRecord(CHANNEL_VERSION, core) })
  }
  for (const role of ['opener', 'accepter'] as const) {
    const before = prev?.logs[role]
    const after = next?.logs[role]
    if (before === after) continue
    const start = before?.start ?? 0
    const entryAt = (log: typeof after, index: number): Update | undefined =>
      log === undefined || index < log.start ? undefined : log.entries[index - log.start]
    before?.entries.forEach((_, i) => {
      if (entryAt(after, start + i) === undefined)
        writes.push({ key: logKey(id, role, start + i), value: null })
    })
    after?.entries.forEach((entry, i) => {
      const index = after.start + i
      if (entryAt(before, index) !== entry) {
        writes.push({ key: logKey(id, role, index), value: encodeRecord(UPDATE_VERSION, entry) })
      }
    })
  }
  return writes
}

interface StoredLog {
  readonly start: number
  readonly count: number
  readonly nextHtlcId: bigint
}
type StoredCore = Omit<Channel, 'link' | 'logs'> & {
  readonly logs: { readonly opener: StoredLog; readonly accepter: StoredLog }
}

/** The channels that records hold. An error names the record that is missing or of a later version: nothing is guessed. */
export function loadChannels(
  records: ReadonlyMap<string, Uint8Array>,
): Result<Readonly<Record<string, Channel>>> {
  const channels: Record<string, Channel> = {}
  for (const [key, bytes] of records) {
    if (!key.startsWith('channel/')) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    if (decoded.value.version !== CHANNEL_VERSION) return err(`${key}: version ${decoded.value.version}`)
    const core = decoded.value.value as StoredCore
    const readLog = (role: 'opener' | 'accepter'): Result<Channel['logs']['opener']> => {
      const { start, count, nextHtlcId } = core.logs[role]
      const entries: Update[] = []
      for (let index = start; index < start + count; index++) {
        const name = logKey(core.id, role, index)
        const stored = records.get(name)
        const entry = stored === undefined ? err('missing') : decodeRecord(stored)
        if (!entry.ok) return err(`${name}: ${entry.error}`)
        if (entry.value.version !== UPDATE_VERSION) return err(`${name}: version ${entry.value.version}`)
        entries.push(entry.value.value as Update)
      }
      return ok({ start, entries, nextHtlcId })
    }
    const opener = readLog('opener')
    if (!opener.ok) return opener
    const accepter = readLog('accepter')
    if (!accepter.ok) return accepter
    channels[core.id] = { ...core, logs: { opener: opener.value, accepter: accepter.value }, link: 'offline' }
  }
  return ok(channels)
}
