import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { Client } from '../../contract/procedures.ts'
import type { AppState } from '../../contract/schemas.ts'
import type { ServerState } from '../../engine/chain/types.ts'
import { createWebSocketDialer, type WebSocketConstructor } from '../../host/dial-websocket.ts'
import { createEsploraClient } from '../../host/esplora/client.ts'
import { createTcpDialer } from '../../host/node/dial-tcp.node.ts'
import { systemClock } from '../../host/ports.ts'
import { createMemoryDisk } from '../../host/store/memory.ts'
import { createWalletHost, type WalletHost } from '../../host/wallet-host.ts'
import { startBitcoind } from '../../playground/bitcoind.ts'
import { createEsplora } from '../../playground/esplora.ts'
import { createMiner, scriptOf } from '../../playground/miner.ts'
import { type Headless, localClient, startHeadless } from '../../playground/peer.ts'
import type { Attack, Shown, Spoils } from './attacks.ts'
import { type BadServer, createProxy } from './proxy.ts'

/**
 * Whole wallets, each behind servers of which some attack, on one real bitcoind: a deposit, a payment and a force-close happen to all of
 * them at once, and then every wallet is asked what it believes and what it says of its servers.
 */

/** Who the wallet's servers are, in order. */
export type Seat = 'good' | 'bad'

export interface Trial {
  readonly attack: Attack
  readonly seats: readonly Seat[]
}

export interface Verdict {
  readonly attack: string
  readonly seats: string
  /** How the worst server was shown in the end; `unnoticed`: not at all; `unasked`: it was never asked anything that it lies about. */
  readonly shown: Shown | 'unnoticed' | 'unasked'
  /** How an honest server was blamed; empty: not at all. */
  readonly blamed: string
  /** What the wallet said of it. */
  readonly words: string
  /** Beside an honest server: the deposit, the close, its sweep and our payment all came about. */
  readonly followed: boolean
  /** What was believed and is not so; must be empty. */
  readonly believed: readonly string[]
  /** What did not come about in time. */
  readonly missing: readonly string[]
  /** As the attack expects. */
  readonly caught: boolean
}

const FUNDS = 300_000n
const DEPOSIT = 77_000n
const CHANNEL = 120_000n
const PUSH = 50_000n
const SEND = 20_000n
/** Of the client: a server that takes longer is given up. */
const PATIENCE_MS = 1_200
const MAX_BYTES = 1_000_000
/** Shorter than the shortest pause of a server that failed. */
const LISTEN_MS = 80

interface Wallet {
  readonly trial: Trial
  readonly bad: readonly BadServer[]
  readonly host: WalletHost
  readonly client: Client
  sent: string
  worst: Shown | 'unnoticed'
  words: string
  /** False answers given. */
  answers: number
  blamed: string
}

const GRAVITY: Readonly<Record<Shown | 'unnoticed', number>> = {
  unnoticed: 0,
  outvoted: 0,
  behind: 1,
  pause: 2,
  doubt: 3,
  lie: 4,
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The wallet's own view, whatever is going on. */
async function now(client: Client): Promise<AppState> {
  for await (const state of client.getState()) return state
  throw new Error('no state')
}

async function startWallet(
  trial: Trial,
  urls: readonly string[],
  bad: readonly BadServer[],
  fetchIt: typeof fetch,
): Promise<Wallet> {
  const webSocket = createWebSocketDialer({
    gateway: () => undefined,
    WebSocket: WebSocket as unknown as WebSocketConstructor,
  })
  const host = await createWalletHost({
    store: await createMemoryDisk().open(),
    esplora: createEsploraClient({ fetch: fetchIt, timeoutMs: PATIENCE_MS, maxBytes: MAX_BYTES }),
    clock: systemClock,
    entropy: () => Uint8Array.from(randomBytes(32)),
    dialer: () => createTcpDialer(webSocket),
    defaults: { network: 'regtest', servers: [...urls], gateway: '' },
    policy: { minimumDepth: 1, toSelfDelay: 144 },
  })
  const client = localClient(host)
  await client.createWallet({})
  return { trial, bad, host, client, sent: '', worst: 'unnoticed', words: '', answers: 0, blamed: '' }
}

/** What the wallet says of its bad servers, now: the gravest is kept. */
function listen(wallet: Wallet): void {
  const chain = wallet.host.running()?.loop.status().state.chain
  const urls = new Set(wallet.bad.map((server) => server.url))
  for (const server of chain?.servers ?? []) {
    if (!urls.has(server.url)) {
      if (server.lies > 0) wallet.blamed = `lie: ${server.lastError ?? ''}`
      else if (server.doubt !== null) wallet.blamed ||= `doubt: ${server.doubt}`
      continue
    }
    const how = shownAs(server)
    if (GRAVITY[how] <= GRAVITY[wallet.worst]) continue
    wallet.worst = how
    wallet.words = server.lastError ?? server.doubt ?? ''
  }
}

/** As the Network screen words it (`host/project.ts`). */
function shownAs(server: ServerState): Shown | 'unnoticed' {
  if (server.status === 'lying' || server.lies > 0) return 'lie'
  if (server.doubt !== null) return 'doubt'
  if (server.status === 'failing' || server.status === 'rateLimited') return 'pause'
  return server.claimed !== null && server.status === 'behind' ? 'behind' : 'unnoticed'
}

/** Whether the attack showed itself as it should. */
function isCaught(trial: Trial, worst: Shown | 'unnoticed'): boolean {
  const { shown } = trial.attack
  if (shown === 'lie') return worst === 'lie'
  if (shown === 'doubt') return worst === 'doubt' || worst === 'lie'
  if (shown === 'pause') return worst === 'pause' || worst === 'lie'
  if (shown === 'behind') return worst === 'behind'
  return true
}

export interface LabOptions {
  /** Of the servers' answer times. */
  readonly seed?: number
  readonly onProgress?: (what: string) => void
  /** How long wallets have to come to the truth. */
  readonly limitMs?: number
}

/** Runs all trials together; each wallet has its own servers. */
export async function runTrials(
  trials: readonly Trial[],
  options: LabOptions = {},
): Promise<readonly Verdict[]> {
  const say = options.onProgress ?? (() => {})
  const folder = mkdtempSync(join(tmpdir(), 'switchback-attacks-'))
  const bitcoind = await startBitcoind()
  const { rpc } = bitcoind
  const miner = createMiner({ rpc, key: new Uint8Array(32).fill(5) })
  await miner.ready()
  await miner.mine(4)
  const esplora = createEsplora({ rpc })
  const real = await esplora.listen()
  const proxy = createProxy((method, path, body) => esplora.answer(method, path, body), options.seed)
  let peer: Headless | undefined
  const wallets: Wallet[] = []
  let ears: NodeJS.Timeout | undefined
  try {
    peer = await startHeadless({ dataDir: folder, port: 0, esploraUrl: real.url })
    for (const trial of trials) {
      const bad: BadServer[] = []
      const urls = trial.seats.map((seat) => {
        if (seat === 'good') return proxy.honest
        const server = proxy.server()
        bad.push(server)
        return server.url
      })
      wallets.push(await startWallet(trial, urls, bad, proxy.fetch))
    }
    const everybody = async (
      what: string,
      ms: number,
      holds: (s: AppState, w: Wallet) => boolean,
      among = wallets,
    ) => {
      const late = await within(ms, among, holds)
      if (late.length > 0)
        throw new Error(`${what}: not of ${late.map((w) => w.trial.attack.name).join(', ')}`)
    }

    // ---- in peace: coins, and a channel in which both have money
    say('coins')
    const payees = await Promise.all(
      wallets.map(async ({ client }) => ({
        script: scriptOf((await client.newAddress()).address),
        amountSat: FUNDS,
      })),
    )
    await miner.send((await miner.build(payees)).hex)
    await miner.mine(1)
    await everybody('coins', 30_000, (s) => BigInt(s.balances.onchainConfirmedSat) === FUNDS)
    say('channels')
    const to = `${peer.nodeId}@127.0.0.1:${peer.port}`
    // The peer negotiates only so many at once.
    for (let i = 0; i < wallets.length; i += 6)
      await Promise.all(
        wallets.slice(i, i + 6).map(async ({ client }) => {
          const terms = { peer: to, amountSat: String(CHANNEL), pushMsat: String(PUSH * 1000n) }
          for await (const update of client.openChannel(terms)) if (update.status === 'pending') return
        }),
      )
    await mempoolHas(wallets.length)
    await miner.mine(1)
    const isOpen = (s: AppState): boolean => s.channels[0]?.status === 'open'
    if ((await within(6_000, wallets, isOpen)).length > 0) await miner.mine(1)
    await everybody('channels', 30_000, isOpen)

    // ---- the attack begins, and then things happen
    say('attack')
    const heightThen = await rpc.call<number>('getblockcount')
    for (const wallet of wallets) arm(wallet, heightThen)
    ears = setInterval(() => wallets.forEach(listen), LISTEN_MS)
    const deposits = await Promise.all(
      wallets.map(async ({ client }) => ({
        script: scriptOf((await client.newAddress()).address),
        amountSat: DEPOSIT,
      })),
    )
    await Promise.all(
      wallets.map(async (wallet) => {
        const paid = await wallet.client
          .sendCoins({ address: miner.address, amountSat: String(SEND), feeSatPerVb: 3 })
          .catch(() => undefined)
        wallet.sent = paid?.txid ?? ''
      }),
    )
    await miner.send((await miner.build(deposits)).hex)
    // The peer leaves without a word: only the chain can tell that it closes.
    const { nodeId } = peer
    await Promise.all(wallets.map(({ client }) => client.disconnectPeer({ nodeId })))
    for (const channel of await peer.client.listChannels()) {
      for await (const update of peer.client.closeChannel({ channelId: channel.channelId, force: true }))
        if (update.status !== 'negotiating') break
    }
    await mempoolHas(wallets.length + 1)
    await pause(700)
    await miner.mine(1)
    say('look')
    const withHonest = wallets.filter(({ trial }) => trial.seats.includes('good'))
    const limit = options.limitMs ?? 12_000
    const end = Date.now() + limit
    const late = new Set(withHonest)
    const hurry = (): Promise<unknown> =>
      Promise.all(wallets.map((wallet) => wallet.client.refresh().catch(() => undefined)))
    for (let round = 0; Date.now() < end; round++) {
      for (const wallet of wallets) {
        const state = await now(wallet.client)
        if (late.has(wallet) && isFollowed(state, wallet)) late.delete(wallet)
      }
      // Blocks go on, so that the claims of those that have noticed confirm.
      if (round % 4 === 3 && round < 28) await miner.mine(1)
      if (round % 12 === 11) await hurry()
      if (late.size === 0 && round >= 20 && wallets.every((w) => isShown(w))) break
      await pause(250)
    }
    const verdicts: Verdict[] = []
    for (const wallet of wallets) {
      const state = await now(wallet.client)
      const honest = wallet.trial.seats.includes('good')
      const missing = honest ? await lacks(state, wallet) : []
      const believed = await falsehoods(state, wallet)
      const { attack, seats } = wallet.trial
      const { blamed } = wallet
      verdicts.push({
        attack: attack.name,
        seats: seats.join(' '),
        shown: wallet.worst === 'unnoticed' && wallet.answers === 0 ? 'unasked' : wallet.worst,
        blamed,
        words: wallet.words,
        followed: honest && missing.length === 0,
        believed,
        missing,
        caught: missing.length === 0 && believed.length === 0 && isShown(wallet) && !blamed.startsWith('lie'),
      })
    }
    return verdicts
  } finally {
    clearInterval(ears)
    await Promise.all(wallets.map(({ host }) => host.stop()))
    await peer?.stop()
    await real.close()
    await bitcoind.stop()
    rmSync(folder, { recursive: true, force: true })
  }

  function isShown(wallet: Wallet): boolean {
    if (!wallet.trial.seats.includes('good') || wallet.answers === 0) return true
    return isCaught(wallet.trial, wallet.worst)
  }

  function arm(wallet: Wallet, heightThen: number): void {
    for (const server of wallet.bad) {
      const spoils: Spoils = {
        real: async (path) => (await esplora.answer('GET', path, '')).body,
        heightThen,
        scriptOf(hash) {
          const watches = wallet.host.running()?.loop.status().state.chain.watches ?? {}
          for (const watch of Object.values(watches))
            if (watch.kind === 'scripts')
              for (const script of watch.scripts) if (script.hash === hash) return script.script
          return undefined
        },
        memory: new Map(),
      }
      const { tamper } = wallet.trial.attack
      server.tamper = async (asked, honest) => {
        const answer = await tamper(asked, honest, spoils)
        if (answer !== undefined) wallet.answers += 1
        return answer ?? honest()
      }
    }
  }

  async function mempoolHas(count: number): Promise<void> {
    const end = Date.now() + 15_000
    while (Date.now() < end) {
      if ((await rpc.call<string[]>('getrawmempool')).length >= count) return
      await pause(20)
    }
    const has = (await rpc.call<string[]>('getrawmempool')).length
    const theirs =
      peer === undefined
        ? []
        : (await now(peer.client)).channels.map((c) => [c.status, c.closedBy, c.reason].join())
    throw new Error(`the mempool has ${has} of ${count}; the peer: ${theirs.join('; ')}`)
  }

  async function within(
    ms: number,
    among: readonly Wallet[],
    holds: (s: AppState, w: Wallet) => boolean,
  ): Promise<readonly Wallet[]> {
    const end = Date.now() + ms
    let open = among
    for (let round = 0; open.length > 0 && Date.now() < end; round++) {
      // Each makes a wallet ask for everything anew.
      if (round % 8 === 0) await Promise.all(open.map(({ client }) => client.refresh()))
      const states = await Promise.all(open.map(({ client }) => now(client)))
      open = open.filter((wallet, i) => !holds(states[i] as AppState, wallet))
      if (open.length > 0) await pause(150)
    }
    return open
  }

  /** Everything in the real chain's last blocks and its mempool. */
  async function seen(): Promise<readonly string[]> {
    const height = await rpc.call<number>('getblockcount')
    const txids = [...(await rpc.call<string[]>('getrawmempool'))]
    for (let h = height; h > height - 40 && h > 0; h--) {
      const hash = await rpc.call<string>('getblockhash', h)
      txids.push(...(await rpc.call<{ tx: string[] }>('getblock', hash, 1)).tx)
    }
    return txids
  }

  /** The deposit, the close and the sweep are seen. */
  function isFollowed(state: AppState, wallet: Wallet): boolean {
    return gaps(state, wallet).length === 0
  }

  function gaps(state: AppState, wallet: Wallet): string[] {
    const found: string[] = []
    const channel = state.channels[0]
    if (channel?.closedBy !== 'remote') found.push('the close')
    const onchain = BigInt(state.balances.onchainConfirmedSat)
    // Change of the opening and of the payment, the deposit, and what the channel held: all but fees.
    const least = FUNDS + DEPOSIT - PUSH - SEND - 15_000n
    if (onchain < least) found.push(`coins (${onchain} of ${least})`)
    if (wallet.sent === '') found.push('our payment')
    return found
  }

  async function lacks(state: AppState, wallet: Wallet): Promise<readonly string[]> {
    const found = gaps(state, wallet)
    if (wallet.sent !== '' && !(await seen()).includes(wallet.sent)) found.push('our payment in a block')
    return found
  }

  /** What the wallet holds for true and bitcoind does not know. */
  async function falsehoods(state: AppState, wallet: Wallet): Promise<readonly string[]> {
    const found: string[] = []
    const height = await rpc.call<number>('getblockcount')
    if (state.chain.height > height) found.push(`a height of ${state.chain.height}, of ${height}`)
    else {
      const hash = await rpc.call<string>('getblockhash', state.chain.height)
      if (hash !== state.chain.blockHash) found.push('a block that is not in the chain')
    }
    const most = FUNDS + DEPOSIT - PUSH
    if (BigInt(state.balances.onchainConfirmedSat) > most) found.push('coins that are not')
    if (state.phase !== 'running') found.push(`phase ${state.phase}`)
    const known = new Set(await seen())
    for (const channel of state.channels) {
      if (channel.closeTxid !== undefined && !known.has(channel.closeTxid) && channel.status !== 'open')
        found.push('a close that never was')
    }
    const fees = state.feeSatPerVb.fast
    if (wallet.trial.seats.includes('good') && fees > 100) found.push(`fees of ${fees} sat/vB`)
    return found
  }
}
