import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from '@playwright/test'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHROMIUM_FLAGS, findChromium } from '../testing/chromium.ts'
import { STORE_CONTRACT } from '../testing/store-contract.ts'
import type * as StorePage from './store-idb.page.ts'

/**
 * The IndexedDB store in a real Chromium: the contract that all stores share, and what only browsers do to one. Run by itself with
 * `npx vitest run --project interop src/worker`.
 */

declare const storePage: typeof StorePage

const ORIGIN = 'http://store.test'
let script = ''
let folder = ''
let context: BrowserContext
let page: Page

async function bundle(): Promise<string> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      lib: {
        entry: join(import.meta.dirname, 'store-idb.page.ts'),
        formats: ['iife'],
        name: 'storePage',
      },
    },
  })
  const output = Array.isArray(built) ? built[0] : built
  if (output === undefined || !('output' in output)) throw new Error('nothing was built')
  return output.output[0].code
}

async function launch(): Promise<void> {
  context = await chromium.launchPersistentContext(folder, {
    executablePath: findChromium(),
    args: [...CHROMIUM_FLAGS],
    headless: true,
  })
  page = await openPage(ORIGIN)
}

/** A page of an origin with storage and without a server. */
async function openPage(origin: string): Promise<Page> {
  const opened = await context.newPage()
  await opened.route(`${origin}/**`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>store</title>' }),
  )
  await opened.goto(`${origin}/`)
  await opened.addScriptTag({ content: script })
  return opened
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchback-idb-'))
  script = await bundle()
  await launch()
})
afterAll(async () => {
  await context.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('IndexedDB store, the contract', () => {
  for (const [index, { name }] of STORE_CONTRACT.entries()) {
    test(name, async () => {
      await page.evaluate((i) => storePage.runCase(i), index)
    })
  }
})

describe('IndexedDB store, what browsers do', () => {
  test('a database of a later version is refused and not touched', async () => {
    expect(await page.evaluate(() => storePage.newerSchema())).toBe('storageFailed newerSchema')
  })

  test('a later version takes over: the open store lets go, says so and takes no commit', async () => {
    expect(await page.evaluate(() => storePage.takenOver())).toEqual(['storageFailed lost', 'lost', '1'])
  })

  test('a full disk fails the whole commit by name and leaves the records as they were', async () => {
    // An origin of its own: Chromium remembers for a while how much room one had.
    const origin = 'http://full.test'
    const session = await context.newCDPSession(page)
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 })
    const fullPage = await openPage(origin)
    const [said, keys, small] = await fullPage.evaluate(() => storePage.full())
    await session.send('Storage.overrideQuotaForOrigin', { origin })
    await fullPage.close()
    expect({ said, keys, small }).toEqual({ said: 'storageFailed quota', keys: 'small', small: '1' })
  })

  test('site data cleared under an open store: it says so and takes no commit', async () => {
    await page.evaluate(() => storePage.keepOpen())
    const session = await context.newCDPSession(page)
    await session.send('Storage.clearDataForOrigin', { origin: ORIGIN, storageTypes: 'indexeddb' })
    expect(await page.evaluate(() => storePage.afterClearing())).toEqual(['storageFailed lost', 'lost'])
  })

  test('a browser that is killed while it commits leaves whole batches, up to the last it was sure of', async () => {
    let sure = 0
    let enough = () => {}
    const reached = new Promise<void>((resolve) => {
      enough = resolve
    })
    await page.exposeFunction('say', (n: number) => {
      sure = n
      if (n >= 100) enough()
    })
    page
      .evaluate(() =>
        storePage.commitForEver((n) => (globalThis as unknown as { say(n: number): Promise<void> }).say(n)),
      )
      .catch(() => {})
    await reached
    const gone = new Promise((resolve) => context.once('close', resolve))
    const session = await context.newCDPSession(page)
    // Ends the browser process at once, as a crash does.
    session.send('Browser.crash' as never).catch(() => {})
    await gone
    await launch()
    const [a, lengthA, kindsA, b, lengthB, kindsB] = await page.evaluate(() => storePage.afterKill())
    expect([lengthA, kindsA, lengthB, kindsB]).toEqual([2000, 1, 2000, 1])
    expect(a).toBe(b)
    // Those that were written while the news of the last one travelled.
    const ahead = ((a ?? 0) - (sure & 0xff) + 256) & 0xff
    expect(ahead).toBeLessThan(100)
  })
})
