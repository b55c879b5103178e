import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { channelOf, createStage, FORMATS, pay, type Stage, until, walletSat } from './stage.ts'

/** Our node goes away in the middle of things with LDK, and comes back from its disk. */

const FUNDS = 3_000_000n
const CAPACITY = 1_000_000n
const PUSH = 300_000_000n

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

for (const format of FORMATS) {
  describe(format, () => {
    let ldk: LdkNode
    let ours: Headless
    let ldkPort: number
    let dataDir: string

    beforeEach(async () => {
      ldk = await stage.startLdk(format)
      ldkPort = await ldk.listen()
      dataDir = stage.folder()
      ours = await stage.startOurs(dataDir, format)
    })
    afterEach(async () => {
      await ours.stop()
      await ldk.stop()
    })

    const usable = () => ldk.listChannels().some((c) => c.usable)

    /** As far as the broadcast of the funding transaction; its id. */
    async function begin(): Promise<string> {
      await stage.fund(ours, FUNDS)
      const peer = `${ldk.nodeId}@127.0.0.1:${ldkPort}`
      const input = { peer, amountSat: String(CAPACITY), pushMsat: String(PUSH) }
      for await (const update of ours.client.openChannel(input))
        if (update.status === 'pending') return update.fundingTxid
      throw new Error('the opening ended')
    }

    async function restart(meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
      await ours.stop()
      await meanwhile()
      ours = await stage.startOurs(dataDir, format)
    }

    async function open(): Promise<void> {
      await begin()
      await stage.mineUntil(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(usable, 'LDK can use it')
    }

    test('we stop right after the funding transaction was sent; it confirms when we are back', async () => {
      const txid = await begin()
      await restart()
      expect(await channelOf(ours)).toMatchObject({ status: 'confirming', fundingTxid: txid })
      await stage.mineUntil(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(usable, 'LDK can use it')
      expect(await pay(ours, ldk.createInvoice(1_000n, '').bolt11)).toMatchObject({ ok: true })
      expect(await walletSat(ours)).toBe(FUNDS - CAPACITY - (await stage.feeOf(txid)))
    })

    test('our opening confirms while we are away', async () => {
      const txid = await begin()
      // It is sent once its write is on disk; that it has arrived is what the chain says.
      await stage.inMempool(txid)
      await restart(async () => {
        await stage.miner.mine(4)
      })
      await until(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(usable, 'LDK can use it')
      expect(await pay(ours, ldk.createInvoice(1_001n, '').bolt11)).toMatchObject({ ok: true })
    })

    test('LDK’s opening confirms while we are away', async () => {
      await ours.client.connectPeer({ address: `${ldk.nodeId}@127.0.0.1:${ldkPort}` })
      await ldk.openChannel(ours.nodeId, CAPACITY, PUSH)
      await until(ours, 'the channel is seen', (s) => s.channels.length === 1)
      await restart(async () => {
        await stage.miner.mine(4)
      })
      await until(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(usable, 'LDK can use it')
      expect(await pay(ours, ldk.createInvoice(1_002n, '').bolt11)).toMatchObject({ ok: true })
    })

    for (const end of ['claimed', 'failed'] as const) {
      test(`we stop while LDK holds our payment, which is ${end} while we are away`, async () => {
        await open()
        ldk.setPolicy('hold')
        const { bolt11, paymentHash } = ldk.createInvoice(20_000_123n, 'held')
        void pay(ours, bolt11).catch(() => {}) // our stop ends the stream
        await ldk.waitFor('paymentClaimable', (e) => e.paymentHash === paymentHash)
        await restart(async () => {
          await ldk.until(() => ldk.peers().length === 0, 'LDK sees that we are gone')
          if (end === 'claimed') ldk.claim(paymentHash)
          else ldk.fail(paymentHash)
        })
        await until(ours, 'settled', (s) => s.channels[0]?.htlcs === 0 && s.channels[0].connected)
        const [payment] = await ours.client.listPayments()
        const whole = CAPACITY * 1000n - PUSH
        if (end === 'claimed') {
          expect(payment).toMatchObject({ state: 'succeeded', amountMsat: '20000123', feeMsat: '0' })
          expect((await channelOf(ours)).localMsat).toBe(String(whole - 20_000_123n))
        } else {
          expect(payment).toMatchObject({ state: 'failed', error: { code: 'recipientRefused' } })
          expect((await channelOf(ours)).localMsat).toBe(String(whole))
        }
      })
    }

    test('we close on chain with a payment held by LDK: its claim on chain is our proof of payment', async () => {
      await open()
      ldk.setPolicy('hold')
      const { bolt11, paymentHash } = ldk.createInvoice(50_000_000n, 'held')
      const paying = pay(ours, bolt11)
      await ldk.waitFor('paymentClaimable', (e) => e.paymentHash === paymentHash)
      await until(ours, 'in flight', (s) => s.channels[0]?.inFlightOutMsat === '50000000')
      await ours.client.disconnectPeer({ nodeId: ldk.nodeId })
      const { channelId } = await channelOf(ours)
      for await (const update of ours.client.closeChannel({ channelId, force: true }))
        if (update.status === 'broadcast') break
      await stage.mine(ours, 1)
      await ldk.sync()
      ldk.claim(paymentHash)
      await stage.mineUntil(
        ours,
        'the preimage',
        (s) => s.activity.some((a) => a.kind === 'lightningSent' && a.state === 'done'),
        10,
      )
      expect(await paying).toMatchObject({ ok: true })
    })
  })
}
