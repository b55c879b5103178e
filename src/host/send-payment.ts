import { ApiError } from '../contract/errors.ts'
import type { Input, Item } from '../contract/procedures.ts'
import { toHex } from '../engine/base/bytes.ts'
import { decodeInvoice } from '../engine/invoice/decode.ts'
import type { Command, CommandResult } from '../engine/node/commands.ts'
import type { NodeState } from '../engine/node/state.ts'
import type { Loop } from './loop.ts'
import { readMsat } from './project.ts'

/** How one payment is begun, and how it waits while there is no room for it. */

/** Of a payment, where the caller does not say. */
export const DEFAULT_TIMEOUT_SECONDS = 60
/** A room that another payer freed shows in the channels; where only time can tell, so often is asked. */
export const RETRY_MS = 250
/** Of those that wait so many are tried at first, twice as many as long as all of them find room, and at most so many at once. */
const FEW_AT_ONCE = 4
const MAX_AT_ONCE = 64

export interface PayPorts {
  readonly loop: Pick<Loop<NodeState>, 'command' | 'subscribe' | 'onState' | 'status'>
  /** ms since 1970 */
  readonly now: () => number
  readonly after: (ms: number, task: () => void) => () => void
}

type PaymentCommand = Extract<Command, { type: 'sendPayment' | 'sendSpontaneous' | 'payOffer' }>

/** The command for a request of the API. */
export function paymentCommand(request: Input<'sendPayment'> | Item<'sendPayments'>): PaymentCommand {
  const timeoutSeconds = request.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
  const limit =
    'maxFeeMsat' in request && request.maxFeeMsat !== undefined
      ? { maxFeeMsat: readMsat(request.maxFeeMsat) }
      : {}
  if ('invoice' in request) {
    const amount = request.amountMsat === undefined ? {} : { amountMsat: readMsat(request.amountMsat) }
    return { type: 'sendPayment', invoice: request.invoice, ...amount, ...limit, timeoutSeconds }
  }
  const { destination, amountMsat } = request
  return { type: 'sendSpontaneous', destination, amountMsat: readMsat(amountMsat), ...limit, timeoutSeconds }
}

/** Whether a refusal says no more than that too much is on its way: what is on its way will end. */
export const isFull = (error: ApiError): boolean =>
  error.code === 'tooManyHtlcs' ||
  ((error.code === 'exceedsSpendable' || error.code === 'noRoute') && error.data['reason'] === 'inFlight')

/** Whether any channel holds what will make room by ending. */
export const somethingOnItsWay = (state: NodeState): boolean =>
  Object.values(state.channels).some(
    ({ base, logs, outbox }) =>
      base.htlcs.length + logs.opener.entries.length + logs.accepter.entries.length + outbox.length > 0,
  )

export interface PaymentGate {
  /**
   * Begins a payment, as soon as there is room for it within its time, and what comes `first` has been done. Rejects as the command does,
   * with `cancelled`, or with `paymentCancelled`. `asking` is told before the node is asked, and when it has refused: only between the two
   * may an event be of this payment.
   */
  begin(
    command: PaymentCommand,
    signal: AbortSignal,
    first?: () => Promise<void>,
    asking?: (asks: boolean) => void,
  ): Promise<CommandResult>
  /** Gives up a payment of an invoice that waits here, be it for room or for what comes first. False: none does. */
  cancel(paymentHash: string): boolean
}

/** One that waits. */
interface Waiter {
  readonly command: PaymentCommand
  deadline: number
  readonly signal: AbortSignal
  cancelled: boolean
  /** Goes on with it; absent while it is being tried. */
  wake?: (() => void) | undefined
  /** Whether those that are tried together wait for its answer. */
  tried: boolean
  /** When it was last tried: a number of `retries`. */
  triedAt: number
}

/**
 * Where single payments wait for room (`lcp.md` rule 8: excess waits and is not refused). The oldest go first; where one of these finds no
 * room, a few of the others are tried, each in its turn, as their channel may have some.
 */
export function createPaymentGate({ loop, now, after }: PayPorts): PaymentGate {
  /** Those for which something has to be done first. */
  const early = new Set<Waiter>()
  /** Those without room, in the order of their coming. */
  const line = new Set<Waiter>()
  /** Where the others are whose turn it is. */
  let turn = line.values()
  let round: 'oldest' | 'others' = 'oldest'
  let atOnce = FEW_AT_ONCE
  let retries = 0
  let unanswered = 0
  let anyRefused = false
  let fullAt: NodeState['channels'] | undefined
  let leave = () => {}

  function watch(): void {
    if (fullAt !== undefined || unanswered > 0) return
    fullAt = loop.status().state.channels
    const cancel = after(RETRY_MS, retry)
    const leaveState = loop.onState(({ phase, state }) => {
      if (phase !== 'running' || state.channels !== fullAt) retry()
    })
    leave = () => {
      cancel()
      leaveState()
    }
  }

  function unwatch(): void {
    leave()
    leave = () => {}
    fullAt = undefined
  }

  function retry(): void {
    unwatch()
    const time = now()
    for (const waiter of line) if (time >= waiter.deadline || waiter.signal.aborted) waiter.wake?.()
    retries++
    atOnce = FEW_AT_ONCE
    attempt('oldest')
  }

  function attempt(which: typeof round): void {
    round = which
    anyRefused = false
    for (const waiter of which === 'oldest' ? oldest() : others()) {
      unanswered++
      waiter.tried = true
      waiter.triedAt = retries
      waiter.wake?.()
    }
    if (unanswered === 0 && line.size > 0) watch()
  }

  function oldest(): readonly Waiter[] {
    const found: Waiter[] = []
    for (const waiter of line) {
      if (found.length === atOnce) break
      if (waiter.wake !== undefined) found.push(waiter)
    }
    return found
  }

  function others(): readonly Waiter[] {
    const found = new Set<Waiter>()
    for (let looks = 0; looks < 2 * MAX_AT_ONCE && found.size < 2 * FEW_AT_ONCE; looks++) {
      const next = turn.next()
      if (next.done === true) turn = line.values()
      else if (next.value.wake !== undefined && next.value.triedAt < retries) found.add(next.value)
    }
    return [...found]
  }

  /** The answer to one that was tried is here. When all are, and there was room for the oldest, there may be more. */
  function answered(waiter: Waiter, refused: boolean): void {
    if (!waiter.tried) return
    waiter.tried = false
    unanswered--
    if (refused) anyRefused = true
    if (unanswered > 0) return
    if (round === 'oldest' && !anyRefused) {
      atOnce = Math.min(MAX_AT_ONCE, 2 * atOnce)
      attempt('oldest')
    } else if (round === 'oldest' && line.size > atOnce) attempt('others')
    else if (line.size > 0) watch()
  }

  /** Until it is woken it can be given up. The node does not know of it meanwhile; what it has been told to do, it is told to cancel. */
  async function sleep(waiter: Waiter, until: (wake: () => void) => void): Promise<void> {
    await new Promise<void>((resolve) => {
      waiter.wake = resolve
      until(resolve)
    })
    waiter.wake = undefined
    if (waiter.cancelled)
      throw new ApiError({ code: 'paymentCancelled', message: 'Its user has cancelled the payment.' })
  }

  const mayWait = (thrown: unknown): boolean =>
    thrown instanceof ApiError &&
    isFull(thrown) &&
    loop.status().phase === 'running' &&
    somethingOnItsWay(loop.status().state)

  return {
    async begin(command, signal, first, asking) {
      const waiter: Waiter = { command, signal, deadline: 0, cancelled: false, tried: false, triedAt: 0 }
      try {
        if (first !== undefined) {
          early.add(waiter)
          const done = first()
          await sleep(waiter, (wake) => void done.then(wake, wake))
          early.delete(waiter)
          await done
        }
        waiter.deadline = now() + command.timeoutSeconds * 1000
        for (;;) {
          let refusal: unknown
          try {
            asking?.(true)
            return await loop.command(command)
          } catch (thrown) {
            asking?.(false)
            if (!mayWait(thrown) || now() >= waiter.deadline) throw thrown
            refusal = thrown
          }
          line.add(waiter)
          await sleep(waiter, () => {
            answered(waiter, true)
            watch()
          })
          if (signal.aborted)
            throw new ApiError({ code: 'cancelled', message: 'Nobody waits for it any more.' })
          if (now() >= waiter.deadline) throw refusal
        }
      } finally {
        early.delete(waiter)
        line.delete(waiter)
        answered(waiter, false)
        if (line.size === 0) unwatch()
      }
    },
    cancel(paymentHash) {
      let found = false
      for (const waiter of [...early, ...line]) {
        const { command } = waiter
        if (command.type !== 'sendPayment' || waiter.wake === undefined) continue
        const decoded = decodeInvoice(command.invoice.trim().replace(/^lightning:/i, ''))
        if (!decoded.ok || toHex(decoded.value.paymentHash) !== paymentHash) continue
        waiter.cancelled = true
        waiter.wake()
        found = true
      }
      return found
    },
  }
}
