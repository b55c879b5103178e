import { expect, test } from 'vitest'
import { entries, entry } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import type { NodeInput } from '../../engine/node/ports.ts'
import { decodeMessage } from '../../engine/wire/decode.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { World } from './world.ts'

/** Batches are a matter of turns, and the window of credit: no clock has a say in either. */

const PAYMENTS = 12

function ready(formats: readonly string[]): World {
  const world = new World({ formats, window: 4 })
  reach(world, [
    hasCoins('ada', 900_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 500_000, 100_000_000),
  ])
  world.settle()
  return world
}

/** Kinds of the messages on their way to a node, updates of one kind counted. */
function waiting(world: World, to: 'ada' | 'ben'): string[] {
  const kinds: string[] = []
  for (const link of world.links) {
    for (const end of link.ends) {
      if (end.node.name !== to) continue
      for (const item of end.inbox) {
        if (item.type !== 'message') continue
        const message = decodeMessage(item.bytes)
        if (!message.ok) throw new Error(message.error.message)
        const last = kinds.at(-1)?.split(' ') ?? []
        const { type } = message.value
        if (last[0] === type) kinds.splice(-1, 1, `${type} ${Number(last[1] ?? 1) + 1}`)
        else kinds.push(type)
      }
    }
  }
  return kinds
}

/** Asks ada for so many payments in one turn. */
function pay(world: World, count: number): void {
  const [ada, ben] = [world.node('ada'), world.node('ben')]
  const inputs = Array.from({ length: count }, (): NodeInput => {
    const reply = world.command(ben, {
      type: 'addInvoice',
      amountMsat: msat(1_000),
      description: '',
      expirySeconds: 3_600,
    })
    if (reply?.type !== 'invoice') throw new Error('no invoice')
    const invoice = entry(world.stateOf(ben).invoices, reply.paymentHash)?.bolt11 ?? ''
    const command = { type: 'sendPayment', invoice, timeoutSeconds: 60 } as const
    return { type: 'command', id: world.commandId(ada, command), command }
  })
  world.turn(ada, inputs)
}

/** A node takes all that has arrived in one turn. */
function takeAll(world: World, name: 'ada' | 'ben'): void {
  const node = world.node(name)
  const ends = world.readable().filter((end) => end.node === node)
  world.turn(
    node,
    ends.flatMap((end) => world.read(end, end.inbox.length)),
  )
}

test('what is asked in one turn goes out under one signature, what arrives in one turn is answered with one, while time stands still', () => {
  const world = ready(['lcp'])
  const began = world.now
  pay(world, PAYMENTS)
  expect(waiting(world, 'ben')).toEqual([`update_add_htlc ${PAYMENTS}`, 'commitment_signed'])
  takeAll(world, 'ben')
  expect(waiting(world, 'ada')).toEqual(['revoke_and_ack', 'commitment_signed'])
  takeAll(world, 'ada')
  expect(waiting(world, 'ben')).toEqual(['revoke_and_ack'])
  takeAll(world, 'ben')
  expect(waiting(world, 'ada')).toEqual([`update_fulfill_htlc ${PAYMENTS}`, 'commitment_signed'])
  world.drain()
  const paid = entries(world.stateOf(world.node('ada')).payments)
  expect(paid.map((p) => p.state)).toEqual(Array.from({ length: PAYMENTS }, () => 'succeeded'))
  expect(world.now).toBe(began)
})

test('the next turn need not wait for an answer with lcp, and has to with a bolt format', () => {
  const said = (formats: readonly string[]): string[] => {
    const world = ready(formats)
    for (let turn = 0; turn < 6; turn++) pay(world, 1)
    const kinds = waiting(world, 'ben')
    world.drain()
    const states = entries(world.stateOf(world.node('ada')).payments).map((p) => p.state)
    expect(states).toEqual(Array.from({ length: 6 }, () => 'succeeded'))
    return kinds
  }
  const one = ['update_add_htlc', 'commitment_signed']
  // Four points were granted: the fifth and the sixth payment wait for credit and go out together.
  expect(said(['lcp'])).toEqual([...one, ...one, ...one, ...one])
  expect(said(['anchors_zero_fee_htlc_tx'])).toEqual(one)
})
