import { createStore } from 'zustand/vanilla'
import { useStore } from 'zustand'
import type { ApiErrorData } from '../../contract/errors.ts'
import type { Input, Output } from '../../contract/procedures.ts'
import type { ErrorLike } from '../text/words.ts'
import { client, toError } from './session.ts'

/**
 * What runs longer than a screen is looked at: a payment, an opening, closings. Their streams belong to the page, not to a
 * component, so that walking away does not end the view of them.
 */

export interface PaymentJob {
  /** One for each press of Pay. */
  readonly id: number
  readonly amountMsat: bigint
  readonly destination: string
  readonly note: string
  /** Empty while an offer's invoice is waited for. */
  readonly paymentHash: string
  /** Of an offer: how often its recipient was asked for the invoice. */
  readonly asked?: number
  readonly requestId?: string
  readonly startedAt: number
  /** The most that it may cost; absent where the node's own bound holds. */
  readonly maxFeeMsat?: bigint
  /** The node has taken it on: from then on it is in the activity, and goes on whatever this page does. */
  readonly begun?: true
  readonly attempts: readonly {
    readonly number: number
    readonly channelId: string
    readonly amountMsat: bigint
    readonly feeMsat: bigint
    /** Node ids to the recipient, where it goes through others. */
    readonly hops?: readonly string[]
    readonly state: 'pending' | 'succeeded' | 'failed'
    readonly error?: ErrorLike
  }[]
  /** `unknown`: the page lost sight of it while it was on its way, so it may yet go through. */
  readonly state: 'running' | 'succeeded' | 'failed' | 'unknown'
  readonly tookMs: number
  readonly preimage?: string
  readonly feeMsat?: bigint
  readonly error?: ErrorLike
}

export type OpenUpdate = Output<'openChannel'>
export type CloseUpdate = Output<'closeChannel'>

export interface OpeningJob {
  readonly input: Input<'openChannel'>
  readonly update: OpenUpdate
  readonly channelId?: string
  readonly error?: ApiErrorData
}

export interface ClosingJob {
  readonly update?: CloseUpdate
  readonly error?: ApiErrorData
}

interface Jobs {
  readonly payment: PaymentJob | undefined
  readonly opening: OpeningJob | undefined
  /** What was typed for an opening that failed, to begin the next try with. */
  readonly draft: Input<'openChannel'> | undefined
  readonly closing: Readonly<Record<string, ClosingJob>>
}

export const jobs = createStore<Jobs>()(() => ({
  payment: undefined,
  opening: undefined,
  draft: undefined,
  closing: {},
}))

export function useJobs<T>(select: (jobs: Jobs) => T): T {
  return useStore(jobs, select)
}

type PaymentUpdate = Output<'sendPayment'>

/** A payment's job after one more word from the node. */
export function advancePayment(job: PaymentJob, update: PaymentUpdate, tookMs: number): PaymentJob {
  switch (update.status) {
    case 'asking':
      return { ...job, tookMs, asked: update.times, requestId: update.requestId }
    case 'invoiced':
      return { ...job, tookMs, paymentHash: update.paymentHash }
    case 'begun':
      return {
        ...job,
        tookMs,
        begun: true,
        paymentHash: update.paymentHash,
        maxFeeMsat: BigInt(update.maxFeeMsat),
      }
    case 'attempting':
      return {
        ...job,
        tookMs,
        attempts: [
          ...job.attempts,
          {
            number: update.attempt,
            channelId: update.channelId,
            amountMsat: BigInt(update.amountMsat),
            feeMsat: BigInt(update.feeMsat ?? 0),
            state: 'pending',
            ...(update.hops === undefined ? {} : { hops: update.hops }),
          },
        ],
      }
    case 'attemptFailed':
      return {
        ...job,
        tookMs,
        attempts: job.attempts.map((attempt) =>
          attempt.number === update.attempt ? { ...attempt, state: 'failed', error: update.error } : attempt,
        ),
      }
    case 'succeeded':
      return {
        ...job,
        tookMs,
        state: 'succeeded',
        amountMsat: BigInt(update.amountMsat),
        feeMsat: BigInt(update.feeMsat),
        preimage: update.preimage,
        // All parts or none.
        attempts: job.attempts.map((attempt) =>
          attempt.state === 'pending' ? { ...attempt, state: 'succeeded' } : attempt,
        ),
      }
    case 'failed':
      return { ...job, tookMs, state: 'failed', error: update.error }
  }
}

/**
 * A payment's job after its stream broke. A refusal before anything was begun is the payment's end; otherwise, or when the line to the node
 * itself was cut, anything may have been sent.
 */
export function losePayment(job: PaymentJob, error: ApiErrorData, tookMs: number): PaymentJob {
  const refused =
    job.begun !== true &&
    job.attempts.length === 0 &&
    job.asked === undefined &&
    // Of the page's line to the node: the request may have arrived, and only its answers not.
    error.code !== 'cancelled'
  return refused ? { ...job, state: 'failed', error, tookMs } : { ...job, state: 'unknown', tookMs }
}

/** By what a running payment is cancelled: an offer has no payment hash before its invoice is here. */
export const cancelName = ({ paymentHash, requestId }: PaymentJob): string | undefined =>
  paymentHash === '' ? requestId : paymentHash

let payments = 0

/** Changes the payment in view, if it is still this one. */
function changePayment(id: number, change: (job: PaymentJob) => PaymentJob): void {
  const { payment } = jobs.getState()
  if (payment?.id === id) jobs.setState({ payment: change(payment) })
}

/** Starts a payment and follows it to its end; does nothing while one is running. */
export async function pay(
  input: Input<'sendPayment'>,
  about: Pick<PaymentJob, 'amountMsat' | 'destination' | 'note' | 'paymentHash' | 'maxFeeMsat'>,
): Promise<void> {
  if (jobs.getState().payment?.state === 'running') return
  const id = ++payments
  const started = performance.now()
  const took = () => performance.now() - started
  const set = (change: (job: PaymentJob) => PaymentJob) => changePayment(id, change)
  jobs.setState({
    payment: { ...about, id, startedAt: Date.now(), attempts: [], state: 'running', tookMs: 0 },
  })
  try {
    for await (const update of client().sendPayment(input)) set((job) => advancePayment(job, update, took()))
    set((job) => (job.state === 'running' ? { ...job, state: 'unknown' } : job))
  } catch (thrown) {
    set((job) => losePayment(job, toError(thrown), took()))
  }
}

/** Forgets a payment that has ended. */
export function dismissPayment(): void {
  if (jobs.getState().payment?.state !== 'running') jobs.setState({ payment: undefined })
}

/** Puts a payment that goes on out of view, so that another can be made; it is in the activity. */
export function leavePayment(): void {
  if (jobs.getState().payment?.begun === true) jobs.setState({ payment: undefined })
}

/** Opens a channel and follows it until it is open or has failed. */
export async function open(input: Input<'openChannel'>): Promise<void> {
  const job: OpeningJob = { input, update: { status: 'connecting' } }
  jobs.setState({ opening: job })
  const set = (change: (job: OpeningJob) => OpeningJob) => {
    const { opening } = jobs.getState()
    // Another opening may have taken the place of this one; the chain does not mind.
    if (opening?.input === input) jobs.setState({ opening: change(opening) })
  }
  try {
    for await (const update of client().openChannel(input)) {
      set((before) => ({
        ...before,
        update,
        ...('channelId' in update ? { channelId: update.channelId } : {}),
      }))
    }
  } catch (thrown) {
    set((before) => ({ ...before, error: toError(thrown) }))
  }
}

/** Forgets an opening; what a failed one was asked to do stays as the draft of the next. */
export function dismissOpening(): void {
  const { opening } = jobs.getState()
  jobs.setState({ opening: undefined, draft: opening?.error === undefined ? undefined : opening.input })
}

/** Closes a channel and follows it until the closing transaction is confirmed. */
export async function close(input: Input<'closeChannel'>): Promise<void> {
  const set = (job: ClosingJob) =>
    jobs.setState(({ closing }) => ({ closing: { ...closing, [input.channelId]: job } }))
  set({ update: { status: 'negotiating' } })
  try {
    for await (const update of client().closeChannel(input)) set({ update })
  } catch (thrown) {
    set({ error: toError(thrown) })
  }
}

export function dismissClosing(channelId: string): void {
  jobs.setState(({ closing }) => {
    const { [channelId]: _, ...rest } = closing
    return { closing: rest }
  })
}
