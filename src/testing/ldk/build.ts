import { randomBytes } from 'node:crypto'
import * as ldk from 'lightningdevkit'
import { createReserve, type Reserve } from './reserve.ts'
import { broadcaster, feeEstimator, logger, userConfig } from './services.ts'
import { type ByteStore, kvStore } from './store.ts'
import type { LdkEvent, LdkOptions, LdkTip } from './types.ts'
import { displayed, internal } from './wasm.ts'

/** Where the channel manager is kept, beside LDK's own monitors. */
export const MANAGER = ['manager', '', 'manager']

/**
 * The pieces of an LDK node, put together or read back. LDK holds objects made from JavaScript weakly, so all of them
 * are in here: whoever holds the parts keeps them alive.
 */
export interface LdkParts {
  readonly manager: ldk.ChannelManager
  readonly keys: ldk.KeysManager
  readonly monitors: ldk.ChainMonitor
  readonly peers: ldk.PeerManager
  readonly onions: ldk.OnionMessenger
  readonly spender: ldk.OutputSpender
  readonly bumper: ldk.BumpTransactionEventHandler
  readonly reserve: Reserve
  readonly graph: ldk.NetworkGraph
  /** The last block that every piece has seen. */
  readonly from: LdkTip
  readonly kept: readonly object[]
}

/** Builds a node's pieces from its store, or new ones at the chain's tip. */
export async function buildParts(
  options: LdkOptions,
  store: ByteStore,
  emit: (event: LdkEvent) => void,
  feerate: () => number,
): Promise<LdkParts> {
  const { chain } = options
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

  async function load(): Promise<{ manager: ldk.ChannelManager; from: LdkTip }> {
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

  return {
    manager,
    keys,
    monitors,
    peers,
    onions,
    spender,
    bumper,
    reserve,
    from,
    graph,
    kept: [
      fees,
      log,
      sender,
      kv,
      keys,
      persister,
      persist,
      watch,
      graph,
      gossip,
      scorer,
      score,
      router,
      messages,
      wallet,
      ignoring,
      config,
    ],
  }
}
