import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { encodeFailure } from '../onion/failure.ts'
import { failurePacket } from '../onion/failure-packet.ts'
import { bobsInvoice, channel, eventsOf, NOW, startContext } from './fixture.ts'
import { onFulfilled, onRemoved } from './outgoing.ts'
import { dueAt } from './payment-record.ts'
import { startPayment } from './start-payment.ts'
import { cancelPayment, isCancelling, onTimeout } from './stop.ts'

const INVOICE = bobsInvoice({ amountMsat: msat(70_000n) })
const two = [channel('1', 10_000_000n), channel('2', 20_000_000n)]
const { record } = unwrap(startPayment(INVOICE.bolt11, undefined, startContext({ channels: two })))
const [attempt] = record.attempts
const token = attempt?.token ?? ''
const back = {
  type: 'fail',
  id: 0n,
  reason: failurePacket(
    attempt?.sharedSecrets[0] ?? new Uint8Array(0),
    encodeFailure({ name: 'temporary_node_failure' }),
  ),
} as const

describe('a payment that its user cancels', () => {
  it('before any part has left fails at once, and what waited is withdrawn', () => {
    const turn = unwrap(cancelPayment(record, () => 'waiting', NOW))
    expect(turn.effects[0]).toEqual({ type: 'withdraw', channelId: '1'.repeat(64), token })
    expect(eventsOf(turn.effects)).toEqual(['paymentAttemptFailed', 'paymentFailed'])
    expect(turn.record).toMatchObject({ state: 'failed', error: { code: 'paymentCancelled' } })
  })

  it('with a part on its way is pending until that is back, and nothing is tried after it', () => {
    const turn = unwrap(cancelPayment(record, () => 'offered', NOW))
    expect(turn.effects).toEqual([])
    expect(turn.record.state).toBe('pending')
    expect(isCancelling(turn.record)).toBe(true)
    const over = onRemoved(turn.record, token, back, startContext({ channels: two, now: NOW + 1 }))
    expect(over.record).toMatchObject({ state: 'failed', error: { code: 'paymentCancelled' } })
    expect(isCancelling(over.record)).toBe(false)
    // Uncancelled, the same failure is followed by another attempt.
    const onwards = onRemoved(record, token, back, startContext({ channels: two, now: NOW + 1 }))
    expect(onwards.record).toMatchObject({ state: 'pending', nextAttempt: 3 })
  })

  it('is paid all the same when what was on its way arrives', () => {
    const { record: cancelled } = unwrap(cancelPayment(record, () => 'offered', NOW))
    const late = onTimeout(cancelled, () => 'offered', record.deadline).record
    const paid = onFulfilled(late, INVOICE.preimage, NOW + 5).record
    expect(paid.state).toBe('succeeded')
    expect(isCancelling(paid)).toBe(false)
    expect(cancelPayment(paid, () => 'offered', NOW)).toMatchObject({ ok: false, error: { code: 'tooLate' } })
  })

  it('can be begun again once it has failed', () => {
    const { record: failed } = unwrap(cancelPayment(record, () => 'waiting', NOW))
    const again = startPayment(INVOICE.bolt11, undefined, startContext({ known: () => failed }))
    expect(unwrap(again).record).toMatchObject({ state: 'pending', nextAttempt: 3 })
    expect(unwrap(again).record.doomed).toBeUndefined()
  })
})

describe('when time is up', () => {
  it('what waits in an outbox is withdrawn, and the payment fails', () => {
    const over = onTimeout(record, () => 'waiting', record.deadline)
    expect(over.effects[0]).toEqual({ type: 'withdraw', channelId: '1'.repeat(64), token })
    expect(eventsOf(over.effects)).toEqual(['paymentAttemptFailed', 'paymentFailed'])
    expect(over.record).toMatchObject({ state: 'failed', error: { code: 'paymentTimedOut' } })
    expect(dueAt(over.record)).toBeUndefined()
  })

  it('what has been offered stays pending, and nobody asks again', () => {
    expect(dueAt(record)).toBe(record.deadline)
    for (const place of ['offered', 'unknown', 'gone'] as const) {
      const over = onTimeout(record, () => place, record.deadline)
      expect(over).toEqual({ record: { ...record, overdue: true }, effects: [] })
      expect(dueAt(over.record)).toBeUndefined()
      expect(onTimeout(over.record, () => place, record.deadline + 1).record).toBe(over.record)
    }
  })

  it('a preimage after the deadline is still a payment made', () => {
    const late = onTimeout(record, () => 'offered', record.deadline).record
    expect(onFulfilled(late, INVOICE.preimage, record.deadline + 5).record.state).toBe('succeeded')
  })

  it('nothing happens a moment too early', () => {
    expect(onTimeout(record, () => 'waiting', record.deadline - 1)).toEqual({ record, effects: [] })
  })
})
