import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Reads the pid on the first line of its stdin, then waits for end of file, which comes when the launcher is gone for
 * whatever reason (SIGKILL included, because the kernel closes its end of the pipe). Then: TERM, ten seconds, KILL.
 */
const WATCHDOG = `
read -r pid || exit 0
while read -r line; do [ "$line" = release ] && exit 0; done
kill -TERM "$pid" 2>/dev/null || exit 0
n=0
while [ $n -lt 100 ]; do kill -0 "$pid" 2>/dev/null || exit 0; sleep 0.1; n=$((n + 1)); done
kill -KILL "$pid" 2>/dev/null
`

export interface GuardedChild {
  readonly process: ChildProcess
  readonly pid: number
  /** Resolves with the exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>
}

/**
 * Starts a program that cannot outlive this process: it has its own session, so that Ctrl-C reaches the launcher alone,
 * and a watchdog that ends it when the launcher disappears. `pidFile` lets the next start reap it if even that failed.
 */
export function spawnGuarded(command: string, args: readonly string[], pidFile: string): GuardedChild {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => resolve(code))
    child.once('error', () => resolve(null))
  })
  if (child.pid === undefined) throw new Error(`cannot start ${command}`)
  writeFileSync(pidFile, String(child.pid))
  const watchdog = spawn('sh', ['-c', WATCHDOG], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  watchdog.stdin?.on('error', () => {})
  watchdog.stdin?.write(`${child.pid}\n`)
  watchdog.unref()
  void exited.then(() => {
    watchdog.stdin?.end('release\n')
    rmSync(pidFile, { force: true })
  })
  return { process: child, pid: child.pid, exited }
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The command line of a process, empty when it is gone or cannot be read. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    // No /proc (macOS): ask ps.
  }
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

/** Polls `done` until it holds; false when `timeoutMs` passes first. */
export async function until(done: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs
  for (;;) {
    if (await done()) return true
    if (Date.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/**
 * Ends the process that an earlier launcher left behind, if `pidFile` names one whose command line contains `marker`
 * (a pid may have been given to another program since, which must not be touched). True when something was ended.
 */
export async function reapStale(pidFile: string, marker: string): Promise<boolean> {
  let pid = 0
  try {
    pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
  } catch {
    return false
  }
  if (!Number.isSafeInteger(pid) || pid <= 1 || !alive(pid) || !commandLine(pid).includes(marker)) {
    rmSync(pidFile, { force: true })
    return false
  }
  process.kill(pid, 'SIGTERM')
  if (!(await until(() => !alive(pid), 10_000))) {
    process.kill(pid, 'SIGKILL')
    await until(() => !alive(pid), 5_000)
  }
  rmSync(pidFile, { force: true })
  return true
}
