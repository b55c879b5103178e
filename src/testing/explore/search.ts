import { Column } from './intern.ts'
import { drainProblem } from './drain.ts'
import { failedProblem, settledProblem } from './settled.ts'
import { type Settings, type Step, World } from './world.ts'

/** Breadth first over everything that two machines and their link can do; the first thing wrong is reached by the shortest way. */

export interface Violation {
  readonly problem: string
  /** From the beginning to what is wrong; the last steps may be those of settling. */
  readonly steps: readonly Step[]
  /** How many of the steps were chosen; the others follow by delivering what is in flight. */
  readonly chosen: number
}

export interface Report {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  readonly seconds: number
  readonly exhausted: boolean
  /** Different states of either machine, and different ends that were reached. */
  readonly locals: readonly [number, number]
  readonly ends: number
  readonly violation?: Violation
}

export interface Limits {
  readonly maxStates?: number
  readonly maxSeconds?: number
  /** Called now and then. */
  progress?(states: number, queued: number, depth: number): void
}

/** A walk to rest takes at most this many turns. */
const MAX_SETTLE = 400

const SETTLES = 1

class Search {
  readonly world: World
  /** Per state: 1 when settling from it ends well. */
  readonly settles = new Column()
  readonly ends = new Map<string, string | undefined>()
  /** Per state: one more than the largest budget it was visited with. */
  readonly visited = new Column()
  readonly nodes = { state: new Column(), budget: new Column(), parent: new Column(), step: new Column() }

  constructor(settings: Settings) {
    this.world = new World(settings)
  }

  /** Queues a state unless it was reached before with as much budget. */
  visit(state: number, budget: number, parent: number, step: number): boolean {
    if (this.visited.at(state) > budget) return false
    this.visited.set(state, budget + 1)
    this.nodes.state.push(state)
    this.nodes.budget.push(budget)
    this.nodes.parent.push(parent)
    this.nodes.step.push(step)
    return true
  }

  /** The steps from the beginning to a node. */
  pathTo(node: number): Step[] {
    const indexes: number[] = []
    for (let at = node; at > 0; at = this.nodes.parent.at(at)) indexes.push(at)
    const steps: Step[] = []
    for (const at of indexes.reverse()) {
      const parent = this.nodes.parent.at(at)
      const from = this.world.successors(this.nodes.state.at(parent), this.nodes.budget.at(parent))
      steps.push(from[this.nodes.step.at(at)] as Step)
    }
    return steps
  }

  /** Lets everything settle: the steps to what is wrong, or undefined when it ends in agreement (lcp.md F). */
  settleProblem(state: number, again = true): { problem: string; steps: readonly Step[] } | undefined {
    const passed: number[] = []
    const steps: Step[] = []
    let current = state
    while (this.settles.at(current) !== SETTLES) {
      passed.push(current)
      if (steps.length > MAX_SETTLE) return { problem: 'F: the two sides never fall silent', steps }
      const next = this.world.settle(current)
      if (next === undefined) {
        const end = this.#endProblem(current, again)
        if (end === undefined) break
        return { problem: end.problem, steps: [...steps, ...end.steps] }
      }
      steps.push(next)
      if (next.problem !== undefined) return { problem: next.problem, steps }
      current = next.state
    }
    if (again) for (const id of passed) this.settles.set(id, SETTLES)
    return undefined
  }

  /** At rest both must agree, also after one more connection. */
  #endProblem(state: number, again: boolean): { problem: string; steps: readonly Step[] } | undefined {
    const [alice, bob] = this.world.machines
    const [a, b] = [this.world.mem(state, 0), this.world.mem(state, 1)]
    const restored = this.world.restored(state)
    const failed = restored && alice.at(a).channel.failure !== undefined
    const key = `${a} ${b} ${restored}`
    if (!this.ends.has(key)) {
      const problem = failed
        ? failedProblem(alice.at(a), bob.at(b))
        : (settledProblem(alice, bob, a, b, restored) ?? drainProblem(this.world, a, b))
      this.ends.set(key, problem)
    }
    const problem = this.ends.get(key)
    if (problem !== undefined) return { problem, steps: [] }
    for (const [side, machine] of this.world.machines.entries()) {
      const id = this.world.mem(state, side)
      const edge = machine.flush(id)
      if (edge.sends !== 0) return { problem: `F: ${machine.name} still had something to say`, steps: [] }
    }
    if (!again) return undefined
    for (const loss of this.world.losses(state)) {
      if (loss.problem !== undefined) return { problem: loss.problem, steps: [loss] }
      const after = this.settleProblem(loss.state, false)
      if (after !== undefined) return { problem: after.problem, steps: [loss, ...after.steps] }
    }
    return undefined
  }
}

export function explore(settings: Settings, limits: Limits = {}): { report: Report; world: World } {
  const began = performance.now()
  const search = new Search(settings)
  const { world } = search
  let transitions = 0
  let depth = 0
  let layerEnd = 1
  let exhausted = true
  let violation: Violation | undefined
  search.visit(world.start, settings.drops, 0, 0)
  const fail = (node: number, problem: string, more: readonly Step[], chosen: number): void => {
    const path = search.pathTo(node)
    violation = { problem, steps: [...path, ...more], chosen: path.length + chosen }
  }
  const first = search.settleProblem(world.start)
  if (first !== undefined) fail(0, first.problem, first.steps, 0)

  for (let node = 0; node < search.nodes.state.length && violation === undefined; node++) {
    if (node === layerEnd) {
      depth += 1
      layerEnd = search.nodes.state.length
    }
    if ((node & 0x3fff) === 0) {
      limits.progress?.(search.nodes.state.length, search.nodes.state.length - node, depth)
      const late = limits.maxSeconds !== undefined && performance.now() - began > limits.maxSeconds * 1000
      const full = limits.maxStates !== undefined && search.nodes.state.length > limits.maxStates
      if (late || full) {
        exhausted = false
        break
      }
    }
    const state = search.nodes.state.at(node)
    const budget = search.nodes.budget.at(node)
    const steps = world.successors(state, budget)
    for (const [index, step] of steps.entries()) {
      transitions += 1
      if (step.problem !== undefined) {
        fail(node, step.problem, [step], 1)
        break
      }
      const lost = step.action.type === 'drop' || step.action.type === 'crash'
      if (!search.visit(step.state, lost ? budget - 1 : budget, node, index)) continue
      const settling = search.settleProblem(step.state)
      if (settling !== undefined) {
        fail(node, settling.problem, [step, ...settling.steps], 1)
        break
      }
    }
    if (violation !== undefined) break
    // From everywhere, with the budget used up as well: a lost connection, and then rest (lcp.md G).
    if (budget === 0) {
      for (const loss of world.losses(state)) {
        transitions += 1
        const after =
          loss.problem === undefined ? search.settleProblem(loss.state) : { problem: loss.problem, steps: [] }
        if (after === undefined) continue
        fail(node, after.problem, [loss, ...after.steps], 1)
        break
      }
    }
  }
  const report: Report = {
    states: search.nodes.state.length,
    transitions,
    depth,
    seconds: (performance.now() - began) / 1000,
    exhausted: exhausted && violation === undefined,
    locals: [world.machines[0].size, world.machines[1].size],
    ends: search.ends.size,
    ...(violation === undefined ? {} : { violation }),
  }
  return { report, world }
}
