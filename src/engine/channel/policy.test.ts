import { expect, test } from 'vitest'
import { openPair } from '../../testing/sim/channel-pair.ts'
import { sat } from '../base/units.ts'
import { DEFAULT_POLICY, LARGE_CHANNEL_SAT, minimumDepthFor } from './policy.ts'

test('a large channel that somebody opens to us waits for twice as many blocks, and both sides know it', () => {
  const depths = (fundingSat: bigint) => {
    const { alice, bob } = openPair('anchors_zero_fee_htlc_tx', {
      fundingSat: Number(fundingSat),
      unready: true,
      policy: { bob: { minimumDepth: 3 } },
    })
    return [alice.channel.funding.minimumDepth, bob.channel.funding.minimumDepth]
  }
  expect(depths(LARGE_CHANNEL_SAT)).toEqual([3, 3])
  expect(depths(LARGE_CHANNEL_SAT + 1n)).toEqual([6, 6])
})

test('what we ask for is within what others grant: no channel of ours is larger than BOLT 2 allows without large_channel', () => {
  expect(DEFAULT_POLICY.maxFundingSat).toBe(sat(2 ** 24 - 1))
  expect(minimumDepthFor(DEFAULT_POLICY.maxFundingSat, DEFAULT_POLICY)).toBe(6)
  // Other implementations refuse a delay above two weeks.
  expect(DEFAULT_POLICY.toSelfDelay).toBeLessThanOrEqual(2016)
})
