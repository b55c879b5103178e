import { expect, test } from 'vitest'
import { ramble } from '../../testing/sim/ramble.ts'
import { deliverAll, type Party, settledProblem } from '../../testing/sim/channel-pair.ts'
import {
  cautiousTally,
  cautiousView,
  isBeingRemoved,
  lockedInHtlc,
  nextLocalTally,
  nextLocalView,
  viewAt,
} from './log.ts'
import { tallyOf } from './tally.ts'

/** What is remembered beside the state is what the state itself says: a copy of it has no memory. */
function expectHonest({ channel }: Party): void {
  const copy = structuredClone(channel)
  expect(cautiousTally(channel)).toEqual(tallyOf(copy, cautiousView(copy)))
  expect(nextLocalTally(channel)).toEqual(tallyOf(copy, nextLocalView(copy)))
  expect(viewAt(channel, channel.localTip.indexes)).toEqual(viewAt(copy, copy.localTip.indexes))
  for (const offerer of ['opener', 'accepter'] as const) {
    for (let id = 0n; id < channel.logs[offerer].nextHtlcId + 2n; id++) {
      expect(lockedInHtlc(channel, offerer, id)).toEqual(lockedInHtlc(copy, offerer, id))
      expect(isBeingRemoved(channel, offerer, id)).toBe(isBeingRemoved(copy, offerer, id))
    }
  }
}

for (const format of ['static_remotekey', 'anchors_zero_fee_htlc_tx', 'test_window_3']) {
  test(`${format}: sums kept from update to update are the sums of the views, through compactions, fees and disconnections`, () => {
    const { alice, bob, offered } = ramble(format, 160, (a, b) => {
      expectHonest(a)
      expectHonest(b)
    })
    deliverAll(alice, bob)
    expect(settledProblem(alice, bob)).toBeUndefined()
    expectHonest(alice)
    expectHonest(bob)
    expect(offered).toBeGreaterThan(20)
  })
}
