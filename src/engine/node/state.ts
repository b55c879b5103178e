import { type Table, withEntry } from '../base/table.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import type { Msat } from '../base/units.ts'
import type { FeeEstimate } from '../chain/esplora.ts'
import type { Tx } from '../bitcoin/types.ts'
import type { ChainEvent, ChainHealth, ChainState } from '../chain/types.ts'
import type { Opening } from '../channel/opening.ts'
import type { ChannelPolicy } from '../channel/policy.ts'
import type { Channel, ChannelEvent } from '../channel/types.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { SecretNonce } from '../crypto/musig2.ts'
import type { OnchainState } from '../onchain/types.ts'
import type { InvoiceRecord } from '../payment/invoice-record.ts'
import type { OfferRecord } from '../payment/offer-record.ts'
import type { OfferRequest } from '../payment/offer-request.ts'
import type { PaymentRecord } from '../payment/payment-record.ts'
import type { NodeKeys, WalletKeys } from '../wallet/keys.ts'
import type { WalletState } from '../wallet/types.ts'
import type { Graph } from '../router/graph.ts'
import type { History } from '../router/types.ts'
import type { SeenOnions } from '../switch/replay.ts'
import type { Circuit, ForwardAsk, ForwardPolicy, ForwardTotals } from '../switch/types.ts'
import type { FoundBackup } from './backup-types.ts'
import type { NodeEvent } from './commands.ts'
import type { Away, Incident } from './incident-types.ts'
import type { Lease } from './lease.ts'
import type { ConnectionId, NodeEffect, RecordWrite } from './ports.ts'

/** What the node is given once and never stores: keys, network, terms. Secrets live in closures of the key objects. */
export interface NodeSetup {
  readonly network: NetworkName
  readonly walletKeys: WalletKeys
  readonly nodeKeys: NodeKeys
  readonly nodeId: string
  /** 32 bytes */
  readonly nodeSecret: Uint8Array
  readonly policy: ChannelPolicy
  /** Formats that may be negotiated, best first. */
  readonly formats: readonly string[]
  /** Whether peers may open channels to us. */
  readonly acceptChannels: boolean
  /** Whether HTLCs of others are passed on, until the user chooses; default no. What that costs: default the usual. */
  readonly forwards?: boolean
  readonly forwardPolicy?: ForwardPolicy
  /** Esplora servers to begin with, until the user chooses. */
  readonly servers: readonly string[]
  /** Feerate for commitments and transactions while servers have no estimate, sat per 1000 weight. */
  readonly fallbackFeeratePerKw: number
  /** The name under which this node announces itself: at most 32 bytes of UTF-8. */
  readonly alias?: string
  /** The network as gossip tells it, kept by the host beside the node: a turn reads it and never writes to it. */
  readonly graph?: Graph
}

export interface PeerState {
  readonly nodeId: string
  readonly connection: ConnectionId
  /** `init`: ours is sent, the peer's awaited. */
  readonly phase: 'init' | 'ready'
  readonly inbound: boolean
  /** The peer's features, once its init is here. */
  readonly features: Uint8Array
  /** ms since 1970 of the last message, and of a ping that is not answered yet. */
  readonly lastHeard: number
  readonly pingedAt?: number
  /** Onion messages that it may send, as of a time (ms since 1970). */
  readonly messages?: { readonly left: number; readonly at: number }
  /**
   * ms since 1970, while channels that came from another device wait: what this peer kept for us, and what it says of them, shows whether
   * yet another has gone on with them.
   */
  readonly awaitsCopy?: number
  /** While some of them still wait: the peer has been told who goes on with the wallet now. */
  readonly claimed?: true
}

/** A peer's terms for what it forwards to us through a channel (BOLT 7 §channel_update). */
export interface PeerPolicy {
  /** s since 1970: a later update replaces an earlier one. */
  readonly timestamp: number
  readonly disabled: boolean
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: Msat
  readonly htlcMaximumMsat: Msat
}

/** An opening with what the wallet needs for it. */
export interface PendingOpening {
  readonly opening: Opening
  readonly fundingFeeratePerKw: number
  readonly inbound: boolean
  /** The id by which it was asked for, where the peer refused its first channel type and it has begun anew under another. */
  readonly askedAs?: string
}

/** Everything the node knows. Plain readonly data; only `channels` … `peerStorage` are stored. */
export interface NodeState {
  readonly channels: Readonly<Record<string, Channel>>
  /** The on-chain machines of closed channels, by channel id. */
  readonly closes: Readonly<Record<string, OnchainState>>
  readonly wallet: WalletState
  readonly chain: ChainState
  /** By payment hash in hex. */
  readonly invoices: Table<InvoiceRecord>
  readonly payments: Table<PaymentRecord>
  /** Invoices asked for of offers, and offers of our own, by id. */
  readonly requests: Readonly<Record<string, OfferRequest>>
  readonly offers: Readonly<Record<string, OfferRecord>>
  /** HTLCs on their way through us, by incoming channel and id. */
  readonly circuits: Readonly<Record<string, Circuit>>
  /** Onions that were passed on, until they expire. */
  readonly seenOnions: SeenOnions
  readonly forwards: ForwardTotals
  /** What attempts to pay have taught. */
  readonly routeHistory: History
  /** What peers ask for forwarding to us, by channel id (their `channel_update`). */
  readonly peerPolicies: Readonly<Record<string, PeerPolicy>>
  /** The other ends' halves of announcements, by channel id. */
  readonly announced: Readonly<Record<string, RemoteHalf>>
  /** Where peers with channels were last reached, by node id. */
  readonly peerAddresses: Readonly<Record<string, string>>
  readonly preferences: Readonly<Record<string, string>>
  /** What went wrong, or nearly did (`incidents.ts`). */
  readonly incidents: Readonly<Record<string, Incident>>
  /** What peers asked us to keep for them, by node id (BOLT 1 §peer_storage). */
  readonly peerStorage: Readonly<Record<string, Uint8Array>>
  /** Which device and epoch this is. */
  readonly lease: Lease

  // not stored
  /** Whether the first turn has been taken: it sets going what was loaded. */
  readonly started: boolean
  /** Whether the store holds this wallet; a new one is written whole. */
  readonly stored: boolean
  readonly peers: Readonly<Record<string, PeerState>>
  readonly connections: Readonly<Record<ConnectionId, string>>
  readonly openings: Readonly<Record<string, PendingOpening>>
  /** Addresses drawn for openings that came to nothing: the next ones use them. */
  readonly spareScripts: readonly Uint8Array[]
  readonly fees: readonly FeeEstimate[]
  /** A copy of our own that a peer gave back, with channels that this wallet does not know. */
  readonly foundBackup?: FoundBackup
  /** What a peer asked us to keep and when it was last written (ms since 1970); `waiting`: newer, to be written when it is time. */
  readonly storing: Readonly<Record<string, { readonly at: number; readonly waiting?: Uint8Array }>>
  /** The copy of ours that a peer was last known to hold: sent by us, or returned by it. */
  readonly copies: Readonly<
    Record<string, { readonly content: string; readonly at: number; readonly returned: boolean }>
  >
  /** Which content of the backup each peer was sent since the start, by node id. */
  readonly sharedBackups: Readonly<Record<string, string>>
  readonly health?: ChainHealth
  /** The last time that the wallet was closed, or saw no server, for longer than a reload takes. */
  readonly away?: Away
  /** ms since 1970: when servers last agreed with our tip. */
  readonly syncedAt?: number
  /** Confirmations of funding transactions, by channel id. */
  readonly fundingDepths: Readonly<Record<string, number>>
  /** `<connection>/<short channel id>` of our last half of an announcement, and when (s since 1970) our terms were last told, by channel id. */
  readonly halvesSent: Readonly<Record<string, string>>
  readonly termsTold: Readonly<Record<string, number>>
  /** Signatures under four keys that are being made, by channel id. Its nonces are secret, and never written. */
  readonly together: Readonly<Record<string, Together>>
  /** Announced channels by id: ms since 1970 since when the peer is there, or is not; `off`: the network was told not to use it. */
  readonly reachable: Readonly<
    Record<string, { readonly online: boolean; readonly since: number; readonly off: boolean }>
  >
  /** Those of `invoices` of which parts wait. */
  readonly waitingInvoices: Readonly<Record<string, true>>
  /** Invoices of our offers that nobody has paid, by hash, the oldest first. */
  readonly offered: ReadonlyMap<string, InvoiceRecord>
  /** Nodes that are connected for the sake of onion messages alone. */
  readonly dialled: Readonly<Record<string, true>>
  /** Questions whether a payment would arrive, by hash (`probes.ts`). */
  readonly probes: Readonly<Record<string, PaymentRecord>>
  /** How many of `invoices` are payments that came without one. */
  readonly spontaneous: number
  /** ms since 1970: when the next failure leaves that waits for its time in an outbox (`later.ts`). */
  readonly nextLater?: number
}

/** The other end's half of a channel_announcement, checked. Stored: the whole can be put together again at any time. */
export interface RemoteHalf {
  readonly shortChannelId: bigint
  /** 64 bytes each */
  readonly nodeSignature: Uint8Array
  readonly bitcoinSignature: Uint8Array
  /** 64 bytes, under all four keys, where both ends know how to make one (`announce-together.ts`). */
  readonly aggregate?: Uint8Array
}

/** Nonces or parts of signatures of one end: of its node key and of its funding key. */
export interface TwoKeys<T> {
  readonly node: T
  readonly bitcoin: T
}

/** One signature under the four keys of an announcement, in the making on one connection (BIP 327). */
export interface Together {
  readonly connection: ConnectionId
  /** Our nonces, until they have signed: then their secrets are dropped, so that they cannot sign again. */
  readonly ours?: { readonly shortChannelId: bigint; readonly nonces: TwoKeys<SecretNonce> }
  /** The peer's public nonces: the first of a connection for this place of the channel. */
  readonly theirs?: { readonly shortChannelId: bigint; readonly nonces: TwoKeys<Uint8Array> }
  /** Ours are signed: all public nonces in the order of the keys, and our two parts. */
  readonly signed?: {
    readonly shortChannelId: bigint
    readonly publicNonces: readonly Uint8Array[]
    readonly parts: TwoKeys<Uint8Array>
  }
}

/** One turn under way: the state is replaced, never changed in place; effects and records gather until the end. */
export interface Turn {
  state: NodeState
  readonly setup: NodeSetup
  readonly now: number
  readonly entropy: Entropy
  readonly effects: NodeEffect[]
  /** Messages by connection, in order. */
  readonly outbox: Map<ConnectionId, Uint8Array[]>
  readonly extraWrites: RecordWrite[]
  /** Channels that may have something to say at the end of the turn. */
  readonly dirty: Set<string>
  readonly hangUps: Map<ConnectionId, string>
  /** Payments and invoices that changed, by hash: what is written at the end. */
  readonly changed: {
    readonly payments: Set<string>
    readonly invoices: Set<string>
    readonly circuits: Set<string>
  }
  /** Tables that this turn has copied and may go on filling, until it ends and they are read only. */
  readonly copied: Set<object>
  /** Channels of which `channelChanged` tells already. */
  readonly told: Set<string>
  /** What machines said and their owners have not heard yet (`route.ts`). */
  readonly pending: Pending[]
}

/** News on its way from one machine to another, within a turn. */
export type Pending =
  | { readonly kind: 'chain'; readonly event: ChainEvent }
  | { readonly kind: 'channel'; readonly channelId: string; readonly event: ChannelEvent }
  /** Our commitment goes to the chain: the channel's on-chain machine takes over. */
  | { readonly kind: 'publish'; readonly channelId: string; readonly tx: Tx }
  /** HTLCs may be offered in this channel from now on, for the first time on this connection. */
  | { readonly kind: 'usable'; readonly channelId: string }
  /** A received HTLC is to be passed on. */
  | { readonly kind: 'forward'; readonly ask: ForwardAsk; readonly onion: Uint8Array }
  /** An HTLC that was received in a channel at court may be claimed. */
  | { readonly kind: 'preimage'; readonly channelId: string; readonly preimage: Uint8Array }
  | { readonly kind: 'hangUp'; readonly nodeId: string; readonly reason: string }

export function emit(turn: Turn, event: NodeEvent): void {
  if (event.type === 'channelChanged') {
    if (turn.told.has(event.channelId)) return
    turn.told.add(event.channelId)
  }
  turn.effects.push({ type: 'event', event })
}

/** A table that the turn may fill: its own copy, made once however many records are put in. */
function filling<T>(turn: Turn, table: Readonly<Record<string, T>>): Record<string, T> {
  if (turn.copied.has(table)) return table
  const copy = { ...table }
  turn.copied.add(copy)
  return copy
}

/** Puts a payment into the state. */
export function putPayment(turn: Turn, record: PaymentRecord): void {
  turn.changed.payments.add(record.paymentHash)
  const payments = withEntry(turn.state.payments, record.paymentHash, record, turn.copied)
  if (payments !== turn.state.payments) turn.state = { ...turn.state, payments }
}

/** Puts an invoice into the state. */
export function putInvoice(turn: Turn, record: InvoiceRecord): void {
  turn.changed.invoices.add(record.paymentHash)
  const invoices = withEntry(turn.state.invoices, record.paymentHash, record, turn.copied)
  if (record.waiting !== undefined || turn.state.waitingInvoices[record.paymentHash] === true) {
    const others = omit(turn.state.waitingInvoices, record.paymentHash)
    const waits = record.waiting !== undefined && record.waiting.length > 0
    turn.state = {
      ...turn.state,
      waitingInvoices: waits ? { ...others, [record.paymentHash]: true } : others,
    }
  }
  if (invoices === turn.state.invoices) return
  const more = record.spontaneous === true && invoices.size > turn.state.invoices.size
  turn.state = { ...turn.state, invoices, spontaneous: turn.state.spontaneous + (more ? 1 : 0) }
}

/** Puts a circuit into the state, or takes it out. */
export function putCircuit(turn: Turn, key: string, circuit: Circuit | undefined): void {
  const circuits = filling(turn, turn.state.circuits)
  if (circuit === undefined) delete circuits[key]
  else circuits[key] = circuit
  turn.changed.circuits.add(key)
  if (circuits !== turn.state.circuits) turn.state = { ...turn.state, circuits }
}

/** Height of the best verified block. */
export const heightOf = (state: NodeState): number => state.chain.headers.tip.height

/** A copy without one key. */
export function omit<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  if (!Object.hasOwn(record, key)) return record
  const { [key]: _, ...rest } = record
  return rest
}

/** sat per 1000 weight for confirmation within about this many blocks. */
export function feerateFor(state: NodeState, setup: NodeSetup, targetBlocks: number): number {
  let best: FeeEstimate | undefined
  for (const estimate of state.fees) {
    if (estimate.blocks <= targetBlocks && (best === undefined || estimate.blocks > best.blocks)) {
      best = estimate
    }
  }
  const rate = best?.satPerKw ?? setup.fallbackFeeratePerKw
  return Math.max(253, Math.min(Math.ceil(rate), 250_000))
}
