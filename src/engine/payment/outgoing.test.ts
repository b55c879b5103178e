import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import { encodeFailure, FAILURE_CODES, type FailureMessage } from '../onion/failure.ts'
import { failurePacket, wrapFailurePacket } from '../onion/failure-packet.ts'
import {
  BOB_SECRET,
  bobsInvoice,
  channel,
  eventsOf,
  HEIGHT,
  lookup,
  NOW,
  offersOf,
  received,
  startContext,
} from './fixture.ts'
import { receiveHtlc } from './incoming.ts'
import type { InvoiceRecord } from './invoice-record.ts'
import { onFulfilled, onRefused, onRemoved, resume } from './outgoing.ts'
import { type StartContext, startPayment } from './start-payment.ts'
import { cancelPayment, type HtlcPlace, onTimeout } from './stop.ts'
import { MAX_ATTEMPTS } from './ends.ts'
import { type Attempt, type PaymentRecord, type PaymentTurn, paymentOfToken } from './payment-record.ts'
import type { HtlcRemoval, OutgoingAdd } from './types.ts'

const INVOICE = bobsInvoice({ amountMsat: msat(70_000n) })
const start = (change: Partial<StartContext> = {}, amountMsat?: Msat, invoice: InvoiceRecord = INVOICE) =>
  startPayment(invoice.bolt11, amountMsat, startContext(change))
const started = (change: Partial<StartContext> = {}, invoice: InvoiceRecord = INVOICE): PaymentTurn =>
  unwrap(start(change, undefined, invoice))
const offered = (turn: PaymentTurn): OutgoingAdd => {
  const add = offersOf(turn)[0]
  if (add === undefined) throw new Error('no offer')
  return add
}
const attemptOf = (record: PaymentRecord, n: number): Attempt => {
  const attempt = record.attempts.find((a) => a.n === n)
  if (attempt === undefined) throw new Error(`no attempt ${n}`)
  return attempt
}
/** How Bob's node answers an add. */
const answerTo = (add: OutgoingAdd, invoice: InvoiceRecord | undefined, height = HEIGHT) =>
  receiveHtlc(() => invoice, received(add), { now: NOW, height, nodeSecret: BOB_SECRET, spontaneous: 0 })
const removalFor = (...args: Parameters<typeof answerTo>): HtlcRemoval =>
  (answerTo(...args).removals[0] as { removal: HtlcRemoval }).removal
/** A failure that Bob wrote for the newest attempt. */
const failedWith = (record: PaymentRecord, failure: FailureMessage): HtlcRemoval => ({
  type: 'fail',
  id: 0n,
  reason: failurePacket(record.attempts.at(-1)?.sharedSecrets[0] as Uint8Array, encodeFailure(failure)),
})
const TEMPORARY: FailureMessage = { name: 'temporary_node_failure' }
const two = [channel('1', 10_000_000n), channel('2', 20_000_000n)]

it('a failed attempt is not followed by one whose expiry is reckoned from no height: our own channel would close over it', () => {
  const turn = started({ channels: two })
  const late = onRemoved(
    turn.record,
    offered(turn).token,
    failedWith(turn.record, TEMPORARY),
    startContext({ channels: two, height: 0 }),
  )
  expect(offersOf(late)).toEqual([])
  expect(late.record).toMatchObject({
    state: 'failed',
    error: { data: { failure: 'temporary_node_failure' } },
  })
})

describe('paying a direct peer', () => {
  it('goes from invoice to preimage: the onion that is offered is one that the recipient takes', () => {
    const turn = started()
    const add = offered(turn)
    expect(add).toMatchObject({
      type: 'add',
      amountMsat: 70_000n,
      cltvExpiry: HEIGHT + 144 + 3,
      token: `pay/${INVOICE.paymentHash}/1`,
      paymentHash: fromHex(INVOICE.paymentHash),
    })
    expect(add.onion.length).toBe(1366)
    expect(eventsOf(turn.effects)).toEqual(['paymentAttempt'])

    const removal = removalFor(add, INVOICE)
    if (removal.type !== 'fulfill') throw new Error(removal.type)
    const done = onFulfilled(turn.record, removal.preimage, NOW + 40)
    expect(done.record).toMatchObject({
      state: 'succeeded',
      preimage: INVOICE.preimage,
      amountMsat: 70_000n,
      feeMsat: 0n,
      endedAt: NOW + 40,
    })
    expect(eventsOf(done.effects)).toEqual(['paymentSucceeded'])
    expect(attemptOf(done.record, 1).state).toBe('pending')

    const over = onRemoved(done.record, add.token, removal, startContext({ now: NOW + 90 }))
    expect(attemptOf(over.record, 1)).toMatchObject({ state: 'succeeded', endedAt: NOW + 90 })
    expect(over.record.endedAt).toBe(NOW + 40)
    expect(over.effects).toEqual([])
    expect(onRemoved(over.record, add.token, removal, startContext())).toEqual({
      record: over.record,
      effects: [],
    })
  })

  it('succeeds by the removal alone where the preimage was not told before', () => {
    const turn = started()
    const over = onRemoved(
      turn.record,
      offered(turn).token,
      removalFor(offered(turn), INVOICE),
      startContext(),
    )
    expect(over.record).toMatchObject({ state: 'succeeded', attempts: [{ state: 'succeeded' }] })
    expect(eventsOf(over.effects)).toEqual(['paymentSucceeded'])
  })

  it('is understood across a few blocks that the recipient has seen and we have not, and no more', () => {
    const add = offered(started())
    expect(answerTo(add, INVOICE, HEIGHT + 3).refusal).toBeUndefined()
    expect(answerTo(add, INVOICE, HEIGHT + 4).refusal).toBe('expiryTooSoon')
  })

  it('sends any amount that is allowed, exact to the msat', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10_000_000n }), (amount) => {
        const invoice = bobsInvoice()
        const turn = unwrap(start({}, msat(amount), invoice))
        const outcome = answerTo(offered(turn), invoice)
        expect(outcome.invoice?.receivedMsat).toBe(amount)
        expect(offered(turn).amountMsat).toBe(amount)
      }),
      { numRuns: 25 },
    )
  })

  it('never uses an onion or a session key twice', () => {
    const a = offered(started())
    const b = offered(started())
    expect(a.onion).not.toEqual(b.onion)
  })

  it('takes the text as people paste it', () => {
    const upper = startPayment(`  LIGHTNING:${INVOICE.bolt11.toUpperCase()} `, undefined, startContext())
    expect(unwrap(upper).record.bolt11).toBe(INVOICE.bolt11)
  })

  it('names its payment in the token, and knows no other tokens', () => {
    expect(paymentOfToken(offered(started()).token)).toBe(INVOICE.paymentHash)
    expect(paymentOfToken(`circuit/${INVOICE.paymentHash}/1`)).toBeUndefined()
    expect(paymentOfToken('pay/00/1')).toBeUndefined()
  })
})

describe('an attempt that fails', () => {
  it('for good, by the word of the recipient, ends the payment with the BOLT name of the failure', () => {
    const turn = started({ channels: two })
    const removal = removalFor(offered(turn), undefined)
    const over = onRemoved(turn.record, offered(turn).token, removal, startContext({ channels: two }))
    expect(over.record).toMatchObject({
      state: 'failed',
      error: {
        code: 'recipientRefused',
        data: {
          failure: 'incorrect_or_unknown_payment_details',
          failureCode: FAILURE_CODES.incorrect_or_unknown_payment_details,
          hop: 0,
        },
      },
    })
    expect(eventsOf(over.effects)).toEqual(['paymentAttemptFailed', 'paymentFailed'])
  })

  it('for now is followed by one through another channel to the same peer, then the end', () => {
    const ctx = startContext({ channels: two })
    const turn = started({ channels: two })
    const second = onRemoved(turn.record, offered(turn).token, failedWith(turn.record, TEMPORARY), ctx)
    expect(eventsOf(second.effects)).toEqual(['paymentAttemptFailed', 'paymentAttempt'])
    expect(attemptOf(second.record, 2).channelId).toBe('2'.repeat(64))
    expect(second.record.state).toBe('pending')
    expect(removalFor(offered(second), INVOICE).type).toBe('fulfill')

    const over = onRemoved(second.record, offered(second).token, failedWith(second.record, TEMPORARY), ctx)
    expect(over.record).toMatchObject({
      state: 'failed',
      error: { code: 'paymentFailed', data: { failure: 'temporary_node_failure' } },
    })
    expect(offersOf(over)).toEqual([])
  })

  it('is told by every failure of BOLT 4 whether it is worth another attempt', () => {
    const permanent: FailureMessage[] = [
      { name: 'permanent_node_failure' },
      { name: 'required_node_feature_missing' },
      { name: 'unknown_next_peer' },
      { name: 'invalid_onion_payload', type: 2n, offset: 0 },
      { name: 'incorrect_or_unknown_payment_details', htlcMsat: msat(1), height: HEIGHT + 3 },
      { name: 'unknown', code: 0x4fff, data: new Uint8Array(0) },
    ]
    const passing: FailureMessage[] = [
      TEMPORARY,
      { name: 'mpp_timeout' },
      { name: 'expiry_too_far' },
      { name: 'final_incorrect_cltv_expiry', cltvExpiry: 5 },
      { name: 'final_incorrect_htlc_amount', incomingHtlcMsat: msat(5) },
      { name: 'temporary_channel_failure', channelUpdate: new Uint8Array(0) },
      { name: 'unknown', code: 0x0fff, data: new Uint8Array(3) },
    ]
    const ctx = startContext({ channels: two })
    const { record } = started({ channels: two })
    const token = attemptOf(record, 1).token
    for (const f of permanent)
      expect(onRemoved(record, token, failedWith(record, f), ctx).record, f.name).toMatchObject({
        state: 'failed',
        error: { code: 'recipientRefused' },
      })
    for (const f of passing)
      expect(onRemoved(record, token, failedWith(record, f), ctx).record.state, f.name).toBe('pending')
  })

  it('and cannot be read, or was read by a node that is not on the way, is tried elsewhere', () => {
    const ctx = startContext({ channels: two })
    const { record } = started({ channels: two })
    const token = attemptOf(record, 1).token
    const good = failedWith(record, TEMPORARY)
    if (good.type !== 'fail') throw new Error('not a failure')
    const reasons = [
      new Uint8Array(0),
      new Uint8Array(292),
      wrapFailurePacket(new Uint8Array(32), good.reason),
    ]
    for (const reason of reasons) {
      const turn = onRemoved(record, token, { type: 'fail', id: 0n, reason }, ctx)
      expect(turn.record.state).toBe('pending')
      expect(attemptOf(turn.record, 1).error?.data).toEqual({ failure: 'unreadable' })
    }
  })

  it('changes nothing about a payment whose preimage is known, or that another HTLC may still make', () => {
    const ctx = startContext({ channels: two })
    const { record } = started({ channels: two })
    const { token } = attemptOf(record, 1)
    const paid = onFulfilled(record, INVOICE.preimage, NOW).record
    const after = onRemoved(paid, token, failedWith(paid, TEMPORARY), ctx)
    expect(after.record).toMatchObject({ state: 'succeeded', attempts: [{ state: 'failed' }] })
    expect(eventsOf(after.effects)).toEqual(['paymentAttemptFailed'])

    const other: Attempt = { ...attemptOf(record, 1), n: 2, token: `${token}x` }
    const both = { ...record, attempts: [...record.attempts, other], nextAttempt: 3 }
    const half = onRemoved(both, token, failedWith(both, { name: 'permanent_node_failure' }), ctx)
    expect(half.record.state).toBe('pending')
    expect(eventsOf(half.effects)).toEqual(['paymentAttemptFailed'])
  })

  it('as malformed ends the payment: no other onion would be read', () => {
    const ctx = startContext({ channels: two })
    const { record } = started({ channels: two })
    const over = onRemoved(
      record,
      attemptOf(record, 1).token,
      { type: 'malformed', id: 0n, sha256OfOnion: new Uint8Array(32), failureCode: 0xc005 },
      ctx,
    )
    expect(over.record).toMatchObject({
      state: 'failed',
      error: { code: 'paymentFailed', data: { failure: 'invalid_onion_hmac' } },
    })
  })

  it('because blocks came in between is tried again through the same channel, once we have seen them', () => {
    const turn = started()
    const removal = removalFor(offered(turn), INVOICE, HEIGHT + 4)
    const behind = onRemoved(turn.record, offered(turn).token, removal, startContext())
    expect(behind.record).toMatchObject({
      state: 'failed',
      error: { code: 'paymentFailed', data: { recipientHeight: HEIGHT + 4, ourHeight: HEIGHT } },
    })
    const caughtUp = onRemoved(
      turn.record,
      offered(turn).token,
      removal,
      startContext({ height: HEIGHT + 4 }),
    )
    expect(caughtUp.record.state).toBe('pending')
    expect(removalFor(offered(caughtUp), INVOICE, HEIGHT + 4).type).toBe('fulfill')
  })

  it('over and over for such a reason ends after ten attempts', () => {
    let turn = started()
    let height = HEIGHT
    while (turn.record.state === 'pending') {
      height += 10
      const removal = failedWith(turn.record, {
        name: 'incorrect_or_unknown_payment_details',
        htlcMsat: msat(1),
        height,
      })
      turn = onRemoved(turn.record, offered(turn).token, removal, startContext({ height }))
      if (turn.record.attempts.length > 50) throw new Error('no end')
    }
    expect(turn.record.attempts.length).toBe(MAX_ATTEMPTS)
  })

  it('after the deadline, or after the invoice expired, is the last', () => {
    const { record } = started({ channels: two })
    const token = attemptOf(record, 1).token
    const at = (now: number, r: PaymentRecord = record) =>
      onRemoved(r, token, failedWith(r, TEMPORARY), startContext({ channels: two, now })).record
    expect(at(record.deadline - 1).state).toBe('pending')
    expect(at(record.deadline)).toMatchObject({
      state: 'failed',
      error: {
        code: 'paymentTimedOut',
        data: { failure: 'temporary_node_failure', lastError: 'paymentFailed' },
      },
    })
    const patient = { ...record, deadline: INVOICE.expiresAt + 10 }
    expect(at(INVOICE.expiresAt, patient).error?.code).toBe('invoiceExpired')
  })

  it('in the channel, before it was signed, is tried elsewhere or ends with the reason', () => {
    const { record } = started({ channels: two })
    const token = attemptOf(record, 1).token
    const second = onRefused(record, token, 'channelFailed', startContext({ channels: two }))
    expect(attemptOf(second.record, 2).channelId).toBe('2'.repeat(64))
    const ends = (reason: string) => {
      const turn = onRefused(record, token, reason, startContext({ channels: [] }))
      expect(turn.record.state).toBe('failed')
      return turn.record.error?.code
    }
    expect(ends('belowReserve')).toBe('exceedsSpendable')
    expect(ends('inFlightLimit')).toBe('exceedsSpendable')
    expect(ends('peerCannotPayFee')).toBe('exceedsSpendable')
    expect(ends('amountTooSmall')).toBe('amountTooSmall')
    expect(ends('tooManyHtlcs')).toBe('tooManyHtlcs')
    expect(ends('dustLimit')).toBe('tooManyHtlcs')
    expect(ends('closing')).toBe('channelNotOpen')
    expect(ends('something new')).toBe('paymentFailed')
  })
})

describe('trying a failed payment again', () => {
  const failed = () => {
    const turn = started()
    return onRemoved(turn.record, offered(turn).token, failedWith(turn.record, TEMPORARY), startContext())
      .record
  }

  it('continues its numbers, uses every channel anew, and keeps when it began', () => {
    const before = failed()
    const again = unwrap(start({ known: lookup(before), now: NOW + 1000 }))
    expect(again.record).toMatchObject({
      state: 'pending',
      createdAt: NOW,
      deadline: NOW + 61_000,
      firstOfRun: 2,
    })
    expect(again.record.error).toBeUndefined()
    expect(again.record.endedAt).toBeUndefined()
    expect(offered(again).token).toBe(`pay/${INVOICE.paymentHash}/2`)
    expect(removalFor(offered(again), INVOICE).type).toBe('fulfill')
  })

  it('does not let the record grow for ever', () => {
    let record = failed()
    for (let i = 0; i < 30; i++) {
      const turn = unwrap(start({ known: lookup(record) }))
      record = onRemoved(
        turn.record,
        offered(turn).token,
        failedWith(turn.record, TEMPORARY),
        startContext(),
      ).record
    }
    expect(record.attempts.length).toBeLessThanOrEqual(11)
    expect(record.nextAttempt).toBe(32)
  })
})

describe('after a restart', () => {
  const { record } = started()

  it('an attempt that some channel holds, or an unknown channel may hold, goes on', () => {
    for (const place of ['waiting', 'offered', 'unknown'] as const) {
      const turn = resume(record, () => place, NOW)
      expect(turn.record).toBe(record)
      expect(turn.effects).toEqual([])
    }
  })

  it('an attempt that is nowhere is failed, and may be tried again', () => {
    const turn = resume(record, () => 'gone', NOW + 7)
    expect(turn.record).toMatchObject({ state: 'failed', endedAt: NOW + 7, attempts: [{ state: 'failed' }] })
    expect(eventsOf(turn.effects)).toEqual(['paymentAttemptFailed', 'paymentFailed'])
    expect(start({ known: lookup(turn.record) }).ok).toBe(true)
    expect(resume(turn.record, () => 'gone', NOW).record).toBe(turn.record)
  })

  it('a payment that succeeded stays so', () => {
    const paid = onFulfilled(record, INVOICE.preimage, NOW).record
    const turn = resume(paid, () => 'gone', NOW)
    expect(turn.record).toMatchObject({ state: 'succeeded', attempts: [{ state: 'succeeded' }] })
    expect(turn.effects).toEqual([])
  })

  it('a preimage for a payment that was given up is believed', () => {
    const failed = resume(record, () => 'gone', NOW).record
    const turn = onFulfilled(failed, INVOICE.preimage, NOW)
    expect(turn.record.state).toBe('succeeded')
    expect(turn.record.error).toBeUndefined()
    expect(eventsOf(turn.effects)).toEqual(['paymentSucceeded'])
  })
})

describe('whatever happens in whatever order', () => {
  it('no payment ends twice, fails with an HTLC alive, or offers a second HTLC beside a live one', () => {
    const op = fc.constantFrom(
      'start',
      'fulfilled',
      'temporary',
      'permanent',
      'garbage',
      'malformed',
      'refused',
      'timeout',
      'cancel',
      'resume',
      'sign',
      'stale',
    )
    fc.assert(
      fc.property(fc.array(op, { maxLength: 14 }), (ops) => {
        // The world: HTLCs that the channels hold, by token.
        const held = new Map<string, HtlcPlace>()
        const tokens = new Set<string>()
        let record: PaymentRecord | undefined
        let now = NOW
        let succeeded = 0
        const take = (turn: PaymentTurn) => {
          record = turn.record
          for (const effect of turn.effects) {
            if (effect.type === 'offer') {
              expect(held.size, 'one HTLC at a time').toBe(0)
              expect(tokens.has(effect.add.token), 'tokens are unique').toBe(false)
              tokens.add(effect.add.token)
              held.set(effect.add.token, 'waiting')
            } else if (effect.type === 'withdraw') {
              expect(held.get(effect.token)).toBe('waiting')
              held.delete(effect.token)
            } else if (effect.event.type === 'paymentSucceeded') succeeded += 1
          }
        }
        for (const o of ops) {
          now += 1000
          const ctx = startContext({ channels: two, now, known: () => record })
          const [token, place] = [...held][0] ?? []
          const places = (_: string, t: string): HtlcPlace => held.get(t) ?? 'gone'
          if (o === 'start') {
            const turn = startPayment(INVOICE.bolt11, undefined, ctx)
            if (turn.ok) take(turn.value)
            else expect(record?.state === 'pending' || record?.state === 'succeeded').toBe(true)
          } else if (record === undefined) continue
          else if (o === 'stale')
            take(onRemoved(record, 'pay/x/0', { type: 'fail', id: 0n, reason: new Uint8Array(9) }, ctx))
          else if (o === 'timeout') take(onTimeout(record, places, (now = Math.max(now, record.deadline))))
          else if (o === 'cancel') {
            const cancelled = cancelPayment(record, places, now)
            if (cancelled.ok) take(cancelled.value)
            else expect(record.state, 'too late').not.toBe('pending')
          } else if (o === 'resume') take(resume(record, places, now))
          else if (token === undefined) continue
          else if (o === 'sign') held.set(token, 'offered')
          else if (o === 'refused') {
            if (place !== 'waiting') continue
            held.delete(token)
            take(onRefused(record, token, 'closing', ctx))
          } else if (place !== 'offered') continue
          else if (o === 'fulfilled') {
            take(onFulfilled(record, INVOICE.preimage, now))
            held.delete(token)
            take(onRemoved(record, token, { type: 'fulfill', id: 0n, preimage: INVOICE.preimage }, ctx))
          } else {
            held.delete(token)
            const removal: HtlcRemoval =
              o === 'temporary'
                ? failedWith(record, TEMPORARY)
                : o === 'permanent'
                  ? failedWith(record, { name: 'permanent_node_failure' })
                  : o === 'garbage'
                    ? { type: 'fail', id: 0n, reason: new Uint8Array(40) }
                    : { type: 'malformed', id: 0n, sha256OfOnion: new Uint8Array(32), failureCode: 0xc004 }
            take(onRemoved(record, token, removal, ctx))
          }
          const after: PaymentRecord | undefined = record
          if (after === undefined) continue
          const live = after.attempts.filter((a) => a.state === 'pending').map((a) => a.token)
          expect(live, 'the record knows what the channels hold').toEqual([...held.keys()])
          expect(after.state === 'pending', 'pending exactly while an HTLC may be alive').toBe(
            live.length > 0,
          )
          expect(succeeded).toBe(after.state === 'succeeded' ? 1 : 0)
        }
      }),
      { numRuns: 150 },
    )
  })
})
