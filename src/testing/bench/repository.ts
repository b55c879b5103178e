import { join } from 'node:path'
import { CACHE, readJson } from '../run/child.ts'
import { buildSite } from '../run/site.ts'
import type { Bench } from './types.ts'

export const appJs: Bench = {
  name: 'appJs',
  about: "the app's JavaScript after gzip, with lazily loaded WebAssembly apart",
  async run() {
    const weight = await buildSite(join(CACHE, 'run', 'bench-build.log'), 240_000)
    if (weight === undefined) throw new Error('the site cannot be built: npm run build')
    const { firstPaintBytes, walletBytes, allBytes, wasmBytes } = weight
    return { firstPaintBytes, walletBytes, allBytes, wasmBytes }
  },
}

interface TestRun {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  readonly stages: readonly { readonly name: string; readonly seconds: number }[]
}

export const tests: Bench = {
  name: 'tests',
  about: 'the last whole run of npm test on this machine',
  run() {
    const last = readJson<TestRun>(join(CACHE, 'test.json'))
    if (last === undefined) return Promise.reject(new Error('no whole run is recorded here yet: npm test'))
    const { passed, failed, skipped, seconds, stages } = last
    const byStage = stages.map((stage) => [`${stage.name}Seconds`, stage.seconds] as const)
    return Promise.resolve({ passed, failed, skipped, seconds, ...Object.fromEntries(byStage) })
  },
}
