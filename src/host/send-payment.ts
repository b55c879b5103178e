import { ApiError } from '../contract/errors.ts'
import type { Input, Item } from '../contract/procedures.ts'
import { toHex } from '../engine/base/bytes.ts'
import { createFifo } from '../engine/base/fifo.ts'
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
/** Of those that wait so many are tried again at once. */
const MAX_AT_ONCE = 16

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
  error.code === 'tooManyHtlcs' || (error.code === 'exceedsSpendable' && error.data['reason'] === 'inFlight')

/** Whether any channel holds what will make room by ending. */
export const somethingOnItsWay = (state: NodeState): boolean =>
  Object.values(state.channels).some(
    ({ base, logs, outbox }) =>
      base.htlcs.length + logs.opener.entries.length + logs.accepter.entries.length + outbox.length > 0,
  )

export interface PaymentGate {
  /**
   * Begins a payment, as soon as there is room for it within its time, and what comes `first` has been done. Rejects as the command does,
   * with `cancelled`, or with `paymentCancelled`.
   */
  begin(command: PaymentCommand, signal: AbortSignal, first?: () => Promise<void>): Promise<CommandResult>
  /** Gives up a payment of an invoice that waits here, be it for room or for what comes first. False: none does. */
  cancel(paymentHash: string): boolean
}

/** Where single payments wait for room, first come first served (`lcp.md` rule 8: excess waits and is not refused). */
export function createPaymentGate({ loop, now, after }: PayPorts): PaymentGate {
  const waiting = createFifo<() => void>()
  /** Those that wait: each with how to be given up. */
  const waiters = new Set<{ readonly command: PaymentCommand; cancelled: boolean; wake: () => void }>()
  let fullAt: NodeState['channels'] | undefined
  let leave = () => {}

  function watch(): void {
    if (fullAt !== undefined) return
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

  function retry(): void {
    leave()
    fullAt = undefined
    for (let n = 0; n < MAX_AT_ONCE; n++) waiting.shift()?.()
    // Those behind them are tried when something has moved again.
    if (waiting.size > 0) watch()
  }

  /** Waits where it can be given up. The node does not know of it meanwhile; what it has been told to do, it is told to cancel. */
  async function wait(command: PaymentCommand, until: (wake: () => void) => void): Promise<void> {
    const waiter = { command, cancelled: false, wake: () => {} }
    waiters.add(waiter)
    await new Promise<void>((resolve) => {
      waiter.wake = resolve
      until(resolve)
    })
    waiters.delete(waiter)
    if (waiter.cancelled)
      throw new ApiError({ code: 'paymentCancelled', message: 'Its user has cancelled the payment.' })
  }

  return {
    async begin(command, signal, first) {
      if (first !== undefined) {
        const done = first()
        await wait(command, (wake) => void done.then(wake, wake))
        await done
      }
      const deadline = now() + command.timeoutSeconds * 1000
      for (;;) {
        try {
          return await loop.command(command)
        } catch (thrown) {
          const waits =
            thrown instanceof ApiError &&
            isFull(thrown) &&
            now() < deadline &&
            loop.status().phase === 'running' &&
            somethingOnItsWay(loop.status().state)
          if (!waits) throw thrown
        }
        await wait(command, (wake) => {
          waiting.push(wake)
          watch()
        })
        if (signal.aborted)
          throw new ApiError({ code: 'cancelled', message: 'Nobody waits for it any more.' })
      }
    },
    cancel(paymentHash) {
      let found = false
      for (const waiter of waiters) {
        const { command } = waiter
        if (command.type !== 'sendPayment') continue
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
