import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { createGraph } from '../engine/router/graph.ts'
import { SnapshotReader } from '../engine/router/snapshot.ts'
import { createLdkNode } from '../testing/ldk/node.ts'
import type { LdkNode } from '../testing/ldk/types.ts'
import { until } from './children.ts'
import { type Playground, startPlayground } from './playground.ts'
import { freePort } from './ports.ts'

const BOB = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const dataDir = mkdtempSync(join(tmpdir(), 'switchback-playground-'))
const ends: (() => unknown)[] = []
let playground: Playground
let customer: LdkNode

const start = async (): Promise<Playground> =>
  startPlayground({ dataDir, port: await freePort(), mine: false, app: false })

beforeAll(async () => {
  playground = await start()
})
afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})
afterAll(async () => {
  await customer?.stop()
  await playground?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

interface Info {
  network: string
  esplora: string
  gateway: string
  height: number
  peers: { name: string; nodeId: string; host: string; port: number; address: string }[]
}
const get = async <T>(path: string): Promise<T> =>
  (await fetch(`${playground.url}${path}`)).json() as Promise<T>
const post = async <T>(path: string, body: object, headers = {}): Promise<{ status: number; value: T }> => {
  const answer = await fetch(`${playground.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers,
  })
  return { status: answer.status, value: (await answer.json()) as T }
}
async function lil(): Promise<Info['peers'][number]> {
  const found = (await get<Info>('/api/info')).peers.find((peer) => peer.name === 'lil')
  if (!found) throw new Error('no lil')
  return found
}

it('serves a snapshot of the network as ada knows it', async () => {
  const channels = async (): Promise<number> => {
    const answer = await fetch(`${playground.url}/snapshot/0`)
    const bytes = new Uint8Array(await answer.arrayBuffer())
    const reader = new SnapshotReader(createGraph(), bytes, {
      chainHash: NETWORKS.regtest.chainHash,
      nowSeconds: Math.floor(Date.now() / 1000),
      height: 0,
    })
    expect([answer.status, reader.step(1000)]).toEqual([200, { ok: true, value: true }])
    return reader.counts.channels
  }
  // Its channels are announced in a moment.
  await expect.poll(channels, { timeout: 30_000 }).toBeGreaterThan(0)
})

it('serves everything on one port: info, chain, shop, gateway', async () => {
  const info = await get<Info>('/api/info')
  expect(info).toMatchObject({ network: 'regtest', esplora: `${playground.url}/esplora/api` })
  expect(await (await fetch(`${info.esplora}/blocks/tip/height`)).text()).toBe(String(info.height))
  const shop = await fetch(`${playground.url}/shop`)
  expect(shop.headers.get('content-type')).toContain('text/html')
  const { host, port } = await lil()
  const ws = new WebSocket(`${info.gateway}/v1/${host}/${port}`, ['switchback.v1'])
  ends.push(() => ws.terminate())
  const said = await new Promise((resolve, reject) => {
    ws.once('message', (data) => resolve((data as Buffer).toString('utf8')))
    ws.once('close', (code) => reject(new Error(`closed: ${code}`)))
  })
  expect(said).toBe('{"type":"connected"}')
})

it('comes up with lcp between our own nodes and anchors with LDK', async () => {
  const peers =
    await get<(Info['peers'][number] & { channels: { peer: string; format: string }[] })[]>('/api/peers')
  const names = new Map(peers.map((peer) => [peer.nodeId, peer.name]))
  const seen = peers.flatMap((peer) =>
    peer.channels.map((c) => `${peer.name}-${names.get(c.peer)} ${c.format}`),
  )
  expect(seen.sort()).toEqual([
    'ada-ben lcp',
    'ada-lil anchors_zero_fee_htlc_tx',
    'ben-ada lcp',
    'ben-lil anchors_zero_fee_htlc_tx',
    'lil-ada anchors_zero_fee_htlc_tx',
    'lil-ben anchors_zero_fee_htlc_tx',
  ])
})

it('gives coins and blocks, and refuses nonsense in words', async () => {
  const { txid } = (await post<{ txid: string }>('/api/faucet', { address: BOB, sat: 50_000 })).value
  const { height } = (await post<{ height: number }>('/api/mine', { blocks: 2 })).value
  expect(await get(`/esplora/api/tx/${txid}/status`)).toMatchObject({
    confirmed: true,
    block_height: height - 1,
  })
  for (const [path, body] of [
    ['/api/faucet', { address: 'nonsense', sat: 1000 }],
    ['/api/mine', { blocks: 0 }],
    ['/api/mine', { blocks: 1e9 }],
    ['/api/invoice', { peer: 'nobody' }],
    ['/api/invoice', { amountMsat: '-1' }],
    ['/api/pay', {}],
    ['/api/channel', { nodeId: 'zz', sat: 1 }],
  ] as const) {
    const answer = await post<{ error: string }>(path, body)
    expect(answer.status, path).toBeGreaterThanOrEqual(400)
    expect(answer.value.error.length, path).toBeGreaterThan(5)
  }
  expect((await fetch(`${playground.url}/api/nothing`)).status).toBe(404)
})

it('lets only its own pages spend its coins', async () => {
  const evil = await post('/api/mine', { blocks: 1 }, { origin: 'https://evil.example' })
  expect(evil.status).toBe(403)
  const own = await post('/api/mine', { blocks: 1 }, { origin: playground.url })
  expect(own.status).toBe(200)
})

it('sells: a customer opens a channel to lil, buys, is paid, and everything is there after a restart', async () => {
  const { nodeId, host, port } = await lil()
  customer = await createLdkNode({
    chain: playground.bitcoind.rpc,
    funder: playground.miner,
    seed: new Uint8Array(32).fill(9),
  })
  await customer.connect(nodeId, host, port)
  const id = await customer.openChannel(nodeId, 500_000n, 50_000_000n)
  await customer.waitFor('broadcast')
  await post('/api/mine', { blocks: 6 })
  await customer.sync()
  await customer.until(() => customer.listChannels().some((channel) => channel.usable), 'usable channel')

  const made = await post<{ invoice: string }>('/api/invoice', { amountMsat: '2500000', memo: 'Coffee' })
  const { invoice } = made.value
  expect(await get(`/api/invoice?invoice=${invoice}`)).toEqual({ paid: false })
  const qr = await fetch(`${playground.url}/shop/qr.svg?text=${invoice}`)
  expect(await qr.text()).toContain('<svg')
  expect(await customer.payInvoice(invoice)).toMatchObject({ ok: true })
  expect(await get(`/api/invoice?invoice=${invoice}`)).toEqual({ paid: true })

  const mine = customer.createInvoice(1_000_000n, 'wages').bolt11
  const paid = await post<{ preimage: string }>('/api/pay', { peer: 'lil', invoice: mine })
  expect(paid.value.preimage).toMatch(/^[0-9a-f]{64}$/)
  expect((await post('/api/pay', { invoice: mine })).status).toBe(422)
  const before = await get<{ name: string; channels: object[] }[]>('/api/peers')
  // Beside the channels to ada and ben there is the customer's.
  const ofLil = before.find((peer) => peer.name === 'lil')?.channels ?? []
  expect(ofLil).toHaveLength(3)
  expect(ofLil).toContainEqual(
    expect.objectContaining({ peer: customer.nodeId, capacitySat: '500000', usable: true }),
  )

  const { height } = await get<Info>('/api/info')
  await customer.stop()
  await playground.stop()
  playground = await start()
  expect(await lil()).toMatchObject({ nodeId, port })
  expect((await get<Info>('/api/info')).height).toBeGreaterThanOrEqual(height)
  const [after] =
    await get<{ channels: { peer: string; capacitySat: string; usable: boolean }[] }[]>('/api/peers')
  expect(after?.channels).toContainEqual(
    expect.objectContaining({ peer: customer.nodeId, capacitySat: '500000', usable: false }),
  )
  expect(id.length).toBe(64)
})

it('refuses a second playground on a folder that one runs on', async () => {
  await expect(start()).rejects.toThrow('already runs')
  expect((await fetch(`${playground.url}/api/info`)).status).toBe(200)
})

it('as a program: prints four lines, survives SIGKILL of the launcher, ends all of it on Ctrl-C', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-launcher-'))
  ends.push(() => rmSync(folder, { recursive: true, force: true }))
  const main = fileURLToPath(new URL('./main.ts', import.meta.url))
  const tsx = fileURLToPath(import.meta.resolve('tsx'))
  const port = String(await freePort())
  const launch = async (): Promise<{ child: ChildProcess; chain: number; lines: string[]; url: string }> => {
    const child = spawn(process.execPath, ['--import', tsx, main, '--data', folder, '--port', port], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    ends.push(() => child.kill('SIGKILL'))
    let text = ''
    await new Promise<void>((resolve, reject) => {
      child.stdout.on('data', (part: Buffer) => {
        text += part.toString('utf8')
        if (text.includes('  4. ')) resolve()
      })
      child.once('exit', () => reject(new Error(`launcher ended: ${text}`)))
    })
    const chain = Number(readFileSync(join(folder, 'chain', 'bitcoind.pid'), 'utf8'))
    const url = /http:\/\/localhost:\d+/.exec(text)?.[0] ?? ''
    return { child, chain, lines: text.trim().split('\n'), url }
  }
  const alive = (pid: number): boolean => {
    try {
      process.kill(pid, 0)
      return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    } catch {
      return false
    }
  }
  const nodeOf = async (url: string): Promise<string | undefined> =>
    ((await (await fetch(`${url}/api/info`)).json()) as Info).peers[0]?.nodeId

  const first = await launch()
  expect(first.lines.length).toBe(5)
  const id = await nodeOf(first.url)
  first.child.removeAllListeners('exit')
  first.child.kill('SIGKILL')
  // At once, while the chain of the killed one may still be ending.
  const second = await launch()
  expect(await nodeOf(second.url)).toBe(id)
  expect(await until(() => !alive(first.chain), 15_000)).toBe(true)
  second.child.removeAllListeners('exit')
  const code = new Promise((resolve) => second.child.once('exit', resolve))
  second.child.kill('SIGINT')
  expect(await code).toBe(0)
  expect(alive(second.chain)).toBe(false)
})
