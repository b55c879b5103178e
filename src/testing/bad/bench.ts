import { entry } from '../../engine/base/table.ts'
import { ApiError } from '../../contract/errors.ts'
import type { Client } from '../../contract/procedures.ts'
import type { AppState, Channel } from '../../contract/schemas.ts'
import { uintBE, utf8 } from '../../engine/base/bytes.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { scriptFromAddress } from '../../engine/bitcoin/address.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { decodeTx, txidOf } from '../../engine/bitcoin/tx.ts'
import type { Tx } from '../../engine/bitcoin/types.ts'
import type { EsploraRequest, EsploraResult } from '../../engine/chain/esplora.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { heightOf, type NodeState } from '../../engine/node/state.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { fakeClock, settle, socketPair } from '../../host/fixture.ts'
import type { EsploraPort } from '../../host/ports.ts'
import type { Dial } from '../../host/socket.ts'
import { createMemoryDisk } from '../../host/store/memory.ts'
import { createWalletHost, type WalletHost } from '../../host/wallet-host.ts'
import { localClient } from '../../playground/peer.ts'
import { fromHex } from '../../engine/base/bytes.ts'
import { pay, SimChain } from '../sim/chain.ts'
import type { Name, NodeOptions } from '../sim/node.ts'
import { Villain } from './villain.ts'

/**
 * The whole node as it runs in a browser or in Node (engine, loop, connections, API), on a clock that only moves when told to, over
 * a made-up chain, with peers that break rules. Streams of bytes are in memory, with BOLT 8 on them.
 */
export interface Bench {
  readonly chain: SimChain
  readonly clock: ReturnType<typeof fakeClock>
  readonly disk: ReturnType<typeof createMemoryDisk>
  host: WalletHost
  client: Client
  readonly nodeId: string
  /** Transactions that our node handed to a server, oldest first, each once. */
  readonly sent: Tx[]
  /** What is asked of servers goes here instead when it answers. */
  esplora:
    | ((server: string, request: EsploraRequest) => Promise<EsploraResult> | EsploraResult | undefined)
    | undefined
  villain(name?: Name, options?: NodeOptions): Villain
  /** A villain calls us. */
  call(villain: Villain): Promise<void>
  /** Everything that needs no time happens. */
  rest(): Promise<void>
  /** Time passes, for the villains too. */
  pass(ms: number): Promise<void>
  /** Lets time pass until it holds; throws with the state when it never does. */
  until(what: string, holds: (state: AppState) => boolean, limitMs?: number): Promise<void>
  /** Mines, and lets everybody look. */
  mine(blocks?: number): Promise<void>
  fund(sat: number): Promise<void>
  /** Gives a villain coins. */
  equip(villain: Villain, sat: number): Promise<void>
  app(): Promise<AppState>
  /** The engine's own state. */
  state(): NodeState
  channel(): Promise<Channel>
  /** The process ends without a word and starts again from what is on disk. */
  crash(): Promise<void>
  /** What is on disk now, to go back to later. */
  copy(): ReadonlyMap<string, Uint8Array>
  /** As `crash`, but the disk is as it was then: what a restored backup, or a disk that lost writes, does to us. */
  rewind(records: ReadonlyMap<string, Uint8Array>): Promise<void>
  stop(): Promise<void>
}

export interface BenchOptions {
  readonly formats?: readonly string[]
  readonly servers?: readonly string[]
  /** What the platform takes for randomness, 32 bytes. */
  readonly entropy?: () => Uint8Array
  /** Dials instead of the villains' sockets. */
  readonly dial?: Dial
}

export const SERVER = 'http://bench.test/api'

export async function createBench(options: BenchOptions = {}): Promise<Bench> {
  const chain = new SimChain()
  const clock = fakeClock(1_900_000_000_000)
  const disk = createMemoryDisk()
  const villains = new Map<string, Villain>()
  const sent: Tx[] = []
  let draws = 0
  let busy = 0

  const dial: Dial = (address) => {
    busy += 1
    const villain = villains.get('nodeId' in address ? address.nodeId : '')
    if (villain === undefined || villain.down)
      return Promise.reject(new ApiError({ code: 'peerUnreachable', message: 'Nobody is there.' }))
    const [mine, theirs] = socketPair()
    villain.accept(theirs)
    return Promise.resolve(mine)
  }

  const esplora: EsploraPort = {
    async request(server, request) {
      busy += 1
      const other = bench.esplora?.(server, request)
      if (other !== undefined) return other
      if (request.kind === 'broadcast') {
        const tx = unwrap(decodeTx(fromHex(request.hex)), 'our transaction')
        if (!sent.some((known) => txidOf(known) === txidOf(tx))) sent.push(tx)
      }
      return chain.answer(request)
    },
  }

  const start = async (): Promise<WalletHost> => {
    const store = await disk.open()
    return createWalletHost({
      store: {
        ...store,
        commit: (writes) => {
          busy += 1
          return store.commit(writes)
        },
      },
      esplora,
      clock,
      entropy: options.entropy ?? (() => sha256(utf8(`bench ${toHex(uintBE(draws++, 4))}`))),
      dialer: () => options.dial ?? dial,
      defaults: { network: 'regtest', servers: options.servers ?? [SERVER], gateway: '' },
      policy: { minimumDepth: 1 },
      ...(options.formats === undefined ? {} : { formats: options.formats }),
    })
  }

  const running = () => {
    const found = bench.host.running()
    if (found === undefined) throw new Error('the node does not run')
    return found
  }

  const host = await start()
  const bench: Bench = {
    chain,
    clock,
    disk,
    host,
    client: localClient(host),
    get nodeId() {
      return running().setup.nodeId
    },
    sent,
    esplora: undefined,
    villain(name = 'ben', how = {}) {
      const villain = new Villain(name, chain, () => clock.now(), {
        ...(options.formats === undefined ? {} : { formats: options.formats }),
        ...how,
      })
      villains.set(villain.id, villain)
      return villain
    },
    async call(villain) {
      const [mine, theirs] = socketPair()
      running().peers.accept(mine)
      villain.call(theirs, bench.nodeId)
      await bench.rest()
    },
    async rest() {
      for (let quiet = 0, seen = -1; quiet < 4; ) {
        await settle()
        const now = busy + [...villains.values()].reduce((n, v) => n + v.heard.length, 0)
        quiet = now === seen ? quiet + 1 : 0
        seen = now
      }
    },
    async pass(ms) {
      await clock.advance(ms)
      for (const villain of villains.values()) villain.tick()
      await bench.rest()
    },
    async until(what, holds, limitMs = 60_000) {
      for (let passed = 0; ; passed += 250) {
        await bench.rest()
        const state = await bench.app()
        if (holds(state)) return
        if (passed > limitMs) {
          const { phase, error, channels, balances, chain: seen, notices, peers } = state
          const shown = { phase, error, channels, balances, seen, notices, peers }
          throw new Error(`${what}: not within ${limitMs} ms\n${JSON.stringify(shown, null, 1)}`)
        }
        await clock.advance(250)
        for (const villain of villains.values()) villain.tick()
      }
    },
    async mine(blocks = 1) {
      chain.mine(blocks)
      await bench.client.refresh()
      for (const villain of villains.values()) await villain.command({ type: 'refresh' })
      await bench.until('the tip is seen', (s) => s.chain.height === chain.tip.height)
    },
    async fund(amount) {
      const { address } = await bench.client.newAddress()
      chain.fund([pay(unwrap(scriptFromAddress(address, NETWORKS.regtest), 'own address'), amount)])
      await bench.mine()
      await bench.until('coins', (s) => BigInt(s.balances.onchainConfirmedSat) >= BigInt(amount))
    },
    async equip(villain, amount) {
      const result = await villain.command({ type: 'newAddress' })
      if (result.type !== 'address') throw new Error('no address')
      chain.fund([pay(unwrap(scriptFromAddress(result.address, NETWORKS.regtest), 'address'), amount)])
      await bench.mine()
      for (let i = 0; unspentSat(villain.state) < BigInt(amount); i++) {
        if (i > 20) throw new Error('the villain does not see its coins')
        await bench.pass(1_000)
      }
    },
    app: async () => {
      for await (const state of bench.client.getState()) return state
      throw new Error('no state')
    },
    state: () => running().loop.status().state,
    async channel() {
      const [channel, ...more] = await bench.client.listChannels()
      if (channel === undefined || more.length > 0)
        throw new Error(`one channel expected, not ${more.length}`)
      return channel
    },
    async crash() {
      // Power is gone: nothing that the old process still does reaches anybody.
      disk.crash()
      for (const villain of villains.values()) villain.hangUp()
      // Its last writes never end: the disk is dead.
      await Promise.race([bench.host.stop().catch(() => {}), settle()])
      bench.host = await start()
      bench.client = localClient(bench.host)
      await bench.rest()
    },
    copy: () => new Map(disk.records),
    async rewind(records) {
      await bench.host.stop()
      const store = await disk.open()
      const gone = [...disk.records.keys()].filter((key) => !records.has(key))
      await store.commit([
        ...gone.map((key) => ({ key, value: null })),
        ...[...records].map(([key, value]) => ({ key, value })),
      ])
      await store.close()
      await bench.crash()
    },
    async stop() {
      await bench.host.stop()
    },
  }
  await bench.client.createWallet({})
  chain.mine(3)
  await bench.until('synced', (s) => s.chain.synced && s.chain.height === chain.tip.height)
  return bench
}

/** A bench with a channel to a villain, open and settled on both sides. */
export interface Ready {
  readonly bench: Bench
  readonly villain: Villain
  readonly channelId: string
  /** 32 bytes */
  readonly id: Uint8Array
}

export const FUNDS = 1_000_000
export const CAPACITY = 400_000
/** What the side that did not open begins with. */
export const PUSH_MSAT = 150_000_000

/** A channel that `opener` opened. */
export async function openChannel(
  opener: 'we' | 'villain' = 'we',
  format: 'anchors_zero_fee_htlc_tx' | 'static_remotekey' = 'anchors_zero_fee_htlc_tx',
): Promise<Ready> {
  const bench = await createBench({ formats: [format] })
  const villain = bench.villain()
  if (opener === 'we') {
    await bench.fund(FUNDS)
    follow(
      bench.client.openChannel({
        peer: villain.address,
        amountSat: String(CAPACITY),
        pushMsat: String(PUSH_MSAT),
      }),
    )
  } else {
    await bench.call(villain)
    await bench.equip(villain, FUNDS)
    const request = { amountSat: sat(CAPACITY), pushMsat: msat(PUSH_MSAT) }
    await villain.command({ type: 'openChannel', nodeId: bench.nodeId, ...request })
  }
  await bench.rest()
  await bench.mine()
  await bench.until('open', (s) => s.channels[0]?.status === 'open')
  const { channelId } = await bench.channel()
  for (let i = 0; villain.state.channels[channelId]?.readyReceived !== true; i++) {
    if (i > 20) throw new Error('the villain is not ready')
    await bench.pass(1_000)
  }
  await bench.rest()
  // Told of a failure it would publish its own commitment and win the race.
  villain.deaf = (m) => m.type === 'error'
  return { bench, villain, channelId, id: fromHex(channelId) }
}

/** An invoice of the villain's. */
export async function villainInvoice(villain: Villain, amountMsat: number): Promise<string> {
  const result = await villain.command({
    type: 'addInvoice',
    amountMsat: msat(amountMsat),
    description: '',
    expirySeconds: 3600,
  })
  if (result.type !== 'invoice') throw new Error('no invoice')
  return entry(villain.state.invoices, result.paymentHash)?.bolt11 ?? ''
}

/** The villain pays an invoice of ours; its hash. */
export async function villainPays({ bench, villain }: Ready, amountMsat: number): Promise<string> {
  const { invoice, paymentHash } = await bench.client.addInvoice({ amountMsat: String(amountMsat) })
  await villain.command({ type: 'sendPayment', invoice, timeoutSeconds: 60 })
  await bench.rest()
  return paymentHash
}

const unspentSat = (state: NodeState): bigint => balanceOf(state.wallet, heightOf(state)).confirmedSat

/** How a stream or a call went. */
export interface Outcome<T> {
  readonly updates: readonly T[]
  /** Whether it is over. */
  readonly over: boolean
  /** The code of the error that ended it. */
  readonly error: string | undefined
  readonly data: Readonly<Record<string, string | number | boolean>>
}

/** Follows a stream in the background. */
export function follow<T>(stream: AsyncIterable<T>): Outcome<T> {
  const outcome = {
    updates: [] as T[],
    over: false,
    error: undefined as string | undefined,
    data: {} as Readonly<Record<string, string | number | boolean>>,
  }
  void (async () => {
    try {
      for await (const update of stream) outcome.updates.push(update)
    } catch (error) {
      outcome.error = error instanceof ApiError ? error.code : String(error)
      if (error instanceof ApiError) outcome.data = error.data
    }
    outcome.over = true
  })()
  return outcome
}
