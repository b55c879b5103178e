import { describe, expect, test } from 'vitest'
import { toHex } from '../base/bytes.ts'
import { type Msat, msat } from '../base/units.ts'
import type { Channel } from '../channel/types.ts'
import { publicKey } from '../crypto/curve.ts'
import type { RouteWanted } from '../payment/attempt-route.ts'
import { emptyHistory, learn } from '../router/history.ts'
import type { Excluded, HintHop } from '../router/types.ts'
import { apply, openPair } from '../../testing/sim/channel-pair.ts'
import { spendableInTime } from './channel-state.ts'
import { findRoutes } from './routes.ts'
import type { Turn } from './state.ts'

const idOf = (n: number): string => toHex(publicKey(new Uint8Array(32).fill(n)))
const [US, MID, OTHER, PAYEE] = [idOf(1), idOf(2), idOf(3), idOf(4)] as [string, string, string, string]
const SLOTS = 483
const OUTBOX = 2_000

/** A channel of ours with so many payments of 1 sat on their way or waiting, 600,000 sat being ours at first. */
function channelWith(payments: number, peer = MID): Channel {
  const { alice } = openPair('static_remotekey')
  for (let n = 0; n < payments; n++) {
    const add = { amountMsat: msat(1_000), paymentHash: new Uint8Array(32).fill(7), cltvExpiry: 500 }
    const proposal = { type: 'add' as const, ...add, onion: new Uint8Array(1366), token: `t${n}` }
    apply(alice, { type: 'propose', proposal })
    if (n + 1 === SLOTS) apply(alice, { type: 'flush' })
  }
  const funding = { ...alice.channel.funding, shortChannelId: 77n }
  return { ...alice.channel, id: peer.slice(2), peer, funding }
}

const hint = (nodeId: string, feeBaseMsat: number): readonly HintHop[] => [
  { nodeId, scid: 99n, feeBaseMsat, feeProportionalMillionths: 0, cltvExpiryDelta: 80 },
]

const NOW = 1_800_000_000_000

function routes(
  channels: readonly Channel[],
  amountMsat: bigint,
  change: Partial<RouteWanted> = {},
  { history = emptyHistory, now = NOW } = {},
) {
  const state = {
    channels: Object.fromEntries(channels.map((c) => [c.id, c])),
    closes: {},
    routeHistory: history,
  }
  return findRoutes({ state, setup: { nodeId: US }, now } as unknown as Turn, {
    destination: PAYEE,
    amountMsat: msat(amountMsat),
    finalCltvDelta: 20,
    height: 100,
    maxFeeMsat: msat(10_000),
    hints: [hint(MID, 1_000)],
    excluded: {},
    without: [],
    parts: true,
    ...change,
  })
}

const refused = (found: ReturnType<typeof routes>) => (found.ok ? undefined : found.error)

describe('a payment by a route through a channel that is full', () => {
  const slots = channelWith(SLOTS)
  const outbox = channelWith(SLOTS + OUTBOX)

  test('takes its place in the outbox while there is one', () => {
    expect(slots.outbox).toHaveLength(0)
    expect(routes([slots], 1_000n)).toMatchObject({ ok: true, value: [{ amountMsat: 1_000n }] })
    expect(routes([channelWith(SLOTS + OUTBOX - 1)], 1_000n).ok).toBe(true)
  })

  test('past that has to wait with whoever pays: more is on its way than fits, which is no lack of balance', () => {
    expect(outbox.outbox).toHaveLength(OUTBOX)
    for (const parts of [true, false])
      expect(refused(routes([outbox], 1_000n, { parts }))).toMatchObject({
        code: 'exceedsSpendable',
        data: { reason: 'inFlight', spendableMsat: '0' },
      })
  })

  test('is refused at once when the balance will not bear it and its fees either, to the millisatoshi', () => {
    for (const channel of [channelWith(0), slots, outbox]) {
      const bears: Msat = spendableInTime(channel)
      expect(refused(routes([channel], bears - 1_000n))?.data?.['reason']).toBe(
        channel === outbox ? 'inFlight' : undefined,
      )
      for (const parts of [true, false])
        expect(refused(routes([channel], bears - 999n, { parts }))).toMatchObject({
          code: 'exceedsSpendable',
          data: {
            reason: 'balance',
            spendableMsat: `${bears}`,
            totalSpendableMsat: `${bears}`,
          },
        })
    }
  })

  test('waits for it rather than be told that the way over another one is too dear', () => {
    const two = [slots, channelWith(0, OTHER)]
    const hints = [hint(MID, 1_000), hint(OTHER, 50_000)]
    expect(routes(two, 1_000n, { hints })).toMatchObject({ ok: true, value: [{ channelId: slots.id }] })
    expect(refused(routes([outbox, two[1] as Channel], 1_000n, { hints }))?.data?.['reason']).toBe('inFlight')
    expect(refused(routes([two[1] as Channel], 1_000n, { hints }))?.data?.['reason']).toBe('feeLimit')
    // And takes the other one where that is cheap enough.
    const cheap = [hint(MID, 1_000), hint(OTHER, 9_000)]
    expect(routes(two, 1_000n, { hints: cheap })).toMatchObject({
      ok: true,
      value: [{ channelId: (two[1] as Channel).id }],
    })
  })

  test('waits a moment where a hop on the only way was full just now, and goes that way again; not where this payment has tried it', () => {
    const channel = channelWith(0)
    const way = routes([channel], 1_000n)
    const route = way.ok ? way.value[0] : undefined
    if (route === undefined) throw new Error('no route')
    const history = learn(emptyHistory, {
      route,
      at: NOW,
      result: { type: 'hopFailed', failedHop: 1, any: false },
    })
    const again = (now: number, excluded: Excluded = {}) => {
      const found = routes([channel], 1_000n, { excluded }, { history, now })
      return found.ok ? 'goes' : `${found.error.code} ${found.error.data?.['reason']}`
    }
    expect(again(NOW)).toBe('noRoute inFlight')
    expect(again(NOW + 3_000)).toBe('goes')
    expect(again(NOW, { nodes: new Set([MID]) })).toBe('noRoute noneFits')
  })
})
