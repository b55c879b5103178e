import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { createGraph } from '../engine/router/graph.ts'
import { writeSnapshot } from '../engine/router/snapshot-write.ts'
import { generateNetwork } from '../testing/network/generate.ts'
import { createDownload, type Download } from './download.ts'
import { fakeClock } from './fixture.ts'
import { createSnapshots, storedMark } from './snapshots.ts'

const NOW = 1_760_100_000
const { chainHash } = NETWORKS.regtest
const bytes = writeSnapshot(
  generateNetwork({ nodes: 300, channels: 1500, seed: 5, timestamp: NOW - 1000 }).graph,
  chainHash,
  NOW,
)
const DAY = 24 * 3600_000

function world(
  answer: Download = async () => ({ ok: true, bytes }),
  mark?: ReturnType<typeof storedMark>,
  graph = createGraph(),
) {
  const clock = fakeClock(NOW * 1000)
  const asked: string[] = []
  let url = ''
  const snapshots = createSnapshots({
    graph,
    chainHash,
    clock,
    download: (address, limits, signal) => {
      asked.push(address)
      return answer(address, limits, signal)
    },
    mark,
    url: () => url,
    height: () => 0,
    guarded: (task) => task(),
  })
  return {
    graph,
    asked,
    snapshots,
    name: (address: string) => {
      url = address
    },
    /** Time goes by, and what waits for it is done. */
    async later(ms: number) {
      await clock.advance(ms)
      snapshots.tick()
      await all()
    },
    all,
  }
  async function all(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      for (let n = 0; n < 20; n++) await Promise.resolve()
      await clock.advance(1)
    }
  }
}

describe('snapshots', () => {
  test('are asked of nobody until the user names a server, and then once a day, from where the last one stood', async () => {
    const w = world()
    await w.later(DAY)
    await w.later(DAY)
    expect([w.asked, w.snapshots.status()]).toEqual([[], undefined])
    w.name('https://one')
    await w.later(1)
    expect(w.asked).toEqual(['https://one/0'])
    expect(w.snapshots.status()).toEqual({
      url: 'https://one',
      state: 'done',
      madeAt: NOW,
      bytes: bytes.length,
      hints: 1500,
    })
    await w.later(DAY / 2)
    expect(w.asked.length).toBe(1)
    await w.later(DAY / 2)
    expect(w.asked.at(-1)).toBe(`https://one/${NOW}`)
  })

  test('of another server begin at the beginning, and so they do where the graph is gone', async () => {
    const w = world()
    w.name('https://one')
    await w.later(1)
    const written = w.snapshots.takeWrites()
    const mark = storedMark(new Map(written.map(({ key, value }) => [key, value as Uint8Array])))
    expect(mark).toMatchObject({ url: 'https://one', seen: NOW })
    w.name('https://two')
    await w.later(1)
    expect(w.asked.at(-1)).toBe('https://two/0')
    // After a restart: a day is a day.
    const kept = world(undefined, mark, w.graph)
    kept.name('https://one')
    await kept.later(1)
    expect(kept.asked).toEqual([])
    await kept.later(2 * DAY)
    expect(kept.asked).toEqual([`https://one/${NOW}`])
    const lost = world(undefined, mark)
    lost.name('https://one')
    await lost.later(2 * DAY)
    expect(lost.asked).toEqual(['https://one/0'])
  })

  test('that cannot be had or are none say so, are tried again in an hour, and leave nothing to be resumed wrongly', async () => {
    for (const [answer, reason] of [
      [async () => ({ ok: false, reason: 'status 500' }), 'status 500'],
      [async () => ({ ok: true, bytes: bytes.slice(0, 30_000) }), 'malformed'],
      [async () => Promise.reject(new Error('offline')), 'offline'],
    ] as readonly (readonly [Download, string])[]) {
      const w = world(answer)
      w.name('https://one')
      await w.later(1)
      expect(w.snapshots.status()).toMatchObject({ state: 'failed', reason })
      expect(w.snapshots.takeWrites()).toEqual([])
      await w.later(DAY / 48)
      expect(w.asked.length).toBe(1)
      await w.later(DAY / 24)
      expect(w.asked).toEqual(['https://one/0', 'https://one/0'])
    }
  })

  test('are read a slice at a time, and no further once the server is not wanted any more', async () => {
    const w = world()
    w.name('https://one')
    w.snapshots.tick()
    for (let n = 0; n < 20; n++) await Promise.resolve()
    expect(w.snapshots.status()?.state).toBe('loading')
    expect([w.graph.channelCount > 0, w.graph.channelCount < 1500]).toEqual([true, true])
    w.name('')
    await w.all()
    expect(w.graph.channelCount).toBeLessThan(1500)
    expect(w.snapshots.takeWrites()).toEqual([])
    // Begun again it goes through to the end: what was read once more changes nothing.
    w.name('https://one')
    await w.later(3600_000)
    w.snapshots.tick(true)
    await w.all()
    expect(w.graph.channelCount).toBe(1500)
  })
})

describe('a download', () => {
  let server: Server
  let base = ''
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/404') response.writeHead(404).end('no')
      else if (request.url === '/hang') response.writeHead(200).write('x')
      else response.writeHead(200).end(Buffer.alloc(100_000, 7))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const get = (
    path: string,
    maxBytes = 1_000_000,
    timeoutMs = 5_000,
    signal = new AbortController().signal,
  ) => createDownload(fetch)(base + path, { maxBytes, timeoutMs }, signal)

  test('brings all the bytes, or says why not: status, size, time, the user', async () => {
    const got = await get('/')
    expect(got.ok && got.bytes.length === 100_000 && got.bytes.every((b) => b === 7)).toBe(true)
    expect(await get('/404')).toEqual({ ok: false, reason: 'status 404' })
    expect(await get('/', 99_999)).toEqual({ ok: false, reason: 'more than 99999 bytes' })
    expect((await get('/hang', 1000, 50)).ok).toBe(false)
    expect((await get('/hang', 1000, 5_000, AbortSignal.abort())).ok).toBe(false)
  })
})
