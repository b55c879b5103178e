import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { RecordWrite, Store } from '../../engine/node/ports.ts'
import { storeFailure } from '../store/failure.ts'
import {
  beginFile,
  deleteFiles,
  encodeFrame,
  flushFolder,
  type JournalFile,
  recordsOf,
  readJournal,
} from './journal.node.ts'

/** The layout of the folder; a later one is never written by this version (house law 8). 2: with a journal. */
const SCHEMA = 2

/** Records live under this prefix, what concerns the store itself under the other: no record key can collide. */
const RECORD = 'r/'
const SCHEMA_KEY = 'm/schema'
/** Number of the last frame of the journal that the database holds. */
const SPILLED_KEY = 'm/journal'

/** Bytes of journal after which it is spilled into the database. */
const SPILL_BYTES = 4 * 1024 * 1024

type Database = ClassicLevel<string, Uint8Array>

/** What commits have written and the database does not hold yet. */
interface Recent {
  readonly values: Map<string, Uint8Array | null>
  bytes: number
}

const nothingRecent = (): Recent => ({ values: new Map(), bytes: 0 })

/**
 * A store in a folder, for peers without a browser. A commit is one frame of a journal, on disk (fdatasync) when it resolves; commits
 * that wait for the one before become one frame. Every few megabytes the journal is spilled into a LevelDB, where most of what was
 * written has been replaced by then, and begins anew. At an opening the journal is read back: what a crash tore off its end is dropped,
 * anything else that does not check is an error. LevelDB locks the folder: a second program that opens it gets `storageFailed` with
 * reason `inUse`.
 */
export async function openFileStore(folder: string): Promise<Store> {
  const db: Database = new ClassicLevel(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await db.open()
  } catch (e) {
    throw failureOf(e, 'The wallet folder cannot be opened.')
  }
  try {
    return await openJournaled(db, folder)
  } catch (e) {
    await db.close()
    throw failureOf(e, 'The wallet folder cannot be read.')
  }
}

async function openJournaled(db: Database, folder: string): Promise<Store> {
  const found = await db.get(SCHEMA_KEY)
  if (found !== undefined && (found.length !== 1 || (found[0] ?? 0) > SCHEMA))
    throw storeFailure('newerSchema', 'A later version of this program wrote this wallet folder.')
  // Before the journal holds anything: a version that knows of none must not open the folder any more.
  if (found?.[0] !== SCHEMA) await db.put(SCHEMA_KEY, Uint8Array.of(SCHEMA), { sync: true })
  const journal = join(folder, 'journal')
  await mkdir(journal, { recursive: true })
  flushFolder(folder)
  let number = await replay(db, journal)

  let recent = nothingRecent()
  /** On its way into the database. */
  let spilling: Recent | undefined
  let spilled: Promise<void> = Promise.resolve()
  let file: JournalFile | undefined
  let waiting: { readonly writes: readonly RecordWrite[]; resolve(): void; reject(e: unknown): void }[] = []
  let writing: Promise<void> | undefined
  /** Why nothing is written any more: after a failure nobody knows what the disk holds. */
  let broken: unknown
  let closing: Promise<void> | undefined

  /** Writes what waits, all of it in one frame, until nothing does. */
  async function writeWaiting(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting
      waiting = []
      try {
        if (broken !== undefined) throw broken
        await writeFrame(batch.map(({ writes }) => writes))
        for (const commit of batch) commit.resolve()
      } catch (e) {
        broken ??= e
        for (const commit of batch) commit.reject(failureOf(e, 'The wallet folder cannot be written.'))
      }
    }
    writing = undefined
  }

  async function writeFrame(batches: readonly (readonly RecordWrite[])[]): Promise<void> {
    const frame = encodeFrame(number + 1, batches)
    file ??= await beginFile(journal, number + 1)
    await file.append(frame)
    number += 1
    recent.bytes += frame.length
    // The frame's own copies: what callers do with their bytes concerns nobody.
    for (const { key, value } of recordsOf(frame)) recent.values.set(key, value)
    if (recent.bytes >= SPILL_BYTES) await spill()
  }

  /** Begins to bring what is recent into the database; waits for the spill before. */
  async function spill(): Promise<void> {
    await spilled
    if (broken !== undefined) throw broken
    await file?.close()
    file = undefined
    spilling = recent
    recent = nothingRecent()
    const through = number
    const { values } = spilling
    spilled = put(db, values, through)
      .then(() => {
        spilling = undefined
        return deleteFiles(journal, through)
      })
      .catch((e: unknown) => {
        broken ??= e
      })
  }

  const lookUp = (key: string): Uint8Array | null | undefined => {
    const value = recent.values.get(key)
    return value === undefined ? spilling?.values.get(key) : value
  }

  return {
    async load(except) {
      await writing
      const records = new Map<string, Uint8Array>()
      // Before the database is read: what is spilled meanwhile must not be missed.
      const over = [...(spilling?.values ?? []), ...recent.values]
      try {
        // Not slice(): on a Buffer, which is a Uint8Array here, it makes a view.
        for (const range of rangesBut(except))
          for await (const [key, value] of db.iterator(range))
            records.set(key.slice(RECORD.length), Uint8Array.from(value))
      } catch (e) {
        throw failureOf(e, 'The wallet folder cannot be read.')
      }
      for (const [key, value] of over) {
        if (value === null) records.delete(key)
        else if (except === undefined || !key.startsWith(except)) records.set(key, Uint8Array.from(value))
      }
      return records
    },
    async read(key) {
      if (closing !== undefined) throw storeFailure('closed', 'This store is closed.')
      await writing
      const value = lookUp(key)
      if (value !== undefined) return value === null ? undefined : Uint8Array.from(value)
      try {
        const stored = await db.get(RECORD + key)
        return stored === undefined ? undefined : Uint8Array.from(stored)
      } catch (e) {
        throw failureOf(e, 'The wallet folder cannot be read.')
      }
    },
    commit(writes) {
      if (closing !== undefined) return Promise.reject(storeFailure('closed', 'This store is closed.'))
      if (writes.length === 0) return writing ?? Promise.resolve()
      return new Promise((resolve, reject) => {
        const own =
          writing === undefined
            ? writes
            : writes.map(({ key, value }) => ({ key, value: value && Uint8Array.from(value) }))
        waiting.push({ writes: own, resolve, reject })
        writing ??= writeWaiting()
      })
    },
    close() {
      closing ??= (async () => {
        await writing
        try {
          if (broken === undefined && recent.values.size > 0) await spill()
          await spilled
          await file?.close()
          if (broken === undefined) await deleteFiles(journal, Number.POSITIVE_INFINITY)
        } finally {
          await db.close()
        }
      })()
      return closing
    },
  }
}

/** Brings the journal of the last run into the database and deletes it; the number of its last frame. */
async function replay(db: Database, journal: string): Promise<number> {
  const stored = await db.get(SPILLED_KEY)
  const after = stored === undefined ? 0 : Number(Buffer.from(stored).readBigUInt64LE())
  const frames = readJournal(journal, after)
  const last = frames.at(-1)?.number ?? after
  const values = new Map<string, Uint8Array | null>()
  for (const { writes } of frames) for (const { key, value } of writes) values.set(key, value)
  if (frames.length > 0) await put(db, values, last)
  // All of it, a torn end included, before another file begins.
  await deleteFiles(journal, Number.POSITIVE_INFINITY)
  flushFolder(journal)
  return last
}

/** Writes records and that all frames up to `through` are in them, at once and durably. */
async function put(
  db: Database,
  values: ReadonlyMap<string, Uint8Array | null>,
  through: number,
): Promise<void> {
  const mark = Buffer.alloc(8)
  mark.writeBigUInt64LE(BigInt(through))
  const batch = db.batch()
  for (const [key, value] of values) {
    if (value === null) batch.del(RECORD + key)
    else batch.put(RECORD + key, value)
  }
  await batch.put(SPILLED_KEY, mark).write({ sync: true })
}

/** The keys of all records but those that begin with `except`. */
function rangesBut(except: string | undefined): readonly { gte: string; lt: string }[] {
  if (except === undefined) return [{ gte: RECORD, lt: 'r0' }]
  return [
    { gte: RECORD, lt: RECORD + except },
    { gte: after(RECORD + except), lt: 'r0' },
  ]
}

/** The first key beyond those that begin with an ASCII prefix. */
const after = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)

/** LevelDB's errors carry a code, often in the cause. */
function failureOf(error: unknown, message: string): Error {
  if (error instanceof Error && error.name === 'ApiError') return error
  const texts: string[] = []
  for (let e = error; e instanceof Error && texts.length < 5; e = e.cause)
    texts.push((e as Error & { readonly code?: string }).code ?? '', e.message)
  const all = texts.join(' ')
  if (all.includes('LEVEL_LOCKED')) return storeFailure('inUse', 'Another program uses this wallet folder.')
  if (/ENOSPC|No space left|quota/i.test(all)) return storeFailure('quota', 'The disk is full.')
  return storeFailure('io', message)
}
