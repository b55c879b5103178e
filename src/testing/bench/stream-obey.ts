import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { join } from 'node:path'
import { type ChainQuestion, type NodeOrder, type Packet, type Usage, Waiting } from './stream-child.ts'

/** The node's end of the stream benchmark: orders come from the parent, questions go to it. */

const waiting = new Waiting()
const send = (packet: Packet): void => void process.send?.(packet)

export const askParent = <T>(question: ChainQuestion): Promise<T> =>
  waiting.begin((id) => send({ kind: 'question', id, question }))

function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, rssMb: Math.round(process.memoryUsage().rss / 1e6) }
}

const session = new Session()

/** CPU profiles go to the folder that BENCH_PROFILE names, if it does. */
async function profile(name?: string): Promise<void> {
  const folder = process.env['BENCH_PROFILE']
  if (folder === undefined) return
  if (name === undefined) {
    session.connect()
    await session.post('Profiler.enable')
    await session.post('Profiler.start')
    return
  }
  const { profile: found } = await session.post('Profiler.stop')
  session.disconnect()
  writeFileSync(join(folder, `${process.argv[2]}-${name}.cpuprofile`), JSON.stringify(found))
}

/** Obeys with `obey`, save what is the same for every node. */
export function serveOrders(obey: (order: NodeOrder) => Promise<unknown>): void {
  const all = (order: NodeOrder): Promise<unknown> => {
    if (order.do === 'usage') return Promise.resolve(usage())
    return order.do === 'profile' ? profile(order.name) : obey(order)
  }
  process.on('message', (packet: Packet) => {
    if (packet.kind === 'answer') return waiting.answered(packet, 'chain')
    if (packet.kind !== 'order') return
    const { id, order } = packet
    all(order).then(
      (value) => {
        send({ kind: 'answer', to: 'order', id, value })
        if (order.do === 'stop') setImmediate(() => process.exit(0))
      },
      (error: unknown) =>
        send({
          kind: 'answer',
          to: 'order',
          id,
          error: error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error),
        }),
    )
  })
}
