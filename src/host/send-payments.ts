import { ApiError, type ApiErrorData } from '../contract/errors.ts'
import type { Item, Output } from '../contract/procedures.ts'
import { createFifo } from '../engine/base/fifo.ts'
import type { CommandResult, NodeEvent } from '../engine/node/commands.ts'
import type { NodeState } from '../engine/node/state.ts'
import { isFull, type PayPorts, paymentCommand, RETRY_MS, somethingOnItsWay } from './send-payment.ts'

/** Many payments over one stream (`sendPayments`): each costs a command and an event, however many there are. */

export type PaymentRequest = Item<'sendPayments'>
export type PaymentResult = Output<'sendPayments'>

const DEFAULT_IN_FLIGHT = 500
/** Commands that no turn has answered yet: small turns go out while larger ones would still be reckoned. */
const MAX_COMMANDS = 100

interface Waiting {
  readonly index: number
  readonly request: PaymentRequest
  /** When a request that finds no room fails; set when it is first refused. */
  readonly deadline?: number
}

type Ended = Extract<NodeEvent, { type: 'paymentSucceeded' | 'paymentFailed' }>

const asData = (thrown: unknown): ApiErrorData =>
  thrown instanceof ApiError
    ? { code: thrown.code, message: thrown.message, data: thrown.data }
    : { code: 'internal', message: 'The node met a defect and did not do this.' }

/** Results in the order in which payments end, in batches of those that ended together. Ends when the requests have ended and all are paid or not. */
export async function* sendPayments(
  { loop, now, after }: PayPorts,
  maxInFlight: number | undefined,
  requests: AsyncIterable<readonly PaymentRequest[]>,
  signal: AbortSignal,
): AsyncGenerator<readonly PaymentResult[]> {
  const limit = maxInFlight ?? DEFAULT_IN_FLIGHT
  let results: PaymentResult[] = []
  /** Taken from the stream and not begun; those that were refused for want of room come first. */
  const queue = createFifo<Waiting>()
  const again = createFifo<Waiting>()
  /** Places in the stream, by payment hash. */
  const begun = new Map<string, number>()
  /** Payments that ended before the answer to their command was read: both are effects of one turn. */
  const early = new Map<string, Ended>()
  let first = false
  let commands = 0
  let taken = 0
  const intake: { over: boolean; thrown?: unknown } = { over: false }
  let stopped: unknown
  /** Commands at once: falls to one when a channel has no room, so that little is tried in vain, and rises with each that is taken. */
  let burst = MAX_COMMANDS
  /** The channels as they were when one of them had no room; nothing is tried until they change or time has passed. */
  let fullAt: NodeState['channels'] | undefined
  let cancelRetry: (() => void) | undefined
  let wake: () => void = () => {}
  let wakeIntake: () => void = () => {}

  const put = (result: PaymentResult): void => {
    results.push(result)
    wake()
  }

  function settle(index: number, event: Ended): void {
    const { paymentHash } = event
    if (event.type === 'paymentFailed') put({ status: 'failed', index, paymentHash, error: event.error })
    else
      put({
        status: 'succeeded',
        index,
        paymentHash,
        preimage: event.preimage,
        amountMsat: String(event.amountMsat),
        feeMsat: String(event.feeMsat),
      })
  }

  function pump(): void {
    if (stopped !== undefined || signal.aborted) return
    while (fullAt === undefined && commands < burst && begun.size + commands < limit) {
      // In turns, so that a channel without room does not hold up what goes through another.
      first = !first
      const next = first ? (again.shift() ?? queue.shift()) : (queue.shift() ?? again.shift())
      if (next === undefined) break
      begin(next)
    }
    if (waiting() === 0) wakeIntake()
  }

  const waiting = (): number => queue.size + again.size

  function begin(next: Waiting): void {
    const { request, index } = next
    const command = paymentCommand(request)
    commands++
    const answer = loop.command(command)
    const done = (take: () => void) => {
      commands--
      take()
      if (commands === 0) early.clear()
      pump()
      wake()
    }
    answer.then(
      (result) => done(() => started(index, result)),
      (thrown: unknown) =>
        done(() =>
          refused({ ...next, deadline: next.deadline ?? now() + command.timeoutSeconds * 1000 }, thrown),
        ),
    )
  }

  function started(index: number, result: CommandResult): void {
    if (result.type !== 'payment') throw new Error('invariant: payment expected')
    const over = early.get(result.paymentHash)
    early.delete(result.paymentHash)
    if (fullAt === undefined) burst = Math.min(MAX_COMMANDS, burst * 2)
    if (over === undefined) begun.set(result.paymentHash, index)
    else settle(index, over)
  }

  function refused(request: Waiting, thrown: unknown): void {
    if (loop.status().phase !== 'running') return stop(thrown)
    const full =
      thrown instanceof ApiError &&
      isFull(thrown) &&
      (commands + begun.size > 0 || somethingOnItsWay(loop.status().state))
    if (full && request.deadline !== undefined && now() < request.deadline) {
      again.push(request)
      burst = 1
      fullAt = loop.status().state.channels
      cancelRetry ??= after(RETRY_MS, retry)
      return
    }
    put({ status: 'failed', index: request.index, error: asData(thrown) })
  }

  function retry(): void {
    cancelRetry?.()
    cancelRetry = undefined
    fullAt = undefined
    pump()
  }

  function stop(thrown: unknown): void {
    stopped ??= thrown
    wake()
    wakeIntake()
  }

  const leaveEvents = loop.subscribe((event) => {
    if (event.type !== 'paymentSucceeded' && event.type !== 'paymentFailed') return
    const index = begun.get(event.paymentHash)
    if (index !== undefined) {
      begun.delete(event.paymentHash)
      settle(index, event)
    } else if (commands > 0) early.set(event.paymentHash, event)
  })
  const leaveState = loop.onState(({ phase, state, error }) => {
    if (phase !== 'running') {
      stop(new ApiError(error ?? { code: 'cancelled', message: 'The node was stopped.' }))
    } else if (fullAt !== undefined) {
      if (state.channels !== fullAt) retry()
    } else if (waiting() > 0) pump()
  })

  /** Takes the next requests when those before have begun. */
  async function takeIn(): Promise<void> {
    try {
      for await (const batch of requests) {
        for (const request of batch) queue.push({ index: taken++, request })
        pump()
        while (waiting() > 0 && stopped === undefined && !signal.aborted) {
          await new Promise<void>((resolve) => {
            wakeIntake = resolve
          })
        }
        if (stopped !== undefined || signal.aborted) return
      }
      intake.over = true
    } catch (thrown) {
      intake.thrown = thrown
    }
    wake()
  }

  const aborted = (): void => {
    wake()
    wakeIntake()
  }
  signal.addEventListener('abort', aborted, { once: true })
  void takeIn()
  try {
    for (;;) {
      if (results.length > 0) {
        const batch = results
        results = []
        yield batch
        continue
      }
      if (signal.aborted) return
      if (stopped !== undefined) throw stopped
      if (intake.thrown !== undefined) throw intake.thrown
      if (intake.over && waiting() === 0 && commands + begun.size === 0) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    leaveEvents()
    leaveState()
    cancelRetry?.()
    signal.removeEventListener('abort', aborted)
    stopped ??= new ApiError({ code: 'cancelled', message: 'Nobody reads the results any more.' })
    wakeIntake()
  }
}
