/**
 * `npm run bench`: the figures that commits are compared by. `--only NAME[,NAME]` measures some; `--json` prints one object on the
 * last line, by name of entry. Micro-benchmarks run on the curve that the app uses.
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { useCurve } from '../engine/crypto/curve.ts'
import { loadWasmCurve } from '../host/curve-wasm.ts'
import { app } from './bench/app.ts'
import { attribution } from './bench/attribution.ts'
import { commitment } from './bench/commitment.ts'
import { forwarding } from './bench/forwarding.ts'
import { gossip } from './bench/gossip.ts'
import { noise } from './bench/noise.ts'
import { onion } from './bench/onion.ts'
import { payments } from './bench/payments.ts'
import { playground } from './bench/playground.ts'
import { appJs, tests } from './bench/repository.ts'
import { routes } from './bench/routes.ts'
import { streams } from './bench/stream.ts'
import { streamMatrix } from './bench/stream-matrix.ts'
import type { Bench, Figures } from './bench/types.ts'

/** In the order they run in; a new one needs a line here and nothing else. */
const ENTRIES: readonly Bench[] = [
  appJs,
  tests,
  playground,
  commitment,
  onion,
  attribution,
  noise,
  payments,
  app,
  routes,
  gossip,
  ...streams,
  streamMatrix,
  ...forwarding,
]

const { values } = parseArgs({
  options: { only: { type: 'string' }, json: { type: 'boolean', default: false } },
})

function chosen(): readonly Bench[] {
  const names = values.only?.split(',')
  if (names === undefined) return ENTRIES.filter((entry) => entry.onDemand !== true)
  // A name with a colon is part of what stands before it.
  const isOf = (entry: Bench, name: string) => entry.name === name || entry.name.startsWith(`${name}:`)
  const unknown = names.filter((name) => !ENTRIES.some((entry) => isOf(entry, name)))
  if (unknown.length === 0) return ENTRIES.filter((entry) => names.some((name) => isOf(entry, name)))
  throw new Error(
    `--only: there is no ${unknown.join(', ')}; there are ${ENTRIES.map((e) => e.name).join(', ')}`,
  )
}

function print(entry: Bench, figures: Figures): void {
  console.log(`${entry.name}: ${entry.about}`)
  const width = Math.max(0, ...Object.keys(figures).map((name) => name.length))
  for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(width)}  ${value}`)
}

async function main(): Promise<void> {
  useCurve(await loadWasmCurve(randomBytes(32)))
  const measured: Record<string, Figures> = {}
  const missing: Record<string, string> = {}
  for (const entry of chosen()) {
    try {
      const figures = await entry.run()
      measured[entry.name] = figures
      print(entry, figures)
    } catch (error) {
      missing[entry.name] = error instanceof Error ? error.message : String(error)
      console.log(`${entry.name}: not measured: ${missing[entry.name]}`)
      process.exitCode = 1
    }
  }
  if (values.json)
    console.log(
      JSON.stringify(Object.keys(missing).length === 0 ? measured : { ...measured, notMeasured: missing }),
    )
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exit(1)
})
