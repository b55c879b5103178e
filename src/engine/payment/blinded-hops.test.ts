import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { createBlindedPath } from '../onion/blinding.ts'
import type { RecipientData } from '../onion/recipient-data.ts'
import { createBlindedInvoice } from './blinded-invoice.ts'
import { BOB_SECRET, crafted, entropy, HEIGHT, lookup, NOW, received } from './fixture.ts'
import { receiveHtlc } from './incoming.ts'
import type { InvoiceRecord } from './invoice-record.ts'
import { onRemoved } from './outgoing.ts'
import { readOnion } from './read-onion.ts'
import type { HtlcRemoval, IncomingHtlc } from './types.ts'
import {
  CAROL_SECRET,
  CAROL,
  AMOUNT,
  carolsInvoice,
  payee,
  alice,
  begun,
  offered,
  passedBy,
  onward,
  toCarol,
  atCarol,
  removalOf,
  blindedWord,
  pathOf,
  RELAY,
} from './fixture-blinded.ts'

describe('Carol says the same, whatever is wrong: a word for the hop before her and no more', () => {
  const invoice = carolsInvoice()
  const add = offered(begun(payee(invoice)))
  const good = toCarol(add)
  const changed = (change: Partial<InvoiceRecord>): InvoiceRecord => ({ ...invoice.record, ...change })

  it.each<[string, Partial<IncomingHtlc>, InvoiceRecord | undefined, number?, number?]>([
    ['unknownInvoice', {}, undefined],
    ['pathId', {}, changed({ paymentSecret: new Uint8Array(32).fill(1) })],
    ['alreadyPaid', {}, changed({ state: 'paid' })],
    ['cancelled', {}, changed({ state: 'cancelled' })],
    ['expired', {}, invoice.record, HEIGHT, NOW + 3_600_000],
    ['amountTooLow', {}, changed({ amountMsat: msat(AMOUNT + 1n) })],
    ['amountTooHigh', {}, changed({ amountMsat: msat(AMOUNT / 2n - 1n) })],
    ['expiryTooSoon', {}, invoice.record, HEIGHT + 4],
    ['amountBelowOnion', { amountMsat: msat(AMOUNT - 1n) }, invoice.record],
    ['noHeight', {}, invoice.record, 0],
    // Beyond `max_cltv_expiry` of the path.
    ['blinded', { cltvExpiry: good.cltvExpiry + 10_000 }, invoice.record],
    ['blinded', { onion: good.onion.map((b, i) => (i === 500 ? b ^ 1 : b)) }, invoice.record],
    ['blinded', { pathKey: publicKey(BOB_SECRET) }, invoice.record],
    ['blinded', { pathKey: new Uint8Array(33).fill(2) }, invoice.record],
  ])('%s', (refusal, change, record, height, now) => {
    const htlc = { ...good, ...change }
    const outcome = atCarol(htlc, record, height, now)
    expect(outcome.refusal).toBe(refusal)
    expect(outcome.removals).toEqual([{ channelId: htlc.channelId, removal: blindedWord(htlc) }])
    expect(outcome.invoice).toBeUndefined()
  })

  it('the same HTLC again, after a restart, gets the same answer', () => {
    const paid = atCarol(good, invoice.record).invoice as InvoiceRecord
    expect(removalOf(atCarol(good, paid, HEIGHT + 500))?.type).toBe('fulfill')
  })

  it('an invoice of the other kind is not paid by a path with its secret, nor this one by its secret without a path', () => {
    const { blinded: _, ...plain } = invoice.record
    expect(atCarol(good, plain)).toMatchObject({
      refusal: 'pathId',
      removals: [{ removal: blindedWord(good) }],
    })
    const bobs = unwrap(
      createBlindedInvoice(
        { amountMsat: msat(AMOUNT), description: '', expirySeconds: 60 },
        { now: NOW, height: HEIGHT, nodeSecret: BOB_SECRET, entropy: entropy(), ways: [] },
      ),
    ).record
    const { htlc } = crafted({
      paymentHash: fromHex(bobs.paymentHash),
      payload: {
        amtToForward: msat(AMOUNT),
        outgoingCltvValue: HEIGHT + 150,
        paymentData: { paymentSecret: bobs.paymentSecret, totalMsat: msat(AMOUNT) },
      },
      amountMsat: msat(AMOUNT),
      cltvExpiry: HEIGHT + 150,
    })
    const outcome = receiveHtlc(() => bobs, htlc, {
      now: NOW,
      height: HEIGHT,
      nodeSecret: BOB_SECRET,
      spontaneous: 0,
    })
    expect(outcome).toMatchObject({ refusal: 'paymentSecret', removals: [{ removal: { type: 'fail' } }] })
  })
})

describe('a hop of somebody’s path', () => {
  const carol = { secret: CAROL_SECRET, data: { pathId: fromHex('aa') } }
  const bobs = (data: RecipientData) => ({ secret: BOB_SECRET, data })
  const INVOICE = carolsInvoice()
  const toBob = (data: RecipientData) =>
    readOnion(
      received(offered(begun(payee({ ...INVOICE, paths: [pathOf([bobs(data), carol])] })))),
      BOB_SECRET,
    )

  it.each<[string, RecipientData]>([
    ['no payment_relay', { shortChannelId: 1n }],
    ['nowhere to', { paymentRelay: RELAY }],
    ['two ways', { shortChannelId: 1n, nextNodeId: fromHex(CAROL), paymentRelay: RELAY }],
    ['a feature', { shortChannelId: 1n, paymentRelay: RELAY, allowedFeatures: fromHex('02') }],
    [
      'max_cltv_expiry',
      {
        shortChannelId: 1n,
        paymentRelay: RELAY,
        paymentConstraints: { maxCltvExpiry: HEIGHT + 226, htlcMinimumMsat: msat(1) },
      },
    ],
    [
      'htlc_minimum_msat',
      {
        shortChannelId: 1n,
        paymentRelay: RELAY,
        paymentConstraints: { maxCltvExpiry: HEIGHT + 9999, htlcMinimumMsat: msat(AMOUNT + 1501n) },
      },
    ],
    ['a fee above the amount', { shortChannelId: 1n, paymentRelay: { ...RELAY, feeBaseMsat: 90_000_000 } }],
    ['a delta above the expiry', { shortChannelId: 1n, paymentRelay: { ...RELAY, cltvExpiryDelta: 9000 } }],
  ])('that is asked for what it cannot do fails as the introduction: %s', (_, data) => {
    const read = toBob(data)
    if (read.kind !== 'refused') throw new Error(read.kind)
    expect(read.refusal).toBe('blinded')
    expect(read.removal.type).toBe('fail')
  })

  it('forwards at exactly its constraints, to a node, with the key that its data gives', () => {
    const nextPathKeyOverride = publicKey(new Uint8Array(32).fill(3))
    const read = toBob({
      nextNodeId: fromHex(CAROL),
      nextPathKeyOverride,
      paymentRelay: RELAY,
      paymentConstraints: { maxCltvExpiry: HEIGHT + 227, htlcMinimumMsat: msat(AMOUNT + 1500n) },
      allowedFeatures: new Uint8Array(0),
    })
    expect(read).toMatchObject({
      kind: 'forward',
      forward: { to: { nodeId: fromHex(CAROL) }, blinded: { nextPathKey: nextPathKeyOverride } },
    })
  })

  it('behind the introduction tells of the same faults only backwards', () => {
    const dave = new Uint8Array(32).fill(0xd5)
    const path = pathOf([
      bobs({ shortChannelId: 1n, paymentRelay: RELAY }),
      { secret: dave, data: { shortChannelId: 2n } },
      carol,
    ])
    const add = received(offered(begun(payee({ ...INVOICE, paths: [path] }))))
    const htlc = onward(add, passedBy(BOB_SECRET, add))
    expect(readOnion(htlc, dave)).toEqual({
      kind: 'refused',
      refusal: 'blinded',
      removal: blindedWord(htlc),
    })
  })

  it('the recipient of a path of one hop answers in plain words: its sender knows whom it pays', () => {
    const path = pathOf([{ secret: BOB_SECRET, data: { pathId: fromHex('aa') } }], 144)
    const turn = begun(payee({ ...INVOICE, paths: [path] }))
    const outcome = receiveHtlc(lookup(), received(offered(turn)), {
      now: NOW,
      height: HEIGHT,
      nodeSecret: BOB_SECRET,
      spontaneous: 0,
    })
    const removal = outcome.removals[0]?.removal as HtlcRemoval
    const ended = onRemoved(turn.record, offered(turn).token, removal, alice())
    expect(ended.record).toMatchObject({
      state: 'failed',
      error: { code: 'recipientRefused', data: { failure: 'incorrect_or_unknown_payment_details' } },
    })
  })

  it('whatever bytes its maker left for it: never thrown at, and refused unless they are in order', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      // Well-formed records of the types there are, with whatever in them.
      fc
        .array(
          fc.tuple(fc.constantFrom(1, 2, 4, 6, 8, 10, 12, 14, 15, 16), fc.uint8Array({ maxLength: 34 })),
          {
            maxLength: 5,
          },
        )
        .map((records) =>
          Uint8Array.from(
            records.sort(([a], [b]) => a - b).flatMap(([type, value]) => [type, value.length, ...value]),
          ),
        ),
    )
    fc.assert(
      fc.property(anything, (data) => {
        const nodes = [BOB_SECRET, CAROL_SECRET].map(publicKey)
        const { path } = createBlindedPath(
          entropy().bytes(32),
          nodes.map((nodeId) => ({ nodeId, data })),
        )
        const paths = [{ ...pathOf([carol]), path }]
        const read = readOnion(received(offered(begun(payee({ ...INVOICE, paths })))), BOB_SECRET)
        if (read.kind === 'refused')
          expect(read).toMatchObject({ refusal: 'blinded', removal: { type: 'fail' } })
        else expect(read.kind).toBe('forward')
      }),
      { numRuns: 40 },
    )
  })
})
