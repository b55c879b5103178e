import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { useCurve } from '../engine/crypto/curve.ts'
import { loadWasmCurve } from '../host/curve-wasm.ts'
import { BROKEN, broken, healthy, REACHED } from './model/checks.ts'
import { replay } from './model/replay.ts'

/**
 * `npm run model -- [--samples N] [--seed N] [--traces N] [--broken]`: random runs of the specification (model/README.md), those of
 * them that the engine can repeat replayed on it; with `--broken`, runs with one rule broken. Ends with 1 when something is wrong.
 */
const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '1000' },
    seed: { type: 'string' },
    traces: { type: 'string', default: '100' },
    broken: { type: 'boolean', default: false },
  },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed)
const size = { samples: Number(values.samples), seed }
const say = (line: string): void => void process.stdout.write(`${line}\n`)

async function main(): Promise<boolean> {
  const began = performance.now()
  const seconds = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`
  if (values.broken) {
    const { seen } = await broken(size)
    for (const name of BROKEN) say(`${name.padEnd(18)} seen in ${seen[name]} runs`)
    say(`${size.samples} runs, seed ${seed}, ${seconds()}`)
    return BROKEN.every((name) => (seen[name] ?? 0) > 0)
  }
  useCurve(await loadWasmCurve(randomBytes(32)))
  const { ok, seen, output, traces } = await healthy(size, Number(values.traces))
  if (!ok) say(output)
  for (const name of REACHED) say(`${name.padEnd(12)} reached in ${seen[name]} runs`)
  say(`${size.samples} runs, seed ${seed}, ${seconds()}: ${ok ? 'no violation' : 'VIOLATED'}`)
  if (!ok) return false
  const actions = traces.reduce((sum, trace) => sum + replay(trace), 0)
  say(`${traces.length} of them replayed on the engine, ${actions} actions, ${seconds()}: no difference`)
  return true
}

process.exitCode = (await main()) ? 0 : 1
