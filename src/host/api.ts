import { entries, entry } from '../engine/base/table.ts'
import { ApiError, type ErrorCode } from '../contract/errors.ts'
import type { Input, Output } from '../contract/procedures.ts'
import type { Handlers } from '../contract/rpc.ts'
import type { AppState, Hop } from '../contract/schemas.ts'
import { fromHex, toHex } from '../engine/base/bytes.ts'
import { msat, sat } from '../engine/base/units.ts'
import type { CommandResult, NodeEvent } from '../engine/node/commands.ts'
import { feerateFor } from '../engine/node/state.ts'
import { createGraph } from '../engine/router/graph.ts'
import { previewSend } from '../engine/node/wallet.ts'
import { formatPeerAddress, parsePeerAddress } from './peer-address.ts'
import { projectForwards, projectInvoice, projectPeers, readMsat } from './project.ts'
import { projectChannel } from './project-channel.ts'
import { projectCoins, projectTransactions } from './project-transactions.ts'
import { describeGraph, queryRoutes } from './graph-api.ts'
import { describePayable } from './describe-payable.ts'
import { isOffer, newOffer, offerCommand, projectOffer, projectRequest } from './offers-api.ts'
import { findNodes, nodeInfo } from './graph-nodes.ts'
import { confirmHints, payeeOf, requestFor } from './hints.ts'
import { SNAPSHOTS } from './snapshots.ts'
import { previewReceive } from './receive-api.ts'
import { checkBackup } from './project-backup.ts'
import { namesIn, onTheWay, projectHops, projectLimits, projectPayment } from './project-payment.ts'
import { projectMoney } from './project-money.ts'
import { projectChannelView } from './channel-view.ts'
import { probePayment } from './probe-payment.ts'
import { createPaymentGate, type PaymentGate, paymentCommand } from './send-payment.ts'
import { sendPayments } from './send-payments.ts'
import { eventStream, latest, paced } from './streams.ts'
import type { HostControl, Running } from './control.ts'
import type { Credential } from './vault/keyring.ts'
import type { NewLock } from './vault/vault.ts'

/** The contract's procedures over a wallet host. Input was validated at the boundary; here it gets its meaning. */

const fail = (code: ErrorCode, message: string, data?: Record<string, string | number | boolean>): never => {
  throw new ApiError({ code, message, ...(data === undefined ? {} : { data }) })
}

const perKw = (satPerVb: number): number => Math.ceil(satPerVb * 250)
const DEFAULT_EXPIRY_SECONDS = 86_400
const INVOICES_A_TURN = 100
/** Commitment views come at most this often. */
const VIEW_GAP_MS = 100
/** How long an opening waits for the peer to be connected. */
const CONNECT_WITHIN_MS = 20_000

function expectResult<T extends CommandResult['type']>(
  result: CommandResult,
  type: T,
): Extract<CommandResult, { type: T }> {
  if (result.type !== type) throw new Error(`invariant: ${type} expected`)
  return result as Extract<CommandResult, { type: T }>
}

/** Why no node runs, where there is a wallet all the same. */
const NO_NODE: Readonly<Partial<Record<AppState['phase'], () => never>>> = {
  locked: () => fail('locked', 'The wallet is locked.'),
  moved: () => fail('walletMoved', 'This wallet has moved to another device.'),
}

/** Esplora base URLs without the slash at their ends. Throws `invalidInput`. */
function readServers(servers: readonly string[]): readonly string[] {
  for (const url of servers) {
    if (!/^https?:\/\/[^\s]+$/.test(url))
      fail('invalidInput', 'A server’s address starts with https:// (or http://).')
  }
  return servers.map((url) => url.replace(/\/+$/, ''))
}

/** A gateway's base, or nothing. Throws `invalidInput`. */
function readGateway(gateway: string): string {
  if (gateway !== '' && !/^wss?:\/\/[^\s]+$/.test(gateway))
    fail('invalidInput', 'A gateway’s address starts with wss:// (or ws://).')
  return gateway.replace(/\/+$/, '')
}

const credentialOf = (input: Input<'unlock'>): Credential =>
  'password' in input
    ? { kind: 'password', password: input.password }
    : { kind: 'passkey', secret: fromHex(input.passkeySecret) }

export function createHandlers(host: HostControl): Handlers {
  const noWallet = (): never => NO_NODE[host.state().phase]?.() ?? fail('noWallet', 'There is no wallet yet.')
  const node = (): Running => {
    const running = host.running()
    if (running === undefined) return noWallet()
    return running
  }
  const state = () => node().loop.status().state
  const after = (ms: number, task: () => void) => host.after(ms, task)
  /** Where a new wallet is to work. What the place offers belongs to its own network; on another nothing is asked of anybody unasked. */
  const placeOf = ({ network, servers, gateway, confirm }: Omit<Input<'createWallet'>, 'words'>) => {
    const { defaults } = host
    const here = network === undefined || network === defaults.network
    return {
      network: network ?? defaults.network,
      servers: readServers(servers ?? (here ? defaults.servers : [])),
      gateway: readGateway(gateway ?? (here ? defaults.gateway : '')),
      confirm,
    }
  }
  const gates = new WeakMap<Running, PaymentGate>()
  const gateOf = (running: Running): PaymentGate => {
    const known = gates.get(running)
    if (known !== undefined) return known
    const gate = createPaymentGate({ loop: running.loop, now: () => host.now(), after })
    gates.set(running, gate)
    return gate
  }

  /** Resolves once the peer's init is here; dials when it is not connected. */
  async function ensurePeer(text: string): Promise<string> {
    const running = node()
    const bare = text.trim().toLowerCase()
    const known = /^0[23][0-9a-f]{64}$/.test(bare) ? state().peerAddresses[bare] : undefined
    if (/^0[23][0-9a-f]{64}$/.test(bare) && state().peers[bare]?.phase === 'ready') return bare
    const parsed = parsePeerAddress(known ?? text)
    if (!parsed.ok) throw new ApiError(parsed.error)
    const { nodeId } = parsed.value
    if (nodeId === running.setup.nodeId)
      return fail('peerAddressInvalid', 'This is the wallet’s own address.')
    if (state().peers[nodeId]?.phase === 'ready') return nodeId
    const ready = new Promise<void>((resolve, reject) => {
      const done = running.loop.subscribe((event) => {
        if (event.type === 'peerReady' && event.nodeId === nodeId) {
          done()
          resolve()
        } else if (event.type === 'peerRefused' && event.nodeId === nodeId) {
          done()
          reject(new ApiError({ code: event.error.code as ErrorCode, message: event.error.message }))
        } else if (event.type === 'peerLost' && event.nodeId === nodeId && !(nodeId in state().peers)) {
          // Connected, and gone before its init: no use in waiting. (A connection that another replaced is not lost.)
          done()
          reject(
            new ApiError({
              code: 'peerDisconnected',
              message: `The peer ended the connection: ${event.reason}`,
            }),
          )
        }
      })
      host.after(CONNECT_WITHIN_MS, () => {
        done()
        reject(new ApiError({ code: 'peerUnreachable', message: 'The peer did not answer in time.' }))
      })
    })
    ready.catch(() => {})
    const before = state().peerAddresses[nodeId]
    await running.loop.command({ type: 'connectPeer', nodeId, address: formatPeerAddress(parsed.value) })
    try {
      await Promise.race([ready, running.peers.whenConnected(nodeId).then(() => ready)])
    } catch (thrown) {
      // A peer that never was there is not dialled for ever; one that was goes on being dialled where it was.
      if (before === undefined) await running.loop.command({ type: 'disconnectPeer', nodeId })
      else await running.loop.command({ type: 'connectPeer', nodeId, address: before })
      throw thrown
    }
    return nodeId
  }

  return {
    getInfo: async () => {
      const now = host.state()
      return {
        version: now.version,
        phase: now.phase,
        network: now.network,
        ...(now.nodeId === undefined ? {} : { nodeId: now.nodeId }),
        height: now.chain.height,
        blockHash: now.chain.blockHash,
        synced: now.chain.synced,
        peers: now.peers.filter((peer) => peer.state === 'connected').length,
        channels: now.channels.length,
      }
    },
    getState: (_input, signal) => latest<AppState>(host.state, host.onChange, signal),
    createWallet: async (input) => {
      const words = host.newWords(input.words ?? 12)
      await host.create({
        words,
        passphrase: input.passphrase ?? '',
        ...placeOf(input),
      })
      return { words: words.split(' ') }
    },
    restoreWallet: async (input) => {
      await host.create({
        words: input.words,
        passphrase: input.passphrase ?? '',
        ...placeOf(input),
      })
      await node().loop.command({ type: 'setPreference', name: 'wordsConfirmed', value: 'true' })
      return {}
    },
    showWords: async () => ({ words: [...(host.words() ?? noWallet())] }),
    confirmWords: async () => {
      await node().loop.command({ type: 'setPreference', name: 'wordsConfirmed', value: 'true' })
      return {}
    },
    eraseWallet: async () => {
      await host.erase()
      return {}
    },
    unlock: async (input) => {
      await host.lock.unlock(credentialOf(input))
      return {}
    },
    lock: async () => {
      await host.lock.lock()
      return {}
    },
    addLock: async ({ lock, proof }) => {
      const added: NewLock =
        'password' in lock
          ? { kind: 'password', password: lock.password }
          : {
              kind: 'passkey',
              credentialId: fromHex(lock.passkey.credentialId),
              salt: fromHex(lock.passkey.salt),
              secret: fromHex(lock.passkey.secret),
            }
      await host.lock.add(added, proof === undefined ? undefined : credentialOf(proof))
      return {}
    },
    removeLock: async ({ kind, proof }) => {
      await host.lock.remove(kind, credentialOf(proof))
      return {}
    },
    updateSettings: async (input) => {
      if (input.servers !== undefined) {
        const servers = readServers(input.servers)
        await node().loop.command({ type: 'setServers', servers })
      }
      if (input.gateway !== undefined) {
        await host.setGateway(readGateway(input.gateway))
      }
      if (input.storagePersisted !== undefined) {
        await node().loop.command({
          type: 'setPreference',
          name: 'storagePersisted',
          value: String(input.storagePersisted),
        })
      }
      for (const name of ['forwarding', 'interceptForwards'] as const) {
        const wish = input[name]
        if (wish !== undefined)
          await node().loop.command({ type: 'setPreference', name, value: wish ? 'on' : 'off' })
      }
      if (input.snapshots !== undefined) {
        const [value = ''] = input.snapshots === '' ? [] : readServers([input.snapshots])
        await node().loop.command({ type: 'setPreference', name: SNAPSHOTS, value })
        node().gossip.fetchSnapshot()
      }
      return {}
    },

    connectPeer: async (input) => ({ nodeId: await ensurePeer(input.address) }),
    disconnectPeer: async (input) => {
      await node().loop.command({ type: 'disconnectPeer', nodeId: input.nodeId })
      return {}
    },
    listPeers: async () => projectPeers(state(), node().peers.status()),
    describeGraph: async () => describeGraph(node()),
    fetchSnapshot: async () => {
      if ((state().preferences[SNAPSHOTS] ?? '') === '')
        fail('invalidInput', 'No server for snapshots has been named.')
      node().gossip.fetchSnapshot()
      return {}
    },
    findNodes: async ({ text }) => findNodes(node().setup.graph ?? createGraph(), text),
    getNodeInfo: async ({ nodeId }) => nodeInfo(node().setup.graph ?? createGraph(), nodeId),
    queryRoutes: async (input) => queryRoutes(node(), input, host.now()),

    openChannel: (input, signal) => openChannel(input, signal),
    closeChannel: (input, signal) => closeChannel(input, signal),
    listChannels: async () =>
      Object.values(state().channels).map((channel) => projectChannel(state(), channel)),
    pendingChannels: async () =>
      Object.values(state().channels)
        .map((channel) => projectChannel(state(), channel))
        .filter((channel) => channel.status !== 'open' && channel.status !== 'closed'),

    channelView: (input, signal) => {
      const running = node()
      const channelOf = () => {
        const { phase, state: now } = running.loop.status()
        return phase === 'stopped' ? undefined : now.channels[input.channelId]
      }
      if (channelOf() === undefined) fail('channelUnknown', 'There is no such channel.')
      const onState = (listener: () => void) => running.loop.onState(listener)
      return paced(channelOf, projectChannelView, onState, after, VIEW_GAP_MS, signal)
    },

    previewReceive: async ({ amountMsat }) =>
      previewReceive(state(), amountMsat === undefined ? undefined : readMsat(amountMsat)),
    addInvoice: async (input) => {
      const result = await node().loop.command({
        type: 'addInvoice',
        ...(input.amountMsat === undefined ? {} : { amountMsat: readMsat(input.amountMsat) }),
        description: input.description ?? '',
        expirySeconds: input.expirySeconds ?? DEFAULT_EXPIRY_SECONDS,
        ...(input.hold === true ? { hold: true } : {}),
        ...(input.paymentHash === undefined ? {} : { paymentHash: fromHex(input.paymentHash) }),
      })
      const record = entry(state().invoices, expectResult(result, 'invoice').paymentHash)
      if (record === undefined) throw new Error('invariant: the invoice is stored')
      return projectInvoice(record, host.now())
    },
    settleInvoice: async ({ paymentHash, preimage }) => {
      await node().loop.command({
        type: 'decideInvoice',
        paymentHash,
        take: true,
        ...(preimage === undefined ? {} : { preimage: fromHex(preimage) }),
      })
      return {}
    },
    cancelInvoice: async ({ paymentHash }) => {
      await node().loop.command({ type: 'decideInvoice', paymentHash, take: false })
      return {}
    },
    addInvoices: async (input) => {
      const made: Output<'addInvoices'> = []
      while (made.length < input.count) {
        // So many a turn: others are served in between.
        const results = await Promise.all(
          Array.from({ length: Math.min(INVOICES_A_TURN, input.count - made.length) }, () =>
            node().loop.command({
              type: 'addInvoice',
              ...(input.amountMsat === undefined ? {} : { amountMsat: readMsat(input.amountMsat) }),
              description: input.description ?? '',
              expirySeconds: input.expirySeconds ?? DEFAULT_EXPIRY_SECONDS,
            }),
          ),
        )
        for (const result of results) {
          const { paymentHash } = expectResult(result, 'invoice')
          made.push({ paymentHash, invoice: entry(state().invoices, paymentHash)?.bolt11 ?? '' })
        }
      }
      return made
    },
    addOffer: async (input) => {
      const result = await node().loop.command(newOffer(input, host.now()))
      const record = state().offers[expectResult(result, 'offer').id]
      if (record === undefined) throw new Error('invariant: the offer is stored')
      return projectOffer(state(), record)
    },
    listOffers: async () =>
      Object.values(state().offers)
        .sort((a, b) => b.createdAt - a.createdAt)
        .map((record) => projectOffer(state(), record)),
    disableOffer: async ({ id }) => {
      await node().loop.command({ type: 'disableOffer', id })
      return {}
    },
    listOfferRequests: async () =>
      Object.values(state().requests)
        .sort((a, b) => b.createdAt - a.createdAt)
        .map(projectRequest),
    decode: async ({ text }) =>
      describePayable(text, host.running()?.setup.network ?? host.defaults.network, host.now()),
    listInvoices: async () =>
      entries(state().invoices)
        .map((record) => projectInvoice(record, host.now()))
        .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)),
    subscribeInvoices: async function* (input, signal) {
      const events = eventStream(node().loop, signal)
      if (input.paymentHash !== undefined) {
        const record = entry(state().invoices, input.paymentHash)
        if (record !== undefined) yield projectInvoice(record, host.now())
      }
      for await (const event of events) {
        if (event.type !== 'invoicePaid') continue
        if (input.paymentHash !== undefined && event.paymentHash !== input.paymentHash) continue
        const record = entry(state().invoices, event.paymentHash)
        if (record !== undefined) yield projectInvoice(record, host.now())
      }
    },
    sendPayment: (input, signal) => sendPayment(input, signal),
    sendPayments: (input, requests, signal) =>
      sendPayments({ loop: node().loop, now: () => host.now(), after }, input.maxInFlight, requests, signal),
    listPayments: async () => {
      const nameOf = namesIn(node().setup.graph)
      return entries(state().payments)
        .sort((a, b) => b.createdAt - a.createdAt)
        .map((record) => projectPayment(record, nameOf))
    },
    cancelPayment: async ({ paymentHash }) => {
      const running = node()
      // An offer whose invoice has not come is known by its request.
      if (state().requests[paymentHash]?.state === 'asking') {
        await running.loop.command({ type: 'cancelRequest', requestId: paymentHash })
        return { state: 'failed', onTheWayMsat: '0' }
      }
      // One that has not found room yet is not known to the node.
      if (gateOf(running).cancel(paymentHash)) return { state: 'failed', onTheWayMsat: '0' }
      await running.loop.command({ type: 'cancelPayment', paymentHash })
      const record = entry(state().payments, paymentHash)
      if (record === undefined) throw new Error('invariant: the payment is stored')
      return {
        state: record.state === 'pending' ? 'pending' : 'failed',
        onTheWayMsat: String(onTheWay(record)),
      }
    },
    probePayment: (input) => probePayment(node(), input, after),

    listForwards: async () => projectForwards(state()),
    decideForward: async ({ key, forward }) => {
      await node().loop.command({ type: 'decideForward', key, forward })
      return {}
    },

    estimateFee: async (input) => ({
      satPerVb: Math.round(feerateFor(state(), node().setup, input.targetBlocks ?? 6) / 2.5) / 100,
    }),
    walletBalance: async () => {
      const { balances } = host.state()
      return {
        confirmedSat: balances.onchainConfirmedSat,
        unconfirmedSat: balances.onchainUnconfirmedSat,
        reservedSat: balances.onchainReservedSat,
        anchorReserveSat: balances.anchorReserveSat,
        totalSat: String(
          BigInt(balances.onchainConfirmedSat) +
            BigInt(balances.onchainUnconfirmedSat) +
            BigInt(balances.onchainReservedSat),
        ),
      }
    },
    moneyMap: async () => projectMoney(state(), host.now()),
    channelBalance: async () => {
      const open = host.state().channels.filter((channel) => channel.status === 'open')
      const sum = (pick: (channel: (typeof open)[number]) => string): string =>
        String(open.reduce((total, channel) => total + BigInt(pick(channel)), 0n))
      return {
        localMsat: sum((c) => c.localMsat),
        remoteMsat: sum((c) => c.remoteMsat),
        spendableMsat: sum((c) => c.spendableMsat),
        receivableMsat: sum((c) => c.receivableMsat),
      }
    },
    newAddress: async () => {
      const result = await node().loop.command({ type: 'newAddress' })
      return { address: expectResult(result, 'address').address }
    },
    previewSend: async (input) => {
      const preview = previewSend(state(), node().setup, {
        address: input.address,
        amountSat: input.amountSat === 'max' ? 'max' : sat(BigInt(input.amountSat)),
        ...(input.feeSatPerVb === undefined ? {} : { feeratePerKw: perKw(input.feeSatPerVb) }),
      })
      if (!preview.ok) {
        const { code, message, data } = preview.error
        throw new ApiError({ code: code as ErrorCode, message, ...(data === undefined ? {} : { data }) })
      }
      return {
        amountSat: String(preview.value.amountSat),
        feeSat: String(preview.value.feeSat),
        satPerVb: Math.round(preview.value.feeratePerKw / 2.5) / 100,
      }
    },
    sendCoins: async (input) => {
      const result = await node().loop.command({
        type: 'sendCoins',
        address: input.address,
        amountSat: input.amountSat === 'max' ? 'max' : sat(BigInt(input.amountSat)),
        ...(input.feeSatPerVb === undefined ? {} : { feeratePerKw: perKw(input.feeSatPerVb) }),
      })
      const sent = expectResult(result, 'sent')
      return { txid: sent.txid, amountSat: String(sent.amountSat), feeSat: String(sent.feeSat) }
    },
    bumpFee: async (input) => {
      const result = await node().loop.command({
        type: 'bumpFee',
        txid: input.txid,
        feeratePerKw: perKw(input.feeSatPerVb),
      })
      const sent = expectResult(result, 'sent')
      return { txid: sent.txid, feeSat: String(sent.feeSat) }
    },
    listCoins: async () => projectCoins(state(), node().setup),
    listTransactions: async () => projectTransactions(state()),
    rescan: async () => {
      await node().loop.command({ type: 'rescan' })
      return {}
    },
    refresh: async () => {
      await node().loop.command({ type: 'refresh' })
      return {}
    },
    subscribeEvents: async function* (_input, signal) {
      for await (const event of eventStream(node().loop, signal)) {
        const { type, ...data } = event
        yield { time: new Date(host.now()).toISOString(), type, data: flatten(data) }
      }
    },
    exportBackup: async () => {
      const made = expectResult(await node().loop.command({ type: 'exportBackup' }), 'backup')
      const day = new Date(host.now()).toISOString().slice(0, 10)
      return {
        name: `switchback-${state().chain.headers.network}-${day}.backup`,
        data: toHex(made.file),
        channels: made.channels,
      }
    },
    verifyBackup: async ({ backup }) => {
      const found = checkBackup(state(), node().setup, fromHex(backup))
      if (!found.ok) throw new ApiError({ code: 'backupUnreadable', message: found.error.message })
      return found.value
    },
    recoverChannels: async (input) => {
      const result = await node().loop.command({
        type: 'recoverChannels',
        ...(input.backup === undefined ? {} : { file: fromHex(input.backup) }),
      })
      return { channels: expectResult(result, 'recovered').channels }
    },
    exportMove: async ({ password }) => {
      const { file, epoch } = await host.move.handOut(password)
      return { name: fileName('move'), file, epoch }
    },
    exportExitFile: async ({ password }) => ({
      name: fileName('exit', 'html'),
      file: await host.exitCopy(password),
    }),
    importMove: async ({ file, password }) => {
      await host.move.take(file, password)
      return {}
    },
    takeBackWallet: async () => {
      await host.move.takeBack()
      return {}
    },
    exportLogs: async () => ({ text: host.log.text() }),
  }

  function fileName(kind: 'move' | 'copy' | 'exit', ending = 'wallet'): string {
    const day = new Date(host.now()).toISOString().slice(0, 10)
    return `switchback-${host.state().network}-${kind}-${day}.${ending}`
  }

  async function* openChannel(
    input: {
      peer: string
      amountSat: string
      pushMsat?: string | undefined
      feeSatPerVb?: number | undefined
      announce?: boolean | undefined
    },
    signal: AbortSignal,
  ): AsyncGenerator<Output<'openChannel'>> {
    const running = node()
    yield { status: 'connecting' }
    const nodeId = await ensurePeer(input.peer)
    const events = eventStream(running.loop, signal)
    const result = await running.loop.command({
      type: 'openChannel',
      nodeId,
      amountSat: sat(BigInt(input.amountSat)),
      pushMsat: readMsat(input.pushMsat ?? '0'),
      ...(input.feeSatPerVb === undefined ? {} : { feeratePerKw: perKw(input.feeSatPerVb) }),
      ...(input.announce === true ? { announce: true } : {}),
    })
    const { openingId } = expectResult(result, 'opening')
    yield { status: 'negotiating' }
    let channelId: string | undefined
    let told = -1
    for await (const event of events) {
      if (event.type === 'openingFailed' && event.openingId === openingId) {
        const { code, message, data } = event.error
        throw new ApiError({ code: code as ErrorCode, message, ...(data === undefined ? {} : { data }) })
      }
      if (event.type === 'openingPending' && event.openingId === openingId) {
        channelId = event.channelId
        yield { status: 'pending', channelId, fundingTxid: event.fundingTxid }
      }
      if (channelId === undefined) continue
      const channel = state().channels[channelId]
      if (channel === undefined) return fail('channelFailed', 'The channel is gone.')
      if (channel.failure !== undefined) return fail('channelFailed', channel.failure.reason)
      if (channel.readySent && channel.readyReceived) {
        yield { status: 'open', channelId }
        return
      }
      const view = projectChannel(state(), channel)
      if (view.confirmations !== told) {
        told = view.confirmations
        yield {
          status: 'confirming',
          channelId,
          confirmations: view.confirmations,
          confirmationsNeeded: view.confirmationsNeeded,
        }
      }
    }
  }

  async function* closeChannel(
    input: {
      channelId: string
      force?: boolean | undefined
      anyway?: 'close anyway' | undefined
      address?: string | undefined
      feeSatPerVb?: number | undefined
    },
    signal: AbortSignal,
  ): AsyncGenerator<Output<'closeChannel'>> {
    if (input.address !== undefined) {
      fail(
        'notAvailable',
        'A channel’s balance returns to this wallet; it committed to that when it was opened.',
      )
    }
    const running = node()
    const events = eventStream(running.loop, signal)
    await running.loop.command({
      type: 'closeChannel',
      channelId: input.channelId,
      force: input.force === true || input.anyway !== undefined,
      ...(input.anyway === undefined ? {} : { unproven: true }),
      ...(input.feeSatPerVb === undefined ? {} : { feeratePerKw: perKw(input.feeSatPerVb) }),
    })
    yield { status: 'negotiating' }
    let txid: string | undefined
    const closeTx = (): { txid: string; confirmed: boolean } | undefined => {
      const close = state().closes[input.channelId]
      if (close?.close !== undefined) {
        const spend = Object.values(close.spends).find((s) => s.txid === close.close?.txid)
        return {
          txid: close.close.txid,
          confirmed: spend?.confirmed !== undefined && spend.confirmed !== null,
        }
      }
      return undefined
    }
    for await (const event of events) {
      if (event.type === 'channelClosing' && event.channelId === input.channelId && event.txid !== txid) {
        txid = event.txid
        yield { status: 'broadcast', txid }
      }
      const seen = closeTx()
      if (seen === undefined) continue
      if (seen.txid !== txid) {
        txid = seen.txid
        yield { status: 'broadcast', txid }
      }
      if (seen.confirmed) {
        yield { status: 'confirmed', txid }
        return
      }
    }
  }

  /** The hops of an attempt that goes through others. */
  function routeOf(paymentHash: string, n: number): { readonly route?: Hop[] } {
    const attempt = entry(state().payments, paymentHash)?.attempts.find((a) => a.n === n)
    return attempt?.route === undefined ? {} : { route: projectHops(attempt, namesIn(node().setup.graph)) }
  }

  /** What a payment that has just begun may cost and take. */
  function* begunAs(paymentHash: string): Generator<Output<'sendPayment'>> {
    const record = entry(state().payments, paymentHash)
    if (record === undefined) return
    const amountMsat = String(record.amountMsat)
    yield { status: 'begun', paymentHash, amountMsat, ...projectLimits(record) }
  }

  async function* sendPayment(
    input: Input<'sendPayment'>,
    signal: AbortSignal,
  ): AsyncGenerator<Output<'sendPayment'>> {
    const running = node()
    let requestId: string | undefined
    let paymentHash: string | undefined
    // With thousands that wait, each keeps nothing of what happens to the others.
    let asking = false
    const events = eventStream(running.loop, signal, undefined, (event) =>
      // Until an offer's invoice is here, its payment has no name.
      paymentHash === undefined
        ? asking && ('paymentHash' in event || 'requestId' in event)
        : ('paymentHash' in event && event.paymentHash === paymentHash) ||
          ('requestId' in event && event.requestId === requestId),
    )
    const asOffer = 'invoice' in input && isOffer(input.invoice)
    const { graph } = running.setup
    /** Ways by hints alone are checked before money goes by them. */
    const first = async () => {
      if (asOffer || graph === undefined || graph.hintCount === 0) return
      const named = input.amountMsat === undefined ? undefined : BigInt(input.amountMsat)
      const to =
        'invoice' in input
          ? payeeOf(input.invoice, named)
          : { destination: input.destination, amountMsat: msat(named ?? 0n) }
      if (to !== undefined)
        await confirmHints(graph, requestFor(running, to, host.now()), {
          want: (scids) => running.gossip.want(scids),
          now: () => host.now(),
          after,
        })
    }
    const command = asOffer ? offerCommand(input) : paymentCommand(input)
    try {
      const result = await gateOf(running).begin(command, signal, first, (asks) => {
        asking = asks
      })
      if (asOffer) ({ requestId } = expectResult(result, 'offerRequest'))
      else ({ paymentHash } = expectResult(result, 'payment'))
    } catch (thrown) {
      events.stop()
      throw thrown
    }
    if (paymentHash !== undefined) yield* begunAs(paymentHash)
    for await (const event of events) {
      if ('requestId' in event && event.requestId === requestId) {
        if (event.type === 'offerAsked') yield { status: 'asking', times: event.times, requestId }
        else if (event.type === 'offerInvoice') {
          ;({ paymentHash } = event)
          yield { status: 'invoiced', paymentHash }
          yield* begunAs(paymentHash)
        } else {
          yield { status: 'failed', error: event.error }
          return
        }
        continue
      }
      if (!('paymentHash' in event) || event.paymentHash !== paymentHash) continue
      switch (event.type) {
        case 'paymentAttempt':
          yield {
            status: 'attempting',
            attempt: event.attempt,
            channelId: event.channelId,
            amountMsat: String(event.amountMsat),
            ...(event.feeMsat === undefined ? {} : { feeMsat: String(event.feeMsat) }),
            ...(event.hops === undefined ? {} : { hops: [...event.hops] }),
            ...routeOf(event.paymentHash, event.attempt),
          }
          break
        case 'paymentAttemptFailed':
          yield {
            status: 'attemptFailed',
            attempt: event.attempt,
            channelId: event.channelId,
            error: event.error,
          }
          break
        case 'paymentSucceeded':
          yield {
            status: 'succeeded',
            preimage: event.preimage,
            amountMsat: String(event.amountMsat),
            feeMsat: String(event.feeMsat),
          }
          return
        case 'paymentFailed':
          yield { status: 'failed', error: event.error }
          return
        default:
      }
    }
  }
}

/** Event fields as the contract's flat values. */
function flatten(data: Omit<NodeEvent, 'type'>): Record<string, string | number | boolean> {
  const flat: Record<string, string | number | boolean> = {}
  for (const [key, value] of Object.entries(data)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      flat[key] = value
    else if (typeof value === 'bigint') flat[key] = String(value)
    else if (typeof value === 'object' && value !== null && 'code' in value) flat[key] = String(value.code)
  }
  return flat
}
