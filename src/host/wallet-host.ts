import { ApiError, type ApiErrorData } from '../contract/errors.ts'
import { emptyState } from '../contract/empty-state.ts'
import type { Handlers } from '../contract/rpc.ts'
import type { AppState } from '../contract/schemas.ts'
import { toHex } from '../engine/base/bytes.ts'
import { type NetworkName, NETWORKS } from '../engine/bitcoin/network.ts'
import { FORMATS } from '../engine/commitment/formats.ts'
import { publicKey } from '../engine/crypto/curve.ts'
import { entropyFrom } from '../engine/crypto/entropy.ts'
import { isHalted, type Lease } from '../engine/node/lease.ts'
import { loadNode, turn } from '../engine/node/node.ts'
import type { Store } from '../engine/node/ports.ts'
import type { NodeSetup, NodeState } from '../engine/node/state.ts'
import { type ChannelPolicy, DEFAULT_POLICY } from '../engine/channel/policy.ts'
import { COURT_PREFIX } from '../engine/channel/records.ts'
import { decodeRecord, encodeRecord } from '../engine/records/codec.ts'
import { nodeKeys, walletKeys } from '../engine/wallet/keys.ts'
import { newWords, parseWords, seedFromWords, type WordsError } from '../engine/wallet/words.ts'
import { createHandlers } from './api.ts'
import type { Defaults, HostControl, Running } from './control.ts'
import { EXIT_SAVED, exitCopy, exitNote } from './exit-file.ts'
import { createGossipHost, type GossipHost, storedGraph } from './gossip.ts'
import { createLog } from './log.ts'
import { createLoop, type Loop } from './loop.ts'
import { arrival, handOut, openMove, takeBack } from './move.ts'
import type { Download } from './download.ts'
import { createPeers } from './peers.ts'
import type { Clock, EsploraPort } from './ports.ts'
import { projectState } from './project.ts'
import { setupNotices } from './project-setup.ts'
import type { Dial } from './socket.ts'
import { walletFingerprint } from './vault/container.ts'
import type { ScryptCost } from './vault/keyring.ts'
import { openVault } from './vault/vault.ts'

/** A wallet on its machine: from an empty store to a running node, and the API over it. The same in a browser and in Node. */

export const VERSION = '0.1.0'
const SEED_VERSION = 1
const SEED_KEY = 'seed'
/** While states come faster than this, only the newest is told. */
const STATE_GAP_MS = 40

export interface HostPorts {
  readonly store: Store
  readonly esplora: EsploraPort
  readonly clock: Clock
  readonly entropy: () => Uint8Array
  /** Dials peers, through `gateway()` where the machine has no sockets. */
  readonly dialer: (gateway: () => string) => Dial
  readonly defaults: Defaults
  /** Peers are reached through a gateway alone, as in a browser: that there is none is told. */
  readonly needsGateway?: boolean
  readonly policy?: Partial<ChannelPolicy>
  readonly formats?: readonly string[]
  readonly acceptChannels?: boolean
  /** Whether payments of others are passed on unless the user says otherwise. */
  readonly forwards?: boolean
  /** Channels of others kept as they came, for peers that ask: 0 for a wallet. */
  readonly gossipShelf?: number
  /** How often others' gossip is passed on; BOLT 7 has 60 s. */
  readonly gossipFlushMs?: number
  /** Fetches snapshots of the network from a server that the user has named. */
  readonly download?: Download
  /** The name under which this node announces itself. */
  readonly alias?: string
  /** Cheaper passwords, for tests alone. */
  readonly passwordCost?: ScryptCost
}

export interface WalletHost {
  readonly handlers: Handlers
  /** Undefined until there is a wallet. */
  running(): Running | undefined
  /** Stops after the turn under way. */
  stop(): Promise<void>
}

interface Seed {
  readonly words: string
  readonly passphrase: string
  readonly network: NetworkName
  readonly gateway: string
  readonly servers: readonly string[]
}

const wordsFailure = (error: WordsError): ApiErrorData => {
  switch (error.code) {
    case 'words_unknown':
      return {
        code: 'wordsUnknown',
        message: `Not in the word list: ${error.words.map((w) => w.position).join(', ')}.`,
        data: {
          positions: error.words.map((w) => w.position).join(','),
          suggestions: error.words.map((w) => w.suggestions.join('/')).join(','),
        },
      }
    case 'words_checksum':
      return {
        code: 'wordsChecksum',
        message: 'The words do not belong together: one is wrong or in the wrong place.',
      }
    default:
      return { code: 'wordsCount', message: 'Recovery words come in twelves or twenty-fours.' }
  }
}

const GONE_ELSEWHERE: ApiErrorData = {
  code: 'walletMoved',
  message: 'This wallet goes on on another device: a peer has its newer copy.',
}

const movedBy = (lease: Lease): NonNullable<AppState['moved']> => ({
  how: lease.elsewhere === undefined ? 'handedOut' : 'elsewhere',
  epoch: lease.elsewhere?.epoch ?? lease.epoch,
  at: new Date(lease.elsewhere?.at ?? lease.retired?.at ?? 0).toISOString(),
})

/** Real money is taken on by somebody who was told what this is, and never by an argument left out. */
function confirmMainnet(network: string, confirm: 'real money' | undefined): void {
  if (network !== 'bitcoin' || confirm !== undefined) return
  throw new ApiError({
    code: 'mainnetUnconfirmed',
    message: 'Mainnet is real money and this is new software: it wants {"confirm": "real money"}.',
  })
}

/** A stored seed, wherever it comes from. */
function readSeed(bytes: Uint8Array | undefined): Seed | undefined {
  const decoded = bytes === undefined ? undefined : decodeRecord(bytes)
  if (decoded?.ok !== true || decoded.value.version !== SEED_VERSION) return undefined
  return decoded.value.value as Seed
}

/** Reads a store and starts what it holds; with an empty one waits for `createWallet` or `restoreWallet`. */
export async function createWalletHost(ports: HostPorts): Promise<WalletHost> {
  const log = createLog(ports.clock)
  const listeners = new Set<() => void>()
  let running: Running | undefined
  let seed: Seed | undefined
  let broken: ApiErrorData | undefined
  /** A wallet that has moved away: known, and never run. */
  let resting: { readonly setup: NodeSetup; readonly lease: Lease } | undefined
  /** What is shown while the node stands still, so that nobody takes the wallet for gone. */
  let held: AppState | undefined
  /** Two creations at once would leave one caller with words that nothing is kept under. */
  let busy = false
  const vault = await openVault(ports.store, {
    entropy: ports.entropy,
    ...(ports.passwordCost === undefined ? {} : { cost: ports.passwordCost }),
  })

  const changed = () => {
    for (const listener of listeners) listener()
  }

  function setupOf(from: Seed): NodeSetup {
    const network = NETWORKS[from.network]
    const bytes = seedFromWords(from.words.split(' '), from.passphrase)
    const keys = nodeKeys(bytes, network)
    const nodeSecret = keys.identity()
    return {
      network: from.network,
      walletKeys: walletKeys(bytes, network),
      nodeKeys: keys,
      nodeId: toHex(publicKey(nodeSecret)),
      nodeSecret,
      policy: { ...DEFAULT_POLICY, ...ports.policy },
      formats: ports.formats ?? FORMATS.map(({ name }) => name),
      acceptChannels: ports.acceptChannels ?? true,
      forwards: ports.forwards ?? false,
      servers: from.servers,
      fallbackFeeratePerKw: from.network === 'regtest' ? 1000 : 2500,
      ...(ports.alias === undefined ? {} : { alias: ports.alias }),
    }
  }

  function begin(from: Seed, records: ReadonlyMap<string, Uint8Array>): void {
    const { graph, nextBlock, passAt, stored, own, snapshotMark } = storedGraph(
      records,
      new DataView(ports.entropy().buffer).getInt32(0),
    )
    const setup = { ...setupOf(from), graph }
    const loaded = loadNode(records, setup)
    if (!loaded.ok) {
      broken = { code: 'storageFailed', message: `The stored wallet cannot be read: ${loaded.error}` }
      log.add('error', broken.message)
      return
    }
    if (isHalted(loaded.value.lease)) {
      resting = { setup, lease: loaded.value.lease }
      return
    }
    const onDefect = (error: unknown) =>
      log.add('error', error instanceof Error ? `${error.message}\n${error.stack ?? ''}` : String(error))
    const loop: Loop<NodeState> = createLoop(loaded.value, {
      turn: (state, inputs, context) => turn(state, setup, inputs, context),
      store: vault.store,
      peers: {
        send: (connection, messages) => peers.send(connection, messages),
        hangUp: (connection, reason) => peers.hangUp(connection, reason),
        keepConnected: (nodeId, address) => peers.keepConnected(nodeId, address),
        letGo: (nodeId) => peers.letGo(nodeId),
        shutDown: (reason) => peers.shutDown(reason),
        consumed: (inputs) => peers.consumed(inputs),
      },
      esplora: ports.esplora,
      clock: ports.clock,
      entropy: ports.entropy,
      onDefect,
      publish: (item) => gossip.publish(item),
    })
    const peers = createPeers({
      dial: ports.dialer(() => seed?.gateway ?? ports.defaults.gateway),
      clock: ports.clock,
      localSecret: setup.nodeSecret,
      localNodeId: setup.nodeId,
      entropy: ports.entropy,
      emit(input) {
        if (gossip.intercept(input)) peers.consumed([input])
        else loop.push(input)
      },
    })
    const gossip: GossipHost = createGossipHost({
      setup,
      clock: ports.clock,
      store: vault.store,
      nextBlock,
      passAt,
      stored,
      own,
      ...(snapshotMark === undefined ? {} : { snapshotMark }),
      ...(ports.download === undefined ? {} : { download: ports.download }),
      shelf: ports.gossipShelf ?? 0,
      ...(ports.gossipFlushMs === undefined ? {} : { flushMs: ports.gossipFlushMs }),
      state: () => loop.status().state,
      frozen: () => loop.status().phase === 'frozen',
      send: (connection, messages) => peers.send(connection, messages),
      hangUp: (connection, reason) => peers.hangUp(connection, reason),
      request: (server, request, signal) => ports.esplora.request(server, request, signal),
      onDefect,
    })
    loop.subscribe((event) => gossip.event(event))
    running = { loop, peers, setup, gossip }
    loop.onState(changed)
    loop.subscribe((event) =>
      log.add(
        'info',
        JSON.stringify(event, (_, v) => (typeof v === 'bigint' ? String(v) : v)),
      ),
    )
    // It has stopped by itself; what was under way is told so.
    loop.subscribe((event) => {
      if (event.type === 'walletElsewhere') loop.freeze(GONE_ELSEWHERE)
    })
    peers.onChange(changed)
    loop.start()
  }

  async function writeSeed(next: Seed): Promise<void> {
    await vault.store.commit([{ key: SEED_KEY, value: encodeRecord(SEED_VERSION, next) }])
    seed = next
  }

  /** Starts what is stored, if anything is. */
  async function wake(): Promise<void> {
    const records = await vault.store.load(COURT_PREFIX).catch((e: unknown) => {
      // What cannot be read is a wallet all the same: nobody may make another in its place.
      broken =
        e instanceof ApiError
          ? { code: e.code, message: e.message, data: e.data }
          : { code: 'storageFailed', message: 'The stored wallet cannot be read.' }
      throw e
    })
    const stored = records.get(SEED_KEY)
    if (stored === undefined) return
    const read = readSeed(stored)
    if (read !== undefined) {
      seed = read
      begin(seed, records)
    } else broken = { code: 'storageFailed', message: 'The stored wallet was written by another version.' }
  }

  /** Stops the node and forgets what it knew; the records stay. */
  async function sleep(): Promise<void> {
    await running?.loop.stop()
    await running?.gossip.stop()
    running = undefined
    resting = undefined
    seed = undefined
    broken = undefined
  }

  /** The wallet here, where it may not go on. */
  function halted(): { readonly setup: NodeSetup; readonly lease: Lease } | undefined {
    if (resting !== undefined || running === undefined) return resting
    const { lease } = running.loop.status().state
    return isHalted(lease) ? { setup: running.setup, lease } : undefined
  }

  /** For what changes the wallet as a whole: the node stands still meanwhile, and goes on from whatever is stored then. */
  async function still<T>(task: () => Promise<T>): Promise<T> {
    held = state()
    try {
      await sleep()
      try {
        return await task()
      } finally {
        await wake()
      }
    } finally {
      held = undefined
    }
  }

  /** One change of the wallet as a whole at a time: between its first and last step there is no node that could refuse another. */
  async function alone<T>(task: () => Promise<T>): Promise<T> {
    if (busy) throw new ApiError({ code: 'notReady', message: 'The wallet is being changed just now.' })
    busy = true
    try {
      return await task()
    } finally {
      busy = false
      changed()
    }
  }

  if (!vault.status().locked) await wake()

  function state(): AppState {
    if (held !== undefined) return held
    const vaultStatus = vault.status()
    const { locked } = vaultStatus
    const around = {
      version: VERSION,
      peers: running?.peers.status() ?? [],
      notices: [],
      gateway: seed?.gateway ?? ports.defaults.gateway,
      lock: {
        password: vaultStatus.password,
        ...(vaultStatus.passkey === undefined
          ? {}
          : {
              passkey: {
                credentialId: toHex(vaultStatus.passkey.credentialId),
                salt: toHex(vaultStatus.passkey.salt),
              },
            }),
      },
    }
    const gone = halted()
    if (gone !== undefined && seed !== undefined) {
      return emptyState({
        ...around,
        phase: 'moved',
        network: seed.network,
        servers: seed.servers,
        moved: movedBy(gone.lease),
      })
    }
    if (running === undefined) {
      return emptyState({
        ...around,
        phase: locked ? 'locked' : broken === undefined ? 'noWallet' : 'frozen',
        ...(broken === undefined ? {} : { error: broken }),
        network: ports.defaults.network,
        servers: ports.defaults.servers,
      })
    }
    const status = running.loop.status()
    const notices = setupNotices({
      network: running.setup.network,
      servers: status.state.chain.servers.map((server) => server.url),
      gateway: around.gateway,
      needsGateway: ports.needsGateway ?? false,
    })
    return projectState(status.state, running.setup, {
      ...around,
      notices,
      phase: status.phase === 'running' ? 'running' : 'frozen',
      ...(status.error === undefined ? {} : { error: status.error }),
    })
  }

  /**
   * The first lock and the last one rewrite every record, so the node stands still meanwhile. What fails leaves records as they were, and
   * the node goes on from them.
   */
  const relock = (change: () => Promise<void>): Promise<void> =>
    alone(async () => {
      if (running === undefined || running.loop.status().phase !== 'running')
        throw new ApiError({ code: 'notReady', message: 'There is no wallet running to lock.' })
      await still(change)
    })

  const sealing = () => ({
    entropy: ports.entropy,
    now: ports.clock.now(),
    ...(ports.passwordCost === undefined ? {} : { cost: ports.passwordCost }),
  })

  const requireNoWallet = (): void => {
    // A stored wallet that cannot be read is one all the same: its seed is never written over.
    if (running !== undefined || seed !== undefined || busy || vault.status().locked) {
      throw new ApiError({ code: 'walletExists', message: 'There is a wallet already.' })
    }
    if (broken !== undefined) throw new ApiError(broken)
  }

  const control: HostControl = {
    log,
    defaults: ports.defaults,
    now: () => ports.clock.now(),
    after: (ms, task) => ports.clock.after(ms, task),
    running: () => (halted() === undefined ? running : undefined),
    state,
    onChange(listener) {
      let last = Number.NEGATIVE_INFINITY
      let cancel: (() => void) | undefined
      const told = () => {
        if (cancel !== undefined) return
        const wait = last + STATE_GAP_MS - ports.clock.now()
        const tell = () => {
          cancel = undefined
          last = ports.clock.now()
          listener()
        }
        if (wait <= 0) tell()
        else cancel = ports.clock.after(wait, tell)
      }
      listeners.add(told)
      return () => {
        listeners.delete(told)
        cancel?.()
      }
    },
    async create(options) {
      requireNoWallet()
      confirmMainnet(options.network, options.confirm)
      const parsed = parseWords(options.words)
      if (!parsed.ok) throw new ApiError(wordsFailure(parsed.error))
      const next: Seed = {
        words: parsed.value.join(' '),
        passphrase: options.passphrase,
        network: options.network,
        gateway: options.gateway,
        servers: options.servers,
      }
      await alone(async () => {
        await writeSeed(next)
        begin(next, new Map())
      })
    },
    newWords: (count) => newWords(entropyFrom(ports.entropy()), count).join(' '),
    words: () => seed?.words.split(' '),
    async erase() {
      if ((seed?.network ?? ports.defaults.network) !== 'regtest' && halted() === undefined) {
        throw new ApiError({
          code: 'notAvailable',
          message: 'Only a practice wallet can be erased, or one that has moved.',
        })
      }
      await alone(async () => {
        await sleep()
        try {
          await vault.erase()
        } catch (e) {
          if (!vault.status().locked) await wake()
          throw e
        }
      })
    },
    lock: {
      unlock: (credential) =>
        alone(async () => {
          if (!vault.status().locked) return
          await vault.unlock(credential)
          await wake()
        }),
      lock: () =>
        alone(async () => {
          const { password, passkey } = vault.status()
          if (!password && passkey === undefined)
            throw new ApiError({ code: 'notAvailable', message: 'There is no password to lock with.' })
          await sleep()
          vault.lock()
        }),
      add: (lock, proof) => relock(() => vault.addLock(lock, proof)),
      remove: (kind, proof) => relock(() => vault.removeLock(kind, proof)),
    },
    move: {
      handOut: (password) =>
        alone(async () => {
          const gone = halted()
          if (gone === undefined && running?.loop.status().phase !== 'running')
            throw new ApiError({ code: 'notReady', message: 'There is no wallet running to move.' })
          const identity = gone?.setup ?? running?.setup
          if (identity === undefined) throw new Error('invariant: a wallet that runs or has moved')
          return still(() => handOut(vault.store, identity, password, sealing()))
        }),
      async take(file, password) {
        requireNoWallet()
        await alone(async () => {
          const opened = await openMove(file, password)
          const from = readSeed(opened.records.get(SEED_KEY))
          const made = await arrival(vault.store, opened, ports.entropy)
          // What is written must be a wallet that starts, and the one that the file says it is.
          const setup = from === undefined ? undefined : setupOf(from)
          if (
            setup === undefined ||
            setup.network !== opened.network ||
            walletFingerprint(setup.nodeId) !== opened.wallet ||
            !loadNode(made.records, setup).ok
          )
            throw new ApiError({ code: 'backupUnreadable', message: 'This file is damaged or incomplete.' })
          await vault.store.commit(made.writes)
          await wake()
        })
      },
      takeBack: () =>
        alone(async () => {
          const gone = halted()
          if (gone === undefined)
            throw new ApiError({ code: 'notAvailable', message: 'This wallet has not moved.' })
          await still(() => takeBack(vault.store, gone.setup, ports.entropy))
        }),
    },
    async exitCopy(password) {
      const node = control.running()
      if (node === undefined)
        throw new ApiError({ code: 'notReady', message: 'There is no wallet running to copy.' })
      const { state } = node.loop.status()
      const about = { madeAt: ports.clock.now(), height: state.chain.headers.tip.height }
      const file = await exitCopy(vault.store, node.setup, about, password, sealing())
      // What is noted is the state before the copy was read: at worst it is fresher than it is said to be.
      const value = exitNote(state, about.madeAt)
      await node.loop.command({ type: 'setPreference', name: EXIT_SAVED, value })
      return file
    },
    gateway: () => seed?.gateway ?? ports.defaults.gateway,
    async setGateway(url) {
      if (halted() !== undefined) throw new ApiError(GONE_ELSEWHERE)
      const status = running?.loop.status()
      if (status !== undefined && status.phase !== 'running') {
        throw new ApiError({ code: 'frozen', message: 'The node has stopped and changes nothing any more.' })
      }
      if (seed !== undefined) await writeSeed({ ...seed, gateway: url })
      running?.peers.online()
      changed()
    },
  }

  return {
    handlers: createHandlers(control),
    running: () => running,
    async stop() {
      await running?.loop.stop()
      await running?.gossip.stop()
      await ports.store.close()
    },
  }
}
