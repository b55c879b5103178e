import { spawnSync } from 'node:child_process'
import { chromium } from '@playwright/test'
import type { Client } from '../../contract/procedures.ts'
import { CHROMIUM_FLAGS, findChromium } from '../chromium.ts'
import { ROOT } from '../run/child.ts'
import { startPlaygroundProcess } from './payments.ts'
import type { Bench } from './types.ts'

/** The page's global object, as functions that run there see it. */
interface Page {
  readonly switchback?: Client
}

const PAYMENTS = 60

/** Resolves in the page when the wallet runs and, if wanted, a channel is open and connected. */
async function usable(withChannel: boolean): Promise<void> {
  const client = (globalThis as Page).switchback
  if (client === undefined) throw new Error('no client in the page')
  for await (const state of client.getState()) {
    if (state.phase !== 'running') continue
    if (!withChannel || state.channels.some((c) => c.status === 'open' && c.connected)) return
  }
}

/** The built app in Chromium, its node in a worker over IndexedDB, against ada through the gateway. */
export const app: Bench = {
  name: 'app',
  about:
    'the app in Chromium: from navigation to a usable wallet with 1 channel, and one payment from the call to the preimage',
  async run() {
    const built = spawnSync('npm', ['run', 'build'], { cwd: ROOT, encoding: 'utf8' })
    if (built.status !== 0) throw new Error(`the app does not build: ${built.stderr}`)
    const playground = await startPlaygroundProcess()
    const browser = await chromium.launch({ executablePath: findChromium(), args: [...CHROMIUM_FLAGS] })
    try {
      const post = async (path: string, body: unknown) => {
        const response = await fetch(`${playground.url}/api/${path}`, {
          method: 'POST',
          body: JSON.stringify(body),
        })
        if (!response.ok) throw new Error(await response.text())
        return (await response.json()) as { invoice: string }
      }
      const info = (await (await fetch(`${playground.url}/api/info`)).json()) as {
        peers: { name: string; address: string }[]
      }
      const peer = info.peers.find((p) => p.name === 'ada')?.address ?? ''
      const page = await (await browser.newContext({ viewport: { width: 360, height: 740 } })).newPage()
      await page.goto(`${playground.url}/`)
      await page.waitForFunction(() => (globalThis as Page).switchback !== undefined)
      const address = await page.evaluate(async () => {
        await (globalThis as Page).switchback?.createWallet({})
        return (await (globalThis as Page).switchback?.newAddress())?.address
      })
      await post('faucet', { address, sat: 2_000_000 })
      await post('mine', { blocks: 1 })
      await page.evaluate(async () => {
        for await (const s of ((globalThis as Page).switchback as Client).getState()) {
          if (BigInt(s.balances.onchainConfirmedSat) > 0n) return
        }
      })
      await page.evaluate(async (to) => {
        for await (const u of ((globalThis as Page).switchback as Client).openChannel({
          peer: to,
          amountSat: '1000000',
        })) {
          if (u.status === 'pending') return
        }
      }, peer)
      await post('mine', { blocks: 6 })
      await page.evaluate(usable, true)

      const invoices: string[] = []
      for (let i = 0; i < PAYMENTS; i++) {
        invoices.push((await post('invoice', { peer: 'ada', amountMsat: 1000, memo: 'bench' })).invoice)
      }
      const times = await page.evaluate(async (list) => {
        const taken: number[] = []
        for (const invoice of list) {
          const start = performance.now()
          for await (const u of ((globalThis as Page).switchback as Client).sendPayment({ invoice })) {
            if (u.status === 'failed') throw new Error(u.error.message)
            if (u.status === 'succeeded') taken.push(performance.now() - start)
          }
        }
        return taken
      }, invoices)
      const starts: number[] = []
      for (let i = 0; i < 5; i++) {
        await page.reload()
        await page.waitForFunction(() => (globalThis as Page).switchback !== undefined)
        await page.evaluate(usable, true)
        starts.push(await page.evaluate(() => performance.now()))
      }
      times.sort((a, b) => a - b)
      starts.sort((a, b) => a - b)
      const at = (sorted: readonly number[], p: number) =>
        Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN) * 10) /
        10
      return {
        coldStartMs: at(starts, 0.5),
        payP50Ms: at(times, 0.5),
        payP99Ms: at(times, 0.99),
        payments: times.length,
      }
    } finally {
      await browser.close()
      await playground.stop()
    }
  },
}
