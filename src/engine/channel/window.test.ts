import { describe, expect, test } from 'vitest'
import {
  apply,
  cut,
  deliver,
  deliverAll,
  inFlight,
  openPair,
  type PairOptions,
  type Party,
  preimageOf,
  reconnect,
  settledProblem,
  tamper,
} from '../../testing/sim/channel-pair.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { encodeMessage } from '../wire/encode.ts'
import { logLength } from './log.ts'
import { channelWrites, loadChannels } from './records.ts'

/** The window of lcp (rule 5): points are credit, given and taken back while the channel runs. BOLT 2 is the window of one. */

/** The machine of lcp with cheap keys: each side announces the window that its policy says. */
const pair = (alice: number, bob: number, options: PairOptions = {}) =>
  openPair('test_window_64', { policy: { alice: { window: alice }, bob: { window: bob } }, ...options })

const add = (party: Party, n: number) =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      // Trimmed, so that a signature is one signature.
      amountMsat: msat(1_000),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
    },
  })
const flush = (party: Party) => apply(party, { type: 'flush' })
const signatures = (party: Party) => inFlight(party).filter((m) => m.type === 'commitment_signed').length
/** Points that the party has left to sign on. */
const credit = (party: Party) => party.channel.remotePoints.length
/** Points past its tail that the other side holds. */
const outstanding = (party: Party) => party.channel.grantedThrough - party.channel.localTip.number

/** One round: what alice says reaches bob, and his answers reach her; only alice proposes. */
function round(alice: Party, bob: Party): void {
  flush(alice)
  while (deliver(alice, bob));
  flush(bob)
  while (deliver(bob, alice));
}

test('each side grants what it announced: alice signs five times on end without a word of bob’s, bob twice', () => {
  const { alice, bob } = pair(2, 5)
  expect([credit(alice), credit(bob)]).toEqual([5, 2])
  for (let n = 0; n < 9; n++) {
    for (const party of [alice, bob]) {
      add(party, n)
      flush(party)
    }
  }
  expect([signatures(alice), signatures(bob)]).toEqual([5, 2])
  expect([alice.channel.remotePending.length, bob.channel.remotePending.length]).toEqual([5, 2])
  // What has no credit waits outside the log, with its turn for later.
  expect([alice.channel.outbox.length, bob.channel.outbox.length]).toEqual([4, 7])
  deliverAll(alice, bob)
  expect(settledProblem(alice, bob)).toBeUndefined()
  expect(alice.channel.outbox.concat(bob.channel.outbox)).toEqual([])
  expect(alice.events.concat(bob.events).filter((e) => e.type === 'htlcReceived')).toHaveLength(18)
})

test('whatever came in one turn goes out under one signature, and clocks have no say', () => {
  const { alice, bob } = pair(4, 4)
  for (let n = 0; n < 50; n++) add(alice, n)
  flush(alice)
  const types = inFlight(alice).map((m) => m.type)
  expect(types).toEqual([...Array.from({ length: 50 }, () => 'update_add_htlc'), 'commitment_signed'])
  // The machine was never ticked and its time stands still: progress needs messages and nothing else.
  deliverAll(alice, bob)
  expect(settledProblem(alice, bob)).toBeUndefined()
  expect(bob.channel.localTip.number).toBe(1)
})

test.each([1, 2, 5])(
  'under load a window of %i is used up and refilled, never overdrawn and never left idle',
  (window) => {
    const { alice, bob } = pair(64, window)
    let proposed = 0
    let idle = 0
    let full = 0
    for (let turn = 0; turn < 300; turn++) {
      // Faster than bob answers: a proposal a turn, a message delivered every other one.
      if (proposed < 120) add(alice, proposed++)
      flush(alice)
      if (credit(alice) === 0) full += 1
      else if (logLength(alice.channel.logs.opener) < proposed) idle += 1
      expect(alice.channel.remotePending.length).toBeLessThanOrEqual(window)
      expect(outstanding(bob)).toBeLessThanOrEqual(window)
      if (turn % 2 === 0) deliver(alice, bob)
      else flush(bob)
      if (turn % 3 === 0) deliver(bob, alice)
    }
    expect(full).toBeGreaterThan(50)
    expect(idle).toBe(0)
    deliverAll(alice, bob)
    expect(settledProblem(alice, bob)).toBeUndefined()
    expect(credit(alice)).toBe(window)
    expect(bob.events.filter((e) => e.type === 'htlcReceived')).toHaveLength(120)
  },
)

describe('while the channel runs', () => {
  /** Bob's outstanding points after each of so many revocations. */
  function after(rounds: number, alice: Party, bob: Party): number[] {
    return Array.from({ length: rounds }, (_, n) => {
      add(alice, n)
      round(alice, bob)
      expect(credit(alice)).toBe(outstanding(bob))
      return outstanding(bob)
    })
  }
  test('a side widens its window: two points a revocation until it is as wide as it wants', () => {
    const { alice, bob } = pair(1, 1)
    apply(bob, { type: 'window', window: 4 })
    expect(after(5, alice, bob)).toEqual([2, 3, 4, 4, 4])
  })
  test('a side narrows its window: no point a revocation, and one is always left', () => {
    const { alice, bob } = pair(1, 5)
    apply(bob, { type: 'window', window: 2 })
    expect(after(5, alice, bob)).toEqual([4, 3, 2, 2, 2])
    apply(bob, { type: 'window', window: 0 })
    expect(after(3, alice, bob)).toEqual([1, 1, 1])
  })
  test('under load, both ways, with settles: credit comes and goes as the windows are set, and nothing is lost', () => {
    const { alice, bob } = pair(2, 8)
    const windows = [1, 6, 3, 64, 1, 2]
    const sent = [0, 0]
    const settled = new Set<string>()
    const widest = [0, 0]
    let dry = 0
    for (let turn = 0; turn < 600; turn++) {
      for (const [i, party] of [alice, bob].entries()) {
        if (turn % 40 === 20 * i) apply(party, { type: 'window', window: windows[(turn / 20) % 6] ?? 1 })
        if (turn < 480) add(party, i * 10_000 + (sent[i] = (sent[i] ?? 0) + 1))
        for (const event of party.events) {
          if (event.type !== 'htlcReceived' || settled.has(`${i} ${event.add.id}`)) continue
          settled.add(`${i} ${event.add.id}`)
          const preimage = preimageOf((1 - i) * 10_000 + Number(event.add.id) + 1)
          apply(party, { type: 'propose', proposal: { type: 'fulfill', id: event.add.id, preimage } })
        }
        flush(party)
        if (credit(party) === 0) dry += 1
        widest[i] = Math.max(widest[i] ?? 0, party.channel.remotePending.length)
        expect(outstanding(party)).toBeGreaterThanOrEqual(1)
      }
      // The line to bob is slower than the one back.
      if (turn % 2 === 0) while (deliver(alice, bob));
      if (turn % 3 !== 0) deliver(bob, alice)
    }
    expect(dry).toBeGreaterThan(100)
    expect(Math.min(...widest)).toBeGreaterThan(1)
    deliverAll(alice, bob)
    expect(settledProblem(alice, bob)).toBeUndefined()
    expect(alice.channel.outbox.length + bob.channel.outbox.length).toBe(0)
    for (const party of [alice, bob]) {
      expect(party.events.filter((e) => e.type === 'htlcReceived')).toHaveLength(480)
    }
  })

  test('no window is wider than 64', () => {
    const { alice, bob } = pair(1, 64)
    apply(bob, { type: 'window', window: 1_000 })
    expect(after(3, alice, bob)).toEqual([64, 64, 64])
  })
  test('what was changed outlives a restart, and a bolt channel has no window to change', () => {
    const { bob } = pair(1, 5)
    apply(bob, { type: 'window', window: 2 })
    const records = new Map(
      channelWrites(undefined, bob.channel).flatMap(({ key, value }) =>
        value === null ? [] : [[key, value]],
      ),
    )
    expect(unwrap(loadChannels(records))[bob.channel.id]?.window).toBe(2)
    const bolt = openPair('anchors_zero_fee_htlc_tx')
    const before = bolt.alice.channel
    apply(bolt.alice, { type: 'window', window: 9 })
    expect(bolt.alice.channel).toBe(before)
  })
})

describe('refused', () => {
  /** Alice has proposed, bob's revocation is on its way, changed; alice fails the channel. */
  function refuses(code: string, change: Parameters<typeof tamper<'revoke_and_ack'>>[2], window = 3): void {
    const { alice, bob } = pair(1, window)
    add(alice, 1)
    flush(alice)
    while (deliver(alice, bob));
    tamper(bob, 'revoke_and_ack', change)
    while (deliver(bob, alice));
    expect(alice.faults.map((f) => f.code)).toEqual([code])
  }
  const proof = new Uint8Array(64)
  const stranger = publicKey(sha256(new Uint8Array(3)))
  const points = (firstNumber: bigint, ...keys: Uint8Array[]) => ({
    lcpPoints: { firstNumber, points: keys.map((point) => ({ point, proof })) },
    ...(keys.at(-1) === undefined ? {} : { nextPerCommitmentPoint: keys.at(-1) as Uint8Array }),
  })

  test('a signature beyond the last point granted', () => {
    const { alice, bob } = pair(1, 1)
    add(alice, 1)
    flush(alice)
    // Bob believes that he has granted nothing: alice's one signature is one too many.
    bob.channel = { ...bob.channel, grantedThrough: 0 }
    while (deliver(alice, bob));
    expect(bob.faults.map((f) => f.code)).toEqual(['noCredit'])
  })
  test('grants that do not follow the highest number held', () => {
    refuses('grantNumber', (m) => ({ ...m, ...points(6n, stranger) }))
    refuses('grantNumber', (m) => ({ ...m, ...points(3n, stranger) }))
  })
  test('a window that closes: no grant when only one point is left', () => {
    refuses('windowClosed', (m) => ({ ...m, lcpPoints: { firstNumber: 2n, points: [] } }), 1)
  })
  test('a 65th point outstanding', () => {
    refuses('tooManyPoints', (m) => ({ ...m, ...points(65n, stranger, stranger) }), 64)
  })
  test('a third point cannot even be read', () => {
    expect(() => refuses('', (m) => ({ ...m, ...points(4n, stranger, stranger, stranger) }))).toThrow()
  })
  test('a point off the curve', () => {
    const offCurve = Uint8Array.of(2, ...new Uint8Array(31), 5)
    refuses('badPoint', (m) => ({ ...m, ...points(4n, offCurve) }))
  })
  test('another point for a number held already; the same one again is passed over', () => {
    const { alice, bob } = pair(1, 3)
    cut(alice, bob)
    reconnect(alice, bob)
    while (deliver(alice, bob));
    const again = inFlight(bob)
    expect(again.map((m) => m.type)).toEqual(['channel_reestablish', 'channel_ready'])
    while (deliver(bob, alice));
    expect(alice.faults).toEqual([])
    expect(credit(alice)).toBe(3)

    // Used points are held as well.
    add(alice, 1)
    flush(alice)
    const ready = again[1] as Extract<(typeof again)[number], { type: 'channel_ready' }>
    bob.outgoing = [encodeMessage(ready)]
    deliver(bob, alice)
    expect([alice.faults.length, credit(alice)]).toEqual([0, 2])
    for (const position of [0, 2]) {
      const other = (ready.lcpPoints?.points ?? []).map((p, i) =>
        i === position ? { ...p, point: stranger } : p,
      )
      const second = other[0]?.point ?? stranger
      const lied = {
        ...ready,
        secondPerCommitmentPoint: second,
        lcpPoints: { firstNumber: 1n, points: other },
      }
      const before = alice.channel
      bob.outgoing = [encodeMessage(lied)]
      deliver(bob, alice)
      expect(alice.faults.map((f) => f.code)).toEqual(['pointChanged'])
      alice.channel = before
      alice.faults = []
    }
  })
})
