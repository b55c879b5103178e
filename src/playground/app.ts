import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, normalize, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DIST = join(ROOT, 'dist')

export type AppHandler = (request: IncomingMessage, response: ServerResponse) => void

export interface App {
  readonly kind: 'built' | 'dev' | 'none'
  readonly handle: AppHandler
  close(): Promise<void>
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.wasm': 'application/wasm',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
}

/** The time of the newest file below `path`, in ms; 0 when there is none. */
function newest(path: string): number {
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), 0)
}

/** Whether a site was built after the last change of what it is built from. */
export function isFresh(site: string): boolean {
  const built = newest(join(site, 'index.html'))
  if (built === 0) return false
  const sources = ['src/ui', 'src/worker', 'src/engine', 'src/contract', 'src/host', 'src/exit', 'public']
  const files = ['index.html', 'vite.config.ts', 'vite.exit.ts', 'package.json']
  return [...sources, ...files].every((name) => newest(join(ROOT, name)) <= built)
}

/** A path of the site as it was asked for, or `/` where it is written wrong. */
function pathOf(url: string): string {
  try {
    return decodeURIComponent(url.replace(/[?#].*$/s, ''))
  } catch {
    return '/'
  }
}

/** Serves a built site. */
function serveFolder(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const path = pathOf(request.url ?? '/')
  let file = normalize(join(folder, path))
  if (!file.startsWith(folder + sep) || !existsSync(file) || statSync(file).isDirectory()) {
    // A path without an extension is a place in the app; a missing file is missing.
    if (extname(path) !== '') {
      response.writeHead(404, { 'content-type': 'text/plain' })
      response.end('not found\n')
      return
    }
    file = join(folder, 'index.html')
  }
  const hashed = file.startsWith(join(folder, 'assets') + sep)
  response.writeHead(200, {
    'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
    'cache-control': hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
  })
  createReadStream(file)
    .on('error', () => response.destroy())
    .pipe(response)
}

const MISSING = `<!doctype html><meta charset="utf-8"><title>Switchback</title>
<p>The app is not here yet. The playground runs: <a href="/shop">shop</a>, <a href="/api/info">info</a>.`

/**
 * The app: the built site in `site`, else `dist/` when it is fresh (what users get), else built on the fly by Vite, without
 * reloading by itself.
 */
export async function startApp(site?: string): Promise<App> {
  const folder = site ?? (isFresh(DIST) ? DIST : undefined)
  if (folder !== undefined) {
    const handle: AppHandler = (request, response) => serveFolder(folder, request, response)
    return { kind: 'built', handle, close: () => Promise.resolve() }
  }
  if (!existsSync(join(ROOT, 'index.html'))) {
    const handle: AppHandler = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' })
      response.end(MISSING)
    }
    return { kind: 'none', handle, close: () => Promise.resolve() }
  }
  const { createServer } = await import('vite')
  const vite = await createServer({
    root: ROOT,
    // Apart from `npm run dev`: the two bundle dependencies differently, and would take each other's away from under the page.
    cacheDir: join(ROOT, 'node_modules/.vite/playground'),
    appType: 'spa',
    logLevel: 'error',
    plugins: [
      {
        // Nothing here reloads by itself, so the page's own client has nobody to connect to.
        name: 'playground-without-reload',
        transform: (code, id) =>
          id.includes('/vite/dist/client/client.mjs')
            ? code.replace('transport.connect(createHMRHandler(handleMessage))', 'undefined')
            : undefined,
      },
    ],
    server: { middlewareMode: true, hmr: false, ws: false, watch: null },
  })
  return {
    kind: 'dev',
    handle: (request, response) => vite.middlewares(request, response),
    close: () => vite.close(),
  }
}
