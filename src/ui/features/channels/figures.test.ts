import { expect, test } from 'vitest'
import { fakeChannel } from '../../../testing/fake-data.ts'
import { partsOf, statusOf } from './figures.ts'

const sum = (channel: Parameters<typeof partsOf>[0]) =>
  partsOf(channel).reduce((total, part) => total + part.msat, 0n)

test('the parts of an open channel add up to its capacity', () => {
  expect(sum(fakeChannel(1, {}))).toBe(500_000_000n)
  expect(sum(fakeChannel(1, { inFlightOutMsat: '0', localMsat: '324450250' }))).toBe(500_000_000n)
  // Spendable above the balance would be a defect of the node; the bar still does not overflow.
  expect(sum(fakeChannel(1, { spendableMsat: '999999999999' }))).toBe(500_000_000n)
})

test('a channel that is not open shows whose money it holds, and nothing as spendable', () => {
  const parts = partsOf(fakeChannel(1, { status: 'confirming', localMsat: '200000000', remoteMsat: '0' }))
  expect(parts.map((part) => part.kind)).not.toContain('spendable')
  expect(parts[0]?.msat).toBe(200_000_000n)
})

test('the state says what it waits for', () => {
  expect(statusOf(fakeChannel(1, { status: 'confirming', confirmations: 1, confirmationsNeeded: 3 }))).toBe(
    '1 of 3 confirmations',
  )
  expect(statusOf(fakeChannel(1, { connected: false }))).toBe('Peer is away')
})
