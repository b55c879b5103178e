import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { addressFromScript } from '../bitcoin/address.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { signRecoverable } from '../crypto/curve.ts'
import { decodeInvoice } from './decode.ts'
import { encodeInvoice } from './encode.ts'
import { type Invoice, minFinalCltvExpiryDelta } from './types.ts'

interface Expected {
  network: string
  amount_msat: string | null
  timestamp: number
  payment_hash: string
  payment_secret: string
  payee: string
  features: number[]
  description?: string
  description_hash?: string
  expiry?: number
  min_final_cltv_expiry_delta?: number
  payment_metadata?: string
  fallbacks?: { address: string }[]
  routes?: {
    pubkey: string
    short_channel_id: string
    fee_base_msat: number
    fee_proportional_millionths: number
    cltv_expiry_delta: number
  }[][]
  ignored_fields?: string[]
  high_s?: boolean
}

interface Valid {
  private_key: string
  cases: { title: string; invoice: string; expected: Expected }[]
}

interface Invalid {
  cases: { title: string; invoice: string; code: string }[]
}

const scid = (text: string): bigint => {
  const [block, tx, output] = text.split('x').map(BigInt) as [bigint, bigint, bigint]
  return (block << 40n) | (tx << 16n) | output
}

/** The invoice that a vector describes, in our terms. */
function invoiceOf(e: Expected): Invoice {
  return {
    network: e.network === 'testnet' ? 'testnet4' : 'bitcoin',
    ...(e.amount_msat === null ? {} : { amountMsat: msat(BigInt(e.amount_msat)) }),
    timestamp: e.timestamp,
    paymentHash: fromHex(e.payment_hash),
    paymentSecret: fromHex(e.payment_secret),
    ...(e.description === undefined ? {} : { description: e.description }),
    ...(e.description_hash === undefined ? {} : { descriptionHash: fromHex(e.description_hash) }),
    ...(e.expiry === undefined ? {} : { expirySeconds: e.expiry }),
    ...(e.min_final_cltv_expiry_delta === undefined
      ? {}
      : { minFinalCltvExpiryDelta: e.min_final_cltv_expiry_delta }),
    ...(e.payment_metadata === undefined ? {} : { paymentMetadata: fromHex(e.payment_metadata) }),
    features: e.features,
    fallbacks: [],
    routeHints: (e.routes ?? []).map((route) =>
      route.map((hop) => ({
        pubkey: fromHex(hop.pubkey),
        shortChannelId: scid(hop.short_channel_id),
        feeBaseMsat: hop.fee_base_msat,
        feeProportionalMillionths: hop.fee_proportional_millionths,
        cltvExpiryDelta: hop.cltv_expiry_delta,
      })),
    ),
    unknownFields: [],
    payee: fromHex(e.payee),
    payeeStated: false,
  }
}

describe.skipIf(!vectorsPresent)('BOLT 11 examples', () => {
  const v = loadVectors<Valid>('bolt11-valid.json')
  // Discrepancy 3: fields of a wrong length are "ignored" in this example and MUST fail the payment in the text.
  const contradicted = v.cases?.filter((c) => c.expected.ignored_fields !== undefined)
  const valid = v.cases?.filter((c) => c.expected.ignored_fields === undefined) ?? []

  it('are all there', () => {
    expect([valid.length, contradicted.length]).toEqual([15, 1])
  })

  it.each(valid)('reads: $title', ({ invoice: text, expected }) => {
    const invoice = unwrap(decodeInvoice(text))
    expect({ ...invoice, fallbacks: [] }).toEqual(invoiceOf(expected))
    expect(invoice.fallbacks.map((f) => addressFromScript(f, NETWORKS[invoice.network]))).toEqual(
      (expected.fallbacks ?? []).map((f) => f.address),
    )
    expect(minFinalCltvExpiryDelta(invoice)).toBe(expected.min_final_cltv_expiry_delta ?? 18)
  })

  it.each(valid)('writes again: $title', ({ invoice: text, expected }) => {
    const { payee, payeeStated, ...fields } = unwrap(decodeInvoice(text))
    expect(payeeStated).toBe(false)
    const sign = (digest: Uint8Array) => signRecoverable(digest, fromHex(v.private_key))
    const written = unwrap(encodeInvoice(fields, sign))
    const again = unwrap(decodeInvoice(written))
    // Discrepancy 2: that example's S was negated and its recovery id was not, so it names somebody else.
    if (expected.high_s) expect(toHex(payee)).not.toBe(toHex(again.payee))
    else expect(again).toEqual({ ...fields, payee, payeeStated })
  })

  it('writes those byte for byte whose order of fields is ours', () => {
    const sign = (digest: Uint8Array) => signRecoverable(digest, fromHex(v.private_key))
    const same = valid.filter(({ invoice: text }) => {
      const { payee: _payee, payeeStated: _stated, ...fields } = unwrap(decodeInvoice(text))
      return unwrap(encodeInvoice(fields, sign)) === text
    })
    expect(same.length).toBe(6)
  })

  it('refuses the one whose p, h, s and n fields have wrong lengths, as the text demands', () => {
    expect(decodeInvoice(contradicted[0]?.invoice as string)).toEqual({
      ok: false,
      error: { code: 'wrongFieldLength', detail: 'p' },
    })
  })
})

const CODES: Record<string, string> = {
  unknown_required_feature: 'unknownRequiredFeature',
  bad_checksum: 'checksum',
  no_separator: 'malformed',
  mixed_case: 'malformed',
  signature_not_recoverable: 'badSignature',
  too_short: 'malformed',
  invalid_multiplier: 'badAmount',
  sub_msat_precision: 'badAmount',
  missing_payment_secret: 'missingPaymentSecret',
  high_s_with_n_field: 'badSignature',
}

describe.skipIf(!vectorsPresent)('BOLT 11 invalid examples', () => {
  const v = loadVectors<Invalid>('bolt11-invalid.json')
  const extra = loadVectors<{ cases: { title: string; invoice: string }[] }>(
    'proposed/bolt11-invoice-test-extra.json',
  )

  it.each(v.cases ?? [])('$title', ({ invoice, code }) => {
    const decoded = decodeInvoice(invoice)
    expect(decoded.ok ? 'none' : decoded.error.code).toBe(CODES[code])
    if (code === 'unknown_required_feature') expect(decoded).toMatchObject({ error: { bits: [100] } })
  })

  it('and those of a later test file: fields of a wrong length, a payment hash twice', () => {
    const codes = extra.cases.map(({ invoice }) => {
      const decoded = decodeInvoice(invoice)
      return decoded.ok ? 'none' : decoded.error.code
    })
    expect(codes).toEqual(['wrongFieldLength', 'duplicateField', 'duplicateField'])
  })
})
