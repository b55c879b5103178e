import { HDKey } from '@scure/bip32'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fromHex } from '../../engine/base/bytes.ts'
import { unwrap } from '../../engine/base/result.ts'
import { msat } from '../../engine/base/units.ts'
import { signRecoverable } from '../../engine/crypto/curve.ts'
import { decodeInvoice } from '../../engine/invoice/decode.ts'
import { encodeInvoice } from '../../engine/invoice/encode.ts'
import type { InvoiceFields, RouteHint } from '../../engine/invoice/types.ts'
import { DEFAULT_FORWARD_POLICY } from '../../engine/switch/policy.ts'
import { type Headless, startHeadless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { createStage, pay, type Stage } from './stage.ts'

/**
 * Every failure that a payment can meet, at each hop, with its right code: LDK's read by us, and ours read by LDK. Payers do what invoices say,
 * so the invoices lie: they are signed again, with the recipient's key, over terms that somebody on the way does not keep.
 *
 *   ben ── lil (LDK) ── ada ── moe (LDK)
 */

const FORMAT = 'anchors_zero_fee_htlc_tx'
/** Milliseconds that ada's clock is ahead. */
let ahead = 0

let stage: Stage
let ada: Headless
let ben: Headless
let lil: LdkNode
let moe: LdkNode
/** What LDK's log says of failures that it read: `name` and code. */
const read: string[] = []

/** LDK's key of a seed: the first hardened child. */
function secretOf(seed: number): Uint8Array {
  const { privateKey } = HDKey.fromMasterSeed(new Uint8Array(32).fill(seed)).derive("m/0'")
  if (privateKey === null) throw new Error('no key')
  return privateKey
}
const secrets = { lil: secretOf(1), moe: secretOf(2) }
const secretOfOurs = (node: Headless): Uint8Array => {
  const secret = node.host.running()?.setup.nodeSecret
  if (secret === undefined) throw new Error('not running')
  return secret
}

type Change = (invoice: InvoiceFields) => Partial<InvoiceFields>

/** The invoice with other terms, signed by its recipient. */
function forged(bolt11: string, secret: Uint8Array, change: Change): string {
  const fields = unwrap(decodeInvoice(bolt11))
  return unwrap(encodeInvoice({ ...fields, ...change(fields) }, (digest) => signRecoverable(digest, secret)))
}

/** The last channel is another than it says. */
const hint =
  (over: Partial<RouteHint>): Change =>
  ({ routeHints }) => ({
    routeHints: routeHints.map((route) => route.map((hop) => ({ ...hop, ...over }))),
  })

const MIDDLE: readonly (readonly [string, Change])[] = [
  ['unknown_next_peer', hint({ shortChannelId: 42n })],
  ['fee_insufficient', hint({ feeBaseMsat: 0, feeProportionalMillionths: 0 })],
  ['incorrect_cltv_expiry', hint({ cltvExpiryDelta: 3 })],
  ['expiry_too_soon', () => ({ minFinalCltvExpiryDelta: 0 })],
  ['temporary_channel_failure', () => ({ amountMsat: msat(450_000_000) })],
  ['amount_below_minimum', () => ({ amountMsat: msat(500) })],
]

const UNKNOWN = 'incorrect_or_unknown_payment_details'
const TWICE = 'more than twice as much'
const LAST: readonly (readonly [string, string, Change])[] = [
  ['a hash that is not known', UNKNOWN, () => ({ paymentHash: new Uint8Array(32).fill(7) })],
  ['a secret that is not the invoice’s', UNKNOWN, () => ({ paymentSecret: new Uint8Array(32).fill(7) })],
  ['less than was asked for', UNKNOWN, () => ({ amountMsat: msat(900_000) })],
  [TWICE, UNKNOWN, () => ({ amountMsat: msat(2_100_000) })],
  ['an expiry that is too near', UNKNOWN, () => ({ minFinalCltvExpiryDelta: 10 })],
]

beforeAll(async () => {
  stage = await createStage()
  const start = (htlcMinimumMsat = 1n) =>
    startHeadless({
      dataDir: stage.folder(),
      port: 0,
      esploraUrl: stage.esploraUrl,
      formats: [FORMAT],
      clock: {
        now: () => Date.now() + ahead,
        after(ms, task) {
          const timer = setTimeout(task, ms)
          return () => clearTimeout(timer)
        },
      },
      policy: { htlcMinimumMsat: msat(htlcMinimumMsat) },
    })
  const log = (line: string): void => {
    const found = /Onion Error\[from \w+: (\w+)\(/.exec(line)
    if (found?.[1] !== undefined) read.push(found[1])
  }
  ;[ada, ben] = [await start(), await start(1_000n)]
  ;[lil, moe] = [await stage.startLdk(FORMAT, { log }), await stage.startLdk(FORMAT, { log })]
  for (const node of [ada, ben]) await stage.fund(node, 5_000_000n)
  for (const [ours, ldk, pushMsat] of [
    [ben, lil, '300000000'],
    [ada, lil, '500000000'],
    [ada, moe, '600000000'],
  ] as const) {
    const peer = `${ldk.nodeId}@127.0.0.1:${await ldk.listen()}`
    for await (const update of ours.client.openChannel({ peer, amountSat: '1000000', pushMsat }))
      if (update.status === 'pending') break
    await stage.mineUntil(ours, 'open', (s) =>
      s.channels.some((c) => c.peer === ldk.nodeId && c.status === 'open'),
    )
    await ldk.until(() => ldk.listChannels().some((c) => c.usable && c.peer === ours.nodeId), 'usable')
  }
  for (const node of [ada, ben]) await stage.mine(node, 1)
  for (const ldk of [lil, moe]) await ldk.sync()
}, 60_000)
afterAll(async () => {
  for (const node of [ada, ben]) await node.stop()
  for (const node of [lil, moe]) await node.stop()
  await stage.close()
})

const bensInvoice = async (amountMsat = '1000000'): Promise<string> =>
  (await ben.client.addInvoice({ amountMsat })).invoice

/** What ada was told, and by which hop. */
async function told(invoice: string): Promise<unknown> {
  const paid = await pay(ada, invoice)
  return paid.ok ? paid : paid.error
}

describe('LDK in the middle, between two of ours', () => {
  test.each(MIDDLE)('%s', async (failure, change) => {
    const invoice = forged(await bensInvoice(), secretOfOurs(ben), change)
    expect(await told(invoice)).toMatchObject({ data: { failure, hop: 0, node: lil.nodeId } })
  })
})

describe('ours behind LDK', () => {
  test.each(LAST)('%s: %s', async (_, failure, change) => {
    const invoice = forged(await bensInvoice(), secretOfOurs(ben), change)
    expect(await told(invoice)).toMatchObject({ data: { failure, hop: 1 } })
  })

  test('an honest invoice is paid all the same', async () => {
    expect(await pay(ada, await bensInvoice())).toMatchObject({ ok: true })
  })
})

describe('LDK as the last', () => {
  // LDK takes more than twice as much.
  test.each(LAST.filter(([what]) => what !== TWICE))('%s: %s', async (_, failure, change) => {
    const { bolt11 } = lil.createInvoice(1_000_000n, 'last')
    expect(await told(forged(bolt11, secrets.lil, change))).toMatchObject({ data: { failure, hop: 0 } })
  })
})

/** What LDK read of a payment that fails. */
async function heard(payer: LdkNode, invoice: string): Promise<readonly string[]> {
  read.length = 0
  expect(await payer.payInvoice(invoice)).toMatchObject({ ok: false })
  return read
}

describe('ours in the middle, between two LDK nodes', () => {
  // LDK pays no invoice with less than its own blocks for the last.
  test.each(MIDDLE.filter(([failure]) => failure !== 'expiry_too_soon'))('%s', async (failure, change) => {
    const setup = ada.host.running()?.setup
    if (setup === undefined) throw new Error('not running')
    Object.assign(setup, { forwardPolicy: { ...DEFAULT_FORWARD_POLICY, htlcMinimumMsat: msat(1_000) } })
    const { bolt11 } = moe.createInvoice(1_000_000n, 'behind')
    expect(await heard(lil, forged(bolt11, secrets.moe, change))).toContain(failure)
  })
})

describe('ours as the last, paid by LDK', () => {
  test.each(LAST)('%s: %s', async (_, failure, change) => {
    const { invoice } = await ada.client.addInvoice({ amountMsat: '1000000' })
    expect(await heard(lil, forged(invoice, secretOfOurs(ada), change))).toContain(failure)
  })
})

/** By a channel that is none: this part never arrives. */
const nowhere = (node: { readonly nodeId: string }): Change => {
  const hop = {
    pubkey: fromHex(node.nodeId),
    shortChannelId: 42n,
    feeBaseMsat: 0,
    feeProportionalMillionths: 0,
    cltvExpiryDelta: 100,
  }
  return () => ({ routeHints: [[hop]] })
}

describe('a part whose other part never comes', () => {
  test('LDK sends it back after its time: mpp_timeout', async () => {
    const { bolt11, paymentHash } = lil.createInvoice(700_000_000n, 'in parts')
    let over = false
    const paying = pay(ada, forged(bolt11, secrets.lil, nowhere(moe))).finally(() => {
      over = true
    })
    // Its clock ticks with it.
    while (!over) {
      lil.setFeerate(500)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(await paying).toMatchObject({ ok: false })
    const payment = (await ada.client.listPayments()).find((p) => p.paymentHash === paymentHash)
    expect(JSON.stringify(payment)).toContain('mpp_timeout')
  })

  test('so do we: LDK hears mpp_timeout', async () => {
    const { invoice, paymentHash } = await ada.client.addInvoice({ amountMsat: '700000000' })
    read.length = 0
    const paying = lil.payInvoice(forged(invoice, secretOfOurs(ada), nowhere(ben)))
    const waits = async (): Promise<boolean> =>
      (await ada.client.listInvoices()).find((i) => i.paymentHash === paymentHash)?.waiting !== undefined
    while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 20))
    ahead += 61_000
    await ada.client.refresh()
    expect(await paying).toMatchObject({ ok: false })
    expect(read).toContain('mpp_timeout')
  })
})
