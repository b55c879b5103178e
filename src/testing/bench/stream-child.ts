import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Processes of the stream benchmark: a parent that gives orders and measures, and nodes that obey. */

export type NodeOrder =
  | {
      readonly do: 'start'
      readonly dataDir: string
      readonly esploraUrl: string
      readonly format: string
      readonly window: number
      readonly maxFundingSat: bigint
      /** Differs between the nodes of a pair. */
      readonly seed: number
    }
  | { readonly do: 'connect'; readonly nodeId: string; readonly port: number }
  | { readonly do: 'synced'; readonly height: number }
  | { readonly do: 'open'; readonly nodeId: string; readonly port: number; readonly sat: bigint }
  /** Waits until so many channels, one by default, can be used. */
  | { readonly do: 'usable'; readonly channels?: number }
  | { readonly do: 'invoices'; readonly count: number; readonly amountMsat: bigint }
  | { readonly do: 'pay'; readonly what: Payees; readonly maxInFlight: number }
  /** Waits until nothing is on its way. */
  | { readonly do: 'settled' }
  /** Milliseconds of CPU that the process has used, and memory. */
  | { readonly do: 'usage' }
  /** Begins a CPU profile, or ends it and writes it under a name. */
  | { readonly do: 'profile'; readonly name?: string }
  | { readonly do: 'stop' }

/** What a stream pays: invoices, or a node that did not ask for it so many times (keysend). */
export type Payees =
  | { readonly invoices: readonly string[] }
  | { readonly nodeId: string; readonly amountMsat: bigint; readonly count: number }

export interface Started {
  readonly nodeId: string
  readonly port: number
  /** Where coins for the channel go; absent where the parent pays for it. */
  readonly address?: string
}

export interface Paid {
  readonly wallMs: number
  /** From the beginning of the stream, since all payments are there at once. */
  readonly latenciesMs: readonly number[]
}

export interface Usage {
  readonly cpuMs: number
  readonly rssMb: number
}

/** A question of a node to its parent, which has the chain. */
export type ChainQuestion =
  | { readonly ask: 'rpc'; readonly method: string; readonly params: readonly unknown[] }
  | {
      readonly ask: 'build'
      readonly payees: readonly { readonly script: Uint8Array; readonly amountSat: bigint }[]
    }

export type Packet =
  | { readonly kind: 'order'; readonly id: number; readonly order: NodeOrder }
  | { readonly kind: 'question'; readonly id: number; readonly question: ChainQuestion }
  | {
      readonly kind: 'answer'
      readonly to: 'order' | 'question'
      readonly id: number
      readonly value?: unknown
      readonly error?: string
    }

/** Requests that wait for their answers. */
export class Waiting {
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #next = 1

  begin<T>(send: (id: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      const id = this.#next++
      this.#open.set(id, { resolve: (value) => resolve(value as T), reject })
      send(id)
    })
  }

  answered(packet: Packet & { readonly kind: 'answer' }, who: string): void {
    const asked = this.#open.get(packet.id)
    this.#open.delete(packet.id)
    if (packet.error === undefined) asked?.resolve(packet.value)
    else asked?.reject(new Error(`${who}: ${packet.error}`))
  }

  abandon(why: string): void {
    for (const { reject } of this.#open.values()) reject(new Error(why))
    this.#open.clear()
  }
}

export interface Child {
  ask<T>(order: NodeOrder): Promise<T>
  stop(): Promise<void>
}

/** Starts a node process that runs `file`; `chain` answers what it asks. */
export function startChild(
  name: string,
  file: string,
  chain: (question: ChainQuestion) => Promise<unknown>,
): Child {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), [name], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
  })
  const waiting = new Waiting()
  // What a node still asks while it goes is nobody's any more.
  const send = (packet: Packet): void => {
    if (child.connected) child.send(packet)
  }
  child.on('message', (packet: Packet) => {
    if (packet.kind === 'answer') waiting.answered(packet, name)
    else if (packet.kind === 'question') {
      const { id } = packet
      chain(packet.question).then(
        (value) => send({ kind: 'answer', to: 'question', id, value }),
        (error: unknown) => send({ kind: 'answer', to: 'question', id, error: String(error) }),
      )
    }
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('exit', () => waiting.abandon(`${name} ended`))
  const ask = <T>(order: NodeOrder): Promise<T> => {
    return waiting.begin((id) => send({ kind: 'order', id, order }))
  }
  return {
    ask,
    async stop() {
      await Promise.race([ask({ do: 'stop' }).catch(() => {}), exited])
      const kill = setTimeout(() => child.kill('SIGKILL'), 5_000)
      await exited
      clearTimeout(kill)
    },
  }
}
