import { describe, expect, it } from 'vitest'
import { entries, entry } from '../../engine/base/table.ts'
import { msat, sat } from '../../engine/base/units.ts'
import type { SimNode } from './node.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { World } from './world.ts'

/** Two channels with one peer, and payments that its user holds: nothing waits behind what may be held for days. */

function twoChannels(format: string): World {
  const world = new World({ nodes: 2, formats: [format] })
  reach(world, [
    hasCoins('ada', 1_600_000, 1_600_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 1_500_000, 300_000_000),
  ])
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  world.command(ada, {
    type: 'openChannel',
    nodeId: ben.id,
    amountSat: sat(1_500_000),
    pushMsat: msat(300_000_000),
  })
  for (let i = 0; i < 4; i++) {
    world.settle()
    world.mine(2)
  }
  world.settle()
  const channels = Object.values(world.stateOf(ada).channels)
  expect(channels.map((c) => c.readySent && c.readyReceived)).toEqual([true, true])
  return world
}

function invoiceOf(world: World, payee: SimNode, amountMsat: number): { hash: string; bolt11: string } {
  const reply = world.command(payee, {
    type: 'addInvoice',
    amountMsat: msat(amountMsat),
    description: '',
    expirySeconds: 86_400,
    hold: true,
  })
  const hash = reply?.type === 'invoice' ? reply.paymentHash : ''
  return { hash, bolt11: entry(world.stateOf(payee).invoices, hash)?.bolt11 ?? '' }
}

const held = (world: World): number =>
  entries(world.stateOf(world.node('ben')).invoices).filter((i) => (i.waiting?.length ?? 0) > 0).length

describe.each(['lcp', 'anchors_zero_fee_htlc_tx', 'static_remotekey'])('%s', (format) => {
  const world = twoChannels(format)

  it.each([false, true])(
    'a second held payment goes through the other channel, at once: both in one turn %s',
    (together) => {
      const w = world.fork(1)
      const [ada, ben] = [w.node('ada'), w.node('ben')]
      const invoices = [1, 2].map(() => invoiceOf(w, ben, 800_000_000))
      const ids = invoices.map(({ bolt11 }) => {
        const command = { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 60 } as const
        const id = w.commandId(ada, command)
        return { type: 'command', id, command } as const
      })
      if (together) w.turn(ada, ids)
      else
        for (const input of ids) {
          w.turn(ada, [input])
          w.drain()
        }
      w.drain()
      expect(held(w)).toBe(2)
      // A third finds no room anywhere, and says so instead of waiting for what is held.
      const third = invoiceOf(w, ben, 790_000_000)
      w.command(ada, { type: 'sendPayment', invoice: third.bolt11, timeoutSeconds: 60 })
      expect(w.refusal).toMatchObject({ code: 'exceedsSpendable' })
      for (const { hash } of invoices)
        w.command(ben, { type: 'decideInvoice', paymentHash: hash, take: true })
      w.settle()
      expect(entries(w.stateOf(ada).payments).map((p) => p.state)).toEqual(['succeeded', 'succeeded'])
    },
  )
})

it('a held payment is not taken by a height that nobody has confirmed lately: its HTLC may have expired meanwhile', () => {
  const world = twoChannels('lcp')
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const { hash, bolt11 } = invoiceOf(world, ben, 1_000_000)
  world.command(ada, { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 60 })
  world.drain()
  expect(held(world)).toBe(1)
  const take = { type: 'decideInvoice', paymentHash: hash, take: true } as const
  world.now += 600_000
  world.command(ben, take)
  expect(world.refusal).toMatchObject({ code: 'notReady' })
  expect(held(world)).toBe(1)
  world.settle()
  world.command(ben, take)
  world.settle()
  expect(entries(world.stateOf(ada).payments).map((p) => p.state)).toEqual(['succeeded'])
})

it('a payment that waits for its turn in a channel which the peer closes on chain fails then, and does not hang until its time is up', () => {
  const world = new World({ nodes: 2, formats: ['anchors_zero_fee_htlc_tx'] })
  reach(world, [
    hasCoins('ada', 900_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000, 100_000_000),
  ])
  world.settle()
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  // The first is signed, the second waits until the peer has revoked.
  for (const { bolt11 } of [1, 2].map(() => invoiceOf(world, ben, 10_000_000)))
    world.command(ada, { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 86_400 })
  const [channel] = Object.values(world.stateOf(ada).channels)
  expect(channel?.outbox.map((p) => p.type)).toEqual(['add'])
  const link = world.linkBetween(ada, ben)
  if (link === undefined || channel === undefined) throw new Error('a link and a channel')
  world.cut(link)
  ada.keep.delete(ben.id)
  ben.keep.delete(ada.id)
  world.command(ben, { type: 'closeChannel', channelId: channel.id, force: true })
  world.mine(1)
  for (let i = 0; i < 4; i++) {
    world.drain()
    world.pass(10_000)
  }
  expect(world.stateOf(ada).closes[channel.id]).toBeDefined()
  const states = entries(world.stateOf(ada).payments).map((p) => p.state)
  expect(states.sort()).toEqual(['failed', 'pending'])
})

it('a payment too small for the chain is lost there, tried by another way and taken: what it cost is in the map to the msat', () => {
  const world = new World({
    nodes: 3,
    forwards: true,
    formats: ['anchors_zero_fee_htlc_tx'],
    toSelfDelay: 144,
  })
  reach(world, [
    hasCoins('ada', 600_000, 600_000, 50_000),
    hasCoins('cal', 600_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000, 100_000_000),
    connected('ada', 'cal'),
    opened('ada', 'cal', 500_000, 100_000_000),
    connected('cal', 'ben'),
    opened('cal', 'ben', 500_000, 100_000_000),
  ])
  world.settle()
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const { hash, bolt11 } = invoiceOf(world, ben, 1_000)
  world.command(ada, { type: 'sendPayment', invoice: bolt11, timeoutSeconds: 86_400 })
  world.settle()
  const direct = Object.values(world.stateOf(ada).channels).find((c) => c.peer === ben.id)
  world.command(ada, { type: 'closeChannel', channelId: direct?.id ?? '', force: true })
  for (let i = 0; i < 8; i++) {
    world.mine(1)
    world.settle()
  }
  const attempts = () => entry(world.stateOf(ada).payments, hash)?.attempts.map((a) => a.state)
  expect(attempts()).toEqual(['failed', 'pending'])
  world.command(ben, { type: 'decideInvoice', paymentHash: hash, take: true })
  // Each look checks all money.
  world.settle()
  expect(attempts()).toEqual(['failed', 'succeeded'])
})
