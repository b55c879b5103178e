import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  COUNT,
  LARGE,
  LDK,
  measureStreams,
  ONE,
  ours,
  type Run,
  RTTS_MS,
  type Setup,
  SMALL,
} from './stream.ts'
import type { Bench, Figures } from './types.ts'

/**
 * The whole comparison: lcp at four windows, bolt, and LDK; 1 sat and 10,000 sat; 0 and 70 ms; one way and both. It is longer than one
 * command may be, so each part is kept as soon as it is measured, and the next call goes on where this one ended. A part belongs to a
 * commit and a number of payments: with another one it begins anew.
 */

const FILE = join(process.cwd(), '.cache', 'bench', 'stream-matrix.json')
/** No part is begun later than this; the longest takes half a minute. `BENCH_SECONDS` for another limit. */
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 500)

const RUNS: readonly Run[] = [...SMALL, ...LARGE].filter((run) => run.invoices !== true)

/**
 * LDK three times: in waves that fill its 483 slots, and with 240 and 120 payments always under way, where both sides work at the same time
 * but batches are small. The best figure of the three is the one to compare with.
 */
const SUBJECTS: Readonly<Record<string, Setup>> = {
  lcp16: ours('lcp', 16, RUNS),
  bolt: ours('anchors_zero_fee_htlc_tx', 1, RUNS),
  ldk: { ...LDK, runs: RUNS },
  ldk240: { ...LDK, runs: RUNS, inFlight: () => 240 },
  ldk120: { ...LDK, runs: RUNS, inFlight: () => 120 },
  lcp1: ours('lcp', 1, RUNS),
  lcp4: ours('lcp', 4, RUNS),
  lcp64: ours('lcp', 64, RUNS),
}

interface Kept {
  readonly commit: string
  readonly payments: number
  /** Figures by `partKey`. */
  readonly parts: Readonly<Record<string, Figures>>
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** `lcp16Rtt70Ms1SatBothWays`: to be followed by what was measured, with its unit. */
const partKey = (subject: string, rttMs: number, part: string): string =>
  `${subject}Rtt${rttMs}Ms${part === ONE ? '' : capital(part).replace(/^([0-9]+k?)sat/, '$1Sat')}`

const allKeys = (): readonly string[] =>
  Object.keys(SUBJECTS).flatMap((subject) =>
    RTTS_MS.flatMap((rttMs) =>
      [ONE, ...RUNS.map((run) => run.name)].map((part) => partKey(subject, rttMs, part)),
    ),
  )

/** The commit, and whether something in the tree is not of it. */
function commitNow(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD')
  } catch {
    return 'none'
  }
}

function kept(): Kept {
  const fresh: Kept = { commit: commitNow(), payments: COUNT, parts: {} }
  if (process.env['BENCH_FRESH'] !== undefined) return fresh
  try {
    const found = JSON.parse(readFileSync(FILE, 'utf8')) as Kept
    return found.commit === fresh.commit && found.payments === COUNT ? found : fresh
  } catch {
    return fresh
  }
}

function keep(state: Kept): void {
  mkdirSync(dirname(FILE), { recursive: true })
  writeFileSync(FILE, JSON.stringify(state, undefined, 1))
}

/** Payments a second in rows, as the README has them; `–` where nothing has been measured. */
function table(parts: Kept['parts']): string {
  const columns = RTTS_MS.flatMap((rttMs) => RUNS.map((run) => ({ rttMs, run })))
  const cell = (subject: string, rttMs: number, part: string): string => {
    const found = parts[partKey(subject, rttMs, part)]
    if (found === undefined) return '–'
    if (part === ONE) return `${found['onePaymentMs']} ms`
    return `${found['perSecond']} (${found['seconds']} s; ${found['p50Ms']}, ${found['p99Ms']} ms)`
  }
  const head = [
    '',
    ...RTTS_MS.map((rttMs) => `one, ${rttMs} ms`),
    ...columns.map(({ rttMs, run }) => `${run.name}, ${rttMs} ms`),
  ]
  const rows = Object.keys(SUBJECTS).map((subject) => [
    subject,
    ...RTTS_MS.map((rttMs) => cell(subject, rttMs, ONE)),
    ...columns.map(({ rttMs, run }) => cell(subject, rttMs, run.name)),
  ])
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

/** Throws while parts are missing, so that nobody takes a part for the whole. */
async function runMatrix(): Promise<Figures> {
  const late = performance.now() + SECONDS * 1000
  let state = kept()
  const missing = (): readonly string[] => allKeys().filter((key) => state.parts[key] === undefined)
  for (const [subject, setup] of Object.entries(SUBJECTS)) {
    const wants = (rttMs: number, part: string): boolean =>
      performance.now() < late && state.parts[partKey(subject, rttMs, part)] === undefined
    if (!RTTS_MS.some((rttMs) => [ONE, ...RUNS.map((run) => run.name)].some((part) => wants(rttMs, part))))
      continue
    const measuring = measureStreams(`matrix-${subject}`, setup, {
      wants,
      took(rttMs, part, figures) {
        state = { ...state, parts: { ...state.parts, [partKey(subject, rttMs, part)]: figures } }
        keep(state)
        console.error(`${partKey(subject, rttMs, part)}: ${JSON.stringify(figures)}`)
      },
    })
    try {
      const speed = await measuring
      state = { ...state, parts: { ...state.parts, [subject]: speed } }
      keep(state)
    } catch (error) {
      // The others are measured all the same; what is missing is said at the end.
      console.error(`${subject}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  console.log(table(state.parts))
  const left = missing().length
  if (left > 0)
    throw new Error(`${left} of ${allKeys().length} parts are missing: the same command goes on from here`)
  return Object.fromEntries(
    Object.entries(state.parts).flatMap(([part, figures]) =>
      Object.entries(figures).map(([name, value]) => [`${part}${capital(name)}`, value] as const),
    ),
  )
}

/** `--only streamMatrix`: about a quarter of an hour in all, in as many calls as it takes. */
export const streamMatrix: Bench = {
  name: 'streamMatrix',
  about: `${COUNT} payments a run, between two processes: lcp, bolt and LDK, 1 and 10,000 sat, 0 and 70 ms, one way and both`,
  onDemand: true,
  run: runMatrix,
}
