import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Headless, startHeadless, untilState } from '../../playground/peer.ts'
import type { Bench } from './types.ts'

/**
 * Payments over one channel, durable writes on, every payment with its onion, HTLC, preimage and both commitments: this process runs
 * one node, the playground in another process runs the peer.
 */

export interface PaymentFigures {
  /** One payment at a time, from the call to the preimage. */
  readonly payP50Ms: number
  readonly payP99Ms: number
  /** Many at once, out and in. */
  readonly sentPerSecond: number
  readonly receivedPerSecond: number
}

interface Info {
  readonly esplora: string
  readonly peers: readonly { readonly name: string; readonly nodeId: string; readonly address: string }[]
}

const CHANNEL_SAT = 10_000_000n

async function post<T>(url: string, body: unknown): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as T
}

/** Starts `npm start` in a folder of its own; resolves with its address and the time until it was ready. */
export async function startPlaygroundProcess(): Promise<{
  url: string
  readyMs: number
  stop: () => Promise<void>
}> {
  const dataDir = mkdtempSync(join(tmpdir(), 'switchback-bench-'))
  const main = fileURLToPath(new URL('../../playground/main.ts', import.meta.url))
  const started = performance.now()
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', main, '--data', dataDir, '--fresh', '--no-mine'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      const match = /playground on (http:\/\/\S+?)\/? /.exec(text)
      if (match?.[1] !== undefined) resolve(match[1])
    })
    child.once('exit', () => reject(new Error('the playground ended before it was ready')))
  })
  return {
    url,
    readyMs: performance.now() - started,
    async stop() {
      child.kill('SIGINT')
      await exited
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN

async function openTo(node: Headless, url: string, address: string): Promise<string> {
  const { address: coins } = await node.client.newAddress()
  await post(`${url}/api/faucet`, { address: coins, sat: Number(CHANNEL_SAT + 100_000n) })
  await post(`${url}/api/mine`, { blocks: 1 })
  await node.client.refresh()
  await untilState(node.client, (s) => BigInt(s.balances.onchainConfirmedSat) > CHANNEL_SAT)
  let channelId = ''
  for await (const update of node.client.openChannel({
    peer: address,
    amountSat: String(CHANNEL_SAT),
    pushMsat: String(CHANNEL_SAT * 500n),
  })) {
    if (update.status === 'pending') {
      channelId = update.channelId
      await post(`${url}/api/mine`, { blocks: 6 })
      await node.client.refresh()
    }
    if (update.status === 'open') break
  }
  return channelId
}

async function payOne(node: Headless, invoice: string): Promise<number> {
  const start = performance.now()
  for await (const update of node.client.sendPayment({ invoice })) {
    if (update.status === 'succeeded') return performance.now() - start
    if (update.status === 'failed') throw new Error(`${update.error.code}: ${update.error.message}`)
  }
  throw new Error('the payment stream ended')
}

/** Runs `tasks` with so many at once. */
async function pool<T>(
  items: readonly T[],
  width: number,
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      while (next < items.length) await run(items[next++] as T)
    }),
  )
}

/** Figures against one of the playground's peers. */
export async function benchPayments(
  url: string,
  peer: 'ada' | 'lil',
  counts: { readonly single: number; readonly many: number; readonly width: number },
): Promise<PaymentFigures> {
  const info = (await (await fetch(`${url}/api/info`)).json()) as Info
  const address = info.peers.find((p) => p.name === peer)?.address
  if (address === undefined) throw new Error(`no peer ${peer}`)
  const dataDir = mkdtempSync(join(tmpdir(), 'switchback-bench-node-'))
  const node = await startHeadless({ dataDir, port: 0, esploraUrl: info.esplora })
  try {
    await openTo(node, url, address)
    const invoices = async (count: number) => {
      const made: string[] = []
      await pool(Array.from({ length: count }), 16, async () => {
        const { invoice } = await post<{ invoice: string }>(`${url}/api/invoice`, {
          peer,
          amountMsat: 1000,
          memo: 'bench',
        })
        made.push(invoice)
      })
      return made
    }
    const times: number[] = []
    for (const invoice of await invoices(counts.single)) times.push(await payOne(node, invoice))
    times.sort((a, b) => a - b)

    const batch = await invoices(counts.many)
    const sendStart = performance.now()
    await pool(batch, counts.width, (invoice) => payOne(node, invoice))
    const sendSeconds = (performance.now() - sendStart) / 1000

    const ours = await Promise.all(
      Array.from({ length: counts.many }, () =>
        node.client.addInvoice({ amountMsat: '1000', description: 'bench' }),
      ),
    )
    const receiveStart = performance.now()
    await pool(ours, counts.width, ({ invoice }) => post(`${url}/api/pay`, { peer, invoice }))
    const receiveSeconds = (performance.now() - receiveStart) / 1000
    return {
      payP50Ms: percentile(times, 0.5),
      payP99Ms: percentile(times, 0.99),
      sentPerSecond: counts.many / sendSeconds,
      receivedPerSecond: counts.many / receiveSeconds,
    }
  } finally {
    await node.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** Payments of 1 sat between processes, against ada (this engine) and lil (LDK). */
export const payments: Bench = {
  name: 'payments',
  about: 'one channel, 1 sat each, durable writes: one at a time, and 40 at once in each direction',
  async run() {
    const playground = await startPlaygroundProcess()
    try {
      const figures: Record<string, number> = {}
      for (const peer of ['ada', 'lil'] as const) {
        const measured = await benchPayments(playground.url, peer, { single: 60, many: 300, width: 40 })
        for (const [name, value] of Object.entries(measured))
          figures[`${peer}.${name}`] = Math.round(value * 10) / 10
      }
      return figures
    } finally {
      await playground.stop()
    }
  },
}
