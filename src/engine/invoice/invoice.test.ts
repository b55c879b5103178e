import { bech32 } from '@scure/base'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concat } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import { p2pkh, p2sh, witnessProgram } from '../bitcoin/script.ts'
import { publicKey, signRecoverable } from '../crypto/curve.ts'
import { humanPart, readHumanPart } from './amount.ts'
import { decodeInvoice, invoiceDigest } from './decode.ts'
import { encodeInvoice } from './encode.ts'
import { type InvoiceFields, isExpired } from './types.ts'
import { numberToWords, wordsOf } from './words.ts'

const SECRET = new Uint8Array(32).fill(0x11)
const PAYEE = publicKey(SECRET)
const sign = (digest: Uint8Array) => signRecoverable(digest, SECRET)

const FIELDS: InvoiceFields = {
  network: 'regtest',
  amountMsat: msat(1_500_000),
  timestamp: 1_700_000_000,
  paymentHash: new Uint8Array(32).fill(1),
  paymentSecret: new Uint8Array(32).fill(2),
  description: 'coffee',
  fallbacks: [],
  routeHints: [],
  features: [8, 14, 17],
  unknownFields: [],
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const u32 = fc.nat(0xffff_ffff)
const hop = fc.record({
  pubkey: fc.constant(PAYEE),
  shortChannelId: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  feeBaseMsat: u32,
  feeProportionalMillionths: u32,
  cltvExpiryDelta: fc.nat(0xffff),
})
const fallback = fc.oneof(
  bytes(20).map(p2pkh),
  bytes(20).map(p2sh),
  bytes(32).map((p) => witnessProgram(1, p)),
  bytes(20).map((p) => witnessProgram(0, p)),
)
const invoiceFields: fc.Arbitrary<InvoiceFields> = fc
  .record(
    {
      network: fc.constantFrom<NetworkName>('bitcoin', 'testnet4', 'signet', 'regtest'),
      amountMsat: fc.bigInt({ min: 1n, max: 2_100_000_000_000_000_000n }).map(msat),
      timestamp: fc.nat(2 ** 31),
      paymentHash: bytes(32),
      paymentSecret: bytes(32),
      description: fc.string({ unit: 'grapheme', maxLength: 60 }),
      descriptionHash: bytes(32),
      expirySeconds: fc.nat(),
      minFinalCltvExpiryDelta: fc.nat(100_000),
      fallbacks: fc.array(fallback, { maxLength: 3 }),
      routeHints: fc.array(fc.array(hop, { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
      features: fc
        .uniqueArray(fc.constantFrom(8, 9, 14, 15, 16, 17, 48, 99, 263), { maxLength: 6 })
        .map((bits) => bits.sort((a, b) => a - b)),
      paymentMetadata: fc.uint8Array({ maxLength: 100 }),
      unknownFields: fc.array(
        fc.record({
          type: fc.constantFrom(0, 2, 31),
          words: fc.array(fc.nat(31), { maxLength: 40 }),
        }),
        { maxLength: 3 },
      ),
    },
    {
      requiredKeys: [
        'network',
        'timestamp',
        'paymentHash',
        'paymentSecret',
        'fallbacks',
        'routeHints',
        'features',
        'unknownFields',
      ],
    },
  )
  .map(({ description, descriptionHash, ...rest }) =>
    descriptionHash === undefined
      ? { ...rest, description: description ?? '' }
      : { ...rest, descriptionHash },
  )

/** An invoice with these data words in front of a genuine signature. */
function signed(human: string, data: readonly number[]): string {
  const { signature, recovery } = sign(invoiceDigest(human, data))
  return bech32.encode(human, [...data, ...wordsOf(concat(signature, Uint8Array.of(recovery)))], false)
}

const field = (type: number, words: readonly number[]): number[] => [
  type,
  words.length >> 5,
  words.length & 31,
  ...words,
]
const START = [
  ...numberToWords(1_700_000_000, 7),
  ...field(16, wordsOf(new Uint8Array(32).fill(2))),
  ...field(1, wordsOf(new Uint8Array(32).fill(1))),
]
const D = field(13, wordsOf(Uint8Array.of(0x61)))
const code = (text: string): unknown => {
  const decoded = decodeInvoice(text)
  return decoded.ok ? 'none' : decoded.error.code
}

describe('invoices', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(invoiceFields, fc.boolean(), (fields, state) => {
        const text = unwrap(encodeInvoice(fields, sign, state ? PAYEE : undefined))
        const invoice = unwrap(decodeInvoice(text))
        expect(invoice).toEqual({ ...fields, payee: PAYEE, payeeStated: state })
        expect(decodeInvoice(text.toUpperCase())).toEqual({ ok: true, value: invoice })
      }),
      { numRuns: 60 },
    )
  })

  it('never survive the change of a character', () => {
    const text = unwrap(encodeInvoice(FIELDS, sign))
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom(...'qpzry9x8gf2tvdw0s3jn54khce6mua7l1B '.split('')),
        (at, c) => {
          fc.pre(text[at] !== c)
          expect(decodeInvoice(text.slice(0, at) + c + text.slice(at + 1)).ok).toBe(false)
        },
      ),
    )
  })

  it('of random words or text are refused without throwing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(31), { maxLength: 400 }), (words) => {
        decodeInvoice(signed('lnbcrt1u', words))
        expect(decodeInvoice(bech32.encode('lnbc', words, false)).ok).toBe(false)
      }),
      { numRuns: 60 },
    )
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), (text) => {
        expect(decodeInvoice(text).ok).toBe(false)
      }),
    )
  })

  it('expire when their time has passed', () => {
    const at = (expirySeconds?: number) => (now: number) =>
      isExpired({ ...FIELDS, ...(expirySeconds === undefined ? {} : { expirySeconds }) }, now)
    expect([at()(1_700_003_599), at()(1_700_003_600)]).toEqual([false, true])
    expect([at(60)(1_700_000_059), at(60)(1_700_000_060)]).toEqual([false, true])
    expect(at(0)(1_700_000_000)).toBe(true)
  })

  it('are refused for what is missing, double, of a wrong length or not minimal', () => {
    const H = field(23, wordsOf(new Uint8Array(32)))
    const cases: readonly (readonly [data: readonly number[], code: string])[] = [
      [[...START, ...D], 'none'],
      [START, 'missingDescription'],
      [[...START, ...D, ...H], 'conflictingDescriptions'],
      [[...START.slice(0, 7), ...START.slice(62), ...D], 'missingPaymentSecret'],
      [[...START.slice(0, 62), ...D], 'missingPaymentHash'],
      [[...START, ...D, ...D], 'duplicateField'],
      [[...START, ...D, ...field(1, START.slice(10, 62))], 'duplicateField'],
      [[...START, ...field(23, [1, 2])], 'wrongFieldLength'],
      [[...START, ...D, ...field(6, [0, 1])], 'malformed'],
      [
        [
          ...START,
          ...D,
          ...field(
            6,
            Array.from({ length: 11 }, () => 1),
          ),
        ],
        'malformed',
      ],
      [[...START, ...D, ...field(5, [0])], 'malformed'],
      [[...START, ...D, ...field(3, wordsOf(new Uint8Array(51)))], 'malformed'],
      [[...START, ...D, ...field(3, wordsOf(concat(PAYEE, new Uint8Array(17))))], 'malformed'],
      [[...START, ...field(13, wordsOf(Uint8Array.of(0xff)))], 'malformed'],
      [[...START, ...D, 2, 31, 31], 'malformed'],
      [[...START, ...D, 2], 'malformed'],
      // An n field that is somebody else's, and one that is nobody's.
      [[...START, ...D, ...field(19, wordsOf(publicKey(new Uint8Array(32).fill(9))))], 'badSignature'],
      [[...START, ...D, ...field(19, wordsOf(new Uint8Array(33)))], 'malformed'],
    ]
    for (const [data, expected] of cases) expect(code(signed('lnbcrt', data))).toBe(expected)
    expect(code(`lnbc1${'q'.repeat(7100)}`)).toBe('tooLong')
  })

  it('that cannot be written say why', () => {
    const why = (fields: Partial<InvoiceFields>): unknown => {
      const written = encodeInvoice({ ...FIELDS, ...fields }, sign)
      return written.ok ? 'none' : written.error
    }
    expect(why({ description: 'x'.repeat(639) })).toBe('none')
    expect(why({ description: 'x'.repeat(640) })).toBe('descriptionTooLong')
    expect(why({ amountMsat: msat(0) })).toBe('badAmount')
    expect(why({ fallbacks: [Uint8Array.of(0x6a)] })).toBe('badFallback')
    expect(why({ paymentMetadata: new Uint8Array(640) })).toBe('fieldTooLong')
    const route = Array.from({ length: 12 }, () => ({
      pubkey: PAYEE,
      shortChannelId: 1n,
      feeBaseMsat: 1,
      feeProportionalMillionths: 1,
      cltvExpiryDelta: 1,
    }))
    expect(why({ routeHints: Array.from({ length: 8 }, () => route) })).toBe('tooLong')
  })
})

describe('amounts in invoices', () => {
  const read = (text: string): bigint | string | undefined => {
    const human = readHumanPart(text)
    return human.ok ? human.value.amountMsat : human.error.code
  }

  it('are exact to the millisatoshi, in the largest unit', () => {
    expect(humanPart('bitcoin', msat(1))).toBe('lnbc10p')
    expect(humanPart('bitcoin', msat(100))).toBe('lnbc1n')
    expect(humanPart('signet', msat(100_000))).toBe('lntbs1u')
    expect(humanPart('regtest', msat(2_000_000_000))).toBe('lnbcrt20m')
    expect(humanPart('bitcoin', msat(100_000_000_000))).toBe('lnbc1')
    expect(humanPart('bitcoin', undefined)).toBe('lnbc')
    expect(read('lnbc9678785340p')).toBe(967878534n)
    // Not the largest unit, and understood all the same.
    expect(read('lnbc2000000n')).toBe(200_000_000n)
    expect(read('lnbc21000000')).toBe(2_100_000_000_000_000_000n)
  })

  it('that are none are refused', () => {
    for (const bad of [
      '0',
      '0u',
      '01u',
      '1x',
      '1k',
      'u',
      '11p',
      '1.5m',
      '-1',
      '21000001',
      '1mm',
      '9'.repeat(30),
    ])
      expect([bad, read(`lnbc${bad}`)]).toEqual([bad, bad === 'u' ? 'unknownNetwork' : 'badAmount'])
    expect(read('lnsb20m')).toBe('unknownNetwork')
    expect(read('xnbc20m')).toBe('malformed')
  })

  it('say their network', () => {
    for (const network of Object.values(NETWORKS)) {
      const human = unwrap(readHumanPart(humanPart(network.name, msat(5))))
      expect(human.network).toBe(network.name)
    }
  })
})
