import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AppState } from '../../contract/schemas.ts'
import { type Bitcoind, startBitcoind } from '../../playground/bitcoind.ts'
import { createEsplora } from '../../playground/esplora.ts'
import { createMiner, type Miner } from '../../playground/miner.ts'
import { type Headless, startHeadless, untilState } from '../../playground/peer.ts'
import { createLdkNode } from '../ldk/node.ts'
import type { LdkNode } from '../ldk/types.ts'

/** This project's node against LDK, over TCP, on a real chain: in both directions, anchors and static_remotekey. */

let bitcoind: Bitcoind
let miner: Miner
let esploraUrl: string
let closeEsplora: () => Promise<void>
const folders: string[] = []

beforeAll(async () => {
  bitcoind = await startBitcoind()
  miner = createMiner({ rpc: bitcoind.rpc, key: new Uint8Array(32).fill(5) })
  await miner.ready()
  await miner.mine(1)
  const listening = await createEsplora({ rpc: bitcoind.rpc }).listen()
  esploraUrl = listening.url
  closeEsplora = () => listening.close()
})

afterAll(async () => {
  await closeEsplora()
  await bitcoind.stop()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'switchback-interop-'))
  folders.push(folder)
  return folder
}

const startOurs = (dataDir: string, formats: readonly string[]) =>
  startHeadless({ dataDir, port: 0, esploraUrl, formats })

/** Mines until the state holds: blocks come when something waits for them. */
async function mineUntil(node: Headless, holds: (state: AppState) => boolean): Promise<void> {
  let done = false
  const reached = untilState(node.client, holds).then(() => {
    done = true
  })
  for (let i = 0; i < 40 && !done; i++) {
    await miner.mine(1)
    await node.client.refresh()
    const { result } = await bitcoind.rpc
      .call<{ hash: string }>('getblockchaininfo')
      .then((r) => ({ result: r }))
    void result
    await Promise.race([reached, untilState(node.client, (s) => s.chain.height >= 0 && s.chain.synced)])
  }
  await reached
}

async function fund(node: Headless, sats: bigint): Promise<void> {
  const { address } = await node.client.newAddress()
  await miner.fund(address, sats)
  await miner.mine(1)
  await node.client.refresh()
  await untilState(node.client, (s) => BigInt(s.balances.onchainConfirmedSat) >= sats)
}

async function pay(node: Headless, invoice: string): Promise<string> {
  for await (const update of node.client.sendPayment({ invoice })) {
    if (update.status === 'succeeded') return update.preimage
    if (update.status === 'failed') throw new Error(update.error.message)
  }
  throw new Error('the stream ended')
}

const openChannelOf = (s: AppState) => s.channels.find((c) => c.status === 'open')

for (const format of ['anchors_zero_fee_htlc_tx', 'static_remotekey']) {
  describe(format, () => {
    let ldk: LdkNode
    let ours: Headless
    let ldkPort: number
    const dataDir = newFolder()

    beforeAll(async () => {
      ldk = await createLdkNode({
        chain: bitcoind.rpc,
        funder: miner,
        seed: new Uint8Array(32).fill(format.length),
        anchors: format !== 'static_remotekey',
      })
      ldkPort = await ldk.listen(0)
      ours = await startOurs(dataDir, [format])
      await fund(ours, 10_000_000n)
    })

    afterAll(async () => {
      await ours.stop()
      await ldk.stop()
    })

    test('we open, with push; we pay LDK and LDK pays us; a disconnection in between; we close', async () => {
      const peer = `${ldk.nodeId}@127.0.0.1:${ldkPort}`
      for await (const update of ours.client.openChannel({
        peer,
        amountSat: '2000000',
        pushMsat: '500000000',
      })) {
        if (update.status === 'pending') break
      }
      await mineUntil(ours, (s) => openChannelOf(s) !== undefined)
      const [channel] = await ours.client.listChannels()
      expect(channel?.format).toBe(format)
      expect(channel?.localMsat).toBe('1500000000')

      await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK can use the channel')
      const { bolt11 } = await ldk.createInvoice(12_345_678n, 'from us')
      const preimage = await pay(ours, bolt11)
      expect(preimage).toMatch(/^[0-9a-f]{64}$/)

      const invoice = await ours.client.addInvoice({ amountMsat: '7000001', description: 'from LDK' })
      const paid = await ldk.payInvoice(invoice.invoice)
      expect(paid).toMatchObject({ ok: true })
      await untilState(ours.client, (s) =>
        s.activity.some(
          (a) => a.kind === 'lightningReceived' && a.state === 'done' && a.amountMsat === '7000001',
        ),
      )

      // The link goes; both come back and go on.
      await ldk.disconnect(ours.nodeId)
      await untilState(
        ours.client,
        (s) => s.channels[0]?.connected === true && s.channels[0].status === 'open',
      )
      await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK is back')
      const second = await ldk.createInvoice(1_000n, 'after the break')
      await pay(ours, second.bolt11)

      // A restart from disk.
      await ours.stop()
      ours = await startOurs(dataDir, [format])
      await untilState(ours.client, (s) => s.channels[0]?.connected === true && s.chain.synced)
      await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK is back again')
      const third = await ldk.createInvoice(2_000_000n, 'after the restart')
      await pay(ours, third.bolt11)

      const before = (await ours.client.listChannels())[0]
      expect(BigInt(before?.localMsat ?? 0)).toBe(
        1_500_000_000n - 12_345_678n + 7_000_001n - 1_000n - 2_000_000n,
      )
      for await (const update of ours.client.closeChannel({ channelId: before?.channelId ?? '' })) {
        if (update.status === 'broadcast') break
      }
      await mineUntil(ours, (s) => s.channels[0]?.status === 'closed')
      expect((await ours.client.listChannels())[0]?.closedBy).toBe('mutual')
    })
  })
}
