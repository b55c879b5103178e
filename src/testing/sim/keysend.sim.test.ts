import { expect, test } from 'vitest'
import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import { restProblem } from './invariants.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { World } from './world.ts'

/** A payment that nobody asked for, and what may happen around it: no invoice says what it was, so the records of both must. */

const AMOUNT = msat(1_234_567)

/** Ada pays ben; `watch` may hang its hooks into the world once the channel stands. */
function payment(watch: (world: World) => void): World {
  const world = new World({ formats: ['lcp'], window: 4 })
  reach(world, [
    hasCoins('ada', 900_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000, 100_000_000),
  ])
  world.settle()
  watch(world)
  world.command(world.node('ada'), {
    type: 'sendSpontaneous',
    destination: world.node('ben').id,
    amountMsat: AMOUNT,
    timeoutSeconds: 3_600,
  })
  world.settle()
  return world
}

/** What became of it once all has come to rest; both sides must say the same. */
function outcome(world: World, what: string): string {
  world.settle()
  world.checkStores()
  const problem = restProblem(world)
  if (problem !== undefined) throw new Error(`${what}: ${problem}\n${world.trace.slice(-40).join('\n')}`)
  const sent = entries(world.stateOf(world.node('ada')).payments)
  const received = entries(world.stateOf(world.node('ben')).invoices)
  const paid = sent.filter((payment) => payment.state === 'succeeded')
  expect(received.length, what).toBe(paid.length)
  for (const record of received)
    expect(record, what).toMatchObject({ spontaneous: true, receivedMsat: AMOUNT })
  expect(world.stateOf(world.node('ben')).spontaneous, what).toBe(received.length)
  if (sent[0] === undefined) return 'never begun'
  return sent[0].state === 'failed' ? (sent[0].error?.data?.['failure'] as string) : 'paid'
}

test('arrives once, whichever write either side dies around and whichever message the link drops after', () => {
  const worlds: { world: World; what: string }[] = []
  const base = payment((world) => {
    world.crashAt = (node, writes) => {
      for (const when of ['before', 'after'] as const) {
        const other = world.fork()
        const victim = other.node(node.name)
        if (when === 'after') victim.commit(writes)
        other.crash(victim)
        worlds.push({ world: other, what: `${node.name} dies ${when} write ${world.writes}` })
      }
      return undefined
    }
    world.onDelivered = (count, link) => {
      const other = world.fork()
      other.cut(other.links[world.links.indexOf(link)] ?? link)
      worlds.push({ world: other, what: `the link drops after message ${count}` })
    }
  })
  expect(outcome(base, 'undisturbed')).toBe('paid')
  expect(worlds.length).toBeGreaterThan(15)
  const outcomes = new Map<string, string[]>()
  for (const { world, what } of worlds) {
    const how = outcome(world, what)
    outcomes.set(how, [...(outcomes.get(how) ?? []), what])
  }
  // Only where ada dies before she has written that she pays is nothing begun.
  expect(outcomes.get('never begun')).toEqual([expect.stringMatching(/^ada dies before/)])
  // Ben, just back, does not know the height yet: he says so, and nothing has moved.
  for (const what of outcomes.get('temporary_node_failure') ?? []) expect(what).toMatch(/^ben dies/)
  expect(outcomes.get('paid')?.length).toBeGreaterThan(worlds.length / 2)
  expect([...outcomes.keys()].toSorted()).toEqual(['never begun', 'paid', 'temporary_node_failure'])
})
