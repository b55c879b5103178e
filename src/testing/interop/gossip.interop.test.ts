import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import type { Graph } from '../../engine/router/graph.ts'
import { CHANNEL } from '../../engine/router/graph-terms.ts'
import { writeSnapshot } from '../../engine/router/snapshot-write.ts'
import { type Headless, startHeadless } from '../../playground/peer.ts'
import type { LdkNode } from '../ldk/types.ts'
import { createStage, pay, type Stage, until } from './stage.ts'

/** Public channels between ours and LDK: both halves of an announcement, and what a third node learns of it from gossip alone. */

let stage: Stage
beforeAll(async () => {
  stage = await createStage()
})
afterAll(() => stage.close())

const graphOf = (node: Headless): Graph => {
  const graph = node.host.running()?.setup.graph
  if (graph === undefined) throw new Error('no graph')
  return graph
}

async function eventually(
  what: string,
  holds: () => boolean,
  seen: () => unknown = () => '',
  ms = 20_000,
): Promise<void> {
  const end = Date.now() + ms
  while (!holds()) {
    if (Date.now() > end) throw new Error(`waited in vain: ${what}; ${JSON.stringify(seen())}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const start = (name: string, options: Partial<Parameters<typeof startHeadless>[0]> = {}) =>
  startHeadless({
    dataDir: stage.folder(),
    port: 0,
    esploraUrl: stage.esploraUrl,
    alias: name,
    gossipShelf: 100,
    gossipFlushMs: 0,
    ...options,
  })

describe('we, LDK, we', () => {
  let ada: Headless
  let lil: LdkNode
  let carol: Headless
  beforeAll(async () => {
    ada = await start('ada')
    carol = await start('carol')
    lil = await stage.startLdk('anchors_zero_fee_htlc_tx')
  })
  afterAll(async () => {
    await ada.stop()
    await carol.stop()
    await lil.stop()
  })

  async function blocks(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await stage.mine(ada, 1)
      await carol.client.refresh()
      await lil.sync()
    }
  }

  test('channels that lil opens and that we open are announced: LDK checks our half, we check its', async () => {
    await lil.connect(ada.nodeId, '127.0.0.1', ada.port)
    await lil.connect(carol.nodeId, '127.0.0.1', carol.port)
    await lil.openChannel(ada.nodeId, 2_000_000n, 1_000_000_000n, { announced: true })
    await until(ada, 'the channel is seen', (s) => s.channels.length === 1)
    await stage.mineUntil(ada, 'open', (s) => s.channels[0]?.status === 'open')
    await stage.fund(carol, 5_000_000n)
    const opening = carol.client.openChannel({
      peer: lil.nodeId,
      amountSat: '2000000',
      pushMsat: '900000000',
      announce: true,
    })
    for await (const update of opening) if (update.status === 'pending') break
    await until(carol, 'the channel is seen', (s) => s.channels.length === 1)
    await blocks(8)
    await until(carol, 'open', (s) => s.channels[0]?.status === 'open')
    await eventually('ada knows both channels', () => graphOf(ada).channelCount === 2)
    await eventually('carol knows both channels', () => graphOf(carol).channelCount === 2)
    const graph = graphOf(ada)
    for (let c = 0; c < 2; c++) expect(graph.has(c, CHANNEL.signed)).toBe(true)
    // Terms of all four directions: ours and, through gossip, LDK's.
    await eventually(
      'all terms are known',
      () => [0, 1, 2, 3].every((e) => graph.policy(e) !== undefined),
      () => ({
        terms: [0, 1, 2, 3].map((e) => [graph.nodeId(graph.ends[e] as number).slice(0, 8), graph.policy(e)]),
        gossip: ada.host.running()?.gossip.summary().gossip,
        names: { ada: ada.nodeId.slice(0, 8), lil: lil.nodeId.slice(0, 8), carol: carol.nodeId.slice(0, 8) },
      }),
    )
    expect(graph.nodeCount).toBe(3)
  })

  test('LDK took our announcements into its own graph', async () => {
    await eventually('lil has them', () => lil.graph().channels === 2)
  })

  test('ada pays carol through lil by what gossip told', async () => {
    const { invoice } = await carol.client.addInvoice({ amountMsat: '5000000' })
    const paid = await pay(ada, invoice)
    expect(paid).toMatchObject({ ok: true })
  })

  test('the graph is there again after a restart, before any peer has said a word', async () => {
    const dataDir = stage.folder()
    const dave = await start('dave', { dataDir })
    await lil.connect(dave.nodeId, '127.0.0.1', dave.port)
    await eventually('dave has synced', () => graphOf(dave).channelCount === 2)
    await dave.stop()
    const again = await start('dave', { dataDir })
    expect(graphOf(again).channelCount).toBe(2)
    expect(graphOf(again).nodeCount).toBe(3)
    await again.stop()
  })
})

describe('we, we, and a light node', () => {
  let ada: Headless
  let ben: Headless
  let server: Server
  let url = ''
  const served: string[] = []
  beforeAll(async () => {
    ada = await start('ada')
    ben = await start('ben')
    server = createServer((request, response) => {
      served.push(request.url ?? '')
      response.end(writeSnapshot(graphOf(ada), NETWORKS.regtest.chainHash, Math.floor(Date.now() / 1000)))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterAll(async () => {
    server.close()
    await ada.stop()
    await ben.stop()
  })
  const flags = (graph: Graph) => ({
    signed: graph.has(0, CHANNEL.signed),
    proven: graph.has(0, CHANNEL.proven),
    unspent: graph.has(0, CHANNEL.unspent),
    sat: graph.capacity[0],
  })
  const peerOf = (node: Headless) => ({ address: `${node.nodeId}@127.0.0.1:${node.port}` })

  test('a channel between two of ours is announced with its proof: a light node believes it by one signature and asks no server', async () => {
    await stage.fund(ada, 3_000_000n)
    await ada.client.connectPeer(peerOf(ben))
    for await (const update of ada.client.openChannel({
      peer: ben.nodeId,
      amountSat: '2000000',
      pushMsat: '900000000',
      announce: true,
    }))
      if (update.status === 'pending') break
    await until(ben, 'the channel is seen', (s) => s.channels.length === 1)
    for (let i = 0; i < 7; i++) {
      await stage.mine(ada, 1)
      await ben.client.refresh()
    }
    await until(ben, 'open', (s) => s.channels[0]?.status === 'open')
    const carol = await start('carol', { gossipShelf: 0 })
    await carol.client.refresh()
    await until(carol, 'she has headers', (s) => s.chain.synced)
    await carol.client.connectPeer(peerOf(ada))
    await eventually(
      'carol has it with its proof',
      () => graphOf(carol).channelCount === 1 && graphOf(carol).has(0, CHANNEL.proven),
      () => ({
        ada: ada.host.running()?.gossip.summary(),
        carol: carol.host.running()?.gossip.summary(),
      }),
    )
    expect(flags(graphOf(carol))).toEqual({ signed: true, proven: true, unspent: false, sat: 2_000_000 })
    const { counts } = carol.host.running()?.gossip.summary().gossip ?? {}
    expect(counts).toMatchObject({ forged: 0, unproven: 0, conflict: 0 })
    await carol.stop()
  })

  test('a snapshot of the same network makes hints, until a peer gives the signatures', async () => {
    const dave = await start('dave', { gossipShelf: 0 })
    await dave.client.refresh()
    await until(dave, 'he has headers', (s) => s.chain.synced)
    await dave.client.updateSettings({ snapshots: url })
    await eventually('dave has hints', () => graphOf(dave).hintCount === 1)
    expect(served).toEqual(['/0'])
    expect(flags(graphOf(dave))).toEqual({ signed: false, proven: false, unspent: false, sat: 0 })
    const view = await dave.client.describeGraph({})
    expect(view).toMatchObject({ channels: 1, signed: 0, snapshot: { url, state: 'done', hints: 1 } })
    // Whoever has signed it says so himself.
    await dave.client.connectPeer(peerOf(ada))
    await eventually('dave has the signatures', () => graphOf(dave).has(0, CHANNEL.signed))
    expect(graphOf(dave).hintCount).toBe(0)
    await dave.stop()
  })
})
