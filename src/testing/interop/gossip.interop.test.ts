import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Graph } from '../../engine/router/graph.ts'
import { CHANNEL } from '../../engine/router/graph-terms.ts'
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
