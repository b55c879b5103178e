import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { channelOf, createStage, FORMATS, pay, type Stage, until, walletSat } from './stage.ts'
import { createWire, type Wire } from './wire.ts'

/** LDK opens to us and calls us; payments both ways, broken off at every piece of the stream; LDK closes. */

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

for (const format of FORMATS) {
  describe(format, () => {
    const CAPACITY = 3_000_000n
    let ldk: LdkNode
    let ours: Headless
    let wire: Wire
    /** What we should have, in msat. */
    let balance = 1_234_567_000n

    beforeAll(async () => {
      ldk = await stage.startLdk(format)
      ours = await stage.startOurs(stage.folder(), format)
      wire = await createWire(ours.port)
      await ldk.connect(ours.nodeId, '127.0.0.1', wire.port)
    })
    afterAll(async () => {
      wire.close()
      await ours.stop()
      await ldk.stop()
    })

    /** LDK calls again, and both can use the channel. */
    async function reconnect(): Promise<void> {
      await ldk.until(() => ldk.peers().length === 0, 'LDK sees the break')
      await until(ours, 'we see the break', (s) => s.channels.every((c) => !c.connected))
      wire.watch()
      await ldk.connect(ours.nodeId, '127.0.0.1', wire.port)
    }

    /** Both sides agree on the balance, with nothing in flight. */
    async function settled(): Promise<void> {
      await until(ours, `a balance of ${balance}`, (s) => {
        const c = s.channels[0]
        return c?.htlcs === 0 && c.localMsat === String(balance) && c.connected
      })
      const channel = await channelOf(ours)
      expect(channel.remoteMsat).toBe(String(CAPACITY * 1000n - balance))
      await ldk.until(() => {
        const [theirs] = ldk.listChannels()
        return theirs?.inboundHtlcs === 0 && theirs.outboundHtlcs === 0 && theirs.usable
      }, 'LDK has nothing in flight')
      // LDK says what it may receive: our balance less our reserve.
      expect(ldk.listChannels()[0]?.inboundMsat).toBe(balance - BigInt(channel.localReserveSat) * 1000n)
    }

    async function wePay(amountMsat: bigint): Promise<void> {
      const { bolt11, paymentHash } = ldk.createInvoice(amountMsat, 'from us')
      const paid = await pay(ours, bolt11)
      if (!paid.ok) throw new Error(paid.error.message)
      expect(createHash('sha256').update(Buffer.from(paid.preimage, 'hex')).digest('hex')).toBe(paymentHash)
      balance -= amountMsat
    }

    async function ldkPays(amountMsat: bigint): Promise<void> {
      const { invoice } = await ours.client.addInvoice({ amountMsat: String(amountMsat) })
      expect(await ldk.payInvoice(invoice)).toMatchObject({ ok: true, feeMsat: 0n })
      balance += amountMsat
    }

    test('LDK opens to us with a push, and the channel is usable', async () => {
      await ldk.openChannel(ours.nodeId, CAPACITY, balance)
      await until(ours, 'the channel is seen', (s) => s.channels.length === 1)
      await stage.mineUntil(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(() => ldk.listChannels()[0]?.usable === true, 'LDK can use it')
      const channel = await channelOf(ours)
      expect(channel).toMatchObject({ format, role: 'accepter', capacitySat: String(CAPACITY) })
      await settled()
    })

    test('payments both ways arrive to the msat, the smallest and odd ones too', async () => {
      await wePay(1n)
      await ldkPays(1n)
      await wePay(353_999n)
      await ldkPays(98_765_432n)
      await wePay(100_000_001n)
      await settled()
    })

    test('invoices without an amount: the payer chooses, and leaving it out is an error', async () => {
      const { bolt11 } = ldk.createInvoice(undefined, 'any amount')
      expect(await pay(ours, bolt11)).toMatchObject({ ok: false, error: { code: 'amountRequired' } })
      expect(await pay(ours, bolt11, 7_654_321n)).toMatchObject({ ok: true })
      balance -= 7_654_321n
      const ourInvoice = await ours.client.addInvoice({ description: 'any amount' })
      expect(ourInvoice.amountMsat).toBeUndefined()
      expect(await ldk.payInvoice(ourInvoice.invoice, 1_111_111n)).toMatchObject({ ok: true })
      balance += 1_111_111n
      await settled()
      const [paid] = (await ours.client.listInvoices()).filter(
        (i) => i.paymentHash === ourInvoice.paymentHash,
      )
      expect(paid).toMatchObject({ state: 'paid', receivedMsat: '1111111' })
    })

    test('payments that nobody asked for (keysend) arrive both ways, each of them once', async () => {
      for await (const update of ours.client.sendPayment({
        destination: ldk.nodeId,
        amountMsat: '2345678',
      })) {
        if (update.status === 'failed') throw new Error(update.error.message)
        if (update.status !== 'succeeded') continue
        const paymentHash = createHash('sha256').update(Buffer.from(update.preimage, 'hex')).digest('hex')
        await ldk.waitFor(
          'paymentClaimed',
          (e) => e.paymentHash === paymentHash && e.amountMsat === 2_345_678n,
        )
      }
      balance -= 2_345_678n
      await settled()
      expect(await ldk.keysend(ours.nodeId, 3_456_789n)).toMatchObject({ ok: true, feeMsat: 0n })
      balance += 3_456_789n
      // Less than we care to keep.
      expect(await ldk.keysend(ours.nodeId, 999n)).toMatchObject({ ok: false })
      await settled()
      const unasked = (await ours.client.listInvoices()).filter((i) => i.invoice === '')
      expect(unasked).toMatchObject([{ state: 'paid', receivedMsat: '3456789' }])
    })

    test('what the recipient refuses fails with its reason, and nothing has moved', async () => {
      ldk.setPolicy('fail')
      const { bolt11, paymentHash } = ldk.createInvoice(5_000_000n, 'will be refused')
      expect(await pay(ours, bolt11)).toMatchObject({ ok: false, error: { code: 'recipientRefused' } })
      ldk.setPolicy('claim')
      await settled()
      const record = (await ours.client.listPayments()).find((p) => p.paymentHash === paymentHash)
      expect(record).toMatchObject({ state: 'failed', error: { code: 'recipientRefused' } })
      // An invoice of ours that is paid already is refused in turn.
      const { invoice } = await ours.client.addInvoice({ amountMsat: '1000' })
      expect(await ldk.payInvoice(invoice)).toMatchObject({ ok: true })
      balance += 1_000n
      expect(await ldk.payInvoice(invoice)).toMatchObject({ ok: false })
      await settled()
    })

    test('more than can be sent is refused before anything is sent, with the figures', async () => {
      const { spendableMsat } = await channelOf(ours)
      const { bolt11 } = ldk.createInvoice(BigInt(spendableMsat) + 1n, 'too much')
      expect(await pay(ours, bolt11)).toMatchObject({ ok: false, error: { code: 'exceedsSpendable' } })
      await settled()
      // The most that can be sent, and all of it back.
      await wePay(BigInt(spendableMsat))
      await settled()
      await ldkPays(BigInt(spendableMsat))
      await settled()
      // What LDK thinks it may send is taken too, whoever is the stricter judge.
      const limit = ldk.listChannels()[0]?.nextOutboundLimitMsat ?? 0n
      expect(limit).toBeGreaterThan(0n)
      await ldkPays(limit)
      await settled()
      await wePay(limit)
      await settled()
    })

    for (const end of ['claimed', 'failed'] as const) {
      test(`the wire breaks while LDK holds our HTLC, which is ${end} before we are back`, async () => {
        ldk.setPolicy('hold')
        const { bolt11, paymentHash } = ldk.createInvoice(25_000_321n, 'held')
        const paying = pay(ours, bolt11)
        await ldk.waitFor('paymentClaimable', (e) => e.paymentHash === paymentHash)
        expect((await channelOf(ours)).inFlightOutMsat).toBe('25000321')
        wire.cut()
        await ldk.until(() => ldk.peers().length === 0, 'LDK sees the break')
        if (end === 'claimed') ldk.claim(paymentHash)
        else ldk.fail(paymentHash)
        ldk.setPolicy('claim')
        await reconnect()
        if (end === 'claimed') {
          expect(await paying).toMatchObject({ ok: true })
          balance -= 25_000_321n
        } else expect(await paying).toMatchObject({ ok: false, error: { code: 'recipientRefused' } })
        await settled()
      })
    }

    for (const swallowed of ['toCaller', 'toTarget'] as const) {
      test(`what goes ${swallowed === 'toCaller' ? 'to LDK' : 'to us'} is lost in the middle of a payment each way`, async () => {
        for (const direction of ['we pay', 'LDK pays'] as const) {
          wire.swallow(swallowed)
          const paying = direction === 'we pay' ? wePay(31_000_007n) : ldkPays(17_000_003n)
          // Everything that can still be said.
          while (wire.lost === 0) await wire.quiet()
          wire.cut()
          await reconnect()
          await paying
          await settled()
        }
      })
    }

    test('the wire breaks after every single piece of a payment, in both directions', async () => {
      for (const direction of ['we pay', 'LDK pays'] as const) {
        for (let piece = 1; ; piece++) {
          await wire.quiet()
          wire.watch(piece)
          const paying =
            direction === 'we pay' ? wePay(11_000_000n + BigInt(piece)) : ldkPays(13_000_000n + BigInt(piece))
          if (!(await broke(paying))) {
            // A whole payment takes fewer pieces.
            await paying
            await settled()
            wire.watch()
            expect(piece).toBeGreaterThan(4)
            break
          }
          await reconnect()
          await paying
          await settled()
        }
      }
    })

    /** Whether the wire breaks before the payment and what follows it is over. */
    async function broke(paying: Promise<void>): Promise<boolean> {
      let over = false
      const end = paying.then(() => wire.quiet())
      void end.then(() => {
        over = true
      })
      while (!wire.broken && !over) await new Promise((resolve) => setTimeout(resolve, 5))
      return wire.broken
    }

    test('LDK closes, the wire breaks in the middle of it, and every satoshi of our balance is in the wallet', async () => {
      const { channelId } = await channelOf(ours)
      const before = await walletSat(ours)
      await wire.quiet()
      wire.watch(format === 'static_remotekey' ? 2 : 3)
      ldk.closeChannel(channelId)
      await reconnect()
      await stage.mineUntil(ours, 'closed', (s) => s.channels[0]?.status === 'closed')
      const channel = await channelOf(ours)
      expect(channel.closedBy).toBe('mutual')
      // LDK opened: it pays the fee, and our part is our balance rounded down.
      expect((await walletSat(ours)) - before).toBe(balance / 1000n)
      const fee = await stage.feeOf(channel.closeTxid ?? '')
      expect(fee).toBeGreaterThan(0n)
      expect((await ours.client.listTransactions())[0]).toMatchObject({ label: 'channelClose' })
    })
  })
}
