import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../engine/node/ports.ts'
import { STORE_CONTRACT } from '../../testing/store-contract.ts'
import { beginFile, encodeFrame, JournalDamage, readJournal } from './journal.node.ts'
import { openFileStore } from './store-file.node.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'switchback-store-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const put = (key: string, value: number) => ({ key, value: Uint8Array.of(value) })

/** Opens the store in copies of the folder as it was at the crash: LevelDB cannot be killed inside one process. */
function harness() {
  let folder = join(root, 'store-0')
  let copies = 0
  const left: Store[] = []
  return {
    open: () => openFileStore(folder),
    crash: (store: Store) => {
      const next = join(root, `store-${++copies}`)
      cpSync(folder, next, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
      folder = next
      left.push(store)
      return Promise.resolve()
    },
    end: () => Promise.all(left.map((store) => store.close())),
  }
}

describe('file store', () => {
  test.each(STORE_CONTRACT)('$name', async ({ run }) => {
    const h = harness()
    await run(h)
    await h.end()
  })

  test('a log that a power cut tore off anywhere opens, with whole batches only, up to the cut', async () => {
    const h = harness()
    const store = await h.open()
    for (let i = 1; i <= 5; i++)
      await store.commit([
        { key: 'a', value: new Uint8Array(50).fill(i) },
        { key: 'b', value: new Uint8Array(50).fill(i) },
      ])
    await h.crash(store)
    await h.end()
    const crashed = join(root, 'store-1')
    const name = join('journal', readdirSync(join(crashed, 'journal'))[0] ?? '')
    const { size } = statSync(join(crashed, name))
    const seen = new Set<number>()
    for (let cut = 0; cut <= size; cut += 61) {
      const torn = join(root, `torn-${cut}`)
      cpSync(crashed, torn, { recursive: true })
      truncateSync(join(torn, name), size - cut)
      const again = await openFileStore(torn)
      const records = await again.load()
      expect(records.get('a')).toEqual(records.get('b'))
      seen.add(records.get('a')?.[0] ?? 0)
      await again.close()
    }
    expect(seen).toEqual(new Set([0, 1, 2, 3, 4, 5]))
  })

  test('a journal that is spoilt anywhere but at its torn end is refused, not read in part', async () => {
    const folder = join(root, 'spoilt')
    const store = await openFileStore(folder)
    for (let i = 1; i <= 3; i++) await store.commit([{ key: 'a', value: new Uint8Array(20).fill(i) }])
    const journal = join(folder, 'journal')
    const path = join(journal, readdirSync(journal)[0] ?? '')
    const bytes = readFileSync(path)
    const copy = join(root, 'copy')
    cpSync(folder, copy, { recursive: true, filter: (name) => !name.endsWith('LOCK') })
    await store.close()
    const frame = bytes.length / 3
    mkdirSync(journal, { recursive: true })
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      writeFileSync(path, changed)
      if (at < 2 * frame) expect(() => readJournal(journal, 0), `byte ${at}`).toThrow(JournalDamage)
      // The last frame may have been torn: what is before it counts.
      else
        expect(
          readJournal(journal, 0).map(({ number }) => number),
          `byte ${at}`,
        ).toEqual([1, 2])
    }
    bytes[20] = (bytes[20] ?? 0) ^ 1
    writeFileSync(join(copy, 'journal', '0000000000000001.log'), bytes)
    await expect(openFileStore(copy)).rejects.toMatchObject({ data: { reason: 'io' } })
  })

  test('a file that is missing in the middle is refused', async () => {
    const folder = join(root, 'journal')
    mkdirSync(folder)
    for (const first of [1, 3, 5]) {
      const file = await beginFile(folder, first)
      for (const number of [first, first + 1]) await file.append(encodeFrame(number, [[put('n', number)]]))
      await file.close()
    }
    expect(readJournal(folder, 0).map((frame) => frame.number)).toEqual([1, 2, 3, 4, 5, 6])
    // What the database holds already is not read again, whichever files were left.
    expect(readJournal(folder, 3).map((frame) => frame.number)).toEqual([4, 5, 6])
    expect(readJournal(folder, 6)).toEqual([])
    rmSync(join(folder, readdirSync(folder).sort()[1] ?? ''))
    expect(() => readJournal(folder, 0)).toThrow(JournalDamage)
    expect(() => readJournal(folder, 2)).toThrow(JournalDamage)
    expect(readJournal(folder, 4).map((frame) => frame.number)).toEqual([5, 6])
  })

  test('journals that were spilled and came back after a crash take nothing back', async () => {
    const h = harness()
    const store = await h.open()
    await store.commit([put('a', 1), put('gone', 1)])
    await h.crash(store)
    await h.end()
    const folder = join(root, 'store-1')
    const kept = join(root, 'kept')
    cpSync(join(folder, 'journal'), kept, { recursive: true })
    const second = await openFileStore(folder)
    await second.commit([put('a', 2), { key: 'gone', value: null }])
    await second.close()
    expect(readdirSync(join(folder, 'journal'))).toEqual([])
    cpSync(kept, join(folder, 'journal'), { recursive: true })
    const third = await openFileStore(folder)
    expect([...(await third.load())].map(([key, value]) => [key, value[0]])).toEqual([['a', 2]])
    await third.close()
  })

  test('megabytes of commits, spilled many times, are all there: at once, read singly, after a crash and after a close', async () => {
    const h = harness()
    let store = await h.open()
    const expected = new Map<string, number>()
    const check = async () => {
      const records = await store.load('court/')
      for (const [key, first] of expected) {
        expect((await store.read(key))?.[0]).toBe(first)
        expect(records.get(key)?.[0]).toBe(key.startsWith('court/') ? undefined : first)
      }
    }
    for (let round = 0; round < 3; round++) {
      const pending: Promise<void>[] = []
      for (let i = 0; i < 60; i++) {
        const n = (round * 60 + i) & 0xff
        const value = new Uint8Array(200_000).fill(n)
        for (const key of [`k${i % 7}`, `court/${i % 5}`]) {
          pending.push(store.commit([{ key, value }]))
          expected.set(key, n)
        }
      }
      await Promise.all(pending)
      await check()
      if (round === 1) await h.crash(store)
      else await store.close()
      store = await h.open()
      await check()
    }
    await store.close()
    await h.end()
    expect(readdirSync(join(root, 'store-1', 'journal'))).toEqual([])
  })

  test('after a commit that failed nothing is written any more', async () => {
    const folder = join(root, 'broken')
    const store = await openFileStore(folder)
    rmSync(join(folder, 'journal'), { recursive: true })
    await expect(store.commit([put('a', 1)])).rejects.toMatchObject({ code: 'storageFailed' })
    mkdirSync(join(folder, 'journal'))
    await expect(store.commit([put('a', 2)])).rejects.toMatchObject({ code: 'storageFailed' })
    await store.close()
    const again = await openFileStore(folder)
    expect((await again.load()).size).toBe(0)
    await again.close()
  })

  test('a folder without a journal, of the version before, goes on', async () => {
    const folder = join(root, 'earlier')
    const db = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await db.put('m/schema', Uint8Array.of(1))
    await db.put('r/a', Uint8Array.of(7))
    await db.close()
    const store = await openFileStore(folder)
    expect((await store.read('a'))?.[0]).toBe(7)
    await store.commit([put('a', 8)])
    await store.close()
    const again = await openFileStore(folder)
    expect((await again.read('a'))?.[0]).toBe(8)
    await again.close()
  })

  test('a process that is killed while it commits leaves whole batches, at least up to the last it was sure of', async () => {
    const folder = join(root, 'killed')
    const script = `
      import { openFileStore } from ${JSON.stringify(new URL('./store-file.node.ts', import.meta.url).href)}
      const store = await openFileStore(${JSON.stringify(folder)})
      for (let i = 1; ; i++) {
        const value = new Uint8Array(2000).fill(i & 0xff)
        await store.commit([{ key: 'a', value }, { key: 'b', value }])
        process.stdout.write(i + '\\n')
      }`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    await new Promise<void>((resolve, reject) => {
      child.on('error', reject)
      child.stdout.on('data', (chunk) => {
        text += String(chunk)
        if (text.split('\n').length > 100) child.kill('SIGKILL')
      })
      // Not exit: what it wrote last may still be on its way then.
      child.on('close', () => resolve())
    })
    const sure = text.split('\n').filter(Boolean).map(Number).at(-1) ?? 0
    expect(sure).toBeGreaterThanOrEqual(100)
    const store = await openFileStore(folder)
    const records = await store.load()
    await store.close()
    expect(records.get('a')).toEqual(records.get('b'))
    const found = records.get('a')?.[0] ?? 0
    expect([sure & 0xff, (sure + 1) & 0xff, (sure + 2) & 0xff]).toContain(found)
  }, 30_000)

  test('a folder in use is refused by name', async () => {
    const store = await openFileStore(join(root, 'x'))
    await expect(openFileStore(join(root, 'x'))).rejects.toMatchObject({
      code: 'storageFailed',
      data: { reason: 'inUse' },
    })
    await store.close()
  })

  test('a folder of a later version is refused and left alone', async () => {
    const folder = join(root, 'later')
    await (await openFileStore(folder)).close()
    const db = new ClassicLevel<string, Uint8Array>(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
    await db.put('m/schema', Uint8Array.of(3))
    await db.close()
    await expect(openFileStore(folder)).rejects.toMatchObject({ data: { reason: 'newerSchema' } })
  })
})
