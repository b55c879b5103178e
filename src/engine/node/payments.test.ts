import { expect, test } from 'vitest'
import { entry, tableOf } from '../base/table.ts'
import type { PaymentRecord } from '../payment/payment-record.ts'
import { tickPayments } from './payments.ts'
import type { Turn } from './state.ts'

const record = (hash: string, state: PaymentRecord['state'], deadline: number): PaymentRecord =>
  ({
    paymentHash: hash,
    state,
    deadline,
    overdue: false,
    attempts: [],
    firstOfRun: 1,
  }) as unknown as PaymentRecord

test('a payment whose time is up ends at that tick, and those that ended long ago are not looked at again', () => {
  let looks = 0
  const old = Array.from({ length: 3_000 }, (_, i) => {
    const hash = i.toString(16).padStart(3, '0').padEnd(64, '0')
    return [
      hash,
      {
        ...record(hash, 'succeeded', 0),
        get state() {
          looks++
          return 'succeeded' as const
        },
      },
    ] as const
  })
  const one = 'abc'.padEnd(64, 'f')
  const payments = tableOf<PaymentRecord>({
    ...Object.fromEntries(old),
    [one]: record(one, 'pending', 1_000),
  })
  let state = { payments, channels: {}, closes: {}, probes: {} } as unknown as Turn['state']
  const tick = (now: number): number => {
    looks = 0
    const changed = { payments: new Set<string>(), invoices: new Set(), circuits: new Set() }
    const turn = { state, now, copied: new Set(), changed, effects: [] } as unknown as Turn
    tickPayments(turn)
    state = turn.state
    return looks
  }
  const stateNow = () => entry(state.payments, one)?.state
  expect(tick(10)).toBe(old.length)
  expect(tick(999)).toBe(0)
  expect(stateNow()).toBe('pending')
  // Only the page that holds it.
  expect(tick(1_000)).toBeLessThan(20)
  expect(stateNow()).toBe('failed')
  expect(tick(1_001)).toBeLessThan(20)
  expect(tick(2_000)).toBe(0)
})
