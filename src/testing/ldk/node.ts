import { createHash, randomBytes } from 'node:crypto'
import * as ldk from 'lightningdevkit'
import { createBlindedInvoice, hasPath, sendByPath } from './blinded.ts'
import { buildParts, MANAGER } from './build.ts'
import { describeChannel, failureReason, plainEvent } from './describe.ts'
import { createFollower } from './follower.ts'
import { DEFAULT_FEERATE, userConfig } from './services.ts'
import { createSockets } from './sockets.ts'
import { fileStore, memoryStore } from './store.ts'
import type { ClaimPolicy, LdkEvent, LdkNode, LdkOptions, PaymentResult } from './types.ts'
import { hex, loadLdk, unhex, words } from './wasm.ts'

/** Coins that pay for closing anchor channels, asked of the funder once. */
const RESERVE_COINS = 4
const RESERVE_SAT = 50_000n
const PAYMENT_TIMEOUT_MS = 60_000

/** Starts an LDK node: reads its state or begins anew, follows the chain, answers `listen` and `connect`. */
export async function createLdkNode(options: LdkOptions): Promise<LdkNode> {
  await loadLdk()
  const { chain, funder } = options
  const store = options.dataDir === undefined ? memoryStore() : fileStore(options.dataDir)
  let feerate = options.feerate ?? DEFAULT_FEERATE
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

  const parts = await buildParts(options, store, emit, () => feerate)
  const { manager, monitors, peers, onions, spender, bumper, reserve, graph, from } = parts
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

  let saving: NodeJS.Immediate | undefined
  /**
   * The manager is written once for all that one turn brought: it grows with every payment in flight. A store that
   * dies with the process needs it only at `stop`.
   */
  function saveSoon(): void {
    if (options.dataDir === undefined) return
    saving ??= setImmediate(() => {
      saving = undefined
      if (!stopped) store.write(MANAGER, manager.write())
    })
  }

  let poked = false
  /** Drives at the end of this turn, so that many calls in a row make one batch. */
  function poke(): void {
    if (poked) return
    poked = true
    queueMicrotask(() => {
      poked = false
      drive()
    })
  }

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
      if (manager.get_and_clear_needs_persistence()) saveSoon()
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
      const paid = { ok: true, preimage: hex(event.payment_preimage), feeMsat: fee } as const
      settle(hex(event.payment_hash), paid)
      // What an offer began is known by its own id: the hash came later.
      if (event.payment_id instanceof ldk.Option_ThirtyTwoBytesZ_Some)
        settle(hex(event.payment_id.some), paid)
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
      poke()
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
      poke()
    },
    announceNode() {
      peers.broadcast_node_announcement(Uint8Array.of(1, 2, 3), new Uint8Array(32).fill(0x6c), [])
      poke()
    },
    graph() {
      const view = graph.read_only()
      const size = { channels: view.list_channels().length, nodes: view.list_nodes().length }
      // It is a lock: nothing moves until it is let go.
      view.free()
      return size
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
      poke()
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
      poke()
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
    createOffer() {
      const made = manager.create_offer_builder(ldk.Option_u64Z.constructor_none())
      if (!(made instanceof ldk.Result_OfferWithDerivedMetadataBuilderBolt12SemanticErrorZ_OK))
        throw new Error(`LDK makes no offer: ${words(made)}`)
      const offer = made.res.build()
      if (!(offer instanceof ldk.Result_OfferBolt12SemanticErrorZ_OK)) throw new Error('LDK makes no offer')
      return offer.res.to_str()
    },
    payOffer(text, amountMsat, payerNote) {
      const parsed = ldk.Offer.constructor_from_str(text)
      if (!(parsed instanceof ldk.Result_OfferBolt12ParseErrorZ_OK))
        return Promise.resolve({ ok: false, reason: 'not an offer' })
      const id = Uint8Array.from(randomBytes(32))
      return pay(id, () => {
        const sent = manager.pay_for_offer(
          parsed.res,
          ldk.Option_u64Z.constructor_none(),
          amountMsat === undefined
            ? ldk.Option_u64Z.constructor_none()
            : ldk.Option_u64Z.constructor_some(amountMsat),
          payerNote === undefined
            ? ldk.Option_StrZ.constructor_none()
            : ldk.Option_StrZ.constructor_some(payerNote),
          id,
          ldk.Retry.constructor_attempts(3),
          ldk.Option_u64Z.constructor_none(),
        )
        return sent instanceof ldk.Result_NoneBolt12SemanticErrorZ_Err
          ? (ldk.Bolt12SemanticError[sent.err] ?? 'refused')
          : undefined
      })
    },
    createBlindedInvoice: (amountMsat, hops) => createBlindedInvoice(parts, amountMsat, hops),
    payBlinded(invoice, amountMsat) {
      if (!hasPath(invoice)) return Promise.resolve({ ok: false, reason: 'not a path of LDK’s' })
      return pay(unhex(invoice.paymentHash), () =>
        sendByPath(manager, invoice.paymentHash, invoice.path, amountMsat),
      )
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
      poke()
    },
    fail(paymentHash) {
      manager.fail_htlc_backwards(unhex(paymentHash))
      poke()
    },
    setPolicy(next) {
      policy = next
    },
    setFeerate(next) {
      feerate = next
      // LDK looks at its channels' feerates when its clock ticks.
      manager.timer_tick_occurred()
      poke()
    },
    closeChannel(channelId) {
      const details = channel(channelId)
      const result = manager.close_channel(details.get_channel_id(), details.get_counterparty().get_node_id())
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) throw new Error(words(result.err))
      poke()
    },
    forceClose(channelId) {
      const details = channel(channelId)
      const result = manager.force_close_broadcasting_latest_txn(
        details.get_channel_id(),
        details.get_counterparty().get_node_id(),
        'force closed by the test',
      )
      if (result instanceof ldk.Result_NoneAPIErrorZ_Err) throw new Error(words(result.err))
      poke()
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
      clearImmediate(saving)
      follower.stop()
      await sockets.close()
      store.write(MANAGER, manager.write())
    },
  }
  return node
}
