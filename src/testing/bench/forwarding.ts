import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DelayProxy, startDelayProxy } from '../../playground/delay-proxy.ts'
import { createStage, type Stage } from '../interop/stage.ts'
import { COUNT, curveSpeed, percentile, round } from './stream.ts'
import {
  type ChainQuestion,
  type Child,
  type Paid,
  startChild,
  type Started,
  type Usage,
} from './stream-child.ts'
import type { Bench, Figures } from './types.ts'

/**
 * Payments through a node between two others, three processes over TCP: by invoices whose hint names the private channel behind the middle.
 * Ours write durably before they answer, all three.
 */

/** Round trips of both links: none, 70 ms, and 70 ms one way. */
const RTTS_MS = [0, 70, 140]
/** Half of it is the peer's at first; all payments of 10,000 sat, those of each round trip, go one way and never come back. */
const CHANNEL_SAT = 60_000_000n + BigInt(COUNT) * 75_000n
const WARM_UP = 100
const SINGLES = 7

interface Chain3 {
  readonly name: string
  readonly about: string
  readonly format: string
  readonly window: number
  /** What the middle runs. */
  readonly middle: string
  readonly inFlight: (amountMsat: bigint) => number
}

const ONLY = process.env['BENCH_RUNS']?.split(',')
const AMOUNTS = [
  { name: '1sat', amountMsat: 1_000n },
  { name: '10ksat', amountMsat: 10_000_000n },
].filter(({ name }) => ONLY === undefined || ONLY.includes(name))

interface Three {
  readonly payer: Child
  readonly middle: Child
  readonly payee: Child
  readonly all: readonly Child[]
  /** By round trip: where payer and payee reach the middle. */
  readonly proxies: readonly (readonly [DelayProxy, DelayProxy])[]
  readonly middleId: string
  stop(): Promise<void>
}

async function startThree(stage: Stage, setup: Chain3): Promise<Three> {
  const chain = (question: ChainQuestion): Promise<unknown> =>
    question.ask === 'rpc'
      ? stage.rpc.call(question.method, ...question.params)
      : stage.miner.build(question.payees)
  const files = ['./stream-node.ts', setup.middle, './stream-node.ts']
  const all = files.map((file, i) => startChild(`${setup.name}-${'amb'.charAt(i)}`, file, chain))
  const [payer, middle, payee] = all as [Child, Child, Child]
  const folders = all.map(() => mkdtempSync(join(tmpdir(), 'switchback-forwarding-')))
  const info: Started[] = []
  for (const [i, child] of all.entries())
    info.push(
      await child.ask<Started>({
        do: 'start',
        dataDir: folders[i] as string,
        esploraUrl: stage.esploraUrl,
        format: setup.format,
        window: setup.window,
        maxFundingSat: CHANNEL_SAT,
        seed: 50 + i,
      }),
    )
  const { nodeId, port } = info[1] as Started
  const proxies: [DelayProxy, DelayProxy][] = []
  for (const rttMs of RTTS_MS)
    proxies.push([
      await startDelayProxy({ targetPort: port, rttMs }),
      await startDelayProxy({ targetPort: port, rttMs }),
    ])
  const synced = async (): Promise<void> => {
    const height = await stage.rpc.call<number>('getblockcount')
    for (const child of all) await child.ask({ do: 'synced', height })
  }
  for (const end of [info[0], info[2]]) await stage.miner.fund(end?.address as string, CHANNEL_SAT + 100_000n)
  await stage.miner.mine(1)
  await synced()
  for (const end of [payer, payee])
    await stage.inMempool(await end.ask<string>({ do: 'open', nodeId, port, sat: CHANNEL_SAT }))
  for (let i = 0; i < 6; i++) {
    await stage.miner.mine(1)
    await synced()
  }
  await allUsable([payer, middle, payee])
  return {
    payer,
    middle,
    payee,
    all,
    proxies,
    middleId: nodeId,
    async stop() {
      for (const child of all) await child.stop()
      for (const proxy of proxies.flat()) await proxy.close()
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

const allUsable = ([payer, middle, payee]: readonly [Child, Child, Child]): Promise<unknown> =>
  Promise.all([
    payer.ask({ do: 'usable' }),
    middle.ask({ do: 'usable', channels: 2 }),
    payee.ask({ do: 'usable' }),
  ])

async function streamed(three: Three, count: number, amountMsat: bigint, maxInFlight: number): Promise<Paid> {
  const invoices = await three.payee.ask<string[]>({ do: 'invoices', count, amountMsat })
  const paid = await three.payer.ask<Paid>({ do: 'pay', what: { invoices }, maxInFlight })
  for (const child of three.all) await child.ask({ do: 'settled' })
  return paid
}

const usageOf = (three: Three): Promise<readonly Usage[]> =>
  Promise.all(three.all.map((child) => child.ask<Usage>({ do: 'usage' })))

async function measure(three: Three, setup: Chain3, amountMsat: bigint, profile: string): Promise<Figures> {
  const profiled = (name?: string) =>
    Promise.all(
      three.all.map((child) => child.ask({ do: 'profile', ...(name === undefined ? {} : { name }) })),
    )
  const before = await usageOf(three)
  await profiled()
  const paid = await streamed(three, COUNT, amountMsat, setup.inFlight(amountMsat))
  await profiled(profile)
  const after = await usageOf(three)
  const cpu = (i: number): number => round(((after[i]?.cpuMs ?? 0) - (before[i]?.cpuMs ?? 0)) / COUNT)
  // From one payment's end to the next, in a fifth of them: the last takes no longer than the second where nothing grows.
  const endOf = (n: number): number => paid.latenciesMs[Math.min(n, COUNT) - 1] ?? 0
  const fifth = (n: number): number =>
    round((endOf(Math.floor(((n + 1) * COUNT) / 5)) - endOf(Math.floor((n * COUNT) / 5))) / (COUNT / 5))
  return {
    perSecond: round((COUNT * 1000) / paid.wallMs),
    p50Ms: round(percentile(paid.latenciesMs, 0.5)),
    p99Ms: round(percentile(paid.latenciesMs, 0.99)),
    cpuMsPayer: cpu(0),
    cpuMsMiddle: cpu(1),
    cpuMsPayee: cpu(2),
    secondFifthMsEach: fifth(1),
    lastFifthMsEach: fifth(4),
    rssMbPayer: after[0]?.rssMb ?? 0,
    rssMbMiddle: after[1]?.rssMb ?? 0,
    rssMbPayee: after[2]?.rssMb ?? 0,
  }
}

async function benchForwarding(setup: Chain3): Promise<Figures> {
  const stage = await createStage()
  try {
    const three = await startThree(stage, setup)
    try {
      await streamed(three, WARM_UP, 1_000n, WARM_UP)
      const figures: Record<string, number> = { curveMultiplicationMs: curveSpeed() }
      for (const [i, rttMs] of RTTS_MS.entries()) {
        const [a, b] = three.proxies[i] as readonly [DelayProxy, DelayProxy]
        await three.payer.ask({ do: 'connect', nodeId: three.middleId, port: a.port })
        await three.payee.ask({ do: 'connect', nodeId: three.middleId, port: b.port })
        await allUsable([three.payer, three.middle, three.payee])
        const times: number[] = []
        for (let n = 0; n < SINGLES; n++)
          times.push((await streamed(three, 1, 1_000n, 1)).latenciesMs[0] ?? Number.NaN)
        figures[`rtt${rttMs}.onePaymentMs`] = round(percentile(times, 0.5))
        for (const { name, amountMsat } of AMOUNTS) {
          const part = `rtt${rttMs}.${name}`
          const found = await measure(three, setup, amountMsat, part).catch((thrown: unknown) => {
            throw new Error(`${part}: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
          })
          for (const [key, value] of Object.entries(found)) figures[`${part}.${key}`] = value
        }
      }
      return figures
    } finally {
      await three.stop()
    }
  } finally {
    await stage.close()
  }
}

const SLOTS = 483

const SETUPS: readonly Chain3[] = [
  {
    name: 'lcp16',
    about: 'lcp, W = 16',
    format: 'lcp',
    window: 16,
    middle: './stream-node.ts',
    inFlight: (amountMsat) => (amountMsat < 354_000n ? 2000 : SLOTS),
  },
  {
    name: 'bolt',
    about: 'bolt (anchors)',
    format: 'anchors_zero_fee_htlc_tx',
    window: 1,
    middle: './stream-node.ts',
    inFlight: () => SLOTS,
  },
  {
    name: 'ldk',
    about: 'bolt without anchors, LDK in the middle, its state in memory',
    format: 'static_remotekey',
    window: 1,
    middle: './stream-ldk.ts',
    inFlight: () => SLOTS,
  },
]

/** `--only forwarding` for all, `--only forwarding:lcp16` for one. */
export const forwarding: readonly Bench[] = SETUPS.map((setup) => ({
  name: `forwarding:${setup.name}`,
  about: `${setup.about}; payments through a third process, CPU in ms a payment and node`,
  onDemand: true,
  run: () => benchForwarding(setup),
}))
