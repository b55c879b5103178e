import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, rmSync, truncateSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Store } from '../../engine/node/ports.ts'
import { STORE_CONTRACT } from '../../testing/store-contract.ts'
import { openFileStore } from './store-file.node.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'switchback-store-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

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
    const name = readdirSync(crashed).find((file) => file.endsWith('.log')) ?? ''
    const { size } = statSync(join(crashed, name))
    const seen = new Set<number>()
    for (let cut = 0; cut <= size; cut += 41) {
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
    await db.put('m/schema', Uint8Array.of(2))
    await db.close()
    await expect(openFileStore(folder)).rejects.toMatchObject({ data: { reason: 'newerSchema' } })
  })
})
