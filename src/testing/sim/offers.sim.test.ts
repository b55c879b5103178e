import { describe, expect, it } from 'vitest'
import { fromHex } from '../../engine/base/bytes.ts'
import { entries } from '../../engine/base/table.ts'
import { msat } from '../../engine/base/units.ts'
import type { Command } from '../../engine/node/commands.ts'
import { publicKey } from '../../engine/crypto/curve.ts'
import { decodeOffer, makeOffer, offerText } from '../../engine/offer/offer.ts'
import { createGraph } from '../../engine/router/graph.ts'
import { CHANNEL, NODE } from '../../engine/router/graph-terms.ts'
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

  it('is paid once at most whatever write payer or recipient dies around; what becomes of the request is known', () => {
    const base = world.fork(2)
    const offer = offered(base, { description: 'What you like' })
    const forks: { readonly w: World; readonly what: string }[] = []
    base.crashAt = (node, writes) => {
      // Those who pass payments on are seen to in `network.sim.test.ts`.
      if (node.name === 'ben') return undefined
      for (const when of ['before', 'after'] as const) {
        const other = base.fork()
        const victim = other.node(node.name)
        if (when === 'after') victim.commit(writes)
        other.crash(victim)
        forks.push({ w: other, what: `${node.name} dies ${when} write ${base.writes}` })
      }
      return undefined
    }
    pay(base, offer, { amountMsat: AMOUNT, timeoutSeconds: 20 })
    base.settle()
    expect(payments(base)).toMatchObject([{ state: 'succeeded' }])
    expect(forks.length).toBeGreaterThan(10)
    const ends = new Map<string, number>()
    for (const { w, what } of forks) {
      w.settle()
      // Long enough for a request to be sent again, and given up.
      for (let n = 0; n < 5; n++) {
        w.pass(5_000)
        w.settle()
      }
      const requests = Object.values(w.stateOf(w.node('ada')).requests)
      expect(
        requests.filter((r) => r.state === 'asking'),
        what,
      ).toEqual([])
      expect(networkProblem(w, false), what).toBeUndefined()
      const paid = payments(w).filter((p) => p.state === 'succeeded')
      expect(paid.length, what).toBe(received(w).filter((r) => r.state === 'paid').length)
      expect(
        paid.length + payments(w).filter((p) => p.state === 'failed').length + requests.length,
        what,
      ).toBeLessThanOrEqual(1)
      const end =
        paid.length === 1 ? 'paid' : (requests[0]?.error?.code ?? payments(w)[0]?.state ?? 'never begun')
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
    expect(ends.get('paid')).toBeGreaterThan(forks.length / 2)
    expect([...ends.keys()].toSorted()).toEqual(expect.arrayContaining(['never begun', 'paid']))
  })

  it('is asked for again when the request or its answer was lost, and given up when nobody answers', () => {
    const w = world.fork(3)
    const offer = offered(w, { amountMsat: AMOUNT, description: 'Late' })
    w.crash(w.node('cal'))
    pay(w, offer)
    w.drain()
    const [request] = Object.values(w.stateOf(w.node('ada')).requests)
    expect(request).toMatchObject({ state: 'asking' })
    w.boot(w.node('cal'))
    w.settle()
    for (let n = 0; n < 3; n++) {
      w.pass(5_000)
      w.settle()
    }
    expect(payments(w)).toMatchObject([{ state: 'succeeded' }])

    const alone = world.fork(4)
    const other = offered(alone, { amountMsat: AMOUNT, description: 'Never' })
    const reply = alone.command(alone.node('cal'), {
      type: 'disableOffer',
      id: Object.keys(alone.stateOf(alone.node('cal')).offers)[0] ?? '',
    })
    expect(reply?.type).toBe('done')
    pay(alone, other, { timeoutSeconds: 20 })
    for (let n = 0; n < 6; n++) {
      alone.pass(5_000)
      alone.settle()
    }
    expect(Object.values(alone.stateOf(alone.node('ada')).requests)).toMatchObject([
      { state: 'failed', error: { code: 'offerNoAnswer' }, asked: [{}, {}, {}] },
    ])
    expect(payments(alone)).toEqual([])
  })

  it('whose terms are not kept, whose text is none, of another network, or our own is refused before anything is sent', () => {
    const w = world.fork(5)
    const offer = offered(w, { amountMsat: AMOUNT, description: 'Two at most', quantityMax: 2n })
    const refusal = (more: Parameters<typeof pay>[2], text = offer) => {
      pay(w, text, more)
      expect(w.stateOf(w.node('ada')).requests).toEqual({})
      return w.refusal
    }
    expect(refusal({})).toMatchObject({ code: 'invalidInput', data: { field: 'quantity', most: '2' } })
    expect(refusal({ quantity: 3n })).toMatchObject({ code: 'invalidInput', data: { field: 'quantity' } })
    expect(refusal({ quantity: 2n, amountMsat: AMOUNT })).toMatchObject({
      code: 'amountTooSmall',
      data: { minMsat: `${2n * AMOUNT}` },
    })
    expect(refusal({}, `${offer.slice(0, -1)}q`)).toMatchObject({ code: 'invoiceMalformed' })
    const mainnet = offerText(makeOffer({ offerIssuerId: publicKey(new Uint8Array(32).fill(1)) }))
    expect(refusal({ amountMsat: AMOUNT }, mainnet)).toMatchObject({ code: 'invoiceWrongNetwork' })
    w.command(w.node('cal'), { type: 'payOffer', offer, quantity: 1n, timeoutSeconds: 60 })
    expect(w.refusal).toMatchObject({ code: 'payingSelf' })
    pay(w, offer, { quantity: 2n })
    w.settle()
    expect(payments(w)).toMatchObject([{ state: 'succeeded', amountMsat: 2n * AMOUNT }])
  })

  it('that its payer gives up is not paid, though its invoice comes', () => {
    const w = world.fork(7)
    const offer = offered(w, { amountMsat: AMOUNT, description: 'On second thought' })
    const reply = pay(w, offer)
    const requestId = reply?.type === 'offerRequest' ? reply.requestId : ''
    expect(w.command(w.node('ada'), { type: 'cancelRequest', requestId })?.type).toBe('done')
    w.settle()
    expect(w.stateOf(w.node('cal')).offered.size).toBe(1)
    expect(payments(w)).toEqual([])
    expect(w.stateOf(w.node('ada')).requests[requestId]).toMatchObject({
      error: { code: 'paymentCancelled' },
    })
    w.command(w.node('ada'), { type: 'cancelRequest', requestId })
    expect(w.refusal).toMatchObject({ code: 'paymentUnknown' })
  })

  it('whose path begins with a stranger is asked for there, where its address is known; the stranger is let go after', () => {
    const graph = createGraph()
    const w = new World({ nodes: 3, graph })
    reach(w, [hasCoins('ada', 900_000), connected('ada', 'ben'), opened('ada', 'ben', 500_000, 100_000_000)])
    w.settle()
    const [ada, cal] = [w.node('ada'), w.node('cal')]
    const offer = offered(w, { amountMsat: AMOUNT, description: 'Far away' })
    pay(w, offer)
    expect(Object.values(w.stateOf(ada).requests)).toMatchObject([{ error: { code: 'offerUnreachable' } }])
    const [one, two] = [ada.id, cal.id].sort()
    graph.addChannel({
      scid: 1n << 40n,
      nodeId1: fromHex(one as string),
      nodeId2: fromHex(two as string),
      capacitySat: 1,
      witnessProgram: new Uint8Array(32),
      flags: CHANNEL.signed,
    })
    graph.setNode(graph.nodeOf(cal.id), 1, NODE.announced, new Uint8Array(32), 'cal.example:9735')
    const again = pay(w, offer)
    expect(ada.keep.has(cal.id)).toBe(true)
    w.settle()
    // Its invoice came; that no channel leads there is another matter.
    const id = again?.type === 'offerRequest' ? again.requestId : ''
    expect(w.stateOf(ada).requests[id]).toMatchObject({ asked: [{}], error: { code: 'noRoute' } })
    expect(ada.keep.has(cal.id)).toBe(false)
    expect(w.stateOf(ada).peers[cal.id]).toBeUndefined()
    expect(w.stateOf(ada).peerAddresses[cal.id]).toBeUndefined()
  })

  it('answers no more than so many messages of a peer a second', () => {
    const w = world.fork(6)
    const offer = offered(w, { description: '' })
    for (let n = 0; n < 24; n++) pay(w, offer, { amountMsat: msat(1_000), timeoutSeconds: 3 })
    w.drain()
    expect(w.stateOf(w.node('cal')).offered.size).toBeLessThanOrEqual(20)
    expect(w.stateOf(w.node('cal')).offered.size).toBeGreaterThan(10)
  })
})
