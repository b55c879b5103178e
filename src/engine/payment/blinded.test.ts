import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { err, ok, unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { createBlindedPath } from '../onion/blinding.ts'
import { FAILURE_CODES } from '../onion/failure.ts'
import { encodeRecipientData, type RecipientData, relayBlinded } from '../onion/recipient-data.ts'
import { findParts } from '../router/parts.ts'
import { createGraph } from '../router/graph.ts'
import { feeFor } from '../router/fees.ts'
import { createBlindedInvoice } from './blinded-invoice.ts'
import type { PathSight } from './blinded-ways.ts'
import type { RouteWanted } from './attempt-route.ts'
import {
  ALICE,
  ALICE_SECRET,
  BOB,
  BOB_SECRET,
  crafted,
  entropy,
  HEIGHT,
  lookup,
  NOW,
  offersOf,
  received,
  startContext,
} from './fixture.ts'
import { receiveHtlc } from './incoming.ts'
import type { InvoiceRecord, NewInvoice } from './invoice-record.ts'
import type { WayIn } from './make-paths.ts'
import { onFulfilled, onRemoved, type StartContext } from './outgoing.ts'
import { partsTick } from './parts.ts'
import { type BlindedPayee, startBlinded } from './pay-blinded.ts'
import type { PaymentTurn } from './payment-record.ts'
import { type ForwardRead, readOnion } from './read-onion.ts'
import type { HtlcRemoval, IncomingHtlc, OutgoingAdd } from './types.ts'

// Alice pays Carol, whose peer Bob is the beginning of her paths.
const CAROL_SECRET = new Uint8Array(32).fill(0xc4)
const CAROL = toHex(publicKey(CAROL_SECRET))
const DAVE = toHex(publicKey(new Uint8Array(32).fill(0xd5)))
const AMOUNT = 5_000_000n

const wayIn = (change: Partial<WayIn> = {}): WayIn => ({
  peer: fromHex(BOB),
  shortChannelId: 77n,
  relay: { cltvExpiryDelta: 80, feeProportionalMillionths: 100, feeBaseMsat: 1000 },
  htlcMinimumMsat: msat(1),
  htlcMaximumMsat: msat(50_000_000),
  ...change,
})

const carolsInvoice = (ways: readonly WayIn[] = [wayIn()], change: Partial<NewInvoice> = {}) =>
  unwrap(
    createBlindedInvoice(
      { amountMsat: msat(AMOUNT), description: 'tea', expirySeconds: 3600, ...change },
      { now: NOW, height: HEIGHT, nodeSecret: CAROL_SECRET, entropy: entropy(), ways },
    ),
  )

const payee = (
  invoice: { readonly record: InvoiceRecord; readonly paths: readonly BlindedPaymentPath[] },
  change: Partial<BlindedPayee> = {},
): BlindedPayee => ({
  paths: invoice.paths,
  paymentHash: fromHex(invoice.record.paymentHash),
  amountMsat: msat(AMOUNT),
  expiresAt: invoice.record.expiresAt,
  parts: true,
  nodeId: CAROL,
  description: 'tea',
  text: 'lni1…',
  ...change,
})

const SIGHT: PathSight = {
  nodeSecret: ALICE_SECRET,
  nodeId: fromHex(ALICE),
  endOf: () => undefined,
  peerOf: () => undefined,
}

/** Alice, with a channel with each of `peers`. */
const alice = (peers: readonly string[] = [BOB], change: Partial<StartContext> = {}): StartContext => {
  const ctx = startContext({ sight: SIGHT, maxFeeMsat: msat(100_000), ...change })
  const findRoutes = (wanted: RouteWanted) => {
    const found = findParts(createGraph(), {
      source: ALICE,
      target: wanted.destination,
      amountMsat: wanted.amountMsat,
      finalCltvDelta: wanted.finalCltvDelta,
      height: wanted.height,
      maxFeeMsat: wanted.maxFeeMsat,
      localChannels: peers
        .map((peer, i) => ({
          channelId: `${i + 1}`.repeat(64),
          scid: BigInt(i),
          peer,
          spendableMsat: msat(9_000_000),
        }))
        .filter((c) => !wanted.without.includes(c.channelId)),
      excluded: wanted.excluded,
      now: NOW,
      ...(wanted.parts ? {} : { maxParts: 1 }),
      ...(wanted.blinded === undefined ? {} : { blinded: wanted.blinded }),
    })
    return found.ok
      ? ok(found.value.routes)
      : err({ code: 'noRoute', message: found.error.code, data: {} } as const)
  }
  return { ...ctx, findRoutes }
}

const begun = (to: BlindedPayee, ctx = alice()): PaymentTurn => unwrap(startBlinded(to, ctx))
const offered = (turn: PaymentTurn): OutgoingAdd => offersOf(turn)[0] as OutgoingAdd

/** Bob, or whoever has that secret, is asked to pass it on. */
function passedBy(secret: Uint8Array, htlc: IncomingHtlc): ForwardRead {
  const read = readOnion(htlc, secret)
  if (read.kind !== 'forward') throw new Error(read.kind === 'refused' ? read.refusal : read.kind)
  return read.forward
}

/** The HTLC that the next node gets. */
const onward = (htlc: IncomingHtlc, forward: ForwardRead): IncomingHtlc => ({
  channelId: 'cc'.repeat(32),
  id: 3n,
  amountMsat: forward.amtToForward,
  paymentHash: htlc.paymentHash,
  cltvExpiry: forward.outgoingCltvValue,
  onion: forward.next,
  ...(forward.blinded === undefined ? {} : { pathKey: forward.blinded.nextPathKey }),
})

/** What reaches Carol of an add of Alice's. */
const toCarol = (add: OutgoingAdd): IncomingHtlc => onward(received(add), passedBy(BOB_SECRET, received(add)))

const atCarol = (htlc: IncomingHtlc, record: InvoiceRecord | undefined, height = HEIGHT, now = NOW) =>
  receiveHtlc(() => record, htlc, { now, height, nodeSecret: CAROL_SECRET, spontaneous: 0 })

const removalOf = (outcome: ReturnType<typeof atCarol>): HtlcRemoval | undefined =>
  outcome.removals[0]?.removal

/** What a node inside a blinded path may say. */
const blindedWord = (htlc: IncomingHtlc) => ({
  type: 'malformed',
  id: htlc.id,
  sha256OfOnion: sha256(htlc.onion),
  failureCode: FAILURE_CODES.invalid_onion_blinding,
})

/** A path of these hops, in Bob's and Carol's words or whatever a test wants. */
const pathOf = (
  hops: readonly { readonly secret: Uint8Array; readonly data: RecipientData }[],
  cltvExpiryDelta = 224,
): BlindedPaymentPath => ({
  path: createBlindedPath(
    entropy().bytes(32),
    hops.map(({ secret, data }) => ({ nodeId: publicKey(secret), data: encodeRecipientData(data) })),
  ).path,
  payInfo: {
    feeBaseMsat: 1000,
    feeProportionalMillionths: 100,
    cltvExpiryDelta,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 2n ** 64n - 1n,
    features: new Uint8Array(0),
  },
})
const RELAY = wayIn().relay

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
})
