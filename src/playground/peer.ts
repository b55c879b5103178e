import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { Client } from '../contract/procedures.ts'
import { createClient } from '../contract/client.ts'
import type { Port } from '../contract/port.ts'
import { serve } from '../contract/rpc.ts'
import { receivableMsat, spendableMsat } from '../engine/channel/limits.ts'
import type { ChannelPolicy } from '../engine/channel/policy.ts'
import { entries } from '../engine/base/table.ts'
import { useCiphers } from '../engine/crypto/cipher.ts'
import { useCurve } from '../engine/crypto/curve.ts'
import { useHashes } from '../engine/crypto/hash.ts'
import { loadWasmCurve } from '../host/curve-wasm.ts'
import { createWebSocketDialer, type WebSocketConstructor } from '../host/dial-websocket.ts'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { writeSnapshot } from '../engine/router/snapshot-write.ts'
import { createDownload } from '../host/download.ts'
import { createEsploraClient } from '../host/esplora/client.ts'
import { NODE_CIPHERS, NODE_HASHES } from '../host/node/crypto.node.ts'
import { createTcpDialer, listenTcp } from '../host/node/dial-tcp.node.ts'
import { openFileStore } from '../host/node/store-file.node.ts'
import { type Clock, systemClock } from '../host/ports.ts'
import { createWalletHost, type WalletHost } from '../host/wallet-host.ts'
import type { PeerApi, PeerDeps, PlaygroundPeer, StartPeer } from './peer-types.ts'
import { listenFrom } from './ports.ts'

/** One of this project's own nodes, headless in Node: the browser's engine and shell over files and TCP. */

let curve: Promise<void> | undefined

/** Node's BigInt is slow, and OpenSSL is there: the WASM curve and Node's own hashes and ciphers, once a process. */
const fastCrypto = (): Promise<void> => {
  curve ??= loadWasmCurve(randomBytes(32)).then((wasm) => {
    useCurve(wasm)
    useHashes(NODE_HASHES)
    useCiphers(NODE_CIPHERS)
  })
  return curve
}

export interface HeadlessOptions {
  readonly dataDir: string
  /** TCP port for peers to prefer; the next free one when taken, any with 0. */
  readonly port: number
  readonly esploraUrl: string
  /** Formats to negotiate, best first. */
  readonly formats?: readonly string[]
  readonly minimumDepth?: number
  /** Whether it passes payments of others on. Default true. */
  readonly forwards?: boolean
  /** The name under which it announces itself. */
  readonly alias?: string
  /** Channels of others kept as they came for peers that ask, and how often news of them is passed on. */
  readonly gossipShelf?: number
  readonly gossipFlushMs?: number
  /** Other terms of channels. */
  readonly policy?: Partial<ChannelPolicy>
  /** Another clock than the machine's. */
  readonly clock?: Clock
}

export interface Headless {
  readonly host: WalletHost
  readonly client: Client
  readonly nodeId: string
  readonly port: number
  stop(): Promise<void>
}

/** A client of a host in the same process. */
export function localClient(host: WalletHost): Client {
  let toServer: (message: unknown) => void = () => {}
  let toClient: (message: unknown) => void = () => {}
  const side = (
    out: () => (message: unknown) => void,
    set: (listener: (message: unknown) => void) => void,
  ): Port => ({
    // Structured like a message port: copied and later, so that neither side sees the other's objects.
    post: (message) => {
      const copy = structuredClone(message)
      queueMicrotask(() => out()(copy))
    },
    listen: set,
    close: () => {},
  })
  serve(
    side(
      () => toClient,
      (listener) => {
        toServer = listener
      },
    ),
    host.handlers,
  )
  return createClient(
    side(
      () => toServer,
      (listener) => {
        toClient = listener
      },
    ),
  )
}

/** Starts a headless node; its wallet is made on the first start and found again later. */
export async function startHeadless(options: HeadlessOptions): Promise<Headless> {
  await fastCrypto()
  await mkdir(options.dataDir, { recursive: true })
  const store = await openFileStore(join(options.dataDir, 'store'))
  const webSocket = createWebSocketDialer({
    gateway: () => undefined,
    WebSocket: WebSocket as unknown as WebSocketConstructor,
  })
  const esplora = createEsploraClient({ fetch: globalThis.fetch })
  const host = await createWalletHost({
    store,
    esplora: { request: (server, request, signal) => esplora.request(server, request, signal) },
    download: createDownload(globalThis.fetch),
    clock: options.clock ?? systemClock,
    entropy: () => Uint8Array.from(randomBytes(32)),
    dialer: () => createTcpDialer(webSocket),
    defaults: { network: 'regtest', servers: [options.esploraUrl], gateway: '' },
    // A day, as most nodes ask: in the playground somebody waits for it.
    policy: { minimumDepth: options.minimumDepth ?? 1, toSelfDelay: 144, ...options.policy },
    forwards: options.forwards ?? true,
    gossipShelf: options.gossipShelf ?? 2000,
    gossipFlushMs: options.gossipFlushMs ?? 2000,
    ...(options.alias === undefined ? {} : { alias: options.alias }),
    ...(options.formats === undefined ? {} : { formats: options.formats }),
  })
  const client = localClient(host)
  if (host.running() === undefined) await client.createWallet({})
  // The playground's ports may change between runs.
  await client.updateSettings({ servers: [options.esploraUrl] })
  const running = host.running()
  if (running === undefined) throw new Error('the node did not start')
  const listener = await listenFrom(options.port, (port) =>
    listenTcp({ port }, (socket) => running.peers.accept(socket)),
  )
  return {
    host,
    client,
    nodeId: running.setup.nodeId,
    port: listener.port,
    async stop() {
      await listener.close()
      await host.stop()
    },
  }
}

/** Resolves when `holds` is true of the node's state, now or after a change. */
export async function untilState(
  client: Client,
  holds: (state: Awaited<ReturnType<typeof currentState>>) => boolean,
): Promise<void> {
  for await (const state of client.getState()) if (holds(state)) return
}

async function currentState(client: Client) {
  for await (const state of client.getState()) return state
  throw new Error('no state')
}

function apiOf(node: Headless, deps: PeerDeps): PeerApi {
  const { client, host } = node
  const paid = new Set<string>()
  return {
    async addInvoice(amountMsat, memo) {
      const made = await client.addInvoice({
        ...(amountMsat === undefined ? {} : { amountMsat: String(amountMsat) }),
        description: memo,
      })
      return made.invoice
    },
    async addInvoices(count, amountMsat, memo) {
      const made = await client.addInvoices({ count, amountMsat: String(amountMsat), description: memo })
      return made.map(({ invoice }) => invoice)
    },
    async payInvoice(bolt11) {
      try {
        for await (const update of client.sendPayment({ invoice: bolt11 })) {
          if (update.status === 'succeeded') {
            return { ok: true, preimage: update.preimage, feeMsat: BigInt(update.feeMsat) }
          }
          if (update.status === 'failed') return { ok: false, reason: update.error.message }
        }
        return { ok: false, reason: 'the node stopped' }
      } catch (error) {
        return { ok: false, reason: error instanceof Error ? error.message : String(error) }
      }
    },
    isPaid(bolt11) {
      if (paid.has(bolt11)) return true
      const state = host.running()?.loop.status().state
      const record = state && entries(state.invoices).find((invoice) => invoice.bolt11 === bolt11)
      if (record?.state === 'paid') paid.add(bolt11)
      return record?.state === 'paid'
    },
    snapshot() {
      const { graph, network } = host.running()?.setup ?? {}
      if (graph === undefined || network === undefined) throw new Error('the node has stopped')
      return writeSnapshot(graph, NETWORKS[network].chainHash, Math.floor(Date.now() / 1000))
    },
    channels() {
      const state = host.running()?.loop.status().state
      return Object.values(state?.channels ?? {}).map((channel) => ({
        peer: channel.peer,
        format: channel.formatName,
        capacitySat: channel.funding.sat,
        outboundMsat: spendableMsat(channel),
        inboundMsat: receivableMsat(channel),
        usable:
          channel.link === 'online' &&
          channel.readySent &&
          channel.readyReceived &&
          channel.failure === undefined,
      }))
    },
    async openChannel(to, amountSat, pushMsat, announced) {
      await fundWallet(node, deps, amountSat)
      const peer = to.host === undefined ? to.nodeId : `${to.nodeId}@${to.host}:${to.port}`
      for await (const update of client.openChannel({
        peer,
        amountSat: String(amountSat),
        pushMsat: String(pushMsat),
        announce: announced,
      })) {
        if (update.status === 'pending') return
      }
    },
  }
}

/** Gives the wallet the coins that an opening needs, and waits until it sees them. */
async function fundWallet({ client }: Headless, deps: PeerDeps, amountSat: bigint): Promise<void> {
  const need = amountSat + 100_000n
  const { confirmedSat } = await client.walletBalance()
  if (BigInt(confirmedSat) >= need) return
  const { address } = await client.newAddress()
  await deps.fund(address, need)
  await deps.mine(1)
  await client.refresh()
  await untilState(client, (state) => BigInt(state.balances.onchainConfirmedSat) >= need)
}

/** Starts `ada` or `ben` for the playground. */
export const startPeer: StartPeer = async (name, deps): Promise<PlaygroundPeer> => {
  const portFile = join(deps.dataDir, 'port')
  const stored = Number(await readFile(portFile, 'utf8').catch(() => '0'))
  const node = await startHeadless({
    dataDir: deps.dataDir,
    port: stored > 0 ? stored : deps.port,
    esploraUrl: deps.esploraUrl,
    alias: name,
  })
  // The port is kept so that peers find the node again after a restart.
  await writeFile(`${portFile}.new`, String(node.port))
  await rename(`${portFile}.new`, portFile)
  return { name, nodeId: node.nodeId, port: node.port, api: apiOf(node, deps), stop: () => node.stop() }
}
