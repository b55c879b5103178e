import * as v from 'valibot'
import { channelView } from './channel-view.ts'
import { graphView, nodesFound, nodeView, routeQuery, routesView } from './graph-view.ts'
import { receivePreview } from './receive-view.ts'
import {
  amount,
  appState,
  attempt,
  bytes,
  channel,
  channelId,
  coin,
  errorData,
  forwards,
  hash32,
  hop,
  invoice,
  isoTime,
  moneyCost,
  moneyLine,
  network,
  nodeId,
  offer,
  offerId,
  offerRequest,
  payment,
  peer,
  satPerVb,
  text,
  transaction,
  txid,
} from './schemas.ts'

const nothing = v.object({})

/** A backup's bytes in hex. */
const backupFile = v.pipe(v.string(), v.maxLength(16 * 1024 * 1024), v.regex(/^([0-9a-f]{2})*$/))

/** Needed on mainnet: that whoever asks knows that this is new software and the money real. */
const realMoney = v.optional(v.literal('real money'))

const timeoutSeconds = v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(3600)))
/** Whom to pay how much: an invoice, or a node that did not ask (keysend). */
const toInvoice = { invoice: text(8000), amountMsat: v.optional(amount) }
const toNode = { destination: nodeId, amountMsat: amount }

/** `pubkey@host:port`, `pubkey@ws://…`, `pubkey@wss://…`, or the bare key of a peer that is known. */
const peerAddress = text(300)

/**
 * A procedure answers once; a stream answers any number of times and then ends or fails; a duplex stream takes requests on the way as
 * well, each an `item`, and ends when they have ended and each has had its answers.
 */
const call = <I extends v.GenericSchema, O extends v.GenericSchema>(input: I, output: O) =>
  ({ kind: 'call', input, output }) as const
const stream = <I extends v.GenericSchema, O extends v.GenericSchema>(input: I, output: O) =>
  ({ kind: 'stream', input, output }) as const
const duplex = <I extends v.GenericSchema, T extends v.GenericSchema, O extends v.GenericSchema>(
  input: I,
  item: T,
  output: O,
) => ({ kind: 'duplex', input, item, output }) as const

/** What a pasted text turned out to be. Amounts are absent where the payer chooses. */
const payable = v.variant('kind', [
  v.object({
    kind: v.literal('invoice'),
    invoice: v.string(),
    paymentHash: hash32,
    destination: nodeId,
    amountMsat: v.optional(amount),
    description: v.string(),
    createdAt: isoTime,
    expiresAt: isoTime,
    expired: v.boolean(),
    /** An on-chain address that came with it (BIP 21), as an alternative; and how much the link asks for, where the invoice does not say. */
    fallbackAddress: v.optional(v.string()),
    askedMsat: v.optional(amount),
  }),
  /** BOLT 12: an invoice is asked for when it is paid. Everything in it is what its maker says of itself. */
  v.object({
    kind: v.literal('offer'),
    offer: v.string(),
    description: v.string(),
    issuer: v.optional(v.string()),
    /** Who signs, where it says so; without, it is who can be reached by its paths. */
    issuerId: v.optional(nodeId),
    /** For each item; absent: the payer chooses. */
    amountMsat: v.optional(amount),
    /** It asks for another money than ours: how much of its smallest unit, for each item. The payer says how much bitcoin. */
    currency: v.optional(v.object({ code: v.string(), amount: v.string() })),
    /** It counts items: so many at most, `0` for any number. */
    quantityMax: v.optional(v.string()),
    expiresAt: v.optional(isoTime),
    expired: v.boolean(),
    fallbackAddress: v.optional(v.string()),
    askedMsat: v.optional(amount),
  }),
  v.object({
    kind: v.literal('address'),
    address: v.string(),
    amountSat: v.optional(amount),
    label: v.optional(v.string()),
    message: v.optional(v.string()),
  }),
  v.object({ kind: v.literal('unsupported'), what: v.string() }),
])

/** A password as the user typed it, or the 32 bytes (hex) that the passkey made of the lock's salt. */
const credential = v.union([
  v.object({ password: v.pipe(v.string(), v.minLength(1), v.maxLength(1000)) }),
  v.object({ passkeySecret: hash32 }),
])

/** What a sealed wallet file is opened with; whoever has both has the wallet. */
const filePassword = v.pipe(v.string(), v.minLength(8), v.maxLength(1000))
/** Far above any wallet's: what a page and its worker can hand each other. */
const MAX_FILE_BYTES = 512 * 1024 * 1024

/** The API as data. The page, the console, Node and tests all speak it; servers validate both directions with it. */
export const procedures = {
  getInfo: call(
    nothing,
    v.object({
      version: v.string(),
      phase: v.string(),
      network,
      nodeId: v.optional(nodeId),
      height: v.number(),
      blockHash: v.string(),
      synced: v.boolean(),
      peers: v.number(),
      channels: v.number(),
    }),
  ),
  getState: stream(nothing, appState),
  createWallet: call(
    v.object({
      network: v.optional(network),
      words: v.optional(v.picklist([12, 24])),
      passphrase: v.optional(text(256)),
      /** Esplora base URLs and the gateway, when not the build's own. */
      servers: v.optional(v.pipe(v.array(text(300)), v.maxLength(8))),
      gateway: v.optional(text(300)),
      confirm: realMoney,
    }),
    v.object({ words: v.array(v.string()) }),
  ),
  restoreWallet: call(
    v.object({
      words: text(1000),
      network: v.optional(network),
      passphrase: v.optional(text(256)),
      servers: v.optional(v.pipe(v.array(text(300)), v.maxLength(8))),
      gateway: v.optional(text(300)),
      confirm: realMoney,
    }),
    nothing,
  ),
  /** The recovery words, for the user's eyes; the UI asks before it calls. */
  showWords: call(nothing, v.object({ words: v.array(v.string()) })),
  confirmWords: call(nothing, nothing),
  /** Forgets a wallet for good: on regtest, where coins are worth nothing and chains are started over, and one that has moved. */
  eraseWallet: call(v.object({ confirm: v.literal('erase') }), nothing),
  /** Opens the wallet's storage and starts the node. */
  unlock: call(credential, nothing),
  /** Stops the node and forgets the key to its storage. */
  lock: call(nothing, nothing),
  /** Adds a password or passkey, or replaces the one there is; the node stands still meanwhile. `proof` opens the present lock. */
  addLock: call(
    v.object({
      lock: v.union([
        v.object({ password: v.pipe(v.string(), v.minLength(1), v.maxLength(1000)) }),
        v.object({
          passkey: v.object({
            credentialId: v.pipe(v.string(), v.regex(/^([0-9a-f]{2}){1,1023}$/)),
            salt: hash32,
            secret: hash32,
          }),
        }),
      ]),
      proof: v.optional(credential),
    }),
    nothing,
  ),
  /** Takes a lock away; without the last one the storage lies open again. */
  removeLock: call(v.object({ kind: v.picklist(['password', 'passkey']), proof: credential }), nothing),
  updateSettings: call(
    v.object({
      servers: v.optional(v.pipe(v.array(text(300)), v.minLength(1), v.maxLength(8))),
      gateway: v.optional(text(300)),
      storagePersisted: v.optional(v.boolean()),
      /** Whether payments of others are passed on; a wallet does so only when its user allows it. */
      forwarding: v.optional(v.boolean()),
      /** Whether each of them waits for `decideForward`, at most two minutes. */
      interceptForwards: v.optional(v.boolean()),
      /**
       * Server for snapshots of the network, in the format of LDK's rapid gossip sync: `<address>/<s since 1970>` is asked for, once a day.
       * Empty: none, as it is at first. What it tells are hints, which no payment relies on unchecked.
       */
      snapshots: v.optional(text(300)),
    }),
    nothing,
  ),

  connectPeer: call(v.object({ address: peerAddress }), v.object({ nodeId })),
  disconnectPeer: call(v.object({ nodeId }), nothing),
  listPeers: call(nothing, v.array(peer)),
  /** The network as gossip told it, and how much of it was checked. */
  describeGraph: call(nothing, graphView),
  /** Fetches a snapshot from the server that the user has named; `describeGraph` tells how it goes. */
  fetchSnapshot: call(nothing, nothing),
  /** Nodes of the network by name or id. */
  findNodes: call(v.object({ text: v.pipe(text(66), v.minLength(1)) }), nodesFound),
  /** One node of the network and its channels. */
  getNodeInfo: call(v.object({ nodeId }), nodeView),
  /** Ways to a node, and why these. Pays nothing. */
  queryRoutes: call(routeQuery, routesView),

  openChannel: stream(
    v.object({
      peer: peerAddress,
      amountSat: amount,
      pushMsat: v.optional(amount),
      feeSatPerVb: v.optional(satPerVb),
      /** Told to the whole network, so that others can pay through it. Absent: only the peer knows of it. */
      announce: v.optional(v.boolean()),
    }),
    v.variant('status', [
      v.object({ status: v.literal('connecting') }),
      v.object({ status: v.literal('negotiating') }),
      v.object({ status: v.literal('pending'), channelId, fundingTxid: txid }),
      v.object({
        status: v.literal('confirming'),
        channelId,
        confirmations: v.number(),
        confirmationsNeeded: v.number(),
      }),
      v.object({ status: v.literal('open'), channelId }),
    ]),
  ),
  closeChannel: stream(
    v.object({
      channelId,
      force: v.optional(v.boolean()),
      /**
       * By force, from `unproven.closableFrom` on, a channel that came from another device and whose peer has not been met. If that device
       * has gone on with it, the peer may take all of it.
       */
      anyway: v.optional(v.literal('close anyway')),
      address: v.optional(text(100)),
      feeSatPerVb: v.optional(satPerVb),
    }),
    v.variant('status', [
      v.object({ status: v.literal('negotiating') }),
      v.object({ status: v.literal('broadcast'), txid }),
      v.object({ status: v.literal('confirmed'), txid }),
    ]),
  ),
  listChannels: call(nothing, v.array(channel)),
  pendingChannels: call(nothing, v.array(channel)),
  /** The channel's commitment machine as it runs: now, and after changes at most ten times a second, the last state always. */
  channelView: stream(v.object({ channelId }), channelView),

  /** Whether an amount can arrive, in parts too, and how; without one, how much can. Makes nothing. */
  previewReceive: call(v.object({ amountMsat: v.optional(amount) }), receivePreview),
  addInvoice: call(
    v.object({
      amountMsat: v.optional(amount),
      description: v.optional(text(639)),
      expirySeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(60), v.maxValue(31_536_000))),
      /** A payment of it waits, complete, for `settleInvoice` or `cancelInvoice`. */
      hold: v.optional(v.boolean()),
      /** Of a preimage that somebody else has: the invoice is held, and `settleInvoice` has to bring it. */
      paymentHash: v.optional(hash32),
    }),
    invoice,
  ),
  /** Takes the payment that waits for a held invoice. One that was made by its hash needs the preimage. */
  settleInvoice: call(v.object({ paymentHash: hash32, preimage: v.optional(hash32) }), nothing),
  /** Withdraws an invoice that nobody has paid; what waits for it goes back. */
  cancelInvoice: call(v.object({ paymentHash: hash32 }), nothing),
  /** Many invoices of the same terms, in the order of their making. */
  addInvoices: call(
    v.object({
      count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000)),
      amountMsat: v.optional(amount),
      description: v.optional(text(639)),
      expirySeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(60), v.maxValue(31_536_000))),
    }),
    v.array(v.object({ invoice: v.string(), paymentHash: hash32 })),
  ),
  /** Something to be paid by again and again (BOLT 12): an invoice is made for whoever asks, while this node is there. */
  addOffer: call(
    v.object({
      /** For each item; absent: the payer chooses. With it goes a description. */
      amountMsat: v.optional(amount),
      description: v.optional(text(639)),
      issuer: v.optional(text(200)),
      /** Items that one invoice may be for: `0` for any number. */
      quantityMax: v.optional(v.pipe(v.string(), v.regex(/^(0|[1-9][0-9]{0,18})$/))),
      expirySeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(60), v.maxValue(315_360_000))),
    }),
    offer,
  ),
  listOffers: call(nothing, v.array(offer)),
  /** It is not answered any more. */
  disableOffer: call(v.object({ id: offerId }), nothing),
  /** Offers that are being paid and have no invoice yet, and those that came to none. */
  listOfferRequests: call(nothing, v.array(offerRequest)),
  decode: call(v.object({ text: text(8000) }), payable),
  listInvoices: call(nothing, v.array(invoice)),
  subscribeInvoices: stream(v.object({ paymentHash: v.optional(hash32) }), invoice),
  /** What the channels have no room for waits, at most its own time. */
  sendPayment: stream(
    v.union([
      v.object({
        ...toInvoice,
        /** Of an offer: how many, where it counts; and words for the recipient. */
        quantity: v.optional(v.pipe(v.string(), v.regex(/^[1-9][0-9]{0,18}$/))),
        payerNote: v.optional(text(200)),
        maxFeeMsat: v.optional(amount),
        timeoutSeconds,
      }),
      v.object({ ...toNode, maxFeeMsat: v.optional(amount), timeoutSeconds }),
    ]),
    v.variant('status', [
      /** Of an offer: its invoice has been asked for so many times; and it is here. */
      v.object({ status: v.literal('asking'), times: v.number(), requestId: hash32 }),
      v.object({ status: v.literal('invoiced'), paymentHash: hash32 }),
      /** It has begun: by this name it can be cancelled. What its user allows: cost, and time for attempts to begin in. */
      v.object({
        status: v.literal('begun'),
        paymentHash: hash32,
        amountMsat: amount,
        maxFeeMsat: amount,
        deadline: isoTime,
      }),
      v.object({
        status: v.literal('attempting'),
        attempt: v.number(),
        channelId,
        amountMsat: amount,
        /** Where it goes through others: what that costs, and their node ids to the recipient. */
        feeMsat: v.optional(amount),
        hops: v.optional(v.array(nodeId)),
        /** The same hops, with what each of them gets. */
        route: v.optional(v.array(hop)),
      }),
      v.object({ status: v.literal('attemptFailed'), attempt: v.number(), channelId, error: errorData }),
      v.object({ status: v.literal('succeeded'), preimage: hash32, amountMsat: amount, feeMsat: amount }),
      v.object({ status: v.literal('failed'), error: errorData }),
    ]),
  ),
  /**
   * Many payments over one stream. A result names its request by its place in the stream, from 0, and comes when its payment ends,
   * whatever the others do. What a channel has no room for waits, at most its own time. Leaving the stream stops no payment that has
   * begun: they show in `listPayments`.
   */
  sendPayments: duplex(
    v.object({
      /** Payments begun and not ended. */
      maxInFlight: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2000))),
    }),
    v.union([v.object({ ...toInvoice, timeoutSeconds }), v.object({ ...toNode, timeoutSeconds })]),
    v.variant('status', [
      v.object({
        status: v.literal('succeeded'),
        index: v.number(),
        paymentHash: hash32,
        preimage: hash32,
        amountMsat: amount,
        feeMsat: amount,
      }),
      v.object({
        status: v.literal('failed'),
        index: v.number(),
        /** Absent where the request could not be read as an invoice or its payment never began. */
        paymentHash: v.optional(hash32),
        error: errorData,
      }),
    ]),
  ),
  listPayments: call(nothing, v.array(payment)),
  /**
   * No more attempts. What is on its way cannot be called back: it is waited for, and the payment then is what became of it; with nothing
   * on its way it has failed at once. One that has ended stays as it is (`tooLate`).
   */
  cancelPayment: call(
    v.object({ paymentHash: hash32 }),
    v.object({ state: v.picklist(['failed', 'pending']), onTheWayMsat: amount }),
  ),
  /**
   * Whether a payment would arrive, found out by sending HTLCs with a hash that nobody can settle: they come back from wherever they get to.
   * Costs nothing but time, locks the amount meanwhile, and shows each node on the way that somebody asks. Teaches the router.
   */
  probePayment: call(
    v.union([
      v.object({ ...toInvoice, maxFeeMsat: v.optional(amount), timeoutSeconds }),
      v.object({ ...toNode, maxFeeMsat: v.optional(amount), timeoutSeconds }),
    ]),
    v.object({
      arrives: v.boolean(),
      /** What it would cost, exactly, by the ways that were found. */
      feeMsat: v.optional(amount),
      attempts: v.array(attempt),
      /** Why it would not arrive. */
      error: v.optional(errorData),
    }),
  ),
  listForwards: call(nothing, forwards),
  /** Lets a held payment go on, or fails it. */
  decideForward: call(v.object({ key: text(100), forward: v.boolean() }), nothing),

  estimateFee: call(
    v.object({ targetBlocks: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1008))) }),
    v.object({ satPerVb: v.number() }),
  ),
  walletBalance: call(
    nothing,
    v.object({
      confirmedSat: amount,
      unconfirmedSat: amount,
      reservedSat: amount,
      anchorReserveSat: amount,
      totalSat: amount,
    }),
  ),
  channelBalance: call(
    nothing,
    v.object({ localMsat: amount, remoteMsat: amount, spendableMsat: amount, receivableMsat: amount }),
  ),
  /** Every msat by where it is and what it waits for: the lines are the total. */
  moneyMap: call(
    nothing,
    v.object({
      height: v.number(),
      totalMsat: amount,
      lines: v.array(moneyLine),
      /** Offered by peers and not ours yet: no part of the total. */
      incoming: v.array(moneyLine),
      costs: v.array(moneyCost),
    }),
  ),
  newAddress: call(nothing, v.object({ address: v.string() })),
  /** What a send would cost and, with `amountSat: 'max'`, exactly how much arrives. Changes nothing. */
  previewSend: call(
    v.object({
      address: text(100),
      amountSat: v.union([amount, v.literal('max')]),
      feeSatPerVb: v.optional(satPerVb),
    }),
    v.object({ amountSat: amount, feeSat: amount, satPerVb: v.number() }),
  ),
  sendCoins: call(
    v.object({
      address: text(100),
      amountSat: v.union([amount, v.literal('max')]),
      feeSatPerVb: v.optional(satPerVb),
    }),
    v.object({ txid, amountSat: amount, feeSat: amount }),
  ),
  bumpFee: call(v.object({ txid, feeSatPerVb: satPerVb }), v.object({ txid, feeSat: amount })),
  listCoins: call(nothing, v.array(coin)),
  listTransactions: call(nothing, v.array(transaction)),
  rescan: call(nothing, nothing),
  refresh: call(nothing, nothing),

  subscribeEvents: stream(
    nothing,
    v.object({
      time: isoTime,
      type: v.string(),
      data: v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])),
    }),
  ),
  /** A file (bytes in hex) that brings channels back with the words: static data, sealed with a key of the words. */
  exportBackup: call(nothing, v.object({ name: v.string(), data: v.string(), channels: v.number() })),
  /** Opens such a file as a restore would, and says what is in it. Changes nothing. */
  verifyBackup: call(
    v.object({ backup: backupFile }),
    v.object({
      madeAt: isoTime,
      channels: v.number(),
      /** Channels of this wallet that it lacks: it is older than they are. */
      missing: v.number(),
      /** Channels in it that this wallet does not know. */
      unknown: v.number(),
    }),
  ),
  /** Channels of a backup file, or else of the copy that a peer gave back: their peers are asked to close them. */
  recoverChannels: call(
    v.object({
      /** The file's bytes in hex. */
      backup: v.optional(backupFile),
    }),
    v.object({ channels: v.number() }),
  ),
  /**
   * Hands the whole wallet out as a sealed file, for one other device: this one stops for good before it answers. Asked again, it gives
   * the same state once more, sealed with whatever password is given then.
   */
  exportMove: call(
    v.object({ password: filePassword }),
    v.object({ name: v.string(), file: bytes(MAX_FILE_BYTES), epoch: v.number() }),
  ),
  /**
   * A sealed copy of what claims on chain need, for the exit file (`exit.html` of the site, which the page fills with it). Notes that it was
   * saved.
   */
  exportExitFile: call(
    v.object({ password: filePassword }),
    v.object({ name: v.string(), file: bytes(MAX_FILE_BYTES) }),
  ),
  /** Brings a wallet here that another device has handed out: once. Its channels go on when their peers have agreed. */
  importMove: call(
    v.object({
      file: bytes(MAX_FILE_BYTES),
      password: v.pipe(v.string(), v.minLength(1), v.maxLength(1000)),
    }),
    nothing,
  ),
  /** The moved wallet goes on here after all, in a new epoch; the file and every device that it came to are worth nothing then. */
  takeBackWallet: call(v.object({ confirm: v.literal('bring back') }), nothing),
  exportLogs: call(nothing, v.object({ text: v.string() })),
} as const

export type Procedures = typeof procedures
export type ProcedureName = keyof Procedures
export type Input<N extends ProcedureName> = v.InferInput<Procedures[N]['input']>
export type Output<N extends ProcedureName> = v.InferOutput<Procedures[N]['output']>
/** What goes into a duplex stream on the way. */
export type Item<N extends DuplexName> = v.InferInput<Procedures[N]['item']>
type OfKind<K extends Procedures[ProcedureName]['kind']> = {
  [N in ProcedureName]: Procedures[N]['kind'] extends K ? N : never
}[ProcedureName]
export type CallName = OfKind<'call'>
export type StreamName = OfKind<'stream'>
export type DuplexName = OfKind<'duplex'>

/**
 * A client: calls are promises, streams are async iterables; both reject with `ApiError`. What a duplex stream is fed with is asked for
 * only as fast as the node takes it and the results are read; what it throws ends the stream.
 */
export type Client = {
  readonly [N in CallName]: {} extends Input<N>
    ? (input?: Input<N>) => Promise<Output<N>>
    : (input: Input<N>) => Promise<Output<N>>
} & {
  readonly [N in StreamName]: {} extends Input<N>
    ? (input?: Input<N>, options?: { signal?: AbortSignal }) => AsyncIterable<Output<N>>
    : (input: Input<N>, options?: { signal?: AbortSignal }) => AsyncIterable<Output<N>>
} & {
  readonly [N in DuplexName]: (
    items: Iterable<Item<N>> | AsyncIterable<Item<N>>,
    input?: Input<N>,
    options?: { signal?: AbortSignal },
  ) => AsyncIterable<Output<N>>
}
