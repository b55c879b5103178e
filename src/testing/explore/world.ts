import { Lists, Table, Tuples } from './intern.ts'
import { type Edge, Machine, Messages } from './machine.ts'
import { openPlayers, opsOf } from './pair.ts'
import { type Name, type Scenario, widestWindow } from './scenarios.ts'
import type { Fault } from './fault.ts'
import { step } from './step.ts'

/** The whole: two machines, what each has on disk, the two directions of the link, and what was ever signed. */

export const NAMES: readonly Name[] = ['alice', 'bob']

/** Words of a state. */
export const ALICE = 0
export const ALICE_DISK = 1
export const BOB = 2
export const BOB_DISK = 3
/** What is on its way from alice to bob, and back. */
export const FROM_ALICE = 4
export const FROM_BOB = 5
/** The contents that each side has ever signed and the peer may still hold against it. */
export const SIGNED = 6
/** A copy of a disk: 0 when none was made, then side and state (`backupWord`), and −1 once a process has come back with it. */
export const BACKUP = 7
const WORDS = 8
const RESTORED = -1
const backupWord = (side: number, local: number): number => 1 + side + 2 * local

export interface Settings {
  readonly scenario: Scenario
  readonly formatName: string
  readonly window: number
  /** Operations a side. */
  readonly updates: number
  /** Times that the link may drop or a process end. */
  readonly drops: number
  /** Whether processes end, too: around every write. */
  readonly crash: boolean
  /** Whether a process may come back once with an older state than it had (lcp.md rule 10). */
  readonly stale: boolean
  /** Operations that one turn may do, 1 or 2. */
  readonly batch: number
  readonly fault?: Fault
}

export type Action =
  | { readonly type: 'turn'; readonly side: number; readonly outcome: Outcome }
  | { readonly type: 'write'; readonly side: number }
  | { readonly type: 'drop' }
  | { readonly type: 'crash'; readonly side: number }
  | { readonly type: 'backup'; readonly side: number }
  | { readonly type: 'restore'; readonly side: number }

/** A turn: some messages, perhaps operations, one flush. */
export interface Outcome {
  readonly received: number
  readonly ops: readonly { readonly name: string }[]
  readonly next: number
  readonly rest: number
  readonly sends: number
  readonly needs: number
  readonly problem?: string
  readonly hangsUp?: boolean
}

export interface Step {
  readonly action: Action
  readonly state: number
  readonly problem?: string
}

type Signed = readonly [ReadonlyMap<number, string>, ReadonlyMap<number, string>]

export class World {
  readonly settings: Settings
  readonly states = new Tuples(WORDS)
  readonly lists = new Lists()
  readonly messages = new Messages()
  readonly machines: readonly [Machine, Machine]
  readonly start: number
  readonly #outcomes = new Map<number, readonly Outcome[]>()
  readonly #signed = new Table<Signed>()
  readonly #signedAfter = new Map<number, { readonly id: number; readonly problem?: string }>()

  constructor(settings: Settings) {
    this.settings = settings
    const { scenario, formatName, window, updates, fault } = settings
    const players = openPlayers(scenario, formatName, window)
    const widest = (name: Name) => widestWindow(scenario, name, window)
    const about = (name: Name) => ({
      widest: { ours: widest(name), theirs: widest(name === 'alice' ? 'bob' : 'alice') },
      step: fault?.step?.(step, players) ?? step,
      ops: opsOf(scenario, name, updates),
      messages: this.messages,
      lists: this.lists,
      overlooks: fault?.overlooks,
      mayFail: settings.stale,
    })
    const { alice, bob } = players
    this.machines = [
      new Machine(alice, bob.ctx.signer, about('alice')),
      new Machine(bob, alice.ctx.signer, about('bob')),
    ]
    const [a, b] = [this.machines[0].start, this.machines[1].start]
    const none: Signed = [new Map(), new Map()]
    let signed = this.#signed.of(signedKey(none), () => none)
    signed = this.#sign(signed, 0, a).id
    signed = this.#sign(signed, 1, b).id
    this.start = this.states.of([a, a, b, b, 0, 0, signed, 0])
  }

  /** Everything that may happen next, a lost connection only while the budget lasts. */
  successors(state: number, budget: number): readonly Step[] {
    const steps: Step[] = []
    for (const side of [0, 1]) {
      if (this.#lagging(state, side)) steps.push(this.#write(state, side))
      const outcomes = this.#turns(side, this.#mem(state, side), this.#incoming(state, side))
      for (const outcome of outcomes) steps.push(this.#turn(state, side, outcome))
    }
    if (budget > 0) steps.push(...this.losses(state))
    if (this.settings.stale) steps.push(...this.#copies(state))
    return steps
  }

  /** Whether a process has come back with an older state. */
  restored(state: number): boolean {
    return this.states.word(state, BACKUP) === RESTORED
  }

  /** A disk is copied, or put back in place of what was written since. */
  #copies(state: number): readonly Step[] {
    const copy = this.states.word(state, BACKUP)
    if (copy === RESTORED) return []
    if (copy > 0) {
      const side = (copy - 1) % 2
      const local = (copy - 1 - side) / 2
      return local === this.#disk(state, side) ? [] : [this.#lose(state, side, local)]
    }
    return [0, 1].map((side) => {
      const words = this.#words(state)
      words[BACKUP] = backupWord(side, this.#disk(state, side))
      return this.#step({ type: 'backup', side }, words, undefined)
    })
  }

  /** The connection drops; with crashes, also because a process ended. */
  losses(state: number): readonly Step[] {
    const steps = [this.#lose(state, undefined)]
    if (this.settings.crash) steps.push(this.#lose(state, 0), this.#lose(state, 1))
    return steps
  }

  /** What happens when nothing more is wanted: undefined at rest. */
  settle(state: number): Step | undefined {
    for (const side of [0, 1]) if (this.#lagging(state, side)) return this.#write(state, side)
    for (const side of [0, 1]) {
      const incoming = this.#incoming(state, side)
      const all = this.lists.at(incoming).length
      if (all > 0) return this.#turn(state, side, this.turn(side, this.#mem(state, side), incoming, all))
    }
    return undefined
  }

  mem(state: number, side: number): number {
    return this.#mem(state, side)
  }

  #mem(state: number, side: number): number {
    return this.states.word(state, side === 0 ? ALICE : BOB)
  }

  #disk(state: number, side: number): number {
    return this.states.word(state, side === 0 ? ALICE_DISK : BOB_DISK)
  }

  #lagging(state: number, side: number): boolean {
    return this.#mem(state, side) !== this.#disk(state, side)
  }

  #incoming(state: number, side: number): number {
    return this.states.word(state, side === 0 ? FROM_BOB : FROM_ALICE)
  }

  #words(state: number): number[] {
    return Array.from({ length: WORDS }, (_, i) => this.states.word(state, i))
  }

  #machine(side: number): Machine {
    return this.machines[side === 0 ? 0 : 1]
  }

  /** The turns that a side may take with these messages waiting: any number of them, and operations at its end. */
  #turns(side: number, local: number, incoming: number): readonly Outcome[] {
    const key = (local * 2 ** 24 + incoming) * 2 + side
    const known = this.#outcomes.get(key)
    if (known !== undefined) return known
    const machine = this.#machine(side)
    const outcomes: Outcome[] = []
    const waiting = this.lists.at(incoming).length
    for (let received = 0; received <= waiting; received++) {
      const taken = this.#receive(machine, local, incoming, received)
      if (taken.problem !== undefined) {
        outcomes.push({ received, ops: [], rest: this.lists.rest(incoming, received), ...taken })
        break
      }
      if (received > 0) outcomes.push(this.#close(machine, taken, incoming, received, []))
      for (const first of machine.enabled(taken.next)) {
        const one = this.#op(machine, taken, first)
        if (one === undefined) continue
        const name = { name: machine.opName(first) }
        outcomes.push(this.#close(machine, one, incoming, received, [name]))
        if (this.settings.batch < 2 || one.problem !== undefined) continue
        for (const second of machine.enabled(one.next)) {
          const two = this.#op(machine, one, second)
          if (two === undefined) continue
          outcomes.push(
            this.#close(machine, two, incoming, received, [name, { name: machine.opName(second) }]),
          )
        }
      }
    }
    this.#outcomes.set(key, outcomes)
    return outcomes
  }

  /** A turn of some messages and no operation. */
  turn(side: number, local: number, incoming: number, received: number): Outcome {
    const machine = this.#machine(side)
    return this.#close(machine, this.#receive(machine, local, incoming, received), incoming, received, [])
  }

  #receive(machine: Machine, local: number, incoming: number, count: number): Edge {
    let edge: Edge = { next: local, sends: 0, needs: 0 }
    for (const message of this.lists.at(incoming).slice(0, count)) {
      if (edge.problem !== undefined || edge.hangsUp === true) break
      edge = this.#then(edge, machine.message(edge.next, message))
    }
    return edge
  }

  #op(machine: Machine, edge: Edge, input: number): Edge | undefined {
    const next = machine.op(edge.next, input)
    return next === undefined ? undefined : this.#then(edge, next)
  }

  #close(machine: Machine, edge: Edge, incoming: number, received: number, ops: Outcome['ops']): Outcome {
    const end = edge.problem === undefined ? this.#then(edge, machine.flush(edge.next)) : edge
    return { received, ops, rest: this.lists.rest(incoming, received), ...end }
  }

  #then(edge: Edge, next: Edge): Edge {
    return {
      next: next.next,
      sends: this.lists.concat(edge.sends, next.sends),
      needs: Math.max(edge.needs, next.needs),
      ...(next.problem === undefined ? {} : { problem: next.problem }),
      ...(edge.hangsUp === true || next.hangsUp === true ? { hangsUp: true } : {}),
    }
  }

  #turn(state: number, side: number, outcome: Outcome): Step {
    const action: Action = { type: 'turn', side, outcome }
    const words = this.#words(state)
    const machine = this.#machine(side)
    const before = this.#mem(state, side)
    const disk = this.#written(machine, this.#disk(state, side), before, outcome.next)
    words[side === 0 ? ALICE : BOB] = outcome.next
    words[side === 0 ? ALICE_DISK : BOB_DISK] = disk
    words[side === 0 ? FROM_BOB : FROM_ALICE] = outcome.rest
    const out = side === 0 ? FROM_ALICE : FROM_BOB
    words[out] = this.lists.concat(words[out] as number, outcome.sends)
    if (outcome.problem !== undefined) return { action, state, problem: outcome.problem }
    let problem: string | undefined
    if (!this.#overlooked('C: revokes') && outcome.needs > machine.at(disk).channel.localTip.number) {
      problem = `C: ${machine.name} revokes ${outcome.needs - 1} before a signature for ${outcome.needs} is on disk`
    }
    const signed = this.#sign(words[SIGNED] as number, side, outcome.next)
    words[SIGNED] = signed.id
    problem ??= signed.problem
    if (this.settings.crash && disk === outcome.next) problem ??= machine.writeProblem(before, disk)
    if (outcome.hangsUp !== true || problem !== undefined) return this.#step(action, words, problem)
    // Only a process that has forgotten something gives its peer a reason to hang up.
    const { name } = machine
    if (!this.restored(state)) return this.#step(action, words, `${name} hangs up for a fault of its peer’s`)
    const { state: next, problem: after } = this.#lose(this.states.of(words), undefined)
    return after === undefined ? { action, state: next } : { action, state: next, problem: after }
  }

  /** What is on disk when a turn's messages go out: all of it, unless a fault writes in another order. */
  #written(machine: Machine, disk: number, before: number, after: number): number {
    const late = this.settings.fault?.disk
    if (late === undefined) return after
    const [from, to] = [machine.at(before), machine.at(after)]
    const stored = late(from.channel, to.channel)
    if (stored === to.channel) return after
    if (stored === from.channel) return disk
    return machine.local(stored, to.node)
  }

  #write(state: number, side: number): Step {
    const words = this.#words(state)
    words[side === 0 ? ALICE_DISK : BOB_DISK] = this.#mem(state, side)
    return this.#step({ type: 'write', side }, words, undefined)
  }

  /** The connection is lost, perhaps because `crashed` ended, and made again; both greet. */
  #lose(state: number, crashed: number | undefined, older?: number): Step {
    const words = this.#words(state)
    let action: Action = { type: 'drop' }
    if (crashed !== undefined) action = { type: older === undefined ? 'crash' : 'restore', side: crashed }
    if (crashed !== undefined && older !== undefined) {
      words[BACKUP] = RESTORED
      words[SIGNED] = this.#forget(words[SIGNED] as number, crashed, this.#mem(state, 1 - crashed))
    }
    let problem: string | undefined
    for (const side of [0, 1]) {
      const machine = this.#machine(side)
      const lagging = this.#lagging(state, side)
      const edge =
        side === crashed
          ? machine.reload(older ?? this.#disk(state, side))
          : machine.reconnect(this.#mem(state, side))
      problem ??= edge.problem
      words[side === 0 ? ALICE : BOB] = edge.next
      if (!lagging || side === crashed) words[side === 0 ? ALICE_DISK : BOB_DISK] = edge.next
      words[side === 0 ? FROM_ALICE : FROM_BOB] = edge.sends
    }
    return this.#step(action, words, problem)
  }

  #step(action: Action, words: readonly number[], problem: string | undefined): Step {
    const found =
      problem ?? (words[BACKUP] === RESTORED ? this.#courtProblem(words) : this.#pairProblem(words))
    const state = this.states.of(words)
    return found === undefined ? { action, state } : { action, state, problem: found }
  }

  /** Notes what a side has signed; a number signed with a second content is found here, whatever the side has forgotten. */
  #sign(signed: number, side: number, local: number): { readonly id: number; readonly problem?: string } {
    const key = (local * 2 ** 24 + signed) * 2 + side
    const known = this.#signedAfter.get(key)
    if (known !== undefined) return known
    const { channel } = this.#machine(side).at(local)
    const before = this.#signed.at(signed)
    const contents = new Map(before[side === 0 ? 0 : 1])
    let problem: string | undefined
    for (const { number, txid } of [channel.remoteTail, ...channel.remotePending]) {
      const earlier = contents.get(number)
      if (earlier !== undefined && earlier !== txid) {
        problem = `D: ${this.#machine(side).name} signs number ${number} with two contents`
      }
      contents.set(number, txid)
    }
    for (const number of contents.keys()) if (number < channel.remoteTail.number) contents.delete(number)
    const after: Signed = side === 0 ? [contents, before[1]] : [before[0], contents]
    const id = this.#signed.of(signedKey(after), () => after)
    const made = problem === undefined ? { id } : { id, problem }
    this.#signedAfter.set(key, made)
    return made
  }

  /** With the state a side also forgets what it signed; it is held to what the peer has. */
  #forget(signed: number, side: number, peer: number): number {
    const before = this.#signed.at(signed)
    const held = this.#machine(1 - side).at(peer).channel.localTip.number
    const kept = new Map([...before[side === 0 ? 0 : 1]].filter(([number]) => number <= held))
    const after: Signed = side === 0 ? [kept, before[1]] : [before[0], kept]
    return this.#signed.of(signedKey(after), () => after)
  }

  #overlooked(problem: string): boolean {
    return this.settings.fault?.overlooks?.test(problem) === true
  }

  /** Nobody gives a commitment to the chain that the peer can punish, whatever it has forgotten (rule 10). */
  #courtProblem(words: readonly number[]): string | undefined {
    for (const side of [0, 1]) {
      const { node } = this.#machine(side).at(words[side === 0 ? ALICE : BOB] as number)
      const peer = this.#machine(1 - side).at(words[side === 0 ? BOB : ALICE] as number)
      if (node.broadcast === undefined) continue
      const { name } = this.#machine(side)
      if (node.broadcast < peer.channel.remoteTail.number) {
        return `G: ${name} broadcasts commitment ${node.broadcast}, which it has revoked`
      }
    }
    return undefined
  }

  /** What the two sides say of each other (lcp.md A, C and E), and what either says of itself. */
  #pairProblem(words: readonly number[]): string | undefined {
    for (const side of [0, 1]) {
      const own = this.#machine(side)
      const other = this.#machine(1 - side)
      const { failure } = own.at(words[side === 0 ? ALICE : BOB] as number).channel
      if (failure !== undefined) return `${own.name} fails the channel: ${failure.code}: ${failure.reason}`
      const x = own.facts(words[side === 0 ? ALICE : BOB] as number)
      if (x.problem !== undefined && !this.#overlooked(x.problem)) return `${x.problem} (${own.name})`
      const y = other.facts(words[side === 0 ? BOB : ALICE] as number)
      const position = y.localNumber - x.tailNumber
      if (position < 0 && this.#overlooked('C: revocation')) continue
      if (position < 0) return `C: ${own.name} has a revocation that ${other.name} does not know of`
      const txid = x.txids[position]
      if (txid === undefined) return `E: ${other.name} holds a signature that ${own.name} does not know of`
      if (txid !== y.localTxid)
        return `A: ${own.name} signed another commitment ${y.localNumber} than ${other.name} holds`
      if (x.heldThrough > y.grantedThrough && !this.#overlooked('E: points'))
        return `E: ${own.name} holds points that ${other.name} did not grant`
    }
    return undefined
  }
}

const signedKey = (signed: Signed): string =>
  signed.map((contents) => [...contents].map(([n, txid]) => `${n}=${txid}`).join()).join(' ')
