import { group } from './amounts.ts'

/** Words of the commitment view: BOLT's and LCP's own, since those who open it know them or want to. Loaded with that screen. */

const n = (value: number): string => group(String(value))

export const c = {
  title: 'Commitment view',
  hold: 'Hold',
  run: 'Run',
  held: 'held',
  heldAbout: 'Held: this is how it was.',
  waiting: 'Reading the channel',
  offline: 'The peer is not connected: nothing moves until it is.',
  readings: 'Readings',
  updates: 'updates a second',
  commitments: 'commitments a second',
  htlcsInFlight: 'HTLCs in flight',
  sats: 'sat in flight',
  roles: { opener: 'opener', accepter: 'accepter' },
  links: { offline: 'offline', reestablishing: 'reestablishing', online: 'online' },

  chains: 'Chains',
  local: 'Local',
  localAbout: 'signed by the peer',
  remote: 'Remote',
  remoteAbout: 'signed by us',
  tail: 'tail',
  tip: 'tip',
  tailIsTip: 'tail = tip',
  window: (used: number, left: number, window: number): string =>
    `window ${n(window)}: ${n(used)} used, ${n(left)} left`,
  chainLabel: (name: string, tail: number, tip: number, used: number, left: number): string =>
    `${name} chain: tail ${n(tail)}, tip ${n(tip)}; ${n(used)} of ${n(used + left)} granted points used.`,

  wire: 'In flight',
  toPeer: 'out, not revoked',
  fromPeer: 'in, not signed',
  signatures: (count: number): string => (count === 1 ? '1 signature' : `${n(count)} signatures`),
  updatesOf: (count: number): string => (count === 1 ? '1 update' : `${n(count)} updates`),

  logs: 'Logs',
  logNames: { local: 'Ours', remote: 'Theirs' },
  scale: (entries: number): string => `${n(entries)} wide`,
  waitingOutside: (count: number): string => `${n(count)} wait outside`,
  stages: {
    both: 'in both tails',
    answered: 'in one tail, signed in the other',
    oneTail: 'in one tail',
    signed: 'signed, in no tail',
    proposed: 'proposed, not signed',
    waiting: 'waits outside the log',
  },
  marks: { localTip: 'local tip', remoteTail: 'remote tail', remoteTip: 'remote tip', end: 'end' },
  logLabel: (name: string, start: number, length: number, parts: readonly string[]): string =>
    `${name}: entries ${n(start)} to ${n(length)}${parts.length === 0 ? '; all in both tails' : `; ${parts.join(', ')}`}.`,
  part: (count: number, stage: string): string => `${n(count)} ${stage}`,

  table: 'Commitments',
  columns: { localTip: 'local tip', remoteTail: 'remote tail', remoteTip: 'remote tip' },
  rows: {
    number: 'number',
    ours: 'ours, sat',
    theirs: 'theirs, sat',
    offered: 'offered',
    received: 'received',
    feerate: 'sat/kw',
    localIndex: 'our log',
    remoteIndex: 'their log',
  },

  windows: 'Windows',
  windowColumns: { local: 'ours', remote: 'theirs' },
  windowRows: {
    granted: 'granted now',
    used: 'signed for',
    wanted: 'wanted',
    announced: 'at the opening',
  },
  secrets: 'Secrets of revoked commitments',
  secretsHeld: (held: number, nodes: number, bytes: number, tree: string): string =>
    `${n(held)} held, in ${n(nodes)} ${nodes === 1 ? 'node' : 'nodes'} of ${tree}, ${n(bytes)} bytes`,
  secretsNone: 'The peer has revoked nothing yet.',
  secretsLabel: (heights: readonly number[]): string => `Nodes of heights ${heights.join(', ')}.`,

  htlcs: (count: number): string => `HTLCs, ${n(count)}`,
  noHtlcs: 'None lives.',
  first: (listed: number, count: number): string => `The first ${n(listed)} of ${n(count)}.`,
  htlcColumns: { direction: 'way', id: 'id', amount: 'sat', expiry: 'expiry', state: 'state' },
  directions: { offered: 'out', received: 'in' },
  states: {
    proposed: 'proposed',
    committing: 'committing',
    lockedIn: 'locked in',
    fulfilling: 'fulfilling',
    failing: 'failing',
  },
  closing: 'Closing: `shutdown` has been sent.',
} as const
