import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'
import { exitFile } from './vite.exit.ts'

/**
 * In development only. The page's content security policy would forbid the dev server's own inline scripts; and `?fake` puts an
 * in-memory node with demo data in the place of the worker, from outside the app, so that nothing of it can reach a build.
 */
function development(): Plugin {
  return {
    name: 'switchback-development',
    apply: 'serve',
    transformIndexHtml: {
      order: 'pre',
      handler(html, { originalUrl }) {
        const page = html.replace(/<meta\s+http-equiv="Content-Security-Policy"[^>]*>/, '')
        const wanted = new URL(originalUrl ?? '/', 'http://localhost').searchParams.has('fake')
        return wanted
          ? page.replace(
              '<script type="module"',
              '<script type="module" src="/src/testing/fake-page.ts"></script><script type="module"',
            )
          : page
      },
    },
  }
}

export default defineConfig({
  // Any static host and any folder of it will do.
  base: './',
  build: { target: 'es2022', sourcemap: false, modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  // The scan does not follow `new Worker`. What it misses is bundled anew at first use, which gives the page a second React.
  optimizeDeps: { entries: ['index.html', 'src/worker/main.ts', 'src/host/curve-wasm.ts'] },
  plugins: [
    development(),
    react(),
    exitFile(),
    VitePWA({
      // The app registers the worker itself (no inline script) and asks before it takes a new version.
      injectRegister: false,
      registerType: 'prompt',
      includeAssets: ['icon.svg', 'icon-180.png'],
      manifest: {
        name: 'Switchback',
        short_name: 'Switchback',
        description: 'A self-custodial Lightning wallet that is a whole Lightning node inside a browser tab.',
        id: './',
        start_url: './',
        scope: './',
        display: 'standalone',
        background_color: '#111416',
        theme_color: '#111416',
        categories: ['finance'],
        icons: [
          { src: 'icon-192.png', sizes: '192x192', type: 'image/png' },
          { src: 'icon-512.png', sizes: '512x512', type: 'image/png' },
          { src: 'icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
          { src: 'icon.svg', sizes: 'any', type: 'image/svg+xml' },
        ],
        protocol_handlers: [
          { protocol: 'bitcoin', url: './?pay=%s' },
          { protocol: 'web+lightning', url: './?pay=%s' },
        ],
        share_target: {
          action: './',
          method: 'GET',
          enctype: 'application/x-www-form-urlencoded',
          params: { text: 'text', url: 'url' },
        },
      },
      workbox: {
        globPatterns: ['**/*.{js,css,html,svg,png,webmanifest,wasm}'],
        navigateFallback: 'index.html',
        // The playground's answers are the network's: never from a cache.
        navigateFallbackDenylist: [/\/api(\/|$)/, /\/esplora(\/|$)/, /\/v1(\/|$)/, /\/shop(\/|$)/],
        cleanupOutdatedCaches: true,
        ignoreURLParametersMatching: [/^pay$/, /^text$/, /^url$/],
      },
    }),
  ],
})
