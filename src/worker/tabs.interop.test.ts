import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from '@playwright/test'
import { build } from 'vite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHROMIUM_FLAGS, findChromium } from '../testing/chromium.ts'
import type * as TabsPage from './tabs.page.ts'

/** The worker's real entry in several tabs of a real Chromium: locks, channels, IndexedDB and the whole engine, no network. */

declare const tabsPage: typeof TabsPage

let server: Server
let browser: Browser
let origin = ''

/** The files of a bundle by their paths; the entry's is `name`. */
async function bundle(entry: string, name: string): Promise<Record<string, string>> {
  const built = await build({
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      minify: false,
      target: 'es2022',
      lib: { entry: join(import.meta.dirname, entry), formats: ['es'], fileName: () => name },
    },
  })
  const output = Array.isArray(built) ? built[0] : built
  if (output === undefined || !('output' in output)) throw new Error('nothing was built')
  return Object.fromEntries(
    output.output.flatMap((file) => (file.type === 'chunk' ? [[`/${file.fileName}`, file.code]] : [])),
  )
}

beforeAll(async () => {
  const page = '<script type="module">import * as page from "/page.js"; globalThis.tabsPage = page</script>'
  const files: Record<string, string> = {
    ...(await bundle('main.ts', 'worker.js')),
    ...(await bundle('tabs.page.ts', 'page.js')),
    '/': `<!doctype html><title>tabs</title>${page}`,
  }
  server = createServer((request, response) => {
    const body = files[request.url ?? '']
    const type = request.url === '/' ? 'text/html' : 'text/javascript'
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  browser = await chromium.launch({ executablePath: findChromium(), args: [...CHROMIUM_FLAGS] })
})
afterAll(async () => {
  await browser.close()
  server.close()
})

async function openTab(context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  await page.goto(origin)
  await page.waitForFunction(() => 'tabsPage' in globalThis)
  return page
}

/** Waits until the newest state that the tab's page has got is of this phase. */
const reaches = async (page: Page, phase: string): Promise<void> => {
  await page
    .waitForFunction((wanted) => tabsPage.states.at(-1)?.phase === wanted, phase)
    .catch(async (e: unknown) => {
      const seen = await page.evaluate(() => [tabsPage.states.map((s) => s.phase), tabsPage.errors])
      throw new Error(`never ${phase}: ${JSON.stringify(seen)}`, { cause: e })
    })
}

test('one tab runs the wallet, another shows it live, takes over when it is closed, and finds the same wallet', async () => {
  const context = await browser.newContext()
  const first = await openTab(context)
  await reaches(first, 'noWallet')
  const { words } = await first.evaluate(() =>
    tabsPage.client.createWallet({ network: 'regtest', words: 12 }),
  )
  expect(words).toHaveLength(12)
  await reaches(first, 'running')

  const second = await openTab(context)
  await reaches(second, 'following')
  const nodeId = (page: Page) => page.evaluate(() => tabsPage.states.at(-1)?.nodeId)
  expect(await nodeId(second)).toBe(await nodeId(first))
  expect(await nodeId(second)).toMatch(/^0[23][0-9a-f]{64}$/)

  // A call made in the second tab is done by the first one's engine, and both see what it changed.
  const { address } = await second.evaluate(() => tabsPage.client.newAddress())
  expect(address).toMatch(/^bcrt1/)
  expect(await second.evaluate(() => tabsPage.client.showWords())).toEqual({ words })
  const again = second.evaluate(() => tabsPage.client.createWallet({ network: 'regtest' }))
  await expect(again).rejects.toThrow('There is a wallet already')

  await first.close()
  await reaches(second, 'running')
  expect(await second.evaluate(() => tabsPage.client.showWords())).toEqual({ words })
  // Handed out once, and remembered on disk: the next address is another one.
  const next = await second.evaluate(() => tabsPage.client.newAddress())
  expect(next.address).not.toBe(address)
  expect(await second.evaluate(() => tabsPage.errors)).toEqual([])

  const third = await openTab(context)
  await reaches(third, 'following')
  await second.reload()
  await second.waitForFunction(() => 'tabsPage' in globalThis)
  await reaches(third, 'running')
  await reaches(second, 'following')
  await context.close()
})
