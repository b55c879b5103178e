import { entry } from '../base/table.ts'
import { toHex } from '../base/bytes.ts'
import { type Msat, msat, toMsat } from '../base/units.ts'
import { outPointKey, type OutPoint, type Txid } from '../bitcoin/types.ts'
import { type ChannelHtlc, channelMoney, type HtlcFacts, ownMsat } from '../channel/money.ts'
import { isRestored } from '../channel/restore.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Channel } from '../channel/types.ts'
import { type CloseFacts, closeMoney, type CloseMoney, type ClosePart, type Gone } from '../onchain/money.ts'
import { paymentOfToken } from '../payment/payment-record.ts'
import { circuitKey, circuitOfToken } from '../switch/types.ts'
import { type Coin, isMature, ledgerOf, pathsByScript } from '../wallet/ledger.ts'
import type { WalletState } from '../wallet/types.ts'
import { anchorReserveSat } from './reserve.ts'
import { heightOf, type NodeState } from './state.ts'

/**
 * The money map: every millisatoshi of ours, once, with where it is and what it waits for. A pure function of the state.
 */

/** What a person may do with it. `now`: spend it. `returning`: wait. `aside`: it is kept for a reason. `underWay`: it is moving. */
export type MoneyGroup = 'now' | 'returning' | 'aside' | 'underWay'

export type MoneyKind =
  // of channels
  | 'lightning'
  | 'channelLimit'
  | 'channelReserve'
  | 'commitmentFee'
  | 'htlcOffered'
  | 'htlcArriving'
  | 'channelOpening'
  | 'channelClosing'
  // of closes
  | 'closeUnconfirmed'
  | 'closeDelayed'
  | 'htlcTimeout'
  | 'closeClaimable'
  | 'closeSweeping'
  | 'closeArriving'
  // of the wallet
  | 'onchain'
  | 'onchainChange'
  | 'onchainUnconfirmed'
  | 'onchainImmature'
  | 'anchorReserve'
  | 'reservedForSend'
  | 'reservedForChannel'
  | 'reservedForClaim'

const GROUPS: Readonly<Record<MoneyKind, MoneyGroup>> = {
  lightning: 'now',
  channelLimit: 'aside',
  channelReserve: 'aside',
  commitmentFee: 'aside',
  htlcOffered: 'underWay',
  htlcArriving: 'underWay',
  channelOpening: 'underWay',
  channelClosing: 'returning',
  closeUnconfirmed: 'returning',
  closeDelayed: 'returning',
  htlcTimeout: 'returning',
  closeClaimable: 'returning',
  closeSweeping: 'returning',
  closeArriving: 'returning',
  onchain: 'now',
  onchainChange: 'now',
  onchainUnconfirmed: 'underWay',
  onchainImmature: 'aside',
  anchorReserve: 'aside',
  reservedForSend: 'underWay',
  reservedForChannel: 'underWay',
  reservedForClaim: 'aside',
}

export interface MoneyLine {
  readonly kind: MoneyKind
  readonly group: MoneyGroup
  readonly amountMsat: Msat
  readonly channelId?: string
  readonly txid?: Txid
  readonly vout?: number
  readonly paymentHash?: string
  /** How many coins or HTLCs it stands for. */
  readonly count: number
  /** The block from which it moves on: the first that may hold our claim, or an HTLC's expiry. */
  readonly untilHeight?: number
}

/** What a close has cost: gone, and no part of the sum. */
export interface MoneyCost extends Gone {
  readonly channelId: string
}

export interface MoneyMap {
  readonly lines: readonly MoneyLine[]
  /** The sum of the lines. */
  readonly totalMsat: Msat
  /** Offered to us and not ours yet: no part of the sum. */
  readonly incoming: readonly MoneyLine[]
  /** What closed channels have cost. */
  readonly costs: readonly MoneyCost[]
}

export type ChannelStage = 'void' | 'opening' | 'open' | 'closing' | 'closed'

/** One channel's money, as `moneyOf` sees it. */
export interface ChannelAccount {
  readonly channel: Channel
  readonly stage: ChannelStage
  /** What we have in it, or had when it was closed, by all that we know. */
  readonly dueMsat: Msat
  readonly close?: CloseMoney
  /** A transaction of the wallet's list that closed it, before its on-chain machine has heard of it. */
  readonly paidOutMsat?: Msat
}

/** The map of a state. */
export function moneyMap(state: NodeState): MoneyMap {
  const lines: MoneyLine[] = []
  const incoming: MoneyLine[] = []
  const costs: MoneyCost[] = []
  for (const account of channelAccounts(state)) {
    const { channel, stage, close, paidOutMsat } = account
    const channelId = channel.id
    if (stage === 'void' || paidOutMsat !== undefined) continue
    if (close === undefined) {
      const own = liveLines(state, channel, stage)
      lines.push(...own.lines)
      incoming.push(...own.incoming)
      continue
    }
    for (const part of close.parts) lines.push(closeLine(part, channel))
    for (const gone of close.gone) costs.push({ ...gone, channelId })
  }
  lines.push(...walletLines(state))
  const total = lines.reduce((n, line) => n + line.amountMsat, 0n)
  return { lines: lines.filter((l) => l.amountMsat !== 0n), totalMsat: msat(total), incoming, costs }
}

/** The sum of some kinds of lines. */
export const sumOf = (map: Pick<MoneyMap, 'lines'>, ...kinds: readonly MoneyKind[]): Msat =>
  msat(map.lines.reduce((n, line) => (kinds.includes(line.kind) ? n + line.amountMsat : n), 0n))

// ---- channels ------------------------------------------------------------------------------------------------------

/** What is said of HTLCs by payments and invoices. */
function htlcFacts(state: NodeState, channelId: string): HtlcFacts {
  return {
    isPaid: ({ paymentHash, token }) => {
      const forwarded = token === undefined ? undefined : circuitOfToken(token)
      if (forwarded !== undefined) return state.circuits[forwarded]?.state === 'settling'
      const payment = entry(state.payments, toHex(paymentHash))
      if (payment?.preimage === undefined) return false
      // An attempt that was lost before another one succeeded has paid nobody. Those of earlier runs are not all kept, and have failed.
      const attempt = payment.attempts.find((a) => a.token === token)
      return attempt === undefined ? token === undefined : attempt.state !== 'failed'
    },
    isTaken: ({ paymentHash, id }) =>
      state.circuits[circuitKey(channelId, id)]?.state === 'settling' ||
      entry(state.invoices, toHex(paymentHash))?.htlcs.some(
        (h) => h.channelId === channelId && h.id === id,
      ) === true,
  }
}

/** What is ours in each channel, and what became of it. */
export function channelAccounts(state: NodeState): readonly ChannelAccount[] {
  const facts = walletFacts(state)
  return Object.values(state.channels).map((channel): ChannelAccount => {
    const of = htlcFacts(state, channel.id)
    const restored = isRestored(channel)
    const close = state.closes[channel.id]
    // What was passed on leaves no record but the preimage that the court was given, or found.
    const passed = (htlc: { readonly paymentHash: Uint8Array }): boolean => {
      const hash = toHex(htlc.paymentHash)
      return entry(state.invoices, hash) === undefined && close?.preimages[hash] !== undefined
    }
    const isPayment = ({ token }: Pick<ChannelHtlc, 'paymentHash' | 'token'>): boolean =>
      token !== undefined && paymentOfToken(token) !== undefined
    const isPaid: CloseFacts['isPaid'] = (htlc) => of.isPaid(htlc) || (!isPayment(htlc) && passed(htlc))
    const isTaken: CloseFacts['isTaken'] = (htlc) => of.isTaken(htlc) || passed(htlc)
    const closed = close && closeMoney(close, { ...facts, isPaid, isTaken, restored })
    if (closed !== undefined) return { channel, stage: 'closed', dueMsat: closed.dueMsat, close: closed }
    if (isVoid(state, channel)) return { channel, stage: 'void', dueMsat: msat(0n) }
    const dueMsat = restored ? msat(0n) : ownMsat(channelMoney(channel, of))
    const spender = facts.spenderOf(outPointKey(channel.funding.outpoint))
    if (spender !== undefined) {
      const paidSat = spender.tx.outputs.reduce(
        (n, o) => (facts.isOurScript(o.script) ? n + o.valueSat : n),
        0n,
      )
      return { channel, stage: 'closed', dueMsat, paidOutMsat: msat(paidSat * 1000n) }
    }
    return { channel, stage: stageOf(channel, close !== undefined), dueMsat }
  })
}

/** Whether there is no money in it: its funding transaction is not, and will not be. */
function isVoid(state: NodeState, channel: Channel): boolean {
  if (isNeverFunded(channel)) return true
  const { funding, role } = channel
  const { txid } = funding.outpoint
  return (
    role === 'opener' &&
    state.wallet.txs[txid] !== undefined &&
    !ledgerOf(state.wallet).counted.has(txid) &&
    funding.confirmedHeight === undefined
  )
}

function stageOf(channel: Channel, hasClose: boolean): ChannelStage {
  if (hasClose || channel.failure !== undefined || channel.closing !== undefined) return 'closing'
  return channel.readySent && channel.readyReceived ? 'open' : 'opening'
}

function line(
  kind: MoneyKind,
  amountMsat: bigint,
  rest: Omit<MoneyLine, 'kind' | 'group' | 'amountMsat' | 'count'> & { readonly count?: number } = {},
): MoneyLine {
  return { kind, group: GROUPS[kind], amountMsat: msat(amountMsat), count: 1, ...rest }
}

function liveLines(
  state: NodeState,
  channel: Channel,
  stage: ChannelStage,
): { readonly lines: readonly MoneyLine[]; readonly incoming: readonly MoneyLine[] } {
  const channelId = channel.id
  if (isRestored(channel)) return { lines: [], incoming: [] }
  const money = channelMoney(channel, htlcFacts(state, channelId))
  const { spendableMsat, limitedMsat, reserveMsat, feeMsat } = money.share
  const htlcLine = (kind: MoneyKind, htlc: ChannelHtlc): MoneyLine =>
    line(kind, htlc.amountMsat, {
      channelId,
      paymentHash: toHex(htlc.paymentHash),
      untilHeight: htlc.cltvExpiry,
    })
  const whole = spendableMsat + limitedMsat + reserveMsat + feeMsat
  const { txid, vout } = channel.funding.outpoint
  const balance =
    stage === 'open'
      ? [
          line('lightning', spendableMsat, { channelId }),
          line('channelLimit', limitedMsat, { channelId }),
          line('channelReserve', reserveMsat, { channelId }),
          line('commitmentFee', feeMsat, { channelId }),
        ]
      : [line(stage === 'opening' ? 'channelOpening' : 'channelClosing', whole, { channelId, txid, vout })]
  return {
    lines: [
      ...balance,
      ...money.offered.map((htlc) => htlcLine('htlcOffered', htlc)),
      ...money.arriving.map((htlc) => htlcLine('htlcArriving', htlc)),
    ],
    incoming: money.incoming.map((htlc) => htlcLine('htlcArriving', htlc)),
  }
}

function closeLine({ state, outpoint, amountMsat, htlc, atHeight, txid }: ClosePart, channel: Channel) {
  const kind: MoneyKind =
    state === 'unconfirmed'
      ? 'closeUnconfirmed'
      : state === 'waiting'
        ? htlc !== undefined && atHeight === htlc.cltvExpiry + 1
          ? 'htlcTimeout'
          : 'closeDelayed'
        : state === 'claimable'
          ? 'closeClaimable'
          : state === 'sweeping'
            ? 'closeSweeping'
            : 'closeArriving'
  return line(kind, amountMsat, {
    channelId: channel.id,
    txid: txid ?? outpoint.txid,
    ...(txid === undefined && { vout: outpoint.vout }),
    ...(htlc && { paymentHash: toHex(htlc.paymentHash) }),
    ...(atHeight !== undefined && { untilHeight: atHeight }),
  })
}

// ---- the wallet ----------------------------------------------------------------------------------------------------

type WalletFacts = Omit<CloseFacts, 'isPaid' | 'isTaken' | 'restored'>
const factsByTxs = new WeakMap<
  WalletState['txs'],
  { branches: WalletState['branches']; facts: WalletFacts }
>()

/** What the wallet's list says of transactions; made once for each set of them. */
function walletFacts({ wallet }: Pick<NodeState, 'wallet'>): WalletFacts {
  const known = factsByTxs.get(wallet.txs)
  if (known?.branches === wallet.branches) return known.facts
  const { counted, coins } = ledgerOf(wallet)
  const spenders = new Map<string, Txid>()
  for (const txid of counted) {
    for (const { outpoint } of wallet.txs[txid]?.tx.inputs ?? []) spenders.set(outPointKey(outpoint), txid)
  }
  const paths = pathsByScript(wallet.branches)
  const facts: WalletFacts = {
    spenderOf: (key) => {
      const txid = spenders.get(key)
      const tx = txid === undefined ? undefined : wallet.txs[txid]?.tx
      return txid === undefined || tx === undefined ? undefined : { txid, tx }
    },
    counts: (txid) => counted.has(txid),
    coinSat: (key) => coins.get(key)?.valueSat,
    isOurScript: (script) => paths.has(toHex(script)),
  }
  factsByTxs.set(wallet.txs, { branches: wallet.branches, facts })
  return facts
}

const PURPOSES = {
  send: 'reservedForSend',
  bump: 'reservedForSend',
  funding: 'reservedForChannel',
  claim: 'reservedForClaim',
} as const

/** Every unspent coin once. Of the free ones the anchor reserve is kept, of confirmed coins first. */
function walletLines(state: NodeState): readonly MoneyLine[] {
  const { wallet } = state
  const height = heightOf(state)
  const holders = new Map<string, { readonly id: string; readonly kind: MoneyKind }>()
  for (const { id, purpose, spend } of Object.values(wallet.reservations)) {
    for (const input of spend.inputs)
      holders.set(outPointKey(input.outpoint), { id, kind: PURPOSES[purpose] })
  }
  const lines: MoneyLine[] = []
  let confirmedMsat = 0n
  let confirmed = 0
  const change: Coin[] = []
  const place = ({ txid, vout }: OutPoint) => ({ txid, vout })
  for (const [key, coin] of ledgerOf(wallet).coins) {
    if (coin.spentBy !== null) continue
    const held = holders.get(key)
    const amount = toMsat(coin.valueSat)
    if (held !== undefined) {
      const channelId = held.kind === 'reservedForClaim' ? claimant(state, held.id) : undefined
      lines.push(line(held.kind, amount, { ...place(coin.outpoint), ...(channelId && { channelId }) }))
    } else if (!isMature(coin, height)) {
      const untilHeight = coin.height === null ? {} : { untilHeight: coin.height + 99 }
      lines.push(line('onchainImmature', amount, { ...place(coin.outpoint), ...untilHeight }))
    } else if (coin.height !== null) {
      confirmedMsat += amount
      confirmed += 1
    } else if (coin.trusted) change.push(coin)
    else lines.push(line('onchainUnconfirmed', amount, place(coin.outpoint)))
  }
  let reserveMsat: bigint = toMsat(anchorReserveSat(state))
  const kept = (amount: bigint): bigint => {
    const part = amount < reserveMsat ? amount : reserveMsat
    reserveMsat -= part
    return part
  }
  let keptMsat = kept(confirmedMsat)
  lines.push(line('onchain', confirmedMsat - keptMsat, { count: confirmed }))
  for (const coin of change) {
    const amount = toMsat(coin.valueSat)
    const part = kept(amount)
    keptMsat += part
    lines.push(line('onchainChange', amount - part, place(coin.outpoint)))
  }
  lines.push(line('anchorReserve', keptMsat))
  return lines
}

/** The channel whose claim holds coins under this reservation. */
const claimant = (state: NodeState, reservation: string): string | undefined =>
  Object.entries(state.closes).find(([, close]) => close.claims.some((c) => c.coins === reservation))?.[0]
