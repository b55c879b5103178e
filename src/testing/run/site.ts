import { join } from 'node:path'
import { type Weight, weigh } from './budget.ts'
import { ROOT, runChild } from './child.ts'

/** Builds the site into `dist/`, as `npm run build` does, and weighs it; `undefined` when it cannot be built. */
export async function buildSite(log: string, limitMs: number): Promise<Weight | undefined> {
  const code = await runChild({ command: ['vite', 'build', '--logLevel', 'warn'], log, limitMs })
  return code === 0 ? weigh(join(ROOT, 'dist')) : undefined
}
