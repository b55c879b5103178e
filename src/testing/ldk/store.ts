import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  IOError,
  KVStore,
  type KVStoreInterface,
  Result_CVec_StrZIOErrorZ,
  Result_CVec_u8ZIOErrorZ,
  Result_NoneIOErrorZ,
} from 'lightningdevkit'

/** Bytes under a name; what LDK's store is made of, and what the node keeps beside it. */
export interface ByteStore {
  read(path: readonly string[]): Uint8Array | undefined
  write(path: readonly string[], bytes: Uint8Array): void
  remove(path: readonly string[]): void
  /** Names directly under a path. */
  list(path: readonly string[]): string[]
}

/** A store that forgets. */
export function memoryStore(): ByteStore {
  const entries = new Map<string, Uint8Array>()
  const key = (path: readonly string[]): string => path.join('/')
  return {
    read: (path) => entries.get(key(path)),
    write: (path, bytes) => void entries.set(key(path), bytes),
    remove: (path) => void entries.delete(key(path)),
    list: (path) => {
      const prefix = `${key(path)}/`
      return [...entries.keys()]
        .filter((name) => name.startsWith(prefix) && !name.slice(prefix.length).includes('/'))
        .map((name) => name.slice(prefix.length))
    },
  }
}

/** One file an entry, replaced by renaming, so that a crash leaves the old or the new one. */
export function fileStore(folder: string): ByteStore {
  // An empty namespace must not vanish from the path: a key could then look like a namespace.
  const part = (name: string): string => (name === '' ? '_' : encodeURIComponent(name))
  const file = (path: readonly string[]): string => join(folder, ...path.map(part))
  return {
    read: (path) => {
      try {
        return Uint8Array.from(readFileSync(file(path)))
      } catch {
        return undefined
      }
    },
    write: (path, bytes) => {
      mkdirSync(file(path.slice(0, -1)), { recursive: true })
      writeFileSync(`${file(path)}~`, bytes)
      renameSync(`${file(path)}~`, file(path))
    },
    remove: (path) => rmSync(file(path), { force: true }),
    list: (path) => {
      try {
        return readdirSync(file(path), { withFileTypes: true })
          .filter((entry) => entry.isFile() && !entry.name.endsWith('~'))
          .map((entry) => decodeURIComponent(entry.name))
      } catch {
        return []
      }
    },
  }
}

/** LDK's face of a store. The caller keeps the returned object alive: LDK holds it weakly. */
export function kvStore(store: ByteStore): KVStore {
  const face: KVStoreInterface = {
    read: (first, second, key) => {
      const bytes = store.read([first, second, key])
      return bytes
        ? Result_CVec_u8ZIOErrorZ.constructor_ok(bytes)
        : Result_CVec_u8ZIOErrorZ.constructor_err(IOError.LDKIOError_NotFound)
    },
    write: (first, second, key, bytes) => {
      try {
        store.write([first, second, key], bytes)
        return Result_NoneIOErrorZ.constructor_ok()
      } catch {
        return Result_NoneIOErrorZ.constructor_err(IOError.LDKIOError_Other)
      }
    },
    remove: (first, second, key) => {
      store.remove([first, second, key])
      return Result_NoneIOErrorZ.constructor_ok()
    },
    list: (first, second) => Result_CVec_StrZIOErrorZ.constructor_ok(store.list([first, second])),
  }
  return KVStore.new_impl(face)
}
