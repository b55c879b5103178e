/** What an LDK node needs of a Bitcoin Core: its RPC. */
export interface LdkChain {
  call<T>(method: string, ...params: unknown[]): Promise<T>
}

/** Who pays for channels that the node opens, and receives what it sweeps. */
export interface LdkFunder {
  /** scriptPubKey that swept coins go to. */
  readonly script: Uint8Array
  /** Builds and signs a payment without broadcasting it. */
  build(
    payees: readonly { readonly script: Uint8Array; readonly amountSat: bigint }[],
  ): Promise<{ readonly txid: string; readonly hex: string }>
}

export interface LdkOptions {
  readonly chain: LdkChain
  readonly funder: LdkFunder
  /** 32 bytes; the node's identity and keys. */
  readonly seed: Uint8Array
  /** Where state is kept over restarts; in memory when absent. */
  readonly dataDir?: string
  /** Offer and accept `anchors_zero_fee_htlc_tx`. Default true. */
  readonly anchors?: boolean
  /** HTLCs that it accepts in a channel, 1 to 483. Default 50 (LDK's own). */
  readonly maxAcceptedHtlcs?: number
  /** Of the channel's value, how much may be in flight towards it. Default 100. */
  readonly inFlightPercent?: number
  /** The largest channel that it accepts, satoshis. Default 16,777,215 (LDK's own). */
  readonly maxFundingSat?: bigint
  /** Confirmations that it asks for. Default 1. */
  readonly minimumDepth?: number
  /** Accept channels that are usable before they confirm. Default false. */
  readonly zeroConf?: boolean
  /** Announce its own channels unless told otherwise when opening. Default false. */
  readonly announced?: boolean
  /** to_self_delay that it asks of its peers, blocks. Default 144. */
  readonly toSelfDelay?: number
  /** Feerate for everything that is not a floor, sat per 1000 weight. Default 500; floors are 253. */
  readonly feerate?: number
  /** What becomes of a payment that arrives. Default 'claim'. May be changed through `setPolicy`. */
  readonly policy?: ClaimPolicy
  /** Lines of LDK's log from this level on. Default: warnings and errors when the variable LDK_LOG is set, else none. */
  readonly log?: (line: string) => void
}

export type ClaimPolicy = 'claim' | 'hold' | 'fail'

export interface LdkChannel {
  readonly channelId: string
  readonly peer: string
  readonly fundingTxid: string | undefined
  readonly fundingVout: number | undefined
  readonly shortChannelId: bigint | undefined
  readonly type: 'anchors' | 'static_remotekey' | 'legacy' | undefined
  readonly capacitySat: bigint
  readonly outboundMsat: bigint
  readonly inboundMsat: bigint
  readonly nextOutboundLimitMsat: bigint
  readonly reserveSat: bigint | undefined
  readonly feerate: number | undefined
  readonly confirmations: number
  readonly confirmationsRequired: number | undefined
  /** The node opened it. */
  readonly isOpener: boolean
  readonly announced: boolean
  readonly ready: boolean
  /** Ready and its peer is connected. */
  readonly usable: boolean
  readonly inboundHtlcs: number
  readonly outboundHtlcs: number
}

export type LdkEvent =
  | { readonly type: 'openRequest'; readonly peer: string; readonly fundingSat: bigint }
  | {
      readonly type: 'channelPending'
      readonly channelId: string
      readonly peer: string
      readonly fundingTxid: string
      readonly fundingVout: number
    }
  | { readonly type: 'channelReady'; readonly channelId: string; readonly peer: string }
  | {
      readonly type: 'channelClosed'
      readonly channelId: string
      readonly peer: string
      readonly reason: string
    }
  | { readonly type: 'paymentClaimable'; readonly paymentHash: string; readonly amountMsat: bigint }
  | { readonly type: 'paymentClaimed'; readonly paymentHash: string; readonly amountMsat: bigint }
  | {
      readonly type: 'paymentSent'
      readonly paymentHash: string
      readonly preimage: string
      readonly feeMsat: bigint | undefined
    }
  | { readonly type: 'paymentFailed'; readonly paymentHash: string; readonly reason: string }
  | { readonly type: 'paymentPathFailed'; readonly paymentHash: string; readonly permanent: boolean }
  | { readonly type: 'paymentForwarded'; readonly feeMsat: bigint | undefined }
  | { readonly type: 'htlcHandlingFailed'; readonly channelId: string; readonly destination: string }
  | { readonly type: 'spendableOutputs'; readonly count: number }
  | { readonly type: 'swept'; readonly txid: string }
  | { readonly type: 'broadcast'; readonly txid: string; readonly error?: string }
  | { readonly type: 'fault'; readonly message: string }

export type PaymentResult =
  | { readonly ok: true; readonly preimage: string; readonly feeMsat: bigint }
  | { readonly ok: false; readonly reason: string }

/** A block by hash (display order) and height. */
export interface LdkTip {
  readonly hash: string
  readonly height: number
}

export interface LdkInvoice {
  readonly bolt11: string
  readonly paymentHash: string
}
/** A hop of a blinded path to an LDK node, and what it takes. */
export interface LdkPathHop {
  /** 66 hex digits */
  readonly nodeId: string
  readonly shortChannelId: bigint
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
}

/** A blinded path as plain data; bytes as hex. */
export interface LdkBlindedPath {
  readonly introduction: string
  readonly firstPathKey: string
  readonly hops: readonly { readonly blindedNodeId: string; readonly encryptedRecipientData: string }[]
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: bigint
  readonly htlcMaximumMsat: bigint
}

export interface LdkBlindedInvoice extends LdkBlindedPath {
  readonly paymentHash: string
}

export interface OpenOptions {
  readonly announced?: boolean
}

/** A third-party Lightning node (LDK 0.1) over real TCP, on a real bitcoind, in this process. */
export interface LdkNode {
  /** 33 bytes as hex. */
  readonly nodeId: string
  /** All events since the start, oldest first. */
  readonly events: readonly LdkEvent[]
  listen(port?: number, host?: string): Promise<number>
  /** Connects and shakes hands; resolves when both `init` messages are through. */
  connect(peer: string, host: string, port: number): Promise<void>
  disconnect(peer: string): void
  peers(): readonly string[]
  /** Tells the network its features, once it has a public channel. */
  announceNode(): void
  /** Size of its view of the network. */
  graph(): { readonly channels: number; readonly nodes: number }
  /** Opens a channel; resolves with its id when the funding transaction is broadcast. */
  openChannel(peer: string, sat: bigint, pushMsat?: bigint, options?: OpenOptions): Promise<string>
  listChannels(): readonly LdkChannel[]
  createInvoice(
    amountMsat: bigint | undefined,
    description: string,
    options?: { readonly expirySeconds?: number; readonly paymentHash?: string },
  ): LdkInvoice
  /** Pays a BOLT 11 invoice; `amountMsat` when the invoice names none. Never rejects. */
  payInvoice(bolt11: string, amountMsat?: bigint): Promise<PaymentResult>
  /**
   * An offer (BOLT 12) without amount and description: in this binding the builder's setters change a copy and return nothing. LDK makes
   * none without a public channel, of its own or of a peer that has three.
   */
  createOffer(): string
  /** Pays an offer; `amountMsat` when it names none. Never rejects. */
  payOffer(offer: string, amountMsat?: bigint, payerNote?: string): Promise<PaymentResult>
  /** Waits for a payment by a blinded path over `hops`, the introduction node first. */
  createBlindedInvoice(amountMsat: bigint, hops: readonly LdkPathHop[]): LdkBlindedInvoice
  /** Pays what another LDK node of this process asked for by `createBlindedInvoice`. Never rejects. */
  payBlinded(invoice: LdkBlindedInvoice, amountMsat: bigint): Promise<PaymentResult>
  /** Pays without an invoice (keysend). Never rejects. */
  keysend(peer: string, amountMsat: bigint): Promise<PaymentResult>
  /** Claims a payment that the policy `hold` kept; `preimage` where the invoice was made for a given hash. */
  claim(paymentHash: string, preimage?: string): void
  fail(paymentHash: string): void
  setPolicy(policy: ClaimPolicy): void
  /** Another feerate from now on; channels that it opened follow with `update_fee`. */
  setFeerate(feerate: number): void
  /** Starts a cooperative close. */
  closeChannel(channelId: string): void
  forceClose(channelId: string): void
  /** The first event (of those after index `after`) that matches, past or to come. */
  waitFor<T extends LdkEvent['type']>(
    type: T,
    match?: (event: Extract<LdkEvent, { type: T }>) => boolean,
    options?: { readonly after?: number; readonly timeoutMs?: number },
  ): Promise<Extract<LdkEvent, { type: T }>>
  /** Resolves when the condition holds; it is looked at after everything that happens. */
  until(condition: () => boolean, what: string, timeoutMs?: number): Promise<void>
  /** Resolves when LDK has seen every block that bitcoind has. */
  sync(): Promise<void>
  readonly tip: () => LdkTip
  /** Balances that are on their way out of closed channels, as LDK names them. */
  claimable(): readonly { readonly type: string; readonly amountSat: bigint }[]
  stop(): Promise<void>
}
