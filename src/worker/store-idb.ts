import { type DBSchema, type IDBPDatabase, openDB } from 'idb'
import type { ApiError } from '../contract/errors.ts'
import type { Store } from '../engine/node/ports.ts'
import { storeFailure } from '../host/store/failure.ts'

/** The layout of the database; a later one is never written by this version (house law 8). */
const SCHEMA = 1

interface Layout extends DBSchema {
  records: { key: string; value: Uint8Array }
}

export interface IdbStoreOptions {
  /**
   * The database went away under an open store: site data was cleared, the browser gave it up, or a newer version of the app wants to
   * change it. Every later commit is refused; the node has to freeze.
   */
  readonly onLost: (failure: ApiError) => void
}

/**
 * A store in IndexedDB: one transaction a commit, with strict durability, so that a commit resolves only when the browser has
 * flushed it to disk (Chromium's default since 121 only hands it to the system). Rejects with `storageFailed`; `data.reason` says why.
 */
export async function openIdbStore(name: string, options: IdbStoreOptions): Promise<Store> {
  let db: IDBPDatabase<Layout> | undefined
  let ended: ApiError | undefined

  function lose(failure: ApiError): void {
    if (ended !== undefined) return
    ended = failure
    db?.close()
    options.onLost(failure)
  }

  db = await open(name, lose)
  /** Settles with the last commit: transactions on one object store run in the order of their creation. */
  let last: Promise<unknown> = Promise.resolve()

  return {
    async load(except) {
      if (ended !== undefined || db === undefined) throw ended
      try {
        const transaction = db.transaction('records', 'readonly')
        const parts = rangesBut(except).map(async (range) => {
          const [keys, values] = await Promise.all([
            transaction.store.getAllKeys(range),
            transaction.store.getAll(range),
          ])
          return keys.map((key, i) => [key, requireBytes(values[i])] as const)
        })
        const [found] = await Promise.all([Promise.all(parts), transaction.done])
        return new Map(found.flat())
      } catch (e) {
        throw ended ?? failureOf(e, 'The wallet cannot be read from the browser’s storage.')
      }
    },
    async read(key) {
      if (ended !== undefined || db === undefined) throw ended
      try {
        // A transaction of its own: it begins when the commits before it have ended.
        const value = await db.get('records', key)
        return value === undefined ? undefined : requireBytes(value)
      } catch (e) {
        throw ended ?? failureOf(e, 'The wallet cannot be read from the browser’s storage.')
      }
    },
    commit(writes) {
      if (ended !== undefined || db === undefined) return Promise.reject(ended as ApiError)
      if (writes.length === 0) return Promise.resolve()
      const done = (async (database) => {
        const transaction = database.transaction('records', 'readwrite', { durability: 'strict' })
        // What fails aborts the transaction, and `done` reports that; the single requests have nothing to add.
        const quiet = (request: Promise<unknown>) => void request.catch(() => {})
        try {
          for (const { key, value } of writes) {
            if (value === null) quiet(transaction.store.delete(key))
            // A copy of exactly these bytes: cloning a view would store the whole buffer behind it.
            else quiet(transaction.store.put(value.slice(), key))
          }
          transaction.commit()
        } catch (e) {
          quiet(transaction.done)
          transaction.abort()
          throw e
        }
        await transaction.done
      })(db)
      last = done.catch(() => {})
      return done.catch((e: unknown) => {
        throw ended ?? failureOf(e, 'The browser’s storage did not take the wallet’s changes.')
      })
    },
    async close() {
      ended ??= storeFailure('closed', 'This store is closed.')
      await last
      db?.close()
    },
  }
}

function open(name: string, lose: (failure: ApiError) => void): Promise<IDBPDatabase<Layout>> {
  return new Promise((resolve, reject) => {
    let refused = false
    openDB<Layout>(name, SCHEMA, {
      upgrade(database, oldVersion) {
        if (oldVersion < 1) database.createObjectStore('records')
      },
      /** An older version of the app, in another tab, holds the database and does not let go. */
      blocked() {
        refused = true
        reject(
          storeFailure('inUse', 'Another tab with an older version of the app holds the wallet. Close it.'),
        )
      },
      /** A newer version of the app wants to change the layout, or the database is being deleted: we are the old tab. */
      blocking() {
        lose(storeFailure('lost', 'A newer version of the app has taken over. Reload this tab.'))
      },
      /** The browser closed it: site data cleared, or its storage failed. */
      terminated() {
        lose(storeFailure('lost', 'The browser took the wallet’s storage away.'))
      },
    }).then(
      (database) => {
        if (refused) database.close()
        else resolve(database)
      },
      (e: unknown) => reject(failureOf(e, 'The browser does not give the wallet any storage.')),
    )
  })
}

/** The keys of all records but those that begin with `except`. */
function rangesBut(except: string | undefined): readonly (IDBKeyRange | undefined)[] {
  if (except === undefined) return [undefined]
  const beyond = except.slice(0, -1) + String.fromCharCode(except.charCodeAt(except.length - 1) + 1)
  return [IDBKeyRange.upperBound(except, true), IDBKeyRange.lowerBound(beyond)]
}

function requireBytes(value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  throw storeFailure('io', 'The wallet’s storage holds something else than records.')
}

function failureOf(error: unknown, message: string): Error {
  if (!(error instanceof Error)) return storeFailure('io', message)
  switch (error.name) {
    case 'ApiError':
      return error
    case 'VersionError':
      return storeFailure('newerSchema', 'A newer version of the app wrote this wallet. Reload to get it.')
    case 'QuotaExceededError':
      return storeFailure('quota', 'The disk, or what the browser allows this page of it, is full.')
    default:
      return storeFailure('io', `${message} (${error.name})`)
  }
}
