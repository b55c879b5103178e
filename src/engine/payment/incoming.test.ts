import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import { sha256 } from '../crypto/hash.ts'
import { decodeInvoice } from '../invoice/decode.ts'
import { constructOnion } from '../onion/construct.ts'
import { FAILURE_CODES } from '../onion/failure.ts'
import { readFailure } from '../onion/failure-packet.ts'
import { encodeHopPayload, type HopPayload } from '../onion/payload.ts'
import { ALICE_SECRET, BOB_SECRET, bobsInvoice, crafted, entropy, HEIGHT, lookup, NOW } from './fixture.ts'
import { htlcSettled, type ReceiveOutcome, receiveHtlc } from './incoming.ts'
import { cancelInvoice, createInvoice, type InvoiceRecord, invoiceState } from './invoice-record.ts'

const CTX = { now: NOW, height: HEIGHT, nodeSecret: BOB_SECRET, spontaneous: 0 }
const INVOICE = bobsInvoice({ amountMsat: msat(100_001n) })
const LEAST_EXPIRY = HEIGHT + INVOICE.minFinalCltvExpiryDelta

interface Change {
  readonly invoice?: InvoiceRecord
  readonly payload?: Partial<HopPayload>
  readonly amount?: bigint
  readonly expiry?: number
  readonly secret?: Uint8Array
  readonly total?: bigint
  readonly amountMsat?: bigint
  readonly cltvExpiry?: number
}

/** A payment of `INVOICE` that is right in everything but what is changed. */
function paid(change: Change = {}) {
  const invoice = change.invoice ?? INVOICE
  const amount = change.amount ?? invoice.amountMsat ?? 5n
  const expiry = change.expiry ?? LEAST_EXPIRY
  return crafted({
    paymentHash: fromHex(invoice.paymentHash),
    payload: {
      amtToForward: msat(amount),
      outgoingCltvValue: expiry,
      paymentData: {
        paymentSecret: change.secret ?? invoice.paymentSecret,
        totalMsat: msat(change.total ?? amount),
      },
      ...change.payload,
    },
    amountMsat: msat(change.amountMsat ?? amount),
    cltvExpiry: change.cltvExpiry ?? expiry,
  })
}

const removalOf = (outcome: ReceiveOutcome) => {
  expect(outcome.removals.length).toBe(1)
  return (outcome.removals[0] as ReceiveOutcome['removals'][0]).removal
}

/** What the sender reads when this HTLC is failed. */
function failureFor(
  change: Change,
  invoice: InvoiceRecord | undefined = change.invoice ?? INVOICE,
  ctx = CTX,
) {
  const { htlc, sharedSecrets } = paid(change)
  const outcome = receiveHtlc(() => invoice, htlc, ctx)
  const removal = removalOf(outcome)
  expect(outcome.invoice).toBeUndefined()
  if (removal.type !== 'fail') throw new Error(`not failed but ${removal.type}`)
  expect(removal.id).toBe(htlc.id)
  const { source } = readFailure({ sharedSecrets, reason: removal.reason })
  expect(source?.hop).toBe(0)
  return { refusal: outcome.refusal, failure: source?.failure.failure }
}

const DETAILS = (htlcMsat: bigint) => ({
  name: 'incorrect_or_unknown_payment_details',
  htlcMsat,
  height: HEIGHT,
})

const accepts = (change: Change): boolean => {
  const { htlc } = paid(change)
  return removalOf(receiveHtlc(() => change.invoice ?? INVOICE, htlc, CTX)).type === 'fulfill'
}

describe('creating an invoice', () => {
  it('writes what was asked for, signed by us, with payment_secret and onion required and parts allowed', () => {
    const invoice = unwrap(decodeInvoice(INVOICE.bolt11))
    expect(invoice).toMatchObject({
      network: 'regtest',
      amountMsat: 100_001n,
      description: 'tea',
      expirySeconds: 3600,
      minFinalCltvExpiryDelta: 144,
      features: [8, 14, 17],
      paymentHash: sha256(INVOICE.preimage),
      paymentSecret: INVOICE.paymentSecret,
      payee: publicKey(BOB_SECRET),
    })
    expect(INVOICE).toMatchObject({ state: 'open', htlcs: [], expiresAt: NOW + 3_600_000, createdAt: NOW })
  })

  it('never repeats a hash or a secret, and keeps them apart', () => {
    const [a, b] = [bobsInvoice(), bobsInvoice()]
    expect(
      new Set([a, b].flatMap((i) => [toHex(i.preimage), toHex(i.paymentSecret), i.paymentHash])).size,
    ).toBe(6)
  })

  it('carries route hints', () => {
    const hint = {
      pubkey: publicKey(ALICE_SECRET),
      shortChannelId: 5n,
      feeBaseMsat: 1,
      feeProportionalMillionths: 2,
      cltvExpiryDelta: 40,
    }
    const record = createInvoice(
      { description: '', expirySeconds: 60 },
      { now: NOW, network: 'regtest', nodeSecret: BOB_SECRET, entropy: entropy(), routeHints: [[hint]] },
    )
    expect(unwrap(decodeInvoice(unwrap(record).bolt11)).routeHints).toEqual([[hint]])
  })

  it('refuses what no invoice can say, with the field at fault', () => {
    const create = (fields: object) => {
      const result = createInvoice(
        { description: '', expirySeconds: 60, ...fields },
        { now: NOW, network: 'regtest', nodeSecret: BOB_SECRET, entropy: entropy() },
      )
      return result.ok ? 'ok' : `${result.error.code} ${result.error.data?.['field'] ?? ''}`
    }
    expect(create({ amountMsat: msat(0) })).toBe('amountTooSmall ')
    expect(create({ amountMsat: msat(1) })).toBe('ok')
    expect(create({ amountMsat: msat(2_100_000_000_000_000_000n) })).toBe('ok')
    expect(create({ amountMsat: msat(2_100_000_000_000_000_001n) })).toBe('invalidInput amountMsat')
    expect(create({ description: 'é'.repeat(319) })).toBe('ok')
    expect(create({ description: 'é'.repeat(320) })).toBe('invalidInput description')
    for (const expirySeconds of [0, -1, 1.5, Number.NaN, 31_536_001])
      expect(create({ expirySeconds })).toBe('invalidInput expirySeconds')
  })

  it('shows it as expired from the exact moment on, unless it is paid or cancelled', () => {
    expect(invoiceState(INVOICE, INVOICE.expiresAt - 1)).toBe('open')
    expect(invoiceState(INVOICE, INVOICE.expiresAt)).toBe('expired')
    const cancelled = cancelInvoice(INVOICE) as InvoiceRecord
    expect(invoiceState(cancelled, INVOICE.expiresAt)).toBe('cancelled')
    expect(cancelInvoice(cancelled)).toBeUndefined()
    expect(invoiceState({ ...INVOICE, state: 'paid' }, INVOICE.expiresAt)).toBe('paid')
    expect(cancelInvoice({ ...INVOICE, state: 'paid' })).toBeUndefined()
  })
})

describe('an HTLC that pays an invoice', () => {
  it('is answered with the preimage, and the record says by what and how much', () => {
    const { htlc } = paid()
    const outcome = receiveHtlc(lookup(INVOICE), htlc, CTX)
    expect(outcome.removals).toMatchObject([
      { channelId: htlc.channelId, removal: { type: 'fulfill', id: 7n, preimage: INVOICE.preimage } },
    ])
    expect(outcome.invoice).toEqual({
      ...INVOICE,
      state: 'paid',
      paidAt: NOW,
      receivedMsat: 100_001n,
      htlcs: [{ channelId: htlc.channelId, id: 7n, amountMsat: 100_001n, settled: false }],
    })
    expect(outcome.refusal).toBeUndefined()
  })

  it('may carry from exactly the amount to exactly twice as much', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 1n, max: 10_000_000_000n }),
        fc.constantFrom(-1n, 0n, 1n),
        fc.boolean(),
        (asked, off, twice) => {
          const invoice = bobsInvoice({ amountMsat: msat(asked) })
          const amount = (twice ? 2n * asked : asked) + off
          fc.pre(amount > 0n)
          expect(accepts({ invoice, amount })).toBe(amount >= asked && amount <= 2n * asked)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('may carry anything where the invoice names no amount', () => {
    const invoice = bobsInvoice()
    expect(accepts({ invoice, amount: 1n })).toBe(true)
    expect(accepts({ invoice, amount: 2_000_000_000_000n })).toBe(true)
    expect(failureFor({ invoice, amount: 0n, amountMsat: 1n }).refusal).toBe('amountTooLow')
  })

  it('may carry more than its onion says, which is kept', () => {
    const outcome = receiveHtlc(lookup(INVOICE), paid({ amountMsat: 100_002n }).htlc, CTX)
    expect(outcome.invoice?.receivedMsat).toBe(100_002n)
  })

  it('must leave exactly min_final_cltv_expiry_delta blocks', () => {
    for (const off of [-2, -1, 0, 1, 5000])
      expect(accepts({ expiry: LEAST_EXPIRY + off }), `${off}`).toBe(off >= 0)
  })

  it('is taken in the last millisecond of the invoice and not later', () => {
    const at = (now: number) => receiveHtlc(lookup(INVOICE), paid().htlc, { ...CTX, now })
    expect(at(INVOICE.expiresAt - 1).refusal).toBeUndefined()
    expect(at(INVOICE.expiresAt).refusal).toBe('expired')
  })
})

describe('an HTLC that does not pay an invoice is failed so that the sender reads', () => {
  it('incorrect_or_unknown_payment_details with amount and height, for whatever concerns the invoice', () => {
    const cases: [string, Change, InvoiceRecord | undefined][] = [
      ['unknownInvoice', {}, undefined],
      ['paymentSecret', { secret: new Uint8Array(32) }, INVOICE],
      ['alreadyPaid', {}, { ...INVOICE, state: 'paid' }],
      ['cancelled', {}, { ...INVOICE, state: 'cancelled' }],
      ['expired', {}, { ...INVOICE, expiresAt: NOW }],
      ['multiPart', { amount: 100_001n, total: 100_000n }, INVOICE],
      ['amountTooLow', { amount: 100_000n }, INVOICE],
      ['amountTooHigh', { amount: 200_003n }, INVOICE],
      ['expiryTooSoon', { expiry: LEAST_EXPIRY - 1 }, INVOICE],
      ['expiryTooSoon', { cltvExpiry: LEAST_EXPIRY - 1 }, INVOICE],
      ['keysend', { payload: { keysendPreimage: INVOICE.preimage } }, INVOICE],
      ['keysend', { payload: { keysendPreimage: new Uint8Array(32) } }, undefined],
    ]
    for (const [refusal, change, invoice] of cases) {
      const { htlc, sharedSecrets } = paid(change)
      const outcome = receiveHtlc(() => invoice, htlc, CTX)
      expect(outcome.refusal).toBe(refusal)
      expect(outcome.invoice).toBeUndefined()
      const removal = removalOf(outcome)
      if (removal.type !== 'fail') throw new Error(refusal)
      expect(readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure).toEqual(
        DETAILS(htlc.amountMsat),
      )
    }
  })

  it('the same without a payment secret: the hash alone opens nothing', () => {
    const { htlc } = crafted({
      paymentHash: fromHex(INVOICE.paymentHash),
      payload: { amtToForward: msat(100_001n), outgoingCltvValue: LEAST_EXPIRY },
      amountMsat: msat(100_001n),
      cltvExpiry: LEAST_EXPIRY,
    })
    expect(receiveHtlc(lookup(INVOICE), htlc, CTX).refusal).toBe('paymentSecret')
  })

  it('nothing about the invoice when the secret is wrong, however wrong the rest', () => {
    const wrong = { secret: new Uint8Array(32).fill(9), amount: 1n, amountMsat: 0n, expiry: 1 }
    for (const invoice of [undefined, INVOICE, { ...INVOICE, state: 'paid' as const }])
      expect(failureFor(wrong, invoice).failure).toEqual(DETAILS(0n))
  })

  it('final_incorrect_cltv_expiry and final_incorrect_htlc_amount when the last node changed the HTLC', () => {
    expect(failureFor({ expiry: LEAST_EXPIRY + 5, cltvExpiry: LEAST_EXPIRY + 4 })).toEqual({
      refusal: 'cltvBelowOnion',
      failure: { name: 'final_incorrect_cltv_expiry', cltvExpiry: LEAST_EXPIRY + 4 },
    })
    expect(failureFor({ amountMsat: 100_000n })).toEqual({
      refusal: 'amountBelowOnion',
      failure: { name: 'final_incorrect_htlc_amount', incomingHtlcMsat: 100_000n },
    })
  })

  it('temporary_node_failure while no block is known', () => {
    expect(failureFor({}, INVOICE, { ...CTX, height: 0 })).toEqual({
      refusal: 'noHeight',
      failure: { name: 'temporary_node_failure' },
    })
  })

  it('temporary_node_failure with too much in trimmed HTLCs: its preimage is not given (BOLT 2)', () => {
    const { htlc, sharedSecrets } = paid()
    const outcome = receiveHtlc(lookup(INVOICE), htlc, { ...CTX, overDust: true })
    const removal = removalOf(outcome)
    if (removal.type !== 'fail') throw new Error('not failed')
    expect(outcome.refusal).toBe('dustExposure')
    expect(readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure.name).toBe(
      'temporary_node_failure',
    )
  })

  it('invalid_onion_payload with the record that is missing', () => {
    const { htlc, sharedSecrets } = crafted({
      paymentHash: fromHex(INVOICE.paymentHash),
      payload: { outgoingCltvValue: 5 },
      amountMsat: msat(1),
      cltvExpiry: 5,
    })
    const removal = removalOf(receiveHtlc(lookup(INVOICE), htlc, CTX))
    if (removal.type !== 'fail') throw new Error('not failed')
    expect(readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure).toEqual({
      name: 'invalid_onion_payload',
      type: 2n,
      offset: 0,
    })
  })

  it('not at all when it is to be passed on: that is the switch’s affair', () => {
    const paymentHash = fromHex(INVOICE.paymentHash)
    const built = unwrap(
      constructOnion({
        sessionKey: entropy().bytes(32),
        associatedData: paymentHash,
        hops: [
          {
            pubkey: publicKey(BOB_SECRET),
            payload: encodeHopPayload({
              amtToForward: msat(5),
              outgoingCltvValue: 900,
              shortChannelId: 77n,
            }),
          },
          {
            pubkey: publicKey(ALICE_SECRET),
            payload: encodeHopPayload({ amtToForward: msat(5), outgoingCltvValue: 900 }),
          },
        ],
      }),
    )
    const outcome = receiveHtlc(lookup(INVOICE), { ...paid().htlc, onion: built.packet }, CTX)
    expect(outcome.removals).toEqual([])
    expect(outcome.invoice).toBeUndefined()
    expect(outcome.forward).toMatchObject({
      to: { shortChannelId: 77n },
      amtToForward: 5n,
      outgoingCltvValue: 900,
    })
    expect(outcome.forward?.sharedSecret).toEqual(built.sharedSecrets[0])
    expect(outcome.forward?.next.length).toBe(1366)
  })

  it('invalid_onion_blinding for the end of a blinded path that starts with us', () => {
    const { htlc, sharedSecrets } = crafted({
      paymentHash: fromHex(INVOICE.paymentHash),
      payload: {
        amtToForward: msat(5),
        outgoingCltvValue: 900,
        totalAmountMsat: msat(5),
        encryptedRecipientData: new Uint8Array(20),
        currentPathKey: publicKey(ALICE_SECRET),
      },
      amountMsat: msat(5),
      cltvExpiry: 900,
    })
    const removal = removalOf(receiveHtlc(lookup(INVOICE), htlc, CTX))
    if (removal.type !== 'fail') throw new Error('not failed')
    expect(readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure.name).toBe(
      'invalid_onion_blinding',
    )
  })
})

describe('an onion that cannot be read', () => {
  const { htlc } = paid()
  const altered = (at: number, value: number) => {
    const onion = Uint8Array.from(htlc.onion)
    onion[at] = value
    return onion
  }
  const cases: [keyof typeof FAILURE_CODES, object][] = [
    ['invalid_onion_version', { onion: altered(0, 1) }],
    ['invalid_onion_key', { onion: altered(1, 9) }],
    ['invalid_onion_hmac', { onion: altered(700, (htlc.onion[700] as number) ^ 1) }],
    ['invalid_onion_hmac', { paymentHash: fromHex(bobsInvoice().paymentHash) }],
    ['invalid_onion_hmac', { onion: htlc.onion.slice(0, 1000) }],
    ['invalid_onion_blinding', { pathKey: publicKey(ALICE_SECRET) }],
    ['invalid_onion_blinding', { pathKey: new Uint8Array(33), onion: altered(0, 1) }],
  ]
  it.each(cases)('is answered as malformed with %s and its hash', (name, change) => {
    const broken = { ...htlc, ...change }
    expect(removalOf(receiveHtlc(lookup(INVOICE), broken, CTX))).toEqual({
      type: 'malformed',
      id: 7n,
      sha256OfOnion: sha256(broken.onion),
      failureCode: FAILURE_CODES[name],
    })
  })

  it('never makes anything throw, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), (onion) => {
        expect(removalOf(receiveHtlc(lookup(INVOICE), { ...htlc, onion }, CTX)).type).toBe('malformed')
      }),
    )
  })

  it('made for another node is not ours', () => {
    const outcome = receiveHtlc(lookup(INVOICE), htlc, { ...CTX, nodeSecret: ALICE_SECRET })
    expect(removalOf(outcome)).toMatchObject({ failureCode: FAILURE_CODES.invalid_onion_hmac })
  })
})

describe('the same again', () => {
  const { htlc } = paid()
  const first = receiveHtlc(lookup(INVOICE), htlc, CTX)
  const record = first.invoice as InvoiceRecord

  it('an HTLC seen again after a restart is settled again, however late, and counts once', () => {
    const late = {
      now: INVOICE.expiresAt + 1e9,
      height: htlc.cltvExpiry,
      nodeSecret: BOB_SECRET,
      spontaneous: 0,
    }
    const again = { removals: first.removals.map(({ attribute: _, ...answer }) => answer) }
    expect(receiveHtlc(lookup(record), htlc, late)).toEqual(again)
    const settled = htlcSettled(record, { ...htlc, fulfilled: true }, NOW + 5)
    expect(receiveHtlc(lookup(settled), htlc, late)).toEqual(again)
  })

  it('another HTLC for a paid invoice is refused, whichever way it comes', () => {
    for (const other of [{ id: 8n }, { channelId: 'cc'.repeat(32) }]) {
      const outcome = receiveHtlc(lookup(record), { ...paid().htlc, ...other }, CTX)
      expect(outcome.refusal).toBe('alreadyPaid')
      expect(removalOf(outcome).type).toBe('fail')
    }
  })

  it('the amount is final once the removal is locked in, once', () => {
    const settled = htlcSettled(record, { ...htlc, fulfilled: true }, NOW + 5)
    expect(settled).toEqual({
      ...record,
      settledAt: NOW + 5,
      htlcs: [{ channelId: htlc.channelId, id: 7n, amountMsat: 100_001n, settled: true }],
    })
    expect(htlcSettled(settled, { ...htlc, fulfilled: true }, NOW + 9)).toBe(settled)
  })

  it('removals of other HTLCs, and failures, leave the record alone', () => {
    expect(htlcSettled(record, { ...htlc, fulfilled: false }, NOW)).toBe(record)
    expect(htlcSettled(record, { ...htlc, id: 8n, fulfilled: true }, NOW)).toBe(record)
    expect(htlcSettled(record, { ...htlc, channelId: 'cc', fulfilled: true }, NOW)).toBe(record)
    expect(htlcSettled(INVOICE, { ...htlc, fulfilled: true }, NOW)).toBe(INVOICE)
  })

  it('with several HTLCs it is settled with the last one', () => {
    const two: InvoiceRecord = {
      ...record,
      htlcs: [
        { channelId: 'aa', id: 1n, amountMsat: msat(3), settled: false },
        { channelId: 'bb', id: 1n, amountMsat: msat(4), settled: false },
      ],
    }
    const one = htlcSettled(two, { channelId: 'bb', id: 1n, fulfilled: true }, NOW)
    expect(one.settledAt).toBeUndefined()
    expect(htlcSettled(one, { channelId: 'aa', id: 1n, fulfilled: true }, NOW + 1)).toMatchObject({
      settledAt: NOW + 1,
      receivedMsat: 7n,
    })
  })
})
