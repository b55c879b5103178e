import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import { viewAt } from '../../engine/channel/log.ts'
import type { Command, CommandResult } from '../../engine/node/commands.ts'
import type { Random } from '../random.ts'
import type { SimNode } from './node.ts'
import { takeTurn } from './run.ts'
import type { World } from './world.ts'

/** What users do besides paying invoices: they change their minds, ask before they pay, pay offers, and close in the worst moment. */

function ask(world: World, random: Random, node: SimNode, command: Command): CommandResult | undefined {
  if (node.state === undefined) return undefined
  const id = world.commandId(node, command)
  takeTurn(world, random, { node, input: { type: 'command', id, command } })
  return world.replyOf(node, id, command)
}

/** Two that are up, or undefined. */
function pair(world: World, random: Random): readonly [SimNode, SimNode] | undefined {
  const [a, b] = [random.pick(world.nodes), random.pick(world.nodes)]
  return a === b || a.state === undefined || b.state === undefined ? undefined : [a, b]
}

/** A payment or a request that is under way is cancelled. */
export function cancel(world: World, random: Random): void {
  const node = random.pick(world.nodes)
  if (node.state === undefined) return
  const pending = entries(node.state.payments).filter((p) => p.state === 'pending')
  const asking = Object.keys(node.state.requests)
  if (pending.length > 0 && (asking.length === 0 || random.bool(0.7)))
    ask(world, random, node, { type: 'cancelPayment', paymentHash: random.pick(pending).paymentHash })
  else if (asking.length > 0)
    ask(world, random, node, { type: 'cancelRequest', requestId: random.pick(asking) })
}

/** Would it arrive? */
export function probe(world: World, random: Random): void {
  const two = pair(world, random)
  if (two === undefined) return
  const amountMsat = msat(random.pick([1_000, 353_000, 20_000_000, 120_000_000]))
  const to = { destination: two[1].id, amountMsat }
  ask(world, random, two[0], { type: 'probePayment', to, timeoutSeconds: random.pick([10, 60, 600]) })
}

/** An offer that is paid now and then (BOLT 12). */
export function payOffer(world: World, random: Random): void {
  const two = pair(world, random)
  if (two === undefined) return
  const [payer, payee] = two
  const known = Object.values(payee.state?.offers ?? {})
  if (known.length === 0 || random.bool(0.2)) {
    ask(world, random, payee, { type: 'addOffer', offer: { description: 'whatever you like' } })
    return
  }
  const amountMsat = msat(random.pick([1_000, 353_000, 5_000_000, 90_000_000, 250_000_000]))
  const { offer } = random.pick(known)
  ask(world, random, payer, {
    type: 'payOffer',
    offer,
    amountMsat,
    timeoutSeconds: random.pick([10, 60, 600]),
  })
}

/**
 * Parts of one payment are under way on different channels, and these close by force one after another: whoever learns the preimage from
 * the chain has to have it for all of them.
 */
export function closeParts(world: World, random: Random): void {
  const byHash = new Map<string, { readonly node: SimNode; readonly channelId: string }[]>()
  for (const node of world.nodes)
    for (const channel of Object.values(node.state?.channels ?? {})) {
      if (channel.failure !== undefined || channel.closing !== undefined) continue
      for (const htlc of viewAt(channel, channel.localTip.indexes).htlcs) {
        const hash = htlc.paymentHash.join()
        const places = byHash.get(hash) ?? []
        if (places.some((p) => p.channelId === channel.id)) continue
        byHash.set(hash, [...places, { node, channelId: channel.id }])
      }
    }
  const many = [...byHash.values()].filter((places) => places.length > 1)
  if (many.length === 0) return
  for (const { node, channelId } of random.pick(many)) {
    if (!random.bool(0.6)) continue
    ask(world, random, node, { type: 'closeChannel', channelId, force: true })
    const turns = random.int(20)
    for (let i = 0; i < turns; i++) takeTurn(world, random)
  }
}

/** At rest nobody asks any more, for an invoice or whether a payment would arrive. */
export function whimProblem(world: World): string | undefined {
  for (const node of world.nodes) {
    const { probes = {}, requests = {} } = node.state ?? {}
    for (const [hash, found] of Object.entries(probes))
      if (found.state === 'pending') return `${node.name}: probe ${hash.slice(0, 8)} has no end`
    for (const [id, request] of Object.entries(requests))
      if (request.state === 'asking') return `${node.name}: request ${id.slice(0, 8)} has no end`
  }
  return undefined
}

/** So much was cancelled, asked and offered. */
export function whimCounts(world: World): Record<string, number> {
  const counts: Record<string, number> = {}
  const add = (name: string): void => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  for (const { state } of world.nodes)
    for (const payment of state === undefined ? [] : entries(state.payments)) {
      if (payment.error?.code === 'paymentCancelled') add('cancelled')
      if (payment.state === 'succeeded' && payment.bolt11.startsWith('lni1')) add('paid by offers')
    }
  for (const line of world.trace)
    if (line.includes('"probePayment"')) add('probes')
    else if (line.includes('"cancelPayment"')) add('asked to cancel')
    else if (line.includes('"payOffer"')) add('offers asked')
  return counts
}
