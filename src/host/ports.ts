import type { EsploraRequest, EsploraResult } from '../engine/chain/esplora.ts'
import type { ConnectionId, NodeInput } from '../engine/node/ports.ts'

/** What the shell needs from the machine it runs on, and what its parts need from each other. */

/** Time as the loop and the connections see it. */
export interface Clock {
  /** ms since 1970. */
  now(): number
  /** Runs `task` once after `ms`; the returned function cancels it and may be called at any time. */
  after(ms: number, task: () => void): () => void
}

/** Inputs from the machine; commands have their own way in, since they are answered. */
export type MachineInput = Exclude<NodeInput, { type: 'command' }>

/** The connections, as effects speak of them. Unknown connections and nodes are ignored: they may just have gone. */
export interface PeersPort {
  /** Messages of one turn; they leave as one frame. */
  send(connection: ConnectionId, messages: readonly Uint8Array[]): void
  hangUp(connection: ConnectionId, reason: string): void
  keepConnected(nodeId: string, address: string): void
  letGo(nodeId: string): void
  /** Hangs up on everybody and dials nobody any more. */
  shutDown(reason: string): void
  /** These inputs are through: what was held back for them may be read again. */
  consumed(inputs: readonly NodeInput[]): void
}

/** Asks Esplora servers. Resolves always; after an abort the result is of no interest. */
export interface EsploraPort {
  request(server: string, request: EsploraRequest, signal: AbortSignal): Promise<EsploraResult>
}

/** The clock of the platform: browsers, workers and Node alike. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms)
    return () => clearTimeout(timer)
  },
}

/** 32 fresh bytes of the platform's CSPRNG. */
export const systemEntropy = (): Uint8Array => crypto.getRandomValues(new Uint8Array(32))
