import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../run/child.ts'
import type { Bench } from './types.ts'

const LIMIT_MS = 60_000

/** Starts the playground as a user would; milliseconds to its ready line. It has ended when this resolves. */
function start(dataDir: string): Promise<number> {
  const program = join(ROOT, 'node_modules', '.bin', 'tsx')
  const begun = performance.now()
  const child = spawn(program, ['src/playground/main.ts', '--data', dataDir, '--no-mine'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return new Promise((resolve, reject) => {
    let said = ''
    let ready: number | undefined
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const hear = (text: string): void => {
      said += text
      if (ready !== undefined || !said.includes('Switchback playground on')) return
      ready = Math.round(performance.now() - begun)
      child.kill('SIGINT')
    }
    child.stdout.setEncoding('utf8').on('data', hear)
    child.stderr.setEncoding('utf8').on('data', hear)
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(limit)
      if (ready === undefined) reject(new Error(`the playground did not start: ${said.trim()}`))
      else resolve(ready)
    })
  })
}

export const playground: Bench = {
  name: 'playground',
  about: 'npm start to its ready line: with nothing there yet, and with what a run before has left',
  async run() {
    const dataDir = mkdtempSync(join(tmpdir(), 'switchback-bench-'))
    try {
      const freshMs = await start(dataDir)
      return { freshMs, againMs: await start(dataDir) }
    } finally {
      rmSync(dataDir, { recursive: true, force: true })
    }
  },
}
