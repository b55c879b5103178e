import { Worker } from 'node:worker_threads'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { checkProven, proofOf } from '../../engine/router/aggregate.ts'
import { checkAnnouncement, updateSignedBy } from '../../engine/router/announcement.ts'
import { Gossip } from '../../engine/router/gossip.ts'
import { createGraph, type Graph } from '../../engine/router/graph.ts'
import { markAllDirty, takeWrites } from '../../engine/router/graph-records.ts'
import { checkFunding } from '../../engine/router/proof.ts'
import { SnapshotReader } from '../../engine/router/snapshot.ts'
import { writeSnapshot } from '../../engine/router/snapshot-write.ts'
import { encodeMessage } from '../../engine/wire/encode.ts'
import { encodeFeatures } from '../../engine/wire/features.ts'
import type { Message } from '../../engine/wire/messages.ts'
import { unwrap } from '../../engine/base/result.ts'
import { SNAPSHOT_SLICE } from '../../host/snapshots.ts'
import { generateNetwork } from '../network/generate.ts'
import { provenChannel } from '../network/proven.ts'
import { announcementOf, keysOf, updateOf } from '../network/signed.ts'
import { seeded } from '../random.ts'
import { HUGE, loading, payment, percentile, round, SIZE, wallet } from './routes.ts'
import { millisecondsOf } from './time.ts'
import type { Bench, Figures } from './types.ts'

/** Gossip: what it costs to check, to keep and to load, on a network of the real one's size and shape (`network/generate.ts` states it). */

const NOW = 1_760_100_000
const CHAIN = NETWORKS.regtest.chainHash
const ROUTES = Number(process.env['BENCH_ROUTES'] ?? 400)

const perSecond = (ms: number, each = 1): number => round((1000 / ms) * each)

/** Checks alone, and messages through the whole machine: decoded, judged, put into the graph. */
function checking(): Figures {
  const [a, b] = [keysOf(1), keysOf(2)]
  const { message, header } = provenChannel(a, b, 1000, 1234)
  const scid = message.shortChannelId
  const announcement = announcementOf(a, b, scid)
  const update = updateOf(a, b, scid, NOW)
  const proof = proofOf(message)
  // Of the true keys: the announcement's are others, and a check of hashes does not care which.
  const witnessProgram = unwrap(checkProven(message, CHAIN, header)).witnessProgram
  const must = (ok: boolean): void => {
    if (!ok) throw new Error('a check failed')
  }
  const four = millisecondsOf(() => must(checkAnnouncement(announcement, CHAIN).ok))
  const proven = millisecondsOf(() => {
    must(checkAnnouncement(announcement, CHAIN).ok)
    must(checkFunding({ scid, witnessProgram }, proof, header).ok)
  })
  const proofAlone = millisecondsOf(() => must(checkFunding({ scid, witnessProgram }, proof, header).ok))
  const aggregate = millisecondsOf(() => must(checkProven(message, CHAIN, header).ok))
  const one = millisecondsOf(() => must(updateSignedBy(update, a.id)))
  return {
    announcementsPerSecond: perSecond(four),
    signaturesPerSecond: perSecond(four, 4),
    announcementsWithProofPerSecond: perSecond(proven),
    signaturesWithProofPerSecond: perSecond(proven, 4),
    proofsPerSecond: perSecond(proofAlone),
    aggregateWithProofPerSecond: perSecond(aggregate),
    updatesPerSecond: perSecond(one),
    announcementBytes: encodeMessage(announcement).length,
    aggregateWithProofBytes: encodeMessage(message).length,
  }
}

/** Messages of a stretch of the network, all signed, through the machine of a wallet. */
function machine(): Figures {
  const keys = Array.from({ length: 40 }, (_, i) => keysOf(i + 1))
  const random = seeded(8)
  const run = (
    messages: readonly Message[],
    headerAt?: (height: number) => { merkleRoot: string },
  ): number => {
    const gossip = new Gossip(createGraph(), {
      network: 'regtest',
      nodeId: '02'.padEnd(66, '0'),
      ...(headerAt === undefined ? {} : { headerAt }),
    })
    gossip.tick(NOW * 1000, 1_000_000)
    gossip.connected('peer', encodeFeatures([7, 267]), NOW * 1000)
    const bytes = messages.map(encodeMessage)
    const began = performance.now()
    for (const message of bytes) gossip.receive('peer', message)
    while (gossip.work(1000, NOW * 1000));
    const ms = performance.now() - began
    if (gossip.counts.accepted !== messages.length) throw new Error(JSON.stringify(gossip.counts))
    return ms
  }
  const pairs = Array.from({ length: 300 }, (_, i) => {
    const [a, b] = [random.int(20), 20 + random.int(20)]
    return { a: keys[a] as (typeof keys)[0], b: keys[b] as (typeof keys)[0], height: 1000 + i }
  })
  const withUpdates = (
    announce: Message,
    a: (typeof keys)[0],
    b: (typeof keys)[0],
    scid: bigint,
  ): Message[] => [announce, updateOf(a, b, scid, NOW - 100), updateOf(b, a, scid, NOW - 100)]
  const plain = pairs.flatMap(({ a, b, height }) => {
    const scid = (BigInt(height) << 40n) | 1n
    return withUpdates(announcementOf(a, b, scid), a, b, scid)
  })
  const channels = pairs.map(({ a, b, height }) => ({ a, b, ...provenChannel(a, b, height, 3, 512) }))
  const proven = channels.flatMap(({ a, b, message }) => withUpdates(message, a, b, message.shortChannelId))
  const headers = new Map(
    channels.map(({ message, header }) => [Number(message.shortChannelId >> 40n), header]),
  )
  run(plain.slice(0, 30))
  const four = run(plain)
  const aggregate = run(proven, (height) => headers.get(height) ?? { merkleRoot: '' })
  return {
    machineChannelsPerSecond: perSecond(four, pairs.length),
    machineAggregateChannelsPerSecond: perSecond(aggregate, pairs.length),
    wholeNetworkSeconds: round((four / pairs.length / 1000) * SIZE.channels),
    wholeNetworkAggregateSeconds: round((aggregate / pairs.length / 1000) * SIZE.channels),
  }
}

function snapshots(graph: Graph): Figures {
  const began = performance.now()
  const bytes = writeSnapshot(graph, CHAIN, NOW)
  const writeMs = performance.now() - began
  const into = createGraph()
  const reader = new SnapshotReader(into, bytes, { chainHash: CHAIN, nowSeconds: NOW, height: 0 })
  let longest = 0
  let total = 0
  for (let done = false; !done; ) {
    const from = performance.now()
    done = unwrap(reader.step(SNAPSHOT_SLICE))
    const ms = performance.now() - from
    longest = Math.max(longest, ms)
    total += ms
  }
  return {
    snapshotMB: round(bytes.length / 1e6),
    snapshotWriteMs: round(writeMs),
    snapshotApplyMs: round(total),
    snapshotLongestSliceMs: round(longest),
    snapshotArraysMB: round(into.bytes() / 1e6),
    snapshotHints: reader.counts.hints,
  }
}

/** Routes asked of a worker that holds the graph: the time in it, and the time until the answer is here. */
async function inWorker(graph: Graph, count: number): Promise<Figures> {
  markAllDirty(graph)
  const records = takeWrites(graph).map((w) => [w.key, w.value] as const)
  const began = performance.now()
  // A thread does not inherit the loader of TypeScript that this one runs on.
  const file = new URL('./gossip-worker.ts', import.meta.url).href
  const source = `import('tsx/esm/api').then(({ register }) => { register(); return import('${file}') })`
  const worker = new Worker(source, { eval: true, workerData: { records } })
  const next = () =>
    new Promise<unknown>((resolve, reject) => {
      worker.once('message', (value) => {
        worker.off('error', reject)
        resolve(value)
      })
      worker.once('error', reject)
    })
  await next()
  const readyMs = performance.now() - began
  const random = seeded(2)
  const locals = wallet(graph, random)
  const inside: number[] = []
  const outside: number[] = []
  for (let i = 0; i < count + 20; i++) {
    const answer = next()
    const from = performance.now()
    worker.postMessage(payment(graph, random, locals))
    const { ms } = (await answer) as { readonly ms: number }
    if (i < 20) continue
    inside.push(ms)
    outside.push(performance.now() - from)
  }
  await worker.terminate()
  return {
    workerReadyMs: round(readyMs),
    workerRouteP50Ms: percentile(inside, 0.5),
    workerRouteP99Ms: percentile(inside, 0.99),
    workerAnswerP50Ms: percentile(outside, 0.5),
    workerAnswerP99Ms: percentile(outside, 0.99),
  }
}

const prefixed = (prefix: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${prefix}:${name}`, value]))

export const gossip: Bench = {
  name: 'gossip',
  about: 'checking, keeping and loading the network: 15,000 nodes, 50,000 channels, and ten times as much',
  onDemand: true,
  async run() {
    const { graph } = generateNetwork(SIZE)
    const figures: Figures = {
      ...checking(),
      ...machine(),
      ...loading(graph),
      ...snapshots(graph),
      ...(await inWorker(graph, ROUTES)),
    }
    if (process.env['BENCH_TENFOLD'] === '0') return figures
    const huge = generateNetwork(HUGE).graph
    return {
      ...figures,
      // A snapshot of it is larger than what is read: hints are bounded.
      ...prefixed('tenfold', {
        ...loading(huge),
        snapshotMB: round(writeSnapshot(huge, CHAIN, NOW).length / 1e6),
        ...(await inWorker(huge, 40)),
      }),
    }
  },
}
