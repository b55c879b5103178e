import { entries, entry } from '../../engine/base/table.ts'
import { fromHex } from '../../engine/base/bytes.ts'
import { msat, sat } from '../../engine/base/units.ts'
import type { Command } from '../../engine/node/commands.ts'
import { createGraph, type Graph } from '../../engine/router/graph.ts'
import { CHANNEL } from '../../engine/router/graph-terms.ts'
import { viewAt } from '../../engine/channel/log.ts'
import { placeOf } from '../../engine/node/payments.ts'
import { DEFAULT_FORWARD_POLICY } from '../../engine/switch/policy.ts'
import { type Random, seeded } from '../random.ts'
import { chainProblem } from './invariants.ts'
import type { Name, SimNode } from './node.ts'
import { NAMES } from './node.ts'
import {
  boot,
  connect,
  cut,
  mine,
  ownServers,
  rest,
  type RunOutcome,
  takeTurn,
  tick,
  untilResolved,
} from './run.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { cancel, closeParts, payOffer, probe, whimCounts, whimProblem } from './whims.ts'
import { World } from './world.ts'

/**
 * A network of nodes that pay each other through each other, crash at random writes, lose connections and, with `force`, close channels on
 * chain in the middle. One seed decides everything. Each node's money is checked to the millisatoshi at every write (`money.ts`); at the
 * end payments agree with invoices, and what payers paid in fees is what those between them earned.
 */

export interface NetworkOptions {
  readonly seed: number
  readonly nodes?: number
  readonly steps?: number
  readonly force?: boolean
  /** Crashes a write, 0 to 1. Default by the seed. */
  readonly crashes?: number
  /** Some pay by blinded paths. Without it a seed lives as it did before there were any. */
  readonly paths?: boolean
  /** Users change their minds, probe, pay offers; with `force` channels that carry parts of one payment close together; three chain servers. */
  readonly whims?: boolean
}

const FORMATS = [
  ['lcp', 'anchors_zero_fee_htlc_tx'],
  ['anchors_zero_fee_htlc_tx', 'static_remotekey'],
] as const

/** Long enough for closes to be cheap to simulate. */
const SHORT_DELAY = 144

/** A ring of channels, and one across, so that there is more than one way to everybody. */
export function ways(nodes: number): readonly (readonly [Name, Name])[] {
  const names = NAMES.slice(0, nodes)
  const ring = names.slice(1).map((name, i) => [names[i] as Name, name] as const)
  if (nodes < 4) return ring
  return [...ring, [names[nodes - 1] as Name, names[0] as Name], [names[1] as Name, names[3] as Name]]
}

/** A second channel between two nodes that have one. */
function openAnother(world: World, a: Name, b: Name): void {
  const node = world.node(a)
  const peer = world.node(b).id
  world.command(node, {
    type: 'openChannel',
    nodeId: peer,
    amountSat: sat(300_000),
    pushMsat: msat(120_000_000),
  })
  for (let i = 0; i < 4; i++) {
    world.settle()
    world.mine(2)
  }
  world.settle()
  const both = Object.values(world.stateOf(node).channels).filter((c) => c.peer === peer)
  if (both.length !== 2 || both.some((c) => !c.readySent || !c.readyReceived))
    throw new Error(`no second channel between ${a} and ${b}`)
}

const beginnings = new Map<string, World>()

function beginning(formats: readonly string[], nodes: number): World {
  const key = `${formats.join()} ${nodes}`
  const known = beginnings.get(key)
  if (known !== undefined) return known
  const world = new World({ nodes, forwards: true, formats, toSelfDelay: SHORT_DELAY, graph: createGraph() })
  const edges = ways(nodes)
  reach(world, [
    ...NAMES.slice(0, nodes).map((name) => hasCoins(name, 700_000, 700_000, 300_000)),
    ...edges.flatMap(([a, b]) => [connected(a, b), opened(a, b, 500_000, 200_000_000)]),
  ])
  world.settle()
  world.notes.delete('goal')
  if (nodes > 3) openAnother(world, 'ben', 'cal')
  drawMap(world)
  beginnings.set(key, world)
  return world
}

/** Everybody knows every channel, as gossip would have it. */
export function drawMap(world: World): void {
  const graph = world.graph as Graph
  for (const node of world.nodes) {
    for (const channel of Object.values(world.stateOf(node).channels)) {
      const scid = channel.funding.shortChannelId
      if (scid === undefined || channel.role !== 'opener') continue
      const [one, two] = [node.id, channel.peer].sort()
      const slot = graph.addChannel({
        scid,
        nodeId1: fromHex(one as string),
        nodeId2: fromHex(two as string),
        capacitySat: Number(channel.funding.sat),
        witnessProgram: new Uint8Array(32),
        flags: CHANNEL.signed | CHANNEL.proven | CHANNEL.unspent,
      })
      for (const side of [0, 1]) {
        graph.setPolicy(2 * slot + side, {
          timestamp: 1,
          disabled: false,
          ...DEFAULT_FORWARD_POLICY,
          htlcMinimumMsat: 1,
          htlcMaximumMsat: Number(channel.funding.sat) * 990,
        })
      }
    }
  }
}

export function runNetwork(options: NetworkOptions): RunOutcome {
  const random = seeded(options.seed)
  const force = options.force ?? false
  const nodes = options.nodes ?? 5
  const world = beginning(random.pick(FORMATS), nodes).fork(options.seed)
  world.checkStoreEvery = 7
  let problem: string | undefined
  let crashes = 0
  try {
    const chance = options.crashes ?? random.pick([0.01, 0.03, 0.08])
    world.crashAt = () => {
      if (!random.bool(chance)) return undefined
      crashes++
      return random.pick(['before', 'after'])
    }
    if (options.whims) ownServers(world, options.seed)
    live(world, random, options)
    rest(world)
    letGo(world, random)
    if (force) {
      untilResolved(world)
      // What came back from the chain has been tried by another way, and may be held there.
      letGo(world, random)
    }
    world.checkStores()
    for (const node of world.nodes) world.checkMoney(node)
    problem = networkProblem(world, force) ?? whimProblem(world)
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  return {
    seed: options.seed,
    ...(problem === undefined ? {} : { problem }),
    trace: world.trace,
    counts: { ...countsOf(world), ...(options.whims && whimCounts(world)), crashes },
  }
}

function live(world: World, random: Random, options: NetworkOptions): void {
  const { steps = 300, force = false, paths = false, whims = false } = options
  const weights: readonly (readonly [number, () => void])[] = [
    [60, () => takeTurn(world, random)],
    [3, () => tick(world, random)],
    [1, () => mine(world, random)],
    [0.7, () => cut(world, random)],
    [5, () => connect(world, random)],
    [8, () => boot(world, random)],
    [6, () => pay(world, random)],
    [1, () => paySpontaneous(world, random)],
    [paths ? 4 : 0, () => payByPaths(world, random)],
    [2, () => decide(world, random)],
    [force ? 0.5 : 0, () => forceClose(world, random)],
    [whims ? 2 : 0, () => cancel(world, random)],
    [whims ? 2 : 0, () => probe(world, random)],
    [whims ? 3 : 0, () => payOffer(world, random)],
    [whims && force ? 0.5 : 0, () => closeParts(world, random)],
  ]
  const total = weights.reduce((n, [w]) => n + w, 0)
  for (let i = 0; i < steps; i++) {
    let at = random.next() * total
    weights.find(([w]) => (at -= w) < 0)?.[1]()
  }
}

/** Somebody pays somebody else, mostly through others. */
function pay(world: World, random: Random): void {
  const [payer, payee] = [random.pick(world.nodes), random.pick(world.nodes)]
  if (payer === payee || payer.state === undefined || payee.state === undefined) return
  const amount = random.pick([
    1,
    40_000,
    353_000,
    2_000_000,
    20_000_000,
    90_000_000 + random.int(60_000_000),
    // More than one channel carries: in parts.
    210_000_000 + random.int(150_000_000),
    300_000_000 + random.int(200_000_000),
  ])
  const invoice: Command = {
    type: 'addInvoice',
    amountMsat: msat(amount),
    description: '',
    expirySeconds: 86_400,
    ...(random.bool(0.2) ? { hold: true } : {}),
  }
  const id = world.commandId(payee, invoice)
  takeTurn(world, random, { node: payee, input: { type: 'command', id, command: invoice } })
  const reply = world.replyOf(payee, id, invoice)
  const bolt11 =
    reply?.type === 'invoice' ? entry(payee.state?.invoices, reply.paymentHash)?.bolt11 : undefined
  if (bolt11 === undefined || payer.state === undefined) return
  const command: Command = {
    type: 'sendPayment',
    invoice: bolt11,
    timeoutSeconds: random.pick([10, 60, 3_600, 3_600]),
  }
  const sendId = world.commandId(payer, command)
  takeTurn(world, random, { node: payer, input: { type: 'command', id: sendId, command } })
  world.replyOf(payer, sendId, command)
}

/** Money that nobody asked for. */
function paySpontaneous(world: World, random: Random): void {
  const [payer, payee] = [random.pick(world.nodes), random.pick(world.nodes)]
  if (payer === payee || payer.state === undefined) return
  const command: Command = {
    type: 'sendSpontaneous',
    destination: payee.id,
    amountMsat: msat(random.pick([1_000, 353_000, 5_000_000, 60_000_000])),
    timeoutSeconds: random.pick([10, 60, 3_600]),
  }
  const id = world.commandId(payer, command)
  takeTurn(world, random, { node: payer, input: { type: 'command', id, command } })
  world.replyOf(payer, id, command)
}

/** By blinded paths: all that the payer knows of the recipient is its neighbours. */
function payByPaths(world: World, random: Random): void {
  const [payer, payee] = [random.pick(world.nodes), random.pick(world.nodes)]
  if (payer === payee || payer.state === undefined || payee.state === undefined) return
  const amountMsat = msat(random.pick([1, 353_000, 5_000_000, 90_000_000, 250_000_000]))
  const asked: Command = {
    type: 'addPaths',
    amountMsat,
    description: '',
    expirySeconds: 86_400,
    ...(random.bool(0.2) ? { hold: true } : {}),
  }
  const id = world.commandId(payee, asked)
  takeTurn(world, random, { node: payee, input: { type: 'command', id, command: asked } })
  const reply = world.replyOf(payee, id, asked)
  if (reply?.type !== 'paths' || payer.state === undefined) return
  const { paths, paymentHash, expiresAt } = reply
  const named = { nodeId: payee.id, description: '', text: 'paths' }
  const command: Command = {
    type: 'sendByPaths',
    payee: { paths, paymentHash: fromHex(paymentHash), amountMsat, expiresAt, parts: true, ...named },
    timeoutSeconds: random.pick([10, 60, 3_600]),
  }
  const sendId = world.commandId(payer, command)
  takeTurn(world, random, { node: payer, input: { type: 'command', id: sendId, command } })
  world.replyOf(payer, sendId, command)
}

/** Invoices for which something waits that their users hold. */
const heldBy = (node: SimNode): readonly string[] =>
  Object.keys(node.state?.waitingInvoices ?? {}).filter(
    (hash) => entry(node.state?.invoices, hash)?.hold === true,
  )

/** Somebody takes what it holds, or sends it back. */
function decide(world: World, random: Random): void {
  const holding = world.nodes.filter((node) => heldBy(node).length > 0)
  if (holding.length === 0) return
  const node = random.pick(holding)
  const command: Command = {
    type: 'decideInvoice',
    paymentHash: random.pick(heldBy(node)),
    take: random.bool(0.6),
  }
  const id = world.commandId(node, command)
  takeTurn(world, random, { node, input: { type: 'command', id, command } })
  world.replyOf(node, id, command)
}

/** At the end nothing is held any more. */
function letGo(world: World, random: Random): void {
  while (world.nodes.some((node) => heldBy(node).length > 0)) {
    for (const node of world.nodes)
      for (const paymentHash of heldBy(node)) {
        const take = random.bool(0.6)
        world.command(node, { type: 'decideInvoice', paymentHash, take })
        // Of parts that are not all there nothing can be taken.
        if (take && world.refusal !== undefined)
          world.command(node, { type: 'decideInvoice', paymentHash, take: false })
      }
    world.settle()
  }
  world.settle()
}

/** Most often of a channel that carries something for others. */
function forceClose(world: World, random: Random): void {
  const node = random.pick(world.nodes)
  if (node.state === undefined) return
  const open = Object.values(node.state.channels).filter(
    (c) => c.failure === undefined && c.closing === undefined,
  )
  // A network without channels is none.
  if (open.length < 2) return
  const busy = open.filter((c) => viewAt(c, c.localTip.indexes).htlcs.length > 0)
  const channel = random.pick(busy.length > 0 ? busy : open)
  const command: Command = { type: 'closeChannel', channelId: channel.id, force: true }
  const id = world.commandId(node, command)
  takeTurn(world, random, { node, input: { type: 'command', id, command } })
}

/** At rest: nothing is on its way, payments and invoices agree, and fees paid are fees earned. */
export function networkProblem(world: World, force: boolean): string | undefined {
  let paidFees = 0n
  let earned = 0n
  for (const node of world.nodes) {
    const state = world.stateOf(node)
    const circuits = Object.values(state.circuits)
    if (circuits.length > 0)
      return `${node.name}: circuit ${circuits[0]?.key.slice(0, 8)}/${circuits[0]?.incomingId} is left, ${circuits[0]?.state}`
    if (state.forwards.lostMsat > 0n) return `${node.name} lost ${state.forwards.lostMsat} msat by forwarding`
    earned += state.forwards.feeMsat
    for (const channel of Object.values(state.channels)) {
      if (state.closes[channel.id] !== undefined) continue
      if (channel.failure !== undefined) return `${node.name}: a channel failed: ${channel.failure.reason}`
      const left = viewAt(channel, channel.localTip.indexes).htlcs.length + channel.outbox.length
      if (left > 0) return `${node.name}: ${left} HTLCs or proposals hang in ${channel.id.slice(0, 8)}`
    }
    for (const payment of entries(state.payments)) {
      const problem = paymentProblem(world, node, payment.paymentHash, force)
      if (problem !== undefined) return problem
      if (payment.state === 'succeeded') paidFees += payment.feeMsat
    }
    const open = Object.values(state.closes).filter((close) => !close.told.includes('done'))
    if (open.length > 0) return `${node.name}: a close is not done`
  }
  // On chain an HTLC too small for an output goes to miners, whoever knows its preimage.
  if (!force && paidFees !== earned)
    return `payers paid ${paidFees} msat in fees, forwarders earned ${earned}`
  return force ? undefined : chainProblem(world)
}

/** Every HTLC above it is an output of a commitment transaction, so that its preimage shows on chain. */
const SHOWS_MSAT = 3_000_000n

function paymentProblem(world: World, payer: SimNode, hash: string, force: boolean): string | undefined {
  const payment = entry(world.stateOf(payer).payments, hash)
  if (payment === undefined) return undefined
  const name = `${payer.name}: payment ${hash.slice(0, 8)}`
  if (payment.state === 'pending' || payment.attempts.some((a) => a.state === 'pending'))
    return `${name} is pending: ${payment.attempts.map((a) => `${a.n} by ${a.channelId.slice(0, 8)} ${a.state} ${placeOf(world.stateOf(payer), a.channelId, a.token)}`).join(', ')}`
  // By the invoice: who is paid by an offer has another name for each.
  const payee = world.nodes.find((node) => entry(world.stateOf(node).invoices, hash) !== undefined)
  const invoice = payee && entry(world.stateOf(payee).invoices, hash)
  if (payment.state === 'succeeded') {
    if (invoice?.state !== 'paid') return `${name} is done, the invoice ${invoice?.state}`
    if (!force && invoice.receivedMsat !== payment.amountMsat)
      return `${name}: ${payment.amountMsat} sent, ${invoice.receivedMsat} received`
  } else if (
    invoice?.state === 'paid' &&
    (!force || payment.attempts.every((a) => a.amountMsat > SHOWS_MSAT))
  )
    return `${name} failed, and ${payee?.name} was paid`
  return undefined
}

function countsOf(world: World): Record<string, number> {
  const counts: Record<string, number> = { writes: world.writes, messages: world.delivered }
  const add = (name: string, n = 1): void => {
    if (n > 0) counts[name] = (counts[name] ?? 0) + n
  }
  for (const node of world.nodes) {
    const { state } = node
    if (state === undefined) continue
    add('forwards', state.forwards.count)
    add('held and paid', entries(state.invoices).filter((i) => i.hold === true && i.state === 'paid').length)
    for (const payment of entries(state.payments)) {
      add(`payments ${payment.state}`)
      if (payment.state === 'succeeded' && payment.bolt11 === '') add('paid spontaneously')
      if (payment.state === 'succeeded' && payment.bolt11 === 'paths') add('paid by paths')
      add('attempts', payment.attempts.length)
      if (payment.state === 'succeeded')
        add(
          payment.attempts.filter((a) => a.state === 'succeeded').length > 1
            ? 'paid in parts'
            : 'paid in one',
        )
      if (payment.state === 'succeeded')
        add(`paid over ${payment.attempts.find((a) => a.state === 'succeeded')?.hops.length ?? 0} hops`)
    }
    for (const close of Object.values(state.closes))
      if (close.close !== undefined) add(`close:${close.close.kind}`)
  }
  return counts
}
