import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Client } from '../contract/procedures.ts'
import { createClient } from '../contract/client.ts'
import type { Port } from '../contract/port.ts'

/** One of this project's nodes in a process of its own, with the API over the processes' line. */

export interface NodeOptions {
  /** Where its wallet and channels are kept. */
  readonly dataDir: string
  readonly esploraUrl: string
  /** Formats to negotiate, best first. */
  readonly formats: readonly string[]
  /** TCP port on loopback; any without it. Peers find a node that starts again where it was. */
  readonly port?: number
}

/** What the child says before it speaks the contract. */
export type Ready = { readonly ready: { readonly nodeId: string; readonly port: number } }

export interface NodeProcess {
  readonly client: Client
  readonly nodeId: string
  /** TCP port on loopback where it takes connections. */
  readonly port: number
  stop(): Promise<void>
  /** Ends it in the middle of whatever it does (SIGKILL). */
  kill(): Promise<void>
}

/** The line to a process as the contract's port. */
export const processPort = (line: {
  send?(message: unknown, done: () => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
  disconnect?(): void
  readonly connected?: boolean
}): Port => ({
  // What is said to a process that is going reaches nobody.
  post: (message) => void (line.connected === true && line.send?.(message, () => {})),
  listen: (listener) => void line.on('message', listener),
  close: () => {
    if (line.connected === true) line.disconnect?.()
  },
})

/** Starts a node; it ends with this process, which closes the line. */
export async function startNodeProcess(options: NodeOptions): Promise<NodeProcess> {
  const child = fork(fileURLToPath(new URL('node-main.ts', import.meta.url)), [JSON.stringify(options)], {
    execArgv: ['--import', 'tsx'],
    serialization: 'advanced',
    // Ctrl-C is for the parent, which ends its children in order.
    detached: true,
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const { nodeId, port } = await new Promise<Ready['ready']>((resolve, reject) => {
    child.once('message', (message) => resolve((message as Ready).ready))
    child.once('exit', (code) => reject(new Error(`the node ended before it was ready (exit code ${code})`)))
  })
  const client = createClient(processPort(child as Parameters<typeof processPort>[0]))
  void exited.then(() => client.close())
  return {
    client,
    nodeId,
    port,
    async stop() {
      if (child.connected) child.disconnect()
      await exited
    },
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
