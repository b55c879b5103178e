import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Channel } from '../../contract/schemas.ts'
import type { Headless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { channelOf, createStage, pay, type Stage, until } from './stage.ts'

/**
 * One node as it ships, on a real chain: lcp with a node of this project, anchors with LDK, in either direction, at the same time;
 * and a channel that was opened before the node knew of lcp stays what it was.
 */

let stage: Stage
let ours: Headless
let other: Headless
let old: Headless
let ldk: LdkNode
let ourFolder: string
let oldFolder: string
let ldkPort: number

beforeAll(async () => {
  stage = await createStage()
  ourFolder = stage.folder()
  oldFolder = stage.folder()
  ldk = await stage.startLdk('anchors_zero_fee_htlc_tx')
  ldkPort = await ldk.listen()
  ours = await stage.startOurs(ourFolder)
  other = await stage.startOurs(stage.folder())
  old = await stage.startOurs(oldFolder, 'anchors_zero_fee_htlc_tx')
  for (const node of [ours, old]) await stage.fund(node, 10_000_000n)
})
afterAll(async () => {
  for (const node of [ours, other, old]) await node?.stop()
  await ldk?.stop()
  await stage?.close()
})

const addressOf = (node: Headless) => `${node.nodeId}@127.0.0.1:${node.port}`
const channelWith = async (node: Headless, peer: string): Promise<Channel> => {
  const found = (await node.client.listChannels()).find((c) => c.peer === peer)
  if (found === undefined) throw new Error(`no channel with ${peer}`)
  return found
}

async function open(from: Headless, peer: string): Promise<void> {
  const input = { peer, amountSat: '1000000', pushMsat: '400000000' }
  for await (const update of from.client.openChannel(input)) if (update.status === 'pending') return
}
const allOpen = (s: { channels: readonly Channel[] }) => s.channels.every((c) => c.status === 'open')

async function payBetween(from: Headless, to: Headless, amountMsat: bigint): Promise<void> {
  const { invoice } = await to.client.addInvoice({ amountMsat: String(amountMsat) })
  expect(await pay(from, invoice)).toMatchObject({ ok: true })
}

test('with LDK we open anchors and LDK opens anchors with us; payments go both ways', async () => {
  await open(ours, `${ldk.nodeId}@127.0.0.1:${ldkPort}`)
  await stage.mineUntil(ours, 'open', allOpen)
  expect(await channelOf(ours)).toMatchObject({ format: 'anchors_zero_fee_htlc_tx', role: 'opener' })
  await ldk.openChannel(ours.nodeId, 1_000_000n, 400_000_000n)
  await until(ours, 'the second channel', (s) => s.channels.length === 2)
  await stage.mineUntil(ours, 'open', allOpen)
  const formats = (await ours.client.listChannels()).map((c) => `${c.role} ${c.format}`)
  expect(formats.sort()).toEqual(['accepter anchors_zero_fee_htlc_tx', 'opener anchors_zero_fee_htlc_tx'])
  await ldk.until(() => ldk.listChannels().filter((c) => c.usable).length === 2, 'LDK can use both')
  expect(await pay(ours, ldk.createInvoice(10_000_001n, 'to LDK').bolt11)).toMatchObject({ ok: true })
  const { invoice } = await ours.client.addInvoice({ amountMsat: '20000003' })
  expect(await ldk.payInvoice(invoice)).toMatchObject({ ok: true })
})

test('with a node of this project it is lcp, which outlives restarts and closes cooperatively', async () => {
  await open(ours, addressOf(other))
  const pending = await ours.client.pendingChannels()
  expect(pending.map((c) => c.format)).toEqual(['lcp'])
  await stage.mineUntil(ours, 'open', allOpen)
  await stage.mineUntil(other, 'open', allOpen)
  expect(await channelWith(ours, other.nodeId)).toMatchObject({ format: 'lcp', localMsat: '600000000' })
  expect(await channelOf(other)).toMatchObject({ format: 'lcp', localMsat: '400000000' })
  await payBetween(ours, other, 50_000_000n)
  await payBetween(other, ours, 20_000_001n)

  await ours.stop()
  ours = await stage.startOurs(ourFolder)
  await until(
    ours,
    'all back',
    (s) => s.channels.length === 3 && s.channels.every((c) => c.connected) && s.chain.synced,
  )
  await payBetween(ours, other, 1_000n)
  const { channelId, localMsat } = await channelWith(ours, other.nodeId)
  expect(BigInt(localMsat)).toBe(600_000_000n - 50_000_000n + 20_000_001n - 1_000n)
  for await (const update of ours.client.closeChannel({ channelId })) if (update.status === 'broadcast') break
  const closed = (s: { channels: readonly Channel[] }) =>
    s.channels.some((c) => c.channelId === channelId && c.status === 'closed')
  await stage.mineUntil(ours, 'closed', closed)
  expect(await channelWith(ours, other.nodeId)).toMatchObject({ closedBy: 'mutual' })
})

test('a channel from before stays what it was when its node learns lcp, and the next one is lcp', async () => {
  await open(old, addressOf(other))
  await stage.mineUntil(old, 'open', allOpen)
  await stage.mineUntil(other, 'open', (s) =>
    s.channels.some((c) => c.peer === old.nodeId && c.status === 'open'),
  )
  expect((await channelOf(old)).format).toBe('anchors_zero_fee_htlc_tx')
  await payBetween(old, other, 1_000_000n)

  await old.stop()
  old = await stage.startOurs(oldFolder)
  await until(old, 'back', (s) => s.channels[0]?.connected === true && s.chain.synced)
  expect((await channelOf(old)).format).toBe('anchors_zero_fee_htlc_tx')
  await payBetween(old, other, 2_000_000n)
  await payBetween(other, old, 500_000n)
  await open(old, addressOf(other))
  await stage.mineUntil(old, 'both open', allOpen)
  expect((await old.client.listChannels()).map((c) => c.format).sort()).toEqual([
    'anchors_zero_fee_htlc_tx',
    'lcp',
  ])
})
