import type { ChannelPolicy } from '../../engine/channel/policy.ts'
import { msat } from '../../engine/base/units.ts'

/** What the two nodes want of their channel while it is explored. */

/** One thing that a side does once, whenever it may. Adds of a side go in their order, the rest at any time. */
export type Op =
  | { readonly type: 'add'; readonly msat: number }
  /** Settles, or fails, any received HTLC that is locked in. */
  | { readonly type: 'fulfill' }
  | { readonly type: 'fail' }
  | { readonly type: 'malformed' }
  | { readonly type: 'fee'; readonly feeratePerKw: number }
  | { readonly type: 'close' }
  /** Another window for the peer from now on (lcp.md rule 5); nothing in BOLT's own formats. */
  | { readonly type: 'window'; readonly window: number }
  /** The funding transaction reaches its depth. */
  | { readonly type: 'confirm' }

export type Name = 'alice' | 'bob'

export interface Scenario {
  readonly name: string
  readonly about: string
  /** The opener, who pays the fees, and the accepter: each does the first N of its list (`--updates N`). */
  readonly alice: readonly Op[]
  readonly bob: readonly Op[]
  /** HTLCs offered and locked in before exploring begins, millisatoshi. */
  readonly live?: { readonly alice?: readonly number[]; readonly bob?: readonly number[] }
  readonly fundingSat?: number
  readonly pushMsat?: number
  readonly feeratePerKw?: number
  readonly policy?: Partial<ChannelPolicy>
  /** Exploring begins before `channel_ready`. */
  readonly unconfirmed?: boolean
}

const add = (sat: number): Op => ({ type: 'add', msat: sat * 1000 })
const fee = (feeratePerKw: number): Op => ({ type: 'fee', feeratePerKw })
const fulfill: Op = { type: 'fulfill' }
const fail: Op = { type: 'fail' }
const close: Op = { type: 'close' }
const window = (points: number): Op => ({ type: 'window', window: points })

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'mixed',
    about: 'an HTLC live each way; adds, one of them trimmed, a settle, a fail and a fee update',
    live: { alice: [20_000_000], bob: [15_000_000] },
    alice: [add(10_000), fulfill, fee(2000)],
    bob: [fail, add(1), add(7_000)],
  },
  {
    name: 'adds',
    about: 'both sides stream payments at once',
    alice: [add(10_000), add(11_000), add(2)],
    bob: [add(7_000), add(1), add(8_000)],
  },
  {
    name: 'life',
    about: 'HTLCs are added and removed within the exploration',
    alice: [add(10_000), fulfill, { type: 'malformed' }],
    bob: [fulfill, add(1), add(7_000)],
  },
  {
    name: 'removals',
    about: 'HTLCs live each way are settled and failed, an add takes the place of one',
    live: { alice: [20_000_000, 21_000_000], bob: [15_000_000, 1_000] },
    alice: [fulfill, fail, add(3)],
    bob: [fail, fulfill, add(4)],
  },
  {
    name: 'fees',
    about: 'the feerate moves while HTLCs near the trimming threshold cross',
    live: { bob: [1_500_000] },
    alice: [fee(2500), add(1_500), fee(500)],
    bob: [add(1_100), fail, add(900)],
  },
  {
    name: 'tight',
    about:
      'balances that allow an add only once a failed one is back; fees that cross adds at the edge of what the opener has',
    fundingSat: 100_000,
    pushMsat: 50_000_000,
    feeratePerKw: 5000,
    live: { alice: [25_000_000] },
    alice: [add(20_000), fee(6000), add(4_000)],
    bob: [fail, add(30_000), add(12_000)],
  },
  {
    name: 'edge',
    about: 'all that the opener can just pay for, while adds of the accepter make its commitments dearer',
    fundingSat: 100_000,
    pushMsat: 50_000_000,
    feeratePerKw: 5000,
    alice: [add(41_800), fee(7000), add(20_000)],
    bob: [add(2_000), add(3_000), fail],
  },
  {
    name: 'slots',
    about: 'one HTLC a direction: what exceeds it waits and is not lost',
    policy: { maxAcceptedHtlcs: 1 },
    live: { bob: [5_000_000] },
    alice: [add(10_000), fulfill, add(9_000)],
    bob: [fulfill, add(7_000), add(6_000)],
  },
  {
    name: 'dust',
    about: 'dust in flight is bounded a direction: what exceeds it waits',
    policy: { maxDustInFlightMsat: msat(300_000n) },
    live: { alice: [200_000], bob: [200_000] },
    alice: [add(200), fail, add(90)],
    bob: [fulfill, add(250), add(50)],
  },
  {
    name: 'close',
    about: 'cooperative close while an add is under way',
    live: { alice: [20_000_000] },
    alice: [close, add(1_000), add(2)],
    bob: [fulfill, close, add(7_000)],
  },
  {
    name: 'ready',
    about: 'channel_ready, and the first updates',
    unconfirmed: true,
    alice: [{ type: 'confirm' }, add(10_000), add(2)],
    bob: [{ type: 'confirm' }, add(7_000), add(1)],
  },
  {
    name: 'windows',
    about: 'both sides widen and narrow the windows that they grant while payments cross',
    alice: [window(4), add(10_000), window(1)],
    bob: [add(7_000), window(1), window(3)],
  },
  {
    name: 'narrow',
    about: 'windows that close to one point, and open again, while HTLCs are settled and offered',
    live: { alice: [20_000_000], bob: [15_000_000] },
    alice: [window(1), fulfill, window(4)],
    bob: [fail, add(3), window(1)],
  },
]

/** The widest window that a side has in a scenario whose channel begins with `window`. */
export const widestWindow = (scenario: Scenario, name: Name, window: number): number =>
  Math.max(window, ...scenario[name].map((op) => (op.type === 'window' ? op.window : 0)))

export const scenarioNamed = (name: string): Scenario => {
  const scenario = SCENARIOS.find((s) => s.name === name)
  if (scenario === undefined) {
    throw new Error(`no scenario ${name}; there are ${SCENARIOS.map((s) => s.name).join(', ')}`)
  }
  return scenario
}
