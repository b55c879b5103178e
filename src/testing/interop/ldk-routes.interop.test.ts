import { fromHex } from '../../engine/base/bytes.ts'
import { msat } from '../../engine/base/units.ts'
import type { BlindedPaymentPath } from '../../engine/onion/blinded-path.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkBlindedInvoice, LdkNode, LdkPathHop } from '../ldk/types.ts'
import { createStage, pay, type Stage, until } from './stage.ts'

/** Payments through others over private channels, on a real chain: we between two LDK nodes, and LDK between two of ours. */

const FORMAT = 'anchors_zero_fee_htlc_tx'

let stage: Stage
const stops: (() => Promise<void>)[] = []
beforeAll(async () => {
  stage = await createStage()
})
afterAll(async () => {
  for (const stop of stops) await stop()
  await stage.close()
})

async function startOurs(): Promise<Headless> {
  const node = await stage.startOurs(stage.folder(), FORMAT)
  stops.push(() => node.stop())
  await stage.fund(node, 10_000_000n)
  return node
}

async function startLdk(): Promise<{ readonly ldk: LdkNode; readonly port: number }> {
  const ldk = await stage.startLdk(FORMAT)
  stops.push(() => ldk.stop())
  return { ldk, port: await ldk.listen() }
}

/** A channel of ours with an LDK node, of 2,000,000 sat. */
async function open(
  ours: Headless,
  { ldk, port }: { readonly ldk: LdkNode; readonly port: number },
  pushMsat = '1000000000',
) {
  const peer = `${ldk.nodeId}@127.0.0.1:${port}`
  for await (const update of ours.client.openChannel({ peer, amountSat: '2000000', pushMsat }))
    if (update.status === 'pending') break
  const isOpen = (s: { readonly channels: readonly { readonly peer: string; readonly status: string }[] }) =>
    s.channels.some((c) => c.peer === ldk.nodeId && c.status === 'open')
  await stage.mineUntil(ours, `open with ${ldk.nodeId.slice(0, 6)}`, isOpen)
  await ldk.until(() => ldk.listChannels().some((c) => c.usable && c.peer === ours.nodeId), 'usable')
}

const route = async (node: Headless, paymentHash: string) =>
  (await node.client.listPayments()).find((p) => p.paymentHash === paymentHash)?.attempts.at(-1)

/** Resolves when nothing of others is on its way any more: payers hear of the preimage before the last removal is locked in. */
async function quiet(node: Headless): Promise<void> {
  while ((await node.client.listForwards()).underWay.length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

describe('LDK – we – LDK', () => {
  let one: Awaited<ReturnType<typeof startLdk>>
  let two: Awaited<ReturnType<typeof startLdk>>
  let ada: Headless
  beforeAll(async () => {
    ;[ada, one, two] = [await startOurs(), await startLdk(), await startLdk()]
    await open(ada, one)
    await open(ada, two)
    for (const { ldk } of [one, two]) await ldk.sync()
  }, 60_000)

  test('LDK pays LDK through us by the hint that our channel_update makes possible; the fee is ours to the msat', async () => {
    const { bolt11 } = two.ldk.createInvoice(20_000_000n, 'through switchback')
    expect(await one.ldk.payInvoice(bolt11)).toMatchObject({ ok: true, feeMsat: 1_000n + 2_000n })
    const back = one.ldk.createInvoice(5_000_001n, 'and back')
    expect(await two.ldk.payInvoice(back.bolt11)).toMatchObject({ ok: true, feeMsat: 1_000n + 500n })
    await quiet(ada)
    expect(await ada.client.listForwards()).toMatchObject({ count: 2, feeMsat: '4500' })
  })

  test('what the recipient refuses comes back to the payer through us', async () => {
    two.ldk.setPolicy('fail')
    const { bolt11 } = two.ldk.createInvoice(3_000_000n, 'refused')
    expect(await one.ldk.payInvoice(bolt11)).toMatchObject({ ok: false })
    two.ldk.setPolicy('claim')
    await quiet(ada)
    expect(await ada.client.listForwards()).toMatchObject({ count: 2 })
  })

  test('LDK pays LDK by a blinded path that begins with us; what the recipient refuses comes back as one word', async () => {
    const before = BigInt((await ada.client.listForwards()).feeMsat)
    const good = two.ldk.createBlindedInvoice(20_000_000n, [hopTo(ada, two.ldk)])
    expect(await one.ldk.payBlinded(good, 20_000_000n)).toMatchObject({ ok: true, feeMsat: 3_000n })
    await quiet(ada)
    const { count, feeMsat } = await ada.client.listForwards()
    expect(BigInt(feeMsat) - before).toBe(3_000n)
    two.ldk.setPolicy('fail')
    const bad = two.ldk.createBlindedInvoice(20_000_000n, [hopTo(ada, two.ldk)])
    expect(await one.ldk.payBlinded(bad, 20_000_000n)).toMatchObject({ ok: false })
    two.ldk.setPolicy('claim')
    await quiet(ada)
    expect(await ada.client.listForwards()).toMatchObject({ count })
  })

  test('we pay LDK by its blinded path: it is the introduction, or we are', async () => {
    for (const hops of [[], [hopTo(ada, two.ldk)]]) {
      const made = two.ldk.createBlindedInvoice(7_000_001n, hops)
      const paid = await payPaths(ada, made.paymentHash, [pathOf(made)], 7_000_001n)
      expect(paid).toMatchObject({ state: 'succeeded', amountMsat: '7000001', feeMsat: '0' })
    }
    two.ldk.setPolicy('fail')
    const refused = two.ldk.createBlindedInvoice(7_000_001n, [hopTo(ada, two.ldk)])
    expect(await payPaths(ada, refused.paymentHash, [pathOf(refused)], 7_000_001n)).toMatchObject({
      state: 'failed',
    })
    two.ldk.setPolicy('claim')
  })

  test('what our channel cannot carry is failed by us, and the payer hears it', async () => {
    const { bolt11 } = two.ldk.createInvoice(1_100_000_000n, 'more than there is')
    expect(await one.ldk.payInvoice(bolt11)).toMatchObject({ ok: false })
  })

  test('a user who forwards nothing is no way for others; one who intercepts decides', async () => {
    await ada.client.updateSettings({ forwarding: false })
    const { bolt11 } = two.ldk.createInvoice(1_000_000n, 'not now')
    expect(await one.ldk.payInvoice(bolt11)).toMatchObject({ ok: false })
    await ada.client.updateSettings({ forwarding: true, interceptForwards: true })
    const paying = one.ldk.payInvoice(two.ldk.createInvoice(2_000_000n, 'held').bolt11)
    let held: string | undefined
    while (held === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20))
      held = (await ada.client.listForwards()).underWay.find((c) => c.state === 'held')?.key
    }
    await ada.client.decideForward({ key: held, forward: true })
    expect(await paying).toMatchObject({ ok: true })
    await ada.client.updateSettings({ interceptForwards: false })
  })
})

const scidBetween = (ldk: LdkNode, ours: Headless): bigint => {
  const channel = ldk.listChannels().find((c) => c.peer === ours.nodeId)
  if (channel?.shortChannelId === undefined) throw new Error('no channel')
  return channel.shortChannelId
}

/** We as a hop of a blinded path that LDK makes, on the way to that LDK node. */
const hopTo = (ours: Headless, ldk: LdkNode): LdkPathHop => {
  const terms = { feeBaseMsat: 1000, feeProportionalMillionths: 100, cltvExpiryDelta: 80 }
  return { nodeId: ours.nodeId, shortChannelId: scidBetween(ldk, ours), ...terms }
}

/** We pay by blinded paths; resolves with how it ended. */
async function payPaths(
  node: Headless,
  paymentHash: string,
  paths: readonly BlindedPaymentPath[],
  amountMsat: bigint,
) {
  const loop = node.host.running()?.loop
  if (loop === undefined) throw new Error('not running')
  const payee = {
    paths,
    paymentHash: fromHex(paymentHash),
    amountMsat: msat(amountMsat),
    expiresAt: Number.MAX_SAFE_INTEGER,
    parts: false,
    nodeId: '',
    description: '',
    text: '',
  }
  await loop.command({ type: 'sendByPaths', payee, timeoutSeconds: 20 })
  for (;;) {
    const payment = (await node.client.listPayments()).find((p) => p.paymentHash === paymentHash)
    if (payment?.state === 'succeeded' || payment?.state === 'failed') return payment
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const pathOf = (made: LdkBlindedInvoice): BlindedPaymentPath => ({
  path: {
    introduction: { nodeId: fromHex(made.introduction) },
    firstPathKey: fromHex(made.firstPathKey),
    hops: made.hops.map((hop) => ({
      blindedNodeId: fromHex(hop.blindedNodeId),
      encryptedRecipientData: fromHex(hop.encryptedRecipientData),
    })),
  },
  payInfo: {
    feeBaseMsat: made.feeBaseMsat,
    feeProportionalMillionths: made.feeProportionalMillionths,
    cltvExpiryDelta: made.cltvExpiryDelta,
    htlcMinimumMsat: made.htlcMinimumMsat,
    htlcMaximumMsat: made.htlcMaximumMsat,
    features: new Uint8Array(0),
  },
})

describe('we – LDK – we', () => {
  let lil: Awaited<ReturnType<typeof startLdk>>
  let ada: Headless
  let ben: Headless
  beforeAll(async () => {
    ;[ada, ben, lil] = [await startOurs(), await startOurs(), await startLdk()]
    await open(ada, lil)
    await open(ben, lil, '500000000')
    await stage.mine(ada, 1)
    await lil.ldk.sync()
    await until(ben, 'the tip', (s) => s.chain.synced)
  }, 60_000)

  const invoiceOf = (node: Headless, amountMsat: string) =>
    node.client.addInvoice({ amountMsat, description: 'over LDK' })

  test('we pay each other through LDK by the hints in our invoices; the activity shows way and fee', async () => {
    const invoice = await invoiceOf(ben, '20000000')
    expect(await pay(ada, invoice.invoice)).toMatchObject({ ok: true })
    const way = await route(ada, invoice.paymentHash)
    expect(way).toMatchObject({ hops: [{ nodeId: lil.ldk.nodeId }, { nodeId: ben.nodeId }] })
    expect(way?.state).not.toBe('failed')
    expect(BigInt(way?.feeMsat ?? 0)).toBeGreaterThan(0n)
    expect(await pay(ben, (await invoiceOf(ada, '1000')).invoice)).toMatchObject({ ok: true })
  })

  test('a failure names the hop and its code, and is found again in the list', async () => {
    // More than LDK has in its channel with ben.
    const large = await invoiceOf(ben, '600000000')
    const failed = await pay(ada, large.invoice)
    expect(failed).toMatchObject({
      ok: false,
      error: { code: 'paymentFailed', data: { failure: 'temporary_channel_failure', hop: 0 } },
    })
    expect(await route(ada, large.paymentHash)).toMatchObject({ state: 'failed' })
    const paid = await invoiceOf(ben, '2000000')
    expect(await pay(ada, paid.invoice)).toMatchObject({ ok: true })
    expect(await pay(ada, paid.invoice)).toMatchObject({ ok: false, error: { code: 'alreadyPaid' } })
  })

  test('a probe over LDK tells what the payment then costs, to the msat, or who has no room', async () => {
    const { invoice, paymentHash } = await invoiceOf(ben, '7654321')
    const before = (await ada.client.channelBalance()).localMsat
    const probed = await ada.client.probePayment({ invoice })
    expect(probed).toMatchObject({
      arrives: true,
      attempts: [{ hops: [{ nodeId: lil.ldk.nodeId }, { nodeId: ben.nodeId }] }],
    })
    expect((await ada.client.channelBalance()).localMsat).toBe(before)
    expect((await ada.client.listPayments()).filter((p) => p.paymentHash === paymentHash)).toEqual([])
    expect(await pay(ada, invoice)).toMatchObject({ ok: true })
    expect((await route(ada, paymentHash))?.feeMsat).toBe(probed.feeMsat)
    // More than LDK has in its channel with ben.
    const tooMuch = await invoiceOf(ben, '600000000')
    expect(await ada.client.probePayment({ invoice: tooMuch.invoice })).toMatchObject({
      arrives: false,
      error: { data: { failure: 'temporary_channel_failure', hop: 0 } },
    })
  })

  test('a cancelled payment is not tried again: what is on its way over LDK decides, and its end is told', async () => {
    const held = await ben.client.addInvoice({ amountMsat: '3000000', hold: true })
    const result = pay(ada, held.invoice)
    await until(ben, 'held', (s) => s.channels.some((c) => c.htlcs > 0))
    const cancel = () => ada.client.cancelPayment({ paymentHash: held.paymentHash })
    expect(await cancel()).toMatchObject({ state: 'pending' })
    await ben.client.cancelInvoice({ paymentHash: held.paymentHash })
    expect(await result).toMatchObject({ ok: false, error: { code: 'paymentCancelled' } })
    await expect(cancel()).rejects.toMatchObject({ code: 'tooLate' })
  })

  test('we pay each other by a blinded path of ours that LDK forwards on, and LDK answers a refusal as BOLT 4 says', async () => {
    const asked = async () => {
      const made = await ben.host.running()?.loop.command({
        type: 'addPaths',
        amountMsat: msat(20_000_000n),
        description: '',
        expirySeconds: 600,
      })
      if (made?.type !== 'paths') throw new Error('no paths')
      expect(made.paths[0]?.path.introduction).toEqual({ nodeId: fromHex(lil.ldk.nodeId) })
      return made
    }
    const good = await asked()
    const paid = await payPaths(ada, good.paymentHash, good.paths, 20_000_000n)
    expect(paid).toMatchObject({ state: 'succeeded', attempts: [{ hops: [{ nodeId: lil.ldk.nodeId }] }] })
    expect(BigInt(paid.feeMsat)).toBeGreaterThan(0n)
    const bad = await asked()
    await ben.client.cancelInvoice({ paymentHash: bad.paymentHash })
    expect(await payPaths(ada, bad.paymentHash, bad.paths, 20_000_000n)).toMatchObject({
      state: 'failed',
      error: { data: { failure: 'invalid_onion_blinding', hop: 0, node: lil.ldk.nodeId } },
    })
  })

  test('we are inside a blinded path that begins with LDK and ends with LDK: forwarded, and refused backwards only', async () => {
    const two = await startLdk()
    await open(ben, two)
    await stage.mine(ada, 1)
    for (const { ldk } of [lil, two]) await ldk.sync()
    for (const node of [ada, ben]) await until(node, 'the tip', (s) => s.chain.synced)
    const first: LdkPathHop = {
      nodeId: lil.ldk.nodeId,
      shortChannelId: scidBetween(lil.ldk, ben),
      feeBaseMsat: 1000,
      feeProportionalMillionths: 0,
      cltvExpiryDelta: 72,
    }
    const asked = () => two.ldk.createBlindedInvoice(9_000_000n, [first, hopTo(ben, two.ldk)])
    const made = asked()
    const paid = await payPaths(ada, made.paymentHash, [pathOf(made)], 9_000_000n)
    expect(paid).toMatchObject({ state: 'succeeded', feeMsat: '2900' })
    await quiet(ben)
    expect(await ben.client.listForwards()).toMatchObject({ count: 1, feeMsat: '1900' })
    await ben.client.updateSettings({ forwarding: false })
    const refused = asked()
    expect(await payPaths(ada, refused.paymentHash, [pathOf(refused)], 9_000_000n)).toMatchObject({
      state: 'failed',
      error: { data: { failure: 'invalid_onion_blinding', hop: 0, node: lil.ldk.nodeId } },
    })
    await ben.client.updateSettings({ forwarding: true })
  })

  test('no way costs more than the limit that was given', async () => {
    const { invoice } = await invoiceOf(ben, '20000000')
    const refused = await (async () => {
      for await (const update of ada.client.sendPayment({ invoice, maxFeeMsat: '1' })) return update
      return undefined
    })().catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'noRoute', data: { reason: 'feeLimit' } })
    expect(await pay(ada, invoice)).toMatchObject({ ok: true })
  })
})

describe('in parts, over two channels', () => {
  let lil: Awaited<ReturnType<typeof startLdk>>
  let ada: Headless
  beforeAll(async () => {
    ;[ada, lil] = [await startOurs(), await startLdk()]
    await open(ada, lil)
    await open(ada, lil)
    await stage.mineUntil(
      ada,
      'two channels',
      (s) => s.channels.filter((c) => c.status === 'open').length === 2,
    )
    await lil.ldk.until(() => lil.ldk.listChannels().filter((c) => c.usable).length === 2, 'two usable')
  }, 60_000)

  test('LDK pays us more than either channel carries; all parts are taken together', async () => {
    const { invoice, paymentHash } = await ada.client.addInvoice({
      amountMsat: '1300000000',
      description: 'large',
    })
    expect(await lil.ldk.payInvoice(invoice)).toMatchObject({ ok: true })
    const paid = (await ada.client.listInvoices()).find((i) => i.paymentHash === paymentHash)
    expect(paid).toMatchObject({ state: 'paid', receivedMsat: '1300000000' })
  })

  test('we pay LDK more than either channel carries', async () => {
    await until(
      ada,
      'what came is ours',
      (s) => s.channels.reduce((sum, c) => sum + BigInt(c.spendableMsat), 0n) > 3_000_000_000n,
    )
    const { bolt11, paymentHash } = lil.ldk.createInvoice(2_000_000_000n, 'larger')
    expect(await pay(ada, bolt11)).toEqual({ ok: true, preimage: expect.any(String) as string })
    const payment = (await ada.client.listPayments()).find((p) => p.paymentHash === paymentHash)
    expect(payment?.attempts.length).toBeGreaterThan(1)
    expect(payment).toMatchObject({ state: 'succeeded', feeMsat: '0' })
  })

  test('a held payment waits for our word and goes back when we say no', async () => {
    const { invoice, paymentHash } = await ada.client.addInvoice({
      amountMsat: '5000000',
      description: 'held',
      hold: true,
    })
    const paying = lil.ldk.payInvoice(invoice)
    const waits = async (): Promise<boolean> =>
      (await ada.client.listInvoices()).find((i) => i.paymentHash === paymentHash)?.waiting?.complete === true
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 20))
    // Whoever is to give the word sees it in the activity.
    for await (const { activity } of ada.client.getState()) {
      const line = activity.find((candidate) => candidate.paymentHash === paymentHash)
      if (line === undefined) continue
      expect(line).toMatchObject({ kind: 'lightningReceived', state: 'pending', amountMsat: '5000000' })
      break
    }
    await ada.client.cancelInvoice({ paymentHash })
    expect(await paying).toMatchObject({ ok: false })
  })
})
