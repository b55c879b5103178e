import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { publicKey } from '../crypto/curve.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import { encodeFeatures } from '../wire/features.ts'
import { encodeTlvRecords, type TlvRecord } from '../wire/tlv.ts'
import type { InvoiceFields, OfferFields } from './fields.ts'
import { recordsOf } from './fields.ts'
import { checkInvoice, makeInvoice } from './invoice.ts'
import {
  amountAsked,
  checkChoice,
  decodeInvoiceRequest,
  isRequestFor,
  makeInvoiceRequest,
  type RequestChoice,
} from './invoice-request.ts'
import { signStream } from './merkle.ts'
import { makeOffer, offerOf } from './offer.ts'

const CHAIN = NETWORKS.regtest.chainHash
const NOW = 1_760_000_000
const secret = (n: number) => new Uint8Array(32).fill(n)
const [ISSUER, PAYER, OTHER] = [secret(1), secret(2), secret(3)] as const
const aux = secret(9)

const offerWith = (fields: OfferFields = {}) =>
  makeOffer({ offerChains: [CHAIN], offerIssuerId: publicKey(ISSUER), ...fields })

const path: BlindedPaymentPath = {
  path: {
    introduction: { nodeId: publicKey(secret(4)) },
    firstPathKey: publicKey(secret(5)),
    hops: [{ blindedNodeId: publicKey(secret(6)), encryptedRecipientData: new Uint8Array(40) }],
  },
  payInfo: {
    feeBaseMsat: 1000,
    feeProportionalMillionths: 100,
    cltvExpiryDelta: 144,
    htlcMinimumMsat: 1n,
    htlcMaximumMsat: 1_000_000_000n,
    features: new Uint8Array(0),
  },
}

const requestFor = (offer = offerWith(), choice: RequestChoice & { amountMsat?: never } = {}) =>
  makeInvoiceRequest(offer, { ...choice, amountMsat: msat(5_000_000) }, CHAIN, {
    metadata: secret(7),
    payerSecret: PAYER,
    aux,
  })

const own = {
  amountMsat: msat(5_000_000),
  paymentHash: secret(8),
  paths: [path],
  createdAt: NOW,
  expirySeconds: 3600,
  nodeId: publicKey(ISSUER),
  features: encodeFeatures([17]),
}
const REQUEST = requestFor()
const good = makeInvoice(REQUEST, own, ISSUER, aux)

const check = (records: readonly TlvRecord[], at = NOW + 10) =>
  checkInvoice(encodeTlvRecords(records), REQUEST, publicKey(ISSUER), CHAIN, at)

/** The good invoice with other fields, signed again. */
function forged(change: Partial<Record<keyof InvoiceFields, unknown>>, by = ISSUER) {
  const fields = { ...good.fields } as Record<string, unknown>
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined) delete fields[name]
    else fields[name] = value
  }
  delete fields['signature']
  return signStream('invoice', recordsOf(fields as InvoiceFields), by, aux)
}
const code = (records: readonly TlvRecord[], at?: number) => {
  const checked = check(records, at)
  return checked.ok ? 'payable' : checked.error.code
}

describe('an invoice of an offer (BOLT 12)', () => {
  it('that mirrors the request and is signed by the issuer is payable as it says', () => {
    expect(unwrap(check(good.records))).toMatchObject({
      amountMsat: 5_000_000n,
      paymentHash: secret(8),
      nodeId: publicKey(ISSUER),
      paths: [path],
      parts: 'optional',
      expiresAt: NOW + 3600,
    })
    expect(check(forged({ invoiceFeatures: encodeFeatures([16]) }))).toMatchObject({
      value: { parts: 'required' },
    })
    expect(check(forged({ invoiceFeatures: undefined }))).toMatchObject({ value: { parts: 'none' } })
  })

  it('is refused without any field that it needs', () => {
    const needed = [
      'invoiceAmount',
      'invoiceCreatedAt',
      'invoicePaymentHash',
      'invoiceNodeId',
      'invoicePaths',
      'invoiceBlindedpay',
    ] as const
    for (const name of needed) expect([name, code(forged({ [name]: undefined }))]).toEqual([name, 'missing'])
  })

  it('is refused where it asks for more, or less, than was agreed to', () => {
    expect(code(forged({ invoiceAmount: 5_000_001n }))).toBe('wrongAmount')
    expect(code(forged({ invoiceAmount: 4_999_999n }))).toBe('wrongAmount')
    expect(code(forged({ invoiceAmount: 2n ** 64n - 1n }))).toBe('wrongAmount')
  })

  it('is refused where anything of the request was changed, left out or added', () => {
    expect(code(forged({ invreqPayerNote: 'not mine' }))).toBe('mismatch')
    expect(code(forged({ invreqMetadata: secret(77) }))).toBe('mismatch')
    expect(code(forged({ invreqAmount: undefined }))).toBe('mismatch')
    const added = good.records.filter((r) => r.type < 240n)
    const odd = { type: 1_000_000_033n, value: Uint8Array.of(1) }
    expect(code(signStream('invoice', [...added, odd], ISSUER, aux))).toBe('mismatch')
  })

  it('is refused from anybody but whom was asked, whoever signs', () => {
    expect(code(forged({ invoiceNodeId: publicKey(OTHER) }, OTHER))).toBe('wrongSigner')
    expect(code(forged({}, OTHER))).toBe('badSignature')
    expect(code(good.records.filter((r) => r.type !== 240n))).toBe('badSignature')
    const altered = forged({}).map((r) => (r.type === 168n ? { ...r, value: secret(88) } : r))
    expect(code(altered)).toBe('badSignature')
  })

  it('is refused after its time, of another chain, with features that nobody knows', () => {
    expect(code(good.records, NOW + 3600)).toBe('payable')
    expect(code(good.records, NOW + 3601)).toBe('expired')
    expect(code(forged({ invoiceRelativeExpiry: undefined }), NOW + 7200)).toBe('payable')
    expect(code(forged({ invoiceRelativeExpiry: undefined }), NOW + 7201)).toBe('expired')
    expect(code(forged({ invreqChain: NETWORKS.signet.chainHash }))).toBe('wrongChain')
    expect(code(forged({ invoiceFeatures: encodeFeatures([18]) }))).toBe('unknownRequiredFeature')
    expect(code(forged({ invoiceFeatures: encodeFeatures([19]) }))).toBe('payable')
  })

  it('is refused without a path, with terms for another number of paths; a path that demands a feature is not used', () => {
    const { payInfo } = path
    const demanding = { ...payInfo, features: encodeFeatures([20]) }
    expect(code(forged({ invoicePaths: [] }))).toBe('malformed')
    expect(code(forged({ invoiceBlindedpay: [payInfo, payInfo] }))).toBe('malformed')
    expect(code(forged({ invoiceBlindedpay: [demanding] }))).toBe('noPath')
    const two = forged({ invoicePaths: [path.path, path.path], invoiceBlindedpay: [demanding, payInfo] })
    expect(check(two)).toMatchObject({ value: { paths: [path] } })
  })

  it('cut short anywhere, or with any byte of it changed, is refused and nothing throws', () => {
    const bytes = encodeTlvRecords(good.records)
    const judged = (some: Uint8Array) => checkInvoice(some, REQUEST, publicKey(ISSUER), CHAIN, NOW).ok
    expect(judged(bytes)).toBe(true)
    for (let n = 0; n < bytes.length; n += 3) {
      expect(judged(bytes.subarray(0, n)), `${n} bytes`).toBe(false)
      const changed = bytes.slice()
      changed[n] = (changed[n] ?? 0) ^ 0x10
      expect(judged(changed), `byte ${n}`).toBe(false)
    }
  })
})

describe('an invoice request (BOLT 12)', () => {
  it('carries the whole offer, unknown odd fields too, and is for that offer alone', () => {
    const offer = unwrap(
      offerOf(encodeTlvRecords([...offerWith().records, { type: 1_000_000_033n, value: Uint8Array.of(7) }])),
    )
    const read = unwrap(
      decodeInvoiceRequest(encodeTlvRecords(requestFor(offer, { payerNote: 'hi' }).records)),
    )
    expect(isRequestFor(read, offer)).toBe(true)
    expect(isRequestFor(read, offerWith())).toBe(false)
    expect(read.fields).toMatchObject({ invreqPayerNote: 'hi', invreqChain: CHAIN, invreqAmount: 5_000_000n })
    expect(unwrap(amountAsked(read, offer, CHAIN, NOW))).toBe(5_000_000n)
  })

  it('is refused without its key or its metadata, altered, with fields or features that must be known', () => {
    const fields = { ...REQUEST.fields }
    const signed = (records: readonly TlvRecord[]) =>
      decodeInvoiceRequest(encodeTlvRecords(signStream('invoice_request', records, PAYER, aux)))
    const without = (type: bigint) => REQUEST.records.filter((r) => r.type !== type && r.type !== 240n)
    expect(signed(without(0n))).toMatchObject({ error: { code: 'missing', field: 0n } })
    expect(signed(without(88n))).toMatchObject({ error: { code: 'missing', field: 88n } })
    const { signature: _, ...unsigned } = fields
    expect(signed(recordsOf({ ...unsigned, invreqFeatures: encodeFeatures([40]) }))).toMatchObject({
      error: { code: 'unknownRequiredFeature' },
    })
    expect(signed([...without(240n), { type: 3_000_000_001n, value: Uint8Array.of(1) }])).toMatchObject({
      error: { code: 'unknownField' },
    })
    const named = { name: Uint8Array.of(0x61), domain: Uint8Array.of(0x2f) }
    expect(signed(recordsOf({ ...unsigned, invreqBip353Name: named }))).toMatchObject({
      error: { code: 'malformed', field: 91n },
    })
    const altered = REQUEST.records.map((r) => (r.type === 82n ? { ...r, value: Uint8Array.of(1) } : r))
    expect(decodeInvoiceRequest(encodeTlvRecords(altered))).toMatchObject({ error: { code: 'badSignature' } })
  })

  it('is made only within the terms of its offer', () => {
    const priced = offerWith({ offerAmount: 1000n, offerDescription: 'tea', offerQuantityMax: 3n })
    const verdict = (offer: typeof priced, choice: RequestChoice, chain = CHAIN, now = NOW) => {
      const checked = checkChoice(offer, choice, chain, now)
      return checked.ok ? checked.value.amountMsat : checked.error.code
    }
    expect(verdict(priced, { quantity: 3n })).toBe(3000n)
    expect(verdict(priced, { quantity: 2n, amountMsat: msat(2500) })).toBe(2500n)
    expect(verdict(priced, { quantity: 2n, amountMsat: msat(1999) })).toBe('amountTooSmall')
    expect(verdict(priced, {})).toBe('quantityRequired')
    expect(verdict(priced, { quantity: 0n })).toBe('quantityRequired')
    expect(verdict(priced, { quantity: 4n })).toBe('quantityTooLarge')
    expect(verdict(offerWith(), { quantity: 1n, amountMsat: msat(1) })).toBe('quantityNotAllowed')
    expect(verdict(offerWith(), {})).toBe('amountRequired')
    expect(verdict(offerWith(), { amountMsat: msat(0) })).toBe('amountTooSmall')
    const unlimited = offerWith({
      offerAmount: 2n ** 60n / 1000n,
      offerDescription: 'x',
      offerQuantityMax: 0n,
    })
    expect(verdict(unlimited, { quantity: 2n ** 62n })).toBe('amountTooLarge')
    const euro = offerWith({ offerAmount: 250n, offerCurrency: 'EUR', offerDescription: 'tea' })
    expect(verdict(euro, {})).toBe('amountRequired')
    expect(verdict(euro, { amountMsat: msat(77) })).toBe(77n)
    expect(verdict(offerWith(), { amountMsat: msat(1) }, NETWORKS.bitcoin.chainHash)).toBe('wrongChain')
    const dated = offerWith({ offerAbsoluteExpiry: BigInt(NOW) })
    expect(verdict(dated, { amountMsat: msat(1) })).toBe(1n)
    expect(verdict(dated, { amountMsat: msat(1) }, CHAIN, NOW + 1)).toBe('expired')
  })
})
