import type { AppState } from '../contract/schemas.ts'
import type { NetworkName } from '../engine/bitcoin/network.ts'
import type { NodeSetup, NodeState } from '../engine/node/state.ts'
import type { GossipHost } from './gossip.ts'
import type { Log } from './log.ts'
import type { Loop } from './loop.ts'
import type { Peers } from './peers.ts'
import type { Credential } from './vault/keyring.ts'
import type { NewLock } from './vault/vault.ts'

/** What is there besides the machine: the place's defaults, which the user may change. */
export interface Defaults {
  readonly network: NetworkName
  readonly servers: readonly string[]
  /** WebSocket base of the gateway; empty for nodes that dial TCP themselves. */
  readonly gateway: string
}

/** A running wallet's parts, for the API. */
export interface Running {
  readonly loop: Loop<NodeState>
  readonly peers: Peers
  readonly setup: NodeSetup
  readonly gossip: GossipHost
}

/** What the handlers need of the host. */
export interface HostControl {
  readonly log: Log
  readonly defaults: Defaults
  /** ms since 1970 */
  now(): number
  after(ms: number, task: () => void): () => void
  running(): Running | undefined
  readonly state: () => AppState
  /** Called on every change of `state`; returns the way out. */
  readonly onChange: (listener: () => void) => () => void
  create(options: {
    readonly network: NetworkName
    readonly words: string
    readonly passphrase: string
    readonly servers: readonly string[]
    readonly gateway: string
    /** Needed on mainnet. */
    readonly confirm: 'real money' | undefined
  }): Promise<void>
  newWords(count: 12 | 24): string
  words(): readonly string[] | undefined
  /** Forgets a practice wallet. */
  erase(): Promise<void>
  /** The password or passkey before the wallet; see `vault/vault.ts`. */
  readonly lock: {
    unlock(credential: Credential): Promise<void>
    lock(): Promise<void>
    add(lock: NewLock, proof: Credential | undefined): Promise<void>
    remove(kind: Credential['kind'], proof: Credential): Promise<void>
  }
  /** The wallet as a sealed file, and back: see `move.ts`. */
  readonly move: {
    handOut(password: string): Promise<{ readonly file: Uint8Array<ArrayBuffer>; readonly epoch: number }>
    take(file: Uint8Array, password: string): Promise<void>
    takeBack(): Promise<void>
  }
  /** The sealed copy for an exit file: see `exit-file.ts`. */
  exitCopy(password: string): Promise<Uint8Array<ArrayBuffer>>
  gateway(): string
  setGateway(url: string): Promise<void>
}
