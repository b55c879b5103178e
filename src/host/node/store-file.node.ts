import { ClassicLevel } from 'classic-level'
import type { Store } from '../../engine/node/ports.ts'
import { storeFailure } from '../store/failure.ts'

/** The layout of the folder; a later one is never written by this version (house law 8). */
const SCHEMA = 1

/** Records live under this prefix, what concerns the store itself under the other: no record key can collide. */
const RECORD = 'r/'
const SCHEMA_KEY = 'm/schema'

/**
 * A store in a folder, for peers without a browser: LevelDB, whose batches are atomic and, with `sync`, on disk (fsync of its
 * log) when they resolve; what a power cut tears off the log's end is dropped at the next opening. LevelDB locks the folder: a second
 * program that opens it gets `storageFailed` with reason `inUse`.
 */
export async function openFileStore(folder: string): Promise<Store> {
  const db = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await db.open()
  } catch (e) {
    throw failureOf(e, 'The wallet folder cannot be opened.')
  }
  try {
    const found = await db.get(SCHEMA_KEY)
    if (found === undefined) await db.put(SCHEMA_KEY, Uint8Array.of(SCHEMA), { sync: true })
    else if (found.length !== 1 || (found[0] ?? 0) > SCHEMA)
      throw storeFailure('newerSchema', 'A later version of this program wrote this wallet folder.')
  } catch (e) {
    await db.close()
    throw failureOf(e, 'The wallet folder cannot be read.')
  }
  /** LevelDB orders batches by when its worker threads take them up: one after another keeps the order of the calls. */
  let last: Promise<unknown> = Promise.resolve()
  let closing: Promise<void> | undefined

  return {
    async load(except) {
      const records = new Map<string, Uint8Array>()
      try {
        // Not slice(): on a Buffer, which is a Uint8Array here, it makes a view.
        for (const range of rangesBut(except))
          for await (const [key, value] of db.iterator(range))
            records.set(key.slice(RECORD.length), Uint8Array.from(value))
      } catch (e) {
        throw failureOf(e, 'The wallet folder cannot be read.')
      }
      return records
    },
    async read(key) {
      if (closing !== undefined) throw storeFailure('closed', 'This store is closed.')
      await last
      try {
        const value = await db.get(RECORD + key)
        return value === undefined ? undefined : Uint8Array.from(value)
      } catch (e) {
        throw failureOf(e, 'The wallet folder cannot be read.')
      }
    },
    commit(writes) {
      if (closing !== undefined) return Promise.reject(storeFailure('closed', 'This store is closed.'))
      const batch = writes.map(({ key, value }) =>
        value === null
          ? ({ type: 'del', key: RECORD + key } as const)
          : ({ type: 'put', key: RECORD + key, value: Uint8Array.from(value) } as const),
      )
      const done = last.then(() => db.batch(batch, { sync: true }))
      last = done.catch(() => {})
      return done.catch((e: unknown) => {
        throw failureOf(e, 'The wallet folder cannot be written.')
      })
    },
    close() {
      closing ??= last.then(() => db.close())
      return closing
    },
  }
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
