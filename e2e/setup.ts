import { execFileSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { isFresh } from '../src/playground/app.ts'
import { SITE } from './site.ts'

/** Builds what users get into a folder of its own, so that a build beside the tests does not take it away from under them. */
export default function setup(): void {
  if (isFresh(SITE)) return
  rmSync(SITE, { recursive: true, force: true })
  const root = join(import.meta.dirname, '..')
  const dist = join(root, 'dist')
  if (isFresh(dist)) {
    cpSync(dist, SITE, { recursive: true })
    return
  }
  const vite = join(dirname(createRequire(import.meta.url).resolve('vite/package.json')), 'bin/vite.js')
  const args = [vite, 'build', '--logLevel', 'warn', '--outDir', SITE, '--emptyOutDir']
  execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
}
