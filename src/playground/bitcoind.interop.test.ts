import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bitcoind, findBitcoind, startBitcoind } from './bitcoind.ts'
import { until } from './children.ts'
import { RpcError } from './rpc.ts'

const ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'
const started: Bitcoind[] = []
const folders: string[] = []
const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'switchback-test-'))
  folders.push(path)
  return path
}
const start = async (dataDir?: string): Promise<Bitcoind> => {
  const node = await startBitcoind(dataDir === undefined ? {} : { dataDir })
  started.push(node)
  return node
}
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

afterEach(async () => {
  for (const node of started.splice(0)) await node.stop()
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true })
})

describe('finding bitcoind', () => {
  it('refuses a BITCOIND that cannot be run instead of silently taking another', () => {
    expect(() => findBitcoind({ BITCOIND: '/nowhere/bitcoind', PATH: '' })).toThrow('/nowhere/bitcoind')
  })
  it('prefers BITCOIND over the package', () => {
    expect(findBitcoind({ BITCOIND: process.execPath })).toEqual({ path: process.execPath, from: 'BITCOIND' })
  })
})

describe('a private bitcoind', () => {
  it('starts, answers calls and batches, wakes on a new block, stops', async () => {
    const node = await start()
    const genesis = await node.rpc.call<string>('getbestblockhash')
    const woken = node.waitForTipOtherThan(genesis)
    const [hash] = await node.rpc.call<string[]>('generatetoaddress', 1, ADDRESS)
    expect(await woken).toBe(hash)
    const [count, missing] = await node.rpc.batch<number>([['getblockcount'], ['getblockhash', 9]])
    expect(count).toBe(1)
    expect(missing).toBeInstanceOf(RpcError)
    await expect(node.rpc.call('getblockhash', 9)).rejects.toMatchObject({ code: -8 })
    await node.stop()
    expect(alive(node.pid)).toBe(false)
    expect(existsSync(node.dataDir)).toBe(false)
  })

  it('keeps the chain in a given folder over a restart', async () => {
    const dataDir = folder()
    const first = await start(dataDir)
    const [hash] = await first.rpc.call<string[]>('generatetoaddress', 1, ADDRESS)
    await first.stop()
    const second = await start(dataDir)
    expect(await second.rpc.call('getbestblockhash')).toBe(hash)
  })

  it('dies with a launcher that is killed with SIGKILL', async () => {
    const dataDir = folder()
    const script = join(dataDir, 'launch.mts')
    const module = fileURLToPath(new URL('./bitcoind.ts', import.meta.url))
    writeFileSync(
      script,
      `import { startBitcoind } from ${JSON.stringify(module)}
       const node = await startBitcoind({ dataDir: ${JSON.stringify(join(dataDir, 'chain'))} })
       console.log('pid ' + node.pid)
       setInterval(() => {}, 1000)`,
    )
    const tsx = fileURLToPath(import.meta.resolve('tsx'))
    const launcher = spawn(process.execPath, ['--import', tsx, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const pid = await new Promise<number>((resolve, reject) => {
      let text = ''
      launcher.stdout.on('data', (part: Buffer) => {
        text += part.toString('utf8')
        const match = /pid (\d+)/.exec(text)
        if (match) resolve(Number(match[1]))
      })
      launcher.once('exit', () => reject(new Error(`launcher ended: ${text}`)))
    })
    expect(alive(pid)).toBe(true)
    launcher.removeAllListeners('exit')
    launcher.kill('SIGKILL')
    expect(await until(() => !alive(pid), 15_000)).toBe(true)
  })

  it('reaps a bitcoind that an earlier launcher left in the folder, and leaves strangers alone', async () => {
    const dataDir = folder()
    const left = await start(dataDir)
    const again = await start(dataDir)
    expect(alive(left.pid)).toBe(false)
    await again.stop()
    // A pid file that names some other live process: it must survive.
    const stranger = spawn('sleep', ['60'])
    writeFileSync(join(dataDir, 'bitcoind.pid'), String(stranger.pid))
    await start(dataDir)
    expect(stranger.exitCode === null && stranger.signalCode === null).toBe(true)
    stranger.kill()
  })
})
