import { entry } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { type Headless, startHeadless, untilState } from '../../playground/peer.ts'
import type { NodeOrder, Paid, Payees, Started } from './stream-child.ts'
import { serveOrders } from './stream-obey.ts'

/** A node of this project in a process of its own, for the stream benchmark: files, TCP and the API, as a headless peer has them. */

let node: Headless | undefined

function started(): Headless {
  if (node === undefined) throw new Error('not started')
  return node
}

function running() {
  const found = started().host.running()
  if (found === undefined) throw new Error('not running')
  return found
}

async function obey(order: NodeOrder): Promise<unknown> {
  switch (order.do) {
    case 'start':
      node = await startHeadless({
        dataDir: order.dataDir,
        port: 0,
        esploraUrl: order.esploraUrl,
        formats: [order.format],
        policy: { window: order.window, maxFundingSat: sat(order.maxFundingSat) },
      })
      return {
        nodeId: node.nodeId,
        port: node.port,
        address: (await node.client.newAddress()).address,
      } satisfies Started
    case 'connect': {
      const { loop, peers } = running()
      const { nodeId } = order
      await loop.command({ type: 'disconnectPeer', nodeId })
      await untilState(started().client, ({ peers: list }) =>
        list.every((p) => p.nodeId !== nodeId || p.state !== 'connected'),
      )
      await loop.command({ type: 'connectPeer', nodeId, address: `127.0.0.1:${order.port}` })
      return peers.whenConnected(nodeId)
    }
    case 'synced':
      await started().client.refresh()
      return untilState(started().client, (s) => s.chain.synced && s.chain.height >= order.height)
    case 'open': {
      const peer = `${order.nodeId}@127.0.0.1:${order.port}`
      const amountSat = String(order.sat)
      const updates = started().client.openChannel({ peer, amountSat, pushMsat: String(order.sat * 500n) })
      for await (const update of updates) if (update.status === 'pending') return update.fundingTxid
      throw new Error('the channel was not opened')
    }
    case 'usable':
      // A channel that is being reestablished counts as connected, and takes no payment yet.
      return untilHolds(
        () =>
          Object.values(running().loop.status().state.channels).filter(isUsable).length >=
          (order.channels ?? 1),
      )
    case 'invoices':
      return invoices(order.count, order.amountMsat)
    case 'pay':
      return pay(order.what, order.maxInFlight)
    case 'settled':
      return settled()
    case 'stop':
      return node?.stop()
    default:
      throw new Error(`no order of a node: ${order.do}`)
  }
}

async function invoices(count: number, amountMsat: bigint): Promise<readonly string[]> {
  const { loop } = running()
  const made: string[] = []
  for (let left = count; left > 0; left -= 100) {
    const answers = await Promise.all(
      Array.from({ length: Math.min(left, 100) }, () =>
        loop.command({
          type: 'addInvoice',
          amountMsat: msat(amountMsat),
          description: 'stream',
          expirySeconds: 3600,
        }),
      ),
    )
    for (const answer of answers) {
      if (answer.type !== 'invoice') throw new Error('invoice expected')
      made.push(entry(loop.status().state.invoices, answer.paymentHash)?.bolt11 ?? '')
    }
  }
  return made
}

async function pay(what: Payees, maxInFlight: number): Promise<Paid> {
  const begin = performance.now()
  const latenciesMs: number[] = []
  const timeoutSeconds = 300
  const requests =
    'invoices' in what
      ? what.invoices.map((invoice) => ({ invoice, timeoutSeconds }))
      : Array.from({ length: what.count }, () => ({
          destination: what.nodeId,
          amountMsat: String(what.amountMsat),
          timeoutSeconds,
        }))
  for await (const result of started().client.sendPayments(requests, { maxInFlight })) {
    if (result.status === 'failed') {
      const { code, message, data } = result.error
      throw new Error(`${code}: ${message} ${JSON.stringify(data ?? {})} (${latenciesMs.length} paid)`)
    }
    latenciesMs.push(performance.now() - begin)
  }
  if (latenciesMs.length !== requests.length)
    throw new Error(`${latenciesMs.length} of ${requests.length} paid`)
  return { wallMs: performance.now() - begin, latenciesMs }
}

const isUsable = ({ link, readySent, readyReceived }: Channel): boolean =>
  link === 'online' && readySent && readyReceived

const isSettled = ({ remotePending, outbox, base, logs }: Channel): boolean =>
  remotePending.length + outbox.length + base.htlcs.length === 0 &&
  logs.opener.entries.length + logs.accepter.entries.length === 0

/** Both tails hold both whole logs and no HTLC lives; then what each commitment says. */
function settled(): Promise<{ openerMsat: bigint; local: number; remote: number }> {
  return untilHolds(() => {
    const channels = Object.values(running().loop.status().state.channels)
    const [c] = channels
    if (c === undefined || !channels.every(isSettled)) return undefined
    return { openerMsat: c.base.openerMsat, local: c.localTip.number, remote: c.remoteTail.number }
  })
}

/** Resolves with what `look` finds, now or after a turn. */
function untilHolds<T>(look: () => T | undefined | false): Promise<T> {
  return new Promise((resolve) => {
    const again = () => {
      const found = look()
      if (found === undefined || found === false) return
      leave()
      resolve(found)
    }
    const leave = running().loop.onState(again)
    again()
  })
}

serveOrders(obey)
