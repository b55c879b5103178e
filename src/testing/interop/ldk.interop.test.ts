import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { channelOf, createStage, FORMATS, pay, type Stage, until } from './stage.ts'

/** This project's node against LDK, over TCP, on a real chain: the main job, where we open, dial and close. */

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

    beforeAll(async () => {
      ldk = await stage.startLdk(format)
      ldkPort = await ldk.listen()
      dataDir = stage.folder()
      ours = await stage.startOurs(dataDir, format)
      await stage.fund(ours, 10_000_000n)
    })
    afterAll(async () => {
      await ours.stop()
      await ldk.stop()
    })

    const usable = () => ldk.listChannels().some((c) => c.usable)

    test('we open, with push; we pay LDK and LDK pays us; a disconnection in between; we close', async () => {
      const peer = `${ldk.nodeId}@127.0.0.1:${ldkPort}`
      const input = { peer, amountSat: '2000000', pushMsat: '500000000' }
      for await (const update of ours.client.openChannel(input)) if (update.status === 'pending') break
      await stage.mineUntil(ours, 'open', (s) => s.channels[0]?.status === 'open')
      expect(await channelOf(ours)).toMatchObject({ format, localMsat: '1500000000' })

      await ldk.until(usable, 'LDK can use the channel')
      expect(await pay(ours, ldk.createInvoice(12_345_678n, 'from us').bolt11)).toMatchObject({ ok: true })

      const invoice = await ours.client.addInvoice({ amountMsat: '7000001', description: 'from LDK' })
      expect(await ldk.payInvoice(invoice.invoice)).toMatchObject({ ok: true })
      await until(ours, 'received', (s) =>
        s.activity.some(
          (a) => a.kind === 'lightningReceived' && a.state === 'done' && a.amountMsat === '7000001',
        ),
      )

      // The link goes; both come back and go on.
      ldk.disconnect(ours.nodeId)
      await ldk.until(() => !usable(), 'LDK has hung up')
      await until(ours, 'back', (s) => s.channels[0]?.connected === true && s.channels[0].status === 'open')
      await ldk.until(usable, 'LDK is back')
      expect(await pay(ours, ldk.createInvoice(1_000n, 'after the break').bolt11)).toMatchObject({ ok: true })

      // A restart from disk.
      await ours.stop()
      ours = await stage.startOurs(dataDir, format)
      await until(ours, 'back', (s) => s.channels[0]?.connected === true && s.chain.synced)
      await ldk.until(usable, 'LDK is back again')
      const third = ldk.createInvoice(2_000_000n, 'after the restart')
      expect(await pay(ours, third.bolt11)).toMatchObject({ ok: true })

      const { channelId, localMsat } = await channelOf(ours)
      expect(BigInt(localMsat)).toBe(1_500_000_000n - 12_345_678n + 7_000_001n - 1_000n - 2_000_000n)
      for await (const update of ours.client.closeChannel({ channelId }))
        if (update.status === 'broadcast') break
      await stage.mineUntil(ours, 'closed', (s) => s.channels[0]?.status === 'closed')
      expect((await channelOf(ours)).closedBy).toBe('mutual')
    })
  })
}
