import { describe, expect, it } from 'vitest'
import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import { connected, hasCoins, opened, paid, reach } from './scenario.ts'
import { World } from './world.ts'

/** Payments through others: a row of nodes, each with a channel to the next. */

const names = ['ada', 'ben', 'cal', 'dan', 'eve'] as const

function row(nodes: number): World {
  const world = new World({ nodes, forwards: true, formats: ['lcp', 'anchors_zero_fee_htlc_tx'] })
  const used = names.slice(0, nodes)
  reach(world, [
    ...used.slice(0, -1).map((name) => hasCoins(name, 1_000_000)),
    ...used.slice(0, -1).flatMap((name, i) => {
      const next = used[i + 1] as (typeof names)[number]
      return [connected(name, next), opened(name, next, 800_000, 300_000_000)]
    }),
  ])
  world.settle()
  world.notes.delete('goal')
  return world
}

describe('a row of three', () => {
  const world = row(3)

  it('the first pays the last through the second, who keeps its fee to the msat', () => {
    const fork = world.fork(1)
    reach(fork, [paid('ada', 'cal', 50_000_000)])
    const ben = fork.stateOf(fork.node('ben'))
    expect(ben.forwards).toEqual({
      count: 1,
      amountMsat: 50_000_000n,
      feeMsat: 1_000n + 5_000n,
      lostMsat: 0n,
    })
    expect(ben.circuits).toEqual({})
    const payment = entries(fork.stateOf(fork.node('ada')).payments)[0]
    expect(payment).toMatchObject({ state: 'succeeded', feeMsat: msat(6_000) })
    expect(payment?.attempts[0]?.hops).toEqual([fork.node('ben').id, fork.node('cal').id])
  })
})
