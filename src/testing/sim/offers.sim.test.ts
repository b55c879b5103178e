import { describe, expect, it } from 'vitest'
import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import type { Command } from '../../engine/node/commands.ts'
import { decodeOffer } from '../../engine/offer/offer.ts'
import { networkProblem } from './network.ts'
import { connected, hasCoins, opened, reach } from './scenario.ts'
import { World } from './world.ts'

/** Offers (BOLT 12): an invoice is asked for by onion messages and paid by a blinded path. ada pays cal, ben is between them. */

const AMOUNT = msat(25_000_000)

function row(): World {
  const world = new World({ nodes: 3, forwards: true, formats: ['lcp', 'anchors_zero_fee_htlc_tx'] })
  reach(world, [
    hasCoins('ada', 1_000_000),
    hasCoins('ben', 1_000_000),
    connected('ada', 'ben'),
    opened('ada', 'ben', 800_000, 300_000_000),
    connected('ben', 'cal'),
    opened('ben', 'cal', 800_000, 300_000_000),
  ])
  world.settle()
  world.notes.delete('goal')
  return world
}

const world = row()

function offered(w: World, offer: Extract<Command, { type: 'addOffer' }>['offer']): string {
  const reply = w.command(w.node('cal'), { type: 'addOffer', offer })
  if (reply?.type !== 'offer') throw new Error('no offer')
  return w.stateOf(w.node('cal')).offers[reply.id]?.offer ?? ''
}

const pay = (w: World, offer: string, more: Partial<Extract<Command, { type: 'payOffer' }>> = {}) =>
  w.command(w.node('ada'), { type: 'payOffer', offer, timeoutSeconds: 60, ...more })

const payments = (w: World) => entries(w.stateOf(w.node('ada')).payments)
const received = (w: World) => entries(w.stateOf(w.node('cal')).invoices)

describe('an offer', () => {
  it('is paid through the node between, who learns neither amount nor name beyond its own part', () => {
    const w = world.fork(1)
    const offer = offered(w, { amountMsat: AMOUNT, description: 'A cup of tea', issuer: 'cal' })
    const decoded = decodeOffer(offer)
    expect(decoded.ok && decoded.value.fields.offerIssuerId).toBe(undefined)
    const reply = pay(w, offer, { payerNote: 'thanks' })
    expect(reply?.type).toBe('offerRequest')
    w.settle()
    expect(payments(w)).toMatchObject([
      {
        state: 'succeeded',
        amountMsat: AMOUNT,
        description: 'A cup of tea',
        bolt11: expect.stringMatching(/^lni1/),
      },
    ])
    expect(received(w)).toMatchObject([{ state: 'paid', receivedMsat: AMOUNT, payerNote: 'thanks' }])
    expect(w.stateOf(w.node('ada')).requests).toEqual({})
    expect(networkProblem(w, false)).toBeUndefined()
    // And again: an offer is paid as often as one likes, each time by an invoice of its own.
    pay(w, offer)
    w.settle()
    expect(payments(w).filter((p) => p.state === 'succeeded').length).toBe(2)
  })
})
