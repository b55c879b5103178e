import type { GraphView, NodeView, RoutesView } from '../contract/graph-view.ts'
import type { Output } from '../contract/procedures.ts'
import type { ReceivePreview } from '../contract/receive-view.ts'
import type { AppState, Invoice, Payment } from '../contract/schemas.ts'
import { fakeHash, fakeKey, PEERS } from './fake-data.ts'

/** The payment network of the demo, and ways through it. */

const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()

/** Nodes of the network by their names. */
export const NODES = {
  'Harbour Light': fakeKey(501),
  'Quarry Street': fakeKey(502),
  'mill-pond ⚡': fakeKey(503),
  'North Pier Roasters': fakeKey(500),
  Tern: fakeKey(504),
  // As long as a name can be, without a place to break it.
  'Zwischenwasserstrassenbahnhof-08': fakeKey(505),
} as const
const nameOf = (nodeId: string): string | undefined =>
  Object.entries(NODES).find(([, id]) => id === nodeId)?.[0] ??
  PEERS.find((peer) => peer.nodeId === nodeId)?.name
export const FAR = NODES['North Pier Roasters']
const HARBOUR = NODES['Harbour Light']
const QUARRY = NODES['Quarry Street']
const MILL = NODES['mill-pond ⚡']

export function fakeGraph(state: AppState): GraphView {
  const none = state.channels.length === 0
  return {
    nodes: none ? 0 : 14_812,
    channels: none ? 0 : 49_377,
    signed: none ? 0 : 46_120,
    proven: none ? 0 : 231,
    unspent: none ? 0 : 188,
    capacitySat: '2810000000',
    updates: 96_020,
    freshUpdates: 91_733,
    ...(none ? {} : { newestAt: minutesAgo(1.5) }),
    memoryBytes: 10_500_000,
    storageBytes: 7_640_000,
    ...(none
      ? {}
      : {
          snapshot: {
            url: 'https://hints.example/snapshot',
            state: 'done' as const,
            madeAt: minutesAgo(60 * 7),
            bytes: 1_200_000,
            hints: 3_257,
          },
        }),
    sync: {
      state: none ? 'idle' : 'done',
      ...(none ? {} : { doneAt: minutesAgo(22), donePeer: PEERS[0].nodeId }),
      nextBlock: state.chain.height + 1,
      queued: 0,
      signatures: 312_004,
      accepted: 163_118,
      refused: 412,
    },
  }
}

export function fakeNodes(text: string): Output<'findNodes'> {
  const wanted = text.toLowerCase()
  const all = [...PEERS.map(({ name, nodeId }) => [name, nodeId] as const), ...Object.entries(NODES)]
  const nodes = all
    .filter(([name, nodeId]) => name.toLowerCase().includes(wanted) || nodeId.startsWith(wanted))
    .map(([name, nodeId], i) => ({ nodeId, name, channels: 41 - 7 * i }))
  return { nodes, count: nodes.length }
}

export function fakeNodeInfo(nodeId: string): NodeView {
  const name = nameOf(nodeId)
  const terms = (
    feeBaseMsat: number,
    feeProportionalMillionths: number,
    minutes: number,
    disabled = false,
  ) => ({
    feeBaseMsat,
    feeProportionalMillionths,
    cltvDelta: 80,
    disabled,
    toldAt: minutesAgo(minutes),
  })
  const to = (peer: string) => {
    const peerName = nameOf(peer)
    return { peer, ...(peerName === undefined ? {} : { peerName }) }
  }
  return {
    nodeId,
    ...(name === undefined ? {} : { name }),
    parts: true,
    keysend: true,
    channelCount: 4,
    channels: [
      {
        shortChannelId: '1102x4x1',
        ...to(HARBOUR),
        capacitySat: '5000000',
        checked: 'unspent',
        out: terms(1000, 120, 90),
        back: terms(0, 250, 60 * 30),
      },
      {
        shortChannelId: '1177x1x0',
        ...to(QUARRY),
        capacitySat: '2000000',
        checked: 'proven',
        out: terms(0, 900, 60 * 24 * 6, true),
        back: terms(1000, 1, 60 * 5),
      },
      {
        shortChannelId: '1201x9x0',
        ...to(MILL),
        saidMsat: '990000000',
        checked: 'signed',
        out: terms(1000, 50, 7),
      },
      { shortChannelId: '1255x2x1', ...to(fakeKey(590)), checked: 'hint' },
    ],
  }
}

/** Ways to the roasters: two that would do, and what stood against others. */
export function fakeRoutes(destination: string, amountMsat: string, channelId: string): RoutesView {
  if (nameOf(destination) === undefined)
    return { routes: [], reason: 'targetUnknown', settledNodes: 0, relaxedChannels: 0, rejected: [] }
  const hop = (
    nodeId: string,
    shortChannelId: string,
    feeMsat: string,
    known: 'local' | 'graph' | 'hint',
    probability: number,
  ) => {
    const name = nameOf(nodeId)
    return {
      nodeId,
      ...(name === undefined ? {} : { name }),
      shortChannelId,
      amountMsat,
      feeMsat,
      cltvDelta: 80,
      known,
      probability,
      lockMsat: 120,
      riskMsat: 900,
    }
  }
  const ada = hop(PEERS[0].nodeId, '1180x1x0', '1084', 'local', 1)
  return {
    routes: [
      {
        channelId,
        hops: [
          ada,
          hop(QUARRY, '1102x4x1', '1012', 'graph', 0.93),
          hop(destination, '1177x1x0', '0', 'graph', 0.88),
        ],
        feeMsat: '2096',
        probability: 0.82,
        costMsat: 5400,
      },
      {
        channelId,
        hops: [
          ada,
          hop(MILL, '1201x9x0', '1004', 'graph', 0.9),
          hop(NODES.Tern, '1212x1x0', '760', 'graph', 0.81),
          hop(destination, '1255x2x1', '0', 'graph', 0.72),
        ],
        feeMsat: '2848',
        probability: 0.52,
        costMsat: 14_200,
      },
    ],
    settledNodes: 412,
    relaxedChannels: 6_380,
    rejected: [
      { reason: 'aboveMaximum', count: 310, examples: ['1012x1x0/0'] },
      { reason: 'disabled', count: 44, examples: ['1177x1x0/0'] },
      { reason: 'unlikely', count: 2, examples: ['1102x4x1/1'] },
    ],
  }
}

export function fakeReceive({ channels }: AppState, amountMsat: string | undefined): ReceivePreview {
  const open = channels.filter((channel) => channel.status === 'open')
  const sums = open.map((channel) => BigInt(channel.receivableMsat))
  const total = sums.reduce((sum, msat) => sum + msat, 0n)
  const largest = sums.reduce((most, msat) => (msat > most ? msat : most), 0n)
  const missing = BigInt(amountMsat ?? 0) - total
  return {
    totalMsat: total.toString(),
    largestMsat: largest.toString(),
    awayMsat: '0',
    ...(missing > 0n ? { missingMsat: missing.toString() } : {}),
    ways: open.map(({ channelId, peer, receivableMsat, connected }, i) => ({
      channelId,
      peer,
      receivableMsat,
      connected,
      reach: i === 1 ? ('peer' as const) : ('invoice' as const),
      hinted: i !== 1,
      ...(i === 1 ? {} : { feeBaseMsat: 1000, feeProportionalMillionths: 10 }),
    })),
  }
}

/** The ways that the demo's far payment takes: what came back at the lighthouse goes in two parts. */
export const FAR_WAYS = {
  first: { hops: [PEERS[0].nodeId, HARBOUR, FAR], amountMsat: '84000000', feeMsat: '96000' },
  parts: [
    { hops: [PEERS[0].nodeId, QUARRY, FAR], amountMsat: '60000000', feeMsat: '61200' },
    { hops: [PEERS[0].nodeId, MILL, NODES.Tern, FAR], amountMsat: '24000000', feeMsat: '42500' },
  ],
  failure: {
    code: 'paymentFailed',
    message: 'A node on the way could not forward the payment.',
    data: { failure: 'temporary_channel_failure', failureCode: 4103, hop: 1, node: HARBOUR },
  },
} as const

/** What the roasters' invoice looks like on its way: one attempt that comes back, and then two parts. */
export async function* payFar(
  channelId: string,
  preimage: string,
  pace: number,
): AsyncGenerator<Output<'sendPayment'>> {
  const wait = () => new Promise<void>((resolve) => setTimeout(resolve, pace))
  const { first, parts, failure } = FAR_WAYS
  const attempting = (
    { amountMsat, feeMsat, hops }: typeof first | (typeof parts)[number],
    attempt: number,
  ): Output<'sendPayment'> => ({
    status: 'attempting',
    attempt,
    channelId,
    amountMsat,
    feeMsat,
    hops: [...hops],
  })
  yield attempting(first, 1)
  await wait()
  yield { status: 'attemptFailed', attempt: 1, channelId, error: failure }
  yield attempting(parts[0], 2)
  yield attempting(parts[1], 3)
  await wait()
  yield { status: 'succeeded', preimage, amountMsat: first.amountMsat, feeMsat: '103700' }
}

/** As much as there can be: twenty parts by ten hops each, a dozen that came back, and a great sum. It goes on until it is cancelled. */
export async function* payMany(channelId: string, pace: number): AsyncGenerator<Output<'sendPayment'>> {
  const [long, ...others] = Object.values(NODES).toReversed()
  const hops = (n: number) => Array.from({ length: 10 }, (_, i) => others[(i + n) % 4] ?? FAR)
  const failures = ['temporary_channel_failure', 'fee_insufficient', 'required_channel_feature_missing']
  for (let attempt = 1; attempt <= 32; attempt++) {
    yield {
      status: 'attempting',
      attempt,
      channelId,
      amountMsat: '104999999950123',
      feeMsat: attempt % 3 === 0 ? '0' : '1049999999501',
      hops: attempt % 2 === 0 ? hops(attempt) : [PEERS[0].nodeId, long ?? FAR, FAR],
    }
    if (attempt > 12) continue
    const data = { failure: failures[attempt % 3] ?? '', hop: attempt % 2 === 0 ? 6 : 1 }
    yield {
      status: 'attemptFailed',
      attempt,
      channelId,
      error: { code: 'paymentFailed', message: 'A node on the way could not forward the payment.', data },
    }
  }
  await new Promise<void>((resolve) => setTimeout(resolve, pace * 100))
}

export const fakeChannelIdOf = (state: AppState): string => state.channels[0]?.channelId ?? fakeHash(101)

/** A payment of the past that went as the roasters' does. */
export function farPayment(payment: Payment): Payment {
  const { first, parts, failure } = FAR_WAYS
  const attempt = (
    { hops, amountMsat, feeMsat }: typeof first | (typeof parts)[number],
    n: number,
  ): Payment['attempts'][number] => ({
    attempt: n,
    channelId: fakeHash(101),
    amountMsat,
    feeMsat,
    hops: hops.map((nodeId) => ({ nodeId, amountMsat, cltvExpiry: 1400 })),
    state: n === 1 ? 'failed' : 'succeeded',
    ...(n === 1 ? { error: failure } : {}),
    startedAt: payment.createdAt,
    endedAt: payment.createdAt,
  })
  return {
    ...payment,
    destination: FAR,
    amountMsat: first.amountMsat,
    feeMsat: '103700',
    attempts: [first, ...parts].map((way, i) => attempt(way, i + 1)),
    attemptCount: 3,
    arrivedMsat: first.amountMsat,
  }
}

/** What came in two parts, with a tip. */
export const withParts = (invoice: Invoice): Invoice => ({
  ...invoice,
  amountMsat: '24000000',
  parts: [
    { channelId: fakeHash(101), amountMsat: '15000000' },
    { channelId: fakeHash(102), amountMsat: '10000000' },
  ],
})

export const HELD_HASH = fakeHash(18)
/** A payment that waits, whole, for its recipient's word. */
export const heldInvoice = (): Invoice => ({
  paymentHash: HELD_HASH,
  invoice: 'lnbcrt1p',
  amountMsat: '40000000',
  description: 'Deposit for the tandem',
  state: 'open',
  hold: true,
  waiting: { parts: 1, amountMsat: '40000000', complete: true },
  parts: [],
  createdAt: minutesAgo(30),
  expiresAt: new Date(Date.now() + 3_000_000).toISOString(),
})

/** What was passed on for others: one of it waits for the user's word. */
export const fakeForwards = (): Output<'listForwards'> => {
  const forward = (seed: number, state: 'held' | 'offered') => ({
    key: `${fakeHash(101)}/${seed}`,
    state,
    incomingChannel: fakeHash(101),
    ...(state === 'held' ? {} : { outgoingChannel: fakeHash(102) }),
    paymentHash: fakeHash(600 + seed),
    amountMsat: `${seed}2000000`,
    feeMsat: '1320',
    outgoingExpiry: 1400,
  })
  return {
    count: 37,
    amountMsat: '5121004000',
    feeMsat: '48210',
    underWay: [forward(1, 'offered'), forward(2, 'held')],
  }
}
