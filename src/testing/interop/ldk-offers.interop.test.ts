import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE } from '../../engine/router/graph-terms.ts'
import { type Headless, startHeadless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { createStage, pay, type Stage, until } from './stage.ts'

/** Offers (BOLT 12) between ours and LDK: LDK's onion messages, invoices and blinded paths, and ours read by LDK. ben – ada – lil – cal. */

let stage: Stage
let ada: Headless
let ben: Headless
let cal: Headless
let lil: LdkNode

const start = (name: string): Promise<Headless> =>
  startHeadless({
    dataDir: stage.folder(),
    port: 0,
    esploraUrl: stage.esploraUrl,
    alias: name,
    gossipShelf: 100,
    gossipFlushMs: 0,
  })

async function eventually(what: string, holds: () => boolean): Promise<void> {
  const end = Date.now() + 20_000
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function open(from: Headless, peer: string): Promise<void> {
  const input = { peer, amountSat: '2000000', pushMsat: '900000000', announce: true }
  for await (const update of from.client.openChannel(input)) if (update.status === 'pending') break
  await stage.mine(from, 1)
}

beforeAll(async () => {
  stage = await createStage()
  ;[ada, ben, cal] = [await start('ada'), await start('ben'), await start('cal')]
  lil = await stage.startLdk('anchors_zero_fee_htlc_tx')
  const port = await lil.listen()
  for (const node of [ada, ben, cal]) await stage.fund(node, 5_000_000n)
  await open(ada, `${lil.nodeId}@127.0.0.1:${port}`)
  await open(cal, `${lil.nodeId}@127.0.0.1:${port}`)
  await open(ben, `${ada.nodeId}@127.0.0.1:${ada.port}`)
  for (let i = 0; i < 8; i++) {
    await stage.mine(ada, 1)
    for (const node of [ben, cal]) await node.client.refresh()
    await lil.sync()
  }
  for (const node of [ada, ben, cal]) await until(node, 'synced', (s) => s.chain.synced)
  for (const node of [ada, ben, cal])
    await eventually('LDK’s channels are known', () => {
      const graph = node.host.running()?.setup.graph
      return graph?.degree[graph.nodeOf(lil.nodeId)] === 2
    })
  await eventually('LDK knows its own', () => lil.graph().channels >= 2)
  lil.announceNode()
  const flagsOf = (node: Headless): number => {
    const graph = node.host.running()?.setup.graph
    return graph?.nodeFlags[graph.nodeOf(lil.nodeId)] ?? 0
  }
  await eventually('ben knows what LDK can do', () => (flagsOf(ben) & NODE.onionMessages) !== 0)
}, 90_000)
afterAll(async () => {
  for (const node of [ada, ben, cal]) await node.stop()
  await lil.stop()
  await stage.close()
})

describe('offers with LDK', () => {
  test('we pay LDK’s: its invoice mirrors what we asked for, is signed by whom the offer names, and is paid once', async () => {
    const offer = lil.createOffer()
    const decoded = await ada.client.decode({ text: offer })
    expect(decoded).toMatchObject({ kind: 'offer', description: '', expired: false })
    expect(await pay(ada, offer)).toMatchObject({ ok: false, error: { code: 'amountRequired' } })
    const seen: string[] = []
    const input = { invoice: offer, amountMsat: '7000000', payerNote: 'hello' }
    for await (const update of ada.client.sendPayment(input)) {
      seen.push(update.status)
      if (update.status === 'failed') throw new Error(JSON.stringify(update.error))
    }
    expect(seen).toEqual(['asking', 'invoiced', 'begun', 'attempting', 'succeeded'])
    const claimed = await lil.waitFor('paymentClaimed')
    expect(claimed.amountMsat).toBe(7_000_000n)
    const [payment] = await ada.client.listPayments()
    expect(payment).toMatchObject({ state: 'succeeded', amountMsat: '7000000', feeMsat: '0' })
    expect(payment?.paymentHash).toBe(claimed.paymentHash)
    expect(payment?.invoice).toMatch(/^lni1/)
    expect(await ada.client.listOfferRequests()).toEqual([])
  })

  test('from a node that LDK is no peer of, through another of ours, who takes its fee', async () => {
    expect(await pay(ben, lil.createOffer(), 3_000_000n)).toMatchObject({ ok: true })
    const [payment] = await ben.client.listPayments()
    expect(BigInt(payment?.feeMsat ?? 0)).toBeGreaterThan(0n)
  })

  test('LDK pays ours; LDK passes our messages and our payment on', async () => {
    const { offer, id } = await cal.client.addOffer({ amountMsat: '4000000', description: 'A song' })
    expect(await lil.payOffer(offer, undefined, 'from LDK')).toMatchObject({ ok: true })
    expect(await pay(ada, offer)).toMatchObject({ ok: true })
    const paid = await cal.client.listInvoices()
    expect(paid).toMatchObject([{ state: 'paid' }, { state: 'paid' }])
    let [ours] = await cal.client.listOffers()
    // The last removal is locked in a moment after the payer has its proof.
    for (let n = 0; ours?.paid !== 2 && n < 100; n++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      ;[ours] = await cal.client.listOffers()
    }
    expect(ours).toMatchObject({ id, enabled: true, paid: 2 })
    // LDK pays the fee of its own hop to us (0.1 does not leave it out where a path begins with itself).
    expect(BigInt(ours?.receivedMsat ?? 0)).toBeGreaterThanOrEqual(8_000_000n)
  })

  test('over two nodes between, ours and LDK, and back', async () => {
    const offer = (await cal.client.listOffers())[0]?.offer ?? ''
    expect(await pay(ben, offer)).toMatchObject({ ok: true })
  })

  test('what LDK gives no invoice for ends with a reason, and costs nothing', async () => {
    const refused = await pay(ada, lil.createOffer(), 2_000_000_000_000n)
    expect(refused).toMatchObject({
      ok: false,
      error: { code: expect.stringMatching(/^(offer|exceeds|noRoute)/) },
    })
    expect((await ada.client.listOfferRequests()).map((r) => r.state)).not.toContain('asking')
  })
})
