import type { Input, Output } from '../contract/procedures.ts'
import type { Running } from './control.ts'
import { namesIn, projectAttempt } from './project-payment.ts'
import { readMsat } from './project.ts'
import { DEFAULT_TIMEOUT_SECONDS } from './send-payment.ts'

/** What a node that has stopped does not tell any more is not waited for. */
const GRACE_MS = 5_000

/** Asks by HTLCs that nobody can settle whether a payment would arrive (`probePayment`). */
export async function probePayment(
  { loop, setup }: Running,
  input: Input<'probePayment'>,
  after: (ms: number, task: () => void) => () => void,
): Promise<Output<'probePayment'>> {
  const timeoutSeconds = input.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
  const amount = input.amountMsat === undefined ? undefined : readMsat(input.amountMsat)
  const to =
    'invoice' in input
      ? { invoice: input.invoice, ...(amount === undefined ? {} : { amountMsat: amount }) }
      : { destination: input.destination, amountMsat: readMsat(input.amountMsat) }
  const ended = new Set<string>()
  let wake = () => {}
  const leave = loop.subscribe((event) => {
    if (event.type !== 'probeEnded') return
    ended.add(event.paymentHash)
    wake()
  })
  try {
    const result = await loop.command({
      type: 'probePayment',
      to,
      timeoutSeconds,
      ...(input.maxFeeMsat === undefined ? {} : { maxFeeMsat: readMsat(input.maxFeeMsat) }),
    })
    if (result.type !== 'payment') throw new Error('invariant: payment expected')
    const { paymentHash } = result
    if (!ended.has(paymentHash)) {
      await new Promise<void>((resolve) => {
        const cancel = after(timeoutSeconds * 1000 + GRACE_MS, resolve)
        wake = () => {
          if (!ended.has(paymentHash)) return
          cancel()
          resolve()
        }
      })
    }
    const record = loop.status().state.probes[paymentHash]
    if (record === undefined) throw new Error('invariant: a probe is kept until it is read')
    const nameOf = namesIn(setup.graph)
    const attempts = record.attempts.map((attempt) => projectAttempt(attempt, record, nameOf))
    if (record.state === 'succeeded') return { arrives: true, feeMsat: String(record.feeMsat), attempts }
    const late = { code: 'paymentTimedOut', message: 'The probe did not come back in the time given.' }
    return { arrives: false, attempts, error: record.error ?? late }
  } finally {
    leave()
  }
}
