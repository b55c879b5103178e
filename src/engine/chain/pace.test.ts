import { describe, expect, test } from 'vitest'
import { seeded, type Random } from '../../testing/random.ts'
import { txidOf } from '../bitcoin/tx.ts'
import { chainConfig } from './config.ts'
import { chainRecords, loadChain } from './records.ts'
import { fakeTx, type FakeBlock, FakeNode } from './testkit/blocks.ts'
import { Driver } from './testkit/driver.ts'
import type { EsploraRequest, EsploraResult } from './esplora.ts'
import { type Fault, failure, FakeEsplora, summary } from './testkit/fakeEsplora.ts'

/**
 * Servers of every speed, some of them hostile and first in the list: whoever follows the chain beside one honest server reaches its tip and
 * stays there, and sees what is spent, within a bounded time. `SEEDS=2000` tries more.
 */

const TIMEOUT = 8_000
/** What it may take from nothing, for a block, and for a spend with its proof. */
const FIRST_MS = 60_000
const BLOCK_MS = 30_000
const PROOF_MS = 90_000

const script = (n: number) => Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(n))
const notFound = failure('http', 'not found', 404)
const value = (v: unknown): EsploraResult => ({ ok: true, value: v })

/** Blocks that nobody mined: they hash to their ids and are linked, and stand as high as one likes. */
const invented = (block: FakeBlock, height: number) => ({ ...summary(block), height })

type Hostile = (
  server: FakeEsplora,
  random: Random,
) => { readonly fault: Fault; readonly latencyMs: () => number }
const dripping = () => TIMEOUT * 0.95

const HOSTILE: Readonly<Record<string, Hostile>> = {
  'one block an answer, as late as it may': (server) => ({
    fault: (r) => {
      if (r.kind !== 'blocks') return undefined
      const block = server.node.blocks[r.height ?? server.node.tip.height]
      return block ? value([summary(block)]) : notFound
    },
    latencyMs: dripping,
  }),
  'everything right, as late as it may': () => ({ fault: () => undefined, latencyMs: dripping }),
  'says nothing': () => ({ fault: () => 'silence', latencyMs: () => 1 }),
  'states the tip and shows no blocks': () => ({
    fault: (r) => (r.kind === 'blocks' ? 'silence' : undefined),
    latencyMs: () => 1,
  }),
  'a newest block far above, and nothing on the way there': (server) => ({
    fault: (r) => {
      if (r.kind !== 'blocks') return undefined
      return r.height === null ? value([invented(server.node.tip, 1_000_000)]) : 'silence'
    },
    latencyMs: () => 1,
  }),
  'a branch to the same tip without a foot, block by block': (server) => {
    const other = server.node.fork()
    other.blocks = other.blocks.slice(0, 5)
    return {
      fault: (r) => {
        if (r.kind === 'tipHash' || r.kind !== 'blocks') return undefined
        if (r.height === null) other.mine(Math.max(0, server.node.tip.height - other.tip.height))
        const block = other.blocks[r.height ?? server.node.tip.height]
        return block ? value([summary(block)]) : notFound
      },
      latencyMs: dripping,
    }
  },
  'another tip each time': (_, random) => ({
    fault: (r) =>
      r.kind === 'tipHash'
        ? value([...random.bytes(32)].map((b) => b.toString(16).padStart(2, '0')).join(''))
        : undefined,
    latencyMs: () => random.int(TIMEOUT),
  }),
  'hides spends, proofs and bytes, late': () => ({
    fault: (r) => {
      if (r.kind === 'merkleProof' || r.kind === 'tx') return notFound
      return r.kind === 'outspend' ? value({ spent: false }) : undefined
    },
    latencyMs: dripping,
  }),
  'says that it is only in the mempool, just before its denial of a proof': (server) => ({
    fault: (r) => {
      if (r.kind === 'merkleProof') return notFound
      if (r.kind !== 'outspend') return undefined
      const found = server.answerHonestly(r)
      const claim = found.ok && typeof found.value === 'object' ? { ...found.value } : {}
      return value({ ...claim, ...('txid' in claim && { status: { confirmed: false } }) })
    },
    latencyMs: () => TIMEOUT * 0.9,
  }),
}

interface Life {
  readonly d: Driver
  readonly node: FakeNode
  readonly what: string
  restart(): void
}

function life(seed: number): Life {
  const random = seeded(seed)
  const node = new FakeNode()
  node.mine(20 + random.int(80))
  const kinds = Object.keys(HOSTILE)
  const count = 2 + random.int(3)
  const honest = 1 + random.int(2)
  const servers: Record<string, FakeEsplora> = {}
  const latencies: Record<string, (r: EsploraRequest) => number> = {}
  const place = random.int(count)
  const names: string[] = []
  for (let i = 0; i < count; i++) {
    const server = new FakeEsplora(node)
    const url = `s${i}`
    servers[url] = server
    if (i === place || i >= count - honest + 1) {
      const slowest = random.pick([50, 400, 1_500])
      latencies[url] = () => 1 + random.int(slowest)
      names.push(`honest within ${slowest}`)
      continue
    }
    const kind = random.pick(kinds)
    const { fault, latencyMs } = (HOSTILE[kind] as Hostile)(server, random)
    server.fault = fault
    latencies[url] = latencyMs
    names.push(kind)
  }
  const latencyMs = (r: EsploraRequest, url: string) => latencies[url]?.(r) ?? 1
  const it = {
    d: new Driver(servers, { latencyMs }),
    node,
    what: names.join(' · '),
    restart() {
      const loaded = loadChain('regtest', chainRecords(undefined, it.d.state.headers).puts)
      it.d = new Driver(servers, { latencyMs, now: it.d.now, ...(loaded.ok && { headers: loaded.value }) })
    },
  }
  return it
}

/** Runs until it is so; false when it is not within the time. */
function within(d: Driver, ms: number, holds: () => boolean): boolean {
  for (let passed = 0; passed < ms && !holds(); passed += 250) d.run(250)
  return holds()
}

function problemOf(seed: number): string | undefined {
  const random = seeded(seed + 1_000_000)
  const it = life(seed)
  const { node } = it
  const atTip = () => it.d.state.headers.tip.hash === node.tip.hash
  // Blocks that come while the first are being read.
  if (random.bool(0.5)) {
    it.d.run(random.int(2_000))
    node.mine(1 + random.int(3))
  }
  if (!within(it.d, FIRST_MS, atTip))
    return `the first tip: ${it.d.state.headers.tip.height} of ${node.tip.height}`
  for (let round = 0; round < 6; round++) {
    it.d.run(random.int(12_000))
    if (random.bool(0.2)) it.d.sleep(400_000)
    else if (random.bool(0.1)) it.restart()
    if (random.bool(0.3) && node.tip.height > 20) node.reorg(1 + random.int(3), 5)
    else node.mine(random.pick([1, 1, 2, 15, 40]))
    if (random.bool(0.3)) {
      it.d.run(random.int(1_500))
      node.mine()
    }
    if (!within(it.d, BLOCK_MS, atTip)) return `block ${node.tip.height}: at ${it.d.state.headers.tip.height}`
  }
  const fund = fakeTx({ txid: 'aa'.repeat(32), vout: seed }, script(1), seed)
  node.mine(1, [fund])
  const outpoint = { txid: txidOf(fund), vout: 0 }
  it.d.input({ type: 'watchSpend', token: 's', outpoint, scriptPubKey: script(1) })
  it.d.run(random.int(20_000))
  node.mine(1, [fakeTx(outpoint, script(2), 1)])
  const proved = () => it.d.last('spent', 's')?.confirmed?.height === node.tip.height
  if (!within(it.d, PROOF_MS, proved)) return 'the spend is not proved'
  return undefined
}

const SEEDS = Number(process.env['SEEDS'] ?? '40')

describe('beside one honest server, wherever it stands in the list', () => {
  test(
    'the tip is reached and kept, and a spend is proved, within a bounded time',
    () => {
      const problems: string[] = []
      for (let seed = 1; seed <= SEEDS; seed++) {
        const problem = problemOf(seed)
        if (problem !== undefined) problems.push(`seed ${seed}, ${life(seed).what}: ${problem}`)
      }
      expect(problems).toEqual([])
    },
    1_000 * SEEDS,
  )
})

describe('what one server cannot do to the others', () => {
  const setup = (blocks: number) => {
    const node = new FakeNode()
    node.mine(blocks)
    return { node, bad: new FakeEsplora(node), good: new FakeEsplora(node) }
  }
  const at = (d: Driver, node: FakeNode) => () => d.state.headers.tip.hash === node.tip.hash

  test('lead the first sync for ever, a block an answer', () => {
    const { node, bad, good } = setup(400)
    bad.fault = (r) =>
      r.kind === 'blocks' ? value([summary(node.blocks[r.height ?? 400] as FakeBlock)]) : undefined
    const d = new Driver(
      { bad, good },
      {
        latencyMs: (r, url) => (url === 'bad' && r.kind === 'blocks' && r.height !== null ? dripping() : 100),
      },
    )
    expect(within(d, 20_000, at(d, node))).toBe(true)
  })

  test.each([20, 126, 176])(
    'stand in the way with a sync that the other one has finished: two honest ones, a block apart (seed %i)',
    (seed) => {
      const random = seeded(seed)
      const { node, bad: late, good } = setup(30 + random.int(120))
      const old = new FakeEsplora(node.fork())
      node.mine(1)
      late.fault = (r) => old.answer(r)
      const config = { requestsPerHour: 700, requestsPerSecond: random.pick([1, 2, 5]), maxInFlight: 4 }
      const slowest = [random.pick([20, 100, 500]), random.pick([20, 100, 500])] as const
      const latencyMs = (_: EsploraRequest, url: string) => 1 + random.int(slowest[url === 'late' ? 0 : 1])
      const d = new Driver({ late, good }, { config, latencyMs })
      d.run(60_000)
      late.fault = null
      node.mine(1)
      expect(within(d, 60_000, at(d, node))).toBe(true)
    },
  )

  test('be the only one that is waited for: the other is polled on while it says nothing', () => {
    const { node, bad, good } = setup(30)
    bad.fault = () => 'silence'
    const d = new Driver({ good, bad })
    d.run(3_000)
    for (let i = 0; i < 30; i++) {
      d.run(1_700)
      node.mine()
      expect(within(d, 5_000, at(d, node))).toBe(true)
    }
  })

  test('keep a proof away with another that is as slow: the third is asked', () => {
    const { node, bad, good } = setup(30)
    const worse = new FakeEsplora(node)
    const d = new Driver(
      { bad, worse, good },
      { latencyMs: (r, url) => (url !== 'good' && r.kind === 'merkleProof' ? dripping() : 20) },
    )
    const hides = (r: EsploraRequest) => (r.kind === 'merkleProof' ? notFound : undefined)
    bad.fault = hides
    worse.fault = hides
    const fund = fakeTx({ txid: 'aa'.repeat(32), vout: 1 }, script(1), 1)
    node.mine(1, [fund])
    const outpoint = { txid: txidOf(fund), vout: 0 }
    d.input({ type: 'watchSpend', token: 's', outpoint, scriptPubKey: script(1) })
    d.run(3_000)
    node.mine(1, [fakeTx(outpoint, script(2), 1)])
    expect(within(d, 8_000, () => d.last('spent', 's')?.confirmed?.height === 32)).toBe(true)
  })

  test('use up what the others allow by inventing spenders: a real one is found and proved all the same', () => {
    const { node, bad, good } = setup(30)
    const config = { ...chainConfig('signet'), network: 'regtest' as const, staleTipMs: 0 }
    const random = seeded(7)
    const fakes = new Map<string, string>()
    const funds = Array.from({ length: 12 }, (_, i) =>
      fakeTx({ txid: 'aa'.repeat(32), vout: i }, script(1), i),
    )
    node.mine(1, funds)
    bad.fault = (r) => {
      if (r.kind === 'tx' || r.kind === 'merkleProof') return notFound
      if (r.kind !== 'outspend') return undefined
      const fake =
        fakes.get(r.txid) ?? [...random.bytes(32)].map((b) => b.toString(16).padStart(2, '0')).join('')
      fakes.set(r.txid, fake)
      const block = { block_height: 31, block_hash: node.blocks[31]?.hash, block_time: 1 }
      return value({ spent: true, txid: fake, vin: 0, status: { confirmed: true, ...block } })
    }
    const d = new Driver({ bad, good }, { config })
    for (const [i, fund] of funds.entries()) {
      const outpoint = { txid: txidOf(fund), vout: 0 }
      d.input({ type: 'watchSpend', token: `s${i}`, outpoint, scriptPubKey: script(1) })
    }
    // Long enough for every allowance to be spent.
    d.run(1_800_000)
    const last = { txid: txidOf(funds[11] as (typeof funds)[0]), vout: 0 }
    node.mine(1, [fakeTx(last, script(2), 1)])
    expect(within(d, 420_000, () => d.last('spent', 's11')?.confirmed?.height === 32)).toBe(true)
  })
})
