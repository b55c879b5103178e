import { entries, entry } from '../base/table.ts'
import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { type Msat, toMsat } from '../base/units.ts'
import { balanceOf } from '../channel/log.ts'
import { overDustExposure } from '../channel/limits.ts'
import type { AddUpdate, RemoveUpdate } from '../channel/types.ts'
import { htlcSettled as invoiceSettled, receiveHtlc, type ReceiveOutcome } from '../payment/incoming.ts'
import { createInvoice, type NewInvoice } from '../payment/invoice-record.ts'
import type { PayContext } from '../payment/attempt.ts'
import { partsTick } from '../payment/parts.ts'
import { onFulfilled, onRefused, onRemoved, resume } from '../payment/outgoing.ts'
import { startPayment } from '../payment/start-payment.ts'
import { cancelPayment, type HtlcPlace, onTimeout } from '../payment/stop.ts'
import { dueAt, paymentOfToken, type PaymentRecord, type PaymentTurn } from '../payment/payment-record.ts'
import { startSpontaneous } from '../payment/spontaneous.ts'
import type { ChannelCandidate } from '../payment/types.ts'
import { learn } from '../router/history.ts'
import type { ForwardAsk } from '../switch/types.ts'
import { candidateState, mustWait, problemNow, spendableNow, tallyNow } from './channel-state.ts'
import { channelInput } from './channels.ts'
import type { ApiFailure, Command } from './commands.ts'
import { proposalOf } from './later.ts'
import { findRoutes } from './routes.ts'
import { sightOf } from './sight.ts'
import { routeHints } from './updates.ts'
import { emit, heightOf, type NodeState, putInvoice, putPayment, type Turn } from './state.ts'

/** Payments and invoices in the node's turns: between the payment machine and the channels. */

function candidates(state: NodeState): readonly ChannelCandidate[] {
  return Object.values(state.channels).map((channel) => {
    const tally = tallyNow(channel)
    return {
      channelId: channel.id,
      peer: channel.peer,
      state: candidateState(channel, state.closes[channel.id] !== undefined),
      spendableMsat: spendableNow(channel),
      problem: (amountMsat: Msat) => problemNow(channel, amountMsat, tally),
      waits: (amountMsat: Msat) => mustWait(channel, amountMsat, tally),
      balanceMsat: balanceOf(tally, channel.role),
      reserveMsat: toMsat(channel.remote.channelReserveSat),
      inFlightMsat: tally[channel.role].msat,
    }
  })
}

/** So long after servers last agreed with our tip its height still judges expiries: time to fetch a new block, not to sleep. */
const TRUST_HEIGHT_MS = 60_000

/**
 * The height by which expiries are judged; 0, which is none, until servers have agreed lately that our tip is the tip. After days
 * offline an HTLC that has expired would look fine by the stored tip, and its preimage be given away.
 */
export const trustedHeight = ({ state, now }: Turn): number =>
  state.syncedAt !== undefined && now - state.syncedAt <= TRUST_HEIGHT_MS ? heightOf(state) : 0

/** What the payment machine sees of this turn. */
export const payContext = (turn: Turn): PayContext => ({
  now: turn.now,
  height: trustedHeight(turn),
  entropy: turn.entropy,
  get channels() {
    return candidates(turn.state)
  },
  findRoutes: (wanted) => findRoutes(turn, wanted),
  get sight() {
    return sightOf(turn)
  },
})

/** Attempts by routes that have ended teach where money goes through. */
function learnFrom(turn: Turn, before: PaymentRecord | undefined, after: PaymentRecord): void {
  if (before === undefined || before.attempts === after.attempts) return
  let routeHistory = turn.state.routeHistory
  for (const attempt of after.attempts) {
    const { route, n, lesson, state } = attempt
    if (route === undefined || state === 'pending') continue
    if (before.attempts.find((a) => a.n === n)?.state !== 'pending') continue
    const result = state === 'succeeded' ? ({ type: 'arrived' } as const) : lesson
    if (result !== undefined) routeHistory = learn(routeHistory, { route, at: turn.now, result })
  }
  if (routeHistory !== turn.state.routeHistory) turn.state = { ...turn.state, routeHistory }
}

/** A payment, or what only asks whether one would arrive. */
const recordOf = (turn: Turn, paymentHash: string): PaymentRecord | undefined =>
  entry(turn.state.payments, paymentHash) ?? turn.state.probes[paymentHash]

function putProbe(turn: Turn, before: PaymentRecord | undefined, record: PaymentRecord): void {
  const { paymentHash } = record
  turn.state = { ...turn.state, probes: { ...turn.state.probes, [paymentHash]: record } }
  const isOver = (r: PaymentRecord) => r.state !== 'pending' || r.overdue
  if (isOver(record) && (before === undefined || !isOver(before)))
    emit(turn, { type: 'probeEnded', paymentHash })
}

/** Writes what became of a payment, and does its effects. */
export function takePayment(turn: Turn, result: PaymentTurn): void {
  const { record } = result
  const before = recordOf(turn, record.paymentHash)
  learnFrom(turn, before, record)
  if (record.probe === undefined) putPayment(turn, record)
  else putProbe(turn, before, record)
  for (const effect of result.effects) {
    if (effect.type === 'offer')
      channelInput(turn, effect.channelId, { type: 'propose', proposal: effect.add })
    else if (effect.type === 'withdraw')
      channelInput(turn, effect.channelId, { type: 'withdraw', token: effect.token })
    else if (record.probe === undefined) emit(turn, effect.event)
  }
}

/** Starts a payment; the answer is its hash or why not. */
export function pay(
  turn: Turn,
  command: Extract<Command, { type: 'sendPayment' }>,
): Result<string, ApiFailure> {
  const { invoice, amountMsat, timeoutSeconds, maxFeeMsat } = command
  const started = startPayment(invoice, amountMsat, {
    ...payContext(turn),
    network: turn.setup.network,
    ourNodeId: turn.setup.nodeId,
    timeoutSeconds,
    ...(maxFeeMsat === undefined ? {} : { maxFeeMsat }),
    known: (hash) => entry(turn.state.payments, hash),
  })
  if (!started.ok) return err(started.error)
  takePayment(turn, started.value)
  return ok(started.value.record.paymentHash)
}

/** Starts a payment to a node that did not ask for it; the answer is its hash or why not. */
export function paySpontaneous(
  turn: Turn,
  command: Extract<Command, { type: 'sendSpontaneous' }>,
): Result<string, ApiFailure> {
  const { destination, amountMsat, timeoutSeconds, maxFeeMsat } = command
  const ctx = payContext(turn)
  const started = startSpontaneous(destination, amountMsat, {
    now: ctx.now,
    height: ctx.height,
    entropy: ctx.entropy,
    channels: ctx.channels,
    findRoutes: (wanted) => findRoutes(turn, wanted),
    ourNodeId: turn.setup.nodeId,
    timeoutSeconds,
    ...(maxFeeMsat === undefined ? {} : { maxFeeMsat }),
  })
  if (!started.ok) return err(started.error)
  takePayment(turn, started.value)
  return ok(started.value.record.paymentHash)
}

/** The user wants a payment no more. */
export function cancel(turn: Turn, paymentHash: string): Result<void, ApiFailure> {
  const record = entry(turn.state.payments, paymentHash)
  if (record === undefined) return err({ code: 'paymentUnknown', message: 'There is no such payment.' })
  const cancelled = cancelPayment(
    record,
    (channelId, token) => placeOf(turn.state, channelId, token),
    turn.now,
  )
  if (!cancelled.ok) return err(cancelled.error)
  takePayment(turn, cancelled.value)
  return ok(undefined)
}

const paymentOf = (turn: Turn, token: string | undefined): PaymentRecord | undefined => {
  const hash = token === undefined ? undefined : paymentOfToken(token)
  return hash === undefined ? undefined : recordOf(turn, hash)
}

/** The preimage of an offered HTLC is here. */
export function paymentSettled(
  turn: Turn,
  token: string | undefined,
  preimage: Uint8Array,
  attributionData?: Uint8Array,
): void {
  const record = paymentOf(turn, token)
  if (record === undefined || token === undefined) return
  const told = attributionData === undefined ? undefined : { token, attributionData }
  takePayment(turn, onFulfilled(record, preimage, turn.now, told))
}

/** The removal of an offered HTLC is locked in. */
export function paymentRemoved(turn: Turn, token: string | undefined, removal: RemoveUpdate): void {
  const record = paymentOf(turn, token)
  if (record !== undefined && token !== undefined)
    takePayment(turn, onRemoved(record, token, removal, payContext(turn)))
}

/** An add never entered the log. */
export function paymentRefused(turn: Turn, token: string | undefined, reason: string): void {
  const record = paymentOf(turn, token)
  if (record !== undefined && token !== undefined)
    takePayment(turn, onRefused(record, token, reason, payContext(turn)))
}

/** A preimage came from the chain: proof of payment wherever it is found. */
export function settleOnChain(turn: Turn, paymentHash: string, preimage: Uint8Array): void {
  const record = entry(turn.state.payments, paymentHash)
  if (record !== undefined) takePayment(turn, onFulfilled(record, preimage, turn.now))
}

/** An offered HTLC was taken on chain with its preimage: paid, and the attempt in that channel is over. */
export function fulfilOnChain(
  turn: Turn,
  channelId: string,
  htlc: { readonly id: bigint; readonly paymentHash: string; readonly preimage: Uint8Array },
): void {
  settleOnChain(turn, htlc.paymentHash, htlc.preimage)
  for (const attempt of entry(turn.state.payments, htlc.paymentHash)?.attempts ?? []) {
    if (attempt.channelId !== channelId || attempt.state !== 'pending') continue
    paymentRemoved(turn, attempt.token, { type: 'fulfill', id: htlc.id, preimage: htlc.preimage })
  }
}

/** An offered HTLC is over on chain without a preimage, for good: its attempts in that channel have failed. */
export function failOnChain(turn: Turn, channelId: string, paymentHash: string, token?: string): void {
  const record = recordOf(turn, paymentHash)
  if (record === undefined) return
  for (const attempt of record.attempts) {
    if (attempt.channelId !== channelId || attempt.state !== 'pending') continue
    if (token !== undefined && attempt.token !== token) continue
    paymentRefused(turn, attempt.token, 'timedOutOnChain')
  }
}

/** A received HTLC is locked in: settled, failed back, or the switch's to pass on. */
export function htlcReceived(turn: Turn, channelId: string, add: AddUpdate): void {
  const channel = turn.state.channels[channelId]
  const overDust = channel !== undefined && overDustExposure(channel, add)
  const outcome = receiveHtlc(
    (hash) => entry(turn.state.invoices, hash) ?? turn.state.offered.get(hash),
    { ...add, channelId },
    {
      now: turn.now,
      height: trustedHeight(turn),
      nodeSecret: turn.setup.nodeSecret,
      spontaneous: turn.state.spontaneous,
      isClosing: (id) => isAtCourt(turn.state, id),
      overDust,
    },
  )
  if (outcome.forward !== undefined) {
    const { to, ...forward } = outcome.forward
    const { id, amountMsat, paymentHash, cltvExpiry } = add
    const htlc = { channelId, id, amountMsat, paymentHash, cltvExpiry }
    const where = 'nodeId' in to ? { nextNodeId: toHex(to.nodeId) } : to
    const ask: ForwardAsk = { ...htlc, ...forward, ...where, ...(overDust ? { overDust } : {}) }
    turn.pending.push({ kind: 'forward', ask, onion: add.onion })
    return
  }
  if (outcome.invoice !== undefined) putInvoice(turn, outcome.invoice)
  answer(turn, outcome.removals)
}

/** Whether a channel goes to the chain, or is there already. */
export const isAtCourt = ({ channels, closes }: NodeState, id: string): boolean =>
  closes[id] !== undefined || channels[id]?.failure !== undefined

/** Proposes what becomes of received HTLCs; where a channel is at court already, its machine claims with the preimage. */
export function answer(turn: Turn, removals: ReceiveOutcome['removals']): void {
  for (const one of removals) {
    const { channelId, removal } = one
    channelInput(turn, channelId, { type: 'propose', proposal: proposalOf(turn, channelId, one) })
    if (removal.type === 'fulfill' && turn.state.closes[channelId] !== undefined)
      turn.pending.push({ kind: 'preimage', channelId, preimage: removal.preimage })
  }
}

/** Payments of which parts are missing, or which are held, have their time. */
export function tickParts(turn: Turn): void {
  for (const hash of Object.keys(turn.state.waitingInvoices)) {
    const record = entry(turn.state.invoices, hash)
    const outcome =
      record &&
      partsTick(record, {
        now: turn.now,
        height: heightOf(turn.state),
        isClosing: (id) => isAtCourt(turn.state, id),
      })
    if (outcome === undefined) continue
    putInvoice(turn, outcome.invoice)
    answer(turn, outcome.removals)
  }
}

/** Our removal of a received HTLC is locked in: what it paid counts. */
export function htlcSettled(
  turn: Turn,
  channelId: string,
  id: bigint,
  paymentHash: Uint8Array,
  fulfilled: boolean,
): void {
  const record = entry(turn.state.invoices, toHex(paymentHash))
  if (record === undefined) return
  const next = invoiceSettled(record, { channelId, id, fulfilled }, turn.now)
  if (next === record) return
  putInvoice(turn, next)
  if (next.settledAt !== undefined && next.receivedMsat !== undefined) {
    emit(turn, { type: 'invoicePaid', paymentHash: next.paymentHash, amountMsat: next.receivedMsat })
  }
}

/** A new invoice of ours; the answer is its hash. */
export function addInvoice(turn: Turn, invoice: NewInvoice): Result<string, ApiFailure> {
  const { paymentHash } = invoice
  if (paymentHash !== undefined && entry(turn.state.invoices, toHex(paymentHash)) !== undefined)
    return err({ code: 'invalidInput', message: 'There is an invoice with this hash already.' })
  const created = createInvoice(invoice, {
    now: turn.now,
    network: turn.setup.network,
    nodeSecret: turn.setup.nodeSecret,
    entropy: turn.entropy,
    routeHints: routeHints(turn.state, invoice.amountMsat),
  })
  if (!created.ok) return err(created.error)
  putInvoice(turn, created.value)
  return ok(created.value.paymentHash)
}

/** Where an attempt's HTLC is, asked of the channels. */
export function placeOf(state: NodeState, channelId: string, token: string): HtlcPlace {
  const channel = state.channels[channelId]
  if (channel === undefined) return 'unknown'
  if (channel.outbox.some((p) => p.type === 'add' && p.token === token)) return 'waiting'
  const inLog = channel.logs[channel.role].entries.some((e) => e.type === 'add' && e.token === token)
  const live = channel.base.htlcs.some((htlc) => htlc.token === token)
  if (inLog || live) return 'offered'
  return state.closes[channelId] === undefined ? 'gone' : 'unknown'
}

/** When the first payment of a page of the table is due; a page that anybody else has seen never changes. */
const dueByPage = new WeakMap<object, number>()

/** Payments whose time is up. Of those that ended long ago, however many, none is looked at again. */
export function tickPayments(turn: Turn): void {
  for (const page of turn.state.payments.pages) {
    const known = dueByPage.get(page)
    if (known !== undefined && known > turn.now) continue
    let first = Number.POSITIVE_INFINITY
    for (const record of Object.values(page)) {
      const due = dueAt(record) ?? Number.POSITIVE_INFINITY
      first = Math.min(first, due)
      if (due > turn.now) continue
      takePayment(
        turn,
        onTimeout(record, (channelId, token) => placeOf(turn.state, channelId, token), turn.now),
      )
    }
    if (!turn.copied.has(page)) dueByPage.set(page, first)
  }
}

/** After loading: payments that a broken write would have left hanging. */
export function resumePayments(turn: Turn): void {
  for (const record of entries(turn.state.payments)) {
    const resumed = resume(record, (channelId, token) => placeOf(turn.state, channelId, token), turn.now)
    if (resumed.record !== record) takePayment(turn, resumed)
  }
}
