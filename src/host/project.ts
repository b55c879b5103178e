import type { AppState, Balances, Notice, Peer } from '../contract/schemas.ts'
import { type Msat, msat, toSatFloor } from '../engine/base/units.ts'
import { receivableMsat } from '../engine/channel/limits.ts'
import { moneyMap, sumOf } from '../engine/node/money.ts'
import { isComplete } from '../engine/payment/parts.ts'
import { isForwarding } from '../engine/node/forward-policy.ts'
import { feerateFor, heightOf, type NodeSetup, type NodeState } from '../engine/node/state.ts'
import type { ServerState } from '../engine/chain/types.ts'
import { invoiceState, type InvoiceRecord } from '../engine/payment/invoice-record.ts'
import { balanceOf as walletBalanceOf } from '../engine/wallet/ledger.ts'
import { featureName, featureBits } from '../engine/wire/features.ts'
import type { PeerStatus } from './peers.ts'
import { projectIncidents } from './project-incidents.ts'
import { projectBackup } from './project-backup.ts'
import { iso } from './project-time.ts'
import { channelStatus, projectChannel } from './project-channel.ts'
import { projectActivity } from './project-activity.ts'
import { projectNotices } from './project-notices.ts'

/** From the engine's state to what the API shows: pure, exact, amounts as decimal strings. */

/** Peers as connections see them, with what their init said. */
export function projectPeers(state: NodeState, statuses: readonly PeerStatus[]): Peer[] {
  return statuses.map((status) => ({
    nodeId: status.nodeId,
    ...(status.address === undefined ? {} : { address: status.address }),
    state: status.state,
    ...(status.retryAt === undefined ? {} : { retryAt: iso(status.retryAt) }),
    ...(status.lastError === undefined ? {} : { lastError: status.lastError.message }),
    inbound: status.inbound,
    features: featureBits(state.peers[status.nodeId]?.features ?? new Uint8Array(0)).map(
      (bit) => featureName(bit) ?? String(bit),
    ),
  }))
}

export function projectBalances(state: NodeState): Balances {
  const map = moneyMap(state)
  const spendable = sumOf(map, 'lightning')
  const lightning = spendable + sumOf(map, 'channelLimit', 'channelReserve', 'commitmentFee')
  const closing = map.lines.reduce((n, line) => (line.group === 'returning' ? n + line.amountMsat : n), 0n)
  let receivable = 0n
  for (const channel of Object.values(state.channels)) {
    if (channelStatus(channel, state.closes[channel.id]) !== 'open') continue
    const most = receivableMsat(channel)
    if (most > receivable) receivable = most
  }
  const coins = walletBalanceOf(state.wallet, heightOf(state))
  const onchain = sumOf(map, 'onchain', 'onchainChange')
  return {
    spendableMsat: String(spendable),
    lightningMsat: String(lightning),
    receivableMsat: String(receivable),
    onchainSpendableSat: String(toSatFloor(onchain)),
    onchainArrivingSat: String(toSatFloor(sumOf(map, 'onchainUnconfirmed'))),
    onchainConfirmedSat: String(coins.confirmedSat),
    onchainUnconfirmedSat: String(coins.trustedSat + coins.untrustedSat),
    onchainReservedSat: String(coins.reservedSat),
    anchorReserveSat: String(toSatFloor(sumOf(map, 'anchorReserve'))),
    closingSat: String(closing / 1000n),
    openingSat: String(toSatFloor(sumOf(map, 'channelOpening'))),
    totalMsat: String(spendable + onchain),
  }
}

export function projectInvoice(record: InvoiceRecord, now: number) {
  return {
    paymentHash: record.paymentHash,
    invoice: record.bolt11,
    ...(record.offer === undefined ? {} : { offer: record.offer }),
    ...(record.payerNote === undefined ? {} : { payerNote: record.payerNote }),
    ...(record.amountMsat === undefined ? {} : { amountMsat: String(record.amountMsat) }),
    description: record.description,
    state: invoiceState(record, now),
    ...(record.waiting === undefined
      ? {}
      : {
          waiting: {
            parts: record.waiting.length,
            amountMsat: String(record.waiting.reduce((sum, part) => sum + part.amountMsat, 0n)),
            complete: isComplete(record),
          },
        }),
    createdAt: iso(record.createdAt),
    expiresAt: iso(record.expiresAt),
    ...(record.paidAt === undefined ? {} : { paidAt: iso(record.paidAt) }),
    ...(record.receivedMsat === undefined ? {} : { receivedMsat: String(record.receivedMsat) }),
    ...(record.hold === true ? { hold: true } : {}),
    parts: record.htlcs.map((htlc) => ({
      channelId: htlc.channelId,
      amountMsat: String(htlc.amountMsat),
    })),
  }
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')

/** What this node passes on for others. */
export function projectForwards({ forwards, circuits }: NodeState) {
  return {
    count: forwards.count,
    amountMsat: String(forwards.amountMsat),
    feeMsat: String(forwards.feeMsat),
    underWay: Object.values(circuits).map((circuit) => ({
      key: circuit.key,
      state: circuit.state,
      incomingChannel: circuit.incomingChannel,
      ...(circuit.outgoingChannel === undefined ? {} : { outgoingChannel: circuit.outgoingChannel }),
      paymentHash: hex(circuit.paymentHash),
      amountMsat: String(circuit.outgoingMsat),
      feeMsat: String(circuit.incomingMsat - circuit.outgoingMsat),
      outgoingExpiry: circuit.outgoingExpiry,
    })),
  }
}

const SERVER_STATES = {
  new: 'trying',
  ok: 'ok',
  behind: 'trying',
  failing: 'backingOff',
  rateLimited: 'backingOff',
  lying: 'lying',
} as const

/** A server's newest block beside ours. */
function agreementOf(state: NodeState, server: ServerState): 'yes' | 'behind' | 'otherBranch' | 'unknown' {
  if (server.status === 'lying' || server.claimed === null) return 'unknown'
  if (server.tip === null) return server.sync === null ? 'otherBranch' : 'unknown'
  return server.tip.hash === state.chain.headers.tip.hash ? 'yes' : 'behind'
}

const perVb = (perKw: number): number => Math.round(perKw / 2.5) / 100

export interface Around {
  readonly phase: AppState['phase']
  readonly version: string
  readonly peers: readonly PeerStatus[]
  readonly notices: readonly Notice[]
  readonly gateway: string
  readonly lock: AppState['lock']
  readonly error?: AppState['error']
  readonly moved?: AppState['moved']
}

/** The whole of what screens need. */
export function projectState(state: NodeState, setup: NodeSetup, around: Around): AppState {
  const health = state.health
  const rate = (blocks: number) => perVb(feerateFor(state, setup, blocks))
  return {
    phase: around.phase,
    ...(around.error === undefined ? {} : { error: around.error }),
    network: setup.network,
    nodeId: setup.nodeId,
    version: around.version,
    lock: around.lock,
    chain: {
      height: heightOf(state),
      blockHash: state.chain.headers.tip.hash,
      synced: health?.synced ?? false,
      headersVerified: health?.headersVerified ?? 0,
      progress: health?.progress ?? 0,
      servers: state.chain.servers.map((server) => ({
        url: server.url,
        state: SERVER_STATES[server.status],
        ...(server.tip === null ? {} : { height: server.tip.height }),
        ...(server.lastError === null ? {} : { lastError: server.lastError }),
        agrees: agreementOf(state, server),
        lies: server.lies,
        ...(server.doubt === null ? {} : { doubt: server.doubt }),
      })),
    },
    feeSatPerVb: { fast: rate(2), normal: rate(6), slow: rate(24) },
    balances: projectBalances(state),
    channels: Object.values(state.channels)
      .map((channel) => projectChannel(state, channel))
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)),
    peers: projectPeers(state, around.peers),
    activity: projectActivity(state),
    incidents: projectIncidents(state),
    notices: projectNotices(state, around.notices),
    backup: projectBackup(state),
    settings: {
      gateway: around.gateway,
      servers: state.chain.servers.map((server) => server.url),
      wordsConfirmed: state.preferences.wordsConfirmed === 'true',
      storagePersisted: state.preferences.storagePersisted === 'true',
      forwarding: isForwarding(state, setup),
    },
  }
}

/** Millisatoshi from the contract's decimal string. */
export const readMsat = (text: string): Msat => msat(BigInt(text))
