import { expect, test } from 'vitest'
import type { Channel } from '../channel/types.ts'
import type { OnchainState } from '../onchain/types.ts'
import { ANCHOR_RESERVE_SAT, anchorReserveSat, MAX_RESERVED_CHANNELS } from './reserve.ts'

/** Of a channel only what the reserve looks at. */
const channel = (id: string, formatName: string, closing?: unknown): Channel =>
  ({ id, formatName, ...(closing === undefined ? {} : { closing }) }) as unknown as Channel
const close = (...told: string[]): OnchainState => ({ told }) as unknown as OnchainState

const reserve = (channels: readonly Channel[], closes: Record<string, OnchainState> = {}): bigint =>
  anchorReserveSat({ channels: Object.fromEntries(channels.map((c) => [c.id, c])), closes })

test('the reserve is kept for each channel with anchors until its close is done, and not for others', () => {
  expect(reserve([])).toBe(0n)
  expect(reserve([channel('a', 'static_remotekey')])).toBe(0n)
  const two = [
    channel('a', 'anchors_zero_fee_htlc_tx'),
    channel('b', 'lcp'),
    channel('c', 'static_remotekey'),
  ]
  expect(reserve(two)).toBe(2n * ANCHOR_RESERVE_SAT)
  expect(reserve(two, { a: close('close:x:1') })).toBe(2n * ANCHOR_RESERVE_SAT)
  expect(reserve(two, { a: close('close:x:1', 'done') })).toBe(ANCHOR_RESERVE_SAT)
  expect(reserve([channel('a', 'lcp', { tx: {} })])).toBe(0n)
  const many = Array.from({ length: 30 }, (_, i) => channel(`${i}`, 'lcp'))
  expect(reserve(many)).toBe(BigInt(MAX_RESERVED_CHANNELS) * ANCHOR_RESERVE_SAT)
})
