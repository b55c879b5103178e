import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** Quint's own simulator, run on `lcp.qnt`. Its TypeScript backend needs neither Java nor anything fetched. */

const CLI = createRequire(import.meta.url).resolve('@informalsystems/quint/dist/src/cli.js')
const SPEC = fileURLToPath(new URL('lcp.qnt', import.meta.url))

export interface Simulation {
  /** An action of the specification, arguments and all. */
  readonly init: string
  readonly samples: number
  readonly steps: number
  readonly seed: number
  readonly invariants?: readonly string[]
  readonly witnesses?: readonly string[]
  /** Writes that many traces (ITF, JSON) to files of this name, in which `{seq}` is the number of one. */
  readonly traces?: { readonly count: number; readonly files: string }
}

export interface Simulated {
  readonly ok: boolean
  /** In how many runs each witness was seen. */
  readonly seen: Readonly<Record<string, number>>
  readonly output: string
}

/** Random runs of the specification. A violated invariant is a result; a specification that does not run is an error. */
export async function simulate(simulation: Simulation): Promise<Simulated> {
  const { init, samples, steps, seed, invariants = [], witnesses = [], traces } = simulation
  const list = (name: string, values: readonly string[]) => (values.length === 0 ? [] : [name, ...values])
  const { code, output } = await run([
    'run',
    SPEC,
    '--backend=typescript',
    '--verbosity=1',
    `--init=${init}`,
    `--max-samples=${samples}`,
    `--max-steps=${steps}`,
    `--seed=${seed}`,
    ...(traces === undefined ? [] : [`--n-traces=${traces.count}`, `--out-itf=${traces.files}`]),
    ...list('--invariants', invariants),
    ...list('--witnesses', witnesses),
  ])
  const ok = code === 0 && output.includes('[ok]')
  if (!ok && !output.includes('[violation]')) throw new Error(`quint ended with ${code}:\n${output}`)
  const seen: Record<string, number> = Object.fromEntries(witnesses.map((name) => [name, 0]))
  for (const [, name, count] of output.matchAll(/^(\w+) was witnessed in (\d+) trace/gm)) {
    if (name !== undefined) seen[name] = Number(count)
  }
  return { ok, seen, output }
}

function run(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    // Values are short-lived: a larger nursery saves a third of the time.
    const child = spawn(process.execPath, ['--max-semi-space-size=64', CLI, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}
