import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describeWeight, withinBudget } from './budget.ts'
import { CACHE, readJson, removeFile, ROOT, runChild } from './child.ts'
import { type Counts, countCheck, countPlaywright, countVitest } from './counts.ts'
import { buildSite } from './site.ts'

export interface Stage {
  readonly name: string
  /** In `npm run check` too. */
  readonly quick: boolean
  /** Cores it keeps busy, 1 or 2: what measures time or starts many processes of its own runs alone. */
  readonly cores: 1 | 2
  /** Against hanging, with room for a machine that is busy otherwise; no measure of how long it should take. */
  readonly limitSeconds: number
  run(log: string, limitMs: number): Promise<Counts>
}

/** A stage that is one program, and one test: it passes when the program ends with 0. */
const check = (
  name: string,
  limitSeconds: number,
  command: readonly string[],
  about: { readonly quick?: boolean; readonly cores?: 1 | 2 } = {},
): Stage => ({
  name,
  quick: about.quick ?? true,
  cores: about.cores ?? 1,
  limitSeconds,
  run: async (log, limitMs) => countCheck(await runChild({ command, log, limitMs })),
})

const vitest = (name: string, quick: boolean, limitSeconds: number): Stage => ({
  name,
  quick,
  cores: 2,
  limitSeconds,
  async run(log, limitMs) {
    const report = join(CACHE, 'run', `${name}.json`)
    removeFile(report)
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
    const command = ['vitest', 'run', '--project', name, ...reporters]
    const code = await runChild({ command, log, limitMs })
    return countVitest(readJson(report), code)
  },
})

/** Every TypeScript project: the root's and one a runtime, so that the engine cannot see the DOM nor the page Node. */
function projects(): readonly string[] {
  const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return ['.', ...rooms.map((room) => join('src', room.name))].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((file) => /^tsconfig.*[.]json$/.test(file))
      .map((file) => join(folder, file)),
  )
}

const types: Stage = {
  name: 'types',
  quick: true,
  cores: 2,
  limitSeconds: 600,
  async run(log, limitMs) {
    const left = [...projects()]
    const failed: string[] = []
    const lane = async (): Promise<void> => {
      for (let project = left.shift(); project !== undefined; project = left.shift()) {
        const memory = join(CACHE, 'tsc', `${project.replaceAll('/', '-')}.tsbuildinfo`)
        const command = ['tsc', '-p', project, '--incremental', '--tsBuildInfoFile', memory]
        if ((await runChild({ command, log, limitMs })) !== 0) failed.push(project)
      }
    }
    await Promise.all([lane(), lane()])
    return countCheck(failed.length, failed.length === 0 ? undefined : `in ${failed.sort().join(', ')}`)
  },
}

/** Builds the site that the browser tests are then served, and weighs it. */
const budget: Stage = {
  name: 'budget',
  quick: false,
  cores: 1,
  limitSeconds: 600,
  async run(log, limitMs) {
    const weight = await buildSite(log, limitMs)
    if (weight === undefined) return countCheck(1, 'the site cannot be built')
    return countCheck(withinBudget(weight) ? 0 : 1, describeWeight(weight))
  },
}

interface Exploration {
  readonly states?: number
  readonly violations?: number
}

/** A short walk of the state explorer; it prints one JSON object on its last line. */
const explorer: Stage = {
  name: 'explorer',
  quick: false,
  cores: 2,
  limitSeconds: 600,
  async run(log, limitMs) {
    const report = join(CACHE, 'run', 'explorer.json')
    removeFile(report)
    const command = ['tsx', 'src/testing/explore.ts', '--short', '--out', report]
    const code = await runChild({ command, log, limitMs })
    const { states = 0, violations = 1 } = readJson<Exploration>(report) ?? {}
    const sound = code === 0 && states > 0 && violations === 0
    return countCheck(sound ? 0 : 1, `${states} states, ${violations} violations`)
  },
}

const e2e: Stage = {
  name: 'e2e',
  quick: false,
  cores: 2,
  limitSeconds: 1500,
  async run(log, limitMs) {
    const report = join(CACHE, 'run', 'e2e.json')
    removeFile(report)
    const command = ['playwright', 'test', '--reporter=list,json']
    const code = await runChild({ command, log, limitMs, env: { PLAYWRIGHT_JSON_OUTPUT_NAME: report } })
    return countPlaywright(readJson(report), code)
  },
}

/** Everything `npm test` runs, in its order: what fails soonest and cheapest comes first. */
export const STAGES: readonly Stage[] = [
  check('format', 180, ['biome', 'format', '.']),
  check('lint', 480, ['oxlint', '--type-aware', '--deny-warnings']),
  check('walls', 300, ['depcruise', '--config', '.dependency-cruiser.cjs', 'src']),
  types,
  budget,
  vitest('unit', true, 1200),
  vitest('vectors', true, 600),
  vitest('sim', false, 1500),
  ...(existsSync(join(ROOT, 'src/testing/explore.ts')) ? [explorer] : []),
  vitest('interop', false, 1200),
  e2e,
]
