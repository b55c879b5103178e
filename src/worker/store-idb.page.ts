import { openDB } from 'idb'
import type { ApiError } from '../contract/errors.ts'
import type { Store } from '../engine/node/ports.ts'
import { STORE_CONTRACT } from '../testing/store-contract.ts'
import { openIdbStore } from './store-idb.ts'

/** Runs in a page of a real browser, for store-idb.interop.test.ts: that one bundles this file and calls what it exports. */

let names = 0

const open = (name: string, lost: ApiError[] = []) => openIdbStore(name, { onLost: (e) => lost.push(e) })

async function failure(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (e) {
    const { code, data } = e as ApiError
    return `${code} ${String(data?.reason)}`
  }
}

/** Runs one case of the contract; rejects when it fails. */
export async function runCase(index: number): Promise<void> {
  const name = `contract-${names++}`
  // A tab that crashes leaves its connection behind for a while: so do these.
  await STORE_CONTRACT[index]?.run({ open: () => open(name), crash: () => Promise.resolve() })
}

export async function newerSchema(): Promise<string> {
  const db = await openDB('newer', 1_000_000)
  db.close()
  return failure(open('newer'))
}

/** A later version wants to change the layout while the store is open. */
export async function takenOver(): Promise<string[]> {
  const lost: ApiError[] = []
  const store = await open('taken', lost)
  await store.commit([{ key: 'a', value: Uint8Array.of(1) }])
  const db = await openDB('taken', 1_000_000)
  const values: unknown = await db.get('records', 'a')
  const out = [
    await failure(store.commit([{ key: 'a', value: Uint8Array.of(2) }])),
    lost.map((e) => String(e.data.reason)).join(),
    String(values instanceof Uint8Array && values[0]),
  ]
  db.close()
  return out
}

/** With the origin's allowance made small by the test: the commit fails by name and changes nothing. */
export async function full(): Promise<string[]> {
  const store = await open('full')
  await store.commit([{ key: 'small', value: Uint8Array.of(1) }])
  const noise = new Uint8Array(8_000_000)
  for (let at = 0; at < noise.length; at += 65_536) crypto.getRandomValues(noise.subarray(at, at + 65_536))
  const writes = [
    { key: 'small', value: Uint8Array.of(2) },
    { key: 'large', value: noise },
  ]
  const said = await failure(store.commit(writes))
  const records = await store.load()
  await store.close()
  return [said, [...records.keys()].join(), String(records.get('small')?.[0])]
}

const kept: { store: Store | undefined; lost: ApiError[] } = { store: undefined, lost: [] }

export async function keepOpen(): Promise<void> {
  kept.store = await open('kept', kept.lost)
  await kept.store.commit([{ key: 'a', value: Uint8Array.of(1) }])
}

/** After the browser has cleared the site's data under the open store. */
export async function afterClearing(): Promise<string[]> {
  for (let i = 0; i < 50 && kept.lost.length === 0; i++)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const said =
    kept.store === undefined ? '' : await failure(kept.store.commit([{ key: 'a', value: Uint8Array.of(2) }]))
  return [said, kept.lost.map((e) => String(e.data.reason)).join()]
}

/** Commits pairs for ever, saying so after each; the browser is killed meanwhile. */
export async function commitForEver(say: (n: number) => Promise<void>): Promise<void> {
  const store = await open('killed')
  // Never far ahead of what has been heard: the number is told by one byte.
  const heard: Promise<void>[] = []
  for (let i = 1; ; i++) {
    const value = new Uint8Array(2000).fill(i & 0xff)
    await store.commit([
      { key: 'a', value },
      { key: 'b', value },
    ])
    heard.push(say(i))
    if (heard.length > 50) await heard.shift()
  }
}

/** The first byte of both records of the last pair, and whether they are whole. */
export async function afterKill(): Promise<number[]> {
  const store = await open('killed')
  const records = await store.load()
  await store.close()
  return ['a', 'b'].flatMap((key) => {
    const value = records.get(key) ?? new Uint8Array(0)
    return [value[0] ?? -1, value.length, new Set(value).size]
  })
}
