import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const HEAD = `export declare function write(): Promise<void>
export declare function take(job: () => void): void
export declare const jobs: readonly number[]
`
const FLOATING = 'typescript(no-floating-promises)'
const MISUSED = 'typescript(no-misused-promises)'

/** Ways to lose a promise, and with it the only word that a write failed; and the rule that must say so. */
const PLANTS: readonly (readonly [name: string, source: string, rule: string | undefined])[] = [
  ['dropped', 'export function f() {\n  write()\n}', FLOATING],
  ['dropped after then', 'export function f() {\n  write().then(() => 1)\n}', FLOATING],
  ['dropped in a list', 'export function f() {\n  jobs.map(() => write())\n}', FLOATING],
  ['dropped by all', 'export function f() {\n  Promise.all([write(), write()])\n}', FLOATING],
  ['dropped optional call', 'export function f(o?: { w: typeof write }) {\n  o?.w()\n}', FLOATING],
  ['given where nobody waits', 'export const f = () => take(async () => write())', MISUSED],
  ['forEach', 'export const f = () => jobs.forEach(async () => write())', MISUSED],
  ['as a condition', 'export const f = () => (write() ? 1 : 2)', MISUSED],
  ['awaited', 'export async function f() {\n  await write()\n}', undefined],
  ['handled', 'export function f() {\n  write().catch(() => {})\n}', undefined],
  ['given up by name', 'export function f() {\n  void write()\n}', undefined],
]

let folder: string
let found: ReadonlyMap<string, readonly string[]>

interface Report {
  readonly diagnostics: readonly { readonly filename: string; readonly code: string }[]
}

beforeAll(() => {
  // Not below the repository: oxlint leaves out what git ignores.
  folder = mkdtempSync(join(tmpdir(), 'switchback-lint-'))
  copyFileSync(join(ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { types: [] },
      include: ['*.ts'],
      exclude: [],
    }),
  )
  PLANTS.forEach(([, source], i) => writeFileSync(join(folder, `plant-${i}.ts`), `${HEAD}${source}\n`))
  const args = ['--type-aware', '--format', 'json', '--config', '.oxlintrc.json', '.']
  const { stdout, stderr, status } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  })
  expect(status, stderr).toBe(1)
  const rules = new Map<string, string[]>()
  for (const { filename, code } of (JSON.parse(stdout) as Report).diagnostics) {
    const file = filename.replace(/^.*\//, '')
    rules.set(file, [...(rules.get(file) ?? []), code])
  }
  found = rules
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(PLANTS.map((plant, i) => [...plant, i] as const))('a promise %s', (_, __, rule, i) => {
  expect(found.get(`plant-${i}.ts`) ?? []).toEqual(rule === undefined ? [] : [rule])
})
