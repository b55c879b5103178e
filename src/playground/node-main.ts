import { serve } from '../contract/rpc.ts'
import { startHeadless } from './peer.ts'
import { type NodeOptions, processPort, type Ready } from './node-process.ts'

/** The other end of `node-process.ts`: a headless node that serves the contract to its parent, and goes when the line is cut. */

async function main(): Promise<void> {
  const options = JSON.parse(process.argv[2] ?? '') as NodeOptions
  // Ends that come while it starts are not lost.
  const cut = new Promise<void>((resolve) => process.once('disconnect', () => resolve()))
  const node = await startHeadless({ port: 0, ...options })
  const stop = serve(processPort(process as Parameters<typeof processPort>[0]), node.host.handlers, (error) =>
    console.error(error),
  )
  process.send?.({ ready: { nodeId: node.nodeId, port: node.port } } satisfies Ready)
  await cut
  stop()
  await node.stop()
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error)
    process.exit(1)
  },
)
