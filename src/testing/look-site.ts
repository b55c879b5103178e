import { join } from 'node:path'
import react from '@vitejs/plugin-react'
import { build, type Plugin, preview } from 'vite'

const ROOT = join(import.meta.dirname, '../..')

/** Puts an in-memory node with demo data (`?fake=SCENE`) in the place of the worker, from outside the app. */
const fakePage: Plugin = {
  name: 'switchback-fake-page',
  transformIndexHtml: {
    order: 'pre',
    handler: (html) =>
      html.replace(
        '<script type="module"',
        '<script type="module" src="/src/testing/fake-page.ts"></script><script type="module"',
      ),
  },
}

/**
 * Builds the app around the demo node into `.cache/look/site` and serves it on a free port of this machine. Built, a screen is there in a
 * tenth of the time that the dev server takes, under the policy that users get. The caller closes it.
 */
export async function serveLookSite(): Promise<{ readonly origin: string; close(): Promise<void> }> {
  const outDir = join(ROOT, '.cache/look/site')
  const common = { root: ROOT, configFile: false, logLevel: 'error', base: './' } as const
  await build({
    ...common,
    plugins: [react(), fakePage],
    // As the dev server says it: only there does the app look for another node, and only here does a build.
    define: { 'import.meta.env.DEV': 'true', 'import.meta.env.PROD': 'false' },
    worker: { format: 'es' },
    build: { outDir, emptyOutDir: true, target: 'es2022', minify: false, modulePreload: { polyfill: false } },
  })
  const server = await preview({ ...common, build: { outDir }, preview: { port: 0, host: '127.0.0.1' } })
  return { origin: server.resolvedUrls?.local[0] ?? '', close: () => server.close() }
}
