import { ApiError, type ErrorCode } from '../contract/errors.ts'
import type { Output } from '../contract/procedures.ts'
import type { Handlers } from '../contract/rpc.ts'
import type { AppState, Channel, Invoice } from '../contract/schemas.ts'
import { fakeView } from './fake-view.ts'
import {
  FAR,
  FAR_WAYS,
  fakeChannelIdOf,
  fakeForwards,
  fakeGraph,
  fakeNodeInfo,
  fakeNodes,
  fakeReceive,
  fakeRoutes,
  farPayment,
  heldInvoice,
  payFar,
  payMany,
  withParts,
} from './fake-network.ts'
import {
  ADDRESS,
  COINS,
  emptyState,
  fakeChannel,
  fakeHash,
  fakeMoney,
  fakePayment,
  fakeState,
  HEIGHT,
  PEERS,
  TRANSACTIONS,
  WORDS,
} from './fake-data.ts'

/** What the demo begins with. */
export type Scene =
  | 'running'
  /** The same, passing payments of others on. */
  | 'forwarding'
  | 'welcome'
  | 'empty'
  | 'following'
  | 'frozen'
  | 'starting'
  | 'locked'
  | 'moved'
  | 'elsewhere'

const fail = (code: ErrorCode, data: Record<string, string | number> = {}): ApiError =>
  new ApiError({ code, message: code, data })

const wait = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })

function firstState(scene: Scene): AppState {
  if (scene === 'welcome') return { ...emptyState(), phase: 'noWallet', notices: [] }
  if (scene === 'empty') return emptyState()
  const state = fakeState()
  if (scene === 'forwarding') return { ...state, settings: { ...state.settings, forwarding: true } }
  if (scene === 'following') return { ...state, phase: 'following' }
  if (scene === 'frozen')
    return { ...state, phase: 'frozen', error: { code: 'storageFailed', message: 'QuotaExceededError' } }
  if (scene === 'moved' || scene === 'elsewhere') {
    const how = scene === 'moved' ? 'handedOut' : 'elsewhere'
    return { ...emptyState(), phase: 'moved', moved: { how, epoch: 1, at: state.activity[0]?.time ?? '' } }
  }
  if (scene === 'locked') {
    const { nodeId: _, ...rest } = emptyState()
    return {
      ...rest,
      phase: 'locked',
      lock: { password: true, passkey: { credentialId: '0909', salt: '07'.repeat(32) } },
    }
  }
  if (scene === 'starting') {
    const { nodeId: _, ...rest } = state
    return {
      ...rest,
      phase: 'starting',
      chain: { ...state.chain, synced: false, headersVerified: 812, progress: 0.63 },
    }
  }
  return state
}

/**
 * A node in memory with demo data: enough of one to develop and test screens against. No cryptography, no chain; texts beginning
 * with `ln` are invoices of 4200.250 sat (`lnany`: of no amount; `lnold`: expired; `lnbig`: too much; `lnfar`: by several hops and in parts), those with `bcrt1` addresses.
 */
export function fakeNode(scene: Scene = 'running', pace = 600): Handlers {
  let state = firstState(scene)
  let seed = 1000
  const listeners = new Set<() => void>()
  const invoices = new Map<string, Invoice>()
  const set = (change: Partial<AppState>) => {
    state = { ...state, ...change }
    for (const wake of listeners) wake()
  }
  const setChannel = (channelId: string, change: Partial<Channel>) =>
    set({
      channels: state.channels.map((channel) =>
        channel.channelId === channelId ? { ...channel, ...change } : channel,
      ),
    })

  /** Yields what `read` returns, again after every change, until `signal` fires. */
  async function* follow<T>(read: () => T | undefined, signal: AbortSignal): AsyncGenerator<T> {
    let changed = true
    let wake: (() => void) | undefined
    const onChange = () => {
      changed = true
      wake?.()
    }
    listeners.add(onChange)
    signal.addEventListener('abort', onChange)
    try {
      while (!signal.aborted) {
        if (changed) {
          changed = false
          const value = read()
          if (value !== undefined) yield value
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      }
    } finally {
      listeners.delete(onChange)
    }
  }

  const start = () => set({ ...emptyState(), phase: 'running' })
  const preview = (amountSat: string, rate: number): Output<'previewSend'> => {
    const feeSat = BigInt(Math.ceil(rate * 141))
    const have = BigInt(state.balances.onchainSpendableSat)
    const amount = amountSat === 'max' ? have - feeSat : BigInt(amountSat)
    if (amount < 294n) throw fail('amountBelowDust', { minSat: '294' })
    if (amount + feeSat > have) throw fail('insufficientFunds', { maxSat: (have - feeSat).toString() })
    return { amountSat: amount.toString(), feeSat: feeSat.toString(), satPerVb: rate }
  }

  return {
    getInfo: () =>
      Promise.resolve({
        version: state.version,
        phase: state.phase,
        network: state.network,
        ...(state.nodeId === undefined ? {} : { nodeId: state.nodeId }),
        height: state.chain.height,
        blockHash: state.chain.blockHash,
        synced: state.chain.synced,
        peers: state.peers.length,
        channels: state.channels.length,
      }),
    getState: (_, signal) => follow(() => state, signal),
    async createWallet({ network, confirm }) {
      if (network === 'bitcoin' && confirm === undefined) throw fail('mainnetUnconfirmed')
      await wait(pace)
      start()
      return { words: [...WORDS] }
    },
    async restoreWallet({ words, network, confirm }) {
      if (network === 'bitcoin' && confirm === undefined) throw fail('mainnetUnconfirmed')
      await wait(pace)
      if (new Set(words.split(' ')).size === 1) throw fail('wordsChecksum')
      start()
      return {}
    },
    showWords: () => Promise.resolve({ words: [...WORDS] }),
    /** The password is `open sesame`. */
    async unlock(input) {
      await wait(pace)
      if (!('password' in input) || input.password !== 'open sesame') throw fail('wrongPassword')
      set({ ...fakeState(), lock: state.lock })
      return {}
    },
    lock() {
      set({ phase: 'locked' })
      return Promise.resolve({})
    },
    async addLock({ lock }) {
      await wait(pace)
      set({
        lock: { ...state.lock, ...('password' in lock ? { password: true } : { passkey: lock.passkey }) },
      })
      return {}
    },
    async removeLock({ kind }) {
      await wait(pace)
      const { passkey } = state.lock
      set({
        lock: {
          password: state.lock.password && kind !== 'password',
          ...(passkey === undefined || kind === 'passkey' ? {} : { passkey }),
        },
      })
      return {}
    },
    eraseWallet: () => Promise.resolve({}),
    confirmWords() {
      set({
        settings: { ...state.settings, wordsConfirmed: true },
        notices: state.notices.filter((notice) => notice.code !== 'backUpWords'),
      })
      return Promise.resolve({})
    },
    updateSettings({ servers, gateway, storagePersisted, forwarding }) {
      set({
        settings: {
          ...state.settings,
          ...(servers === undefined ? {} : { servers }),
          ...(gateway === undefined ? {} : { gateway }),
          ...(storagePersisted === undefined ? {} : { storagePersisted }),
          ...(forwarding === undefined ? {} : { forwarding }),
        },
      })
      return Promise.resolve({})
    },

    async connectPeer({ address }) {
      await wait(pace)
      const known = PEERS.find((peer) => peer.address === address)
      if (!/^0[23][0-9a-f]{64}(@|$)/.test(address)) throw fail('peerAddressInvalid')
      if (known === undefined) throw fail('peerUnreachable')
      return { nodeId: known.nodeId }
    },
    async disconnectPeer({ nodeId }) {
      await wait(pace / 4)
      set({
        peers: state.peers.map((peer) =>
          peer.nodeId === nodeId ? { ...peer, state: 'disconnected' } : peer,
        ),
      })
      return {}
    },
    listPeers: () => Promise.resolve(state.peers),
    describeGraph: () => Promise.resolve(fakeGraph(state)),
    fetchSnapshot: () => Promise.resolve({}),
    findNodes: ({ text }) => Promise.resolve(fakeNodes(text)),
    getNodeInfo: ({ nodeId }) => Promise.resolve(fakeNodeInfo(nodeId)),
    async queryRoutes({ destination, amountMsat }) {
      await wait(pace / 10)
      return fakeRoutes(destination, amountMsat, fakeChannelIdOf(state))
    },
    previewReceive: ({ amountMsat }) => Promise.resolve(fakeReceive(state, amountMsat)),

    async *openChannel({ peer, amountSat }) {
      yield { status: 'connecting' }
      await wait(pace)
      if (!/^0[23][0-9a-f]{64}(@|$)/.test(peer)) throw fail('peerAddressInvalid')
      yield { status: 'negotiating' }
      await wait(pace)
      if (BigInt(amountSat) < 20_000n) throw fail('channelTooSmall', { minSat: '20000' })
      const made = fakeChannel(++seed, {
        peer: peer.slice(0, 66),
        status: 'confirming',
        capacitySat: amountSat,
        localMsat: `${amountSat}000`,
        remoteMsat: '0',
        spendableMsat: '0',
        receivableMsat: '0',
        inFlightOutMsat: '0',
        htlcs: 0,
        confirmations: 0,
        createdAt: new Date().toISOString(),
      })
      const { channelId, fundingTxid = fakeHash(1), confirmationsNeeded } = made
      set({ channels: [...state.channels, made] })
      yield { status: 'pending', channelId, fundingTxid }
      for (let confirmations = 0; confirmations <= confirmationsNeeded; confirmations++) {
        yield { status: 'confirming', channelId, confirmations, confirmationsNeeded }
        await wait(pace * 2)
        setChannel(channelId, { confirmations: confirmations + 1 })
      }
      const spendable = BigInt(amountSat) * 990n
      setChannel(channelId, { status: 'open', spendableMsat: spendable.toString() })
      yield { status: 'open', channelId }
    },
    async *closeChannel({ channelId, force: byForce, anyway }) {
      const force = byForce === true || anyway !== undefined
      const channel = state.channels.find((candidate) => candidate.channelId === channelId)
      if (channel === undefined) throw fail('channelUnknown')
      yield { status: 'negotiating' }
      await wait(pace)
      const txid = fakeHash(++seed)
      const local = (BigInt(channel.localMsat) / 1000n).toString()
      setChannel(channelId, {
        status: force === true ? 'forceClosing' : 'closing',
        closeTxid: txid,
        closedBy: force === true ? 'local' : 'mutual',
        closingOutputs: [
          force === true
            ? { kind: 'toLocal', amountSat: local, spendableAtHeight: HEIGHT + 144, state: 'waiting' }
            : { kind: 'mutualClose', amountSat: local, state: 'swept' },
        ],
      })
      yield { status: 'broadcast', txid }
      await wait(pace * 4)
      if (force !== true) setChannel(channelId, { status: 'closed' })
      yield { status: 'confirmed', txid }
    },
    listChannels: () => Promise.resolve(state.channels),
    pendingChannels: () =>
      Promise.resolve(state.channels.filter((channel) => !['open', 'closed'].includes(channel.status))),

    addInvoice({ amountMsat, description, expirySeconds }) {
      const paymentHash = fakeHash(++seed)
      const invoice: Invoice = {
        paymentHash,
        invoice: `lnbcrt1p${'qpzry9x8gf2tvdw0s3jn54khce6mua7l'.repeat(8)}`,
        description: description ?? '',
        state: 'open',
        parts: [],
        createdAt: new Date().toISOString(),
        expiresAt: new Date(Date.now() + (expirySeconds ?? 3600) * 1000).toISOString(),
        ...(amountMsat === undefined ? {} : { amountMsat }),
      }
      invoices.set(paymentHash, invoice)
      // The note `pay me` is a payer that needs a while.
      if (description === 'pay me') {
        setTimeout(() => {
          const receivedMsat = amountMsat ?? '1000000'
          invoices.set(paymentHash, {
            ...invoice,
            state: 'paid',
            paidAt: new Date().toISOString(),
            receivedMsat,
            parts: [{ channelId: fakeChannelIdOf(state), amountMsat: receivedMsat }],
          })
          set({})
        }, pace * 3)
      }
      return Promise.resolve(invoice)
    },
    async decode({ text }) {
      await wait(pace / 20)
      const plain = text.toLowerCase().replace(/^(lightning|bitcoin):/, '')
      // `lno1any…`: the payer chooses; `lno1few…`: it counts.
      if (plain.startsWith('lno'))
        return {
          kind: 'offer',
          offer: plain,
          description: 'A bag of green coffee, washed, from Huila',
          issuer: 'Roastery on the Corner',
          ...(plain.startsWith('lno1any') ? {} : { amountMsat: '12500000' }),
          ...(plain.startsWith('lno1few') ? { quantityMax: '5' } : {}),
          expired: false,
        }
      const invoice = /(?:^|lightning=)(ln[a-z0-9]{6,})/.exec(plain)?.[1]
      if (invoice !== undefined) {
        if (invoice.startsWith('lnbc1')) throw fail('invoiceWrongNetwork', { network: 'bitcoin' })
        const old = invoice.startsWith('lnold')
        return {
          kind: 'invoice',
          invoice,
          paymentHash: fakeHash(++seed),
          destination: invoice.startsWith('lnfar') ? FAR : PEERS[0].nodeId,
          ...(invoice.startsWith('lnany')
            ? {}
            : {
                amountMsat: invoice.startsWith('lnbig')
                  ? '900000000'
                  : invoice.startsWith('lnmany')
                    ? '200000000'
                    : invoice.startsWith('lnfar')
                      ? FAR_WAYS.first.amountMsat
                      : '4200250',
              }),
          description: 'Coffee beans, 250 g',
          createdAt: new Date(Date.now() - 60_000).toISOString(),
          expiresAt: new Date(Date.now() + (old ? -1000 : 3_540_000)).toISOString(),
          expired: old,
          ...(plain.startsWith('bcrt1') ? { fallbackAddress: ADDRESS } : {}),
        }
      }
      const address = /^(bcrt1[a-z0-9]{20,})(?:\?amount=(0\.\d{1,8}))?/.exec(plain)
      if (address?.[1] !== undefined) {
        const sat = address[2]?.slice(2).padEnd(8, '0').replace(/^0+/, '')
        return { kind: 'address', address: address[1], ...(sat === undefined ? {} : { amountSat: sat }) }
      }
      throw fail(plain.startsWith('bc1') ? 'addressWrongNetwork' : 'invoiceMalformed')
    },
    listInvoices: () =>
      Promise.resolve([
        ...invoices.values(),
        heldInvoice(),
        ...state.activity
          .filter((line) => line.kind === 'lightningReceived')
          .map((line) => ({
            paymentHash: line.paymentHash ?? fakeHash(0),
            invoice: 'lnbcrt1p',
            amountMsat: line.amountMsat,
            receivedMsat: line.amountMsat,
            description: line.note,
            state: 'paid' as const,
            createdAt: line.time,
            expiresAt: line.time,
            paidAt: line.time,
            parts: [{ channelId: fakeChannelIdOf(state), amountMsat: line.amountMsat }],
          }))
          .map((invoice) => (invoice.description === 'Dinner on Tuesday' ? withParts(invoice) : invoice)),
      ]),
    subscribeInvoices: ({ paymentHash }, signal) =>
      follow(
        () => (paymentHash === undefined ? [...invoices.values()].at(-1) : invoices.get(paymentHash)),
        signal,
      ),
    async *sendPayment({ amountMsat, ...to }) {
      const channelId = state.channels[0]?.channelId ?? fakeHash(101)
      const amount = amountMsat ?? '4200250'
      const invoice = 'invoice' in to ? to.invoice : ''
      await wait(pace / 3)
      if (invoice.startsWith('lno')) {
        yield { status: 'asking', times: 1, requestId: fakeHash(++seed) }
        await wait(pace)
        yield { status: 'invoiced', paymentHash: fakeHash(++seed) }
      }
      yield {
        status: 'begun',
        paymentHash: fakeHash(++seed),
        amountMsat: amount,
        maxFeeMsat: '840000',
        deadline: new Date(Date.now() + 60_000).toISOString(),
      }
      if (invoice.startsWith('lnfar')) {
        yield* payFar(channelId, fakeHash(++seed), pace)
        return
      }
      if (invoice.startsWith('lnmany')) {
        yield* payMany(channelId, pace)
        return
      }
      yield { status: 'attempting', attempt: 1, channelId, amountMsat: amount }
      if (invoice.startsWith('lnaway')) setChannel(channelId, { connected: false })
      await wait(pace)
      if (invoice.startsWith('lnbad')) {
        const error = { code: 'recipientRefused', message: 'incorrect_or_unknown_payment_details' }
        yield { status: 'attemptFailed', attempt: 1, channelId, error }
        yield { status: 'failed', error }
        return
      }
      yield { status: 'succeeded', preimage: fakeHash(++seed), amountMsat: amount, feeMsat: '0' }
    },
    listPayments: () =>
      Promise.resolve(
        state.activity
          .filter((line) => line.kind === 'lightningSent')
          .map((line) => (line.id === 'a4' ? farPayment(fakePayment(line)) : fakePayment(line))),
      ),

    // What is on its way goes on, as it does.
    cancelPayment({ paymentHash }) {
      const line = state.activity.find((candidate) => candidate.paymentHash === paymentHash) ?? {
        id: `payment/${paymentHash}`,
        kind: 'lightningSent' as const,
        state: 'pending' as const,
        amountMsat: '-12000000',
        note: '',
        time: new Date().toISOString(),
        paymentHash,
      }
      const rest = state.activity.filter((candidate) => candidate.id !== line.id)
      set({ activity: [{ ...line, cancelling: true }, ...rest] })
      return Promise.resolve({ state: 'pending' as const, onTheWayMsat: '12000000' })
    },
    probePayment: () => Promise.resolve({ arrives: true, feeMsat: '1250', attempts: [] }),

    addOffer: (input) =>
      Promise.resolve({
        id: fakeHash(++seed).slice(0, 32),
        offer: `lno1${'qgsyxjtl6luzd9t3pr62xr7eemp6awnejusgf6gw45q75vcfqqqqqqq2p32x2um5ypmx2cm5dae8x93pqthvwfzadd7jejes8q9lhc4rvjxd022zv5l44g6qah82ru5rdpnpj'.repeat(2)}`,
        description: input.description ?? '',
        ...(input.amountMsat === undefined ? {} : { amountMsat: input.amountMsat }),
        createdAt: new Date().toISOString(),
        enabled: true,
        paid: 0,
        receivedMsat: '0',
      }),
    listOffers: () => Promise.resolve([]),
    disableOffer: () => Promise.resolve({}),
    listOfferRequests: () => Promise.resolve([]),

    settleInvoice: () => Promise.resolve({}),
    cancelInvoice: () => Promise.resolve({}),
    listForwards: () => Promise.resolve(fakeForwards()),
    decideForward: () => Promise.resolve({}),

    estimateFee: () => Promise.resolve({ satPerVb: state.feeSatPerVb.normal }),
    walletBalance: () =>
      Promise.resolve({
        confirmedSat: state.balances.onchainConfirmedSat,
        unconfirmedSat: state.balances.onchainUnconfirmedSat,
        reservedSat: state.balances.onchainReservedSat,
        anchorReserveSat: state.balances.anchorReserveSat,
        totalSat: state.balances.onchainConfirmedSat,
      }),
    channelBalance: () =>
      Promise.resolve({
        localMsat: state.balances.lightningMsat,
        remoteMsat: '175549750',
        spendableMsat: state.balances.spendableMsat,
        receivableMsat: state.balances.receivableMsat,
      }),
    moneyMap: () => Promise.resolve(fakeMoney(state)),
    newAddress: () => Promise.resolve({ address: ADDRESS }),
    async previewSend({ amountSat, feeSatPerVb }) {
      await wait(pace / 10)
      return preview(amountSat, feeSatPerVb ?? state.feeSatPerVb.normal)
    },
    async sendCoins({ amountSat, feeSatPerVb }) {
      await wait(pace)
      return { ...preview(amountSat, feeSatPerVb ?? state.feeSatPerVb.normal), txid: fakeHash(++seed) }
    },
    async bumpFee({ txid, feeSatPerVb }) {
      await wait(pace)
      return { txid, feeSat: String(Math.ceil(feeSatPerVb * 154)) }
    },
    listCoins: () => Promise.resolve(state.activity.length === 0 ? [] : [...COINS]),
    listTransactions: () => Promise.resolve(state.activity.length === 0 ? [] : [...TRANSACTIONS]),
    async rescan() {
      await wait(pace * 3)
      return {}
    },
    async refresh() {
      await wait(pace)
      return {}
    },
    async *subscribeEvents(_, signal) {
      for (let n = 0; !signal.aborted; n++) {
        yield { time: new Date().toISOString(), type: 'tick', data: { n } }
        await wait(pace, signal)
      }
    },
    async *channelView({ channelId }, signal) {
      for (let tick = 0; !signal.aborted; tick++) {
        const channel = state.channels.find((c) => c.channelId === channelId)
        if (channel === undefined) throw fail('channelUnknown')
        yield fakeView(channel, tick)
        await wait(Math.max(100, pace), signal)
      }
    },
    addInvoices: ({ count, amountMsat }) =>
      Promise.resolve(
        Array.from({ length: count }, () => {
          const paymentHash = fakeHash(++seed)
          return { paymentHash, invoice: `lnbcrt${amountMsat ?? 'any'}x${seed}` }
        }),
      ),
    async *sendPayments(_, requests) {
      let index = 0
      for await (const batch of requests) {
        await wait(pace / 10)
        yield batch.map(({ amountMsat }) => ({
          status: 'succeeded' as const,
          index,
          paymentHash: fakeHash(2 * index),
          preimage: fakeHash(2 * index++ + 1),
          amountMsat: amountMsat ?? '1000',
          feeMsat: '0',
        }))
      }
    },
    exportBackup() {
      set({ backup: { ...state.backup, exportedAt: new Date().toISOString(), exportedCurrent: true } })
      return Promise.resolve({
        name: 'switchback-regtest.backup',
        data: '00',
        channels: state.backup.channels,
      })
    },
    exportMove() {
      set({
        phase: 'moved',
        moved: { how: 'handedOut', epoch: 0, at: new Date().toISOString() },
      })
      return Promise.resolve({ name: 'demo.wallet', file: new Uint8Array(100), epoch: 0 })
    },
    verifyBackup: () =>
      Promise.resolve({ madeAt: new Date().toISOString(), channels: 3, missing: 0, unknown: 0 }),
    exportExitFile() {
      set({ backup: { ...state.backup, exit: { savedAt: new Date().toISOString(), holds: 'all' } } })
      return Promise.resolve({ name: 'demo.html', file: new Uint8Array(100) })
    },
    importMove() {
      set({ phase: 'running' })
      return Promise.resolve({})
    },
    takeBackWallet() {
      set({ phase: 'running' })
      return Promise.resolve({})
    },
    recoverChannels({ backup }) {
      if (backup !== undefined) throw fail('backupUnreadable')
      const { found: _, ...rest } = state.backup
      set({ backup: rest, notices: state.notices.filter((notice) => notice.code !== 'backupFound') })
      return Promise.resolve({ channels: 2 })
    },
    exportLogs: () => Promise.resolve({ text: 'demo\n' }),
  }
}
