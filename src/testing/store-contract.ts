import type { RecordWrite, Store } from '../engine/node/ports.ts'

/**
 * What every store must do (house law 10). Plain functions without a test runner, so that the same list runs in vitest and in a
 * page of a real browser. A case that throws has failed.
 */

export interface StoreHarness {
  /** Opens the store of this case: the same one each time, empty at first. */
  open(): Promise<Store>
  /** Ends an open store as a crash would: without `close`, dropping what was not on disk. */
  crash(store: Store): Promise<void>
}

export interface StoreCase {
  readonly name: string
  readonly run: (harness: StoreHarness) => Promise<void>
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
const put = (key: string, ...values: number[]): RecordWrite => ({ key, value: bytes(...values) })
const remove = (key: string): RecordWrite => ({ key, value: null })

function show(records: ReadonlyMap<string, Uint8Array>): string {
  const lines = [...records].map(([key, value]) => `${key}=${[...value].join(',')}`)
  return lines.sort().join(' ')
}

function requireEqual(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: expected ${String(expected)}, got ${String(actual)}`)
}

async function requireRecords(store: Store, expected: string, what: string): Promise<void> {
  requireEqual(show(await store.load()), expected, what)
}

async function requireRejection(promise: Promise<unknown>, what: string): Promise<void> {
  const outcome = await promise.then(
    () => 'resolved',
    () => 'rejected',
  )
  requireEqual(outcome, 'rejected', what)
}

/** Closes, opens again and checks. */
async function requireKept(
  harness: StoreHarness,
  store: Store,
  expected: string,
  what: string,
): Promise<void> {
  await requireRecords(store, expected, `${what}, at once`)
  await store.close()
  const again = await harness.open()
  await requireRecords(again, expected, `${what}, after a reload`)
  await again.close()
}

export const STORE_CONTRACT: readonly StoreCase[] = [
  {
    name: 'a new store is empty',
    async run(harness) {
      await requireKept(harness, await harness.open(), '', 'nothing')
    },
  },
  {
    name: 'what was committed is there after a reload',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1), put('b/c', 2, 3), put('empty')])
      await store.commit([put('d', 4)])
      await requireKept(harness, store, 'a=1 b/c=2,3 d=4 empty=', 'records')
    },
  },
  {
    name: 'single records are read as the commits before left them, and loading leaves out what it is asked to',
    async run(harness) {
      const store = await harness.open()
      await store.commit([
        put('a', 1),
        put('court/x/1', 2),
        put('court/x/2', 3),
        put('courtesy', 4),
        put('z', 5),
      ])
      requireEqual(String(await store.read('court/x/2')), '3', 'a record')
      requireEqual(await store.read('court/x'), undefined, 'a prefix')
      const pending = store.commit([put('court/x/2', 9), remove('court/x/1')])
      requireEqual(String(await store.read('court/x/2')), '9', 'a record that was being written')
      requireEqual(await store.read('court/x/1'), undefined, 'a record that was being deleted')
      await pending
      requireEqual(show(await store.load('court/')), 'a=1 courtesy=4 z=5', 'all but')
      await requireKept(harness, store, 'a=1 court/x/2=9 courtesy=4 z=5', 'all')
    },
  },
  {
    name: 'a record is replaced and deleted; deleting what is not there is nothing',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1), put('b', 2)])
      await store.commit([put('a', 9), remove('b'), remove('never')])
      await requireKept(harness, store, 'a=9', 'records')
    },
  },
  {
    name: 'within a batch the last write to a key counts',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1), put('a', 2), remove('b'), put('b', 3), put('c', 4), remove('c')])
      await requireKept(harness, store, 'a=2 b=3', 'records')
    },
  },
  {
    name: 'an empty batch is fine',
    async run(harness) {
      const store = await harness.open()
      await store.commit([])
      await requireKept(harness, store, '', 'nothing')
    },
  },
  {
    name: 'commits that overlap are applied in the order of their calls',
    async run(harness) {
      const store = await harness.open()
      const all: Promise<void>[] = []
      for (let i = 0; i < 20; i++) all.push(store.commit([put('last', i), put(`k${i % 3}`, i)]))
      await Promise.all(all)
      await requireKept(harness, store, 'k0=18 k1=19 k2=17 last=19', 'records')
    },
  },
  {
    name: 'what the caller does with its bytes later changes nothing',
    async run(harness) {
      const store = await harness.open()
      const whole = bytes(7, 1, 2, 7)
      const batch = [{ key: 'a', value: whole.subarray(1, 3) }]
      const pending = store.commit(batch)
      whole.fill(0)
      batch.length = 0
      await pending
      const loaded = await store.load()
      loaded.get('a')?.fill(5)
      await requireKept(harness, store, 'a=1,2', 'records')
    },
  },
  {
    name: 'keys of any text are kept apart',
    async run(harness) {
      const store = await harness.open()
      const keys = ['a', 'A', 'a/', 'a/b', '!', '!schema', 'é', 'e\u0301', '\u{1f600}', 'x'.repeat(500), ' ']
      await store.commit(keys.map((key, i) => put(key, i)))
      const expected = keys.map((key, i) => `${key}=${i}`).sort()
      await requireKept(harness, store, expected.join(' '), 'keys')
    },
  },
  {
    name: 'large records and many records',
    async run(harness) {
      const store = await harness.open()
      const large = new Uint8Array(3_000_000)
      for (let i = 0; i < large.length; i++) large[i] = (i * 31) & 0xff
      const many = Array.from({ length: 2_000 }, (_, i) => put(`many/${i}`, i & 0xff, i >> 8))
      await store.commit([{ key: 'large', value: large }, ...many])
      await store.close()
      const again = await harness.open()
      const records = await again.load()
      requireEqual(records.size, 2_001, 'records')
      const back = records.get('large')
      requireEqual(back?.length, large.length, 'length of the large one')
      requireEqual(
        back?.every((b, i) => b === large[i]),
        true,
        'its bytes',
      )
      requireEqual(records.get('many/1999')?.join(), '207,7', 'the last of the many')
      await again.close()
    },
  },
  {
    name: 'what was committed survives a crash',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1), put('b', 1)])
      await store.commit([put('a', 2), remove('b'), put('c', 3)])
      await harness.crash(store)
      const again = await harness.open()
      await requireRecords(again, 'a=2 c=3', 'after the crash')
      await again.commit([put('d', 4)])
      await requireKept(harness, again, 'a=2 c=3 d=4', 'after going on')
    },
  },
  {
    name: 'a batch that a crash cuts off is there whole or not at all',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1), put('b', 1)])
      // Never awaited: the crash comes while it is under way.
      store.commit([put('a', 2), put('b', 2), put('c', 2)]).catch(() => {})
      await harness.crash(store)
      const again = await harness.open()
      const found = show(await again.load())
      if (found !== 'a=1 b=1' && found !== 'a=2 b=2 c=2') throw new Error(`torn batch: ${found}`)
      await again.close()
    },
  },
  {
    name: 'a closed store takes nothing and says so',
    async run(harness) {
      const store = await harness.open()
      await store.commit([put('a', 1)])
      await store.close()
      await requireRejection(store.commit([put('a', 2)]), 'a commit after close')
      const again = await harness.open()
      await requireRecords(again, 'a=1', 'the record')
      await again.close()
    },
  },
  {
    name: 'closing twice is fine',
    async run(harness) {
      const store = await harness.open()
      await store.close()
      await store.close()
    },
  },
]
