import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createLdkNode } from '../testing/ldk/node.ts'
import type { LdkNode, LdkOptions } from '../testing/ldk/types.ts'
import { type Bitcoind, startBitcoind } from './bitcoind.ts'
import { createMiner, type Miner } from './miner.ts'

let bitcoind: Bitcoind
let miner: Miner
const nodes: LdkNode[] = []

beforeAll(async () => {
  bitcoind = await startBitcoind()
  miner = createMiner({ rpc: bitcoind.rpc })
  await miner.ready()
})
afterEach(async () => {
  for (const node of nodes.splice(0)) await node.stop()
})
afterAll(async () => {
  await bitcoind?.stop()
})

async function node(seed: number, options: Partial<LdkOptions> = {}): Promise<LdkNode> {
  const made = await createLdkNode({
    chain: bitcoind.rpc,
    funder: miner,
    seed: new Uint8Array(32).fill(seed),
    ...options,
  })
  nodes.push(made)
  return made
}
const mine = async (count: number, ...who: LdkNode[]): Promise<void> => {
  await miner.mine(count)
  await Promise.all(who.map((one) => one.sync()))
}
async function channel(a: LdkNode, b: LdkNode, sat = 1_000_000n, pushMsat = 300_000_000n): Promise<string> {
  const port = await b.listen()
  await a.connect(b.nodeId, '127.0.0.1', port)
  const id = await a.openChannel(b.nodeId, sat, pushMsat)
  await a.waitFor('broadcast')
  await mine(6, a, b)
  for (const one of [a, b]) await one.until(() => one.listChannels().some((c) => c.usable), 'usable channel')
  return id
}

describe.each([
  ['static_remotekey', false],
  ['anchors', true],
] as const)('two LDK nodes over real TCP on a real chain: %s', (type, anchors) => {
  it('open, pay both ways, close cooperatively', async () => {
    const [a, b] = [await node(1, { anchors }), await node(2, { anchors })]
    const id = await channel(a, b)
    expect(a.listChannels()).toMatchObject([
      { channelId: id, type, capacitySat: 1_000_000n, isOpener: true, announced: false, peer: b.nodeId },
    ])
    const { bolt11: invoice } = b.createInvoice(25_000_000n, 'coffee')
    expect(await a.payInvoice(invoice)).toMatchObject({ ok: true, feeMsat: 0n })
    expect(await b.payInvoice(a.createInvoice(undefined, 'any').bolt11, 7_000_000n)).toMatchObject({
      ok: true,
    })
    expect(await a.payInvoice(invoice)).toMatchObject({ ok: false })
    expect(await b.keysend(a.nodeId, 1_000_000n)).toMatchObject({ ok: true })
    expect(await a.payInvoice(b.createInvoice(2_000_000_000n, 'too much').bolt11)).toMatchObject({
      ok: false,
    })

    a.closeChannel(id)
    const closed = await a.waitFor('channelClosed')
    expect(closed.reason).toContain('cooperative')
    await b.waitFor('channelClosed')
    expect(a.listChannels()).toEqual([])
    await mine(6, a, b)
    for (const one of [a, b]) await one.waitFor('swept')
    expect([...a.events, ...b.events].filter((e) => e.type === 'fault')).toEqual([])
  })

  it('hold, fail back, and settle on chain after a force close', async () => {
    const [a, b] = [await node(3, { anchors }), await node(4, { anchors, policy: 'hold' })]
    const id = await channel(a, b)
    const paid = a.payInvoice(b.createInvoice(30_000_000n, 'held').bolt11)
    const claimable = await b.waitFor('paymentClaimable')
    b.fail(claimable.paymentHash)
    expect(await paid).toEqual({ ok: false, reason: 'RecipientRejected' })

    void a.payInvoice(b.createInvoice(40_000_000n, 'claimed on chain').bolt11)
    const second = await b.waitFor('paymentClaimable', (e) => e.amountMsat === 40_000_000n)
    a.disconnect(b.nodeId)
    a.forceClose(id)
    await a.waitFor('broadcast', undefined, { after: a.events.findIndex((e) => e.type === 'channelClosed') })
    await mine(1, a, b)
    // b takes it with the preimage, on chain; a reads the preimage in the block.
    const after = b.events.length
    b.claim(second.paymentHash)
    await b.waitFor('broadcast', (e) => e.error === undefined, { after })
    await mine(6, a, b)
    await a.waitFor('paymentSent', (e) => e.paymentHash === second.paymentHash)
    await mine(144, a, b)
    await mine(6, a, b)
    for (const one of [a, b]) await one.waitFor('swept')
  })
})

it('comes back from its files with its channel, after blocks it has missed and a reorg', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'switchback-ldk-'))
  try {
    const a = await node(5, { dataDir })
    const b = await node(6)
    const id = await channel(a, b)
    expect(await a.payInvoice(b.createInvoice(5_000_000n, 'before').bolt11)).toMatchObject({ ok: true })
    await a.stop()
    await b.until(() => b.peers().length === 0, 'disconnection')
    await miner.reorg(2)
    await b.sync()

    const again = await node(5, { dataDir })
    expect(again.nodeId).toBe(a.nodeId)
    expect(again.tip().hash).toBe(await bitcoind.rpc.call<string>('getbestblockhash'))
    expect(again.listChannels().map((c) => c.channelId)).toEqual([id])
    await again.connect(b.nodeId, '127.0.0.1', await b.listen())
    await again.until(() => again.listChannels().some((c) => c.usable), 'reestablished channel')
    expect(await again.payInvoice(b.createInvoice(6_000_000n, 'after').bolt11)).toMatchObject({ ok: true })
    expect(await b.payInvoice(again.createInvoice(7_000_000n, 'back').bolt11)).toMatchObject({ ok: true })
  } finally {
    rmSync(dataDir, { recursive: true, force: true })
  }
})
