import { describe, expect, test } from 'vitest'
import {
  apply,
  deliver,
  deliverAll,
  openPair,
  type PairOptions,
  type Party,
  preimageOf,
  settledProblem,
} from '../../testing/sim/channel-pair.ts'
import { msat, sat } from '../base/units.ts'
import { LCP } from '../commitment/formats.ts'
import { commitmentWeight } from '../commitment/weights.ts'
import { sha256 } from '../crypto/hash.ts'
import { encodeMessage } from '../wire/encode.ts'
import { cautiousView, viewAt } from './log.ts'
import { overDustExposure, spendableMsat } from './limits.ts'
import { DEFAULT_POLICY } from './policy.ts'

/** Limits are the receiver's, a direction each; what exceeds one waits outside the log and is neither refused nor lost (rule 8). */

const FORMAT = 'test_window_4'
const SAT = 1_000
const UNTRIMMED = 1_000_000

const add = (party: Party, n: number, amountMsat: number) =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(amountMsat),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
      token: `t${n}`,
    },
  })
const received = (party: Party) => party.events.flatMap((e) => (e.type === 'htlcReceived' ? [e.add] : []))
const refused = (party: Party) => party.events.filter((e) => e.type === 'addRefused')
/** The peer settles or fails what it has received so far. */
function settle(party: Party, fulfill = true): void {
  for (const htlc of viewAt(party.channel, party.channel.localTip.indexes).htlcs) {
    if (htlc.offerer === party.channel.role) continue
    const n = hashes.get(htlc.paymentHash.join())
    const removal =
      fulfill && n !== undefined
        ? ({ type: 'fulfill', id: htlc.id, preimage: preimageOf(n) } as const)
        : ({ type: 'fail', id: htlc.id, reason: new Uint8Array(292) } as const)
    apply(party, { type: 'propose', proposal: removal })
  }
}
const hashes = new Map(Array.from({ length: 2_000 }, (_, n) => [sha256(preimageOf(n)).join(), n]))
const pair = (bob: Required<PairOptions>['policy']['bob'], alice = {}) =>
  openPair(FORMAT, { policy: { alice, bob: { ...bob } } })

/** HTLCs in flight from alice, once everything that may be sent now is in both tails. */
function flying(alice: Party, bob: Party): number {
  deliverAll(alice, bob)
  expect(alice.faults.concat(bob.faults)).toEqual([])
  return cautiousView(alice.channel).htlcs.filter((h) => h.offerer === 'opener').length
}

/** Everything that waits gets its turn as bob settles; nothing is refused. */
function drain(alice: Party, bob: Party, total: number): void {
  for (let i = 0; i < 100 && received(bob).length < total; i++) {
    settle(bob)
    deliverAll(alice, bob)
  }
  settle(bob)
  deliverAll(alice, bob)
  expect(received(bob)).toHaveLength(total)
  expect(received(bob).map((h) => hashes.get(h.paymentHash.join()))).toEqual(
    Array.from({ length: total }, (_, n) => n),
  )
  expect(refused(alice)).toEqual([])
  expect(settledProblem(alice, bob)).toBeUndefined()
}

describe('slots', () => {
  test('600 trimmed HTLCs fly at once where the receiver takes them beyond its 483, and the rest waits', () => {
    const { alice, bob } = pair({ maxTrimmedHtlcs: 117 })
    for (let n = 0; n < 620; n++) add(alice, n, SAT)
    expect(flying(alice, bob)).toBe(600)
    expect(alice.channel.outbox).toHaveLength(20)
    drain(alice, bob, 620)
  })
  test('untrimmed ones have the 483 for themselves, whatever is trimmed', () => {
    const { alice, bob } = pair({ maxAcceptedHtlcs: 3, maxTrimmedHtlcs: 4 })
    for (let n = 0; n < 4; n++) add(alice, n, UNTRIMMED)
    expect(flying(alice, bob)).toBe(3)
    for (let n = 4; n < 10; n++) add(alice, n, SAT)
    expect(flying(alice, bob)).toBe(7)
    expect(spendableMsat(alice.channel)).toBe(0n)
    settle(bob)
    expect(flying(alice, bob)).toBe(3)
    settle(bob)
    deliverAll(alice, bob)
    expect(received(bob)).toHaveLength(10)
    expect(refused(alice)).toEqual([])
  })
  test('where none are announced, trimmed HTLCs take slots like others', () => {
    const { alice, bob } = pair({ maxAcceptedHtlcs: 3, maxTrimmedHtlcs: 0 })
    for (let n = 0; n < 5; n++) add(alice, n, SAT)
    expect(flying(alice, bob)).toBe(3)
    drain(alice, bob, 5)
  })
  test('an HTLC that is an output on one side only takes an untrimmed slot: no commitment grows beyond 966 outputs', () => {
    const { alice, bob } = pair({ maxAcceptedHtlcs: 3, maxTrimmedHtlcs: 4, dustLimitSat: sat(5_000) })
    // 3,000 sat are trimmed on bob's commitment and not on alice's.
    for (let n = 0; n < 5; n++) add(alice, n, 3_000 * SAT)
    expect(flying(alice, bob)).toBe(3)
  })
  test('the fullest commitment and its signatures stay below the limits of weight and message', () => {
    expect(DEFAULT_POLICY.maxAcceptedHtlcs).toBe(483)
    expect(commitmentWeight(LCP, 2 * 483)).toBeLessThan(400_000 / 2)
    const bytes = encodeMessage({
      type: 'commitment_signed',
      channelId: new Uint8Array(32),
      signature: new Uint8Array(64),
      htlcSignatures: Array.from({ length: 2 * 483 }, () => new Uint8Array(64)),
      lcpIndexes: { commitmentNumber: 2n ** 47n, openerIndex: 2n ** 60n, accepterIndex: 2n ** 60n },
    })
    expect(bytes.length).toBeLessThan(65_535)
  })
})

describe('value and dust', () => {
  test('dust in flight beyond what the receiver bears waits until removals are in both tails', () => {
    const { alice, bob } = pair({ maxTrimmedHtlcs: 100, maxDustInFlightMsat: msat(10 * SAT) })
    for (let n = 0; n < 25; n++) add(alice, n, SAT)
    expect(flying(alice, bob)).toBe(10)
    // Not trimmed, so not held up by those before it.
    add(alice, 25, UNTRIMMED)
    expect(flying(alice, bob)).toBe(11)
    settle(bob)
    apply(bob, { type: 'flush' })
    // The removal is signed but not in both tails: it frees nothing yet.
    deliver(bob, alice)
    apply(alice, { type: 'flush' })
    expect(alice.channel.outbox).toHaveLength(15)
    expect(flying(alice, bob)).toBe(10)
    settle(bob)
    expect(flying(alice, bob)).toBe(5)
    settle(bob)
    expect(flying(alice, bob)).toBe(0)
    expect(refused(alice)).toEqual([])
    expect(received(bob)).toHaveLength(26)
  })
  test('an amount that has no room once all in flight has ended does not wait for it: that may be held for days', () => {
    const { alice, bob } = pair({})
    const half = Number(spendableMsat(alice.channel)) / 2
    add(alice, 0, Math.floor(half * 1.2))
    expect(flying(alice, bob)).toBe(1)
    // More than is left, and with the first more than may be in flight: the second limit does not hide the first.
    add(alice, 1, Math.floor(half * 1.2))
    expect(flying(alice, bob)).toBe(1)
    expect(refused(alice)).toEqual([{ type: 'addRefused', reason: 'belowReserve', token: 't1' }])
    expect(alice.channel.outbox).toEqual([])
  })
  test('a peer that would bear any dust does not make us risk more than we want', () => {
    const { alice } = pair({ maxDustInFlightMsat: msat(2n ** 60n) }, { maxDustInFlightMsat: msat(7 * SAT) })
    expect(alice.channel.remote.maxDustInFlightMsat).toBe(7_000n)
  })
  test('each direction has limits of its own: one that is full does not stop the other', () => {
    const terms = { maxAcceptedHtlcs: 2, maxTrimmedHtlcs: 1, maxDustInFlightMsat: msat(3 * SAT) }
    const { alice, bob } = pair(terms, terms)
    for (let n = 0; n < 4; n++) add(alice, n, SAT)
    expect(flying(alice, bob)).toBe(3)
    for (let n = 4; n < 7; n++) add(bob, n, SAT)
    deliverAll(alice, bob)
    expect(received(alice)).toHaveLength(3)
    settle(alice)
    settle(bob)
    deliverAll(alice, bob)
    settle(bob)
    deliverAll(alice, bob)
    expect(settledProblem(alice, bob)).toBeUndefined()
    expect(received(bob)).toHaveLength(4)
  })
  test('a failed HTLC gives its slot back like a settled one', () => {
    const { alice, bob } = pair({ maxAcceptedHtlcs: 1, maxTrimmedHtlcs: 0 })
    for (let n = 0; n < 3; n++) add(alice, n, SAT)
    for (let n = 1; n <= 3; n++) {
      expect(flying(alice, bob)).toBe(1)
      expect(received(bob)).toHaveLength(n)
      settle(bob, false)
    }
    expect(flying(alice, bob)).toBe(0)
  })
})

test('a peer that overlooks our limits is refused: slots, trimmed slots, dust', () => {
  const lenient = {
    maxAcceptedHtlcs: 483,
    maxTrimmedHtlcs: 1_000,
    maxDustInFlightMsat: msat(2n ** 60n),
  }
  for (const [terms, amount, code] of [
    [{ maxAcceptedHtlcs: 2, maxTrimmedHtlcs: 0 }, SAT, 'tooManyHtlcs'],
    [{ maxAcceptedHtlcs: 2, maxTrimmedHtlcs: 9 }, UNTRIMMED, 'tooManyHtlcs'],
    [{ maxAcceptedHtlcs: 1, maxTrimmedHtlcs: 1 }, SAT, 'tooManyHtlcs'],
    [{ maxTrimmedHtlcs: 9, maxDustInFlightMsat: msat(2 * SAT) }, SAT, 'dustLimit'],
  ] as const) {
    const { alice, bob } = pair(terms)
    alice.channel = { ...alice.channel, remote: { ...alice.channel.remote, ...lenient } }
    for (let n = 0; n < 3; n++) add(alice, n, amount)
    apply(alice, { type: 'flush' })
    for (let i = 0; i < 2; i++) deliver(alice, bob)
    expect(bob.faults).toEqual([])
    deliver(alice, bob)
    expect(bob.faults.map((f) => f.code)).toEqual([code])
  }
})

test('what a BOLT peer offers in trimmed HTLCs beyond our limit is told apart, each by what came before it (BOLT 2)', () => {
  const limit = { maxDustInFlightMsat: msat(5 * SAT) }
  const { alice, bob } = openPair('anchors_zero_fee_htlc_tx', { policy: { alice: {}, bob: limit } })
  // Alice knows nothing of bob's limit, as BOLT has no word for it.
  for (let n = 0; n < 4; n++) add(alice, n, 2 * SAT)
  add(alice, 4, UNTRIMMED)
  deliverAll(alice, bob)
  expect(received(bob).map((htlc) => overDustExposure(bob.channel, htlc))).toEqual([
    false,
    false,
    true,
    true,
    false,
  ])
})
