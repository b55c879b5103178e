import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { type ChannelView, channelView } from '../contract/channel-view.ts'
import { msat } from '../engine/base/units.ts'
import type { Channel } from '../engine/channel/types.ts'
import { sha256 } from '../engine/crypto/hash.ts'
import { apply, deliver, deliverAll, openPair, type Party, preimageOf } from '../testing/sim/channel-pair.ts'
import { projectChannelView } from './channel-view.ts'
import { paced } from './streams.ts'

const offer = (party: Party, n: number) => {
  apply(party, {
    type: 'propose',
    proposal: {
      type: 'add',
      amountMsat: msat(1000),
      paymentHash: sha256(preimageOf(n)),
      cltvExpiry: 500,
      onion: new Uint8Array(1366),
      token: `t${n}`,
    },
  })
}

const look = (party: Party): ChannelView => {
  const view = projectChannelView(party.channel)
  expect(v.is(channelView, view)).toBe(true)
  // Every commitment accounts for the whole channel, and logs only ever grow.
  for (const { tail, tip } of [view.local, view.remote]) {
    expect(tip.number).toBeGreaterThanOrEqual(tail.number)
    for (const { localMsat, remoteMsat, htlcsOffered, htlcsReceived } of [tail, tip])
      expect(BigInt(localMsat) + BigInt(remoteMsat) + BigInt(htlcsOffered + htlcsReceived) * 1000n).toBe(
        BigInt(view.capacitySat) * 1000n,
      )
  }
  return view
}

describe('commitment view', () => {
  test('a window of lcp as it is used up: signatures outstanding, credit left, what waits for it', () => {
    const { alice, bob } = openPair('lcp', { policy: { bob: { window: 4 } } })
    expect(look(alice).remote).toMatchObject({ window: 4, creditUsed: 0, creditLeft: 4, grantedThrough: 4 })
    for (let n = 1; n <= 6; n++) {
      offer(alice, n)
      apply(alice, { type: 'flush' })
    }
    const view = look(alice)
    // Four commitments are signed and not revoked; what came after has no credit and stands outside the log.
    expect(view.remote).toMatchObject({
      tail: { number: 0, localIndex: 0 },
      tip: { number: 4, localIndex: 4, htlcsOffered: 4 },
      creditUsed: 4,
      creditLeft: 0,
      grantedThrough: 4,
    })
    expect(view.remote.pending.map((c) => [c.number, c.localIndex])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
    ])
    expect(view.logs.local).toMatchObject({
      length: 4,
      inRemoteTip: 4,
      inRemoteTail: 0,
      inLocalTip: 0,
      waiting: 2,
    })
    expect(view.inFlight).toMatchObject({ signatures: 4, updatesOut: 4, outMsat: '4000' })
    expect(view.htlcs.listed.map((h) => h.state)).toEqual(Array.from({ length: 4 }, () => 'committing'))

    // Bob has the first add and no signature for it yet.
    deliver(alice, bob)
    expect(look(bob)).toMatchObject({
      logs: { remote: { length: 1, inLocalTip: 0, adds: 1 } },
      inFlight: { updatesIn: 1, signatures: 0 },
      htlcs: { count: 1, listed: [{ direction: 'received', state: 'proposed' }] },
    })
    deliverAll(alice, bob)
    expect(look(alice)).toMatchObject({
      remote: { creditUsed: 0, creditLeft: 4 },
      htlcs: { count: 6 },
      logs: { local: { length: 6, waiting: 0 } },
    })
    expect(look(alice).htlcs.listed.every((h) => h.state === 'lockedIn')).toBe(true)
  })

  test('the windows in force, and the stack of secrets as it grows', () => {
    const { alice, bob } = openPair('lcp', { policy: { alice: { window: 3 }, bob: { window: 4 } } })
    expect(look(alice)).toMatchObject({
      local: { announced: 3, granted: 3, wanted: 3 },
      remote: { announced: 4, granted: 4 },
      secrets: { tree: 'elkrem', held: 0, heights: [], bytes: 1 },
    })
    expect(look(alice).remote.wanted).toBeUndefined()
    // Bob narrows his window: what he granted stays until it is used, one point less with each revocation.
    apply(bob, { type: 'window', window: 2 })
    const granted: number[] = []
    for (let n = 1; n <= 4; n++) {
      offer(alice, n)
      deliverAll(alice, bob)
      granted.push(look(bob).local.granted)
      expect(look(bob).local).toMatchObject({ announced: 4, wanted: 2 })
      expect(look(alice).remote).toMatchObject({ announced: 4, granted: granted.at(-1) })
    }
    expect(granted).toEqual([3, 2, 2, 2])
    // Elkrem's stack after 4 secrets: a tree of three, and one.
    expect(look(alice).secrets).toEqual({ tree: 'elkrem', held: 4, heights: [1, 0], bytes: 83 })
  })

  test('in BOLT’s formats the window is one, and shachain keeps a secret a bucket', () => {
    const { alice, bob } = openPair('anchors_zero_fee_htlc_tx')
    for (let n = 1; n <= 6; n++) {
      offer(alice, n)
      deliverAll(alice, bob)
    }
    expect(look(alice)).toMatchObject({
      local: { announced: 1, granted: 1, wanted: 1 },
      secrets: { tree: 'shachain', held: 6, bytes: 120 },
    })
    expect(look(alice).secrets.heights).toHaveLength(3)
  })

  test('a removal shows as fulfilling until both tails hold it, then the HTLC is gone and the money moved', () => {
    const { alice, bob } = openPair('anchors_zero_fee_htlc_tx')
    expect(look(alice).remote.window).toBe(1)
    const before = BigInt(look(bob).local.tip.localMsat)
    offer(alice, 1)
    offer(alice, 2)
    deliverAll(alice, bob)
    apply(bob, { type: 'propose', proposal: { type: 'fulfill', id: 0n, preimage: preimageOf(1) } })
    apply(bob, { type: 'flush' })
    expect(look(bob)).toMatchObject({ inFlight: { signatures: 1 }, logs: { local: { fulfills: 1 } } })
    expect(look(bob).htlcs.listed.map((h) => [h.id, h.state])).toEqual([
      ['0', 'fulfilling'],
      ['1', 'lockedIn'],
    ])
    deliverAll(alice, bob)
    expect(look(bob).htlcs.listed.map((h) => h.id)).toEqual(['1'])
    expect(BigInt(look(bob).local.tip.localMsat)).toBe(before + 1000n)
  })

  test('is bounded however many HTLCs there are', () => {
    const { alice, bob } = openPair('anchors_zero_fee_htlc_tx')
    for (let n = 0; n < 200; n++) offer(alice, n)
    deliverAll(alice, bob)
    const view = look(bob)
    expect(view.htlcs.count).toBe(200)
    expect(view.htlcs.listed).toHaveLength(64)
  })
})

describe('pacing', () => {
  /** A clock that goes when it is told to. */
  function clock() {
    let timers: (() => void)[] = []
    return {
      after: (_ms: number, task: () => void) => {
        timers.push(task)
        return () => {
          timers = timers.filter((other) => other !== task)
        }
      },
      pass: () => {
        const due = timers
        timers = []
        for (const task of due) task()
      },
      waiting: () => timers.length,
    }
  }
  const rest = async () => {
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }

  test('a thousand changes in one gap show as one, the last', async () => {
    let now: Partial<Channel> | undefined = { id: '0' }
    const listeners = new Set<() => void>()
    const time = clock()
    const controller = new AbortController()
    let projected = 0
    const seen: string[] = []
    const watching = (async () => {
      const views = paced(
        () => now,
        (channel) => {
          projected++
          return String(channel.id)
        },
        (listener) => {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
        time.after,
        100,
        controller.signal,
      )
      for await (const view of views) seen.push(view)
    })()
    await rest()
    for (let i = 1; i <= 1000; i++) {
      now = { id: String(i) }
      for (const listener of listeners) listener()
    }
    await rest()
    expect(seen).toEqual(['0'])
    time.pass()
    await rest()
    expect(seen).toEqual(['0', '1000'])
    // Nothing changed: nothing comes, however much time passes or however often it is said.
    time.pass()
    for (const listener of listeners) listener()
    await rest()
    expect(seen).toEqual(['0', '1000'])
    expect(projected).toBe(2)
    now = { id: 'last' }
    for (const listener of listeners) listener()
    await rest()
    expect(seen.at(-1)).toBe('last')
    controller.abort()
    await watching
    expect(listeners.size + time.waiting()).toBe(0)
  })
})
