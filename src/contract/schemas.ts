import * as v from 'valibot'

/** Schemas of what crosses the API: amounts are decimal strings with their unit in the field's name, ids lower-case hex. */

const hex = (bytes: number) => v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`)))

/** A whole number as decimal digits, at most 21 million bitcoin in msat. */
export const amount = v.pipe(v.string(), v.regex(/^(0|[1-9]\d{0,18})$/))
/** May be negative: changes of balances. */
export const signedAmount = v.pipe(v.string(), v.regex(/^-?(0|[1-9]\d{0,18})$/))
export const nodeId = v.pipe(v.string(), v.regex(/^0[23][0-9a-f]{64}$/))
export const hash32 = hex(32)
export const txid = hex(32)
export const channelId = hex(32)
export const isoTime = v.string()
/** Bytes as they are, between a page and its worker: files. */
export const bytes = (most: number) =>
  v.pipe(
    v.instance(Uint8Array),
    v.check((value) => value.length <= most),
  )
export const network = v.picklist(['bitcoin', 'testnet4', 'signet', 'regtest'])
/** Free text from outside, bounded. */
export const text = (max: number) => v.pipe(v.string(), v.maxLength(max))
/** sat per virtual byte; fractions allowed. */
export const satPerVb = v.pipe(v.number(), v.minValue(0.1), v.maxValue(10_000))

export const errorData = v.object({
  code: v.string(),
  message: v.string(),
  data: v.optional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean()]))),
})

export const channelStatus = v.picklist([
  'opening', // negotiating with the peer, nothing on chain yet
  'confirming', // funding transaction broadcast or seen, not deep enough
  'open',
  'closing', // shutdown exchanged, HTLCs draining or fee being negotiated
  'forceClosing', // a commitment transaction is on its way or confirmed, outputs not all settled
  'closed',
  'failed', // will be force-closed, or waits for the peer to do so
])

export const closingOutput = v.object({
  kind: v.picklist(['mutualClose', 'toLocal', 'toRemote', 'anchor', 'htlc']),
  amountSat: amount,
  /** Block height from which it can be spent; absent when it can be at once or is not ours to wait for. */
  spendableAtHeight: v.optional(v.number()),
  /** Transaction that pays it to the wallet, once broadcast. */
  sweepTxid: v.optional(txid),
  state: v.picklist(['waiting', 'sweeping', 'swept', 'notOurs', 'unresolved', 'tooSmall']),
})

export const channel = v.object({
  channelId,
  peer: nodeId,
  peerAlias: v.optional(v.string()),
  connected: v.boolean(),
  status: channelStatus,
  format: v.string(),
  role: v.picklist(['opener', 'accepter']),
  capacitySat: amount,
  /** Our whole balance, reserve and commitment fee included. */
  localMsat: amount,
  remoteMsat: amount,
  /** Brought back from a backup: balances are not known before the peer has closed it. */
  restored: v.optional(v.boolean()),
  /**
   * Came from another device, and its peer has not shown yet that no other has gone on with it: nothing is paid through it, and it is not
   * closed from here. Once the peer has been asked to close it, and is silent, it may be closed from this height on (`closeChannel`).
   */
  unproven: v.optional(v.object({ closableFrom: v.optional(v.number()) })),
  /** What can be sent now: balance less reserve, less the fee the opener must keep. */
  spendableMsat: amount,
  /** What can be received now. */
  receivableMsat: amount,
  localReserveSat: amount,
  remoteReserveSat: amount,
  inFlightOutMsat: amount,
  inFlightInMsat: amount,
  htlcs: v.number(),
  feeratePerKw: v.number(),
  fundingTxid: v.optional(txid),
  fundingVout: v.optional(v.number()),
  shortChannelId: v.optional(v.string()),
  confirmations: v.number(),
  confirmationsNeeded: v.number(),
  closeTxid: v.optional(txid),
  closedBy: v.optional(v.picklist(['local', 'remote', 'mutual'])),
  closingOutputs: v.array(closingOutput),
  /** Why it failed or is being closed, when there is something to say: for engineers, and as a code of the engine's. */
  reason: v.optional(v.string()),
  reasonCode: v.optional(v.string()),
  localCommitmentNumber: v.number(),
  remoteCommitmentNumber: v.number(),
  createdAt: isoTime,
})

export const peer = v.object({
  nodeId,
  address: v.optional(v.string()),
  state: v.picklist(['connecting', 'connected', 'waiting', 'disconnected']),
  /** When the next attempt is made, while waiting. */
  retryAt: v.optional(isoTime),
  lastError: v.optional(v.string()),
  inbound: v.boolean(),
  features: v.array(v.string()),
})

export const invoice = v.object({
  paymentHash: hash32,
  /** Empty for a payment that nobody asked for (keysend). */
  invoice: v.string(),
  /** The offer of ours that it answers, and what the payer wrote. */
  offer: v.optional(v.string()),
  payerNote: v.optional(v.string()),
  amountMsat: v.optional(amount),
  description: v.string(),
  state: v.picklist(['open', 'paid', 'expired', 'cancelled']),
  /** Parts of a payment that wait: for the others, or `complete` for the user's word on a held invoice. */
  waiting: v.optional(v.object({ parts: v.number(), amountMsat: amount, complete: v.boolean() })),
  createdAt: isoTime,
  expiresAt: isoTime,
  paidAt: v.optional(isoTime),
  receivedMsat: v.optional(amount),
  /** Waits for the user's word once it is paid. */
  hold: v.optional(v.boolean()),
  /** What brought it: HTLCs that were taken. */
  parts: v.array(v.object({ channelId, amountMsat: amount })),
})

/** A hop of a payment's way: who received how much, through which channel. The first channel is one of ours. */
export const hop = v.object({
  nodeId,
  /** The name that the node gave itself, where the network told it. */
  alias: v.optional(v.string()),
  shortChannelId: v.optional(v.string()),
  amountMsat: amount,
  cltvExpiry: v.number(),
  /** How long the node had it, where it says so provably (attributable failures): in steps of 100 ms. */
  heldMs: v.optional(v.number()),
})

/** One way by which a payment, or a part of it, was tried. */
export const attempt = v.object({
  /** Counts up for the life of the payment, from 1. */
  attempt: v.number(),
  /** Of an earlier run: it failed, and the payment was begun again. */
  earlier: v.optional(v.literal(true)),
  channelId,
  amountMsat: amount,
  feeMsat: amount,
  /** From our peer to the recipient; with `hidden`, to where the recipient's own way begins. */
  hops: v.array(hop),
  hidden: v.optional(v.literal(true)),
  /** `succeeded` as soon as the preimage is here; `endedAt` when its end is locked in. */
  state: v.picklist(['pending', 'succeeded', 'failed']),
  /** Why it came back (BOLT 4): the hop counts from 0, our peer. */
  failure: v.optional(
    v.object({
      name: v.string(),
      code: v.optional(v.number()),
      hop: v.optional(v.number()),
      nodeId: v.optional(v.string()),
    }),
  ),
  error: v.optional(errorData),
  startedAt: isoTime,
  endedAt: v.optional(isoTime),
})

export const payment = v.object({
  paymentHash: hash32,
  /** Empty for a payment that nobody asked for (keysend). */
  invoice: v.string(),
  destination: nodeId,
  description: v.string(),
  amountMsat: amount,
  feeMsat: amount,
  state: v.picklist(['pending', 'succeeded', 'failed']),
  preimage: v.optional(hash32),
  error: v.optional(errorData),
  /** All of this run, and the last few of earlier ones; oldest first. */
  attempts: v.array(attempt),
  /** How many were made in all. */
  attemptCount: v.number(),
  /** Of the amount: on its way, and arrived. */
  onTheWayMsat: amount,
  arrivedMsat: amount,
  /** What its user allows: the most that it may cost, and until when attempts begin. */
  maxFeeMsat: amount,
  deadline: isoTime,
  /** Its user has cancelled it: what is on its way is waited for. */
  cancelling: v.optional(v.literal(true)),
  createdAt: isoTime,
  settledAt: v.optional(isoTime),
})

export const offerId = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))

/** An offer of this wallet's (BOLT 12). */
export const offer = v.object({
  id: offerId,
  offer: v.string(),
  description: v.string(),
  amountMsat: v.optional(amount),
  createdAt: isoTime,
  expiresAt: v.optional(isoTime),
  enabled: v.boolean(),
  /** Invoices of it that were paid, and with how much. */
  paid: v.number(),
  receivedMsat: amount,
})

/** An offer that is being paid: its invoice has not come yet, or came to nothing. With the invoice it becomes a payment. */
export const offerRequest = v.object({
  id: hash32,
  offer: v.string(),
  description: v.string(),
  issuer: v.optional(v.string()),
  amountMsat: amount,
  state: v.picklist(['asking', 'failed']),
  /** Messages that have asked. */
  asked: v.number(),
  error: v.optional(errorData),
  createdAt: isoTime,
})

/** Payments of others that this node passes on. */
export const forwards = v.object({
  count: v.number(),
  amountMsat: amount,
  feeMsat: amount,
  /** On their way. `held`: they wait for `decideForward`. */
  underWay: v.array(
    v.object({
      key: v.string(),
      state: v.picklist(['held', 'offered', 'settling', 'failing']),
      incomingChannel: v.string(),
      outgoingChannel: v.optional(v.string()),
      paymentHash: hash32,
      amountMsat: amount,
      feeMsat: amount,
      outgoingExpiry: v.number(),
    }),
  ),
})

export const transaction = v.object({
  txid,
  /** What it changed in the wallet, fee included. */
  amountSat: signedAmount,
  feeSat: v.optional(amount),
  height: v.optional(v.number()),
  confirmations: v.number(),
  label: v.picklist(['received', 'sent', 'channelOpen', 'channelClose', 'sweep', 'self']),
  canBump: v.boolean(),
  time: isoTime,
})

export const coin = v.object({
  txid,
  vout: v.number(),
  amountSat: amount,
  address: v.string(),
  confirmations: v.number(),
  state: v.picklist(['spendable', 'unconfirmed', 'reserved', 'immature']),
})

/** One line of the activity list on Home, newest first. */
export const activity = v.object({
  id: v.string(),
  kind: v.picklist([
    'lightningSent',
    'lightningReceived',
    'onchainSent',
    'onchainReceived',
    'channelOpen',
    'channelClose',
    // A transaction of our own that does nothing but pay for another to be mined sooner.
    'feeRaised',
  ]),
  state: v.picklist(['pending', 'done', 'failed']),
  /** Signed: what it does to the balance. */
  amountMsat: signedAmount,
  feeMsat: v.optional(amount),
  note: v.string(),
  time: isoTime,
  paymentHash: v.optional(hash32),
  txid: v.optional(txid),
  channelId: v.optional(channelId),
  error: v.optional(errorData),
  /** Its user has cancelled a payment, and what is on its way is waited for. */
  cancelling: v.optional(v.literal(true)),
})

export const server = v.object({
  url: v.string(),
  state: v.picklist(['ok', 'trying', 'backingOff', 'lying']),
  height: v.optional(v.number()),
  lastError: v.optional(v.string()),
  /** What it says of the newest block beside what is verified here: the same, an older one, or one with less work behind it. */
  agrees: v.optional(v.picklist(['yes', 'behind', 'otherBranch', 'unknown'])),
  /** Falsehoods proved since the node began. */
  lies: v.optional(v.number()),
  /** What others proved and it kept back, of late: not yet called a lie. */
  doubt: v.optional(v.string()),
})

export const notice = v.object({
  id: v.string(),
  urgency: v.picklist(['info', 'warning', 'urgent']),
  code: v.picklist([
    'backUpWords',
    'serversDisagree',
    'serversUnreachable',
    // None, or only one, was chosen to follow the chain with; no gateway to reach peers through.
    'noServers',
    'oneServer',
    'noGateway',
    'serverLies',
    // A transaction of ours was taken by a server and is not shown by others.
    'notRelayed',
    // No block from any server for longer than chance explains.
    'noNewBlocks',
    'channelFailed',
    'peerForceClosed',
    'closingWaits',
    'storageNotDurable',
    'frozen',
    'noInbound',
    'fundingStuck',
    // Something went wrong with a channel while nobody was looking: see `incidents`.
    'whileClosed',
    'fundingConflict',
    // The chain that the practice network runs on was started over: nothing of this wallet exists there.
    'practiceChainReset',
    // A peer gave back a copy with channels that this wallet does not know.
    'backupFound',
    'channelRestored',
  ]),
  message: v.string(),
  channelId: v.optional(channelId),
})

export const balances = v.object({
  /** Lightning that can be sent now. */
  spendableMsat: amount,
  /** Our side of all open channels. */
  lightningMsat: amount,
  /** The most that one payment can bring: it comes through one channel. */
  receivableMsat: amount,
  /** Coins that can be sent now, the fee for it included: confirmed ones and change of our own, without the anchor reserve. */
  onchainSpendableSat: amount,
  /** Coins of others that no block holds yet. */
  onchainArrivingSat: amount,
  /** By what the chain says of them, whatever they are kept for; unconfirmed are both our change and what arrives. */
  onchainConfirmedSat: amount,
  onchainUnconfirmedSat: amount,
  onchainReservedSat: amount,
  /** Of the coins: kept from spending, to pay fees when a channel with anchors has to go to the chain. */
  anchorReserveSat: amount,
  /** On its way to the wallet from closing channels, and from opening ones not usable yet. */
  closingSat: amount,
  openingSat: amount,
  /** What can be spent now, `spendableMsat` and `onchainSpendableSat`: the figure on Home, and the money map's group `now`. */
  totalMsat: amount,
})

/** One place where money is: exact, each msat in one line only. */
export const moneyLine = v.object({
  kind: v.picklist([
    'lightning', // can be sent over Lightning now
    'channelLimit', // ours, and more than the peer takes at once
    'channelReserve', // the peer wants it kept in the channel
    'commitmentFee', // the opener sets aside the fee and anchors of the closing transaction
    'htlcOffered', // on its way to somebody, back by `untilHeight` at the latest
    'htlcArriving', // on its way to us
    'channelOpening', // usable when the funding transaction is deep enough
    'channelClosing', // no closing transaction seen yet
    'closeUnconfirmed', // in an output of a closing transaction that is in no block
    'closeDelayed', // ours to claim at `untilHeight`
    'htlcTimeout', // ours to claim at `untilHeight`, when a payment has expired
    'closeClaimable', // waits for lower fees, or for coins to pay them with
    'closeSweeping', // claimed, the claim in no block
    'closeArriving', // paid to the wallet in a block that the wallet has not looked at yet
    'onchain', // confirmed coins
    'onchainChange', // coins that come back from own transactions in no block yet: may be spent
    'onchainUnconfirmed', // from others, in no block: not to be spent
    'onchainImmature', // mined less than 100 blocks ago
    'anchorReserve', // kept for fees, should channels have to go to the chain
    'reservedForSend',
    'reservedForChannel',
    'reservedForClaim', // pays the fee of a claim that is on its way
  ]),
  group: v.picklist(['now', 'underWay', 'returning', 'aside']),
  amountMsat: amount,
  /** Coins or HTLCs that it stands for. */
  count: v.number(),
  channelId: v.optional(channelId),
  txid: v.optional(txid),
  vout: v.optional(v.number()),
  paymentHash: v.optional(hash32),
  /** The block that it waits for, and when that is about to come; no time on regtest, where blocks come when asked for. */
  untilHeight: v.optional(v.number()),
  untilAbout: v.optional(isoTime),
})

/** What a channel's close has cost: gone, and no part of any sum. */
export const moneyCost = v.object({
  channelId,
  kind: v.picklist([
    'closeFee', // the closing transaction's, paid by the opener
    'anchors', // 330 sat each, paid by the opener
    'rounding', // outputs hold whole sats
    'dust', // too small for an output, or to be worth its claim
    'claimFee', // of our own claims
    'lost', // another took it
    'unknownState', // closed in a state in which less was ours
  ]),
  amountMsat: amount,
})

/** What went wrong with a channel, or nearly did: with the block and time at which it happened, not at which it was noticed. */
export const incident = v.object({
  id: v.string(),
  kind: v.picklist([
    'peerClosed', // on chain, by itself
    'cheated', // the peer broadcast a state that it had revoked
    'unknownClose', // with a state that this device does not know
    'deadlineClose', // by us, since a payment's time had run out
    'paymentReturned', // payments of ours that expired were taken back on chain
    'paymentClaimed', // payments to us were claimed on chain
    'lost', // another took it before we did
    'neverFunded', // the funding coins were spent otherwise
  ]),
  channelId,
  height: v.number(),
  time: isoTime,
  noticedAt: isoTime,
  /** It happened while the wallet was closed or saw no server, and had last seen the chain then. */
  closedSince: v.optional(isoTime),
  amountMsat: v.optional(amount),
  /** What the close has cost so far: fees, anchors, dust. */
  costMsat: v.optional(amount),
  /** Blocks that were left, when it was noticed, before a cheater would have had the money. */
  blocksLeft: v.optional(v.number()),
})

export const phase = v.picklist([
  'noWallet',
  'locked', // a password or a passkey is needed before anything can be read
  'starting',
  'running',
  'following', // another tab runs the node; this one shows it live
  'frozen', // storage or a defect stopped it; nothing is sent any more
  'moved', // the wallet was handed out or goes on on another device; nothing is done here any more
])

/** The whole of what a screen may need, sent again whenever something in it changed. */
export const appState = v.object({
  phase,
  error: v.optional(errorData),
  network,
  nodeId: v.optional(nodeId),
  version: v.string(),
  /** What opens the wallet's storage; neither when it lies open. */
  lock: v.object({
    password: v.boolean(),
    /** What the page asks the passkey for, in hex: its id, and 32 bytes of salt. */
    passkey: v.optional(v.object({ credentialId: v.string(), salt: hash32 })),
  }),
  chain: v.object({
    height: v.number(),
    blockHash: v.string(),
    synced: v.boolean(),
    headersVerified: v.number(),
    progress: v.number(),
    servers: v.array(server),
  }),
  feeSatPerVb: v.object({ fast: v.number(), normal: v.number(), slow: v.number() }),
  balances,
  channels: v.array(channel),
  peers: v.array(peer),
  activity: v.array(activity),
  /** The newest first. */
  incidents: v.array(incident),
  notices: v.array(notice),
  /** Copies of what brings channels back, apart from the words. */
  /** While the phase is `moved`: handed out as a file, or found to go on elsewhere. */
  moved: v.optional(
    v.object({ how: v.picklist(['handedOut', 'elsewhere']), epoch: v.number(), at: isoTime }),
  ),
  backup: v.object({
    /** Channels that need one. */
    channels: v.number(),
    /** When the file was saved last, and whether it holds all of them. */
    exportedAt: v.optional(isoTime),
    exportedCurrent: v.boolean(),
    /** Connected peers that hold the newest copy, or were sent it. */
    peerCopies: v.number(),
    /** What each peer with a channel keeps for us, as far as is known. */
    copies: v.array(
      v.object({
        nodeId,
        /**
         * `newest`: it gave it back. `sent`: we sent it since. `older`: what it gave back, until it is sent the newest. `none`: it is
         * connected and has given nothing back. `refused`: it keeps nothing for others. `unknown`: not met since the start.
         */
        holds: v.picklist(['newest', 'sent', 'older', 'none', 'refused', 'unknown']),
        /** When the copy was made. */
        madeAt: v.optional(isoTime),
      }),
    ),
    /**
     * The exit file that was saved last. `all`: nothing has happened in channels since; `channels`: payments were made; `older`: channels
     * have opened or closed.
     */
    exit: v.optional(v.object({ savedAt: isoTime, holds: v.picklist(['all', 'channels', 'older']) })),
    /** What a peer gave back and the wallet does not know. */
    found: v.optional(v.object({ nodeId, channels: v.number(), createdAt: isoTime })),
  }),
  settings: v.object({
    gateway: v.string(),
    servers: v.array(v.string()),
    wordsConfirmed: v.boolean(),
    storagePersisted: v.boolean(),
    /** Whether payments of others are passed on. */
    forwarding: v.boolean(),
  }),
})

export type AppState = v.InferOutput<typeof appState>
export type Channel = v.InferOutput<typeof channel>
export type ChannelStatus = v.InferOutput<typeof channelStatus>
export type ClosingOutput = v.InferOutput<typeof closingOutput>
export type Server = v.InferOutput<typeof server>
export type Peer = v.InferOutput<typeof peer>
export type Invoice = v.InferOutput<typeof invoice>
export type Payment = v.InferOutput<typeof payment>
export type Attempt = v.InferOutput<typeof attempt>
export type Hop = v.InferOutput<typeof hop>
export type Transaction = v.InferOutput<typeof transaction>
export type Coin = v.InferOutput<typeof coin>
export type Activity = v.InferOutput<typeof activity>
export type Notice = v.InferOutput<typeof notice>
export type Balances = v.InferOutput<typeof balances>
export type MoneyLine = v.InferOutput<typeof moneyLine>
export type MoneyCost = v.InferOutput<typeof moneyCost>
export type Incident = v.InferOutput<typeof incident>
