import { expect, test } from 'vitest'
import type { Client } from '../../contract/procedures.ts'
import {
  advancePayment,
  cancelName,
  dismissPayment,
  jobs,
  leavePayment,
  losePayment,
  pay,
  type PaymentJob,
} from './jobs.ts'
import { setClient } from './session.ts'

const channelId = 'ab'.repeat(32)
const start: PaymentJob = {
  id: 1,
  amountMsat: 5000n,
  destination: '02',
  note: '',
  paymentHash: '00',
  startedAt: 0,
  attempts: [],
  state: 'running',
  tookMs: 0,
}
const attempting = { status: 'attempting', attempt: 1, channelId, amountMsat: '5000' } as const
const error = { code: 'noRoute', message: 'No way is known.' } as const
const cut = { code: 'cancelled', message: 'The connection closed.' } as const

test('attempts are kept in order, each with why it came back', () => {
  const once = advancePayment(start, attempting, 1)
  const back = advancePayment(once, { status: 'attemptFailed', attempt: 1, channelId, error }, 2)
  const twice = advancePayment(back, { ...attempting, attempt: 2 }, 3)
  expect(twice.attempts).toEqual([
    { number: 1, channelId, amountMsat: 5000n, feeMsat: 0n, state: 'failed', error },
    { number: 2, channelId, amountMsat: 5000n, feeMsat: 0n, state: 'pending' },
  ])
  const paid = advancePayment(
    twice,
    { status: 'succeeded', preimage: 'cc'.repeat(32), amountMsat: '5001', feeMsat: '7' },
    4,
  )
  expect(paid).toMatchObject({ state: 'succeeded', amountMsat: 5001n, feeMsat: 7n, tookMs: 4 })
  // What came back stays so; what was on its way has arrived.
  expect(paid.attempts.map((attempt) => attempt.state)).toEqual(['failed', 'succeeded'])
})

test('a payment that was refused before anything was begun has failed', () => {
  expect(losePayment(start, error, 1)).toMatchObject({ state: 'failed', error })
})

test('a payment that was lost sight of on its way is not called failed: it may yet go through', () => {
  const begun = advancePayment(
    start,
    { status: 'begun', paymentHash: '00', amountMsat: '5000', maxFeeMsat: '0', deadline: '' },
    1,
  )
  const asked = advancePayment(start, { status: 'asking', times: 1, requestId: '77' }, 1)
  for (const job of [begun, asked, advancePayment(start, attempting, 1)]) {
    const lost = losePayment(job, error, 2)
    expect(lost.state).toBe('unknown')
    expect(lost.error).toBeUndefined()
  }
})

test('a request of which no answer came before the line was cut may have arrived', () => {
  expect(losePayment(start, cut, 1).state).toBe('unknown')
})

test('an offer is cancelled by its request until its invoice is here, an invoice by its hash from the start', () => {
  const offer = { ...start, paymentHash: '' }
  expect(cancelName(start)).toBe('00')
  expect(cancelName(offer)).toBeUndefined()
  const asked = advancePayment(offer, { status: 'asking', times: 1, requestId: '77' }, 1)
  expect(cancelName(asked)).toBe('77')
  expect(cancelName(advancePayment(asked, { status: 'invoiced', paymentHash: '99' }, 2))).toBe('99')
})

test('a payment that hangs is no bar to another one, and its end does not become that one’s', async () => {
  type Update = Parameters<typeof advancePayment>[1]
  const streams: { tell: (update: Update) => void }[] = []
  setClient({
    async *sendPayment() {
      const told: Update[] = []
      let wake = () => {}
      streams.push({
        tell: (update) => {
          told.push(update)
          wake()
        },
      })
      for (;;) {
        const update = told.shift()
        if (update === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else {
          yield update
          if (update.status === 'succeeded') return
        }
      }
    },
  } as unknown as Client)
  const settle = async () => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
  const begun = (paymentHash: string): Update => ({
    status: 'begun',
    paymentHash,
    amountMsat: '1000',
    maxFeeMsat: '10',
    deadline: '',
  })
  const about = { amountMsat: 1000n, destination: '02', note: '', paymentHash: '11' }
  const first = pay({ invoice: 'ln1' }, about)
  await settle()
  // Not in the activity yet: it has no other place to be seen.
  leavePayment()
  dismissPayment()
  expect(jobs.getState().payment?.paymentHash).toBe('11')
  streams[0]?.tell(begun('11'))
  await settle()
  leavePayment()
  expect(jobs.getState().payment).toBeUndefined()

  const second = pay({ invoice: 'ln2' }, { ...about, paymentHash: '22' })
  await settle()
  streams[0]?.tell({ status: 'succeeded', preimage: 'cc'.repeat(32), amountMsat: '1000', feeMsat: '0' })
  await first
  expect(jobs.getState().payment).toMatchObject({ paymentHash: '22', state: 'running', attempts: [] })
  streams[1]?.tell({ status: 'succeeded', preimage: 'dd'.repeat(32), amountMsat: '1000', feeMsat: '0' })
  await second
  expect(jobs.getState().payment).toMatchObject({ state: 'succeeded', preimage: 'dd'.repeat(32) })
  dismissPayment()
})
