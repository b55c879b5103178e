/**
 * `npm test`: everything, and on the last line `N passed, N failed`. `npm run check` (`--quick`) is the part without networks and
 * browsers. `--only NAME[,NAME]` runs some stages; `--json` prints one object on the last line instead.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { CACHE, endChildren, ROOT } from './run/child.ts'
import { type Counts, lastLine, sum } from './run/counts.ts'
import { runAll } from './run/schedule.ts'
import { STAGES, type Stage } from './run/stages.ts'

interface Result extends Counts {
  readonly name: string
  readonly seconds: number
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const CORES = 2
/** Lines of a failed stage's output that are shown; the whole is in its log. */
const TAIL = 200

function chosen(): readonly Stage[] {
  if (values.only === undefined) return STAGES.filter((stage) => stage.quick || !values.quick)
  const names = values.only.split(',')
  const unknown = names.filter((name) => !STAGES.some((stage) => stage.name === name))
  if (unknown.length === 0) return STAGES.filter((stage) => names.includes(stage.name))
  const known = STAGES.map((stage) => stage.name).join(', ')
  throw new Error(`--only: there is no ${unknown.join(', ')}; there are ${known}`)
}

const secondsSince = (start: number): number => Math.round((performance.now() - start) / 100) / 10

async function run(stage: Stage): Promise<Result> {
  const log = join(CACHE, 'run', `${stage.name}.log`)
  rmSync(log, { force: true })
  const start = performance.now()
  let counts: Counts
  try {
    counts = await stage.run(log, stage.limitSeconds * 1000)
  } catch (error) {
    counts = {
      passed: 0,
      failed: 1,
      skipped: 0,
      note: error instanceof Error ? error.message : String(error),
    }
  }
  const result = { name: stage.name, ...counts, seconds: secondsSince(start) }
  report(result, log)
  return result
}

function report({ name, seconds, note, ...counts }: Result, log: string): void {
  if (counts.failed > 0 && existsSync(log)) {
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    console.log(`\n${lines.slice(-TAIL).join('\n')}`)
    console.log(`The whole output of ${name}: ${relative(ROOT, log)}\n`)
  }
  const mark = counts.failed > 0 ? '✗' : '✓'
  const time = `${seconds.toFixed(1)} s`.padStart(8)
  const words = note === undefined ? '' : ` · ${note}`
  console.log(`${mark} ${name.padEnd(9)}${time}  ${lastLine(counts)}${words}`)
}

function commit(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, stdio: 'pipe' })
      .toString()
      .trim()
  } catch {
    return undefined
  }
}

async function main(): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      endChildren('SIGTERM')
      setTimeout(() => {
        endChildren('SIGKILL')
        process.exit(130)
      }, 2_000)
    })
  }
  const stages = chosen()
  const start = performance.now()
  const results = await runAll(stages, CORES, run)
  const total = sum(results)
  const summary = {
    passed: total.passed,
    failed: total.failed,
    skipped: total.skipped,
    seconds: secondsSince(start),
    stages: results,
  }
  if (values.only === undefined) {
    // The benchmark tells how many tests there are and how long they take.
    const file = join(CACHE, values.quick ? 'check.json' : 'test.json')
    mkdirSync(CACHE, { recursive: true })
    writeFileSync(file, JSON.stringify({ at: new Date().toISOString(), commit: commit(), ...summary }))
  }
  console.log(`${stages.length} stages in ${summary.seconds.toFixed(1)} s`)
  console.log(values.json ? JSON.stringify(summary) : lastLine(total))
  process.exitCode = total.failed > 0 ? 1 : 0
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
