import { describe, expect, test } from 'vitest'
import {
  apply,
  deliver,
  deliverAll,
  openPair,
  type Party,
  preimageOf,
} from '../../testing/sim/channel-pair.ts'
import { fromHex, utf8 } from '../base/bytes.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'

/**
 * An error from the opener of a channel that is in no block makes its accepter forget it at once. Nothing may be forgotten that could
 * ever hold a millisatoshi of ours, or an HTLC whose preimage we might give away.
 */

const FORMATS = ['static_remotekey', 'anchors_zero_fee_htlc_tx', 'test_window_4']

function pair(format: string, pushMsat: number): { alice: Party; bob: Party } {
  const { alice, bob } = openPair(format, { pushMsat })
  // Its block is gone again.
  apply(bob, { type: 'fundingUnconfirmed' })
  return { alice, bob }
}

const pay = (alice: Party): void =>
  apply(alice, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(9_000_000),
      paymentHash: sha256(preimageOf(1)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
    },
  })

function isForgotten(bob: Party): boolean {
  const channelId = fromHex(bob.channel.id)
  apply(bob, { type: 'message', message: { type: 'error', channelId, data: utf8('unknown channel') } })
  const forgotten = bob.events.some((e) => e.type === 'forgotten')
  // Whatever is kept goes to the chain: our newest commitment, once.
  expect(bob.broadcast).toHaveLength(forgotten ? 0 : 1)
  return forgotten
}

describe.each(FORMATS)('%s', (format) => {
  test('with nothing of ours in it, and nothing ever done: forgotten', () => {
    expect(isForgotten(pair(format, 0).bob)).toBe(true)
  })

  test('with a millisatoshi of ours: kept', () => {
    expect(isForgotten(pair(format, 1).bob)).toBe(false)
  })

  test('with its funding transaction in a block: kept', () => {
    const { bob } = openPair(format, { pushMsat: 0 })
    expect(isForgotten(bob)).toBe(false)
  })

  test('after each single message of a payment to us: kept from the moment that one of its commitments is signed for us', () => {
    for (let messages = 0; ; messages++) {
      const { alice, bob } = pair(format, 0)
      pay(alice)
      let left = messages
      for (let moved = true; moved && left > 0; ) {
        for (const p of [alice, bob]) apply(p, { type: 'flush' })
        moved = left > 0 && deliver(alice, bob)
        if (moved) left--
        apply(bob, { type: 'flush' })
        if (left > 0 && deliver(bob, alice)) {
          left--
          moved = true
        }
      }
      const signed = bob.channel.localTip.number > 0
      expect(isForgotten(bob), `after ${messages}`).toBe(!signed)
      if (left > 0) {
        expect(messages).toBeGreaterThan(3)
        return
      }
    }
  })

  test('after a payment to us: kept', () => {
    const { alice, bob } = pair(format, 0)
    pay(alice)
    deliverAll(alice, bob)
    apply(bob, { type: 'propose', proposal: { type: 'fulfill', id: 0n, preimage: preimageOf(1) } })
    deliverAll(alice, bob)
    expect(isForgotten(bob)).toBe(false)
  })
})
