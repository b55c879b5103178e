import { entry } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import { addressFromScript } from '../../engine/bitcoin/address.ts'
import { NETWORKS } from '../../engine/bitcoin/network.ts'
import { spendableMsat } from '../../engine/channel/limits.ts'
import { viewAt } from '../../engine/channel/log.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import type { Command } from '../../engine/node/commands.ts'
import type { NodeInput } from '../../engine/node/ports.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { type Random, seeded } from '../random.ts'
import { courtProblem } from './court-invariants.ts'
import { restProblem } from './invariants.ts'
import { SERVERS, SIM_CHAIN, type SimNode } from './node.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { World } from './world.ts'

/** A random life of a few nodes: one seed decides everything, and the same seed lives the same life again. */

export interface RunOptions {
  readonly seed: number
  readonly nodes?: number
  readonly steps?: number
  /** Channels are closed by force, from one side or both, and branches of the chain lose. Default: by the seed. */
  readonly force?: boolean
  /** Three chain servers of their own speeds (it costs half as much again). Default: one life in sixteen. */
  readonly servers?: boolean
}

export interface RunOutcome {
  readonly seed: number
  /** What went wrong, or undefined. */
  readonly problem?: string
  readonly trace: readonly string[]
  /** What happened, counted: to see that runs are worth their time. */
  readonly counts: Readonly<Record<string, number>>
}

const FORMATS = [
  ['lcp', 'anchors_zero_fee_htlc_tx'],
  ['anchors_zero_fee_htlc_tx', 'static_remotekey'],
  ['static_remotekey'],
] as const

const STEPS = 200
const MAX_BLOCKS = 80
const MAX_CHANNELS = 4

export function run(options: RunOptions): RunOutcome {
  const random = seeded(options.seed)
  const force = options.force ?? false
  const world = beginning(random, options.nodes ?? 2, force ? SHORT_DELAY : undefined).fork(options.seed)
  world.checkStoreEvery = 7
  let problem: string | undefined
  try {
    if (options.servers ?? options.seed % 16 === 0) ownServers(world, options.seed)
    live(world, random, options.steps ?? STEPS, undefined, force)
    rest(world)
    if (force) untilResolved(world)
    world.checkStores()
    problem = force ? courtProblem(world) : restProblem(world)
  } catch (error) {
    problem = error instanceof Error ? (error.stack ?? error.message) : String(error)
  }
  return {
    seed: options.seed,
    ...(problem === undefined ? {} : { problem }),
    trace: world.trace,
    counts: countsOf(world),
  }
}

/** Three servers for everybody, in any order, each of its own speed and some silent; one at least answers. */
export function ownServers(world: World, seed: number): void {
  const random = seeded(seed + 77)
  const answering = random.pick(SERVERS)
  const paceOf = (url: string): number => random.pick(url === answering ? [0.2, 0.7] : [0, 0.02, 0.2, 0.7])
  world.paces = new Map(SERVERS.map((url) => [url, paceOf(url)]))
  const first = random.int(SERVERS.length)
  const servers = [...SERVERS.slice(first), ...SERVERS.slice(0, first)]
  for (const node of world.nodes) world.command(node, { type: 'setServers', servers })
}

const beginnings = new Map<string, World>()

/** Coins, connections and perhaps channels: made once for each kind of beginning, since lives differ in what comes after. */
export function beginning(random: Random, nodes: number, toSelfDelay?: number): World {
  const formats = random.pick(FORMATS)
  const minimumDepth = random.pick([1, 3])
  const window = random.pick([1, 3])
  // Most lives begin with channels: openings are short, payments are many.
  const pushMsat = random.pick([-1, 0, 100_000_000])
  const key = JSON.stringify([nodes, formats, minimumDepth, window, pushMsat, toSelfDelay])
  const known = beginnings.get(key)
  if (known !== undefined) return known
  const world = new World({
    nodes,
    formats,
    minimumDepth,
    window,
    ...(toSelfDelay !== undefined && { toSelfDelay }),
  })
  const names = world.nodes.map((n) => n.name)
  const goals = names.map((name) => hasCoins(name, 1_000_000, 700_000, 300_000))
  for (const [i, a] of names.entries()) {
    for (const b of names.slice(i + 1)) {
      goals.push(connected(a, b))
      if (pushMsat >= 0) goals.push(opened(a, b, 500_000, pushMsat))
    }
  }
  reach(world, goals)
  world.settle()
  beginnings.set(key, world)
  return world
}

/** Faults end; all that is under way comes to its end. */
export function rest(world: World): void {
  world.crashAt = () => undefined
  world.log('— to rest')
  for (const node of world.nodes) world.boot(node)
  for (const node of world.nodes) {
    for (const { peer } of Object.values(world.stateOf(node).channels)) {
      node.keep.add(peer)
    }
  }
  for (let i = 0; i < 2; i++) {
    world.settle()
    world.mine()
  }
  // Openings that got stuck time out, and what mempools forgot is sent again.
  for (let i = 0; i < 3; i++) {
    for (let ms = 0; ms <= SIM_CHAIN.rebroadcastMs; ms += 20_000) {
      world.pass(20_000)
      world.drain()
    }
    world.mine()
    world.settle()
  }
  for (let i = 0; i < 3; i++) world.mine()
  world.settle()
}

export function live(
  world: World,
  random: Random,
  steps: number,
  look: (node: SimNode) => void = () => {},
  force = false,
): void {
  const floor = world.chain.tip.height
  // Runs differ in what they are about, not only in the order of things.
  const often = (): number => random.pick([0, 0.3, 1, 1, 3])
  const weights: readonly (readonly [number, () => void])[] = [
    [40, () => takeTurn(world, random)],
    [4 * often(), () => tick(world, random)],
    [(force ? 4 : 2) * often(), () => mine(world, random)],
    [1 * often(), () => cut(world, random)],
    [4, () => connect(world, random)],
    [3, () => boot(world, random)],
    [3, () => ask(world, random, openChannel(world, random))],
    [10 * (0.3 + often()), () => sendPayment(world, random)],
    [0.3 * often(), () => ask(world, random, closeChannel(world, random))],
    [0.5 * often(), () => ask(world, random, other(world, random))],
    [0.5 * often(), () => changeFees(world, random)],
    [0.3 * often(), () => evict(world, random)],
    [force ? 2 : 0, () => forceClose(world, random)],
    [force ? 2 : 0, () => reorganise(world, random, floor)],
  ]
  const crashChance = random.pick([0, 0.005, 0.02, 0.06])
  world.crashAt = (node) => {
    look(node)
    return random.bool(crashChance) ? random.pick(['before', 'after']) : undefined
  }
  const total = weights.reduce((n, [w]) => n + w, 0)
  for (let i = 0; i < steps; i++) {
    let at = random.next() * total
    const chosen = weights.find(([w]) => (at -= w) < 0)
    chosen?.[1]()
  }
}

const alive = (world: World): SimNode[] => world.nodes.filter((n) => n.state !== undefined)

/** One node takes some of what has arrived, in an order of its own choosing. */
export function takeTurn(world: World, random: Random, command?: { node: SimNode; input: NodeInput }): void {
  const busy = alive(world).filter(
    (n) => n.requests.length > 0 || n.reads.length > 0 || world.readable().some((e) => e.node === n),
  )
  if (command === undefined && busy.length === 0) return tick(world, random)
  const node = command?.node ?? random.pick(busy)
  const inputs: NodeInput[] = command === undefined ? [] : [command.input]
  const greedy = random.bool(0.3)
  for (const end of world.readable().filter((e) => e.node === node)) {
    const count = greedy ? end.inbox.length : random.int(3)
    inputs.push(...world.read(end, count))
  }
  if (node.requests.length > 0 && (inputs.length === 0 || random.bool(0.5))) {
    const answered = node.requests.filter(({ server }) => greedy || random.bool(world.paceOf(server)))
    node.requests = node.requests.filter((r) => !answered.includes(r))
    const answers = world.answers(answered)
    if (random.bool(0.5)) inputs.push(...answers)
    else inputs.unshift(...answers)
  }
  if (node.reads.length > 0 && (inputs.length === 0 || random.bool(0.5))) inputs.push(...node.readRecords())
  if (random.bool(0.1)) inputs.push({ type: 'tick' })
  if (inputs.length > 0) world.turn(node, inputs)
}

export function tick(world: World, random: Random): void {
  world.now += random.pick([20, 200, 2_000, 5_000, 12_000, 25_000])
  for (const node of alive(world)) if (random.bool(0.7)) world.turn(node, [{ type: 'tick' }])
}

export function mine(world: World, random: Random): void {
  if (world.chain.tip.height >= MAX_BLOCKS) return
  world.chain.holdBack = random.bool(0.15)
  world.mine(random.bool(0.2) ? 2 : 1)
  world.chain.holdBack = false
}

/** Only what somebody is there to send again: faucets pay once. */
function evict(world: World, random: Random): void {
  const txs = world.chain.mempool.filter((tx) => world.chain.feeOf(txidOf(tx)) > 0n)
  if (txs.length === 0) return
  const txid = txidOf(random.pick(txs))
  world.log(`mempools forget ${txid.slice(0, 8)}`)
  world.chain.evict(txid)
}

export function cut(world: World, random: Random): void {
  const links = world.links.filter((l) => !l.severed)
  if (links.length === 0) return
  const link = random.pick(links)
  world.log(`the link of ${link.ends.map((e) => e.node.name).join(' and ')} is cut`)
  world.cut(link, (waiting) => random.int(waiting + 1))
}

export function connect(world: World, random: Random): void {
  const wished = alive(world).flatMap((node) =>
    [...node.keep]
      .map((id) => world.byId(id))
      .filter((peer) => peer.state !== undefined && world.linkBetween(node, peer) === undefined)
      .map((peer) => [node, peer] as const),
  )
  if (wished.length > 0) return world.connect(...random.pick(wished))
  // Nobody remembers a peer without channels over a restart: the user connects again.
  const node = random.pick(world.nodes)
  const peer = random.pick(world.nodes.filter((n) => n !== node))
  if (world.linkBetween(node, peer) !== undefined) return
  ask(world, random, {
    node,
    command: { type: 'connectPeer', nodeId: peer.id, address: `sim:${peer.name}` },
  })
}

export function boot(world: World, random: Random): void {
  const down = world.nodes.filter((n) => n.state === undefined)
  if (down.length > 0) world.boot(random.pick(down))
}

interface Ask {
  readonly node: SimNode
  readonly command: Command
}

/** A command among whatever else has arrived. */
function ask(world: World, random: Random, wish: Ask | undefined): void {
  if (wish === undefined || wish.node.state === undefined) return
  const { node, command } = wish
  const id = world.commandId(node, command)
  takeTurn(world, random, { node, input: { type: 'command', id, command } })
  world.replyOf(node, id, command)
}

/** One side, or both before either has heard of the other. */
function forceClose(world: World, random: Random): void {
  const closer = random.pick(world.nodes)
  const live = Object.values(closer.state?.channels ?? {}).filter((c) => c.failure === undefined)
  const channel = live[random.int(Math.max(1, live.length))]
  if (channel === undefined) return
  // In the middle of payments, at any message of them.
  const payments = 1 + random.int(5)
  for (let i = 0; i < payments; i++) sendPayment(world, random)
  const isPaying = (): boolean => {
    const now = closer.state?.channels[channel.id]
    const htlcs = now === undefined ? [] : viewAt(now, now.localTip.indexes).htlcs
    return htlcs.some((htlc) => htlc.amountMsat > 3_000_000n)
  }
  for (let i = 0; i < 30 && payments > 0; i++) {
    takeTurn(world, random)
    if (isPaying() && random.bool(0.3)) break
  }
  const command: Command = { type: 'closeChannel', channelId: channel.id, force: true }
  ask(world, random, { node: closer, command })
  if (random.bool(0.3)) ask(world, random, { node: world.byId(channel.peer), command })
}

function reorganise(world: World, random: Random, floor: number): void {
  const depth = 1 + random.int(random.bool(0.2) ? 10 : 3)
  // What lies before this life stays: coins came from nowhere there.
  if (world.chain.tip.height - depth < floor) return
  world.chain.reorg(depth)
  world.log(`a branch takes ${depth} blocks back; block ${world.chain.tip.height}`)
}

/** A day: `to_self_delay` in lives with closes by force. */
const SHORT_DELAY = 144

/** Blocks until every close by force is resolved, and all is worth a claim. */
export function untilResolved(world: World): void {
  world.checkStoreEvery = 25
  world.chain.feeRates = { 1: 1, 6: 1, 144: 1 }
  for (const node of world.nodes) world.command(node, { type: 'refresh' })
  for (let i = 0; i < 48; i++) {
    world.mine(i % 4 === 3 ? 60 : 1)
    world.settle()
    const open = world.nodes.flatMap((n) =>
      Object.values(world.stateOf(n).closes).filter((close) => !close.told.includes('done')),
    )
    if (open.length === 0 && i > 3) break
  }
  world.mine(1)
  world.settle()
}

function openChannel(world: World, random: Random): Ask | undefined {
  const node = random.pick(world.nodes)
  const peer = random.pick(world.nodes.filter((n) => n !== node))
  const { state } = node
  if (state === undefined || Object.keys(state.channels).length >= MAX_CHANNELS) return undefined
  const spendable = balanceOf(state.wallet, state.chain.headers.tip.height).confirmedSat
  const amount = random.pick([25_000, 100_000, 333_333, 600_000, Number(spendable)])
  const pushMsat = random.bool(0.3) ? Math.floor(amount * 1000 * random.next() * 0.6) : 0
  return {
    node,
    command: {
      type: 'openChannel',
      nodeId: peer.id,
      amountSat: sat(amount),
      pushMsat: msat(pushMsat),
      ...(random.bool(0.3) ? { feeratePerKw: random.pick([253, 500, 3_000]) } : {}),
    },
  }
}

/** An invoice and a payment of it, of an amount that may or may not fit. */
function sendPayment(world: World, random: Random): void {
  const node = random.pick(alive(world).concat(world.nodes.slice(0, 1)))
  const channels = Object.values(node.state?.channels ?? {})
  if (channels.length === 0) return
  const channel = random.pick(channels)
  const payee = world.byId(channel.peer)
  if (node.state === undefined || payee.state === undefined) return
  const most = Number(spendableMsat(channel))
  const amount = random.pick([
    1,
    999,
    1 + random.int(400_000),
    500_000 + random.int(3_000_000),
    Math.floor(most * random.next()),
    most,
    most + 1 + random.int(1_000_000),
  ])
  if (amount <= 0) return
  const open = random.bool(0.2)
  const invoice: Command = {
    type: 'addInvoice',
    ...(open ? {} : { amountMsat: msat(amount) }),
    description: '',
    expirySeconds: random.pick([30, 3_600, 86_400]),
  }
  const invoiceId = world.commandId(payee, invoice)
  takeTurn(world, random, { node: payee, input: { type: 'command', id: invoiceId, command: invoice } })
  const reply = world.replyOf(payee, invoiceId, invoice)
  if (reply?.type !== 'invoice') return
  const bolt11 = entry(payee.state?.invoices, reply.paymentHash)?.bolt11
  if (bolt11 === undefined) return
  // Now and then the same invoice is paid again: by the same payer, or by a third node at the same time.
  const payers = [node]
  if (random.bool(0.15)) payers.push(random.pick(world.nodes.filter((n) => n !== payee)))
  for (const payer of payers) {
    ask(world, random, {
      node: payer,
      command: {
        type: 'sendPayment',
        invoice: bolt11,
        ...(open || random.bool(0.1) ? { amountMsat: msat(amount) } : {}),
        timeoutSeconds: random.pick([1, 10, 60, 3_600]),
      },
    })
  }
}

function closeChannel(world: World, random: Random): Ask | undefined {
  const node = random.pick(world.nodes)
  const channels = Object.values(node.state?.channels ?? {})
  if (channels.length === 0) return undefined
  const channel = random.pick(channels)
  return {
    node,
    command: {
      type: 'closeChannel',
      channelId: channel.id,
      force: false,
      ...(random.bool(0.5) ? { feeratePerKw: random.pick([253, 1_000, 5_000]) } : {}),
    },
  }
}

function other(world: World, random: Random): Ask | undefined {
  const node = random.pick(world.nodes)
  const { state } = node
  if (state === undefined) return undefined
  const peer = random.pick(world.nodes.filter((n) => n !== node))
  const branch = peer.state?.wallet.branches[0]
  const script = branch?.scripts[branch.handedOut === 0 ? 0 : branch.handedOut - 1]
  const opening = Object.keys(state.openings)[0]
  const unconfirmed = Object.entries(state.wallet.txs).find(([, t]) => t.own && t.height === null)?.[0]
  const wishes: (Command | undefined)[] = [
    { type: 'newAddress' },
    { type: 'refresh' },
    { type: 'rescan' },
    { type: 'disconnectPeer', nodeId: peer.id },
    { type: 'setPreference', name: 'theme', value: `${random.int(9)}` },
    opening === undefined ? undefined : { type: 'cancelOpening', openingId: opening },
    unconfirmed === undefined
      ? undefined
      : { type: 'bumpFee', txid: unconfirmed, feeratePerKw: 2_000 + random.int(3_000) },
    script === undefined
      ? undefined
      : {
          type: 'sendCoins',
          address: addressOf(script),
          amountSat: random.bool(0.1) ? 'max' : sat(10_000 + random.int(100_000)),
        },
  ]
  const command = wishes[random.int(wishes.length)]
  return command === undefined ? undefined : { node, command }
}

function addressOf(script: Uint8Array): string {
  const address = addressFromScript(script, NETWORKS.regtest)
  if (address === undefined) throw new Error('an address for a script of the wallet')
  return address
}

function changeFees(world: World, random: Random): void {
  const rate = random.pick([1, 2, 4, 8, 15])
  world.log(`fees are ${rate} sat/vB`)
  world.chain.feeRates = { 1: rate * 3, 6: rate, 144: 1 }
  for (const node of alive(world))
    if (random.bool(0.7)) ask(world, random, { node, command: { type: 'refresh' } })
}

function countsOf(world: World): Record<string, number> {
  const counts: Record<string, number> = { writes: world.writes, messages: world.delivered }
  const add = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  for (const node of world.nodes) {
    for (const event of node.events) {
      if (
        event.type === 'openingPending' ||
        event.type === 'paymentSucceeded' ||
        event.type === 'paymentFailed'
      ) {
        add(event.type)
      }
    }
  }
  const add1 = (name: string, n: number): void => {
    if (n > 0) counts[name] = (counts[name] ?? 0) + n
  }
  for (const node of world.nodes) {
    for (const close of Object.values(node.state?.closes ?? {})) {
      if (close.close === undefined || close.close.kind === 'mutual') continue
      add(`close:${close.close.kind}`)
      const htlcs = close.close.outputs.filter((o) => o.htlc !== undefined).length
      add1('closeHtlcs', htlcs)
      add1(`htlcs:${close.close.kind}`, htlcs)
    }
  }
  add1('reorgs', world.trace.filter((line) => line.startsWith('a branch takes')).length)
  for (const line of world.trace) if (/ dies (before|after)/.test(line)) add('crashes')
  return counts
}
