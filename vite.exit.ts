import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'vite'

/** Where the site has the empty exit file; the app fills it with the sealed copy (`src/ui/features/settings/ExitFile.tsx`). */
const NAME = 'exit.html'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const digest = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Bundles the page's program and looks into one script and one style sheet, and puts them into the page itself. */
async function exitPage(): Promise<string> {
  const output = await build({
    configFile: false,
    logLevel: 'warn',
    root: path('.'),
    publicDir: false,
    define: { 'process.env.NODE_ENV': '"production"' },
    build: {
      write: false,
      target: 'es2022',
      sourcemap: false,
      cssCodeSplit: false,
      lib: { entry: path('src/exit/main.ts'), formats: ['iife'], name: 'switchbackExit' },
    },
  })
  const files = [output].flat().flatMap((result) => ('output' in result ? [...result.output] : []))
  const scripts = files.flatMap((file) => (file.type === 'chunk' ? [file.code] : []))
  const styles = files.flatMap((file) =>
    file.type === 'asset' && file.fileName.endsWith('.css') ? [String(file.source)] : [],
  )
  if (scripts.length !== 1 || styles.length !== 1 || files.length !== 2)
    throw new Error(`the exit file is to be one script and one style sheet, not ${files.length} files`)
  // Only in strings and patterns could these stand, and there they mean the same.
  const script = (scripts[0] ?? '').replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')
  const style = (styles[0] ?? '').replaceAll('</style', '<\\/style')
  // By their hashes: nothing else runs or paints, and nothing at all is fetched.
  const policy = `default-src 'none'; script-src ${digest(script)}; style-src ${digest(style)}; base-uri 'none'; form-action 'none'`
  return readFileSync(path('src/exit/exit.html'), 'utf8')
    .replace('%POLICY%', () => policy)
    .replace('%STYLE%', () => style)
    .replace('%SCRIPT%', () => script)
}

/** The exit file's empty form as a file of the site, built when the site is, and on demand while developing. */
export function exitFile(): Plugin {
  return {
    name: 'switchback-exit-file',
    async generateBundle() {
      this.emitFile({ type: 'asset', fileName: NAME, source: await exitPage() })
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (request.url?.replace(/[?#].*$/s, '') !== `/${NAME}`) return next()
        exitPage().then((page) => {
          response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-cache' })
          response.end(page)
        }, next)
      })
    },
  }
}
