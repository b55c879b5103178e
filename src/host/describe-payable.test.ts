import { expect, test } from 'vitest'
import { unwrap } from '../engine/base/result.ts'
import { msat } from '../engine/base/units.ts'
import { addressFromScript } from '../engine/bitcoin/address.ts'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { witnessProgram } from '../engine/bitcoin/script.ts'
import { publicKey, signRecoverable } from '../engine/crypto/curve.ts'
import { encodeInvoice } from '../engine/invoice/encode.ts'
import { makeOffer, offerText } from '../engine/offer/offer.ts'
import { describePayable } from './describe-payable.ts'

const SECRET = new Uint8Array(32).fill(0x33)
const ADDRESS = addressFromScript(witnessProgram(0, new Uint8Array(20).fill(5)), NETWORKS.regtest) ?? ''
const MADE_AT = 1_700_000_000
const NOW = MADE_AT * 1000 + 60_000
const LATER = NOW + 3_600_000

const invoice = (has: {
  readonly amountMsat?: bigint
  readonly description?: string
  readonly expirySeconds?: number
  readonly network?: 'regtest' | 'bitcoin'
}): string => {
  const { amountMsat, ...rest } = has
  return unwrap(
    encodeInvoice(
      {
        network: 'regtest',
        ...(amountMsat === undefined ? {} : { amountMsat: msat(amountMsat) }),
        timestamp: MADE_AT,
        paymentHash: new Uint8Array(32).fill(1),
        paymentSecret: new Uint8Array(32).fill(2),
        description: 'coffee',
        fallbacks: [],
        routeHints: [],
        features: [8, 14],
        unknownFields: [],
        ...rest,
      },
      (digest) => signRecoverable(digest, SECRET),
    ),
  )
}
const offer = (offerAmount?: bigint, offerAbsoluteExpiry?: bigint): string =>
  offerText(
    makeOffer({
      offerChains: [NETWORKS.regtest.chainHash],
      offerDescription: 'tea',
      offerIssuerId: publicKey(SECRET),
      ...(offerAmount === undefined ? {} : { offerAmount }),
      ...(offerAbsoluteExpiry === undefined ? {} : { offerAbsoluteExpiry }),
    }),
  )
const read = (text: string, now = NOW) => describePayable(text, 'regtest', now)

test('a link with an invoice and an offer: the invoice, or, once that has expired, the offer', () => {
  const both = `bitcoin:${ADDRESS}?lightning=${invoice({ amountMsat: 5000n })}&lno=${offer(7000n)}`
  expect(read(both)).toMatchObject({ kind: 'invoice', amountMsat: '5000', fallbackAddress: ADDRESS })
  expect(read(both, LATER)).toMatchObject({ kind: 'offer', amountMsat: '7000', fallbackAddress: ADDRESS })
  // The same link as a QR code has it.
  expect(read(both.toUpperCase())).toMatchObject({ kind: 'invoice', amountMsat: '5000' })
  const alone = `bitcoin:${ADDRESS}?lightning=${invoice({ amountMsat: 5000n })}`
  expect(read(alone, LATER)).toMatchObject({ kind: 'invoice', expired: true, fallbackAddress: ADDRESS })
})

test('of an invoice and an offer that have both expired, the invoice says so', () => {
  const old = offer(7000n, BigInt(MADE_AT + 90))
  expect(read(old)).toMatchObject({ kind: 'offer', expired: false })
  expect(read(old, LATER)).toMatchObject({ kind: 'offer', expired: true })
  const both = `bitcoin:?lightning=${invoice({ amountMsat: 5000n })}&lno=${old}`
  expect(read(both, LATER)).toMatchObject({ kind: 'invoice', expired: true })
})

test('an amount of zero is none: the payer says how much', () => {
  expect(read(`bitcoin:${ADDRESS}?amount=0`)).not.toHaveProperty('amountSat')
  expect(read(`bitcoin:${ADDRESS}?amount=0.00&lightning=${invoice({})}`)).not.toHaveProperty('askedMsat')
})

test('the amount of a link is not lost where the invoice or the offer leaves it open', () => {
  const link = `bitcoin:${ADDRESS}?amount=0.00012345&`
  expect(read(`${link}lightning=${invoice({})}`)).toMatchObject({ kind: 'invoice', askedMsat: '12345000' })
  expect(read(`${link}lno=${offer()}`)).toMatchObject({ kind: 'offer', askedMsat: '12345000' })
  expect(read(`bitcoin:${ADDRESS}?lightning=${invoice({})}`)).not.toHaveProperty('askedMsat')
  // Where they say, theirs counts.
  expect(read(`${link}lno=${offer(7000n)}`)).not.toHaveProperty('askedMsat')
})

test('an invoice that never expires can be read', () => {
  const read1 = read(invoice({ expirySeconds: 2 ** 49 }))
  expect(read1).toMatchObject({ kind: 'invoice', expired: false })
})

test('words of a stranger are shown in one line and as they stand', () => {
  const read1 = read(invoice({ description: 'rent\u202e\n100 sat' }))
  expect(read1).toMatchObject({ description: 'rent 100 sat' })
})

test('a text for another network is refused, and which one it is for is said', () => {
  expect(() => read(invoice({ network: 'bitcoin' }))).toThrow(
    expect.objectContaining({ code: 'invoiceWrongNetwork', data: { network: 'bitcoin' } }),
  )
})
