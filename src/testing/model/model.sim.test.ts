import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { BROKEN, broken, type Healthy, healthy, REACHED } from './checks.ts'
import { replay } from './replay.ts'
import type { Simulated } from './quint.ts'
import type { TraceState } from './trace.ts'

const WINDOWS = ['1/1', '2/2', '3/1', '3/3']
const windowOf = (trace: readonly TraceState[]): string =>
  ['alice', 'bob'].map((name) => trace[0]?.setting.window.get(name)).join('/')

describe('the rules kept', () => {
  let result: Healthy
  beforeAll(async () => {
    result = await healthy({ samples: 80, seed: 1 }, 80)
  }, 900_000)

  test('A to G hold in every state of every run', () => {
    expect(result.output).toContain('[ok]')
    expect(result.ok).toBe(true)
  })

  test.each(REACHED)('some runs are about something: %s', (name) => {
    expect(result.seen[name]).toBeGreaterThan(10)
  })

  test.each(WINDOWS)('windows of %s: the engine does and holds what the model does', (window) => {
    const some = result.traces.filter((trace) => windowOf(trace) === window)
    expect(some.length).toBeGreaterThan(2)
    const actions = some.reduce((sum, trace) => sum + replay(trace), 0)
    expect(actions).toBeGreaterThan(40)
  })

  test('a replay notices a point of credit more, and a wish that the engine was not told of', () => {
    const wishing = (state: TraceState): boolean =>
      state.deed.wishes.some((wish) => wish.tag === 'Offer' && wish.value === 9_000_000)
    const trace = result.traces.find((t) => windowOf(t) === '2/2' && t.some(wishing))
    const last = trace?.at(-1)
    const bob = last?.sides.get('bob')
    if (trace === undefined || last === undefined || bob === undefined) throw new Error('no trace')
    const more = { ...last, sides: new Map(last.sides).set('bob', { ...bob, held: bob.held + 1 }) }
    expect(() => replay([...trace.slice(0, -1), more])).toThrow(/^bob: held: /)

    const silent = trace.map((state) =>
      wishing(state) ? { ...state, deed: { ...state.deed, wishes: [] } } : state,
    )
    expect(() => replay(silent)).toThrow(/: the engine has /)
  })
})

describe('a rule broken is seen, so that the invariants are about something', () => {
  let result: Simulated
  beforeAll(async () => {
    result = await broken({ samples: 240, seed: 1 })
  }, 900_000)

  test.each(BROKEN)('%s', (name) => {
    expect(result.seen[name]).toBeGreaterThan(0)
  })

  test('every rule that can be broken has its test', () => {
    const rules = readFileSync(new URL('rules.qnt', import.meta.url), 'utf8')
    const named = /val FAULTS = Set\(([^)]*)\)/.exec(rules)?.[1]?.match(/"[^"]+"/g) ?? []
    const camel = named.map((name) => name.slice(1, -1).replace(/-(.)/g, (_, c: string) => c.toUpperCase()))
    expect(camel.sort()).toEqual(BROKEN.toSorted())
  })
})
