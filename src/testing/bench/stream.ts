import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DelayProxy, startDelayProxy } from '../../playground/delay-proxy.ts'
import { createStage, type Stage } from '../interop/stage.ts'
import {
  type ChainQuestion,
  type Child,
  type Paid,
  type Payees,
  startChild,
  type Started,
  type Usage,
} from './stream-child.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'
import { multiplyPublic, publicKey } from '../../engine/crypto/curve.ts'

/**
 * Streams of payments between two nodes in processes of their own, over TCP with a round trip of 0 or 70 ms. Every payment has its
 * onion, HTLC, preimage and place in both commitments, and where it is said an invoice; ours write durably before they answer.
 */

export const RTTS_MS = [0, 70] as const
/** Payments one at a time, as a part of its own beside the runs. */
export const ONE = 'one'
const SINGLES = 15
const WARM_UP = 150
const SLOTS = 483

export interface Setup {
  readonly file: string
  readonly format: string
  readonly window: number
  readonly channelSat: bigint
  /** The most payments of a run that are under way at once. */
  readonly inFlight: (amountMsat: bigint) => number
  readonly runs: readonly Run[]
}

export interface Run {
  readonly name: string
  readonly amountMsat: bigint
  readonly count: number
  readonly bothWays: boolean
  /** Pays invoices that the payee has made before; without it the payee is not asked (keysend). */
  readonly invoices?: boolean
}

/** Payments a run, and the runs by name: fewer for a quick look. */
export const COUNT = Number(process.env['BENCH_PAYMENTS'] ?? 2000)
const RUNS = process.env['BENCH_RUNS']?.split(',')

export const SMALL: readonly Run[] = [
  { name: '1sat', amountMsat: 1_000n, count: COUNT, bothWays: false },
  { name: '1satBothWays', amountMsat: 1_000n, count: COUNT, bothWays: true },
  { name: '1satInvoices', amountMsat: 1_000n, count: COUNT, bothWays: false, invoices: true },
]
export const LARGE: readonly Run[] = [
  { name: '10ksat', amountMsat: 10_000_000n, count: COUNT, bothWays: false },
  { name: '10ksatBothWays', amountMsat: 10_000_000n, count: COUNT, bothWays: true },
]

/** Two ends with a channel between them, half of its money on either side. */
interface Pair {
  readonly ends: readonly [Child, Child]
  readonly info: readonly [Started, Started]
  readonly proxies: readonly DelayProxy[]
  stop(): Promise<void>
}

async function startPair(stage: Stage, name: string, setup: Setup): Promise<Pair> {
  const { channelSat } = setup
  const chain = (question: ChainQuestion): Promise<unknown> =>
    question.ask === 'rpc'
      ? stage.rpc.call(question.method, ...question.params)
      : stage.miner.build(question.payees)
  const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'switchback-stream-')))
  const ends = [
    startChild(`${name}-a`, setup.file, chain),
    startChild(`${name}-b`, setup.file, chain),
  ] as const
  const start = (i: 0 | 1): Promise<Started> =>
    ends[i].ask({
      do: 'start',
      dataDir: folders[i] as string,
      esploraUrl: stage.esploraUrl,
      format: setup.format,
      window: setup.window,
      maxFundingSat: channelSat,
      seed: 40 + i,
    })
  const info = [await start(0), await start(1)] as const
  const proxies: DelayProxy[] = []
  for (const rttMs of RTTS_MS) proxies.push(await startDelayProxy({ targetPort: info[1].port, rttMs }))
  const synced = async (): Promise<void> => {
    const height = await stage.rpc.call<number>('getblockcount')
    for (const end of ends) await end.ask({ do: 'synced', height })
  }
  if (info[0].address !== undefined) await stage.miner.fund(info[0].address, channelSat + 100_000n)
  await stage.miner.mine(1)
  await synced()
  const { nodeId, port } = info[1]
  const txid = await ends[0].ask<string>({ do: 'open', nodeId, port, sat: channelSat })
  await stage.inMempool(txid)
  // LDK asks for six, whatever it is told.
  for (let i = 0; i < 6; i++) {
    await stage.miner.mine(1)
    await synced()
  }
  for (const end of ends) await end.ask({ do: 'usable' })
  return {
    ends,
    info,
    proxies,
    async stop() {
      for (const end of ends) await end.stop()
      for (const proxy of proxies) await proxy.close()
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The value that so much of all lies below. */
export const percentile = (values: readonly number[], p: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}

/** Three digits that count. */
export const round = (value: number): number => Number(value.toPrecision(3))

/** The payments of one end, or half of them from either. */
async function streamed(pair: Pair, run: Omit<Run, 'name'>, maxInFlight: number): Promise<Paid> {
  const payers: readonly (0 | 1)[] = run.bothWays ? [0, 1] : [0]
  const count = Math.floor(run.count / payers.length)
  const { amountMsat } = run
  const payees = await Promise.all(
    payers.map(async (i): Promise<Payees> => {
      const to = i === 0 ? 1 : 0
      if (run.invoices !== true) return { nodeId: pair.info[to].nodeId, amountMsat, count }
      return { invoices: await pair.ends[to].ask<string[]>({ do: 'invoices', count, amountMsat }) }
    }),
  )
  const begin = performance.now()
  const paid = await Promise.all(
    payers.map((i, k) => pair.ends[i].ask<Paid>({ do: 'pay', what: payees[k] as Payees, maxInFlight })),
  )
  return { wallMs: performance.now() - begin, latenciesMs: paid.flatMap((p) => p.latenciesMs) }
}

async function measure(pair: Pair, setup: Setup, rttMs: number, run: Run): Promise<Figures> {
  const profile = (name?: string) =>
    Promise.all(pair.ends.map((end) => end.ask({ do: 'profile', ...(name === undefined ? {} : { name }) })))
  await profile()
  const before = await usageOf(pair)
  const { wallMs, latenciesMs } = await streamed(pair, run, setup.inFlight(run.amountMsat))
  const after = await usageOf(pair)
  await profile(`rtt${rttMs}.${run.name}`)
  const states = await Promise.all(
    pair.ends.map((end) => end.ask<{ openerMsat: bigint } | undefined>({ do: 'settled' })),
  )
  if (states[0]?.openerMsat !== states[1]?.openerMsat) throw new Error('the two ends say different balances')
  // One way brings the money to the other side: it goes back, unmeasured, so that every run finds the same.
  if (!run.bothWays && run.amountMsat > 1_000n)
    await streamed(
      { ...pair, ends: [pair.ends[1], pair.ends[0]], info: [pair.info[1], pair.info[0]] },
      { amountMsat: (run.amountMsat * BigInt(run.count)) / 20n, count: 20, bothWays: false },
      20,
    )
  const cpu = [0, 1].map((i) => ((after[i]?.cpuMs ?? 0) - (before[i]?.cpuMs ?? 0)) / run.count)
  return {
    seconds: round(wallMs / 1000),
    perSecond: round((run.count * 1000) / wallMs),
    p50Ms: round(percentile(latenciesMs, 0.5)),
    p99Ms: round(percentile(latenciesMs, 0.99)),
    cpuMsPayer: round(cpu[0] ?? Number.NaN),
    cpuMsPayee: round(cpu[1] ?? Number.NaN),
    rssMb: Math.max(...after.map((u) => u.rssMb)),
  }
}

const usageOf = (pair: Pair): Promise<readonly Usage[]> =>
  Promise.all(pair.ends.map((end) => end.ask<Usage>({ do: 'usage' })))

/**
 * One payment at a time: the median from the call to the preimage, and the CPU of both sides together. Each begins when nothing of the one
 * before is left in the channel: what is measured is a payment, not how two follow each other.
 */
async function single(pair: Pair): Promise<Figures> {
  const times: number[] = []
  const before = await usageOf(pair)
  for (let i = 0; i < SINGLES; i++) {
    const paid = await streamed(pair, { amountMsat: 1_000n, count: 1, bothWays: false }, 1)
    times.push(paid.latenciesMs[0] ?? Number.NaN)
    for (const end of pair.ends) await end.ask({ do: 'settled' })
  }
  const after = await usageOf(pair)
  const cpu = after.reduce((sum, u, i) => sum + u.cpuMs - (before[i]?.cpuMs ?? 0), 0)
  return {
    onePaymentMs: round(percentile(times, 0.5)),
    onePaymentCpuMs: round(cpu / SINGLES),
  }
}

/** What is to be measured of a setup, and who takes the figures of each part as soon as they are there. */
export interface Plan {
  /** Whether a part is wanted: a run by its name, or `ONE`. Asked right before it. */
  wants(rttMs: number, part: string): boolean
  took(rttMs: number, part: string, figures: Figures): void
}

/** Starts a pair of nodes, warms it up, and measures what the plan wants; how fast the machine is comes with it. */
export async function measureStreams(name: string, setup: Setup, plan: Plan): Promise<Figures> {
  const parts = [ONE, ...setup.runs.map((run) => run.name)]
  const stage = await createStage()
  try {
    const pair = await startPair(stage, name, setup)
    try {
      // What runs for the first time is compiled meanwhile.
      await streamed(pair, { amountMsat: 1_000n, count: WARM_UP, bothWays: true }, WARM_UP)
      // How fast this machine is just now: 0.12 ms on a quiet one. With others at work all figures below are that much too high.
      const figures = { curveMultiplicationMs: curveSpeed() }
      for (const [i, rttMs] of RTTS_MS.entries()) {
        if (!parts.some((part) => plan.wants(rttMs, part))) continue
        const { nodeId } = pair.info[1]
        const proxy = pair.proxies[i] as DelayProxy
        await pair.ends[0].ask({ do: 'connect', nodeId, port: proxy.port })
        for (const end of pair.ends) await end.ask({ do: 'usable' })
        if (plan.wants(rttMs, ONE)) plan.took(rttMs, ONE, await single(pair))
        for (const run of setup.runs)
          if (plan.wants(rttMs, run.name)) plan.took(rttMs, run.name, await measure(pair, setup, rttMs, run))
      }
      return figures
    } finally {
      await pair.stop()
    }
  } finally {
    await stage.close()
  }
}

async function benchStream(name: string, setup: Setup): Promise<Figures> {
  const figures: Record<string, number> = {}
  const speed = await measureStreams(name, setup, {
    wants: (_, part) => part === ONE || RUNS === undefined || RUNS.includes(part),
    took(rttMs, part, measured) {
      const prefix = part === ONE ? `rtt${rttMs}` : `rtt${rttMs}.${part}`
      for (const [key, value] of Object.entries(measured)) figures[`${prefix}.${key}`] = value
    },
  })
  return { ...speed, ...figures }
}

/** Milliseconds of a multiplication on the curve: how fast the machine is just now. */
export function curveSpeed(): number {
  const point = publicKey(new Uint8Array(32).fill(3))
  return millisecondsOf(() => multiplyPublic(point, new Uint8Array(32).fill(5)), 200)
}

export const ours = (format: string, window: number, runs: readonly Run[]): Setup => ({
  file: './stream-node.ts',
  format,
  window,
  channelSat: 60_000_000n,
  inFlight: (amountMsat) => (format === 'lcp' && amountMsat < 354_000n ? 2000 : SLOTS),
  runs,
})

/**
 * LDK at its best: 483 payments a wave (`stream-ldk.ts`). It sends the first HTLC alone and the rest behind its revocation, so that few large
 * waves serve it best where the round trip counts.
 */
export const LDK: Setup = {
  file: './stream-ldk.ts',
  format: 'static_remotekey',
  window: 1,
  channelSat: 60_000_000n,
  inFlight: () => SLOTS,
  runs: SMALL,
}

const entry = (name: string, about: string, setup: Setup): Bench => ({
  name: `stream:${name}`,
  about: `${about}; payments streamed between two processes, CPU in ms a payment and side`,
  onDemand: name !== 'lcp16',
  run: () => benchStream(name, setup),
})

/** `--only stream` for all, `--only stream:lcp16` for one. */
export const streams: readonly Bench[] = [
  entry('lcp16', 'lcp, W = 16', ours('lcp', 16, [...SMALL, ...LARGE])),
  entry('bolt', 'bolt (anchors)', ours('anchors_zero_fee_htlc_tx', 1, [...SMALL, ...LARGE])),
  entry('ldk', 'LDK with LDK, 483 slots, state in memory', LDK),
  entry('lcp1', 'lcp, W = 1', ours('lcp', 1, SMALL)),
  entry('lcp4', 'lcp, W = 4', ours('lcp', 4, SMALL)),
  entry('lcp64', 'lcp, W = 64', ours('lcp', 64, SMALL)),
]
