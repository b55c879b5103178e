import { describe, expect, test } from 'vitest'
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
  settledProblem,
  tamper,
} from '../../testing/sim/channel-pair.ts'
import { toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { channelWrites, loadChannels } from './records.ts'
import type { ChannelReestablish } from '../wire/messages.ts'

/** Reconnection with several signatures of either side on their way (rules 9 and 10). */

const W = 3

const add = (party: Party, n: number) =>
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(1_000),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366).fill(n),
    },
  })
const flush = (party: Party) => apply(party, { type: 'flush' })

/** Both sides have signed as often as they may, and two adds of each wait for credit. */
function busy(): { alice: Party; bob: Party } {
  const pair = openPair(`test_window_${W}`)
  for (const party of [pair.alice, pair.bob]) {
    for (let n = 0; n < W + 2; n++) {
      add(party, n)
      flush(party)
    }
    expect(party.channel.remotePending).toHaveLength(W)
    expect(party.channel.outbox).toHaveLength(2)
  }
  return pair
}

/** Messages as the peer takes them: whole groups of updates and the signature that covers them, or a revocation. */
function groups(messages: readonly string[], types: readonly string[]): string[][] {
  const all: string[][] = [[]]
  for (const [i, message] of messages.entries()) {
    all.at(-1)?.push(message)
    if (types[i] === 'commitment_signed' || types[i] === 'revoke_and_ack') all.push([])
  }
  return all.filter((group) => group.length > 0)
}

/** What of these the other side has not taken, when it has heard the first `heard`. */
function missing(sent: readonly string[], types: readonly string[], heard: number): string[] {
  let end = 0
  return groups(sent, types)
    .filter((group) => (end += group.length) > heard)
    .flat()
}

function restart(party: Party): void {
  const records = channelWrites(undefined, party.channel).flatMap(({ key, value }) =>
    value === null ? [] : [[key, value] as const],
  )
  const loaded = unwrap(loadChannels(new Map(records)))[party.channel.id]
  if (loaded === undefined) throw new Error('not on disk')
  party.channel = loaded
}

const hex = (party: Party) => party.outgoing.map(toHex)
const types = (party: Party) => inFlight(party).map((m) => m.type)

test('lost anywhere between six signatures and their revocations: each side says again what was not taken, as it said it, and then the rest', () => {
  const began = busy()
  const copy = (party: Party): Party => ({
    ...party,
    outgoing: [...party.outgoing],
    events: [],
    broadcast: [],
    faults: [],
  })
  let points = 0
  for (let toBob = 0; toBob <= 2 * W; toBob++) {
    for (let toAlice = 0; toAlice <= 3 * W; toAlice++) {
      const alice = copy(began.alice)
      const bob = copy(began.bob)
      const spoken = { alice: hex(alice), bob: hex(bob) }
      const kinds = { alice: types(alice), bob: types(bob) }
      for (let i = 0; i < toBob; i++) deliver(alice, bob)
      // What bob answered stands behind what he had said.
      spoken.bob = [...spoken.bob, ...hex(bob).slice(spoken.bob.length)]
      kinds.bob = [...kinds.bob, ...types(bob).slice(kinds.bob.length)]
      if (toAlice > bob.outgoing.length) continue
      const before = alice.outgoing.length
      for (let i = 0; i < toAlice; i++) deliver(bob, alice)
      spoken.alice = [...spoken.alice, ...hex(alice).slice(before)]
      kinds.alice = [...kinds.alice, ...types(alice).slice(before)]

      const expected = {
        alice: missing(spoken.alice, kinds.alice, toBob),
        bob: missing(spoken.bob, kinds.bob, toAlice),
      }
      cut(alice, bob)
      if (points % 2 === 0) for (const party of [alice, bob]) restart(party)
      reconnect(alice, bob)
      deliver(alice, bob)
      deliver(bob, alice)
      for (const party of [alice, bob]) {
        const again = hex(party).filter((_, i) => types(party)[i] !== 'channel_ready')
        expect(again, `${party.name} after ${toBob} and ${toAlice}`).toEqual(expected[party.name])
      }
      deliverAll(alice, bob)
      expect(settledProblem(alice, bob)).toBeUndefined()
      for (const party of [alice, bob]) {
        // What had only been proposed was proposed again, once.
        expect(party.channel.outbox).toEqual([])
        expect(party.events.filter((e) => e.type === 'htlcReceived')).toHaveLength(W + 2)
      }
      points += 1
    }
  }
  expect(points).toBeGreaterThan(40)
})

test('an update that was heard without its signature is forgotten on both sides, its id with it', () => {
  const { alice, bob } = openPair(`test_window_${W}`)
  add(alice, 1)
  flush(alice)
  deliver(alice, bob)
  expect(bob.channel.logs.opener).toMatchObject({ entries: [{ id: 0n }], nextHtlcId: 1n })
  cut(alice, bob)
  expect(bob.channel.logs.opener).toMatchObject({ entries: [], nextHtlcId: 0n })
  reconnect(alice, bob)
  deliverAll(alice, bob)
  expect(settledProblem(alice, bob)).toBeUndefined()
  expect(bob.events.flatMap((e) => (e.type === 'htlcReceived' ? [e.add.id] : []))).toEqual([0n])
})

describe('what the peer says of itself', () => {
  /** Alice has signed W times; bob has taken two of them and she has heard one of his revocations. */
  function greet(change: (m: ChannelReestablish) => Partial<ChannelReestablish>) {
    const { alice, bob } = openPair(`test_window_${W}`)
    for (let n = 0; n < W; n++) {
      add(alice, n)
      flush(alice)
    }
    for (let i = 0; i < 4; i++) deliver(alice, bob)
    deliver(bob, alice)
    expect([alice.channel.remoteTail.number, alice.channel.remotePending.length]).toEqual([1, 2])
    cut(alice, bob)
    reconnect(alice, bob)
    tamper(bob, 'channel_reestablish', (m) => ({ ...m, ...change(m) }))
    deliver(bob, alice)
    return {
      failure: alice.channel.failure,
      faults: alice.faults.map((f) => f.code),
      broadcast: alice.broadcast,
    }
  }
  const state = (openerIndex: bigint) => ({ lcpState: { openerIndex, accepterIndex: 0n } })

  test('any number from its tail to our tip is taken at its word, with the indexes that were signed for it', () => {
    for (const taken of [1n, 2n, 3n]) {
      const { failure } = greet(() => ({ nextCommitmentNumber: taken + 1n, ...state(taken) }))
      expect(failure).toBeUndefined()
      const { faults } = greet(() => ({ nextCommitmentNumber: taken + 1n, ...state(taken - 1n) }))
      expect(faults).toEqual(['stateDiffers'])
    }
  })
  test('a number beyond our tip means that we lost signatures: the channel fails, our tip may be broadcast', () => {
    const { failure, faults, broadcast } = greet(() => ({ nextCommitmentNumber: 5n, ...state(4n) }))
    expect([failure?.remedy, faults, broadcast.length]).toEqual(['broadcast', ['lostSignatures'], 1])
  })
  test('a number below its own revocations means that the peer is behind: it is told, and never taken along', () => {
    const { failure, faults } = greet(() => ({ nextCommitmentNumber: 1n, ...state(0n) }))
    expect([failure?.code, faults]).toEqual(['peerIsBehind', []])
  })
  test('a secret of ours that we never gave, and which is right, means that we are behind: nothing is ever broadcast', () => {
    const { alice, bob } = openPair(`test_window_${W}`)
    const old = alice.channel
    for (let n = 0; n < W; n++) {
      add(bob, n)
      flush(bob)
    }
    deliverAll(alice, bob)
    expect(alice.channel.localTip.number).toBeGreaterThan(1)
    cut(alice, bob)
    alice.channel = { ...old, link: 'offline' }
    reconnect(alice, bob)
    deliver(bob, alice)
    expect(alice.channel.failure).toMatchObject({ code: 'weAreBehind', remedy: 'awaitRemote' })
    apply(alice, { type: 'forceClose', reason: 'impatience' })
    expect(alice.broadcast).toEqual([])
    // With a wrong one it is no proof of anything.
    alice.channel = { ...old, link: 'offline' }
    cut(alice, bob)
    reconnect(alice, bob)
    tamper(bob, 'channel_reestablish', (m) => ({
      ...m,
      yourLastPerCommitmentSecret: new Uint8Array(32).fill(9),
    }))
    deliver(bob, alice)
    expect(alice.faults.map((f) => f.code)).toEqual(['badSecret'])
  })
})
