import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { useCurve } from '../engine/crypto/curve.ts'
import { loadWasmCurve } from '../host/curve-wasm.ts'
import { cheapCurve } from './explore/curve.ts'
import { FAULTS, faultNamed } from './explore/faults.ts'
import { SCENARIOS, scenarioNamed } from './explore/scenarios.ts'
import { explore, type Report } from './explore/search.ts'
import { describeViolation } from './explore/trace.ts'

/**
 * `npm run explore -- --window W --updates N [--drop [K]] [--crash] [--stale] [--signer real] [--scenario NAME,…] [--fault NAME] [--json]`:
 * every interleaving of two real channel machines (explore/README.md). Ends with 1 when something is violated.
 */
const { values } = parseArgs({
  args: withNumber(process.argv.slice(2), '--drop'),
  options: {
    window: { type: 'string', default: '1' },
    updates: { type: 'string', default: '2' },
    drop: { type: 'string', default: '0' },
    /** Processes end, too, around every write. */
    crash: { type: 'boolean', default: false },
    /** A process may come back once with an older state. */
    stale: { type: 'boolean', default: false },
    batch: { type: 'string', default: '2' },
    signer: { type: 'string', default: 'cheap' },
    scenario: { type: 'string', default: 'all' },
    format: { type: 'string' },
    /** Puts one of the known faults around the engine, or `list`s them. */
    fault: { type: 'string' },
    seconds: { type: 'string' },
    states: { type: 'string' },
    short: { type: 'boolean', default: false },
    out: { type: 'string' },
    json: { type: 'boolean', default: false },
    quiet: { type: 'boolean', default: false },
  },
})

/** An option that may stand alone, and is 1 then. */
function withNumber(args: readonly string[], name: string): string[] {
  return args.flatMap((arg, i) => (arg === name && !/^[0-9]+$/.test(args[i + 1] ?? '') ? [name, '1'] : [arg]))
}

if (values.fault === 'list') {
  for (const { name, about } of FAULTS) process.stdout.write(`${name.padEnd(22)} ${about}\n`)
  process.exit(0)
}
const fault = values.fault === undefined ? undefined : faultNamed(values.fault)

const real = await loadWasmCurve(randomBytes(32))
useCurve(values.signer === 'real' ? real : cheapCurve(real))

const window = Number(values.window)
/** `--short` is what runs with the tests. */
const updates = Number(values.short ? 1 : values.updates)
const crash = values.crash || values.short
/** Ends of a process are losses too: with `--crash` there is one at least. */
const drops = crash ? Math.max(1, Number(values.drop)) : Number(values.drop)
/** BOLT's own format where the window is one, and the LCP machine beyond. */
const formatName = values.format ?? (window === 1 ? 'anchors_zero_fee_htlc_tx' : `test_window_${window}`)
const scenarios = values.scenario === 'all' ? SCENARIOS : values.scenario.split(',').map(scenarioNamed)

interface Line extends Omit<Report, 'violation'> {
  readonly scenario: string
  readonly problem?: string
  /** The shortest way to it, as messages. */
  readonly trace?: readonly string[]
}
const lines: Line[] = []
for (const scenario of scenarios) {
  const { report, world } = explore(
    {
      scenario,
      formatName,
      window,
      updates,
      drops,
      crash,
      stale: values.stale,
      batch: Number(values.batch),
      ...(fault === undefined ? {} : { fault }),
    },
    {
      ...(values.seconds === undefined ? {} : { maxSeconds: Number(values.seconds) }),
      ...(values.states === undefined ? {} : { maxStates: Number(values.states) }),
      progress(states, queued, depth) {
        if (!values.quiet && process.stderr.isTTY === true) {
          process.stderr.write(`\r${scenario.name}: ${states} states, ${queued} queued, depth ${depth}   `)
        }
      },
    },
  )
  const { violation, ...rest } = report
  const trace = violation === undefined ? [] : describeViolation(world, violation)
  lines.push({
    scenario: scenario.name,
    ...rest,
    ...(violation === undefined ? {} : { problem: violation.problem, trace }),
  })
  const { states, transitions, depth, seconds, exhausted, locals, ends } = report
  process.stdout.write(
    `${scenario.name.padEnd(9)} ${formatName}: ${states} states, ${transitions} transitions, depth ${depth}, ${locals.join(' + ')} of the machines, ${ends} ends, ${seconds.toFixed(1)} s, ${
      violation !== undefined ? 'VIOLATED' : exhausted ? 'exhausted' : 'not exhausted'
    }\n`,
  )
  for (const line of trace) process.stdout.write(`${line}\n`)
}

const total = (pick: (line: Line) => number): number => lines.reduce((sum, line) => sum + pick(line), 0)
const summary = {
  window,
  updates,
  drop: drops,
  crash,
  stale: values.stale,
  signer: values.signer,
  format: formatName,
  states: total((line) => line.states),
  transitions: total((line) => line.transitions),
  depth: Math.max(...lines.map((line) => line.depth)),
  seconds: total((line) => line.seconds),
  violations: lines.filter((line) => line.problem !== undefined).length,
  exhausted: lines.every((line) => line.exhausted),
  scenarios: lines,
}
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
if (values.out !== undefined) writeFileSync(values.out, JSON.stringify(summary))
process.exitCode = summary.violations > 0 ? 1 : 0
