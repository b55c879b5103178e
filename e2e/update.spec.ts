import { createServer } from 'node:http'
import { freePort } from '../src/playground/ports.ts'
import { expect, test } from './fixtures.ts'
import { button, createWallet, expectBalances } from './screens.ts'

/** The site behind a server that can bring out a new version: the same files under another service worker. */
async function siteOf(origin: string) {
  let version = 1
  const server = createServer((request, response) => {
    void fetch(new URL(request.url ?? '/', origin)).then(async (answer) => {
      const body = Buffer.from(await answer.arrayBuffer())
      const isWorker = new URL(request.url ?? '/', origin).pathname === '/sw.js'
      response.writeHead(answer.status, {
        'content-type': answer.headers.get('content-type') ?? 'application/octet-stream',
        'cache-control': 'no-cache',
      })
      response.end(isWorker ? Buffer.concat([body, Buffer.from(`\n// version ${version}\n`)]) : body)
    })
  })
  const port = await freePort()
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  return {
    url: `http://localhost:${port}/`,
    publish: () => {
      version += 1
    },
    close: () => new Promise((closed) => server.close(closed)),
  }
}

test('a new version is offered, taken when the user says so, and no tab restarts by itself', async ({
  browser,
  network,
}) => {
  const site = await siteOf(network.url)
  const context = await browser.newContext({ baseURL: site.url })
  const page = await context.newPage()
  await createWallet(page)
  await page.evaluate('navigator.serviceWorker.ready.then(() => undefined)')
  // From here on the pages come from the service worker.
  await page.reload()
  await expectBalances(page, 0n, 0n)
  const other = await context.newPage()
  await other.goto('')
  await expectBalances(other, 0n, 0n)
  for (const tab of [page, other]) await tab.evaluate('globalThis.sameSince = 1')
  const restart = (tab: typeof page) => button(tab, 'Restart with it')
  const restarted = async (tab: typeof page) => {
    const loaded = tab.waitForEvent('load')
    await restart(tab).click()
    await loaded
    expect(await tab.evaluate('globalThis.sameSince')).toBe(undefined)
    await expectBalances(tab, 0n, 0n)
    await expect(restart(tab)).toBeHidden()
  }

  site.publish()
  await page.evaluate('navigator.serviceWorker.ready.then((r) => r.update()).then(() => undefined)')
  await expect(restart(page)).toBeVisible()
  await expect(restart(other)).toBeVisible()

  await restarted(page)
  // The other goes on as it was, and is asked.
  expect(await other.evaluate('globalThis.sameSince')).toBe(1)
  await restarted(other)
  await context.close()
  await site.close()
})
