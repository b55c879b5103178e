import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A small house with one thing wrong in each file, and the rule that must say so. `undefined`: nothing is wrong. */
const PLANTS: readonly (readonly [file: string, source: string, rule: string | undefined])[] = [
  ['src/engine/base/plain.ts', 'export type Plain = 1\n', undefined],
  ['src/engine/channel/down.ts', "export type { Plain } from '../base/plain.ts'\n", undefined],
  [
    'src/engine/onchain/sideways.ts',
    "import type { Plain } from '../channel/down.ts'\nexport type A = Plain\n",
    'walls-engine-onchain',
  ],
  [
    'src/engine/base/up.ts',
    "import type { Plain } from '../channel/down.ts'\nexport type A = Plain\n",
    'walls-engine-base',
  ],
  ['src/ui/engine.ts', "export const load = () => import('../engine/base/plain.ts')\n", 'walls-ui'],
  ['src/gateway/engine.ts', "export type { Plain } from '../engine/base/plain.ts'\n", 'walls-gateway'],
  ['src/playground/page.ts', "export * from '../ui/plain.ts'\n", 'walls-playground'],
  ['src/ui/plain.ts', 'export const plain = 1\n', undefined],
  ['src/testing/anything.ts', "export * from '../ui/plain.ts'\n", undefined],
  ['src/engine/wallet/real.test.ts', "export * from '../../testing/anything.ts'\n", undefined],
  ['src/engine/wallet/page.test.ts', "export * from '../../ui/plain.ts'\n", 'walls-engine-wallet-tests'],
  ['src/engine/wallet/unreal.ts', "export * from './real.test.ts'\n", 'no-tests-in-production'],
  ['src/engine/wallet/clock.ts', "export { hrtime } from 'node:process'\n", 'no-node-in-the-browser'],
  ['src/host/file.node.ts', "export { readFile } from 'node:fs/promises'\n", undefined],
  ['src/worker/file.ts', "export * from '../host/file.node.ts'\n", 'no-node-files-in-the-browser'],
  ['src/worker/view.ts', "export { useState } from 'react'\n", 'packages-worker'],
  ['src/host/dev.node.ts', "export { expect } from 'vitest'\n", 'no-dev-packages-in-production'],
  ['src/engine/revocation/penalty-key.ts', 'export const r = 1\n', undefined],
  ['src/engine/commitment/signer.ts', "export { r as own } from '../revocation/penalty-key.ts'\n", undefined],
  [
    'src/engine/onchain/justice.ts',
    "export { r } from '../revocation/penalty-key.ts'\n",
    'penalty-keys-in-the-signer',
  ],
  ['src/contract/index.ts', "export { object } from 'valibot'\n", 'no-barrels'],
  [
    'src/attic/new-room.ts',
    "import type { Plain } from '../engine/base/plain.ts'\nexport type A = Plain\n",
    'no-unknown-rooms',
  ],
  ['src/engine/wire/gone.ts', "export * from './not-there.ts'\n", 'no-unresolvable'],
  [
    'src/engine/chain/egg.ts',
    "import type { Hen } from './hen.ts'\nexport type Egg = { readonly by?: Hen }\n",
    'no-cycles',
  ],
  [
    'src/engine/chain/hen.ts',
    "import type { Egg } from './egg.ts'\nexport type Hen = { readonly from?: Egg }\n",
    undefined, // A cycle is told once.
  ],
]

let house: string
let found: ReadonlyMap<string, readonly string[]>

interface Report {
  readonly summary: { readonly violations: readonly { from: string; rule: { name: string } }[] }
}

beforeAll(async () => {
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  house = mkdtempSync(join(ROOT, '.cache', 'walls-'))
  for (const name of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json', 'node_modules']) {
    symlinkSync(join(ROOT, name), join(house, name))
  }
  for (const [file, source] of PLANTS) {
    mkdirSync(dirname(join(house, file)), { recursive: true })
    writeFileSync(join(house, file), source)
  }
  const bin = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs')
  const args = [bin, '--config', '.dependency-cruiser.cjs', '--output-type', 'json', 'src']
  const json = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, args, { cwd: house, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      stdout.startsWith('{') ? resolve(stdout) : reject(new Error(stderr, { cause: error })),
    )
  })
  const rules = new Map<string, string[]>()
  for (const { from, rule } of (JSON.parse(json) as Report).summary.violations) {
    rules.set(from, [...(rules.get(from) ?? []), rule.name])
  }
  found = rules
}, 60_000)

afterAll(() => rmSync(house, { recursive: true, force: true }))

test.each(PLANTS)('%s', (file, _, rule) => {
  expect([...new Set(found.get(file))]).toEqual(rule === undefined ? [] : [rule])
})
