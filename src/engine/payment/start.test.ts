import { describe, expect, it } from 'vitest'
import { err, unwrap } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import { signRecoverable } from '../crypto/curve.ts'
import { decodeInvoice } from '../invoice/decode.ts'
import { encodeInvoice } from '../invoice/encode.ts'
import type { InvoiceFields } from '../invoice/types.ts'
import {
  ALICE_SECRET,
  BOB,
  BOB_SECRET,
  bobsInvoice,
  channel,
  lookup,
  NOW,
  startContext,
  offersOf,
  received,
} from './fixture.ts'
import { readOnion } from './read-onion.ts'
import type { InvoiceRecord } from './invoice-record.ts'
import { onFulfilled } from './outgoing.ts'
import type { PaymentTurn } from './payment-record.ts'
import { type StartContext, startPayment } from './start-payment.ts'

const INVOICE = bobsInvoice({ amountMsat: msat(70_000n) })
const start = (change: Partial<StartContext> = {}, amountMsat?: Msat, invoice: InvoiceRecord = INVOICE) =>
  startPayment(invoice.bolt11, amountMsat, startContext(change))
const started = (change: Partial<StartContext> = {}, invoice: InvoiceRecord = INVOICE): PaymentTurn =>
  unwrap(start(change, undefined, invoice))

describe('what cannot be paid is refused with its reason and nothing changed', () => {
  const refusal = (change: Partial<StartContext> = {}, amountMsat?: bigint, invoice = INVOICE) => {
    const result = start(change, amountMsat === undefined ? undefined : msat(amountMsat), invoice)
    if (result.ok) throw new Error('accepted')
    return result.error
  }
  const codeOf = (...args: Parameters<typeof refusal>) => refusal(...args).code

  it('texts that are no invoice', () => {
    const code = (text: string) => {
      const result = startPayment(text, undefined, startContext())
      return result.ok ? 'ok' : result.error.code
    }
    expect(code('')).toBe('invoiceMalformed')
    expect(code('hello')).toBe('invoiceMalformed')
    expect(code(`${INVOICE.bolt11.slice(0, -1)}q`)).toBe('invoiceMalformed')
    expect(code(INVOICE.bolt11.replace(/^lnb/, 'LNb'))).toBe('invoiceMalformed')
    expect(code('x'.repeat(100_000))).toBe('invoiceMalformed')
  })

  it('invoices of another network, our own, expired ones', () => {
    expect(refusal({ network: 'bitcoin' })).toMatchObject({
      code: 'invoiceWrongNetwork',
      data: { network: 'regtest' },
    })
    expect(codeOf({ ourNodeId: BOB })).toBe('payingSelf')
    expect(codeOf({}, undefined, bobsInvoice({ nodeSecret: ALICE_SECRET }))).toBe('payingSelf')
    expect(start({ now: INVOICE.expiresAt - 1 }).ok).toBe(true)
    expect(codeOf({ now: INVOICE.expiresAt })).toBe('invoiceExpired')
    expect(codeOf({ height: 0 })).toBe('notReady')
  })

  it('invoices that ask for what we cannot do', () => {
    const asking = (fields: Partial<InvoiceFields>) => {
      const { payee: _, payeeStated: __, ...invoice } = unwrap(decodeInvoice(INVOICE.bolt11))
      const sign = (digest: Uint8Array) => signRecoverable(digest, BOB_SECRET)
      const text = unwrap(encodeInvoice({ ...invoice, ...fields }, sign))
      const result = startPayment(text, undefined, startContext())
      return result.ok ? 'ok' : { ...result.error.data, code: result.error.code }
    }
    expect(asking({ features: [8, 14, 16] })).toBe('ok')
    expect(asking({ features: [8, 14, 101] })).toBe('ok')
    expect(asking({ features: [8, 14, 100] })).toEqual({ code: 'invoiceUnsupported', bits: '100' })
    expect(asking({ minFinalCltvExpiryDelta: 2013 })).toBe('ok')
    expect(asking({ minFinalCltvExpiryDelta: 2014 })).toMatchObject({ code: 'invoiceUnsupported' })
    // A field holds 639 bytes, so that metadata always fits the 1300 bytes of an onion for one hop.
    expect(asking({ features: [8, 14, 48], paymentMetadata: new Uint8Array(639) })).toBe('ok')
  })

  it('payment metadata of the invoice is handed to its recipient, byte for byte', () => {
    const { payee: _, payeeStated: __, ...fields } = unwrap(decodeInvoice(INVOICE.bolt11))
    const paymentMetadata = new Uint8Array(300).map((___, i) => i)
    const sign = (digest: Uint8Array) => signRecoverable(digest, BOB_SECRET)
    const text = unwrap(encodeInvoice({ ...fields, features: [8, 14, 48], paymentMetadata }, sign))
    const [add] = offersOf(unwrap(startPayment(text, undefined, startContext())))
    if (add === undefined) throw new Error('no offer')
    expect(readOnion(received(add), BOB_SECRET)).toMatchObject({
      kind: 'receive',
      receive: { asked: { paymentMetadata } },
    })
  })

  it('amounts: missing, below, more than twice, nothing at all', () => {
    const open = bobsInvoice()
    expect(codeOf({}, undefined, open)).toBe('amountRequired')
    expect(codeOf({}, 0n, open)).toBe('amountTooSmall')
    expect(codeOf({}, -1n, open)).toBe('amountTooSmall')
    expect(codeOf({}, 2_100_000_000_000_000_001n, open)).toBe('invalidInput')
    expect(refusal({}, 69_999n)).toMatchObject({ code: 'amountMismatch', data: { invoiceMsat: '70000' } })
    expect(start({}, msat(70_000n)).ok).toBe(true)
    expect(start({}, msat(140_000n)).ok).toBe(true)
    expect(codeOf({}, 140_001n)).toBe('amountMismatch')
  })

  it('recipients that no channel leads to, or none that can be used', () => {
    expect(refusal({ channels: [] })).toMatchObject({ code: 'noRoute', data: { reason: 'notAPeer' } })
    expect(codeOf({ channels: [channel('1', 1_000_000n, { peer: `02${'11'.repeat(32)}` })] })).toBe('noRoute')
    const one = (state: 'offline' | 'opening' | 'closing') =>
      codeOf({ channels: [channel('1', 1_000_000n, { state })] })
    expect(one('offline')).toBe('peerNotConnected')
    expect(one('opening')).toBe('channelNotOpen')
    expect(one('closing')).toBe('channelNotOpen')
  })

  it('amounts above what the channel can carry, with what it can carry and why', () => {
    const figures = { balanceMsat: msat(80_000n), reserveMsat: msat(20_000n), inFlightMsat: msat(7n) }
    expect(refusal({ channels: [channel('1', 60_000n, figures)] })).toMatchObject({
      code: 'exceedsSpendable',
      data: { spendableMsat: '60000', balanceMsat: '80000', reserveMsat: '20000', reason: 'reserve' },
    })
    const poor = { ...figures, balanceMsat: msat(69_999n) }
    expect(refusal({ channels: [channel('1', 60_000n, poor)] }).data?.['reason']).toBe('balance')
    expect(start({ channels: [channel('1', 70_000n)] }).ok).toBe(true)
    expect(codeOf({ channels: [channel('1', 69_999n)] })).toBe('exceedsSpendable')
    const split = refusal({ channels: [channel('1', 30_000n), channel('2', 40_000n)] })
    expect(split).toMatchObject({
      code: 'exceedsSpendable',
      data: { spendableMsat: '40000', totalSpendableMsat: '70000', reason: 'split' },
    })
    expect(refusal({ channels: [channel('1', 30_000n), channel('2', 39_999n)] }).data?.['reason']).toBe(
      'reserve',
    )
  })

  it('limits of the channel, each by its name', () => {
    const limited = (problem: ReturnType<ReturnType<typeof channel>['problem']>) =>
      refusal({ channels: [channel('1', 0n, { problem: () => problem })] })
    expect(limited({ code: 'amountTooSmall', minimumMsat: msat(90_000) })).toMatchObject({
      code: 'amountTooSmall',
      data: { minMsat: '90000' },
    })
    expect(limited({ code: 'tooManyHtlcs', limit: 30 })).toMatchObject({
      code: 'tooManyHtlcs',
      data: { limit: 30 },
    })
    expect(limited({ code: 'dustLimit', limitMsat: msat(5) }).code).toBe('tooManyHtlcs')
    expect(limited({ code: 'inFlightLimit', limitMsat: msat(70_000) })).toMatchObject({
      code: 'exceedsSpendable',
      data: { reason: 'inFlight', limitMsat: '70000' },
    })
    expect(limited({ code: 'inFlightLimit', limitMsat: msat(69_999) })).toMatchObject({
      code: 'exceedsSpendable',
      data: { reason: 'inFlightLimit', limitMsat: '69999' },
    })
    expect(limited({ code: 'peerCannotPayFee' }).data?.['reason']).toBe('peerFee')
  })

  it('a hash that is being paid or has been paid, also after the invoice expired', () => {
    const { record } = started()
    const later = { now: INVOICE.expiresAt + 1 }
    expect(codeOf({ known: lookup(record) })).toBe('paymentInFlight')
    expect(codeOf({ known: lookup(record), ...later })).toBe('paymentInFlight')
    const paid = onFulfilled(record, INVOICE.preimage, NOW).record
    expect(codeOf({ known: lookup(paid) })).toBe('alreadyPaid')
    expect(codeOf({ known: lookup(paid), ...later })).toBe('alreadyPaid')
  })
})

describe('choosing a channel', () => {
  it('takes the one with the least room that suffices, and does not depend on the order', () => {
    const channels = [channel('3', 90_000n), channel('1', 70_000n), channel('2', 69_999n)]
    for (const order of [channels, [...channels].reverse()])
      expect(started({ channels: order }).record.attempts[0]?.channelId).toBe('1'.repeat(64))
  })

  it('goes round about with what the recipient’s own channel never takes at once, and waits where that is full for now', () => {
    const limited = (limitMsat: number) =>
      channel('1', 0n, { problem: () => ({ code: 'inFlightLimit', limitMsat: msat(limitMsat) }) })
    let asked = 0
    const findRoutes = () => {
      asked++
      return err({ code: 'noRoute' as const, message: '' })
    }
    expect(start({ channels: [limited(70_000)], findRoutes }).ok).toBe(false)
    expect(asked).toBe(0)
    expect(start({ channels: [limited(69_999)], findRoutes }).ok).toBe(false)
    expect(asked).toBe(1)
  })

  it('takes one that carries it now before one where it waits for what may be held for days', () => {
    const full = channel('1', 0n, { problem: () => undefined, waits: () => true })
    expect(started({ channels: [full, channel('2', 90_000n)] }).record.attempts[0]?.channelId).toMatch(/^2/)
    expect(started({ channels: [full] }).record.attempts[0]?.channelId).toMatch(/^1/)
  })
})
