import { expect, test } from 'vitest'
import {
  apply,
  cut,
  deliver,
  openPair,
  type Party,
  preimageOf,
  reconnect,
} from '../../testing/sim/channel-pair.ts'
import { concat, toHex } from '../base/bytes.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'

/**
 * Channels of the bolt formats are byte for byte what they were before there was lcp: every message of a channel's life, from
 * channel_ready to closing_signed, against its digest as the engine made it then. A change here is one that peers see.
 */

const add = (party: Party, n: number, amountMsat: number) =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(amountMsat),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500 + n,
      onion: new Uint8Array(1366).fill(n),
    },
  })

function life(format: string): { digest: string; messages: number } {
  const { alice, bob } = openPair(format)
  let digest: Uint8Array = new Uint8Array(32)
  let messages = 0
  /** Turns and deliveries one after the other, each message taken into the digest. */
  const run = (limit = 1_000): void => {
    for (let i = 0; i < limit; i++) {
      let moved = false
      for (const [from, to] of [
        [alice, bob],
        [bob, alice],
      ] as const) {
        apply(from, { type: 'flush' })
        const message = from.outgoing[0]
        if (message === undefined) continue
        digest = sha256(concat(digest, message))
        messages += 1
        moved = deliver(from, to)
      }
      if (!moved) return
    }
  }
  add(alice, 1, 10_000_123)
  add(alice, 2, 200_000)
  add(bob, 3, 5_000_000)
  apply(alice, { type: 'propose', proposal: { type: 'fee', feeratePerKw: 1_500 } })
  run(7)
  cut(alice, bob)
  reconnect(alice, bob)
  run()
  apply(bob, { type: 'propose', proposal: { type: 'fulfill', id: 0n, preimage: preimageOf(1) } })
  apply(bob, { type: 'propose', proposal: { type: 'fail', id: 1n, reason: new Uint8Array(292) } })
  run()
  const malformed = { sha256OfOnion: sha256(new Uint8Array(1366)), failureCode: 0xc005 }
  apply(alice, { type: 'propose', proposal: { type: 'malformed', id: 0n, ...malformed } })
  run()
  apply(bob, { type: 'close', feeratePerKw: 1_000 })
  run()
  expect(alice.faults.concat(bob.faults)).toEqual([])
  expect(alice.broadcast).toHaveLength(1)
  return { digest: toHex(digest), messages }
}

test('a life of every kind of message says the same bytes as ever, in both bolt formats', () => {
  // One after the other: what is drawn at random depends on how many channels there were before.
  expect(life('static_remotekey')).toEqual({
    digest: '0df43a7afb0a677656ca4914ffbbed2373bc7fd70769f3293d58819e6999373b',
    messages: 29,
  })
  expect(life('anchors_zero_fee_htlc_tx')).toEqual({
    digest: '4fcb08ffbca55cc4d3c64dc219177b2b09a4de48844b084791cbc8b80eb18d18',
    messages: 29,
  })
})
