import { cpSync, rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { createStage, type FormatName, pay, type Paid, type Stage, until, walletSat } from './stage.ts'
import { createWire, type Wire } from './wire.ts'

/** Closes by force with HTLCs under way in both directions, and a cheating LDK: every satoshi goes where it belongs. */

const FUNDS = 3_000_000n
const CAPACITY = 1_500_000n
const PUSH = 400_000_000n
/** Ours to LDK: one that LDK claims once the channel is on the chain, one that it never claims; and one of LDK's to us. */
const CLAIMED = 50_000_321n
const NEVER = 60_000_123n
const THEIRS = 70_000_777n
/** Commitment, anchors, its child, HTLC transactions, sweeps: at a few sat/vB. */
const FEES = 25_000n

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

interface Table {
  readonly ldk: LdkNode
  readonly ours: Headless
  readonly wire: Wire
  readonly channelId: string
  readonly before: bigint
  readonly stop: () => Promise<void>
}

/** A channel of ours to LDK, over a wire that tests may break. */
async function table(format: FormatName, dataDir?: string): Promise<Table> {
  const ldk = await stage.startLdk(format, dataDir === undefined ? {} : { dataDir })
  const wire = await createWire(await ldk.listen())
  const ours = await stage.startOurs(stage.folder(), format)
  await stage.fund(ours, FUNDS)
  const before = await walletSat(ours)
  const input = {
    peer: `${ldk.nodeId}@127.0.0.1:${wire.port}`,
    amountSat: String(CAPACITY),
    pushMsat: String(PUSH),
  }
  for await (const update of ours.client.openChannel(input)) if (update.status === 'pending') break
  await stage.mineUntil(ours, 'open', (s) => s.channels.some((c) => c.status === 'open'))
  await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK can use it')
  const [channel] = await ours.client.listChannels()
  const stop = async (): Promise<void> => {
    wire.close()
    await ours.stop()
    await ldk.stop()
  }
  return { ldk, ours, wire, channelId: channel?.channelId ?? '', before, stop }
}

/** An HTLC of ours that LDK holds. */
async function held({ ldk, ours }: Table, amountMsat: bigint): Promise<{ hash: string; end: Promise<Paid> }> {
  ldk.setPolicy('hold')
  const { bolt11, paymentHash } = ldk.createInvoice(amountMsat, '')
  const end = pay(ours, bolt11)
  await ldk.waitFor('paymentClaimable', (e) => e.paymentHash === paymentHash)
  return { hash: paymentHash, end }
}

/** Blocks until our close is done; LDK follows each. */
async function resolved({ ours, ldk, channelId }: Table): Promise<void> {
  for (const blocks of [1, 1, 1, 1, 6, ...Array.from({ length: 30 }, () => 24)]) {
    await stage.mine(ours, blocks)
    await ldk.sync()
    const channel = (await ours.client.listChannels()).find((c) => c.channelId === channelId)
    if (channel?.status === 'closed') return
  }
  await until(ours, 'the close is done', (s) => s.channels.some((c) => c.status === 'closed'), 500)
}

const CASES: readonly { format: FormatName; closer: 'we' | 'LDK'; known: boolean }[] = [
  { format: 'anchors_zero_fee_htlc_tx', closer: 'we', known: true },
  { format: 'anchors_zero_fee_htlc_tx', closer: 'LDK', known: false },
  { format: 'static_remotekey', closer: 'we', known: true },
  // The others with `COURT_ALL=1`: each takes seconds and is a mixture of these.
  ...(process.env.COURT_ALL === undefined
    ? []
    : ([
        { format: 'anchors_zero_fee_htlc_tx', closer: 'we', known: false },
        { format: 'anchors_zero_fee_htlc_tx', closer: 'LDK', known: true },
        { format: 'static_remotekey', closer: 'we', known: false },
        { format: 'static_remotekey', closer: 'LDK', known: true },
        { format: 'static_remotekey', closer: 'LDK', known: false },
      ] as const)),
]

describe('HTLCs of both directions', () => {
  test.each(CASES)('$format: $closer closed; LDK’s HTLC has shown its preimage: $known', async (c) => {
    const t = await table(c.format)
    const { ldk, ours, wire } = t
    try {
      const first = await held(t, CLAIMED)
      const second = await held(t, NEVER)
      // Broken after three pieces we hold its HTLC and have said its preimage to nobody; after one LDK has only begun.
      const { invoice, paymentHash } = await ours.client.addInvoice({ amountMsat: String(THEIRS) })
      await wire.quiet()
      wire.watch(c.known ? 3 : 1)
      const theirs = ldk.payInvoice(invoice)
      while (!wire.broken) await new Promise((resolve) => setTimeout(resolve, 5))
      await ldk.until(() => ldk.peers().length === 0, 'LDK sees the break')
      if (c.closer === 'LDK') ldk.forceClose(t.channelId)
      else
        for await (const update of ours.client.closeChannel({ channelId: t.channelId, force: true }))
          if (update.status === 'broadcast') break
      ldk.claim(first.hash)
      await until(ours, 'the close is seen', (s) => s.channels.some((x) => x.status === 'forceClosing'))
      await resolved(t)
      // Proof of payment is taken from the chain; what nobody claimed comes back; LDK learns our preimage from it.
      expect(await first.end).toMatchObject({ ok: true })
      expect(await second.end).toMatchObject({ ok: false })
      expect((await theirs).ok).toBe(c.known)
      const record = (await ours.client.listInvoices()).find((i) => i.paymentHash === paymentHash)
      expect(record?.state === 'paid').toBe(c.known)
      const [channel] = await ours.client.listChannels()
      expect(channel?.closedBy).toBe(c.closer === 'we' ? 'local' : 'remote')
      expect(channel?.closingOutputs.filter((o) => o.state === 'waiting' || o.state === 'sweeping')).toEqual(
        [],
      )
      const due = t.before - PUSH / 1000n - CLAIMED / 1000n + (c.known ? THEIRS / 1000n : 0n)
      const short = due - (await walletSat(ours))
      expect(short, `${short} sat of ${due} are missing`).toBeGreaterThanOrEqual(0n)
      expect(short, `${short} sat of ${due} are missing`).toBeLessThan(FEES)
    } finally {
      await t.stop()
    }
  })
})

test.each(['anchors_zero_fee_htlc_tx', 'static_remotekey'] as const)(
  '%s: LDK comes back with an old state, an HTLC in it, and loses everything',
  async (format) => {
    const dataDir = stage.folder()
    const old = stage.folder()
    const t = await table(format, dataDir)
    const { ours } = t
    let { ldk } = t
    try {
      const htlc = await held(t, CLAIMED)
      await t.wire.quiet()
      cpSync(dataDir, old, { recursive: true })
      ldk.claim(htlc.hash)
      expect(await htlc.end).toMatchObject({ ok: true })
      ldk.setPolicy('claim')
      expect(await pay(ours, ldk.createInvoice(30_000_000n, '').bolt11)).toMatchObject({ ok: true })
      await t.wire.quiet()
      t.wire.close()
      await ldk.stop()
      rmSync(dataDir, { recursive: true })
      cpSync(old, dataDir, { recursive: true })
      ldk = await stage.startLdk(format, { dataDir, sameSeed: true })
      await ldk.sync()
      // Where the copy was taken between two writes of LDK's, it notices that it is old, and closes with what it has by itself.
      if (ldk.listChannels().some((x) => x.channelId === t.channelId)) ldk.forceClose(t.channelId)
      await until(ours, 'the cheat is seen', (s) => s.channels.some((x) => x.status === 'forceClosing'))
      await resolved({ ...t, ldk })
      const [channel] = await ours.client.listChannels()
      const outputs = channel?.closingOutputs.filter((o) => o.kind !== 'anchor') ?? []
      expect(outputs.length).toBe(3)
      expect(outputs.every((o) => o.state === 'swept')).toBe(true)
      const short = t.before - (await walletSat(ours))
      expect(short, `${short} sat are missing`).toBeLessThan(FEES)
    } finally {
      t.wire.close()
      await ours.stop()
      await ldk.stop()
    }
  },
)
