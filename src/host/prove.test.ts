import { describe, expect, test } from 'vitest'
import { toHex } from '../engine/base/bytes.ts'
import { encodeHeader } from '../engine/bitcoin/header.ts'
import { txidFromBytes, txidOf, decodeTx } from '../engine/bitcoin/tx.ts'
import type { EsploraRequest, EsploraResult } from '../engine/chain/esplora.ts'
import type { HeaderChain } from '../engine/chain/headers.ts'
import { fundingProgram } from '../engine/router/announcement.ts'
import { createGraph, type Graph } from '../engine/router/graph.ts'
import { CHANNEL } from '../engine/router/graph-terms.ts'
import type { ProvenChannelAnnouncement } from '../engine/wire/messages.ts'
import { keysOf } from '../testing/network/signed.ts'
import { provenChannel } from '../testing/network/proven.ts'
import { createOwnProofs, keptProofs, type OwnProven } from './prove-own.ts'
import { createProver, type ProverView } from './prove.ts'

const HEIGHT = 288
const { message, header, capacitySat } = provenChannel(keysOf(1), keysOf(2), HEIGHT, 5, 9)
const scid = message.shortChannelId
const program = fundingProgram(message.bitcoinKey1, message.bitcoinKey2)
const tx = decodeTx(message.fundingTx)
if (!tx.ok) throw new Error('no transaction')
const txid = txidOf(tx.value)

/** Headers from this height on; that of `HEIGHT` is the block of the channel. */
function chain(base = HEIGHT): HeaderChain {
  const bytes = encodeHeader({
    version: 1,
    prevHash: '00'.repeat(32),
    merkleRoot: header.merkleRoot,
    time: 1,
    bits: 0x207fffff,
    nonce: 0,
  })
  return {
    network: 'regtest',
    base,
    chunks: [{ start: base, bytes }],
    tip: { height: base, hash: 'ff'.repeat(32), time: 1, work: 1n },
  }
}

type Answer = (request: EsploraRequest) => unknown

/** An honest server, but for what `change` answers. */
const honest =
  (change: Answer = () => undefined): Answer =>
  (request) => {
    const changed = change(request)
    if (changed !== undefined) return changed
    switch (request.kind) {
      case 'history':
        return [{ txid, status: { confirmed: true, block_height: HEIGHT } }]
      case 'tx':
        return toHex(message.fundingTx)
      case 'merkleProof':
        return { block_height: HEIGHT, pos: 5, merkle: message.branch.map(txidFromBytes) }
      case 'outspend':
        return { spent: false }
      default:
        return undefined
    }
  }

function world(servers: Readonly<Record<string, Answer>>, view: Partial<ProverView> = {}) {
  const graph = createGraph()
  const asked: string[] = []
  let now = 1_000_000
  const state: ProverView = {
    chain: { headers: chain(), servers: Object.keys(servers).map((url) => ({ url })) },
    syncedAt: 1,
    ...view,
  }
  const request = async (server: string, question: EsploraRequest): Promise<EsploraResult> => {
    asked.push(`${server} ${question.kind}`)
    const value = servers[server]?.(question)
    return value === undefined
      ? { ok: false, error: { kind: 'http', message: 'no', status: 500 } }
      : { ok: true, value }
  }
  const prover = createProver({ graph, state: () => state, request, now: () => now })
  return {
    graph,
    asked,
    prover,
    state,
    request,
    now: () => now,
    /** So much later, and everything that then happens. */
    async later(ms: number) {
      now += ms
      prover.tick()
      await settled()
    },
  }
}

/** Promises of fakes are through after a few turns of the event loop. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve()
}

function announce(graph: Graph, id = scid): number {
  return graph.addChannel({
    scid: id,
    nodeId1: message.nodeId1,
    nodeId2: message.nodeId2,
    capacitySat: 0,
    witnessProgram: program,
    flags: CHANNEL.signed,
  })
}

const steps = (graph: Graph, slot: number): string =>
  (['proven', 'unspent', 'spent'] as const).filter((name) => graph.has(slot, CHANNEL[name])).join(' ')

describe('a channel that somebody wants to use', () => {
  test('is proven against our header, with its capacity, and unspent where all servers say so', async () => {
    const w = world({ a: honest(), b: honest() })
    const slot = announce(w.graph)
    w.prover.want([scid])
    await w.later(0)
    expect([steps(w.graph, slot), w.graph.capacity[slot]]).toEqual(['proven unspent', capacitySat])
    expect(w.asked).toEqual(['a history', 'a tx', 'a merkleProof', 'a outspend', 'b outspend'])
    // Once is enough.
    w.prover.want([scid])
    await w.later(10_000)
    expect(w.asked.length).toBe(5)
  })

  test('that its announcement has proven still lacks the third step, which no message can tell, and gets it', async () => {
    const w = world({ a: honest(), b: honest() })
    const slot = announce(w.graph)
    w.graph.mark(slot, CHANNEL.proven)
    expect(steps(w.graph, slot)).toBe('proven')
    w.prover.want([scid])
    await w.later(0)
    expect(steps(w.graph, slot)).toBe('proven unspent')
    const spent = world({ a: honest() })
    spent.graph.mark(announce(spent.graph), CHANNEL.spent)
    spent.prover.want([scid])
    await spent.later(0)
    expect(spent.asked).toEqual([])
  })

  test('is not called unspent where one server tells of a spend, and spent only where all do', async () => {
    const spend = honest((r) =>
      r.kind === 'outspend'
        ? { spent: true, txid: 'aa'.repeat(32), vin: 0, status: { confirmed: true, block_height: HEIGHT } }
        : undefined,
    )
    for (const [servers, said] of [
      [{ a: honest(), b: spend }, 'proven'],
      [{ a: spend, b: spend }, 'proven spent'],
    ] as const) {
      const w = world(servers)
      const slot = announce(w.graph)
      w.prover.want([scid])
      await w.later(0)
      expect(steps(w.graph, slot)).toBe(said)
    }
  })

  test('is not believed on a server’s word: another transaction, another branch, another place, nonsense', async () => {
    const lies: readonly Answer[] = [
      honest((r) =>
        r.kind === 'tx' ? toHex(provenChannel(keysOf(1), keysOf(2), 7, 5, 9).message.fundingTx) : undefined,
      ),
      honest((r) =>
        r.kind === 'merkleProof' ? { block_height: HEIGHT, pos: 5, merkle: ['ab'.repeat(32)] } : undefined,
      ),
      honest((r) =>
        r.kind === 'merkleProof'
          ? { block_height: HEIGHT, pos: 4, merkle: message.branch.map(txidFromBytes) }
          : undefined,
      ),
      honest((r) => (r.kind === 'tx' ? 'zz' : undefined)),
      honest((r) => (r.kind === 'history' ? { no: 'list' } : undefined)),
    ]
    for (const lie of lies) {
      const alone = world({ a: lie })
      const slot = announce(alone.graph)
      alone.prover.want([scid])
      await alone.later(0)
      expect([steps(alone.graph, slot), alone.graph.channelCount]).toEqual(['', 1])
      // The next server is asked where the first one's answer leads nowhere.
      const both = world({ a: lie, b: honest((r) => (r.kind === 'outspend' ? { spent: false } : undefined)) })
      const other = announce(both.graph)
      both.prover.want([scid])
      await both.later(0)
      expect(steps(both.graph, other)).toContain('proven')
    }
  })

  test('goes, where the chain shows that its output pays to other keys', async () => {
    const w = world({ a: honest() })
    w.graph.addChannel({
      scid: scid - 1n,
      nodeId1: message.nodeId1,
      nodeId2: message.nodeId2,
      capacitySat: 0,
      witnessProgram: program,
      flags: CHANNEL.signed,
    })
    w.prover.want([scid - 1n])
    await w.later(0)
    expect(w.graph.channelCount).toBe(0)
  })

  test('that cannot be proven is asked about once an hour, one channel every two seconds, the last wanted first', async () => {
    const w = world({ a: () => undefined })
    announce(w.graph)
    announce(w.graph, scid + 1n)
    w.prover.want([scid])
    w.prover.want([scid + 1n])
    await w.later(0)
    await w.later(1_000)
    expect(w.asked.length).toBe(1)
    await w.later(1_000)
    expect(w.asked.length).toBe(2)
    w.prover.want([scid, scid + 1n])
    await w.later(3_000)
    expect(w.asked.length).toBe(2)
    w.prover.want([scid])
    await w.later(3_600_000)
    expect(w.asked.length).toBe(3)
  })

  test('that two stories are told of waits for all others, and is asked about once a minute: anybody can tell such', async () => {
    const w = world({ a: () => undefined })
    for (let n = 0n; n < 4n; n++) announce(w.graph, scid + n)
    w.prover.doubt([scid + 1n, scid + 2n, scid + 3n])
    w.prover.want([scid])
    await w.later(0)
    expect(w.asked.length).toBe(1)
    await w.later(3_000)
    expect(w.asked.length).toBe(2)
    await w.later(50_000)
    expect(w.asked.length).toBe(2)
    await w.later(20_000)
    expect(w.asked.length).toBe(3)
  })

  test('of a block below our headers, or before we are synced, is not asked about: nothing could be checked', async () => {
    const below = world({ a: honest() }, { chain: { headers: chain(HEIGHT + 144), servers: [{ url: 'a' }] } })
    announce(below.graph)
    below.prover.want([scid])
    await below.later(0)
    expect(below.asked).toEqual([])
    const early = world({ a: honest() }, { chain: { headers: chain(), servers: [{ url: 'a' }] } })
    announce(early.graph)
    const { syncedAt: _, ...unsynced } = early.state
    const prover = createProver({
      graph: early.graph,
      state: () => unsynced,
      request: early.request,
      now: early.now,
    })
    prover.want([scid])
    prover.tick()
    await settled()
    expect(early.asked).toEqual([])
  })
})

describe('the proof of an announcement of our own', () => {
  const { type: _, signature, branch: _b, fundingTx: _f, ...words } = message
  const item: OwnProven = { kind: 'proven', words, signature, fundingTxid: txid }

  function own(servers: Readonly<Record<string, Answer>>, kept: ReadonlyMap<bigint, Uint8Array> = new Map()) {
    const w = world(servers)
    const published: ProvenChannelAnnouncement[] = []
    const proofs = createOwnProofs({
      network: 'regtest',
      state: () => w.state,
      request: w.request,
      now: w.now,
      kept,
      publish: (m) => published.push(m),
    })
    return {
      ...w,
      published,
      proofs,
      async later(ms: number) {
        await w.later(ms)
        proofs.tick()
        await settled()
      },
    }
  }
  const stored = (w: ReturnType<typeof own>) =>
    keptProofs(
      new Map(w.proofs.takeWrites().flatMap(({ key, value }) => (value === null ? [] : [[key, value]]))),
    )

  test('is fetched, checked against our own header, told and kept; a restart asks nobody', async () => {
    const w = own({ a: honest() })
    w.proofs.announce(item)
    await w.later(0)
    expect(w.published).toEqual([message])
    const again = own({ a: honest() }, stored(w))
    again.proofs.announce(item)
    await again.later(60_000)
    expect(again.published).toEqual([message])
    expect(again.asked).toEqual([])
  })

  test('that a server lies about is not told; it is tried again in a minute, and with the next server at once', async () => {
    const lie = honest((r) =>
      r.kind === 'merkleProof' ? { block_height: HEIGHT, pos: 5, merkle: ['ab'.repeat(32)] } : undefined,
    )
    const w = own({ a: lie })
    w.proofs.announce(item)
    await w.later(0)
    await w.later(30_000)
    expect([w.published, w.asked.length]).toEqual([[], 2])
    await w.later(30_000)
    expect(w.asked.length).toBe(4)
    const both = own({ a: lie, b: honest() })
    both.proofs.announce(item)
    await both.later(0)
    expect(both.published).toEqual([message])
  })

  test('of an earlier signature, of a block that is no longer ours, or of a closed channel is not told', async () => {
    const w = own({ a: honest() })
    w.proofs.announce(item)
    await w.later(0)
    const kept = stored(w)
    const other = own({ a: () => undefined }, kept)
    other.proofs.announce({ ...item, signature: signature.map((b, i) => (i === 0 ? b ^ 1 : b)) })
    expect(other.published).toEqual([])
    const moved = own({ a: honest() }, kept)
    Object.assign(moved.state.chain, { headers: { ...chain(HEIGHT + 144), base: HEIGHT + 144 } })
    moved.proofs.announce(item)
    await moved.later(0)
    expect([moved.published, moved.asked]).toEqual([[], []])
    const closed = own({ a: honest() })
    closed.proofs.announce(item)
    closed.proofs.forget(scid)
    await closed.later(0)
    expect(closed.published).toEqual([])
    expect(closed.proofs.takeWrites()).toEqual([{ key: `graph/own/${scid}`, value: null }])
  })
})
