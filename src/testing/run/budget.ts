import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'

/**
 * Bytes of JavaScript after gzip, 1 KB being 1000 bytes: before the first screen, before a wallet's own screen, and in all. The first
 * screen that anybody downloads is Welcome: there is no wallet in a browser that has never been here, and whoever has one has the whole
 * app in its service worker. The engine loads beside Welcome and before Home, so that both are counted.
 */
export const BUDGET = { firstPaintBytes: 150_000, walletBytes: 350_000, allBytes: 500_000 } as const

export interface Weight {
  /** The page's scripts and the worker's, with all that they import at once. */
  readonly firstPaintBytes: number
  /** And what the worker loads by itself as soon as it runs: the engine, without which no wallet can be shown. */
  readonly walletBytes: number
  /** Every script of the site, the service worker's included; lazily loaded WebAssembly not. */
  readonly allBytes: number
  /** Lazily loaded WebAssembly, and scripts that carry it as text. */
  readonly wasmBytes: number
  /** The heaviest scripts, `name bytes`, heaviest first. */
  readonly heaviest: readonly (readonly [name: string, bytes: number])[]
}

/** `import … from "./a.js"`, `import "./a.js"` and `export … from "./a.js"`. */
const STATIC = /(?:from|import)\s*["'`]([^"'`]+\.m?js)["'`]/g
/** `new Worker(new URL("a.js", …))`, as Vite writes it. */
const WORKER = /new URL\(\s*(?:\/\*[^*]*\*\/\s*)?["'`]([^"'`]+\.m?js)["'`]/g
/** `import("./a.js")` */
const LAZY = /import\(\s*["'`]([^"'`]+\.m?js)["'`]\s*\)/g
/** In `index.html`: scripts and what is to be loaded with them. */
const TAG = /<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+\.m?js)"/g
/** The first bytes of a WebAssembly module in base64. */
const WASM_TEXT = 'AGFzbQ'

const names = (text: string, pattern: RegExp): readonly string[] =>
  [...text.matchAll(pattern)].map((match) => basename(match[1] ?? ''))

/** Weighs the JavaScript of a built site. File names carry hashes, so a file is known by its name alone. */
export function weigh(dist: string): Weight {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' })
  const read = (file: string) => readFileSync(join(dist, file))
  const scripts = new Map(
    files.filter((file) => /\.m?js$/.test(file)).map((file) => [basename(file), read(file)] as const),
  )
  const size = new Map([...scripts].map(([name, bytes]) => [name, gzipSync(bytes, { level: 9 }).length]))

  const text = (name: string): string => scripts.get(name)?.toString('utf8') ?? ''
  /** Adds a script with all that it imports at once; the workers that it starts go into `workers`. */
  const visit = (into: Set<string>, name: string, workers: string[]): void => {
    if (!scripts.has(name) || into.has(name)) return
    into.add(name)
    workers.push(...names(text(name), WORKER))
    for (const next of names(text(name), STATIC)) visit(into, next, workers)
  }
  const page = new Set<string>()
  const workers: string[] = []
  for (const name of names(read('index.html').toString('utf8'), TAG)) visit(page, name, workers)
  if (page.size === 0) throw new Error('index.html loads no script')
  const beside = new Set<string>()
  for (const name of workers) visit(beside, name, workers)
  const first = new Set([...page, ...beside])
  const isWasm = (name: string): boolean => scripts.get(name)?.includes(WASM_TEXT) === true
  const wallet = new Set(first)
  for (const worker of beside)
    for (const name of names(text(worker), LAZY)) if (!isWasm(name)) visit(wallet, name, [])

  const lazyWasm = [...scripts].filter(([name]) => !first.has(name) && isWasm(name))
  const total = (list: Iterable<string>) =>
    [...list].reduce((bytes, name) => bytes + (size.get(name) ?? 0), 0)
  const wasmTextBytes = total(lazyWasm.map(([name]) => name))
  const wasmFileBytes = files
    .filter((file) => file.endsWith('.wasm'))
    .reduce((bytes, file) => bytes + gzipSync(read(file), { level: 9 }).length, 0)
  return {
    firstPaintBytes: total(first),
    walletBytes: total(wallet),
    allBytes: total(scripts.keys()) - wasmTextBytes,
    wasmBytes: wasmTextBytes + wasmFileBytes,
    heaviest: [...size].sort((a, b) => b[1] - a[1]).slice(0, 8),
  }
}

export const withinBudget = (weight: Weight): boolean =>
  weight.firstPaintBytes <= BUDGET.firstPaintBytes &&
  weight.walletBytes <= BUDGET.walletBytes &&
  weight.allBytes <= BUDGET.allBytes

const kb = (bytes: number): string => (bytes / 1000).toFixed(1)

export const describeWeight = (weight: Weight): string =>
  `gzip: ${kb(weight.firstPaintBytes)} of ${BUDGET.firstPaintBytes / 1000} KB before the first screen, ` +
  `${kb(weight.walletBytes)} of ${BUDGET.walletBytes / 1000} KB before a wallet’s, ` +
  `${kb(weight.allBytes)} of ${BUDGET.allBytes / 1000} KB in all; lazy WASM besides: ${kb(weight.wasmBytes)} KB`
