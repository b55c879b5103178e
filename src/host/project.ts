import type {
  AppState,
  Balances,
  Channel as ApiChannel,
  ClosingOutput,
  Notice,
  Peer,
  Transaction,
} from '../contract/schemas.ts'
import { entries } from '../engine/base/table.ts'
import { type Msat, msat, toSatFloor } from '../engine/base/units.ts'
import { addressFromScript } from '../engine/bitcoin/address.ts'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { receivableMsat, spendableMsat } from '../engine/channel/limits.ts'
import { balanceOf, cautiousView, totalMsat, viewAt } from '../engine/channel/log.ts'
import { isRestored } from '../engine/channel/restore.ts'
import { FUNDING_TIMEOUT_BLOCKS, isNeverFunded, overrideHeight } from '../engine/channel/step.ts'
import type { Channel } from '../engine/channel/types.ts'
import { otherRole } from '../engine/commitment/types.ts'
import { closeReason } from '../engine/node/closes.ts'
import { moneyMap, sumOf } from '../engine/node/money.ts'
import { isComplete } from '../engine/payment/parts.ts'
import { isCancelling } from '../engine/payment/stop.ts'
import { isForwarding } from '../engine/node/forward-policy.ts'
import { feerateFor, heightOf, type NodeSetup, type NodeState } from '../engine/node/state.ts'
import type { ServerState } from '../engine/chain/types.ts'
import { closingOutputs } from '../engine/onchain/project.ts'
import type { OnchainState } from '../engine/onchain/types.ts'
import { invoiceState, type InvoiceRecord } from '../engine/payment/invoice-record.ts'
import { childSource } from '../engine/wallet/child.ts'
import { listTransactions } from '../engine/wallet/history.ts'
import {
  balanceOf as walletBalanceOf,
  defeatedAt,
  isMature,
  listCoins as walletCoins,
} from '../engine/wallet/ledger.ts'
import { featureName, featureBits } from '../engine/wire/features.ts'
import { formatShortChannelId } from '../engine/wire/short-channel-id.ts'
import type { PeerStatus } from './peers.ts'
import { awayNotices, projectIncidents } from './project-incidents.ts'
import { projectBackup } from './project-backup.ts'

/** From the engine's state to what the API shows: pure, exact, amounts as decimal strings. */

const iso = (ms: number): string => new Date(ms).toISOString()

const ACTIVITY_LENGTH = 200

/** A channel's status in the contract's words. */
export function channelStatus(channel: Channel, close: OnchainState | undefined): ApiChannel['status'] {
  if (close?.close !== undefined) {
    if (close.close.kind === 'mutual') {
      const spend = Object.values(close.spends).find((s) => s.txid === close.close?.txid)
      return spend?.confirmed ? 'closed' : 'closing'
    }
    const outputs = closingOutputs(close)
    const open = outputs.some((o) => o.state === 'waiting' || o.state === 'sweeping')
    return open ? 'forceClosing' : 'closed'
  }
  // There was never anything of it on the chain.
  if (isNeverFunded(channel)) return 'closed'
  // The peer is asked to close it, and will.
  if (isRestored(channel)) return 'forceClosing'
  if (channel.failure !== undefined) return close === undefined ? 'failed' : 'forceClosing'
  if (channel.closing !== undefined) return 'closing'
  return channel.readySent && channel.readyReceived ? 'open' : 'confirming'
}

export function projectClosing(close: OnchainState): ClosingOutput[] {
  return closingOutputs(close).map((output) => ({
    kind: output.kind,
    amountSat: String(output.amountSat),
    state: output.state,
    ...(output.spendableAtHeight === undefined ? {} : { spendableAtHeight: output.spendableAtHeight }),
    ...(output.sweepTxid === undefined ? {} : { sweepTxid: output.sweepTxid }),
  }))
}

const depthOf = (state: NodeState, channel: Channel): number => {
  const { confirmedHeight } = channel.funding
  const height = heightOf(state)
  if (confirmedHeight !== undefined) return Math.max(0, height - confirmedHeight + 1)
  return state.fundingDepths[channel.id] ?? 0
}

/** Why it does not go on. Where we wanted to close it and the peer's commitment came first, that is how it closed. */
function reasonOf(
  { failure }: Channel,
  close: OnchainState | undefined,
): { readonly reason?: string; readonly code?: string } {
  const kind = close?.close?.kind
  const byUser = failure?.code === 'forceClose' || failure?.code === 'unprovenClose'
  if (!byUser || kind === undefined || kind === 'local') return failure ?? {}
  return { reason: closeReason(kind), code: `closed:${kind}` }
}

/** Whether it came from another device, and is neither shown to be the newest state nor given up otherwise. */
const waitsForPeer = ({ unproven, failure }: Channel, close: OnchainState | undefined): boolean =>
  unproven === true && close?.close === undefined && (failure === undefined || failure.code === 'unproven')

function projectUnproven(channel: Channel): NonNullable<ApiChannel['unproven']> {
  const closableFrom = overrideHeight(channel)
  return closableFrom === undefined ? {} : { closableFrom }
}

export function projectChannel(state: NodeState, channel: Channel): ApiChannel {
  const close = state.closes[channel.id]
  const view = viewAt(channel, channel.localTip.indexes)
  const cautious = cautiousView(channel)
  const us = channel.role
  const status = channelStatus(channel, close)
  const open = status === 'open'
  // What was in flight when a channel was closed on chain has been settled there by the time it counts as closed.
  const inFlight = status === 'closed' ? [] : cautious.htlcs
  const offered = inFlight.filter((htlc) => htlc.offerer === us)
  const received = inFlight.filter((htlc) => htlc.offerer !== us)
  const kind = close?.close?.kind
  const closedBy =
    kind === undefined ? undefined : kind === 'mutual' ? 'mutual' : kind === 'local' ? 'local' : 'remote'
  const restored = isRestored(channel)
  const { reason, code: reasonCode } = reasonOf(channel, close)
  return {
    channelId: channel.id,
    peer: channel.peer,
    connected: channel.link !== 'offline',
    status,
    format: channel.formatName,
    role: channel.role,
    capacitySat: String(channel.funding.sat),
    // Of a restored channel nothing is known before its close.
    localMsat: String(restored ? 0n : balanceOf(view, us)),
    remoteMsat: String(restored ? 0n : balanceOf(view, otherRole(us))),
    ...(restored ? { restored } : {}),
    ...(waitsForPeer(channel, close) ? { unproven: projectUnproven(channel) } : {}),
    spendableMsat: String(open ? spendableMsat(channel) : 0n),
    receivableMsat: String(open ? receivableMsat(channel) : 0n),
    localReserveSat: String(channel.remote.channelReserveSat),
    remoteReserveSat: String(channel.local.channelReserveSat),
    inFlightOutMsat: String(totalMsat(offered)),
    inFlightInMsat: String(totalMsat(received)),
    htlcs: inFlight.length,
    feeratePerKw: view.feeratePerKw,
    fundingTxid: channel.funding.outpoint.txid,
    fundingVout: channel.funding.outpoint.vout,
    ...(channel.funding.shortChannelId === undefined
      ? {}
      : { shortChannelId: formatShortChannelId(channel.funding.shortChannelId) }),
    confirmations: depthOf(state, channel),
    confirmationsNeeded: channel.funding.minimumDepth,
    ...(close?.close === undefined ? {} : { closeTxid: close.close.txid }),
    ...(closedBy === undefined ? {} : { closedBy }),
    closingOutputs: close === undefined ? [] : projectClosing(close),
    ...(reason === undefined ? {} : { reason }),
    ...(reasonCode === undefined ? {} : { reasonCode }),
    localCommitmentNumber: channel.localTip.number,
    remoteCommitmentNumber: (channel.remotePending.at(-1) ?? channel.remoteTail).number,
    createdAt: iso(channel.createdAt),
  }
}

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

const LABELS = {
  receive: 'received',
  send: 'sent',
  funding: 'channelOpen',
  close: 'channelClose',
  sweep: 'sweep',
  child: 'self',
} as const

/** The wallet's transactions; those that brought money back from a channel say so, whoever first saw them. */
function transactions(state: NodeState) {
  const sweeps = new Map<string, string>()
  for (const [channelId, close] of Object.entries(state.closes)) {
    // Second stages and the commitment's child too: the wallet pays their fees.
    for (const txid of close.ownTxids) sweeps.set(txid, channelId)
    for (const { sweepTxid } of closingOutputs(close)) {
      if (sweepTxid !== undefined) sweeps.set(sweepTxid, channelId)
    }
  }
  return listTransactions(state.wallet).map((tx) => {
    const channelId = sweeps.get(tx.txid)
    return (tx.kind === 'receive' || (tx.kind === 'send' && !tx.own)) && channelId !== undefined
      ? { ...tx, kind: 'sweep' as const, label: channelId }
      : tx
  })
}

export function projectTransactions(state: NodeState): Transaction[] {
  const height = heightOf(state)
  return transactions(state)
    .filter((tx) => tx.status !== 'replaced')
    .map((tx) => ({
      txid: tx.txid,
      amountSat: String(tx.netSat),
      ...(tx.feeSat === null ? {} : { feeSat: String(tx.feeSat) }),
      ...(tx.height === null ? {} : { height: tx.height }),
      confirmations: tx.height === null ? 0 : Math.max(0, height - tx.height + 1),
      label: LABELS[tx.kind],
      canBump: tx.own && tx.height === null && (tx.kind === 'send' || canHaveChild(state, tx)),
      time: iso(tx.timeSec * 1000),
    }))
}

/** A funding transaction must not be replaced; a child that spends its change can pay for it. */
const canHaveChild = (state: NodeState, tx: { readonly txid: string; readonly kind: string }): boolean =>
  tx.kind === 'funding' && childSource(state.wallet, tx.txid) !== undefined

export function projectCoins(state: NodeState, setup: NodeSetup) {
  const height = heightOf(state)
  return walletCoins(state.wallet).map((coin) => {
    const confirmed = coin.height !== null
    const kind =
      coin.reservedFor !== null
        ? ('reserved' as const)
        : !confirmed
          ? ('unconfirmed' as const)
          : isMature(coin, height)
            ? ('spendable' as const)
            : ('immature' as const)
    return {
      txid: coin.outpoint.txid,
      vout: coin.outpoint.vout,
      amountSat: String(coin.valueSat),
      address: addressFromScript(coin.script, NETWORKS[setup.network]) ?? '',
      confirmations: coin.height === null ? 0 : Math.max(0, height - coin.height + 1),
      state: kind,
    }
  })
}

function projectActivity(state: NodeState): AppState['activity'] {
  const lines: AppState['activity'] = []
  for (const record of entries(state.payments)) {
    lines.push({
      id: `payment/${record.paymentHash}`,
      kind: 'lightningSent',
      state: record.state === 'pending' ? 'pending' : record.state === 'succeeded' ? 'done' : 'failed',
      amountMsat: String(-record.amountMsat),
      feeMsat: String(record.feeMsat),
      note: record.description,
      time: iso(record.endedAt ?? record.createdAt),
      paymentHash: record.paymentHash,
      ...(record.error === undefined ? {} : { error: record.error }),
      ...(isCancelling(record) ? { cancelling: true as const } : {}),
    })
  }
  // Offers whose invoice is waited for, or never came: with the invoice each becomes a payment.
  for (const request of Object.values(state.requests)) {
    lines.push({
      id: `request/${request.id}`,
      kind: 'lightningSent',
      state: request.state === 'asking' ? 'pending' : 'failed',
      amountMsat: String(-request.amountMsat),
      note: request.description === '' ? (request.issuer ?? '') : request.description,
      time: iso(request.endedAt ?? request.createdAt),
      ...(request.error === undefined ? {} : { error: request.error }),
    })
  }
  for (const record of entries(state.invoices)) {
    // A held payment that is here, whole, waits for a word that nobody would give who does not see it.
    const held = record.state === 'open' && record.hold === true && isComplete(record)
    if (record.state !== 'paid' && !held) continue
    const waiting = (record.waiting ?? []).reduce((sum, part) => sum + part.amountMsat, 0n)
    lines.push({
      id: `invoice/${record.paymentHash}`,
      kind: 'lightningReceived',
      state: record.settledAt === undefined ? 'pending' : 'done',
      amountMsat: String(record.receivedMsat ?? (held ? waiting : 0n)),
      note: [record.description, record.payerNote ?? ''].filter((words) => words !== '').join(' · '),
      time: iso(record.paidAt ?? record.createdAt),
      paymentHash: record.paymentHash,
    })
  }
  for (const tx of transactions(state)) {
    if (tx.status === 'replaced') continue
    const kind =
      tx.kind === 'funding'
        ? ('channelOpen' as const)
        : tx.kind === 'close' || tx.kind === 'sweep'
          ? ('channelClose' as const)
          : tx.kind === 'child'
            ? ('feeRaised' as const)
            : tx.netSat >= 0n
              ? ('onchainReceived' as const)
              : ('onchainSent' as const)
    lines.push({
      id: `tx/${tx.txid}`,
      kind,
      state: tx.height === null ? 'pending' : 'done',
      amountMsat: String(tx.netSat * 1000n),
      ...(tx.feeSat === null || tx.netSat >= 0n ? {} : { feeMsat: String(tx.feeSat * 1000n) }),
      note: '',
      time: iso(tx.timeSec * 1000),
      txid: tx.txid,
      ...((kind === 'channelOpen' || kind === 'channelClose') && /^[0-9a-f]{64}$/.test(tx.label)
        ? { channelId: tx.label }
        : {}),
    })
  }
  return lines.sort((a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0)).slice(0, ACTIVITY_LENGTH)
}

/** Blocks after which the opener of a channel is told that its funding takes long, and that the peer may not wait much longer. */
const FUNDING_SLOW_BLOCKS = 12
const FUNDING_URGENT_BLOCKS = FUNDING_TIMEOUT_BLOCKS / 2

/** What stands against a funding transaction of ours. */
function fundingNotices(state: NodeState, channel: Channel): Notice[] {
  const { tx, outpoint, confirmedHeight, createdHeight } = channel.funding
  if (tx === undefined || confirmedHeight !== undefined) return []
  const channelId = channel.id
  if (defeatedAt(state.wallet, outpoint.txid) !== undefined) {
    const message = 'A block holds another transaction that spends the coins of the channel.'
    return [{ id: `conflict/${channelId}`, urgency: 'urgent', code: 'fundingConflict', message, channelId }]
  }
  const waited = heightOf(state) - createdHeight
  if (waited < FUNDING_SLOW_BLOCKS) return []
  const urgency = waited < FUNDING_URGENT_BLOCKS ? 'warning' : 'urgent'
  const message = `The funding transaction waits since ${waited} blocks; the peer may forget the channel after ${FUNDING_TIMEOUT_BLOCKS}.`
  return [{ id: `stuck/${channelId}`, urgency, code: 'fundingStuck', message, channelId }]
}

/** What a person should know, most urgent first. */
function projectNotices(state: NodeState, extra: readonly Notice[]): Notice[] {
  const notices: Notice[] = [...extra, ...awayNotices(state)]
  const channels = Object.values(state.channels).map((channel) => ({
    status: channelStatus(channel, state.closes[channel.id]),
    receivable: receivableMsat(channel),
  }))
  for (const channel of Object.values(state.channels)) {
    const close = state.closes[channel.id]
    const status = channelStatus(channel, close)
    if (status === 'failed') {
      notices.push({
        id: `failed/${channel.id}`,
        urgency: 'urgent',
        code: 'channelFailed',
        message: channel.failure?.reason ?? 'The channel failed.',
        channelId: channel.id,
      })
    } else if (isRestored(channel) && close?.close === undefined && status !== 'closed') {
      notices.push({
        id: `restored/${channel.id}`,
        urgency: 'info',
        code: 'channelRestored',
        message: 'A channel from a backup waits for its peer to close it.',
        channelId: channel.id,
      })
    } else if (status === 'forceClosing') {
      const theirs = close?.close !== undefined && close.close.kind !== 'local'
      notices.push({
        id: `closing/${channel.id}`,
        urgency: 'warning',
        code: theirs ? 'peerForceClosed' : 'closingWaits',
        message: channel.failure?.reason ?? 'A channel is being closed on chain.',
        channelId: channel.id,
      })
    } else if (status === 'confirming') notices.push(...fundingNotices(state, channel))
  }
  if (state.foundBackup !== undefined) {
    notices.push({
      id: 'backupFound',
      urgency: 'urgent',
      code: 'backupFound',
      message: 'A peer has a copy of channels that this wallet does not know.',
    })
  }
  if (channels.some((c) => c.status === 'open') && !channels.some((c) => c.receivable > 0n)) {
    notices.push({
      id: 'noInbound',
      urgency: 'info',
      code: 'noInbound',
      message: 'All that open channels hold is on this side: nothing can be received over Lightning.',
    })
  }
  // Channels live on this device alone; coins come back from the words.
  if (state.preferences.storagePersisted === 'false' && channels.some((c) => c.status !== 'closed')) {
    notices.push({
      id: 'storageNotDurable',
      urgency: 'warning',
      code: 'storageNotDurable',
      message: 'The browser does not promise to keep what is stored, and channels are nowhere else.',
    })
  }
  for (const server of state.chain.servers) {
    if (server.status !== 'lying') continue
    notices.push({
      id: `lies/${server.url}`,
      urgency: 'warning',
      code: 'serverLies',
      message: `${server.url}: ${server.lastError ?? 'it sent something false'}`,
    })
  }
  const { servers, headers } = state.chain
  // A server of regtest that has less work than our own headers: its chain was started over (`npm start -- --fresh`).
  if (headers.network === 'regtest' && servers.some((s) => s.status === 'behind' && s.tip === null)) {
    notices.push({
      id: 'practiceChainReset',
      urgency: 'urgent',
      code: 'practiceChainReset',
      message:
        'The practice network was started over: this wallet’s coins and channels are not on its chain.',
    })
  }
  if (state.chain.allFail) {
    notices.push({
      id: 'serversUnreachable',
      urgency: 'warning',
      code: 'serversUnreachable',
      message: 'No chain server answers.',
    })
  }
  if (state.chain.staleTip) {
    notices.push({
      id: 'noNewBlocks',
      urgency: 'urgent',
      code: 'noNewBlocks',
      message: 'No server shows a new block for longer than chance explains: they may hide them.',
    })
  }
  const lost = Object.values(state.chain.broadcasts).find((broadcast) => broadcast.lost)
  if (lost !== undefined) {
    notices.push({
      id: `notRelayed/${lost.txid}`,
      urgency: 'warning',
      code: 'notRelayed',
      message: `At most one server shows the transaction ${lost.txid}, which was taken.`,
    })
  }
  if (Object.values(state.chain.watches).some((watch) => watch.kind === 'spend' && watch.disagreed)) {
    notices.push({
      id: 'serversDisagree',
      urgency: 'urgent',
      code: 'serversDisagree',
      message: 'Servers disagree about whether a channel has been closed.',
    })
  }
  if (state.preferences.wordsConfirmed !== 'true') {
    notices.push({
      id: 'backUpWords',
      urgency: 'warning',
      code: 'backUpWords',
      message: 'Write down the recovery words: without them a lost device means lost coins.',
    })
  }
  const order = { urgent: 0, warning: 1, info: 2 }
  return notices.sort((a, b) => order[a.urgency] - order[b.urgency])
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
