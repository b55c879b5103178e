import { createHash, randomBytes } from 'node:crypto'
import * as ldk from 'lightningdevkit'
import { describeChannel, failureReason, plainEvent } from './describe.ts'
import { createFollower, type Tip } from './follower.ts'
import { createReserve } from './reserve.ts'
import { broadcaster, feeEstimator, logger, userConfig } from './services.ts'
import { createSockets } from './sockets.ts'
import { fileStore, kvStore, memoryStore } from './store.ts'
import type { ClaimPolicy, LdkChannel, LdkEvent, LdkOptions, PaymentResult } from './types.ts'
import { displayed, hex, internal, loadLdk, unhex, words } from './wasm.ts'

/** Coins that pay for closing anchor channels, asked of the funder once. */
const RESERVE_COINS = 4
const RESERVE_SAT = 50_000n
const MANAGER = ['manager', '', 'manager']
const PAYMENT_TIMEOUT_MS = 60_000

export interface LdkInvoice {
  readonly bolt11: string
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
  /** Pays without an invoice (keysend). Never rejects. */
  keysend(peer: string, amountMsat: bigint): Promise<PaymentResult>
  /** Claims a payment that the policy `hold` kept; `preimage` where the invoice was made for a given hash. */
  claim(paymentHash: string, preimage?: string): void
  fail(paymentHash: string): void
  setPolicy(policy: ClaimPolicy): void
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
  readonly tip: () => Tip
  /** Balances that are on their way out of closed channels, as LDK names them. */
  claimable(): readonly { readonly type: string; readonly amountSat: bigint }[]
  stop(): Promise<void>
}

export async function createLdkNode(options: LdkOptions): Promise<LdkNode> {
  await loadLdk()
  const { chain, funder } = options
  const store = options.dataDir === undefined ? memoryStore() : fileStore(options.dataDir)
  const feerate = options.feerate ?? 500
  const events: LdkEvent[] = []
  const watchers = new Set<() => void>()
  const payments = new Map<string, (result: PaymentResult) => void>()
  const opens = new Map<string, { resolve: (id: string) => void; reject: (error: Error) => void }>()
  const sweeps: ldk.SpendableOutputDescriptor[] = []
  let policy: ClaimPolicy = options.policy ?? 'claim'
  let stopped = false

  const changed = (): void => {
    for (const watcher of watchers) watcher()
  }
  const emit = (event: LdkEvent): void => {
    events.push(event)
    changed()
  }

  // LDK holds objects made from JavaScript weakly: everything below stays reachable through these constants.
  const fees = feeEstimator(feerate)
  const log = logger(options.log)
  const sender = broadcaster(chain, emit)
  const kv = kvStore(store)
  const now = Date.now()
  const keys = ldk.KeysManager.constructor_new(
    options.seed,
    BigInt(Math.floor(now / 1000)),
    (now % 1000) * 1e6,
  )
  const entropy = keys.as_EntropySource()
  const signer = keys.as_NodeSigner()
  const signers = keys.as_SignerProvider()
  const spender = keys.as_OutputSpender()
  const persister = ldk.MonitorUpdatingPersister.constructor_new(
    kv,
    log,
    100n,
    entropy,
    signers,
    sender,
    fees,
  )
  const persist = persister.as_Persist()
  const monitors = ldk.ChainMonitor.constructor_new(
    ldk.Option_FilterZ.constructor_none(),
    sender,
    log,
    fees,
    persist,
  )
  const watch = monitors.as_Watch()
  const graph = ldk.NetworkGraph.constructor_new(ldk.Network.LDKNetwork_Regtest, log)
  const gossip = ldk.P2PGossipSync.constructor_new(graph, ldk.Option_UtxoLookupZ.constructor_none(), log)
  const scorer = ldk.ProbabilisticScorer.constructor_new(
    ldk.ProbabilisticScoringDecayParameters.constructor_default(),
    graph,
    log,
  )
  const score = ldk.MultiThreadedLockableScore.constructor_new(scorer.as_Score())
  const router = ldk.DefaultRouter.constructor_new(
    graph,
    log,
    entropy,
    score.as_LockableScore(),
    ldk.ProbabilisticScoringFeeParameters.constructor_default(),
  )
  const messages = ldk.DefaultMessageRouter.constructor_new(graph, entropy)
  const config = userConfig(options)
  const anchorKey = keys.get_node_secret_key().map((byte, i) => byte ^ (i === 0 ? 1 : 0))
  const reserve = createReserve(anchorKey, store)
  const wallet = ldk.Wallet.constructor_new(reserve.source, log)
  const bumper = ldk.BumpTransactionEventHandler.constructor_new(
    sender,
    wallet.as_CoinSelectionSource(),
    signers,
    log,
  )

  const { manager, from } = await load()

  async function load(): Promise<{ manager: ldk.ChannelManager; from: Tip }> {
    const saved = store.read(MANAGER)
    if (!saved) {
      const hash = await chain.call<string>('getbestblockhash')
      const { height } = await chain.call<{ height: number }>('getblockheader', hash)
      const best = ldk.BestBlock.constructor_new(internal(hash), height)
      const fresh = ldk.ChannelManager.constructor_new(
        fees,
        watch,
        sender,
        router.as_Router(),
        messages.as_MessageRouter(),
        log,
        entropy,
        signer,
        signers,
        config,
        ldk.ChainParameters.constructor_new(ldk.Network.LDKNetwork_Regtest, best),
        Math.floor(now / 1000),
      )
      return { manager: fresh, from: { hash, height } }
    }
    const read = persister.read_all_channel_monitors_with_updates()
    if (!(read instanceof ldk.Result_CVec_C2Tuple_ThirtyTwoBytesChannelMonitorZZIOErrorZ_OK))
      throw new Error(`LDK cannot read its monitors in ${options.dataDir}`)
    const list = read.res.map((pair) => pair.get_b())
    const restored = ldk.UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read(
      saved,
      entropy,
      signer,
      signers,
      fees,
      watch,
      sender,
      router.as_Router(),
      messages.as_MessageRouter(),
      log,
      config,
      list,
    )
    if (!(restored instanceof ldk.Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK))
      throw new Error(`LDK cannot read its state in ${options.dataDir}`)
    const manager_ = restored.res.get_b()
    for (const monitor of list) watch.watch_channel(monitor.get_funding_txo().get_a(), monitor)
    // Whoever lags furthest behind decides from where blocks are given again; repeating some is harmless.
    const bests = [manager_.current_best_block(), ...list.map((monitor) => monitor.current_best_block())]
    const oldest = bests.reduce((a, b) => (b.get_height() < a.get_height() ? b : a))
    return {
      manager: manager_,
      from: { hash: displayed(oldest.get_block_hash()), height: oldest.get_height() },
    }
  }

  const ignoring = ldk.IgnoringMessageHandler.constructor_new()
  const onions = ldk.OnionMessenger.constructor_new(
    entropy,
    signer,
    log,
    manager.as_NodeIdLookUp(),
    messages.as_MessageRouter(),
    manager.as_OffersMessageHandler(),
    manager.as_AsyncPaymentsMessageHandler(),
    manager.as_DNSResolverMessageHandler(),
    ignoring.as_CustomOnionMessageHandler(),
  )
  const peers = ldk.PeerManager.constructor_new(
    manager.as_ChannelMessageHandler(),
    gossip.as_RoutingMessageHandler(),
    onions.as_OnionMessageHandler(),
    ignoring.as_CustomMessageHandler(),
    Math.floor(now / 1000),
    randomBytes(32),
    log,
    signer,
  )
  const nodeId = hex(manager.get_our_node_id())

  // ---- the loop: LDK says what happened, until nothing more does ----
  let forwards = false
  let queue: ldk.Event[] = []
  const handler = ldk.EventHandler.new_impl({
    handle_event: (event) => {
      queue.push(event)
      return ldk.Result_NoneReplayEventZ.constructor_ok()
    },
  })
  const providers = [manager.as_EventsProvider(), monitors.as_EventsProvider(), onions.as_EventsProvider()]
  let driving = false
  let again = false

  function drive(): void {
    if (stopped) return
    again = true
    if (driving) return
    driving = true
    try {
      while (again) {
        again = false
        peers.process_events()
        for (const provider of providers) provider.process_pending_events(handler)
        const batch = queue
        queue = []
        for (const event of batch) {
          again = true
          handle(event)
        }
        if (forwards) {
          forwards = false
          again = true
          manager.process_pending_htlc_forwards()
        }
        peers.process_events()
      }
      if (manager.get_and_clear_needs_persistence()) store.write(MANAGER, manager.write())
    } catch (error) {
      emit({
        type: 'fault',
        message: error instanceof Error ? (error.stack ?? error.message) : String(error),
      })
    } finally {
      driving = false
    }
    changed()
  }

  const fault = (what: string, error: unknown): void =>
    emit({ type: 'fault', message: `${what}: ${words(error)}` })

  function settle(paymentHash: string, result: PaymentResult): void {
    payments.get(paymentHash)?.(result)
    payments.delete(paymentHash)
  }

  async function fundChannel(event: ldk.Event_FundingGenerationReady): Promise<void> {
    const key = hex(event.temporary_channel_id.get_a())
    try {
      const payee = { script: Uint8Array.from(event.output_script), amountSat: event.channel_value_satoshis }
      const signed = await funder.build([payee])
      const result = manager.funding_transaction_generated(
        event.temporary_channel_id,
        event.counterparty_node_id,
        unhex(signed.hex),
      )
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) throw new Error(words(result.err))
    } catch (error) {
      opens.get(key)?.reject(error instanceof Error ? error : new Error(words(error)))
      opens.delete(key)
    }
    drive()
  }

  function sweep(): void {
    if (sweeps.length === 0) return
    const result = spender.spend_spendable_outputs(
      sweeps,
      [],
      funder.script,
      feerate,
      ldk.Option_u32Z.constructor_none(),
    )
    if (!(result instanceof ldk.Result_TransactionNoneZ_OK)) return
    const transaction = hex(result.res)
    const swept = sweeps.splice(0)
    chain.call<string>('sendrawtransaction', transaction).then(
      (txid) => emit({ type: 'swept', txid }),
      (error: unknown) => {
        if (!/already/i.test(String(error))) sweeps.push(...swept)
      },
    )
  }

  function handle(event: ldk.Event): void {
    const plain = plainEvent(event)
    if (plain) emit(plain)
    if (event instanceof ldk.Event_PendingHTLCsForwardable) forwards = true
    else if (event instanceof ldk.Event_FundingGenerationReady) void fundChannel(event)
    else if (event instanceof ldk.Event_OpenChannelRequest) {
      const id = BigInt(`0x${hex(randomBytes(8))}`)
      const accept =
        options.zeroConf === true
          ? 'accept_inbound_channel_from_trusted_peer_0conf'
          : 'accept_inbound_channel'
      const result = manager[accept](event.temporary_channel_id, event.counterparty_node_id, id)
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) fault('accepting a channel', result.err)
    } else if (event instanceof ldk.Event_ChannelPending) {
      const key = hex(event.former_temporary_channel_id.get_a())
      opens.get(key)?.resolve(hex(event.channel_id.get_a()))
      opens.delete(key)
    } else if (event instanceof ldk.Event_ChannelClosed) {
      const key = hex(event.channel_id.get_a())
      opens.get(key)?.reject(new Error(`channel closed: ${words(event.reason)}`))
      opens.delete(key)
    } else if (event instanceof ldk.Event_PaymentClaimable) {
      const preimage = event.purpose.preimage()
      if (policy === 'fail') manager.fail_htlc_backwards(event.payment_hash)
      else if (policy === 'claim' && preimage instanceof ldk.Option_ThirtyTwoBytesZ_Some)
        manager.claim_funds(preimage.some)
      else if (preimage instanceof ldk.Option_ThirtyTwoBytesZ_Some)
        held.set(hex(event.payment_hash), Uint8Array.from(preimage.some))
    } else if (event instanceof ldk.Event_PaymentSent) {
      const fee = event.fee_paid_msat instanceof ldk.Option_u64Z_Some ? event.fee_paid_msat.some : 0n
      settle(hex(event.payment_hash), { ok: true, preimage: hex(event.payment_preimage), feeMsat: fee })
    } else if (event instanceof ldk.Event_PaymentFailed)
      settle(hex(event.payment_id), { ok: false, reason: failureReason(event.reason) })
    else if (event instanceof ldk.Event_SpendableOutputs) {
      sweeps.push(...event.outputs)
      sweep()
    } else if (event instanceof ldk.Event_BumpTransaction) bumper.handle_event(event.bump_transaction)
  }
  const held = new Map<string, Uint8Array>()

  // ---- chain, sockets, clock ----
  const follower = createFollower({
    chain,
    listeners: [monitors.as_Confirm(), manager.as_Confirm()],
    from,
    onBlock: (_, transactions) => reserve.onBlock(transactions),
    onSynced: () => {
      sweep()
      drive()
    },
  })
  const sockets = createSockets(peers, drive)
  let ticks = 0
  const clock = setInterval(() => {
    peers.timer_tick_occurred()
    if (++ticks % 6 === 0) manager.timer_tick_occurred()
    if (ticks % 3 === 0) monitors.rebroadcast_pending_claims()
    drive()
  }, 10_000)
  clock.unref()

  if (options.anchors !== false && reserve.coins().length === 0) {
    const payees = Array.from({ length: RESERVE_COINS }, () => ({
      script: reserve.script,
      amountSat: RESERVE_SAT,
    }))
    const { hex: transaction } = await funder.build(payees)
    await chain.call('sendrawtransaction', transaction)
  }
  await follower.sync()
  follower.run()

  const channel = (channelId: string): ldk.ChannelDetails => {
    const found = manager
      .list_channels()
      .find((details) => hex(details.get_channel_id().get_a()) === channelId)
    if (!found) throw new Error(`LDK has no channel ${channelId}`)
    return found
  }

  /** Hands a payment to LDK by `send` and resolves with its end. */
  function pay(id: Uint8Array, send: () => string | undefined): Promise<PaymentResult> {
    return new Promise((resolve) => {
      const key = hex(id)
      const timer = setTimeout(() => {
        payments.delete(key)
        resolve({ ok: false, reason: 'no result in time' })
      }, PAYMENT_TIMEOUT_MS)
      payments.set(key, (result) => {
        clearTimeout(timer)
        resolve(result)
      })
      const refused = send()
      if (refused !== undefined) settle(key, { ok: false, reason: refused })
      drive()
    })
  }

  const node: LdkNode = {
    nodeId,
    events,
    listen: (port = 0, host = '127.0.0.1') => sockets.listen(port, host),
    async connect(peer, host, port) {
      await sockets.dial(peer, host, port)
      await node.until(() => node.peers().includes(peer), `connection to ${peer}`)
    },
    disconnect(peer) {
      peers.disconnect_by_node_id(unhex(peer))
      drive()
    },
    peers: () => peers.list_peers().map((details) => hex(details.get_counterparty_node_id())),
    openChannel(peer, sat, pushMsat = 0n, open = {}) {
      const override = userConfig({ ...options, announced: open.announced ?? options.announced ?? false })
      const result = manager.create_channel(unhex(peer), sat, pushMsat, 1n, null, override)
      if (!(result instanceof ldk.Result_ChannelIdAPIErrorZ_OK)) {
        const { err } = result as ldk.Result_ChannelIdAPIErrorZ_Err
        return Promise.reject(new Error(`LDK does not open the channel: ${words(err)}`))
      }
      const opened = new Promise<string>((resolve, reject) => {
        opens.set(hex(result.res.get_a()), { resolve, reject })
      })
      drive()
      return opened
    },
    listChannels: () => manager.list_channels().map(describeChannel),
    createInvoice(amountMsat, description, invoice = {}) {
      const amount =
        amountMsat === undefined
          ? ldk.Option_u64Z.constructor_none()
          : ldk.Option_u64Z.constructor_some(amountMsat)
      const text = ldk.Description.constructor_new(description)
      if (!(text instanceof ldk.Result_DescriptionCreationErrorZ_OK)) throw new Error('description too long')
      const result = manager.create_bolt11_invoice(
        amount,
        ldk.Bolt11InvoiceDescription.constructor_direct(text.res),
        ldk.Option_u32Z.constructor_some(invoice.expirySeconds ?? 86_400),
        ldk.Option_u16Z.constructor_none(),
        invoice.paymentHash === undefined
          ? ldk.Option_ThirtyTwoBytesZ.constructor_none()
          : ldk.Option_ThirtyTwoBytesZ.constructor_some(unhex(invoice.paymentHash)),
      )
      if (!(result instanceof ldk.Result_Bolt11InvoiceSignOrCreationErrorZ_OK))
        throw new Error('LDK makes no invoice')
      const made = { bolt11: result.res.to_str(), paymentHash: hex(result.res.payment_hash()) }
      drive()
      return made
    },
    payInvoice(bolt11, amountMsat) {
      const parsed = ldk.Bolt11Invoice.constructor_from_str(bolt11)
      if (!(parsed instanceof ldk.Result_Bolt11InvoiceParseOrSemanticErrorZ_OK))
        return Promise.resolve({ ok: false, reason: 'not an invoice' })
      const invoice = parsed.res
      const named = invoice.amount_milli_satoshis() instanceof ldk.Option_u64Z_Some
      if (!named && amountMsat === undefined)
        return Promise.resolve({ ok: false, reason: 'the invoice names no amount' })
      const parameters = named
        ? ldk.UtilMethods.constructor_payment_parameters_from_invoice(invoice)
        : ldk.UtilMethods.constructor_payment_parameters_from_variable_amount_invoice(
            invoice,
            amountMsat ?? 0n,
          )
      if (
        !(parameters instanceof ldk.Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK)
      )
        return Promise.resolve({ ok: false, reason: 'not an invoice that LDK can pay' })
      const hash = Uint8Array.from(parameters.res.get_a())
      return pay(hash, () => {
        const sent = manager.send_payment(
          hash,
          parameters.res.get_b(),
          hash,
          parameters.res.get_c(),
          ldk.Retry.constructor_attempts(3),
        )
        if (!(sent instanceof ldk.Result_NoneRetryableSendFailureZ_Err)) return undefined
        return ldk.RetryableSendFailure[sent.err]?.replace(/^.*_/, '') ?? 'refused'
      })
    },
    keysend(peer, amountMsat) {
      const preimage = randomBytes(32)
      const hash = Uint8Array.from(createHash('sha256').update(preimage).digest())
      const route = ldk.RouteParameters.constructor_from_payment_params_and_value(
        ldk.PaymentParameters.constructor_for_keysend(unhex(peer), 42, false),
        amountMsat,
      )
      return pay(hash, () => {
        const sent = manager.send_spontaneous_payment(
          ldk.Option_ThirtyTwoBytesZ.constructor_some(preimage),
          ldk.RecipientOnionFields.constructor_spontaneous_empty(),
          hash,
          route,
          ldk.Retry.constructor_attempts(3),
        )
        return sent instanceof ldk.Result_ThirtyTwoBytesRetryableSendFailureZ_Err ? 'refused' : undefined
      })
    },
    claim(paymentHash, preimage) {
      const known = preimage === undefined ? held.get(paymentHash) : unhex(preimage)
      if (!known) throw new Error(`no preimage for ${paymentHash}`)
      manager.claim_funds(known)
      drive()
    },
    fail(paymentHash) {
      manager.fail_htlc_backwards(unhex(paymentHash))
      drive()
    },
    setPolicy(next) {
      policy = next
    },
    closeChannel(channelId) {
      const details = channel(channelId)
      const result = manager.close_channel(details.get_channel_id(), details.get_counterparty().get_node_id())
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) throw new Error(words(result.err))
      drive()
    },
    forceClose(channelId) {
      const details = channel(channelId)
      const result = manager.force_close_broadcasting_latest_txn(
        details.get_channel_id(),
        details.get_counterparty().get_node_id(),
        'force closed by the test',
      )
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) throw new Error(words(result.err))
      drive()
    },
    async waitFor<T extends LdkEvent['type']>(
      type: T,
      match?: (event: Extract<LdkEvent, { type: T }>) => boolean,
      wait: { readonly after?: number; readonly timeoutMs?: number } = {},
    ) {
      type Wanted = Extract<LdkEvent, { type: T }>
      const fits = (event: LdkEvent): event is Wanted =>
        event.type === type && (match?.(event as Wanted) ?? true)
      const found: Wanted[] = []
      const look = (): boolean => {
        const event = events.slice(wait.after ?? 0).find(fits)
        if (event) found.push(event)
        return event !== undefined
      }
      await node.until(look, `event ${type}`, wait.timeoutMs)
      return found[0] as Wanted
    },
    until(condition, what, timeoutMs = 30_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          watchers.delete(look)
          const tail = events
            .slice(-8)
            .map((event) =>
              JSON.stringify(event, (_, value: unknown) =>
                typeof value === 'bigint' ? String(value) : value,
              ),
            )
          reject(new Error(`LDK: ${what}: not within ${timeoutMs} ms. Last events:\n${tail.join('\n')}`))
        }, timeoutMs)
        const look = (): void => {
          if (!condition()) return
          clearTimeout(timer)
          watchers.delete(look)
          resolve()
        }
        watchers.add(look)
        look()
      })
    },
    sync: () => follower.sync(),
    tip: () => follower.tip(),
    claimable: () =>
      monitors.get_claimable_balances(manager.list_channels()).map((balance) => ({
        type: balance.constructor.name.replace('Balance_', ''),
        amountSat: (balance as { amount_satoshis?: bigint }).amount_satoshis ?? 0n,
      })),
    async stop() {
      if (stopped) return
      drive()
      stopped = true
      clearInterval(clock)
      follower.stop()
      await sockets.close()
      store.write(MANAGER, manager.write())
    },
  }
  return node
}
