import { mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { join, resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { createGateway } from '../gateway/gateway.ts'
import type { LdkNode } from '../testing/ldk/types.ts'
import { type App, startApp } from './app.ts'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { createEsplora, type Esplora } from './esplora.ts'
import { createHandler } from './http.ts'
import { takeFolder } from './lock.ts'
import { createMiner, type Miner } from './miner.ts'
import { startPeer } from './peer.ts'
import type { PlaygroundPeer } from './peer-types.ts'
import { portFrom } from './ports.ts'

export interface PlaygroundOptions {
  /** Where everything is kept. */
  readonly dataDir: string
  /** Wipes the folder first. */
  readonly fresh?: boolean
  /** Port to prefer; the next free one when taken. Default 8420. */
  readonly port?: number
  /** Mines by itself while something waits. Default true. */
  readonly mine?: boolean
  /** Serves the app: the built site in a folder, or whatever there is. Default true. */
  readonly app?: boolean | string
  /** Called when the chain ends by itself, which leaves nothing to play with. */
  readonly onCrash?: (why: string) => void
}

export interface Playground {
  /** `http://localhost:port` */
  readonly url: string
  readonly bitcoind: Bitcoind
  readonly miner: Miner
  readonly esplora: Esplora
  readonly peers: readonly PlaygroundPeer[]
  /** The third-party node behind the peer `lil`, for tests that tell it what to do. */
  readonly lil: LdkNode
  stop(): Promise<void>
}

/** Ports that peers prefer, so that addresses written down stay right over restarts. */
const PEER_PORTS = { lil: 19735, ada: 19736, ben: 19737 } as const
const OWN_PEERS = ['ada', 'ben'] as const
/** Between lil and each of the others, half on each side. */
const CHANNEL_SAT = 5_000_000n
const STALE_TIP_SECONDS = 600

/** Joins the peers: each opens a channel to those after it that it has none with. */
async function joinPeers(peers: readonly PlaygroundPeer[], miner: Miner): Promise<void> {
  const openings: Promise<void>[] = []
  for (const [i, peer] of peers.entries()) {
    for (const other of peers.slice(i + 1)) {
      if (peer.api.channels().some((channel) => channel.peer === other.nodeId)) continue
      const to = { nodeId: other.nodeId, host: '127.0.0.1', port: other.port }
      openings.push(peer.api.openChannel(to, CHANNEL_SAT, CHANNEL_SAT * 500n, true))
    }
  }
  await Promise.all(openings)
  if (openings.length > 0) await miner.mine(6)
}

/** Starts a whole network on this machine; resolves when it can be used. */
export async function startPlayground(options: PlaygroundOptions): Promise<Playground> {
  const dataDir = resolve(options.dataDir)
  mkdirSync(dataDir, { recursive: true })
  const lock = takeFolder(join(dataDir, 'launcher.json'))
  const ends: (() => Promise<void>)[] = []
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      for (const end of ends.reverse()) await end().catch(() => {})
      lock.release()
    })()
    return stopping
  }

  try {
    if (options.fresh === true)
      for (const name of ['chain', 'miner', 'lil', ...OWN_PEERS])
        rmSync(join(dataDir, name), { recursive: true, force: true })

    // LDK is a large module: it loads while the chain starts.
    const lilLoading = import('./lil.ts')
    lilLoading.catch(() => {})

    const bitcoind = await startBitcoind({ dataDir: join(dataDir, 'chain') })
    ends.push(() => bitcoind.stop())
    void bitcoind.exited.then((why) => {
      if (!stopping) options.onCrash?.(`bitcoind ended: ${why}`)
    })
    const { rpc } = bitcoind
    const miner = createMiner({ rpc, keyFile: join(dataDir, 'miner', 'key') })
    await miner.ready()
    const { time } = await rpc.call<{ time: number }>('getblockchaininfo')
    // Nodes that tell time by the chain would make invoices that have expired already.
    if (Date.now() / 1000 - time > STALE_TIP_SECONDS) await miner.mine(1)

    const esplora = createEsplora({ rpc })
    const gateway = createGateway({
      allowPrivate: true,
      limits: { dialsPerMinute: 6_000, connectionsPerClient: 500 },
    })
    const peers: PlaygroundPeer[] = []
    let app: Promise<App> | undefined
    let url = ''
    const http = createServer(
      createHandler({ esplora, gateway, miner, peers: () => peers, app: () => app, url: () => url }),
    )
    http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      if (!gateway.upgrade(request, socket, head)) socket.destroy()
    })
    const port = await portFrom(options.port ?? 8420)
    await new Promise<void>((listening, failed) => {
      http.once('error', failed)
      http.listen(port, '127.0.0.1', listening)
    })
    url = `http://localhost:${port}`
    lock.say(url)
    ends.push(
      () =>
        new Promise((closed) => {
          http.close(() => closed())
          http.closeAllConnections()
        }),
    )
    // A server waits for connections that were upgraded: the gateway ends those first.
    ends.push(() => gateway.drain(0))

    const { startLil } = await lilLoading
    const lil = await startLil({ dataDir: join(dataDir, 'lil'), rpc, miner, port: PEER_PORTS.lil })
    ends.push(() => lil.peer.stop())
    peers.push(lil.peer)
    if (startPeer) {
      const start = startPeer
      const own = await Promise.all(
        OWN_PEERS.map((name) =>
          start(name, {
            dataDir: join(dataDir, name),
            port: PEER_PORTS[name],
            esploraUrl: `http://127.0.0.1:${port}/esplora/api`,
            rpc,
            fund: (address, sat) => miner.fund(address, sat),
            mine: async (blocks) => void (await miner.mine(blocks)),
          }),
        ),
      )
      for (const peer of own) {
        ends.push(() => peer.stop())
        peers.push(peer)
      }
      await joinPeers(peers, miner)
    }
    // What the start itself has put into the mempool belongs into a block before anybody looks.
    if ((await rpc.call<{ size: number }>('getmempoolinfo')).size > 0) await miner.mine(1)
    if (options.mine !== false) {
      miner.auto()
      ends.push(() => Promise.resolve(miner.stop()))
    }

    if (options.app !== false) {
      // Vite takes longer than all the rest: nobody waits for it but the first page.
      app = startApp(typeof options.app === 'string' ? resolve(options.app) : undefined)
      app.catch((error: unknown) => options.onCrash?.(`the app does not start: ${String(error)}`))
      const starting = app
      ends.push(async () => (await starting).close())
    }
    return { url, bitcoind, miner, esplora, peers, lil: lil.node, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
