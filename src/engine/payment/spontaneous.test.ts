import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { unwrap } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import type { HopPayload } from '../onion/payload.ts'
import { readFailure } from '../onion/failure-packet.ts'
import {
  ALICE,
  BOB,
  BOB_SECRET,
  channel,
  crafted,
  HEIGHT,
  NOW,
  offersOf,
  received,
  startContext,
} from './fixture.ts'
import { htlcSettled, receiveHtlc } from './incoming.ts'
import { onFulfilled, onRemoved } from './outgoing.ts'
import {
  MAX_SPONTANEOUS,
  MIN_FINAL_CLTV_SPONTANEOUS,
  MIN_SPONTANEOUS_MSAT,
  startSpontaneous,
} from './spontaneous.ts'

const CTX = { now: NOW, height: HEIGHT, nodeSecret: BOB_SECRET, spontaneous: 0 }
const NONE = () => undefined
const AMOUNT = msat(MIN_SPONTANEOUS_MSAT)

const started = (amount = AMOUNT) => unwrap(startSpontaneous(BOB, amount, startContext()))

describe('a payment that nobody asked for', () => {
  it('is taken, settled and counted by who it was sent to, and proved by its own preimage', () => {
    const turn = started()
    const [add] = offersOf(turn)
    if (add === undefined) throw new Error('nothing offered')
    const htlc = received(add)
    const outcome = receiveHtlc(NONE, htlc, CTX)
    const [answer] = outcome.removals
    if (answer?.removal.type !== 'fulfill') throw new Error(`not fulfilled: ${outcome.refusal}`)
    expect(sha256(answer.removal.preimage)).toEqual(add.paymentHash)
    expect(outcome.invoice).toMatchObject({
      paymentHash: turn.record.paymentHash,
      spontaneous: true,
      state: 'paid',
      receivedMsat: AMOUNT,
      bolt11: '',
    })
    if (outcome.invoice === undefined) throw new Error('no record')
    const settled = htlcSettled(outcome.invoice, { ...htlc, fulfilled: true }, NOW + 1)
    expect(settled).toMatchObject({ settledAt: NOW + 1, receivedMsat: AMOUNT })
    const { preimage } = answer.removal
    const proved = onFulfilled(turn.record, preimage, NOW)
    expect(proved.record).toMatchObject({ state: 'succeeded', preimage })
    const ended = onRemoved(proved.record, add.token, { type: 'fulfill', id: 0n, preimage }, startContext())
    expect(ended.record.attempts).toMatchObject([{ state: 'succeeded' }])
  })

  it('has a preimage of its own each time', () => {
    expect(started().record.paymentHash).not.toBe(started().record.paymentHash)
  })

  it('is not begun to ourselves, to no node, of nothing, or without a height', () => {
    const code = (...args: Parameters<typeof startSpontaneous>) => {
      const result = startSpontaneous(...args)
      return result.ok ? 'begun' : result.error.code
    }
    const ctx = startContext()
    expect(code(ALICE, AMOUNT, ctx)).toBe('payingSelf')
    expect(code('02', AMOUNT, ctx)).toBe('invalidInput')
    expect(code(`02${'00'.repeat(32)}`, AMOUNT, ctx)).toBe('invalidInput')
    expect(code(BOB, msat(0), ctx)).toBe('amountTooSmall')
    expect(code(BOB, msat(21_000_001n * 100_000_000_000n), ctx)).toBe('invalidInput')
    expect(code(BOB, AMOUNT, { ...ctx, height: 0 })).toBe('notReady')
    expect(code(BOB, AMOUNT, { ...ctx, channels: [channel('1', 1n)] })).toBe('exceedsSpendable')
  })

  it('is answered the same when it is seen again after a restart, and refused when its preimage is used again', () => {
    const [add] = offersOf(started())
    if (add === undefined) throw new Error('nothing offered')
    const htlc = received(add)
    const { invoice } = receiveHtlc(NONE, htlc, CTX)
    const again = receiveHtlc(() => invoice, htlc, { ...CTX, height: 0 })
    expect(again.removals[0]?.removal.type).toBe('fulfill')
    expect(again.invoice).toBeUndefined()
    expect(receiveHtlc(() => invoice, { ...htlc, id: 8n }, CTX)).toMatchObject({ refusal: 'keysend' })
  })
})

describe('a spontaneous HTLC is failed', () => {
  const preimage = new Uint8Array(32).fill(7)
  const paymentHash = sha256(preimage)
  const expiry = HEIGHT + MIN_FINAL_CLTV_SPONTANEOUS

  function answer(
    change: {
      readonly payload?: Partial<HopPayload>
      readonly amountMsat?: bigint
      readonly cltvExpiry?: number
      readonly hash?: Uint8Array
      readonly kept?: number
    } = {},
  ) {
    const { htlc, sharedSecrets } = crafted({
      paymentHash: change.hash ?? paymentHash,
      payload: {
        amtToForward: AMOUNT,
        outgoingCltvValue: expiry,
        keysendPreimage: preimage,
        ...change.payload,
      },
      amountMsat: msat(change.amountMsat ?? AMOUNT),
      cltvExpiry: change.cltvExpiry ?? expiry,
    })
    const outcome = receiveHtlc(NONE, htlc, { ...CTX, spontaneous: change.kept ?? 0 })
    const removal = outcome.removals[0]?.removal
    if (removal?.type !== 'fail') return { refusal: outcome.refusal, read: removal?.type }
    expect(outcome.invoice).toBeUndefined()
    return {
      refusal: outcome.refusal,
      read: readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure.name,
    }
  }

  it('only for a reason', () => {
    expect(answer()).toEqual({ refusal: undefined, read: 'fulfill' })
    // With more on the way than was promised, too (BOLT 4: not below what the onion says).
    expect(answer({ amountMsat: AMOUNT + 1n }).read).toBe('fulfill')
  })

  it('when the preimage is not that of the hash', () => {
    expect(answer({ hash: fromHex(toHex(paymentHash).replace(/^../, '00')) }).refusal).toBe('keysend')
  })

  it('when it is too small to be kept, or a part of something', () => {
    const less = msat(MIN_SPONTANEOUS_MSAT - 1n)
    expect(answer({ payload: { amtToForward: less } }).refusal).toBe('amountTooLow')
    const paymentData = { paymentSecret: new Uint8Array(32), totalMsat: msat(2n * AMOUNT) }
    expect(answer({ payload: { paymentData } }).refusal).toBe('multiPart')
  })

  it('when it expires too soon, or was changed on the way', () => {
    expect(answer({ cltvExpiry: expiry - 1 }).refusal).toBe('expiryTooSoon')
    expect(answer({ payload: { outgoingCltvValue: expiry + 1 } })).toEqual({
      refusal: 'cltvBelowOnion',
      read: 'final_incorrect_cltv_expiry',
    })
    expect(answer({ amountMsat: AMOUNT - 1n })).toEqual({
      refusal: 'amountBelowOnion',
      read: 'final_incorrect_htlc_amount',
    })
  })

  it('when so many are kept already', () => {
    expect(answer({ kept: MAX_SPONTANEOUS - 1 }).read).toBe('fulfill')
    expect(answer({ kept: MAX_SPONTANEOUS })).toEqual({
      refusal: 'tooManySpontaneous',
      read: 'temporary_node_failure',
    })
  })
})
