import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, expect, type Page, test as base } from '@playwright/test'
import { createEsplora } from '../src/playground/esplora.ts'
import type { EsploraFaults } from '../src/playground/esplora-faults.ts'
import type { PlaygroundPeer } from '../src/playground/peer-types.ts'
import { type Playground, startPlayground } from '../src/playground/playground.ts'
import { freePort } from '../src/playground/ports.ts'
import { SITE } from './site.ts'

/** A whole network of this test worker's own: a chain whose blocks come on demand, lil, ada, ben, the built app. */
export interface Network extends Playground {
  readonly peer: (name: 'lil' | 'ada' | 'ben') => PlaygroundPeer
  /** Mines, and returns once the chain server knows the blocks. */
  readonly mine: (blocks: number) => Promise<void>
  /** Mines once a transaction waits for a block: what a wallet says is on its way may not have reached bitcoind yet. */
  readonly confirm: (blocks?: number) => Promise<void>
  /** What the miners got for a transaction that is known to bitcoind, in sat. */
  readonly feeOf: (txid: string) => Promise<bigint>
  /** Transactions that wait for a block. */
  readonly mempoolSize: () => Promise<number>
  /** What a node of the network is asked over HTTP, as the shop's page asks it. Rejects with its words when it refuses. */
  readonly api: <T>(path: string, body: object) => Promise<T>
}

interface Mine {
  readonly network: Network
}

/** A chain server answers 404 for what it does not know (yet), and the browser says so in the console. */
const notKnownYet = (text: string, url: string): boolean =>
  /status of 404/.test(text) && new URL(url).pathname.startsWith('/esplora/api/')

function watch(page: Page, troubles: string[]): void {
  page.on('pageerror', (error) => troubles.push(`page error: ${error.message}`))
  page.on('crash', () => troubles.push('the page crashed'))
  page.on('console', (message) => {
    const [type, text, { url }] = [message.type(), message.text(), message.location()]
    if (type !== 'error' && type !== 'warning') return
    if (!notKnownYet(text, url)) troubles.push(`console ${type}: ${text} (${url})`)
  })
}

/** A second chain server over the same chain, of one test's own: its failures and lies reach nobody else. */
export interface ChainServer {
  readonly url: string
  readonly faults: EsploraFaults
}

interface Each {
  readonly server: ChainServer
  /** Errors that the test's pages have reported; a test that causes some takes them out. Whatever is left fails it. */
  readonly troubles: string[]
  readonly context: BrowserContext
}

export const test = base.extend<Each, Mine>({
  network: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the fixtures a fixture needs from this pattern.
    async ({}, use) => {
      const dataDir = mkdtempSync(join(tmpdir(), 'switchback-e2e-'))
      const playground = await startPlayground({ dataDir, port: await freePort(), mine: false, app: SITE })
      const api = async <T>(path: string, body: object): Promise<T> => {
        const answer = await fetch(`${playground.url}/api/${path}`, {
          method: 'POST',
          body: JSON.stringify(body),
        })
        const value = (await answer.json()) as T & { readonly error?: string }
        if (!answer.ok) throw new Error(value.error)
        return value
      }
      const mempoolSize = async () =>
        (await playground.bitcoind.rpc.call<{ size: number }>('getmempoolinfo')).size
      const mine = async (blocks: number) => void (await api('mine', { blocks }))
      await use({
        ...playground,
        api,
        peer: (name) => {
          const found = playground.peers.find((peer) => peer.name === name)
          if (found === undefined) throw new Error(`no peer ${name}`)
          return found
        },
        mempoolSize,
        feeOf: async (txid) => {
          const { fee } = await playground.bitcoind.rpc.call<{ fee: number }>('getrawtransaction', txid, 2)
          return BigInt(Math.round(fee * 1e8))
        },
        mine,
        confirm: async (blocks = 1) => {
          await expect.poll(mempoolSize).toBeGreaterThan(0)
          await mine(blocks)
        },
      })
      await playground.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  baseURL: async ({ network }, use) => use(`${network.url}/`),
  // biome-ignore lint/correctness/noEmptyPattern: see above.
  troubles: async ({}, use) => {
    const troubles: string[] = []
    await use(troubles)
    if (troubles.length > 0) throw new Error(`the pages reported:\n${troubles.join('\n')}`)
  },
  server: async ({ network }, use) => {
    const esplora = createEsplora({ rpc: network.bitcoind.rpc })
    const listening = await esplora.listen()
    await use({ url: listening.url, faults: esplora.faults })
    await listening.close()
  },
  context: async ({ context, troubles }, use) => {
    context.on('page', (page) => watch(page, troubles))
    await use(context)
  },
})

export { expect } from '@playwright/test'
