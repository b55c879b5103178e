import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder =
  process.env.SWITCHBACK_VECTORS ?? fileURLToPath(new URL('../../../shared/vectors', import.meta.url))

/** Whether the public conformance vectors are there; when not, vector tests say so and are skipped. */
export const vectorsPresent: boolean = existsSync(join(folder, 'INDEX.md'))

if (!vectorsPresent) {
  console.warn(
    'The public conformance vectors are absent: set SWITCHBACK_VECTORS to their folder. Vector tests are skipped.',
  )
}

/**
 * One file of the public vectors as parsed JSON; an empty object when the folder is absent, so that test files can be
 * collected (their suites are skipped with `describe.skipIf(!vectorsPresent)`).
 */
export function loadVectors<T = Record<string, never>>(name: string): T {
  return (vectorsPresent ? JSON.parse(readFileSync(join(folder, name), 'utf8')) : {}) as T
}
