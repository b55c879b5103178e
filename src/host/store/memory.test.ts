import { describe, expect, test } from 'vitest'
import { STORE_CONTRACT } from '../../testing/store-contract.ts'
import { createMemoryDisk } from './memory.ts'

describe('memory store', () => {
  test.each(STORE_CONTRACT)('$name', async ({ run }) => {
    const disk = createMemoryDisk()
    await run({
      open: () => disk.open(),
      crash: () => {
        disk.crash()
        return Promise.resolve()
      },
    })
  })

  test('the nth commit fails, leaves the records as they were, and the next one succeeds', async () => {
    const disk = createMemoryDisk()
    const store = await disk.open()
    disk.failCommit(2, new Error('nth'))
    await store.commit([{ key: 'a', value: Uint8Array.of(1) }])
    await expect(store.commit([{ key: 'a', value: Uint8Array.of(2) }])).rejects.toThrow('nth')
    expect(disk.records.get('a')).toEqual(Uint8Array.of(1))
    await store.commit([{ key: 'a', value: Uint8Array.of(3) }])
    expect(disk.records.get('a')).toEqual(Uint8Array.of(3))
    expect(disk.commits).toBe(2)
  })

  test('a crash drops what is under way: it never settles and never lands', async () => {
    let release = () => {}
    const disk = createMemoryDisk({
      latency: () =>
        new Promise((resolve) => {
          release = resolve
        }),
    })
    const store = await disk.open()
    let settled = false
    const mark = () => {
      settled = true
    }
    store.commit([{ key: 'a', value: Uint8Array.of(1) }]).then(mark, mark)
    await Promise.resolve()
    disk.crash()
    release()
    await new Promise((resolve) => setImmediate(resolve))
    expect(settled).toBe(false)
    expect(disk.records.size).toBe(0)
  })

  test('opening again ends the store before it, so two cannot write', async () => {
    const disk = createMemoryDisk()
    const first = await disk.open()
    const second = await disk.open()
    first.commit([{ key: 'a', value: Uint8Array.of(1) }]).catch(() => {})
    await second.commit([{ key: 'b', value: Uint8Array.of(2) }])
    expect([...disk.records.keys()]).toEqual(['b'])
  })
})
