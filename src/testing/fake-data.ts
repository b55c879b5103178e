import type { Output } from '../contract/procedures.ts'
import type {
  Activity,
  AppState,
  Channel,
  Coin,
  Incident,
  MoneyLine,
  Payment,
  Transaction,
} from '../contract/schemas.ts'

/** Demo data for developing the screens: a wallet some weeks old on the practice network. */

const hex = (seed: number, bytes: number): string => {
  let state = (seed * 2654435761) >>> 0
  let text = ''
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    text += (state >>> 24).toString(16).padStart(2, '0')
  }
  return text
}

export const fakeHash = (seed: number): string => hex(seed, 32)
export const fakeKey = (seed: number): string => `02${hex(seed, 32)}`
const minutesAgo = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString()

export const HEIGHT = 1284
export const PEERS = [
  { name: 'ada', nodeId: fakeKey(1), address: `${fakeKey(1)}@127.0.0.1:9735` },
  { name: 'ben', nodeId: fakeKey(2), address: `${fakeKey(2)}@127.0.0.1:9736` },
  { name: 'lil', nodeId: fakeKey(3), address: `${fakeKey(3)}@127.0.0.1:9737` },
] as const
export const ADDRESS = 'bcrt1q6rhpng9evdsfnn833a4f4vej0asu6dk5srld6x'
export const WORDS = 'ribbon orbit gentle copper thrive maple island quiz tunnel velvet anchor bridge'.split(
  ' ',
)

export const INFO = {
  network: 'regtest',
  gateway: 'ws://localhost:3000',
  esplora: 'http://localhost:3000/esplora/api',
  peers: PEERS,
  shop: 'http://localhost:3000/shop',
}

export function fakeChannel(seed: number, change: Partial<Channel>): Channel {
  return {
    channelId: fakeHash(100 + seed),
    peer: fakeKey(seed),
    connected: true,
    status: 'open',
    format: 'anchors_zero_fee_htlc_tx',
    role: 'opener',
    capacitySat: '500000',
    localMsat: '312450250',
    remoteMsat: '175549750',
    spendableMsat: '303120250',
    receivableMsat: '170549750',
    localReserveSat: '5000',
    remoteReserveSat: '5000',
    inFlightOutMsat: '12000000',
    inFlightInMsat: '0',
    htlcs: 1,
    feeratePerKw: 253,
    fundingTxid: fakeHash(200 + seed),
    fundingVout: 0,
    shortChannelId: `1180x${seed}x0`,
    confirmations: 104,
    confirmationsNeeded: 3,
    closingOutputs: [],
    localCommitmentNumber: 41,
    remoteCommitmentNumber: 42,
    createdAt: minutesAgo(60 * 24 * 9),
    ...change,
  }
}

const CHANNELS: readonly Channel[] = [
  fakeChannel(1, { format: 'lcp' }),
  fakeChannel(2, {
    capacitySat: '200000',
    localMsat: '200000000',
    remoteMsat: '0',
    spendableMsat: '0',
    receivableMsat: '0',
    inFlightOutMsat: '0',
    htlcs: 0,
    status: 'confirming',
    confirmations: 1,
    confirmationsNeeded: 3,
    localCommitmentNumber: 0,
    remoteCommitmentNumber: 0,
    createdAt: minutesAgo(12),
  }),
  fakeChannel(3, {
    status: 'forceClosing',
    connected: false,
    localMsat: '80000000',
    remoteMsat: '120000000',
    capacitySat: '200000',
    spendableMsat: '0',
    receivableMsat: '0',
    inFlightOutMsat: '0',
    htlcs: 0,
    closedBy: 'local',
    closeTxid: fakeHash(303),
    reason: 'An HTLC that we offered expired unresolved.',
    reasonCode: 'htlcTimedOut',
    closingOutputs: [
      { kind: 'toLocal', amountSat: '78420', spendableAtHeight: HEIGHT + 97, state: 'waiting' },
      { kind: 'toRemote', amountSat: '120000', state: 'notOurs' },
      { kind: 'anchor', amountSat: '330', state: 'unresolved' },
    ],
  }),
  fakeChannel(4, {
    status: 'closed',
    connected: false,
    closedBy: 'mutual',
    closeTxid: fakeHash(304),
    closingOutputs: [{ kind: 'mutualClose', amountSat: '91000', state: 'swept' }],
  }),
]

/** A payment that ran out of time while the wallet was closed, and came back. */
const INCIDENTS: readonly Incident[] = [
  {
    id: 'paymentReturned/demo',
    kind: 'paymentReturned',
    channelId: fakeHash(103),
    height: HEIGHT - 40,
    time: minutesAgo(60 * 9),
    noticedAt: minutesAgo(12),
    amountMsat: '4200000',
  },
  {
    id: 'deadlineClose/demo',
    kind: 'deadlineClose',
    channelId: fakeHash(103),
    height: HEIGHT - 47,
    time: minutesAgo(60 * 10),
    noticedAt: minutesAgo(12),
    closedSince: minutesAgo(60 * 70),
    costMsat: '1580250',
  },
]

const ACTIVITY: readonly Activity[] = [
  {
    id: 'a1',
    kind: 'lightningSent',
    state: 'pending',
    amountMsat: '-12000000',
    note: 'Two tickets, evening show',
    time: minutesAgo(1),
    paymentHash: fakeHash(11),
  },
  {
    id: 'a2',
    kind: 'lightningReceived',
    state: 'done',
    amountMsat: '25000000',
    note: 'Dinner on Tuesday',
    time: minutesAgo(48),
    paymentHash: fakeHash(12),
  },
  {
    id: 'a3',
    kind: 'onchainReceived',
    state: 'pending',
    amountMsat: '60000000',
    note: '',
    time: minutesAgo(75),
    txid: fakeHash(13),
  },
  {
    id: 'a4',
    kind: 'lightningSent',
    state: 'done',
    amountMsat: '-4200250',
    feeMsat: '1250',
    note: 'Coffee beans, 250 g',
    time: minutesAgo(60 * 26),
    paymentHash: fakeHash(14),
  },
  {
    id: 'a5',
    kind: 'lightningSent',
    state: 'failed',
    amountMsat: '-900000000',
    note: 'A very large espresso machine',
    time: minutesAgo(60 * 27),
    paymentHash: fakeHash(15),
    error: { code: 'exceedsSpendable', message: '', data: { spendableMsat: '303120250' } },
  },
  {
    id: 'a6',
    kind: 'channelOpen',
    state: 'done',
    amountMsat: '-500000000',
    feeMsat: '154000',
    note: '',
    time: minutesAgo(60 * 24 * 9),
    channelId: fakeHash(101),
  },
  {
    id: 'a7',
    kind: 'onchainSent',
    state: 'done',
    amountMsat: '-75000000',
    feeMsat: '141000',
    note: '',
    time: minutesAgo(60 * 24 * 9),
    txid: fakeHash(16),
  },
  {
    id: 'a8',
    kind: 'onchainReceived',
    state: 'done',
    amountMsat: '1500000000',
    note: '',
    time: minutesAgo(60 * 24 * 10),
    txid: fakeHash(17),
  },
]

export function fakePayment(line: Activity): Payment {
  const amountMsat = line.amountMsat.replace('-', '')
  const state = line.state === 'done' ? 'succeeded' : line.state
  const destination = fakeKey(1)
  return {
    paymentHash: line.paymentHash ?? fakeHash(0),
    invoice: 'lnbcrt1p',
    destination,
    description: line.note,
    amountMsat,
    feeMsat: line.feeMsat ?? '0',
    state,
    ...(line.state === 'done' ? { preimage: fakeHash(900), settledAt: line.time } : {}),
    ...(line.error === undefined ? {} : { error: line.error }),
    attempts:
      line.error === undefined
        ? [
            {
              attempt: 1,
              channelId: fakeHash(101),
              amountMsat,
              feeMsat: line.feeMsat ?? '0',
              hops: [{ nodeId: destination, amountMsat, cltvExpiry: HEIGHT + 147 }],
              state,
              startedAt: line.time,
              ...(line.state === 'done' ? { endedAt: line.time } : {}),
            },
          ]
        : [],
    attemptCount: line.error === undefined ? 1 : 0,
    onTheWayMsat: line.state === 'pending' ? amountMsat : '0',
    arrivedMsat: line.state === 'done' ? amountMsat : '0',
    maxFeeMsat: '10000',
    deadline: line.time,
    createdAt: line.time,
  }
}

export const TRANSACTIONS: readonly Transaction[] = [
  {
    txid: fakeHash(13),
    amountSat: '60000',
    confirmations: 0,
    label: 'received',
    canBump: false,
    time: minutesAgo(75),
  },
  {
    txid: fakeHash(202),
    amountSat: '-200154',
    feeSat: '154',
    confirmations: 1,
    height: HEIGHT,
    label: 'channelOpen',
    canBump: true,
    time: minutesAgo(12),
  },
  {
    txid: fakeHash(16),
    amountSat: '-75141',
    feeSat: '141',
    confirmations: 102,
    height: HEIGHT - 101,
    label: 'sent',
    canBump: false,
    time: minutesAgo(60 * 24 * 9),
  },
  {
    txid: fakeHash(17),
    amountSat: '1500000',
    confirmations: 140,
    height: HEIGHT - 139,
    label: 'received',
    canBump: false,
    time: minutesAgo(60 * 24 * 10),
  },
]

export const COINS: readonly Coin[] = [
  {
    txid: fakeHash(16),
    vout: 1,
    amountSat: '724705',
    address: ADDRESS,
    confirmations: 102,
    state: 'spendable',
  },
  {
    txid: fakeHash(13),
    vout: 0,
    amountSat: '60000',
    address: 'bcrt1qs758ursh4q9z627kt3pp5yysm78ddny6txaqgw',
    confirmations: 0,
    state: 'unconfirmed',
  },
]

export function fakeState(): AppState {
  return {
    phase: 'running',
    network: 'regtest',
    nodeId: fakeKey(77),
    version: '0.1.0',
    lock: { password: false },
    chain: {
      height: HEIGHT,
      blockHash: `00000000${hex(9, 28)}`,
      synced: true,
      headersVerified: HEIGHT,
      progress: 1,
      servers: [
        { url: INFO.esplora, state: 'ok', height: HEIGHT, agrees: 'yes', lies: 0 },
        {
          url: 'https://chain.example/api',
          state: 'backingOff',
          height: HEIGHT - 2,
          agrees: 'behind',
          lies: 1,
          lastError: 'HTTP 429',
          doubt: 'hid the confirmation of 5f0c1d5a…',
        },
        {
          url: 'https://other.example/api',
          state: 'lying',
          agrees: 'unknown',
          lies: 1,
          lastError: 'header refused: pow',
        },
      ],
    },
    feeSatPerVb: { slow: 1, normal: 2.5, fast: 8 },
    balances: {
      spendableMsat: '303120250',
      lightningMsat: '312450250',
      receivableMsat: '170549750',
      onchainSpendableSat: '704705',
      onchainArrivingSat: '60000',
      onchainConfirmedSat: '724705',
      onchainUnconfirmedSat: '60000',
      onchainReservedSat: '0',
      anchorReserveSat: '20000',
      closingSat: '78420',
      openingSat: '200000',
      totalMsat: '1007825250',
    },
    channels: [...CHANNELS],
    peers: [
      {
        nodeId: PEERS[0].nodeId,
        address: PEERS[0].address,
        state: 'connected',
        inbound: false,
        features: ['static_remotekey', 'anchors_zero_fee_htlc_tx'],
      },
      {
        nodeId: PEERS[1].nodeId,
        address: PEERS[1].address,
        state: 'connected',
        inbound: false,
        features: [],
      },
      {
        nodeId: PEERS[2].nodeId,
        address: PEERS[2].address,
        state: 'waiting',
        retryAt: new Date(Date.now() + 42_000).toISOString(),
        lastError: 'Connection refused',
        inbound: false,
        features: [],
      },
    ],
    activity: [...ACTIVITY],
    incidents: [...INCIDENTS],
    notices: [
      { id: 'n1', urgency: 'warning', code: 'backUpWords', message: '' },
      { id: 'n2', urgency: 'info', code: 'closingWaits', message: '', channelId: fakeHash(103) },
    ],
    backup: { channels: 4, exportedCurrent: false, peerCopies: 2, copies: [] },
    settings: {
      gateway: INFO.gateway,
      servers: [INFO.esplora, 'https://chain.example/api'],
      wordsConfirmed: false,
      storagePersisted: false,
      forwarding: false,
    },
  }
}

/** The state of a device that has just created its wallet. */
export function emptyState(): AppState {
  const full = fakeState()
  const zero = Object.fromEntries(Object.keys(full.balances).map((key) => [key, '0']))
  return {
    ...full,
    balances: zero as AppState['balances'],
    channels: [],
    peers: [],
    activity: [],
    incidents: [],
    notices: full.notices.filter((notice) => notice.code === 'backUpWords'),
  }
}

/** Where the money of the demo is: the lines that its figures on Home are made of. */
export function fakeMoney(state: AppState): Output<'moneyMap'> {
  const line = (
    group: MoneyLine['group'],
    kind: MoneyLine['kind'],
    amountMsat: string,
    rest: Partial<MoneyLine> = {},
  ): MoneyLine => ({ group, kind, amountMsat, count: 1, ...rest })
  const [ada, ben, lil] = [fakeHash(101), fakeHash(102), fakeHash(103)]
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()
  const lines: readonly MoneyLine[] =
    state.channels.length === 0
      ? []
      : [
          line('now', 'lightning', state.balances.spendableMsat, { channelId: ada }),
          line('now', 'onchain', '704705000', { count: 4 }),
          line('underWay', 'htlcOffered', '12000000', {
            channelId: ada,
            paymentHash: fakeHash(11),
            untilHeight: HEIGHT + 151,
          }),
          line('underWay', 'channelOpening', '200000000', { channelId: ben, txid: fakeHash(202), vout: 0 }),
          line('underWay', 'onchainUnconfirmed', '60000000', { txid: fakeHash(21), vout: 1 }),
          line('returning', 'closeDelayed', '78420000', {
            channelId: lil,
            txid: fakeHash(303),
            vout: 0,
            untilHeight: HEIGHT + 97,
            untilAbout: inDays(0.7),
          }),
          line('returning', 'htlcTimeout', '4200000', {
            channelId: lil,
            txid: fakeHash(303),
            vout: 2,
            untilHeight: HEIGHT + 412,
            untilAbout: inDays(2.9),
          }),
          line('aside', 'channelReserve', '5000000', { channelId: ada }),
          line('aside', 'commitmentFee', '4330000', { channelId: ada }),
          line('aside', 'anchorReserve', '20000000'),
        ]
  return {
    height: state.chain.height,
    totalMsat: lines.reduce((sum, { amountMsat }) => sum + BigInt(amountMsat), 0n).toString(),
    lines: [...lines],
    incoming: [],
    costs:
      lines.length === 0
        ? []
        : [
            { channelId: lil, kind: 'closeFee', amountMsat: '920000' },
            { channelId: lil, kind: 'anchors', amountMsat: '660000' },
            { channelId: lil, kind: 'rounding', amountMsat: '250' },
          ],
  }
}
