import { expect, test } from 'vitest'
import { advancePayment, losePayment, type PaymentJob } from './jobs.ts'

const channelId = 'ab'.repeat(32)
const start: PaymentJob = {
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
const error = { code: 'cancelled', message: 'The connection closed.' } as const

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

test('a payment that was lost sight of before its first attempt has failed', () => {
  expect(losePayment(start, error, 1)).toMatchObject({ state: 'failed', error })
})

test('a payment that was lost sight of on its way is not called failed: it may yet go through', () => {
  const lost = losePayment(advancePayment(start, attempting, 1), error, 2)
  expect(lost.state).toBe('unknown')
  expect(lost.error).toBeUndefined()
})
