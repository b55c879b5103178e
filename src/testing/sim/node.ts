import { utf8 } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { chainConfig } from '../../engine/chain/config.ts'
import type { EsploraRequest } from '../../engine/chain/esplora.ts'
import type { ChainConfig } from '../../engine/chain/types.ts'
import { COURT_PREFIX } from '../../engine/channel/records.ts'
import { DEFAULT_POLICY } from '../../engine/channel/policy.ts'
import { publicKey } from '../../engine/crypto/curve.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import { toHex } from '../../engine/base/bytes.ts'
import type { ApiFailure, CommandResult, NodeEvent } from '../../engine/node/commands.ts'
import { loadNode } from '../../engine/node/node.ts'
import type { NodeInput, Publication, RecordWrite } from '../../engine/node/ports.ts'
import type { NodeSetup, NodeState } from '../../engine/node/state.ts'
import type { Graph } from '../../engine/router/graph.ts'
import { nodeKeys, walletKeys } from '../../engine/wallet/keys.ts'
import { seedFromWords, wordsFromEntropy } from '../../engine/wallet/words.ts'

/** One whole node of a simulation: engine, store, and what the shell would keep. */

export const NAMES = ['ada', 'ben', 'cal', 'dan', 'eve'] as const
export type Name = (typeof NAMES)[number]

/** The Esplora server of the simulated world, unless a life has several. */
export const SERVER = 'sim:chain'
export const SERVERS = [SERVER, 'sim:second', 'sim:third'] as const

/** Polls are rare, so that a turn is about what the simulation does and not about looking at the clock. */
export const SIM_CHAIN: ChainConfig = {
  ...chainConfig('regtest'),
  pollMs: 10_000,
  fastPollMs: 10_000,
  spendPollMs: 3_600_000,
  historyPollMs: 3_600_000,
  feePollMs: 600_000,
  rebroadcastMs: 60_000,
  quorum: 1,
  maxInFlight: 1_000,
}

export interface NodeOptions {
  readonly formats?: readonly string[]
  readonly minimumDepth?: number
  /** Points granted in lcp channels: each costs two proofs, so few in simulations. */
  readonly window?: number
  /** Whether it passes on HTLCs of others. */
  readonly forwards?: boolean
  /** What it knows of the network. */
  readonly graph?: Graph
  /** Blocks; shorter ones make closes cheaper to simulate. */
  readonly toSelfDelay?: number
}

const keysByName = new Map<Name, Pick<NodeSetup, 'walletKeys' | 'nodeKeys' | 'nodeId' | 'nodeSecret'>>()

/** Keys from real words, made once a process: stretching a seed takes longer than a short simulation. */
function keysOf(name: Name): Pick<NodeSetup, 'walletKeys' | 'nodeKeys' | 'nodeId' | 'nodeSecret'> {
  const known = keysByName.get(name)
  if (known !== undefined) return known
  const seed = seedFromWords(wordsFromEntropy(sha256(utf8(`simulated ${name}`)).slice(0, 16)))
  const node = nodeKeys(seed, NETWORKS.regtest)
  const keys = {
    walletKeys: walletKeys(seed, NETWORKS.regtest),
    nodeKeys: node,
    nodeSecret: node.identity(),
    nodeId: toHex(publicKey(node.identity())),
  }
  keysByName.set(name, keys)
  return keys
}

export interface Request {
  readonly id: number
  readonly server: string
  readonly request: EsploraRequest
}

type Reply =
  | { readonly ok: true; readonly value: CommandResult }
  | { readonly ok: false; readonly error: ApiFailure }

export class SimNode {
  readonly name: Name
  readonly setup: NodeSetup
  readonly store: Map<string, Uint8Array>
  /** undefined: the process is down. */
  state: NodeState | undefined
  requests: Request[] = []
  /** Keys of records that are to be read. */
  reads: string[] = []
  replies = new Map<number, Reply>()
  readonly events: NodeEvent[] = []
  /** What it told the network. */
  readonly published: Publication[] = []
  /** When it wished to be woken, the last time that it did. */
  wakeAt: number | undefined = undefined
  /** Node ids that the shell is to keep connected. */
  keep = new Set<string>()

  constructor(name: Name, options: NodeOptions = {}) {
    this.name = name
    this.setup = {
      network: 'regtest',
      ...keysOf(name),
      policy: {
        ...DEFAULT_POLICY,
        minimumDepth: options.minimumDepth ?? 1,
        window: options.window ?? 3,
        toSelfDelay: options.toSelfDelay ?? DEFAULT_POLICY.toSelfDelay,
      },
      formats: options.formats ?? ['anchors_zero_fee_htlc_tx', 'static_remotekey'],
      acceptChannels: true,
      forwards: options.forwards ?? false,
      ...(options.graph === undefined ? {} : { graph: options.graph }),
      servers: [SERVER],
      fallbackFeeratePerKw: 1000,
    }
    this.store = new Map()
    this.state = this.load()
  }

  /** The same node in another world: what is immutable is shared. */
  fork(): SimNode {
    const copy: SimNode = Object.create(SimNode.prototype) as SimNode
    return Object.assign(copy, this, {
      store: new Map(this.store),
      requests: [...this.requests],
      reads: [...this.reads],
      replies: new Map(this.replies),
      events: [...this.events],
      published: [...this.published],
      keep: new Set(this.keep),
    })
  }

  get id(): string {
    return this.setup.nodeId
  }

  /** What a start would find now: as the host, all but the records for the court. */
  load(): NodeState {
    const records = [...this.store].filter(([key]) => !key.startsWith(COURT_PREFIX))
    return unwrap(loadNode(new Map(records), this.setup, SIM_CHAIN), `${this.name}'s store`)
  }

  /** What the disk answers to the reads that wait. */
  readRecords(): NodeInput[] {
    const keys = this.reads.splice(0)
    return keys.map((key) => ({ type: 'record', key, value: this.store.get(key) ?? null }))
  }

  /** One atomic transaction. */
  commit(writes: readonly RecordWrite[]): void {
    for (const { key, value } of writes) {
      if (value === null) this.store.delete(key)
      else this.store.set(key, value)
    }
  }

  /** The process is gone, and with it everything but the store. */
  die(): void {
    this.state = undefined
    this.requests = []
    this.reads = []
    this.replies = new Map()
    this.keep = new Set()
  }
}
