import { uintBE, utf8 } from '../../engine/base/bytes.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { scriptFromAddress } from '../../engine/bitcoin/address.ts'
import { unwrap } from '../../engine/base/result.ts'
import { sha256 } from '../../engine/crypto/hash.ts'
import type { ApiFailure, Command, CommandResult } from '../../engine/node/commands.ts'
import { turn } from '../../engine/node/node.ts'
import type { NodeEffect, NodeInput, RecordWrite } from '../../engine/node/ports.ts'
import type { NodeState } from '../../engine/node/state.ts'
import type { Graph } from '../../engine/router/graph.ts'
import { concat } from '../../engine/base/bytes.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { seeded, type Random } from '../random.ts'
import { pay, SimChain } from './chain.ts'
import { channelProblem, reloadProblem } from './node-invariants.ts'
import { hangingProblem, tipProblem, waitsForTime } from './liveness.ts'
import { moneyProblem } from './money.ts'
import { NAMES, type Name, type NodeOptions, SimNode } from './node.ts'

type Item =
  | { readonly type: 'connected'; readonly address?: string }
  | { readonly type: 'message'; readonly bytes: Uint8Array }
  | { readonly type: 'closed' }

/** One side's view of a connection, with what is on its way to it. */
export interface End {
  readonly node: SimNode
  readonly connection: string
  /** The node counts on it: it has not read that it is closed. */
  open: boolean
  inbox: Item[]
}

export interface Link {
  readonly ends: readonly [End, End]
  /** Nothing more goes through; what was on its way may still be read. */
  severed: boolean
}

export interface WorldOptions extends NodeOptions {
  readonly nodes?: number
  readonly seed?: number
  /** Formats by node, where they differ. */
  readonly formatsOf?: Partial<Record<Name, readonly string[]>>
}

/** When a node dies: `before` its write the turn never happened; `after` it nothing that it decided is done. */
export type CrashPoint = 'before' | 'after'

/**
 * Whole nodes around one chain. Nothing happens by itself: every delivery, answer, tick, block, cut and crash is a call, so that a
 * script or a seeded scheduler decides on each.
 */
export class World {
  readonly chain: SimChain = new SimChain()
  /** What everybody knows of the network, where they know it; shared, and changed before lives begin only. */
  readonly graph: Graph | undefined
  readonly nodes: readonly SimNode[]
  readonly random: Random
  links: Link[] = []
  now = 1_900_000_000_000
  readonly trace: string[] = []
  /** Turns that wrote something, all nodes together. */
  writes = 0
  /** Messages delivered. */
  delivered = 0
  /** What a scenario remembers; part of the world, so that a fork goes on from there. */
  readonly notes = new Map<string, string>()
  /** Asked at every write; an answer kills the node there. */
  crashAt: (node: SimNode, writes: readonly RecordWrite[]) => CrashPoint | undefined = () => undefined
  /** Told after each message delivered. */
  onDelivered: (count: number, link: Link) => void = () => {}
  /** How likely each chain server answers in a turn of a life, where not 0.7; one at 0 never answers, at rest either. */
  paces: ReadonlyMap<string, number> = new Map()
  /** Compare the store with the state after every so many writes (it costs about as much as the turn). */
  checkStoreEvery = 1
  /** Add all money up after every so many writes, and whenever all have come to rest (every write: a fifth more time). */
  checkMoneyEvery = 5
  private readonly seed: number
  private entropy = 0
  private connections = 0
  private commands = 0

  constructor(options: WorldOptions = {}) {
    this.seed = options.seed ?? 0
    this.graph = options.graph
    this.random = seeded(this.seed)
    this.nodes = NAMES.slice(0, options.nodes ?? 2).map(
      (name) =>
        new SimNode(name, {
          ...options,
          ...(options.formatsOf?.[name] && { formats: options.formatsOf[name] }),
        }),
    )
    for (const node of this.nodes) this.turn(node, [{ type: 'tick' }])
  }

  /** A world that is like this one and goes its own way: for a script that wants to see every "what if" of a moment. */
  fork(seed = this.seed): World {
    const nodes = this.nodes.map((n) => n.fork())
    const twin = (node: SimNode): SimNode => nodes.find((n) => n.name === node.name) as SimNode
    const copy: World = Object.create(World.prototype) as World
    return Object.assign(copy, this, {
      chain: this.chain.fork(),
      nodes,
      seed,
      random: seeded(seed),
      links: this.links.map((link) => ({
        severed: link.severed,
        ends: link.ends.map((end) => ({ ...end, node: twin(end.node), inbox: [...end.inbox] })),
      })),
      trace: [...this.trace],
      notes: new Map(this.notes),
      pushes: new Map(this.pushes),
      crashAt: () => undefined,
      onDelivered: () => {},
    })
  }

  node(name: Name): SimNode {
    const found = this.nodes.find((n) => n.name === name)
    if (found === undefined) throw new Error(`no node ${name}`)
    return found
  }

  byId(nodeId: string): SimNode {
    const found = this.nodes.find((n) => n.id === nodeId)
    if (found === undefined) throw new Error(`no node ${nodeId}`)
    return found
  }

  stateOf(node: SimNode): NodeState {
    if (node.state === undefined) throw new Error(`${node.name} is down`)
    return node.state
  }

  log(text: string): void {
    this.trace.push(text)
  }

  // ---- turns -------------------------------------------------------------------------------------------------------

  /** One turn with its write and its effects, or a crash around the write. Returns whether the node lived through it. */
  turn(node: SimNode, inputs: readonly NodeInput[]): boolean {
    const before = this.stateOf(node)
    this.entropy += 1
    const entropySeed = sha256(concat(utf8(`sim ${this.seed}`), uintBE(this.entropy, 8)))
    const result = turn(before, node.setup, inputs, { now: this.now, entropySeed })
    const crash = result.writes.length === 0 ? undefined : this.crashAt(node, result.writes)
    if (result.writes.length > 0) this.writes += 1
    if (crash === 'before') {
      this.log(`${node.name} dies before write ${this.writes - 1}`)
      this.crash(node)
      return false
    }
    node.commit(result.writes)
    node.state = result.state
    this.check(node, before, result.writes.length > 0)
    if (crash === 'after') {
      this.log(`${node.name} dies after write ${this.writes - 1}`)
      this.crash(node)
      return false
    }
    for (const effect of result.effects) this.perform(node, effect)
    return true
  }

  private check(node: SimNode, before: NodeState, wrote: boolean): void {
    const state = this.stateOf(node)
    for (const channel of Object.values(state.channels)) {
      if (before.channels[channel.id] === channel) continue
      const problem = channelProblem(channel)
      if (problem !== undefined) throw new Error(`${node.name}: ${problem}`)
    }
    if (wrote && this.writes % this.checkMoneyEvery === 0) this.checkMoney(node)
    if (!wrote || this.writes % this.checkStoreEvery !== 0) return
    const problem = reloadProblem(node, state)
    if (problem !== undefined) throw new Error(`${node.name}: its store is not its state: ${problem}`)
  }

  /** What came in, less what went out, is what the node's map of its money shows. */
  checkMoney(node: SimNode): void {
    const problem =
      node.state && moneyProblem(node.state, (temporaryId) => this.pushes.get(temporaryId) ?? 0n)
    if (problem !== undefined) throw new Error(`${node.name}: ${problem}`)
  }

  private perform(node: SimNode, effect: NodeEffect): void {
    switch (effect.type) {
      case 'send': {
        const link = this.links.find((l) => l.ends.some((e) => e.connection === effect.connection))
        if (link === undefined || link.severed) return
        const [a, b] = link.ends
        const to = a.connection === effect.connection ? b : a
        for (const bytes of effect.messages) to.inbox.push({ type: 'message', bytes })
        return
      }
      case 'hangUp':
        this.log(`${node.name} hangs up: ${effect.reason}`)
        return this.closeEnd(effect.connection)
      case 'keepConnected':
        node.keep.add(effect.nodeId)
        return
      case 'letGo':
        node.keep.delete(effect.nodeId)
        return
      case 'esplora':
        if (this.paceOf(effect.server) > 0)
          node.requests.push({ id: effect.id, server: effect.server, request: effect.request })
        return
      case 'esploraCancel':
        node.requests = node.requests.filter((r) => r.id !== effect.id)
        return
      case 'readRecord':
        node.reads.push(effect.key)
        return
      case 'reply':
        node.replies.set(effect.id, effect.result)
        return
      case 'event':
        node.events.push(effect.event)
        if (LOUD.has(effect.event.type)) this.log(`${node.name}: ${JSON.stringify(effect.event, plain)}`)
        return
      case 'publish':
        node.published.push(effect.item)
        return
      case 'wakeAt':
        node.wakeAt = effect.ms
        return
      default:
        effect satisfies never
    }
  }

  // ---- connections -------------------------------------------------------------------------------------------------

  linkBetween(a: SimNode, b: SimNode): Link | undefined {
    return this.links.find(
      (l) => !l.severed && l.ends.some((e) => e.node === a) && l.ends.some((e) => e.node === b),
    )
  }

  /** `a` dials `b`; both read that they are connected in their own time. */
  connect(a: SimNode, b: SimNode): void {
    if (this.linkBetween(a, b) !== undefined) return
    this.log(`${a.name} connects to ${b.name}`)
    const end = (node: SimNode, address?: string): End => {
      this.connections += 1
      return {
        node,
        connection: `c${this.connections}`,
        open: true,
        inbox: [{ type: 'connected', ...(address === undefined ? {} : { address }) }],
      }
    }
    this.links.push({ ends: [end(a, `sim:${b.name}`), end(b)], severed: false })
  }

  /** Cuts a link. Of what is on its way each side still reads the first so many messages. */
  cut(link: Link, stillRead: (waiting: number) => number = () => 0): void {
    if (link.severed) return
    link.severed = true
    for (const end of link.ends) {
      if (!end.open) continue
      const messages = end.inbox.filter((i) => i.type !== 'connected').length
      const keep = end.inbox.length - messages + stillRead(messages)
      end.inbox = [...end.inbox.slice(0, keep), { type: 'closed' }]
    }
  }

  private closeEnd(connection: string): void {
    const link = this.links.find((l) => l.ends.some((e) => e.connection === connection))
    if (link === undefined) return
    this.cut(link, (n) => n)
    for (const end of link.ends) {
      if (end.connection !== connection) continue
      end.open = false
      end.inbox = []
    }
    this.sweepLinks()
  }

  private sweepLinks(): void {
    this.links = this.links.filter((l) => l.ends.some((e) => e.open))
  }

  /** Every node's store, now. */
  checkStores(): void {
    for (const node of this.nodes) {
      const problem = node.state === undefined ? undefined : reloadProblem(node, node.state)
      if (problem !== undefined) throw new Error(`${node.name}: its store is not its state: ${problem}`)
    }
  }

  /** The process dies; peers notice in their own time, and may still read what it had sent. */
  crash(node: SimNode, stillRead: (waiting: number) => number = (n) => n): void {
    for (const link of this.links) {
      if (!link.ends.some((e) => e.node === node)) continue
      this.cut(link, stillRead)
      for (const end of link.ends) {
        if (end.node !== node) continue
        end.open = false
        end.inbox = []
      }
    }
    this.sweepLinks()
    node.die()
  }

  /** Loads what the store holds and takes the first turn. */
  boot(node: SimNode): void {
    if (node.state !== undefined) return
    this.log(`${node.name} starts again`)
    node.state = node.load()
    this.turn(node, [{ type: 'tick' }])
  }

  /** Ends with something to read, at nodes that are up. */
  readable(): End[] {
    return this.links
      .flatMap((l) => l.ends)
      .filter((e) => e.open && e.inbox.length > 0 && e.node.state !== undefined)
  }

  /** Takes up to `count` items off an end's inbox, as inputs. */
  read(end: End, count = 1): NodeInput[] {
    const inputs: NodeInput[] = []
    const { connection, node } = end
    for (const item of end.inbox.splice(0, count)) {
      if (item.type === 'closed') {
        end.open = false
        inputs.push({ type: 'peerDisconnected', connection, reason: 'the connection is gone' })
        this.log(`${node.name} reads that ${connection} is closed`)
      } else if (item.type === 'connected') {
        const { address } = item
        inputs.push({
          type: 'peerConnected',
          connection,
          nodeId: this.peerOf(end).id,
          ...(address === undefined ? {} : { address }),
        })
      } else {
        this.delivered += 1
        this.log(`${this.peerOf(end).name} → ${node.name}: ${nameOf(item.bytes)}`)
        inputs.push({ type: 'peerMessage', connection, bytes: item.bytes })
      }
    }
    return inputs
  }

  private peerOf(end: End): SimNode {
    const link = this.links.find((l) => l.ends.includes(end))
    const other = link?.ends.find((e) => e !== end)
    if (other === undefined) throw new Error('an end has a link')
    return other.node
  }

  /** Delivers one item; the hook may cut the link after a message. */
  deliver(end: End): void {
    const link = this.links.find((l) => l.ends.includes(end))
    const before = this.delivered
    const inputs = this.read(end)
    this.turn(end.node, inputs)
    if (link !== undefined && this.delivered > before) this.onDelivered(this.delivered, link)
    this.sweepLinks()
  }

  // ---- chain and time ----------------------------------------------------------------------------------------------

  /** Answers some requests of a node in one turn. */
  answer(
    node: SimNode,
    pick: (count: number) => readonly number[] = (n) => Array.from({ length: n }, (_, i) => i),
  ): void {
    const chosen = pick(node.requests.length).flatMap((i) => node.requests[i] ?? [])
    node.requests = node.requests.filter((r) => !chosen.includes(r))
    this.turn(node, this.answers(chosen))
  }

  answers(requests: SimNode['requests']): NodeInput[] {
    return requests.map(({ id, request }) => ({
      type: 'esploraResponse',
      id,
      result: this.chain.answer(request),
    }))
  }

  /** Time passes and every node that is up ticks. */
  pass(ms: number): void {
    this.now += ms
    for (const node of this.nodes) if (node.state !== undefined) this.turn(node, [{ type: 'tick' }])
  }

  mine(n = 1): void {
    this.chain.mine(n)
    this.log(`block ${this.chain.tip.height}`)
  }

  /** Coins from nowhere to a fresh address of a node; a block confirms them. */
  giveCoins(node: SimNode, amountSat: number): boolean {
    const reply = this.command(node, { type: 'newAddress' })
    if (reply?.type !== 'address') return false
    const script = unwrap(scriptFromAddress(reply.address, NETWORKS.regtest), 'own address')
    this.chain.fund([pay(script, amountSat)])
    return true
  }

  // ---- commands ----------------------------------------------------------------------------------------------------

  /** Issues a command in a turn of its own; undefined when the node died in it or refused it (`refusal` says why). */
  command(node: SimNode, command: Command): CommandResult | undefined {
    const id = this.commandId(node, command)
    this.turn(node, [{ type: 'command', id, command }])
    return this.replyOf(node, id, command)
  }

  commandId(node: SimNode, command: Command): number {
    this.commands += 1
    this.log(`${node.name} is asked: ${JSON.stringify(command, plain)}`)
    return this.commands
  }

  /** What openers gave away, by opening: a channel's balances follow from it and the payments. */
  readonly pushes = new Map<string, bigint>()
  /** Why the last command was refused. */
  refusal: ApiFailure | undefined

  replyOf(node: SimNode, id: number, command: Command): CommandResult | undefined {
    const reply = node.replies.get(id)
    if (command.type === 'openChannel' && reply?.ok === true && reply.value.type === 'opening') {
      this.pushes.set(reply.value.openingId, command.pushMsat)
    }
    this.refusal = reply?.ok === false ? reply.error : undefined
    if (this.refusal !== undefined) this.log(`${node.name} refuses: ${this.refusal.code}`)
    return reply?.ok === true ? reply.value : undefined
  }

  // ---- rest --------------------------------------------------------------------------------------------------------

  /** Starts what is down, connects what shall be connected. */
  repair(): void {
    for (const node of this.nodes) this.boot(node)
    for (const node of this.nodes) {
      for (const nodeId of node.keep) this.connect(node, this.byId(nodeId))
    }
  }

  /** Delivers and answers until nothing is on its way. */
  drain(limit = 20_000): void {
    for (let i = 0; i < limit; i++) {
      const end = this.readable()[0]
      const asking = this.nodes.find((n) => n.state !== undefined && n.requests.length > 0)
      const reading = this.nodes.find((n) => n.state !== undefined && n.reads.length > 0)
      if (reading !== undefined) this.turn(reading, reading.readRecords())
      else if (end !== undefined) this.deliver(end)
      else if (asking !== undefined) this.answer(asking)
      else return
    }
    throw new Error('the world never falls silent')
  }

  paceOf(server: string): number {
    return this.paces.get(server) ?? 0.7
  }

  /** Repairs, and lets pass the time that it takes until everybody knows the newest block and has nothing more to say. */
  settle(): void {
    for (let round = 0; round < 60; round++) {
      this.repair()
      this.drain()
      const silent = !waitsForTime(this.nodes, this.now) && this.missingLinks() === 0
      if (round > 1 && silent && tipProblem(this.nodes, this.chain.tip) === undefined) {
        for (const node of this.nodes) this.checkMoney(node)
        const hanging = hangingProblem(this.nodes)
        if (hanging !== undefined) throw new Error(hanging)
        return
      }
      this.pass(5_000)
    }
    const behind = tipProblem(this.nodes, this.chain.tip)
    throw new Error(`the world does not settle: ${behind ?? 'links are missing'}`)
  }

  private missingLinks(): number {
    return this.nodes.flatMap((n) =>
      [...n.keep].filter((id) => this.linkBetween(n, this.byId(id)) === undefined),
    ).length
  }
}

const LOUD = new Set([
  'openingFailed',
  'openingPending',
  'channelReady',
  'channelFailed',
  'channelClosing',
  'channelClosed',
  'paymentSucceeded',
  'paymentFailed',
  'invoicePaid',
  'notice',
  'peerRefused',
])

const plain = (_key: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return `${value}`
  if (value instanceof Uint8Array) return `${value.length} bytes`
  return typeof value === 'string' && value.length > 70 ? `${value.slice(0, 64)}…` : value
}

function nameOf(bytes: Uint8Array): string {
  const decoded = decodeMessage(bytes)
  if (!decoded.ok) return `undecodable: ${decoded.error.message}`
  const message = decoded.value
  if (message.type === 'error' || message.type === 'warning') {
    return `${message.type} "${String.fromCharCode(...message.data)}"`
  }
  return message.type
}
