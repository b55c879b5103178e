import { entries, entry } from '../../engine/base/table.ts'
import { equalBytes } from '../../engine/base/bytes.ts'
import { txidOf } from '../../engine/bitcoin/tx.ts'
import { balanceOf as channelBalance, logLength, viewAt } from '../../engine/channel/log.ts'
import type { Channel } from '../../engine/channel/types.ts'
import { balanceOf } from '../../engine/wallet/ledger.ts'
import { settledProblem } from './channel-pair.ts'
import type { SimNode } from './node.ts'
import type { World } from './world.ts'

/** What must hold of every world, whatever happened in it. Each check answers with the first problem, or undefined. */

/** A channel that only its accepter has: its opener was gone before the funding transaction was ever sent. */
export function isOrphan(world: World, channel: Channel): boolean {
  return channel.role === 'accepter' && world.chain.find(channel.funding.outpoint.txid) === undefined
}

/** Whether the funding output is unspent, in the chain and in the mempool. */
const isLive = (world: World, channel: Channel): boolean =>
  world.chain.spenderOf(channel.funding.outpoint) === undefined

/** At rest: both sides of every channel agree, nothing is in flight, nothing failed that nobody asked to fail. */
export function restProblem(world: World): string | undefined {
  for (const node of world.nodes) {
    const state = world.stateOf(node)
    if (Object.keys(state.openings).length > 0) return `${node.name}: an opening is left`
    if (Object.keys(state.wallet.reservations).length > 0)
      return `${node.name}: coins are reserved for nothing`
    for (const channel of Object.values(state.channels)) {
      if (isOrphan(world, channel)) {
        if (channel.failure !== undefined && channel.failure.code !== 'peerError') {
          return `${node.name}: an unfunded channel failed: ${channel.failure.reason}`
        }
        continue
      }
      if (channel.failure !== undefined) {
        return `${node.name}: channel ${channel.id.slice(0, 8)} failed: ${channel.failure.code} ${channel.failure.reason}`
      }
      const peer = world.byId(channel.peer)
      const theirs = world.stateOf(peer).channels[channel.id]
      if (theirs === undefined)
        return `${peer.name} does not know channel ${channel.id.slice(0, 8)} of ${node.name}`
      if (!isLive(world, channel)) continue
      if (channel.link !== 'online')
        return `${node.name}: channel ${channel.id.slice(0, 8)} is ${channel.link}`
      if (!channel.readySent || !channel.readyReceived) return `${node.name}: a channel is not ready`
      const [a, b] = [
        { name: node.name, channel },
        { name: peer.name, channel: theirs },
      ]
      const problem = channel.role === 'opener' ? settledProblem(a, b) : undefined
      if (problem !== undefined) return problem
      const view = viewAt(channel, {
        opener: logLength(channel.logs.opener),
        accepter: logLength(channel.logs.accepter),
      })
      if (view.htlcs.length > 0)
        return `${node.name}: ${view.htlcs.length} HTLCs hang in channel ${channel.id.slice(0, 8)}`
      if (channel.outbox.length > 0)
        return `${node.name}: proposals are left: ${channel.outbox.map((p) => p.type).join()}`
    }
  }
  return paymentProblem(world) ?? chainProblem(world) ?? balanceProblem(world)
}

/** Every payment has one end, the same on both sides. */
export function paymentProblem(world: World): string | undefined {
  for (const payer of world.nodes) {
    for (const payment of entries(world.stateOf(payer).payments)) {
      const hash = payment.paymentHash.slice(0, 8)
      const payee = world.byId(payment.destination)
      const invoice = entry(world.stateOf(payee).invoices, payment.paymentHash)
      // Nobody was asked: one that failed left nothing behind.
      if (invoice === undefined && payment.bolt11 === '' && payment.state === 'failed') continue
      if (invoice === undefined) return `${payee.name} has no invoice ${hash}`
      if (payment.state === 'pending') return `${payer.name}: payment ${hash} is pending`
      if (payment.attempts.some((a) => a.state === 'pending'))
        return `${payer.name}: an attempt of ${hash} is pending`
      const won = payment.attempts.filter((a) => a.state === 'succeeded')
      const paid = won.reduce((sum, a) => sum + a.amountMsat, 0n)
      if (paid !== (payment.state === 'succeeded' ? payment.amountMsat : 0n))
        return `${payer.name}: ${hash} paid ${paid} of ${payment.amountMsat} msat in ${won.length} parts`
      // One that failed may have been paid by another node; that somebody paid it is checked from the other side below.
      if (payment.state !== 'succeeded') continue
      if (invoice.state !== 'paid')
        return `payment ${hash}: done for ${payer.name}, ${invoice.state} for ${payee.name}`
      if (invoice.settledAt === undefined) return `${payee.name}: invoice ${hash} is paid and not settled`
      if (invoice.receivedMsat !== payment.amountMsat)
        return `${hash}: ${payment.amountMsat} sent, ${invoice.receivedMsat} received`
      if (payment.feeMsat !== 0n) return `${hash}: a direct payment cost ${payment.feeMsat} msat`
    }
  }
  for (const payee of world.nodes) {
    for (const invoice of entries(world.stateOf(payee).invoices)) {
      const paidBy = world.nodes.filter(
        (n) => entry(world.stateOf(n).payments, invoice.paymentHash)?.state === 'succeeded',
      )
      if (invoice.state === 'paid' && paidBy.length !== 1)
        return `${payee.name}: paid by ${paidBy.length} nodes`
    }
  }
  return undefined
}

/** Whose script it is: a wallet's, or the funding output of a channel that both sides have. */
export function ownerOf(world: World, script: Uint8Array): SimNode | 'channel' | undefined {
  for (const node of world.nodes) {
    const state = world.stateOf(node)
    if (state.wallet.branches.some((b) => b.scripts.some((s) => equalBytes(s, script)))) return node
  }
  const funds = world.nodes.every((n) => Object.values(world.stateOf(n).channels).length === 0)
    ? []
    : world.nodes.flatMap((n) => Object.values(world.stateOf(n).channels))
  return funds.filter((c) => equalBytes(c.funding.script, script)).length === 2 ? 'channel' : undefined
}

/** Every unspent output is somebody's, and wallets count what the chain says. */
export function chainProblem(world: World): string | undefined {
  const owned = new Map<SimNode, bigint>()
  let inChannels = 0n
  let total = 0n
  for (const { output, outpoint } of world.chain.unspent()) {
    const owner = ownerOf(world, output.script)
    if (owner === undefined) return `${output.valueSat} sat of ${outpoint.txid.slice(0, 8)} are nobody's`
    if (owner === 'channel') inChannels += output.valueSat
    else owned.set(owner, (owned.get(owner) ?? 0n) + output.valueSat)
    total += output.valueSat
  }
  let given = 0n
  let fees = 0n
  for (const { txid, tx, faucet } of world.chain.transactions()) {
    if (faucet) given += tx.outputs.reduce((n, o) => n + o.valueSat, 0n)
    else fees += world.chain.feeOf(txid)
  }
  if (given !== total + fees) return `${given} sat were put in, ${total} are there and ${fees} went to miners`
  for (const node of world.nodes) {
    const state = world.stateOf(node)
    const { totalSat } = balanceOf(state.wallet, state.chain.headers.tip.height)
    if (totalSat !== (owned.get(node) ?? 0n)) {
      return `${node.name} counts ${totalSat} sat, the chain gives it ${owned.get(node) ?? 0n}`
    }
  }
  const funded = new Map<string, bigint>()
  for (const node of world.nodes) {
    for (const channel of Object.values(world.stateOf(node).channels)) {
      if (!isOrphan(world, channel) && isLive(world, channel)) funded.set(channel.id, channel.funding.sat)
    }
  }
  const sum = [...funded.values()].reduce((n, v) => n + v, 0n)
  return sum === inChannels ? undefined : `channels hold ${sum} sat, the chain has ${inChannels} for them`
}

/** In each channel nobody's balance moved but by payments; a close paid both out, less the opener's fee. */
export function balanceProblem(world: World): string | undefined {
  for (const node of world.nodes) {
    for (const channel of Object.values(world.stateOf(node).channels)) {
      if (isOrphan(world, channel)) continue
      const expected = expectedMsat(world, node, channel)
      const view = viewAt(channel, channel.localTip.indexes)
      const actual = channelBalance(view, channel.role)
      if (actual !== expected) return `${node.name} has ${actual} msat in a channel, expected ${expected}`
      const spender = world.chain.spenderOf(channel.funding.outpoint)
      if (spender === undefined) continue
      const out = spender.outputs.find((o) => equalBytes(o.script, channel.shutdownScript))?.valueSat ?? 0n
      const feeSat = channel.funding.sat - spender.outputs.reduce((n, o) => n + o.valueSat, 0n)
      const due = expected / 1000n
      const dust = due <= 1000n && out === 0n
      if (channel.role === 'accepter' && out !== due && !dust)
        return `${node.name} was paid ${out} of ${due} sat`
      if (channel.role === 'opener' && due - out > feeSat && !dust)
        return `${node.name} was paid ${out} of ${due} sat`
      if (feeSat > 5_000n + 2_000n) return `the close ${txidOf(spender).slice(0, 8)} cost ${feeSat} sat`
    }
  }
  return undefined
}

export function expectedMsat(world: World, node: SimNode, channel: Channel): bigint {
  const peer = world.byId(channel.peer)
  const pushed = world.pushes.get(channel.temporaryId) ?? 0n
  let expected = channel.role === 'opener' ? channel.funding.sat * 1000n - pushed : pushed
  const sent = (from: SimNode): bigint =>
    entries(world.stateOf(from).payments)
      .flatMap((p) => p.attempts)
      .filter((a) => a.channelId === channel.id && a.state === 'succeeded')
      .reduce((n, a) => n + a.amountMsat, 0n)
  expected += sent(peer) - sent(node)
  return expected
}
