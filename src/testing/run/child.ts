import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExitCode } from './counts.ts'

export const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url))
/** Where runs keep logs and reports; never committed. */
export const CACHE: string = join(ROOT, '.cache')

/** Process groups that run now. Each child leads one, so that it can be ended with all it has started. */
const groups = new Set<number>()

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-group, signal)
  } catch {
    // It has ended already.
  }
}

/** Ends every child and what they have started. */
export function endChildren(signal: NodeJS.Signals): void {
  for (const group of groups) signalGroup(group, signal)
}

export interface Child {
  readonly command: readonly string[]
  /** File that takes what it prints; its folder is made. */
  readonly log: string
  readonly env?: Readonly<Record<string, string>>
  readonly limitMs: number
}

/** Runs a program of `node_modules/.bin` or the PATH in the repository's root. Its exit code, or `undefined` when it took too long. */
export function runChild({ command, log, env, limitMs }: Child): Promise<ExitCode> {
  const [program = '', ...args] = command
  mkdirSync(dirname(log), { recursive: true })
  const out = openSync(log, 'a')
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: true,
    // A file, not a pipe: whatever a test may leave behind cannot keep us waiting for the end of its output.
    stdio: ['ignore', out, out],
    env: {
      ...process.env,
      PATH: `${join(ROOT, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`,
      ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' }),
      ...env,
    },
  })
  closeSync(out)
  const group = child.pid
  if (group !== undefined) groups.add(group)
  return new Promise((resolve, reject) => {
    let late = false
    const limit = setTimeout(() => {
      late = true
      if (group === undefined) return
      signalGroup(group, 'SIGTERM')
      setTimeout(() => signalGroup(group, 'SIGKILL'), 5_000).unref()
    }, limitMs)
    const over = (): void => {
      clearTimeout(limit)
      if (group === undefined) return
      signalGroup(group, 'SIGKILL')
      groups.delete(group)
    }
    child.on('error', (error) => {
      over()
      reject(error)
    })
    child.on('exit', (code) => {
      over()
      resolve(late ? undefined : (code ?? 1))
    })
  })
}

/** A JSON file, or `undefined` where there is none or it is cut off. */
export function readJson<T>(file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return undefined
  }
}

export function removeFile(file: string): void {
  rmSync(file, { force: true })
}
