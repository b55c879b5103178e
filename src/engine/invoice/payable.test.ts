import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { addressFromScript } from '../bitcoin/address.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { p2pkh, witnessProgram } from '../bitcoin/script.ts'
import { publicKey, signRecoverable } from '../crypto/curve.ts'
import { makeOffer, offerText } from '../offer/offer.ts'
import { parseBtc } from './bitcoin-uri.ts'
import { encodeInvoice } from './encode.ts'
import { type Payable, parsePayable } from './payable.ts'

const NET = NETWORKS.regtest
const SECRET = new Uint8Array(32).fill(0x33)
const SCRIPT = witnessProgram(0, new Uint8Array(20).fill(5))
const ADDRESS = addressFromScript(SCRIPT, NET) as string
const LEGACY = addressFromScript(p2pkh(new Uint8Array(20).fill(6)), NET) as string
const MAINNET = addressFromScript(SCRIPT, NETWORKS.bitcoin) as string

function invoice(network: 'regtest' | 'bitcoin' = 'regtest', amountMsat = 1_500_000): string {
  return unwrap(
    encodeInvoice(
      {
        network,
        ...(amountMsat === 0 ? {} : { amountMsat: msat(amountMsat) }),
        timestamp: 1_700_000_000,
        paymentHash: new Uint8Array(32).fill(1),
        paymentSecret: new Uint8Array(32).fill(2),
        description: 'coffee',
        fallbacks: [],
        routeHints: [],
        features: [8, 14],
        unknownFields: [],
      },
      (digest) => signRecoverable(digest, new Uint8Array(32).fill(0x11)),
    ),
  )
}

const parse = (text: string): Payable => unwrap(parsePayable(text, NET), text)
const error = (text: string): unknown => {
  const parsed = parsePayable(text, NET)
  return parsed.ok ? 'none' : parsed.error.code
}

describe('payable texts', () => {
  it('are invoices in every dress', () => {
    const text = invoice()
    for (const dressed of [
      text,
      text.toUpperCase(),
      `  ${text}\n`,
      `${text.slice(0, 64)}\r\n  ${text.slice(64, 128)}\n${text.slice(128)}`,
      `lightning:${text}`,
      `LIGHTNING:${text.toUpperCase()}`,
      `lightning://${text}`,
      `web+lightning:${text}`,
      `lightning:${text}?label=x`,
      `https://shop.example/pay?x=1&lightning=${text}`,
    ])
      expect(parse(dressed)).toMatchObject({ kind: 'invoice', text, invoice: { amountMsat: 1_500_000n } })
  })

  it('are addresses, plain or as a link', () => {
    for (const address of [ADDRESS, ADDRESS.toUpperCase(), LEGACY])
      expect(parse(address)).toMatchObject({ kind: 'bitcoin', onchain: { address } })
    expect(parse(`bitcoin:${ADDRESS}?amount=0.00012345&label=A%20%26%20B&message=%E2%82%BF+1`)).toEqual({
      kind: 'bitcoin',
      onchain: { address: ADDRESS, script: SCRIPT },
      amountSat: 12345n,
      label: 'A & B',
      message: '₿+1',
    })
    expect(parse(`web+bitcoin:${ADDRESS}`)).toMatchObject({ kind: 'bitcoin', onchain: { address: ADDRESS } })
    expect(parse(`bitcoin:?bcrt=${ADDRESS}`)).toMatchObject({ onchain: { address: ADDRESS } })
  })

  it('are both at once, and then have to agree', () => {
    const text = invoice()
    const unified = parse(`BITCOIN:${ADDRESS.toUpperCase()}?AMOUNT=0.000015&LIGHTNING=${text.toUpperCase()}`)
    expect(unified).toMatchObject({ kind: 'bitcoin', amountSat: 1500n, lightning: { text } })
    expect(parse(`bitcoin:${ADDRESS}?amount=0.00002&lightning=${invoice('regtest', 0)}`)).toMatchObject({
      amountSat: 2000n,
    })
    expect(error(`bitcoin:${ADDRESS}?amount=0.00002&lightning=${text}`)).toBe('inconsistent')
    // 1500.5 sat in the invoice, 1501 in the URI: the URI cannot say it any better.
    expect(error(`bitcoin:${ADDRESS}?amount=0.00001501&lightning=${invoice('regtest', 1_500_500)}`)).toBe(
      'none',
    )
    expect(parse(`bitcoin:?lightning=${text}`)).toMatchObject({ kind: 'bitcoin', lightning: { text } })
    // A broken invoice does not take the address with it.
    expect(parse(`bitcoin:${ADDRESS}?lightning=lnbcrt1broken`)).toMatchObject({
      onchain: { address: ADDRESS },
      lightningError: { code: 'invoice', invoice: { code: 'malformed' } },
    })
    expect(error('bitcoin:?lightning=lnbcrt1broken')).toBe('invoice')
  })

  it('are recognised where we cannot pay them', () => {
    const cases = [
      ['bitcoin:?lightning=LNURL1DP68GURN8GHJ7UM9WFMXJCM99', 'lnurl'],
      ['lnurl1dp68gurn8ghj7um9wfmxjcm99e3k7mf0v9cxj0m385ekvcenxc6r2c35', 'lnurl'],
      ['lnurlp://service.com/pay', 'lnurl'],
      ['keyauth://service.com/auth', 'lnurl'],
      ['https://service.com/gift?lightning=LNURL1DP68GURN8GHJ7UM9WFMXJCM99', 'lnurl'],
      ['satoshi@nakamoto.example', 'lightningAddress'],
      ['lightning:satoshi@nakamoto.example', 'lightningAddress'],
      ['₿satoshi@nakamoto.example', 'lightningAddress'],
      ['lnbob+tips@host.example:8080', 'lightningAddress'],
      ['bitcoin:?sp=sp1qsilentpayment', 'silentPayment'],
    ] as const
    for (const [text, what] of cases) expect(parse(text)).toMatchObject({ kind: 'unsupported', what })
  })

  it('an offer, alone, in a URI, beside an address; where an invoice is broken, the offer remains', () => {
    const made = makeOffer({ offerChains: [NETWORKS.regtest.chainHash], offerIssuerId: publicKey(SECRET) })
    const lno = offerText(made)
    expect(parse(lno)).toMatchObject({ kind: 'offer', text: lno })
    expect(parse(`lightning:${lno.toUpperCase()}`)).toMatchObject({ kind: 'offer', text: lno })
    expect(parse(`${lno.slice(0, 30)}+ \n${lno.slice(30)}`)).toMatchObject({ kind: 'offer', text: lno })
    expect(parse(`bitcoin:?lno=${lno}`)).toMatchObject({ kind: 'bitcoin', offer: { text: lno } })
    expect(parse(`bitcoin:${ADDRESS}?lno=${lno}`)).toMatchObject({
      onchain: { address: ADDRESS },
      offer: { text: lno },
    })
    expect(parse(`bitcoin:?lightning=lnbcrt1broken&lno=${lno}`)).toMatchObject({ offer: { text: lno } })
    expect(error(offerText(makeOffer({ offerIssuerId: publicKey(SECRET) })))).toBe('wrongNetwork')
    expect(error(lno.slice(0, -3))).toBe('offer')
    expect(error('bitcoin:?lno=lno1bogusoffer')).toBe('offer')
    expect(error('bitcoin:?lightning=lnbcrt1broken&lno=lno1bogusoffer')).toBe('invoice')
  })

  it('that are not payable say why', () => {
    const cases = [
      ['', 'empty'],
      ['   ', 'empty'],
      ['x'.repeat(8193), 'tooLong'],
      ['hello world', 'unrecognised'],
      ['https://example.com/', 'unrecognised'],
      [`02${'ab'.repeat(32)}@127.0.0.1:9735`, 'nodeUri'],
      [`${ADDRESS.slice(0, -1)}x`, 'invalidAddress'],
      [MAINNET, 'wrongNetwork'],
      [`bitcoin:${MAINNET}`, 'wrongNetwork'],
      [invoice('bitcoin'), 'wrongNetwork'],
      [invoice().replace('p5', 'p6'), 'invoice'],
      ['bitcoin:', 'badUri'],
      [`bitcoin:${ADDRESS}?label=%ff`, 'badUri'],
      [`bitcoin:${ADDRESS}?amount=1,5`, 'badAmount'],
      [`bitcoin:${ADDRESS}?amount=1e3`, 'badAmount'],
      [`bitcoin:${ADDRESS}?req-future=1`, 'unknownRequiredParameter'],
      [`bitcoin:${ADDRESS}?req-pop=app%3a`, 'unknownRequiredParameter'],
    ] as const
    for (const [text, code] of cases) expect([text, error(text)]).toEqual([text, code])
  })

  it('never throw', () => {
    const text = `bitcoin:${ADDRESS}?amount=0.000015&lightning=${invoice()}`
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 120 }), fc.nat(text.length), (junk, at) => {
        parsePayable(junk, NET)
        parsePayable(`bitcoin:${junk}`, NET)
        parsePayable(`lightning:${junk}`, NET)
        parsePayable(text.slice(0, at) + junk + text.slice(at), NET)
      }),
    )
  })
})

describe('amounts of bitcoin in decimals', () => {
  it('are exact or refused', () => {
    const cases = [
      ['1', 100_000_000n],
      ['20.3', 2_030_000_000n],
      ['.5', 50_000_000n],
      ['0.00000001', 1n],
      ['0.000000010000', 1n],
      ['21000000', 2_100_000_000_000_000n],
      ['5.', 500_000_000n],
      ['0', 0n],
      ['0.000000001', undefined],
      ['21000000.00000001', undefined],
      ['', undefined],
      ['.', undefined],
      ['-1', undefined],
      ['+1', undefined],
      ['1.2.3', undefined],
      ['１', undefined],
      [' 1', undefined],
    ] as const
    for (const [text, amount] of cases) expect([text, parseBtc(text)]).toEqual([text, amount])
  })

  it('come back for every number of satoshi', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }), (n) => {
        const text = `${n / 100_000_000n}.${(n % 100_000_000n).toString().padStart(8, '0')}`
        expect(parseBtc(text)).toBe(n)
      }),
    )
  })
})
