import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, expect, test } from 'vitest'
import { BUDGET, weigh, withinBudget } from './budget.ts'

let dist: string
afterEach(() => rmSync(dist, { recursive: true, force: true }))

function site(files: Readonly<Record<string, string>>): string {
  dist = mkdtempSync(join(tmpdir(), 'switchback-budget-'))
  mkdirSync(join(dist, 'assets'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dist, name), text)
  return dist
}
const gz = (...texts: string[]) =>
  texts.reduce((bytes, text) => bytes + gzipSync(text, { level: 9 }).length, 0)

const page = 'import{a}from"./shared-1.js";new Worker(new URL("/assets/worker-1.js",import.meta.url));a()'
const shared = 'export const a=()=>import("./screen-1.js")'
const worker = 'import"./engine-1.js";import("./curve-1.js")'
const engine = 'export const engine=1'
const screen = 'export const screen=1'
const curve = 'export const wasm="AGFzbQEAAAABIAVgAn9/AGADf39"'
const files = {
  'index.html': '<script type="module" crossorigin src="./assets/index-1.js"></script>',
  'sw.js': 'self.skipWaiting()',
  'assets/index-1.js': page,
  'assets/shared-1.js': shared,
  'assets/worker-1.js': worker,
  'assets/engine-1.js': engine,
  'assets/screen-1.js': screen,
  'assets/curve-1.js': curve,
}

test('the first screen weighs what page and worker import at once; lazy screens count in all, lazy WebAssembly in neither', () => {
  const weight = weigh(site(files))
  expect(weight.firstPaintBytes).toBe(gz(page, shared, worker, engine))
  // What the worker loads by itself besides is WebAssembly alone.
  expect(weight.walletBytes).toBe(weight.firstPaintBytes)
  expect(weight.allBytes).toBe(gz(page, shared, worker, engine, screen, 'self.skipWaiting()'))
  expect(weight.wasmBytes).toBe(gz(curve))
  expect(withinBudget(weight)).toBe(true)
})

test('WebAssembly that the worker imports at once is not lazy and counts', () => {
  const eager = worker.replace('import("./curve-1.js")', 'import"./curve-1.js"')
  const weight = weigh(site({ ...files, 'assets/worker-1.js': eager }))
  expect(weight.firstPaintBytes).toBe(gz(page, shared, eager, engine, curve))
  expect(weight.wasmBytes).toBe(0)
})

test('an engine that the worker loads by itself counts before a wallet’s screen, with all that it imports, and not before the first', () => {
  const later = 'import("./boot-1.js")'
  const boot = 'import"./engine-1.js";import("./screen-1.js")'
  const weight = weigh(site({ ...files, 'assets/worker-1.js': later, 'assets/boot-1.js': boot }))
  expect(weight.firstPaintBytes).toBe(gz(page, shared, later))
  expect(weight.walletBytes).toBe(gz(page, shared, later, boot, engine))
})

test('a byte too many is too many', () => {
  const weight = { ...weigh(site(files)), firstPaintBytes: BUDGET.firstPaintBytes }
  expect(withinBudget(weight)).toBe(true)
  expect(withinBudget({ ...weight, firstPaintBytes: BUDGET.firstPaintBytes + 1 })).toBe(false)
  expect(withinBudget({ ...weight, walletBytes: BUDGET.walletBytes + 1 })).toBe(false)
  expect(withinBudget({ ...weight, allBytes: BUDGET.allBytes + 1 })).toBe(false)
})

test('a site whose page loads nothing is not a light site but a broken one', () => {
  expect(() => weigh(site({ ...files, 'index.html': '<p>hello' }))).toThrow('loads no script')
})
