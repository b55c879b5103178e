import { createLdkNode } from '../ldk/node.ts'
import type { LdkNode, PaymentResult } from '../ldk/types.ts'
import type { NodeOrder, Paid, Payees, Started } from './stream-child.ts'
import { askParent, serveOrders } from './stream-obey.ts'

/**
 * LDK in a process of its own, for the stream benchmark. Its best case: 483 slots, no more payments at once than it has slots, and its
 * state in memory only, since the store of our harness is not durable anyway.
 */

let node: LdkNode | undefined
let port = 0

function started(): LdkNode {
  if (node === undefined) throw new Error('not started')
  return node
}

async function obey(order: NodeOrder): Promise<unknown> {
  switch (order.do) {
    case 'start':
      node = await createLdkNode({
        chain: { call: (method, ...params) => askParent({ ask: 'rpc', method, params }) },
        funder: { script: new Uint8Array(22), build: (payees) => askParent({ ask: 'build', payees }) },
        seed: new Uint8Array(32).fill(order.seed),
        // Without anchors it needs no reserve; what is measured is the same.
        anchors: false,
        maxAcceptedHtlcs: 483,
        maxFundingSat: order.maxFundingSat,
      })
      port = await node.listen()
      return { nodeId: node.nodeId, port } satisfies Started
    case 'connect':
      started().disconnect(order.nodeId)
      await started().until(() => !started().peers().includes(order.nodeId), 'disconnection')
      return started().connect(order.nodeId, '127.0.0.1', order.port)
    case 'synced':
      return started().sync()
    case 'open': {
      await started().connect(order.nodeId, '127.0.0.1', order.port)
      const id = await started().openChannel(order.nodeId, order.sat, order.sat * 500n)
      await started().until(
        () =>
          started()
            .listChannels()
            .some((c) => c.channelId === id),
        'channel',
      )
      return started()
        .listChannels()
        .find((c) => c.channelId === id)?.fundingTxid
    }
    case 'usable':
      return started().until(
        () =>
          started()
            .listChannels()
            .some((c) => c.usable),
        'usable channel',
      )
    case 'invoices':
      return Array.from(
        { length: order.count },
        () => started().createInvoice(order.amountMsat, 'stream').bolt11,
      )
    case 'pay':
      return pay(order.what, order.maxInFlight)
    case 'settled':
      await started().until(
        () =>
          started()
            .listChannels()
            .every((c) => c.inboundHtlcs + c.outboundHtlcs === 0),
        'no HTLC',
      )
      return undefined
    case 'stop':
      return node?.stop()
    default:
      throw new Error(`no order of an LDK node: ${order.do}`)
  }
}

/** How long nobody tries again once LDK has had no slot: a slot is free some time after its payment has ended. */
const FULL_MS = 20

/** One more payment than there are slots fails at once, and trying costs LDK as much as paying: one that fails holds all back. */
async function pay(what: Payees, maxInFlight: number): Promise<Paid> {
  const begin = performance.now()
  const latenciesMs: number[] = []
  const full: { until?: Promise<void> } = {}
  const count = 'invoices' in what ? what.invoices.length : what.count
  const send = (index: number): Promise<PaymentResult> =>
    'invoices' in what
      ? started().payInvoice(what.invoices[index] as string)
      : started().keysend(what.nodeId, what.amountMsat)
  let next = 0
  const payOne = async (index: number): Promise<void> => {
    for (let attempt = 0; attempt < 1_000; attempt++) {
      while (full.until !== undefined) await full.until
      const result = await send(index)
      if (result.ok) return
      full.until ??= new Promise<void>((resolve) => setTimeout(resolve, FULL_MS)).then(() => {
        delete full.until
      })
    }
    throw new Error('LDK does not pay')
  }
  const worker = async (): Promise<void> => {
    while (next < count) {
      await payOne(next++)
      latenciesMs.push(performance.now() - begin)
    }
  }
  await Promise.all(Array.from({ length: Math.min(maxInFlight, count) }, worker))
  return { wallMs: performance.now() - begin, latenciesMs }
}

serveOrders(obey)
