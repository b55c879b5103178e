import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gzipSync } from 'node:zlib'

/** Bytes of JavaScript after gzip, 1 KB being 1000 bytes: before the first screen can be used, and in all. */
export const BUDGET = { firstPaintBytes: 350_000, allBytes: 500_000 } as const

export interface Weight {
  /** The page's scripts and the worker's, with all that they import at once. */
  readonly firstPaintBytes: number
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

  const first = new Set<string>()
  const visit = (name: string): void => {
    const source = scripts.get(name)?.toString('utf8')
    if (source === undefined || first.has(name)) return
    first.add(name)
    for (const next of [...names(source, STATIC), ...names(source, WORKER)]) visit(next)
  }
  for (const name of names(read('index.html').toString('utf8'), TAG)) visit(name)
  if (first.size === 0) throw new Error('index.html loads no script')

  const lazyWasm = [...scripts].filter(([name, bytes]) => !first.has(name) && bytes.includes(WASM_TEXT))
  const total = (list: Iterable<string>) =>
    [...list].reduce((bytes, name) => bytes + (size.get(name) ?? 0), 0)
  const wasmTextBytes = total(lazyWasm.map(([name]) => name))
  const wasmFileBytes = files
    .filter((file) => file.endsWith('.wasm'))
    .reduce((bytes, file) => bytes + gzipSync(read(file), { level: 9 }).length, 0)
  return {
    firstPaintBytes: total(first),
    allBytes: total(scripts.keys()) - wasmTextBytes,
    wasmBytes: wasmTextBytes + wasmFileBytes,
    heaviest: [...size].sort((a, b) => b[1] - a[1]).slice(0, 8),
  }
}

export const withinBudget = (weight: Weight): boolean =>
  weight.firstPaintBytes <= BUDGET.firstPaintBytes && weight.allBytes <= BUDGET.allBytes

const kb = (bytes: number): string => (bytes / 1000).toFixed(1)

export const describeWeight = (weight: Weight): string =>
  `gzip: ${kb(weight.firstPaintBytes)} of ${BUDGET.firstPaintBytes / 1000} KB before the first screen, ` +
  `${kb(weight.allBytes)} of ${BUDGET.allBytes / 1000} KB in all; lazy WASM besides: ${kb(weight.wasmBytes)} KB`
