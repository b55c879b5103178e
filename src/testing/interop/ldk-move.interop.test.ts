import { randomBytes } from 'node:crypto'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openFileStore } from '../../host/node/store-file.node.ts'
import { takeBack } from '../../host/move.ts'
import { createStage, pay, type Stage, until } from './stage.ts'

/** A wallet whose only peer is LDK, which keeps no copies for others, goes on from two devices. */

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

test('the second device stops by LDK’s word alone, and leaves the channel to the first', async () => {
  const ldk = await stage.startLdk('anchors_zero_fee_htlc_tx')
  const handedOut = stage.folder()
  const first = await stage.startOurs(handedOut, 'anchors_zero_fee_htlc_tx')
  const { nodeId } = first
  await stage.fund(first, 3_000_000n)
  const peer = `${ldk.nodeId}@127.0.0.1:${await ldk.listen()}`
  for await (const update of first.client.openChannel({
    peer,
    amountSat: '1000000',
    pushMsat: '300000000',
  }))
    if (update.status === 'pending') break
  await stage.mineUntil(first, 'open', (s) => s.channels[0]?.status === 'open')
  await ldk.until(() => ldk.listChannels().some((c) => c.usable), 'LDK can use it')
  await first.client.exportMove({ password: 'correct horse' })
  await first.stop()

  /** Another device that takes over what was handed out, as one does that opens the file. */
  const device = async () => {
    const dataDir = stage.folder()
    cpSync(handedOut, dataDir, { recursive: true })
    const store = await openFileStore(join(dataDir, 'store'))
    await takeBack(store, { network: 'regtest', nodeId }, () => Uint8Array.from(randomBytes(32)))
    await store.close()
    return { dataDir, start: () => stage.startOurs(dataDir, 'anchors_zero_fee_htlc_tx') }
  }
  const [one, two] = [await device(), await device()]
  let a = await one.start()
  const proven = () => until(a, 'proven', (s) => s.channels[0]?.connected === true && !s.channels[0].unproven)
  await proven()
  expect(await pay(a, ldk.createInvoice(20_000_000n, '').bolt11)).toMatchObject({ ok: true })

  // LDK takes one connection a node id: while the first device is there, the second one hears nothing, and does nothing.
  const b = await two.start()
  await until(b, 'the call has ended', (s) => s.peers.some((p) => p.lastError !== undefined))
  expect((await b.client.listChannels())[0]).toMatchObject({ connected: false, unproven: {} })
  await a.stop()
  await until(b, 'it has stopped', (s) => s.phase === 'moved')
  await b.stop()

  // LDK has heard nothing old, and goes on with the first.
  a = await one.start()
  await proven()
  expect(await pay(a, ldk.createInvoice(10_000_000n, '').bolt11)).toMatchObject({ ok: true })
  expect(await stage.rpc.call('getrawmempool')).toEqual([])
  await a.stop()
  await ldk.stop()
})
