import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { channelOf, createStage, FORMATS, pay, type Stage, until, walletSat } from './stage.ts'

/** Channels with LDK whose feerate changes, and which end on chain from either side: every satoshi is accounted for. */

const FUNDS = 5_000_000n
const CAPACITY = 1_500_000n
const PUSH = 400_000_000n

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
      await stage.fund(ours, FUNDS)
    })
    afterAll(async () => {
      await ours.stop()
      await ldk.stop()
    })

    const newest = async () => {
      const [channel] = (await ours.client.listChannels()).sort((a, b) =>
        a.createdAt < b.createdAt ? 1 : -1,
      )
      if (channel === undefined) throw new Error('no channel')
      return channel
    }

    /** A channel of ours to LDK; the id, and what was in the wallet before. */
    async function open(): Promise<{ id: string; fundingFee: bigint; before: bigint }> {
      const before = await walletSat(ours)
      const peer = `${ldk.nodeId}@127.0.0.1:${ldkPort}`
      const input = { peer, amountSat: String(CAPACITY), pushMsat: String(PUSH) }
      let txid = ''
      for await (const update of ours.client.openChannel(input)) {
        if (update.status !== 'pending') continue
        txid = update.fundingTxid
        break
      }
      await stage.mineUntil(ours, 'open', (s) => s.channels.some((c) => c.status === 'open'))
      await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK can use it')
      const fundingFee = await stage.feeOf(txid)
      expect(before - (await walletSat(ours))).toBe(CAPACITY + fundingFee)
      return { id: (await newest()).channelId, fundingFee, before }
    }

    async function wePay(amountMsat: bigint): Promise<void> {
      const paid = await pay(ours, ldk.createInvoice(amountMsat, '').bolt11)
      expect(paid).toMatchObject({ ok: true })
      await until(ours, 'settled', (s) => s.channels.every((c) => c.htlcs === 0))
    }

    test('our feerate rises and falls, LDK follows, and payments go on', async () => {
      const { id } = await open()
      for (const satPerVb of [12, 3]) {
        stage.faults.answer = ({ path }) =>
          path.endsWith('/fee-estimates')
            ? {
                kind: 'status',
                status: 200,
                body: JSON.stringify({ 2: satPerVb, 6: satPerVb, 12: satPerVb }),
              }
            : undefined
        await ours.client.refresh()
        await until(ours, `${satPerVb} sat/vB`, (s) => s.channels[0]?.feeratePerKw === satPerVb * 250)
        await ldk.until(() => ldk.listChannels()[0]?.feerate === satPerVb * 250, 'LDK has the feerate')
        await wePay(1_000_001n)
      }
      delete stage.faults.answer
      await ours.client.refresh()
      expect((await channelOf(ours)).localMsat).toBe(String(CAPACITY * 1000n - PUSH - 2_000_002n))
      for await (const update of ours.client.closeChannel({ channelId: id, feeSatPerVb: 2 }))
        if (update.status === 'broadcast') break
      await stage.mineUntil(ours, 'closed', (s) => s.channels.every((c) => c.status === 'closed'))
    })

    test('LDK closes on chain: shown as the peer’s doing, and our balance is swept', async () => {
      const { id, fundingFee, before } = await open()
      await wePay(33_333_333n)
      const { localMsat } = await newest()
      ldk.forceClose(id)
      await until(ours, 'the close is seen', (s) => s.channels.some((c) => c.closedBy === 'remote'))
      const seen = await newest()
      expect(seen).toMatchObject({ channelId: id, status: 'forceClosing', closedBy: 'remote' })
      await stage.mineUntil(
        ours,
        'swept',
        (s) => s.channels.find((c) => c.channelId === id)?.status === 'closed',
      )
      const closed = await newest()
      const output = closed.closingOutputs.find((o) => o.kind === 'toRemote')
      expect(output).toMatchObject({ state: 'swept' })
      const commitment = await stage.feeOf(closed.closeTxid ?? '')
      const sweep = await stage.feeOf(output?.sweepTxid ?? '')
      // We opened: commitment fee and anchors are ours to pay.
      const anchors = format === 'static_remotekey' ? 0n : 660n
      const ourPart = BigInt(output?.amountSat ?? 0)
      expect(ourPart).toBe(
        (BigInt(localMsat) - (commitmentFee(commitment, closed) + anchors) * 1000n) / 1000n,
      )
      expect(before - (await walletSat(ours))).toBe(CAPACITY + fundingFee - ourPart + sweep)
    })

    /** The fee as BOLT 3 reckons it: what miners got, less the millisatoshi of both sides that were rounded away. */
    const commitmentFee = (paid: bigint, channel: { localMsat: string; remoteMsat: string }): bigint =>
      paid - (BigInt(channel.localMsat) % 1000n > 0n || BigInt(channel.remoteMsat) % 1000n > 0n ? 1n : 0n)

    test('we close on chain, stop and come back: our balance is swept after its delay, to the satoshi', async () => {
      const { id, fundingFee, before } = await open()
      await wePay(44_444_444n)
      const { localMsat } = await newest()
      // Told of it LDK would race us with its own commitment.
      await ours.client.disconnectPeer({ nodeId: ldk.nodeId })
      for await (const update of ours.client.closeChannel({ channelId: id, force: true }))
        if (update.status === 'broadcast') break
      await stage.mine(ours, 1)
      await until(ours, 'confirmed', (s) =>
        s.channels.some((c) => c.closingOutputs.some((o) => o.spendableAtHeight !== undefined)),
      )
      const waiting = await newest()
      expect(waiting).toMatchObject({ status: 'forceClosing', closedBy: 'local' })
      const toLocal = waiting.closingOutputs.find((o) => o.kind === 'toLocal')
      expect(toLocal).toMatchObject({ state: 'waiting' })
      await ours.stop()
      await stage.miner.mine(100)
      ours = await stage.startOurs(dataDir, format)
      await stage.mine(ours, 1)
      // The block after next may hold the sweep; one earlier it is not even tried.
      const height = await stage.rpc.call<number>('getblockcount')
      await stage.mine(ours, (toLocal?.spendableAtHeight ?? 0) - 2 - height)
      expect((await newest()).closingOutputs.find((o) => o.kind === 'toLocal')?.state).toBe('waiting')
      expect((await newest()).status).toBe('forceClosing')
      await stage.mineUntil(
        ours,
        'swept',
        (s) => s.channels.find((c) => c.channelId === id)?.status === 'closed',
        5,
      )
      const closed = await newest()
      const output = closed.closingOutputs.find((o) => o.kind === 'toLocal')
      expect(output).toMatchObject({ state: 'swept', amountSat: toLocal?.amountSat })
      const sweep = await stage.feeOf(output?.sweepTxid ?? '')
      const commitment = await stage.feeOf(closed.closeTxid ?? '')
      const anchors = format === 'static_remotekey' ? 0n : 660n
      expect(BigInt(output?.amountSat ?? 0)).toBe(
        (BigInt(localMsat) - (commitmentFee(commitment, closed) + anchors) * 1000n) / 1000n,
      )
      expect(before - (await walletSat(ours))).toBe(
        CAPACITY + fundingFee - BigInt(output?.amountSat ?? 0) + sweep,
      )
    })
  })
}

for (const format of FORMATS) {
  test(`${format}: LDK opened the channel and changes its feerate up and down`, async () => {
    const ldk = await stage.startLdk(format)
    const ours = await stage.startOurs(stage.folder(), format)
    try {
      await ldk.connect(ours.nodeId, '127.0.0.1', ours.port)
      await ldk.openChannel(ours.nodeId, CAPACITY, PUSH)
      await until(ours, 'the channel is seen', (s) => s.channels.length === 1)
      await stage.mineUntil(ours, 'open', (s) => s.channels[0]?.status === 'open')
      await ldk.until(() => ldk.listChannels()[0]?.usable === true, 'LDK can use it')
      for (const feerate of [2_500, 700]) {
        ldk.setFeerate(feerate)
        await until(ours, `feerate ${feerate}`, (s) => s.channels[0]?.feeratePerKw === feerate)
        expect(await pay(ours, ldk.createInvoice(2_000_000n, '').bolt11)).toMatchObject({ ok: true })
      }
      expect((await channelOf(ours)).localMsat).toBe(String(PUSH - 4_000_000n))
    } finally {
      await ours.stop()
      await ldk.stop()
    }
  })
}
