import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { commandLine } from './children.ts'

interface Owner {
  readonly pid: number
  readonly url: string
}

/** Folders taken by this process: a test may run several playgrounds in one. */
const taken = new Set<string>()

/**
 * Takes a data folder for this process. Refuses while another playground runs on it, because starting would reap that
 * one's chain; a file left by a killed launcher is taken over.
 */
export function takeFolder(file: string): { say(url: string): void; release(): void } {
  if (taken.has(file)) throw new Error('a playground already runs on this folder, in this process')
  if (existsSync(file)) {
    try {
      const owner = JSON.parse(readFileSync(file, 'utf8')) as Owner
      const line = owner.pid === process.pid ? '' : commandLine(owner.pid)
      if (/playground|vitest|tsx/.test(line))
        throw new Error(
          `a playground already runs on this folder${owner.url === '' ? '' : ` at ${owner.url}`} (process ${owner.pid}); ` +
            'end it, or choose another folder with --data',
        )
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
    }
  }
  const write = (url: string): void => writeFileSync(file, JSON.stringify({ pid: process.pid, url }))
  write('')
  taken.add(file)
  const release = (): void => {
    taken.delete(file)
    rmSync(file, { force: true })
  }
  return { say: write, release }
}
