import { expect, test } from 'vitest'
import { fakeState } from '../../testing/fake-data.ts'
import { mayRestart } from './update.ts'

test('a new version waits while a payment is under way, and for nothing else', () => {
  const [line] = fakeState().activity
  if (line === undefined) throw new Error('no activity')
  const may = (kind: typeof line.kind, state: typeof line.state) =>
    mayRestart({ activity: [{ ...line, kind, state }] })
  expect(may('lightningSent', 'pending')).toBe(false)
  expect(may('lightningReceived', 'pending')).toBe(false)
  expect(may('lightningSent', 'done')).toBe(true)
  // Blocks take their time, restart or not.
  expect(may('onchainSent', 'pending')).toBe(true)
  expect(mayRestart(undefined)).toBe(true)
})
