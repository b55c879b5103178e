import type { RecordWrite } from '../engine/node/ports.ts'
import { decodeRecord, encodeRecord } from '../engine/records/codec.ts'
import type { Graph } from '../engine/router/graph.ts'
import { dirtyKeys, takeWrites } from '../engine/router/graph-records.ts'

/**
 * What of the graph is written when. Chunks change all the time, some by some: a round takes what was changed when it began, a few chunks a
 * write, and with the last of them writes where the sync stood at its beginning. So everything is written in its turn, and a restart never
 * skips what was not, although hardly a moment sees all of it written.
 */

const SYNC_KEY = 'graph/sync'
/** 1: the block alone. */
const SYNC_VERSION = 2

/** Where a sync stands: the first block not asked for, and when its pass over all blocks began (ms since 1970). */
export interface SyncPlace {
  readonly nextBlock: number
  readonly passAt: number | undefined
}

export interface GraphWriter {
  /** Records of up to so many chunks; a few more where some only make sense together. */
  take(chunks: number): RecordWrite[]
}

/**
 * @param place where the sync stands now
 * @param beside records that are true once all that was changed until now is written: taken at the beginning of a round
 */
export function createGraphWriter(
  graph: Graph,
  stored: SyncPlace,
  place: () => SyncPlace,
  beside: () => readonly RecordWrite[],
): GraphWriter {
  let written = stored
  let round: { left: Set<string>; place: SyncPlace; beside: readonly RecordWrite[] } | undefined
  return {
    take(chunks) {
      round ??= { left: dirtyKeys(graph), place: place(), beside: beside() }
      const writes: RecordWrite[] = takeWrites(graph, chunks, round.left).map(({ key, value }) => ({
        key,
        value: value ?? null,
      }))
      for (const { key } of writes) round.left.delete(key)
      if (round.left.size > 0) return writes
      writes.push(...round.beside)
      const at = round.place
      round = undefined
      if (at.nextBlock !== written.nextBlock || at.passAt !== written.passAt) {
        written = at
        writes.push({ key: SYNC_KEY, value: encodeRecord(SYNC_VERSION, { ...at }) })
      }
      return writes
    },
  }
}

/** Where an earlier run stood. What cannot be read is the beginning. */
export function storedPlace(records: ReadonlyMap<string, Uint8Array>): SyncPlace {
  const none = { nextBlock: 0, passAt: undefined }
  const bytes = records.get(SYNC_KEY)
  const decoded = bytes === undefined ? undefined : decodeRecord(bytes)
  if (decoded?.ok !== true) return none
  const { value } = decoded.value
  // Version 1 knew no time: it goes on, and begins again when it is through.
  if (typeof value === 'number') return { nextBlock: value, passAt: undefined }
  if (typeof value !== 'object' || value === null) return none
  const { nextBlock, passAt } = value as Readonly<Record<string, unknown>>
  const block = Number.isSafeInteger(nextBlock) && Number(nextBlock) >= 0 ? Number(nextBlock) : 0
  return { nextBlock: block, passAt: typeof passAt === 'number' ? passAt : undefined }
}
