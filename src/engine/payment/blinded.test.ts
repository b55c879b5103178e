import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { relayBlinded } from '../onion/recipient-data.ts'
import { feeFor } from '../router/fees.ts'
import { createBlindedInvoice } from './blinded-invoice.ts'
import { ALICE, ALICE_SECRET, BOB, BOB_SECRET, entropy, HEIGHT, NOW, offersOf, received } from './fixture.ts'
import type { InvoiceRecord } from './invoice-record.ts'
import { onFulfilled, onRemoved } from './outgoing.ts'
import type { StartContext } from './start-payment.ts'
import { partsTick } from './parts.ts'
import { type BlindedPayee, startBlinded } from './pay-blinded.ts'
import type { PaymentTurn } from './payment-record.ts'
import { readOnion } from './read-onion.ts'
import type { IncomingHtlc } from './types.ts'
import {
  CAROL,
  DAVE,
  AMOUNT,
  wayIn,
  carolsInvoice,
  payee,
  SIGHT,
  alice,
  begun,
  offered,
  passedBy,
  onward,
  toCarol,
  atCarol,
  removalOf,
  blindedWord,
} from './fixture-blinded.ts'

describe('a payment by a blinded path', () => {
  it('goes from the paths to the preimage, with the fee that its maker reckoned, and names nobody behind the introduction', () => {
    const invoice = carolsInvoice()
    const turn = begun(payee(invoice))
    const add = offered(turn)
    expect(add.amountMsat).toBe(AMOUNT + 1000n + 500n)
    expect(add.cltvExpiry).toBe(HEIGHT + 3 + 80 + 144)
    expect(turn.record.attempts[0]).toMatchObject({
      hops: [BOB],
      amountMsat: AMOUNT,
      route: { blinded: 0, feeMsat: 1500n },
    })
    const asked = passedBy(BOB_SECRET, received(add))
    expect(asked).toMatchObject({
      to: { shortChannelId: 77n },
      amtToForward: AMOUNT,
      outgoingCltvValue: HEIGHT + 3 + 144,
      blinded: { place: 'introduction', sha256OfOnion: sha256(add.onion) },
    })
    const outcome = atCarol(toCarol(add), invoice.record)
    expect(removalOf(outcome)).toMatchObject({ type: 'fulfill', preimage: invoice.record.preimage })
    expect(outcome.invoice).toMatchObject({ state: 'paid', receivedMsat: AMOUNT })
    const done = onFulfilled(turn.record, invoice.record.preimage, NOW)
    expect(done.record).toMatchObject({ state: 'succeeded', feeMsat: 1500n })
  })

  it('that begins with its recipient is failed after a random delay, one inside of it at once, and what is taken too', () => {
    const direct = carolsInvoice([])
    const add = received(offered(begun(payee(direct), alice([CAROL]))))
    expect(atCarol(add, undefined).removals).toMatchObject([{ removal: { type: 'fail' }, later: true }])
    const late = { ...add, cltvExpiry: 1_000_000 }
    expect(atCarol(late, direct.record).removals).toMatchObject([{ removal: { type: 'fail' }, later: true }])
    const inside = toCarol(offered(begun(payee(carolsInvoice()))))
    expect(atCarol(inside, undefined).removals).toEqual([
      { channelId: inside.channelId, removal: expect.objectContaining({ type: 'malformed' }) as unknown },
    ])
    const paid = atCarol(add, direct.record)
    expect(removalOf(paid)?.type).toBe('fulfill')
    expect(paid.removals[0]).not.toHaveProperty('later')
  })

  it('what is left after the introduction node’s fee is the amount, at any fee and amount', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 4_000_000 }),
        fc.nat({ max: 100_000 }),
        fc.bigInt({ min: 1n, max: 2_000_000_000n }),
        (feeBaseMsat, feeProportionalMillionths, amount) => {
          const fee = feeFor(Number(amount), feeBaseMsat, feeProportionalMillionths)
          const paymentRelay = { feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta: 0 }
          const relayed = relayBlinded(
            { shortChannelId: 1n, paymentRelay },
            msat(amount + BigInt(fee)),
            800_000,
          )
          expect(unwrap(relayed).amtToForward).toBe(amount)
        },
      ),
    )
  })

  it('all paths look alike: as many hops, as many bytes a hop, whether they lead through a peer or not', () => {
    const lengths = [carolsInvoice(), carolsInvoice([])].map(({ paths }) =>
      paths[0]?.path.hops.map((hop) => hop.encryptedRecipientData.length),
    )
    for (const of of lengths) {
      expect(of?.length).toBe(3)
      expect(new Set(of).size).toBe(1)
    }
  })

  it('begins at a channel’s end that we know, and not at one that we do not', () => {
    const invoice = carolsInvoice()
    const [only] = invoice.paths as [BlindedPaymentPath]
    const short = { shortChannelId: 5n, direction: 1 } as const
    const paths = [{ ...only, path: { ...only.path, introduction: short } }]
    const sight = { ...SIGHT, endOf: (scid: bigint, d: 0 | 1) => (scid === 5n && d === 1 ? BOB : undefined) }
    const turn = begun(payee({ ...invoice, paths }), alice([BOB], { sight }))
    expect(removalOf(atCarol(toCarol(offered(turn)), invoice.record))?.type).toBe('fulfill')
    expect(startBlinded(payee({ ...invoice, paths }), alice())).toMatchObject({
      error: { code: 'noRoute', data: { reason: 'noBlindedPath' } },
    })
  })

  it('a path that begins with us loses our own hop, and our own fee', () => {
    const invoice = carolsInvoice([wayIn({ peer: fromHex(ALICE) })])
    const sight = { ...SIGHT, peerOf: (scid: bigint) => (scid === 77n ? CAROL : undefined) }
    const turn = begun(payee(invoice, { nodeId: DAVE }), alice([CAROL], { sight }))
    const add = offered(turn)
    expect(add.amountMsat).toBe(AMOUNT)
    expect(add.cltvExpiry).toBe(HEIGHT + 3 + 144)
    expect(removalOf(atCarol(received(add), invoice.record))?.type).toBe('fulfill')
    // And one that also ends with us is none.
    const own = unwrap(
      createBlindedInvoice(
        { amountMsat: msat(AMOUNT), description: '', expirySeconds: 60 },
        { now: NOW, height: HEIGHT, nodeSecret: ALICE_SECRET, entropy: entropy(), ways: [] },
      ),
    )
    expect(startBlinded(payee(own), alice()).ok).toBe(false)
  })

  it('a peer that asks for more blocks than anybody locks money for leads no path of ours: an invoice has no room for the sum', () => {
    const asking = (cltvExpiryDelta: number) =>
      carolsInvoice([
        wayIn({ relay: { cltvExpiryDelta, feeProportionalMillionths: 0, feeBaseMsat: 0 } }),
      ]).paths.map(({ path, payInfo }) => [
        'nodeId' in path.introduction && toHex(path.introduction.nodeId),
        payInfo.cltvExpiryDelta,
      ])
    expect(asking(2016 - 144)).toEqual([[BOB, 2016]])
    for (const hostile of [2016 - 143, 0xffff]) expect(asking(hostile)).toEqual([[CAROL, 144]])
  })

  it('a path that asks for features of ours, or is too long for an onion, is not taken', () => {
    const invoice = carolsInvoice()
    const [only] = invoice.paths as [BlindedPaymentPath]
    const withFeatures = (features: string) => [
      { ...only, payInfo: { ...only.payInfo, features: fromHex(features) } },
    ]
    expect(startBlinded(payee({ ...invoice, paths: withFeatures('01') }), alice()).ok).toBe(false)
    expect(startBlinded(payee({ ...invoice, paths: withFeatures('02') }), alice()).ok).toBe(true)
    const hop = only.path.hops[0] as BlindedPaymentPath['path']['hops'][0]
    const long = { ...hop, encryptedRecipientData: new Uint8Array(1200) }
    const paths = [{ ...only, path: { ...only.path, hops: [long, ...only.path.hops] } }]
    expect(startBlinded(payee({ ...invoice, paths }), alice()).ok).toBe(false)
  })

  it('is not begun when the invoice is ours, done, under way, too old or without an amount', () => {
    const invoice = carolsInvoice()
    const { record } = begun(payee(invoice))
    const code = (change: Partial<BlindedPayee>, ctx: Partial<StartContext> = {}) => {
      const begins = startBlinded(payee(invoice, change), alice([BOB], ctx))
      return begins.ok ? undefined : begins.error.code
    }
    expect(code({ nodeId: ALICE })).toBe('payingSelf')
    expect(code({}, { known: () => record })).toBe('paymentInFlight')
    expect(code({}, { known: () => ({ ...record, state: 'succeeded' }) })).toBe('alreadyPaid')
    expect(code({ expiresAt: NOW })).toBe('invoiceExpired')
    expect(code({ amountMsat: msat(0) })).toBe('amountTooSmall')
    expect(code({}, { height: 0 })).toBe('notReady')
    expect(code({}, { known: () => ({ ...record, state: 'failed', attempts: [] }) })).toBeUndefined()
  })
})

describe('several paths', () => {
  const ERIN_SECRET = new Uint8Array(32).fill(0xe6)
  const two = () => carolsInvoice([wayIn(), wayIn({ peer: publicKey(ERIN_SECRET), shortChannelId: 78n })])
  const both = [BOB, toHex(publicKey(ERIN_SECRET))]

  it('one that fails is left as a whole, the next is tried, and the last one ends the payment', () => {
    const invoice = two()
    const ctx = alice(both)
    const first = begun(payee(invoice), ctx)
    const fail = (turn: PaymentTurn, secret: Uint8Array): PaymentTurn => {
      const add = offered(turn)
      // The height has passed everything that the path allows, so its first node refuses.
      const late = { ...received(add), cltvExpiry: 1_000_000 }
      const read = readOnion(late, secret)
      if (read.kind !== 'refused') throw new Error(read.kind)
      expect(read.removal.type).toBe('fail')
      return onRemoved(turn.record, add.token, read.removal, ctx)
    }
    const [a, b] =
      first.record.attempts[0]?.hops[0] === BOB ? [BOB_SECRET, ERIN_SECRET] : [ERIN_SECRET, BOB_SECRET]
    const second = fail(first, a as Uint8Array)
    expect(new Set(second.record.attempts.map((t) => t.route?.blinded))).toEqual(new Set([0, 1]))
    expect(second.record.attempts[0]).toMatchObject({
      state: 'failed',
      channelBlameless: true,
      blame: { path: first.record.attempts[0]?.route?.blinded },
      error: { data: { failure: 'invalid_onion_blinding', hop: 0 } },
    })
    const third = fail(second, b as Uint8Array)
    expect(third.record).toMatchObject({
      state: 'failed',
      error: { data: { failure: 'invalid_onion_blinding' } },
    })
  })

  it('one path is used several times where it is the only one', () => {
    const invoice = carolsInvoice([wayIn({ htlcMaximumMsat: msat(3_000_000) })])
    const turn = begun(payee(invoice), alice([BOB, BOB]))
    expect(turn.record.attempts.map((a) => a.route?.blinded)).toEqual([0, 0])
  })

  it('parts go by several, are taken together, and are failed as blinded when one is missing', () => {
    const ways = [
      wayIn({ htlcMaximumMsat: msat(3_000_000) }),
      wayIn({ peer: publicKey(ERIN_SECRET), htlcMaximumMsat: msat(3_000_000) }),
    ]
    const invoice = carolsInvoice(ways)
    expect(startBlinded(payee(invoice, { parts: false }), alice(both)).ok).toBe(false)
    const turn = begun(payee(invoice), alice(both))
    const adds = offersOf(turn)
    expect(adds.length).toBe(2)
    expect(turn.record.attempts.reduce((sum, a) => sum + a.amountMsat, 0n)).toBe(AMOUNT)
    // What one path bears is not asked of it twice while there is another.
    expect(new Set(turn.record.attempts.map((a) => a.route?.blinded))).toEqual(new Set([0, 1]))
    const htlcs = adds.map((add, i): IncomingHtlc => {
      const bob = turn.record.attempts[i]?.hops[0] === BOB
      const forward = passedBy(bob ? BOB_SECRET : ERIN_SECRET, received(add))
      return { ...onward(received(add), forward), id: BigInt(i) }
    }) as [IncomingHtlc, IncomingHtlc]
    const waiting = atCarol(htlcs[0], invoice.record)
    expect(waiting.removals).toEqual([])
    const half = waiting.invoice as InvoiceRecord
    expect(atCarol(htlcs[1], half).removals.map((r) => r.removal.type)).toEqual(['fulfill', 'fulfill'])
    const late = partsTick(half, { now: NOW + 60_000, height: HEIGHT })
    expect(late?.removals.map((r) => r.removal)).toEqual([blindedWord(htlcs[0])])
  })
})
