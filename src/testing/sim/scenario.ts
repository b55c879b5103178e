import { entry } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import type { Name, SimNode } from './node.ts'
import type { World } from './world.ts'

/**
 * The main job as goals: each looks at the world, does what is missing, and is done when its goal holds. So a scenario goes on
 * after whatever happened to a node in the middle of it, as a patient person would.
 */
export interface Goal {
  readonly name: string
  readonly reached: (world: World) => boolean
  /** Something to do about it, when nothing is under way. */
  readonly act: (world: World) => void
}

/** A channel of a node that can be used or will be. */
export const channelOf = (world: World, name: Name): Channel | undefined =>
  Object.values(world.node(name).state?.channels ?? {}).find(
    (c) => c.failure === undefined && c.closing === undefined,
  )

const openedBy = (world: World, name: Name, peer: Name): Channel | undefined =>
  Object.values(world.node(name).state?.channels ?? {}).find(
    (c) =>
      c.role === 'opener' &&
      c.peer === world.node(peer).id &&
      c.failure === undefined &&
      c.closing === undefined,
  )

export const usable = (channel: Channel | undefined): boolean =>
  channel !== undefined && channel.readySent && channel.readyReceived && channel.link === 'online'

const up = (node: SimNode): boolean => node.state !== undefined

export function hasCoins(name: Name, ...amountsSat: number[]): Goal {
  const total = amountsSat.reduce((a, b) => a + b, 0)
  const note = `coins of ${name}`
  return {
    name: `${name} has coins`,
    reached: (world) => {
      const { state } = world.node(name)
      return (
        state !== undefined && balanceOf(state.wallet, state.chain.headers.tip.height).confirmedSat >= total
      )
    },
    act: (world) => {
      // One coin at a time: the node may die over each address.
      const given = Number(world.notes.get(note) ?? 0)
      const next = amountsSat[given]
      if (next !== undefined) {
        if (up(world.node(name)) && world.giveCoins(world.node(name), next))
          world.notes.set(note, `${given + 1}`)
        return
      }
      world.mine()
    },
  }
}

export function connected(a: Name, b: Name): Goal {
  const ready = (world: World, x: Name, y: Name): boolean =>
    world.node(x).state?.peers[world.node(y).id]?.phase === 'ready'
  return {
    name: `${a} and ${b} are connected`,
    reached: (world) => ready(world, a, b) && ready(world, b, a),
    act: (world) => {
      const peer = world.node(b)
      if (!world.node(a).keep.has(peer.id)) {
        world.command(world.node(a), { type: 'connectPeer', nodeId: peer.id, address: `sim:${b}` })
      }
    },
  }
}

export function opened(a: Name, b: Name, fundingSat: number, pushMsat = 0): Goal {
  return {
    name: `${a} has a channel with ${b}`,
    reached: (world) => {
      const ours = openedBy(world, a, b)
      const theirs = ours && world.node(b).state?.channels[ours.id]
      return usable(ours) && usable(theirs)
    },
    act: (world) => {
      const node = world.node(a)
      if (!up(node)) return
      const pending = Object.keys(node.state?.openings ?? {}).length > 0
      // A node that starts again dials only the peers that it has channels with.
      if (!connected(a, b).reached(world)) connected(a, b).act(world)
      else if (openedBy(world, a, b) === undefined && !pending) {
        world.command(node, {
          type: 'openChannel',
          nodeId: world.node(b).id,
          amountSat: sat(fundingSat),
          pushMsat: msat(pushMsat),
        })
      } else world.mine()
    },
  }
}

/** A payment by invoice. A payment that failed is tried again. */
export function paid(from: Name, to: Name, amountMsat: number): Goal {
  const name = `${from} has paid ${to} ${amountMsat} msat`
  return {
    name,
    reached: (world) => {
      const hash = world.notes.get(name) ?? ''
      const payment = entry(world.node(from).state?.payments, hash)
      if (payment?.state !== 'succeeded' || payment.attempts.some((a) => a.state === 'pending')) return false
      return entry(world.node(to).state?.invoices, hash)?.settledAt !== undefined
    },
    act: (world) => {
      const [payer, payee] = [world.node(from), world.node(to)]
      if (!up(payer) || !up(payee)) return
      if (!world.notes.has(name)) {
        const reply = world.command(payee, {
          type: 'addInvoice',
          amountMsat: msat(amountMsat),
          description: 'simulated',
          expirySeconds: 86_400,
        })
        if (reply?.type !== 'invoice') return
        world.notes.set(name, reply.paymentHash)
      }
      const hash = world.notes.get(name) ?? ''
      const bolt11 = entry(payee.state?.invoices, hash)?.bolt11
      const state = entry(payer.state?.payments, hash)?.state
      if (bolt11 !== undefined && (state === undefined || state === 'failed')) {
        world.command(payer, { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 3600 })
      }
    },
  }
}

/** A cooperative close that is in a block and in both wallets. */
export function closed(by: Name): Goal {
  const name = `${by} has closed its channel`
  return {
    name,
    reached: (world) => {
      const id = world.notes.get(name)
      if (id === undefined) return false
      const funding = world.node(by).state?.channels[id]?.funding
      const spender = funding && world.chain.spenderOf(funding.outpoint)
      return spender !== undefined && world.chain.mempool.length === 0
    },
    act: (world) => {
      const node = world.node(by)
      if (!up(node)) return
      const id = world.notes.get(name) ?? channelOf(world, by)?.id
      if (id !== undefined) world.notes.set(name, id)
      const channel = id === undefined ? undefined : node.state?.channels[id]
      if (channel === undefined) return
      if (channel.closing === undefined) {
        world.command(node, { type: 'closeChannel', channelId: channel.id, force: false })
      } else if (world.chain.mempool.length > 0) world.mine()
    },
  }
}

/** Reaches the goals in order, repairing what broke, within a patient number of rounds. A fork goes on with the goal it was at. */
export function reach(world: World, goals: readonly Goal[]): void {
  for (let at = Number(world.notes.get('goal') ?? 0); at < goals.length; at++) {
    world.notes.set('goal', `${at}`)
    const goal = goals[at] as Goal
    let rounds = 0
    for (; !goal.reached(world); rounds++) {
      if (rounds > 40) throw new Error(`never: ${goal.name}`)
      for (const node of world.nodes) world.boot(node)
      goal.act(world)
      world.repair()
      world.drain()
      if (!goal.reached(world)) {
        world.pass(5_000)
        world.repair()
        world.drain()
      }
    }
    world.log(`— ${goal.name}`)
  }
}

/** Fund, open, pay both ways, close: what the wallet is for. */
export const mainJob = (): readonly Goal[] => [
  hasCoins('ada', 600_000, 900_000),
  connected('ada', 'ben'),
  opened('ada', 'ben', 1_000_000),
  paid('ada', 'ben', 123_456_789),
  paid('ben', 'ada', 23_000_001),
  paid('ada', 'ben', 1_001),
  closed('ben'),
]
