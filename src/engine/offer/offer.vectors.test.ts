import { describe, expect, it } from 'vitest'
import { loadVectors, vectorsPresent } from '../../testing/vectors.ts'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { decodeTlvRecords } from '../wire/tlv.ts'
import { isSignedBy, merkleRoot, signatureDigest } from './merkle.ts'
import { decodeInvoiceRequest } from './invoice-request.ts'
import { decodeOffer } from './offer.ts'
import { bolt12Text, readBolt12Text } from './text.ts'

interface Strings {
  readonly cases: readonly { readonly comment: string; readonly valid: boolean; readonly string: string }[]
}
interface Offers {
  readonly cases: readonly {
    readonly description: string
    readonly valid: boolean
    readonly bolt12: string
    readonly fields?: readonly { readonly type: number; readonly hex: string }[]
  }[]
}

describe.skipIf(!vectorsPresent)('BOLT 12 strings', () => {
  const whole =
    'lno1pqps7sjqpgtyzm3qv4uxzmtsd3jjqer9wd3hy6tsw35k7msjzfpy7nz5yqcnygrfdej82um5wf5k2uckyypwa3eyt44h6txtxquqh7lz5djge4afgfjn7k4rgrkuag0jsd5xvxg'
  for (const { comment, valid, string } of loadVectors<Strings>('bolt12-format-string.json').cases ?? [])
    it(`${comment}: ${string.slice(0, 12)}`, () => {
      const read = readBolt12Text(string)
      expect(read.ok).toBe(valid)
      if (read.ok) expect(bolt12Text(read.value.prefix, read.value.bytes)).toBe(whole)
      expect(decodeOffer(string).ok).toBe(valid)
    })
})

describe.skipIf(!vectorsPresent)('BOLT 12 offers', () => {
  for (const { description, valid, bolt12, fields } of loadVectors<Offers>('bolt12-offers.json').cases ?? [])
    it(description, () => {
      const read = decodeOffer(bolt12)
      expect(read.ok, JSON.stringify(read.ok ? '' : read.error)).toBe(valid)
      if (!read.ok) return
      const found = read.value.records.map((r) => ({ type: Number(r.type), hex: toHex(r.value) }))
      expect(found).toEqual(fields?.map(({ type, hex }) => ({ type, hex })))
    })
})

interface Signatures {
  readonly cases: readonly {
    readonly comment: string
    readonly leaves: readonly { readonly tlv: string }[]
    readonly merkle: string
    readonly bolt12?: string
    readonly signature_hash?: string
  }[]
}

describe.skipIf(!vectorsPresent)('BOLT 12 signatures', () => {
  for (const vector of loadVectors<Signatures>('bolt12-signature.json').cases ?? [])
    it(vector.comment, () => {
      const bytes = fromHex(vector.leaves.map((leaf) => leaf.tlv).join(''))
      const records = unwrap(decodeTlvRecords(bytes))
      expect(toHex(merkleRoot(records))).toBe(vector.merkle)
      if (vector.bolt12 === undefined) return
      const signed = unwrap(readBolt12Text(vector.bolt12))
      expect(signed.prefix).toBe('lnr')
      const request = unwrap(decodeInvoiceRequest(signed.bytes))
      expect(toHex(signatureDigest('invoice_request', request.records))).toBe(vector.signature_hash)
      const payer = request.fields.invreqPayerId as Uint8Array
      expect(isSignedBy('invoice_request', request.records, payer)).toBe(true)
      expect(isSignedBy('invoice', request.records, payer)).toBe(false)
    })
})
