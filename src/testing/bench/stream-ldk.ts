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
            .filter((c) => c.usable).length >= (order.channels ?? 1),
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

/** Slots of a channel, a direction. */
const SLOTS = 483

/** How long nobody tries again once LDK has had no slot: a slot is free some time after its payment has ended. */
const FULL_MS = 20

/**
 * With `maxInFlight` of all the slots, payments go in waves: one more than there are slots fails at once, and trying costs LDK as much as
 * paying, so the next wave waits until the slots of the last one are free. With fewer, one begins as soon as another has ended.
 */
async function pay(what: Payees, maxInFlight: number): Promise<Paid> {
  const begin = performance.now()
  const latenciesMs: number[] = []
  const count = 'invoices' in what ? what.invoices.length : what.count
  const payOne = async (index: number): Promise<void> => {
    for (let attempt = 0; attempt < 1_000; attempt++) {
      const result: PaymentResult =
        'invoices' in what
          ? await started().payInvoice(what.invoices[index] as string)
          : await started().keysend(what.nodeId, what.amountMsat)
      if (result.ok) {
        latenciesMs.push(performance.now() - begin)
        return
      }
      await new Promise<void>((resolve) => setTimeout(resolve, FULL_MS))
    }
    throw new Error('LDK does not pay')
  }
  let next = 0
  if (maxInFlight >= SLOTS) {
    while (next < count) {
      const wave = Array.from({ length: Math.min(SLOTS, count - next) }, () => payOne(next++))
      await Promise.all(wave)
      if (next < count) await slotsFree()
    }
  } else {
    const worker = async (): Promise<void> => {
      while (next < count) await payOne(next++)
    }
    await Promise.all(Array.from({ length: Math.min(maxInFlight, count) }, worker))
  }
  return { wallMs: performance.now() - begin, latenciesMs }
}

const slotsFree = (): Promise<void> =>
  started().until(
    () =>
      started()
        .listChannels()
        .every((c) => c.outboundHtlcs === 0),
    'free slots',
  )

serveOrders(obey)
