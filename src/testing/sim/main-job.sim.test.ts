import { describe, expect, test } from 'vitest'
import { restProblem } from './invariants.ts'
import { mainJob, reach } from './scenario.ts'
import { World } from './world.ts'

/** The main job of two nodes, and what may happen to it. */

const FORMATS = ['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey']

/** Brings a world to the end of the main job and to rest; a problem says what became of it. */
function finish(world: World, what: string): void {
  try {
    reach(world, mainJob())
    world.settle()
    world.checkStores()
    const problem = restProblem(world)
    if (problem !== undefined) throw new Error(problem)
  } catch (error) {
    throw new Error(`${what}: ${String(error)}\n${world.trace.slice(-60).join('\n')}`, { cause: error })
  }
}

describe.each(FORMATS)('%s', (format) => {
  test('fund, open, pay both ways, close cooperatively: every satoshi is where it belongs', () => {
    const world = new World({ formats: [format] })
    finish(world, 'undisturbed')
    expect(world.chain.refused).toEqual([])
    const close = Object.values(world.stateOf(world.node('ada')).channels)[0]?.closing?.tx
    expect(close?.outputs.map((o) => o.valueSat)).toContain(100_457n)
  })

  test('a crash at every write, before it or before its effects, is survived', () => {
    const worlds: { world: World; what: string }[] = []
    const base = new World({ formats: [format] })
    base.crashAt = (node, writes) => {
      for (const when of ['before', 'after'] as const) {
        const world = base.fork()
        const victim = world.node(node.name)
        if (when === 'after') victim.commit(writes)
        const what = `${node.name} dies ${when} write ${base.writes} (${writes.map((w) => w.key.slice(0, 14)).join(' ')})`
        world.log(what)
        world.crash(victim)
        worlds.push({ world, what })
      }
      return undefined
    }
    finish(base, 'undisturbed')
    expect(worlds.length).toBeGreaterThan(100)
    for (const { world, what } of worlds) {
      // The undisturbed run has compared store and state after every write.
      world.checkStoreEvery = 10
      finish(world, what)
    }
  })

  test('a link that drops after every single message is survived', () => {
    const worlds: { world: World; what: string }[] = []
    const base = new World({ formats: [format] })
    base.onDelivered = (count, link) => {
      const world = base.fork()
      world.cut(world.links[base.links.indexOf(link)] ?? link)
      worlds.push({ world, what: `the link drops after message ${count}` })
    }
    finish(base, 'undisturbed')
    expect(worlds.length).toBeGreaterThan(30)
    for (const { world, what } of worlds) {
      // The undisturbed run has compared store and state after every write.
      world.checkStoreEvery = 10
      finish(world, what)
    }
  })
})
