import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { publicKey } from '../crypto/curve.ts'
import { entropyFrom } from '../crypto/entropy.ts'
import { writeInvoiceError } from '../offer/fields.ts'
import { makeInvoice } from '../offer/invoice.ts'
import { decodeInvoiceRequest } from '../offer/invoice-request.ts'
import { makeOffer, offerText } from '../offer/offer.ts'
import { blindedSecret, createBlindedPath } from '../onion/blinding.ts'
import type { MessageContent } from '../onion/message.ts'
import { encodeTlvRecords } from '../wire/tlv.ts'
import {
  destinationsOf,
  failRequest,
  noAnswer,
  type OfferRequest,
  onAnswer,
  payerSecretOf,
  requestByPathId,
  requestDueAt,
  startRequest,
  surplusRequests,
  withAsked,
} from './offer-request.ts'

const NOW = 1_760_000_000_000
const CHAIN = NETWORKS.regtest.chainHash
const secret = (n: number) => new Uint8Array(32).fill(n)
const RECIPIENT = secret(1)
const ctx = { now: NOW, network: 'regtest' as const }

/** Two ways to the recipient: each with a name of its own for it. */
const made = [21, 22].map((n) =>
  createBlindedPath(secret(n), [{ nodeId: publicKey(RECIPIENT), data: new Uint8Array(2) }]),
)
const names = made.map(({ pathKeys }) => blindedSecret(RECIPIENT, pathKeys[0] as Uint8Array))
const OFFER = offerText(
  makeOffer({ offerChains: [CHAIN], offerDescription: 'A song', offerPaths: made.map(({ path }) => path) }),
)

const begin = (offer = OFFER): OfferRequest =>
  unwrap(
    startRequest(
      offer,
      { amountMsat: msat(7000), payerNote: 'hi' },
      { ...ctx, entropy: entropyFrom(secret(9)), invoiceKey: secret(10), timeoutSeconds: 60 },
    ),
  )

/** What the recipient would answer, signed by one of its names. */
function invoice(record: OfferRequest, by: Uint8Array, nodeId = publicKey(by), amountMsat = msat(7000)) {
  const request = unwrap(decodeInvoiceRequest(record.request))
  const path = made[0]?.path
  if (path === undefined) throw new Error('no path')
  const payInfo = {
    feeBaseMsat: 0,
    feeProportionalMillionths: 0,
    cltvExpiryDelta: 144,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 10_000n,
    features: new Uint8Array(0),
  }
  const { records } = makeInvoice(
    request,
    {
      amountMsat,
      paymentHash: secret(30),
      paths: [{ path, payInfo }],
      createdAt: NOW / 1000,
      expirySeconds: 600,
      nodeId,
      features: new Uint8Array(0),
    },
    by,
    secret(31),
  )
  return { kind: 'invoice', bytes: encodeTlvRecords(records) } as const satisfies MessageContent
}

const [first, second] = [secret(41), secret(42)]
const asked = withAsked(withAsked(begin(), { pathId: first, path: 0 }), { pathId: second, path: 1 })
const name = (i: number) => names[i] as Uint8Array

describe('a request for the invoice of an offer', () => {
  it('is signed with a key that comes from the wallet and the request alone', () => {
    const request = unwrap(decodeInvoiceRequest(begin().request))
    const metadata = request.fields.invreqMetadata as Uint8Array
    expect(request.fields.invreqPayerId).toEqual(publicKey(payerSecretOf(secret(10), metadata)))
    expect(request.fields).toMatchObject({ invreqPayerNote: 'hi', invreqAmount: 7000n, invreqChain: CHAIN })
  })

  it('goes by one path after the other, at times that grow, until its time is over', () => {
    const record = begin()
    expect(destinationsOf(record)).toMatchObject([{ index: 0 }, { index: 1 }])
    expect(requestDueAt(record)).toBeLessThanOrEqual(NOW)
    const once = withAsked(record, { pathId: first, path: 0 })
    expect(destinationsOf(once)).toMatchObject([{ index: 1 }, { index: 0 }])
    const times = [once, asked].map((r) => (requestDueAt(r) ?? 0) - NOW)
    expect(times).toEqual([4_000, 10_000])
    let many = asked
    for (let n = 0; n < 10; n++) many = withAsked(many, { pathId: secret(50 + n), path: 0 })
    expect(requestDueAt(many)).toBe(record.deadline)
    expect(noAnswer(record).code).toBe('offerUnreachable')
    expect(noAnswer(once).code).toBe('offerNoAnswer')
  })

  it('is answered by whom it went to: the name on the path that was taken, and no other', () => {
    expect(onAnswer(asked, first, invoice(asked, name(0)), ctx)).toMatchObject({
      kind: 'invoice',
      invoice: { amountMsat: 7000n, paymentHash: secret(30) },
    })
    expect(onAnswer(asked, second, invoice(asked, name(1)), ctx)).toMatchObject({ kind: 'invoice' })
    expect(onAnswer(asked, first, invoice(asked, name(1)), ctx)).toMatchObject({
      kind: 'refused',
      error: { code: 'offerBadInvoice', data: { reason: 'wrongSigner' } },
    })
    expect(onAnswer(asked, first, invoice(asked, name(1), publicKey(name(0))), ctx)).toMatchObject({
      error: { data: { reason: 'badSignature' } },
    })
  })

  it('takes no other amount, no invoice that has expired, and nothing by another way than its own', () => {
    expect(onAnswer(asked, first, invoice(asked, name(0), undefined, msat(7001)), ctx)).toMatchObject({
      error: { data: { reason: 'wrongAmount' } },
    })
    const late = { ...ctx, now: NOW + 601_000 }
    expect(onAnswer(asked, first, invoice(asked, name(0)), late)).toMatchObject({
      error: { data: { reason: 'expired' } },
    })
    expect(onAnswer(asked, secret(99), invoice(asked, name(0)), ctx)).toEqual({ kind: 'ignored' })
    expect(onAnswer(asked, first, undefined, ctx)).toEqual({ kind: 'ignored' })
    expect(onAnswer(asked, first, { kind: 'invoiceRequest', bytes: asked.request }, ctx)).toEqual({
      kind: 'ignored',
    })
    expect(requestByPathId({ a: asked }, second)).toBe(asked)
    expect(requestByPathId({ a: asked }, new Uint8Array(0))).toBeUndefined()
  })

  it('that is refused says so in the recipient’s words, made harmless', () => {
    const bytes = writeInvoiceError({ error: 'sold\n out \u202e!', erroneousField: 82n })
    const answer = onAnswer(asked, first, { kind: 'invoiceError', bytes }, ctx)
    expect(answer).toMatchObject({
      error: { code: 'offerRefused', data: { words: 'sold out !', field: '82' } },
    })
    const garbled = onAnswer(asked, first, { kind: 'invoiceError', bytes: Uint8Array.of(5) }, ctx)
    expect(garbled).toMatchObject({ kind: 'refused', error: { code: 'offerRefused' } })
  })

  it('is over once it has failed, and forgotten when there are too many', () => {
    const failed = failRequest(asked, noAnswer(asked), NOW + 1)
    expect(onAnswer(failed, first, invoice(failed, name(0)), ctx)).toEqual({ kind: 'ignored' })
    expect(requestDueAt(failed)).toBeUndefined()
    const all = Object.fromEntries(
      Array.from({ length: 53 }, (_, n) => [`${n}`, { ...failed, id: `${n}`, createdAt: n }]),
    )
    expect(surplusRequests(all)).toEqual(['0', '1', '2'])
  })
})
