import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  apply,
  cut,
  deliver,
  deliverAll,
  inFlight,
  openPair,
  type Party,
  preimageOf,
  reconnect,
  sameTransactions,
  settledProblem,
} from '../../testing/sim/channel-pair.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'

/** Signatures that cost many are held back while one is outstanding and there is little news (Nagle's rule, rule 4). */

const LIVE = 40

const add = (party: Party, n: number): void =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(5_000_000),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
    },
  })

const pay = (party: Party, id: number): void =>
  apply(party, { type: 'propose', proposal: { type: 'fulfill', id: BigInt(id), preimage: preimageOf(id) } })

/** The types of what it says at the end of a turn. */
function said(party: Party): readonly string[] {
  const before = party.outgoing.length
  apply(party, { type: 'flush' })
  return inFlight(party)
    .slice(before)
    .map(({ type }) => type)
}

/** alice has many HTLCs with bob, all locked in. */
function crowded(): { alice: Party; bob: Party } {
  const pair = openPair('lcp')
  for (let n = 0; n < LIVE; n++) add(pair.alice, n)
  deliverAll(pair.alice, pair.bob)
  expect(pair.bob.channel.localTip.htlcSignatures.length).toBe(LIVE)
  return pair
}

describe('with many HTLCs', () => {
  it('the first news is signed at once, what follows waits for more of it, and is then signed together', () => {
    const { alice, bob } = crowded()
    add(alice, LIVE)
    expect(said(alice)).toEqual(['update_add_htlc', 'commitment_signed'])
    for (let n = 1; n <= 20; n++) {
      add(alice, LIVE + n)
      expect(said(alice)).toEqual([])
    }
    add(alice, LIVE + 21)
    expect(said(alice)).toEqual([...Array<string>(21).fill('update_add_htlc'), 'commitment_signed'])
    deliverAll(alice, bob)
    expect(settledProblem(alice, bob)).toBeUndefined()
    expect(sameTransactions(alice, bob)).toBe(true)
    expect(bob.channel.localTip.htlcSignatures.length).toBe(LIVE + 22)
  })

  it('what waits goes as soon as the revocation is here, however little it is', () => {
    const { alice, bob } = crowded()
    pay(bob, 0)
    expect(said(bob)).toEqual(['update_fulfill_htlc', 'commitment_signed'])
    pay(bob, 1)
    expect(said(bob)).toEqual([])
    while (deliver(bob, alice)) apply(alice, { type: 'flush' })
    expect(deliver(alice, bob)).toBe(true)
    expect(said(bob)).toContain('update_fulfill_htlc')
    deliverAll(alice, bob)
    expect(alice.channel.base.htlcs.length).toBe(LIVE - 2)
  })

  it('what waits is not lost with the link, and not said twice', () => {
    const { alice, bob } = crowded()
    for (const id of [0, 1, 2]) {
      pay(bob, id)
      apply(bob, { type: 'flush' })
    }
    expect(bob.channel.outbox.length).toBe(2)
    cut(alice, bob)
    reconnect(alice, bob)
    deliverAll(alice, bob)
    expect(alice.channel.base.htlcs.length).toBe(LIVE - 3)
    expect(alice.faults).toEqual([])
    expect(settledProblem(alice, bob)).toBeUndefined()
  })

  it('however turns, messages and losses fall, both come to rest with every HTLC resolved', () => {
    const deed = fc.constantFrom(
      'add',
      'pay',
      'pay',
      'alice',
      'bob',
      'bob',
      'a→b',
      'a→b',
      'b→a',
      'b→a',
      'cut',
    )
    fc.assert(
      fc.property(fc.array(deed, { minLength: 20, maxLength: 60 }), (deeds) => {
        const { alice, bob } = crowded()
        let [added, paid] = [LIVE, 0]
        for (const one of deeds) {
          if (one === 'add') add(alice, added++)
          else if (one === 'pay') {
            if (paid < LIVE) pay(bob, paid++)
          } else if (one === 'alice' || one === 'bob') apply(one === 'alice' ? alice : bob, { type: 'flush' })
          else if (one === 'a→b') deliver(alice, bob)
          else if (one === 'b→a') deliver(bob, alice)
          else {
            cut(alice, bob)
            reconnect(alice, bob)
          }
        }
        deliverAll(alice, bob)
        for (let id = paid; id < added; id++) pay(bob, id)
        deliverAll(alice, bob)
        expect([...alice.faults, ...bob.faults]).toEqual([])
        expect(alice.channel.base.htlcs).toEqual([])
        expect([...alice.channel.outbox, ...bob.channel.outbox]).toEqual([])
        expect(settledProblem(alice, bob)).toBeUndefined()
      }),
      { numRuns: 8 },
    )
  })
})
