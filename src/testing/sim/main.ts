import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import '../setup-fast.ts'
import { cheats, type Verdict } from './cheat.ts'
import { runNetwork } from './network.ts'
import { run } from './run.ts'

/**
 * `npm run sim -- --seed 1 --runs 100 --nodes 3 --steps 200 [--json]`: random lives of whole nodes. Prints the seed and the trace of
 * each that ends badly; such a seed belongs into `random.sim.test.ts` for good.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    nodes: { type: 'string', default: '2' },
    steps: { type: 'string', default: '200' },
    /** Prints the whole trace, also of runs that end well. */
    trace: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    /** Every old state of each life broadcast by a cheating peer. */
    /** Closes by force, reorganisations. */
    force: { type: 'boolean', default: false },
    cheat: { type: 'boolean', default: false },
    /** Three chain servers of any speed in every life, not in one of sixteen. */
    servers: { type: 'boolean', default: false },
    /** So many nodes that pay each other through each other. */
    network: { type: 'string' },
    /** With it: some pay by blinded paths. */
    paths: { type: 'boolean', default: false },
    /** With it: some are cancelled, probed, paid by offers; parts of one payment are closed together; three chain servers. */
    whims: { type: 'boolean', default: false },
    /** With it: goes on until so many crashes have been. */
    crashes: { type: 'string', default: '0' },
    /** With it: a file that keeps what has been, and the seconds after which to stop and go on another time. */
    checkpoint: { type: 'string' },
    seconds: { type: 'string', default: '1000000' },
  },
})

if (values.network !== undefined) tryNetwork(Number(values.network))
else if (values.cheat) tryCheats()
else tryLives()

function tryLives(): void {
  const first = Number(values.seed)
  const runs = Number(values.runs)
  const failed: number[] = []
  const totals: Record<string, number> = {}
  const began = performance.now()
  for (let seed = first; seed < first + runs; seed++) {
    const outcome = run({
      seed,
      nodes: Number(values.nodes),
      steps: Number(values.steps),
      force: values.force,
      ...(values.servers && { servers: true }),
    })
    for (const [name, n] of Object.entries(outcome.counts)) totals[name] = (totals[name] ?? 0) + n
    if (outcome.problem !== undefined) failed.push(seed)
    if (values.trace || (outcome.problem !== undefined && runs === 1)) {
      for (const line of outcome.trace) process.stdout.write(`${line}\n`)
    }
    if (outcome.problem !== undefined) process.stdout.write(`seed ${seed}: ${outcome.problem}\n`)
  }
  const seconds = (performance.now() - began) / 1000
  process.stdout.write(
    `${runs - failed.length} passed, ${failed.length} failed in ${seconds.toFixed(1)} s${failed.length > 0 ? `: seeds ${failed.join(' ')}` : ''}\n`,
  )
  const summary = { runs, failed: failed.length, failedSeeds: failed, seconds, ...totals }
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
  else
    process.stdout.write(
      `${Object.entries(totals)
        .map(([name, n]) => `${n} ${name}`)
        .join(', ')}\n`,
    )
  process.exitCode = failed.length > 0 ? 1 : 0
}

/**
 * `--network 5`: nodes that pay each other through each other, until there have been enough lives and enough crashes. A line a life; with
 * `--checkpoint FILE` what has been is kept there after each, and the same command goes on with it; `--seconds` ends a slice.
 */
function tryNetwork(nodes: number): void {
  const began = performance.now()
  const seconds = (): number => Number(((performance.now() - began) / 1000).toFixed(1))
  const first = Number(values.seed)
  const force = values.force === true
  const file = values.checkpoint
  let sum: NetworkSum = { first, lives: 0, failed: [], seconds: 0, totals: {} }
  if (file !== undefined && existsSync(file)) sum = JSON.parse(readFileSync(file, 'utf8')) as NetworkSum
  const before = sum.seconds
  const crashes = (): number => sum.totals['crashes'] ?? 0
  const missing = (): boolean => sum.lives < Number(values.runs) || crashes() < Number(values.crashes)
  while (missing() && seconds() < Number(values.seconds)) {
    const seed = sum.first + sum.lives
    const outcome = runNetwork({
      seed,
      nodes,
      steps: Number(values.steps),
      force,
      paths: values.paths,
      whims: values.whims,
      // Where crashes are what is wanted, one in twenty writes is one: more, and little is paid between them.
      ...(Number(values.crashes) > 0 ? { crashes: 0.05 } : {}),
    })
    const totals = { ...sum.totals }
    for (const [name, n] of Object.entries(outcome.counts)) totals[name] = (totals[name] ?? 0) + n
    const failed = outcome.problem === undefined ? sum.failed : [...sum.failed, seed]
    sum = { first: sum.first, lives: sum.lives + 1, failed, seconds: before + seconds(), totals }
    if (outcome.problem !== undefined) {
      if (values.trace) for (const line of outcome.trace) process.stdout.write(`${line}\n`)
      process.stdout.write(`seed ${seed}: ${outcome.problem}\n`)
    }
    process.stdout.write(
      `seed ${seed}: ${crashes()} crashes in ${sum.lives} lives, ${totals['payments succeeded'] ?? 0} paid, ${failed.length} failed, ${sum.seconds.toFixed(0)} s\n`,
    )
    if (file !== undefined) writeFileSync(file, JSON.stringify(sum))
  }
  const { totals, ...rest } = sum
  process.stdout.write(`${JSON.stringify({ ...rest, done: !missing(), ...totals })}\n`)
  process.exitCode = sum.failed.length > 0 ? 1 : 0
}

interface NetworkSum {
  readonly first: number
  readonly lives: number
  /** Seeds. */
  readonly failed: readonly number[]
  readonly seconds: number
  readonly totals: Readonly<Record<string, number>>
}

/** `--cheat`: prints what came of every old state, in sum. */
function tryCheats(): void {
  const began = performance.now()
  const verdicts: Verdict[] = []
  const problems: string[] = []
  for (let i = 0; i < Number(values.runs); i++) {
    const found = cheats({ seed: Number(values.seed) + i, steps: Number(values.steps) })
    verdicts.push(...found.verdicts)
    problems.push(...found.problems)
  }
  for (const problem of problems) process.stdout.write(`${problem}\n`)
  const sum = (of: (v: Verdict) => number): number => verdicts.reduce((n, v) => n + of(v), 0)
  const blocks = verdicts.map((v) => v.blocks).sort((a, b) => a - b)
  const fees = sum((v) => Number(v.feeSat))
  const claimedSat = sum((v) => Number(v.claimedSat))
  const summary = {
    cheats: verdicts.length,
    unpunished: problems.length,
    htlcs: sum((v) => v.htlcs),
    withHtlcs: verdicts.filter((v) => v.htlcs > 0).length,
    outputs: sum((v) => v.claimable),
    claimed: sum((v) => v.claimed),
    medianBlocks: blocks[Math.floor(blocks.length / 2)],
    mostBlocks: blocks.at(-1),
    feePercent: Number(((fees / claimedSat) * 100).toFixed(3)),
    seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
  }
  process.stdout.write(`${JSON.stringify(summary)}\n`)
  process.exitCode = problems.length > 0 ? 1 : 0
}
