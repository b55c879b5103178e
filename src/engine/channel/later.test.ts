import { describe, expect, it } from 'vitest'
import { apply, deliverAll, openPair, type Party } from '../../testing/sim/channel-pair.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { LONGEST_DELAY_MS } from './flush.ts'
import { channelWrites, loadChannels } from './records.ts'

/** A removal that waits for its time (`notBefore`). */

const preimage = new Uint8Array(32).fill(7)
const reason = new Uint8Array(292)

/** bob has two HTLCs of alice's, and fails the first one later. */
function failing(format: string, delayMs: number): { alice: Party; bob: Party } {
  const pair = openPair(format)
  const { alice, bob } = pair
  for (const cltvExpiry of [500, 501]) {
    const add = {
      type: 'add',
      amountMsat: msat(50_000_000),
      paymentHash: sha256(preimage),
      cltvExpiry,
      onion: new Uint8Array(1366),
    } as const
    apply(alice, { type: 'propose', proposal: add })
  }
  apply(alice, { type: 'flush' })
  deliverAll(alice, bob)
  const notBefore = bob.context.now + delayMs
  apply(bob, { type: 'propose', proposal: { type: 'fail', id: 0n, reason, notBefore } })
  apply(bob, { type: 'flush' })
  deliverAll(alice, bob)
  return pair
}

const live = (party: Party): readonly bigint[] => party.channel.base.htlcs.map(({ id }) => id)

function goOn({ alice, bob }: { alice: Party; bob: Party }, ms: number): void {
  bob.context = { ...bob.context, now: bob.context.now + ms }
  apply(bob, { type: 'flush' })
  deliverAll(alice, bob)
}

describe.each(['anchors_zero_fee_htlc_tx', 'test_window_4'])('%s', (format) => {
  it('waits until then, and holds up nothing that comes after it', () => {
    const pair = failing(format, 700)
    const { alice, bob } = pair
    expect(live(alice)).toEqual([0n, 1n])
    apply(bob, { type: 'propose', proposal: { type: 'fulfill', id: 1n, preimage } })
    goOn(pair, 699)
    expect(live(alice)).toEqual([0n])
    goOn(pair, 1)
    expect(live(alice)).toEqual([])
    expect(alice.events.filter((e) => e.type === 'htlcRemoved').map((e) => e.removal)).toEqual([
      { type: 'fulfill', id: 1n, preimage },
      { type: 'fail', id: 0n, reason },
    ])
    expect(alice.faults).toEqual([])
  })

  it('is stored, and a second one for the same HTLC is dropped', () => {
    const { bob } = failing(format, 700)
    apply(bob, { type: 'propose', proposal: { type: 'fail', id: 0n, reason: new Uint8Array(300) } })
    const records = new Map<string, Uint8Array>()
    for (const { key, value } of channelWrites(undefined, bob.channel)) if (value) records.set(key, value)
    const loaded = loadChannels(records)
    const outbox = loaded.ok ? loaded.value[bob.channel.id]?.outbox : undefined
    expect(outbox).toEqual([{ type: 'fail', id: 0n, reason, notBefore: bob.context.now + 700 }])
  })

  it('goes at once when the clock was set back: nothing waits for longer than was ever asked for', () => {
    const pair = failing(format, LONGEST_DELAY_MS)
    goOn(pair, -1)
    expect(live(pair.alice)).toEqual([1n])
  })
})
