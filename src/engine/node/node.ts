import { entry, keys, tableOf } from '../base/table.ts'
import { err, ok, type Result } from '../base/result.ts'
import { unseenTransactions, extendWatch, emptyWallet, watchedScripts } from '../wallet/coins.ts'
import { release } from '../wallet/reservations.ts'
import { loadWallet, walletRecords, type WalletRecord } from '../wallet/records.ts'
import { chainConfig } from '../chain/config.ts'
import { chainRecordPrefix, chainRecords, loadChain } from '../chain/records.ts'
import { initialChain } from '../chain/step.ts'
import type { ChainConfig } from '../chain/types.ts'
import { channelWrites, loadChannels } from '../channel/records.ts'
import { isNeverFunded } from '../channel/step.ts'
import { entropyFrom } from '../crypto/entropy.ts'
import { INVOICE_VERSION, type InvoiceRecord, invoiceKey } from '../payment/invoice-record.ts'
import { OFFER_VERSION, offerKey, type OfferRecord } from '../payment/offer-record.ts'
import { type OfferRequest, REQUEST_VERSION, requestKey } from '../payment/offer-request.ts'
import { PAYMENT_VERSION, paymentKey, type PaymentRecord } from '../payment/payment-record.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { emptyHistory } from '../router/history.ts'
import type { History } from '../router/types.ts'
import { circuitGone, circuitRecord, loadSwitch, totalsRecord } from '../switch/records.ts'
import { resumeAnnouncements, tickAnnouncements } from './announce.ts'
import { shareBackup, storeWaiting } from './backup.ts'
import { broadcast, chainInput, watchChannel, watchWallet } from './chain.ts'
import { closeWrites, courtRecordRead, eraseForgotten, loadCloses, resumeCloses } from './closes.ts'
import { dispatch } from './dispatch.ts'
import { incidentWrites, loadIncidents, noteAbsence, noteIncidents, noteSeen } from './incidents.ts'
import { resumeLater, tickLater, withWake } from './later.ts'
import { isHalted, leaseWrite, loadLease, newDevice } from './lease.ts'
import { tickOffers } from './offers.ts'
import { tickOpenings } from './openings.ts'
import { resumeForwards, tickForwards } from './forwards.ts'
import { resumePayments, tickParts, tickPayments, trustedHeight } from './payments.ts'
import { tickProbes } from './probes.ts'
import { peerConnected, peerGone, peerMessage, redialPeers, tickPeers } from './peers.ts'
import type { NodeEffect, NodeInput, RecordWrite } from './ports.ts'
import { comeToRest, drain } from './route.ts'
import { tickUnfunded } from './channels.ts'
import { tickUnproven } from './take-over.ts'
import type { NodeSetup, NodeState, PeerPolicy, RemoteHalf, Turn } from './state.ts'

/** The node: one deterministic loop. A turn takes all inputs that have arrived and answers once (house laws 1 to 3). */

export interface TurnContext {
  /** ms since 1970 */
  readonly now: number
  /** 32 fresh bytes from the platform's CSPRNG. */
  readonly entropySeed: Uint8Array
}

export interface TurnResult {
  readonly state: NodeState
  readonly writes: readonly RecordWrite[]
  readonly effects: readonly NodeEffect[]
}

const PREFERENCE_VERSION = 1
const POLICY_VERSION = 1
const HISTORY_VERSION = 1
const HISTORY_KEY = 'routes/history'
const PEER_VERSION = 1
const ANNOUNCED_VERSION = 1
const STORAGE_VERSION = 1

/** The state that records hold; a new wallet's when there are none. Nothing is asked of the world yet: `start` does. */
export function loadNode(
  records: ReadonlyMap<string, Uint8Array>,
  setup: NodeSetup,
  config: ChainConfig = chainConfig(setup.network),
): Result<NodeState> {
  const channels = loadChannels(records)
  if (!channels.ok) return channels
  const closes = loadCloses(records)
  if (!closes.ok) return closes
  const wallet = loadWalletState(records, setup)
  if (!wallet.ok) return wallet
  const headers = loadChain(
    setup.network,
    [...records]
      .filter(([key]) => key.startsWith(chainRecordPrefix(setup.network)))
      .map(([key, value]) => ({ key, value })),
  )
  const invoices = loadKind<InvoiceRecord>(records, 'invoice/', INVOICE_VERSION)
  if (!invoices.ok) return invoices
  const payments = loadKind<PaymentRecord>(records, 'payment/', PAYMENT_VERSION)
  if (!payments.ok) return payments
  const peerPolicies = loadKind<PeerPolicy>(records, 'policy/', POLICY_VERSION)
  if (!peerPolicies.ok) return peerPolicies
  const announced = loadKind<RemoteHalf>(records, 'announced/', ANNOUNCED_VERSION)
  if (!announced.ok) return announced
  const requests = loadKind<OfferRequest>(records, 'request/', REQUEST_VERSION)
  if (!requests.ok) return requests
  const offers = loadKind<OfferRecord>(records, 'offer/', OFFER_VERSION)
  if (!offers.ok) return offers
  const forwarding = loadSwitch(records)
  if (!forwarding.ok) return forwarding
  const preferences = loadKind<string>(records, 'preference/', PREFERENCE_VERSION)
  if (!preferences.ok) return preferences
  const incidents = loadIncidents(records)
  if (!incidents.ok) return incidents
  const peerAddresses = loadKind<string>(records, 'peer/', PEER_VERSION)
  if (!peerAddresses.ok) return peerAddresses
  const peerStorage = loadKind<Uint8Array>(records, 'storage/', STORAGE_VERSION)
  if (!peerStorage.ok) return peerStorage
  const lease = loadLease(records)
  if (!lease.ok) return lease
  return ok({
    channels: channels.value,
    closes: closes.value,
    wallet: wallet.value,
    chain: initialChain(config, headers.ok ? headers.value : undefined),
    invoices: tableOf(invoices.value),
    payments: tableOf(payments.value),
    requests: requests.value,
    offers: offers.value,
    ...forwarding.value,
    routeHistory: loadHistory(records),
    peerPolicies: peerPolicies.value,
    announced: announced.value,
    peerAddresses: peerAddresses.value,
    preferences: preferences.value,
    incidents: incidents.value,
    peerStorage: peerStorage.value,
    lease: lease.value,
    started: false,
    stored: [...records.keys()].some((key) => key.startsWith('wallet/')),
    peers: {},
    connections: {},
    openings: {},
    spareScripts: [],
    probes: {},
    fees: [],
    storing: {},
    copies: {},
    sharedBackups: {},
    fundingDepths: {},
    halvesSent: {},
    termsTold: {},
    offered: new Map(),
    dialled: {},
    together: {},
    reachable: {},
    waitingInvoices: Object.fromEntries(
      Object.values(invoices.value).flatMap((i) => (i.waiting === undefined ? [] : [[i.paymentHash, true]])),
    ),
    spontaneous: Object.values(invoices.value).filter((invoice) => invoice.spontaneous === true).length,
  })
}

function loadKind<T>(
  records: ReadonlyMap<string, Uint8Array>,
  prefix: string,
  version: number,
): Result<Readonly<Record<string, T>>> {
  const found: Record<string, T> = {}
  for (const [key, bytes] of records) {
    if (!key.startsWith(prefix)) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    if (decoded.value.version !== version) return err(`${key}: version ${decoded.value.version}`)
    found[key.slice(prefix.length)] = decoded.value.value as T
  }
  return ok(found)
}

function loadWalletState(
  records: ReadonlyMap<string, Uint8Array>,
  setup: NodeSetup,
): Result<NodeState['wallet']> {
  const stored: WalletRecord[] = []
  for (const [key, bytes] of records) {
    if (!key.startsWith('wallet/')) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    stored.push({ key, version: decoded.value.version, value: decoded.value.value as WalletRecord['value'] })
  }
  if (stored.length === 0) return ok(extendWatch(emptyWallet(setup.network), setup.walletKeys).state)
  const loaded = loadWallet(stored)
  if (!loaded.ok) return err(`${loaded.error.key}: ${loaded.error.code}`)
  return ok(extendWatch(loaded.value, setup.walletKeys).state)
}

/** What attempts taught; a lesson that cannot be read is none. */
function loadHistory(records: ReadonlyMap<string, Uint8Array>): History {
  const bytes = records.get(HISTORY_KEY)
  const decoded = bytes === undefined ? undefined : decodeRecord(bytes)
  return decoded?.ok === true && decoded.value.version === HISTORY_VERSION
    ? (decoded.value.value as History)
    : emptyHistory
}

/** The records that turn a store of `prev` into one of `next`. */
function writesBetween(
  prev: NodeState | undefined,
  next: NodeState,
  changed: Turn['changed'],
): RecordWrite[] {
  const writes: RecordWrite[] = []
  diff(prev?.channels, next.channels, (_id, before, after) => {
    writes.push(...channelWrites(before, after))
  })
  writes.push(...closeWrites(prev?.closes, next.closes))
  writes.push(...incidentWrites(prev?.incidents, next.incidents))
  // By what changed and not by comparing: there may be many thousands, and a turn touches few of them.
  for (const hash of prev === undefined ? keys(next.invoices) : changed.invoices) {
    const record = entry(next.invoices, hash)
    if (record !== undefined && (prev === undefined || record !== entry(prev.invoices, hash)))
      writes.push({ key: invoiceKey(hash), value: encodeRecord(INVOICE_VERSION, record) })
  }
  for (const hash of prev === undefined ? keys(next.payments) : changed.payments) {
    const record = entry(next.payments, hash)
    if (record !== undefined && (prev === undefined || record !== entry(prev.payments, hash)))
      writes.push({ key: paymentKey(hash), value: encodeRecord(PAYMENT_VERSION, record) })
  }
  for (const key of prev === undefined ? Object.keys(next.circuits) : changed.circuits) {
    const circuit = next.circuits[key]
    if (circuit !== undefined) writes.push(circuitRecord(circuit))
    else if (prev?.circuits[key] !== undefined) writes.push(circuitGone(key))
  }
  if (prev !== undefined && prev.forwards !== next.forwards) writes.push(totalsRecord(next.forwards))
  diff(prev?.preferences, next.preferences, (name, _before, after) => {
    writes.push({
      key: `preference/${name}`,
      value: after === undefined ? null : encodeRecord(PREFERENCE_VERSION, after),
    })
  })
  if (prev !== undefined && prev.routeHistory !== next.routeHistory)
    writes.push({ key: HISTORY_KEY, value: encodeRecord(HISTORY_VERSION, next.routeHistory) })
  diff(prev?.peerPolicies, next.peerPolicies, (id, _before, after) => {
    writes.push({
      key: `policy/${id}`,
      value: after === undefined ? null : encodeRecord(POLICY_VERSION, after),
    })
  })
  diff(prev?.announced, next.announced, (id, _before, after) => {
    writes.push({
      key: `announced/${id}`,
      value: after === undefined ? null : encodeRecord(ANNOUNCED_VERSION, after),
    })
  })
  diff(prev?.requests, next.requests, (id, _before, after) => {
    writes.push({
      key: requestKey(id),
      value: after === undefined ? null : encodeRecord(REQUEST_VERSION, after),
    })
  })
  diff(prev?.offers, next.offers, (id, _before, after) => {
    writes.push({ key: offerKey(id), value: after === undefined ? null : encodeRecord(OFFER_VERSION, after) })
  })
  diff(prev?.peerAddresses, next.peerAddresses, (id, _before, after) => {
    writes.push({ key: `peer/${id}`, value: after === undefined ? null : encodeRecord(PEER_VERSION, after) })
  })
  diff(prev?.peerStorage, next.peerStorage, (id, _before, after) => {
    writes.push({
      key: `storage/${id}`,
      value: after === undefined ? null : encodeRecord(STORAGE_VERSION, after),
    })
  })
  if (prev?.lease !== next.lease) writes.push(leaseWrite(next.lease))
  if (prev?.wallet !== next.wallet) {
    for (const { key, version, value } of walletRecords(prev?.wallet, next.wallet)) {
      writes.push({ key, value: value === null ? null : encodeRecord(version, value) })
    }
  }
  if (prev?.chain.headers !== next.chain.headers) {
    const { puts, deletes } = chainRecords(prev?.chain.headers, next.chain.headers)
    for (const { key, value } of puts) writes.push({ key, value })
    for (const key of deletes) writes.push({ key, value: null })
  }
  return writes
}

function diff<T>(
  prev: Readonly<Record<string, T>> | undefined,
  next: Readonly<Record<string, T>>,
  changed: (key: string, before: T | undefined, after: T | undefined) => void,
): void {
  if (prev === next) return
  for (const [key, value] of Object.entries(next)) if (prev?.[key] !== value) changed(key, prev?.[key], value)
  for (const [key, value] of Object.entries(prev ?? {})) {
    if (!Object.hasOwn(next, key)) changed(key, value, undefined)
  }
}

function openTurn(state: NodeState, setup: NodeSetup, ctx: TurnContext): Turn {
  return {
    state,
    setup,
    now: ctx.now,
    entropy: entropyFrom(ctx.entropySeed),
    effects: [],
    outbox: new Map(),
    extraWrites: [],
    dirty: new Set(),
    hangUps: new Map(),
    changed: { payments: new Set(), invoices: new Set(), circuits: new Set() },
    copied: new Set(),
    told: new Set(),
    pending: [],
  }
}

/** Ends a turn: channels say what is due, and everything becomes writes and effects. */
function closeTurn(turn: Turn, before: NodeState | undefined): TurnResult {
  comeToRest(turn)
  if (before !== undefined) noteIncidents(turn, before)
  noteSeen(turn)
  const sends: NodeEffect[] = [...turn.outbox].map(([connection, messages]) => ({
    type: 'send',
    connection,
    messages,
  }))
  const hangUps: NodeEffect[] = [...turn.hangUps].map(([connection, reason]) => ({
    type: 'hangUp',
    connection,
    reason,
  }))
  return {
    state: turn.state,
    writes: [...writesBetween(before, turn.state, turn.changed), ...turn.extraWrites],
    effects: [...sends, ...hangUps, ...withWake(turn, before)],
  }
}

/** What the first turn does: watches, servers, what was under way, and connections to peers. */
function start(turn: Turn): void {
  turn.state = { ...turn.state, started: true, stored: true }
  const { lease } = turn.state
  if (lease.device === '')
    turn.state = { ...turn.state, lease: { ...lease, device: newDevice(turn.entropy) } }
  releaseAbandoned(turn)
  const chosen = turn.state.preferences.servers
  for (const url of chosen === undefined ? turn.setup.servers : chosen.split('\n')) {
    chainInput(turn, { type: 'addServer', url })
  }
  watchWallet(turn, watchedScripts(turn.state.wallet))
  for (const channel of Object.values(turn.state.channels)) {
    if (turn.state.closes[channel.id] === undefined) watchChannel(turn, channel)
    const { tx, confirmedHeight } = channel.funding
    if (tx !== undefined && confirmedHeight === undefined && !isNeverFunded(channel)) broadcast(turn, tx)
    if (channel.closing?.tx !== undefined && turn.state.closes[channel.id] === undefined) {
      broadcast(turn, channel.closing.tx)
    }
  }
  for (const { tx } of unseenTransactions(turn.state.wallet)) broadcast(turn, tx)
  redialPeers(turn)
  resumeCloses(turn)
  resumePayments(turn)
  resumeForwards(turn)
  resumeLater(turn)
  resumeAnnouncements(turn)
  tickPayments(turn)
  tickParts(turn)
  chainInput(turn, { type: 'start' })
}

/**
 * Coins of openings that ended with the last run. `funding_created` alone commits nobody: the transaction was never handed out, since
 * that happens in the very write that makes the channel.
 */
function releaseAbandoned(turn: Turn): void {
  const claims = Object.values(turn.state.closes).flatMap((close) => close.claims)
  for (const reservation of Object.values(turn.state.wallet.reservations)) {
    // Those of claims end with them (`releaseCoins`).
    if (claims.some((claim) => claim.coins === reservation.id)) continue
    turn.state = { ...turn.state, wallet: release(turn.state.wallet, reservation.id) }
  }
}

/** One turn. Throws only on a defect; the caller then keeps the old state and freezes. */
export function turn(
  state: NodeState,
  setup: NodeSetup,
  inputs: readonly NodeInput[],
  ctx: TurnContext,
): TurnResult {
  if (isHalted(state.lease)) return refuse(state, inputs)
  const current = openTurn(state, setup, ctx)
  noteAbsence(current)
  if (!state.started) start(current)
  for (const input of inputs) {
    handle(current, input)
    if (isHalted(current.state.lease)) return stop(state, current)
    drain(current)
  }
  return closeTurn(current, state.stored ? state : undefined)
}

/**
 * Another device goes on with the wallet. The turn in which that is found out did nothing else: none of what it may have decided before
 * is written or leaves.
 */
function stop(before: NodeState, { state: { lease } }: Turn): TurnResult {
  const reason = 'this wallet goes on on another device'
  const { epoch, peer } = lease.elsewhere ?? { epoch: lease.epoch, peer: '' }
  return {
    state: { ...before, lease },
    writes: [leaseWrite(lease)],
    effects: [
      ...Object.keys(before.connections).map(
        (connection) => ({ type: 'hangUp', connection, reason }) as const,
      ),
      { type: 'event', event: { type: 'walletElsewhere', epoch, nodeId: peer } },
    ],
  }
}

/** Handed out, or gone on elsewhere: nothing is done here any more, whatever arrives. */
function refuse(state: NodeState, inputs: readonly NodeInput[]): TurnResult {
  const error = { code: 'walletMoved', message: 'This wallet has moved to another device.' }
  return {
    state,
    writes: [],
    effects: inputs.flatMap((input): NodeEffect[] => {
      if (input.type === 'command') return [{ type: 'reply', id: input.id, result: { ok: false, error } }]
      if (input.type !== 'peerConnected') return []
      return [{ type: 'hangUp', connection: input.connection, reason: error.message }]
    }),
  }
}

function handle(current: Turn, input: NodeInput): void {
  switch (input.type) {
    case 'peerConnected':
      return peerConnected(current, input.connection, input.nodeId, input.address)
    case 'peerMessage':
      return peerMessage(current, input.connection, input.bytes)
    case 'peerDisconnected':
      return peerGone(current, input.connection, input.reason)
    case 'esploraResponse':
      return chainInput(current, { type: 'response', id: input.id, result: input.result })
    case 'tick':
      tickPeers(current)
      tickOpenings(current)
      tickPayments(current)
      tickProbes(current)
      tickOffers(current)
      tickParts(current)
      tickForwards(current)
      tickLater(current)
      tickAnnouncements(current)
      tickUnfunded(current)
      tickUnproven(current, trustedHeight(current))
      eraseForgotten(current)
      storeWaiting(current)
      shareBackup(current)
      return chainInput(current, { type: 'tick' })
    case 'record':
      return courtRecordRead(current, input.key, input.value)
    case 'command': {
      const result = dispatch(current, input.command)
      current.effects.push({ type: 'reply', id: input.id, result })
    }
  }
}
