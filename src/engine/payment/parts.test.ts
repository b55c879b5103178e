import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../base/bytes.ts'
import { msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { readFailure } from '../onion/failure-packet.ts'
import { bobsInvoice, BOB_SECRET, crafted, HEIGHT, lookup, NOW } from './fixture.ts'
import { type ReceiveOutcome, receiveHtlc } from './incoming.ts'
import { type InvoiceRecord, withPreimage } from './invoice-record.ts'
import {
  failParts,
  HOLD_MARGIN_BLOCKS,
  isComplete,
  partsTick,
  PARTS_TIMEOUT_MS,
  refused,
  takeParts,
} from './parts.ts'

const EXPIRY = HEIGHT + 144

interface Part {
  readonly channelId?: string
  readonly id: bigint
  readonly amount: bigint
  readonly total?: bigint
  readonly at?: number
  readonly secret?: Uint8Array
  readonly height?: number
  readonly expiry?: number
  /** A channel that goes to the chain. */
  readonly closing?: string
}

/** An HTLC of a set for the invoice. */
function receive(
  invoice: InvoiceRecord,
  { channelId = 'c1'.repeat(32), id, amount, total = 100_000n, at = NOW, secret, ...rest }: Part,
): ReceiveOutcome & { readonly sharedSecrets: readonly Uint8Array[] } {
  const { height = HEIGHT, expiry = EXPIRY, closing } = rest
  const { htlc, sharedSecrets } = crafted({
    paymentHash: fromHex(invoice.paymentHash),
    payload: {
      amtToForward: msat(amount),
      outgoingCltvValue: expiry,
      paymentData: { paymentSecret: secret ?? invoice.paymentSecret, totalMsat: msat(total) },
    },
    amountMsat: msat(amount),
    cltvExpiry: expiry,
  })
  const outcome = receiveHtlc(
    lookup(invoice),
    { ...htlc, channelId, id },
    {
      now: at,
      height,
      nodeSecret: BOB_SECRET,
      spontaneous: 0,
      ...(closing === undefined ? {} : { isClosing: (c: string) => c === closing }),
    },
  )
  return { ...outcome, sharedSecrets }
}

const invoice = (hold = false): InvoiceRecord => bobsInvoice({ amountMsat: msat(100_000), hold })
const grown = (outcome: ReceiveOutcome): InvoiceRecord => outcome.invoice as InvoiceRecord

/** The name of a failure as its sender reads it. */
function nameIn(
  removal: ReceiveOutcome['removals'][0]['removal'] | undefined,
  sharedSecrets: readonly Uint8Array[],
): string | undefined {
  if (removal?.type !== 'fail') throw new Error('not failed')
  return readFailure({ sharedSecrets, reason: removal.reason }).source?.failure.failure.name
}

describe('a payment in parts', () => {
  it('is taken whole when the last part is there, in every channel, and not before', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    expect(first.removals).toEqual([])
    expect(grown(first).state).toBe('open')
    const last = receive(grown(first), { channelId: 'c2'.repeat(32), id: 1n, amount: 40_000n })
    const preimage = grown(first).preimage
    expect(last.removals).toEqual([
      {
        channelId: 'c1'.repeat(32),
        removal: { type: 'fulfill', id: 1n, preimage },
        attribute: { sharedSecret: first.sharedSecrets[0], since: NOW },
      },
      {
        channelId: 'c2'.repeat(32),
        removal: { type: 'fulfill', id: 1n, preimage },
        attribute: { sharedSecret: last.sharedSecrets[0], since: NOW },
      },
    ])
    expect(grown(last)).toMatchObject({ state: 'paid', receivedMsat: 100_000n })
    expect(grown(last).waiting).toBeUndefined()
  })

  it('lacks one msat: it waits', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const second = receive(grown(first), { id: 2n, amount: 39_999n })
    expect(second.removals).toEqual([])
    expect(isComplete(grown(second))).toBe(false)
  })

  it('a part that is seen again after a restart counts once', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const again = receive(grown(first), { id: 1n, amount: 60_000n })
    expect(again.removals).toEqual([])
    expect(again.invoice).toBeUndefined()
  })

  it('with another total fails the whole set (BOLT 4); with another secret it is no part of it', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const other = receive(grown(first), { id: 2n, amount: 40_000n, total: 100_001n })
    expect(other.refusal).toBe('otherTotal')
    expect(other.removals.map(({ removal }) => [removal.type, removal.id])).toEqual([
      ['fail', 1n],
      ['fail', 2n],
    ])
    expect(grown(other).waiting).toBeUndefined()
    expect(nameIn(other.removals[0]?.removal, first.sharedSecrets)).toBe(
      'incorrect_or_unknown_payment_details',
    )
    const secret = new Uint8Array(32)
    expect(receive(grown(first), { id: 2n, amount: 40_000n, secret }).refusal).toBe('paymentSecret')
    expect(receive(invoice(), { id: 2n, amount: 40_000n, total: 99_999n }).refusal).toBe('amountTooLow')
    expect(receive(invoice(), { id: 2n, amount: 40_000n, total: 200_001n }).refusal).toBe('amountTooHigh')
  })

  it('is failed in every part with mpp_timeout a minute after the first one, and may come again', () => {
    const first = receive(invoice(), { id: 1n, amount: 50_000n })
    const second = receive(grown(first), { id: 2n, amount: 49_999n, at: NOW + 50_000 })
    const set = grown(second)
    expect(partsTick(set, { now: NOW + PARTS_TIMEOUT_MS - 1, height: HEIGHT })).toBeUndefined()
    const late = partsTick(set, { now: NOW + PARTS_TIMEOUT_MS, height: HEIGHT })
    expect(late?.removals.length).toBe(2)
    const removal = late?.removals[0]?.removal
    if (removal?.type !== 'fail') throw new Error('not failed')
    const { source } = readFailure({ sharedSecrets: first.sharedSecrets, reason: removal.reason })
    expect(source?.failure.failure.name).toBe('mpp_timeout')
    expect(receive(late?.invoice as InvoiceRecord, { id: 5n, amount: 100_000n }).removals.length).toBe(1)
  })

  it('whose time has passed takes no part any more, though a peer wakes before the clock: the late part begins anew', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const late = receive(grown(first), { id: 2n, amount: 40_000n, at: NOW + PARTS_TIMEOUT_MS })
    expect(late.removals.map(({ removal }) => [removal.type, removal.id])).toEqual([['fail', 1n]])
    expect(nameIn(late.removals[0]?.removal, first.sharedSecrets)).toBe('mpp_timeout')
    expect(grown(late)).toMatchObject({ state: 'open', waiting: [{ id: 2n }] })
  })

  it('of which one is about to expire is not taken, whatever the clock says', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const height = EXPIRY - HOLD_MARGIN_BLOCKS + 1
    const late = receive(grown(first), { id: 2n, amount: 40_000n, height, expiry: height + 200 })
    expect(late.removals.map(({ removal }) => [removal.type, removal.id])).toEqual([['fail', 1n]])
    expect(grown(late).state).toBe('open')
  })

  it('of which one is in a channel that goes to the chain is not taken: what was trimmed there is lost', () => {
    const first = receive(invoice(), { id: 1n, amount: 60_000n })
    const closing = 'c1'.repeat(32)
    const isClosing = (id: string) => id === closing
    const last = receive(grown(first), { channelId: 'c2'.repeat(32), id: 1n, amount: 40_000n, closing })
    expect(last.removals).toMatchObject([{ channelId: closing, removal: { type: 'fail', id: 1n } }])
    expect(grown(last)).toMatchObject({ state: 'open', waiting: [{ channelId: 'c2'.repeat(32) }] })
    expect(partsTick(grown(first), { now: NOW, height: HEIGHT, isClosing })?.removals.length).toBe(1)
  })

  it('that began before the invoice expired is completed after it, and one that did not is refused', () => {
    const open = { ...invoice(), expiresAt: NOW + 10 }
    const first = receive(open, { id: 1n, amount: 60_000n, at: NOW + 9 })
    expect(grown(receive(grown(first), { id: 2n, amount: 40_000n, at: NOW + 11 })).state).toBe('paid')
    expect(receive(open, { id: 2n, amount: 40_000n, at: NOW + 10 }).refusal).toBe('expired')
  })

  it('more than a hundred parts are no payment', () => {
    let record = invoice()
    for (let id = 0n; id < 100n; id++) record = grown(receive(record, { id, amount: 1n }))
    expect(receive(record, { id: 100n, amount: 1n }).refusal).toBe('multiPart')
  })
})

describe('a held payment', () => {
  it('waits complete, however long, until it is taken', () => {
    const held = grown(receive(invoice(true), { id: 1n, amount: 100_000n }))
    expect(held.state).toBe('open')
    expect(partsTick(held, { now: NOW + 1e9, height: HEIGHT })).toBeUndefined()
    const taken = takeParts(held, NOW)
    expect(taken.invoice.state).toBe('paid')
    expect(taken.removals[0]?.removal).toEqual({ type: 'fulfill', id: 1n, preimage: held.preimage })
  })

  it('takes no part more once it is complete: a payer who tries again pays once', () => {
    const held = grown(receive(invoice(true), { id: 1n, amount: 100_000n }))
    for (const total of [100_000n, 150_000n]) {
      const again = receive(held, { id: 2n, amount: total, total })
      expect(again.refusal).toBe('complete')
      expect(again.removals.map(({ removal }) => [removal.type, removal.id])).toEqual([['fail', 2n]])
      expect(again.invoice).toBeUndefined()
    }
    // Lost on the chain, it is paid again, and rightly.
    const closing = 'c1'.repeat(32)
    const once = receive(held, { channelId: 'c2'.repeat(32), id: 2n, amount: 100_000n, closing })
    expect(once.refusal).toBeUndefined()
  })

  it('is let go before its HTLC is at risk, or when it is cancelled', () => {
    const held = grown(receive(invoice(true), { id: 1n, amount: 100_000n }))
    const last = EXPIRY - HOLD_MARGIN_BLOCKS
    expect(partsTick(held, { now: NOW, height: last })).toBeUndefined()
    expect(partsTick(held, { now: NOW, height: last + 1 })?.removals[0]?.removal.type).toBe('fail')
    expect(failParts(held, refused(HEIGHT)).invoice.waiting).toBeUndefined()
  })
})

it('parts by a blinded path that begins with us are failed after a random delay (BOLT 2), others at once', () => {
  const waits = grown(receive(invoice(), { id: 1n, amount: 60_000n }))
  const part = waits.waiting?.[0]
  if (part === undefined) throw new Error('no part')
  const later = (place: 'introduction' | 'inside') => {
    const blinded = { place, sha256OfOnion: new Uint8Array(32) }
    return failParts({ ...waits, waiting: [{ ...part, blinded }] }, refused(HEIGHT)).removals[0]?.later
  }
  expect([later('introduction'), later('inside')]).toEqual([true, undefined])
  expect(failParts(waits, refused(HEIGHT)).removals[0]?.later).toBeUndefined()
})

describe('an invoice by hash alone', () => {
  const preimage = new Uint8Array(32).fill(0x77)
  const byHash = bobsInvoice({ amountMsat: msat(100_000), paymentHash: sha256(preimage) })

  it('is held with whoever pays it, and nothing takes it without the preimage', () => {
    expect(byHash).toMatchObject({ hold: true, paymentHash: toHex(sha256(preimage)) })
    const held = receive(byHash, { id: 1n, amount: 100_000n })
    expect(held.removals).toEqual([])
    expect(isComplete(grown(held))).toBe(true)
    expect(() => takeParts(grown(held), NOW)).toThrow()
    expect(withPreimage(grown(held), new Uint8Array(32).fill(0x78))).toBeUndefined()
    expect(withPreimage(grown(held), preimage.subarray(1))).toBeUndefined()
    const known = withPreimage(grown(held), preimage) as InvoiceRecord
    expect(takeParts(known, NOW)).toMatchObject({
      invoice: { state: 'paid', receivedMsat: 100_000n },
      removals: [{ removal: { type: 'fulfill', id: 1n, preimage } }],
    })
  })

  it('goes back before its HTLC could force a close, though nobody has brought the preimage', () => {
    const held = grown(receive(byHash, { id: 1n, amount: 100_000n }))
    const safe = { now: NOW + 1e9, height: EXPIRY - HOLD_MARGIN_BLOCKS }
    expect(partsTick(held, safe)).toBeUndefined()
    const late = partsTick(held, { ...safe, height: safe.height + 1 })
    expect(late?.removals).toMatchObject([{ removal: { type: 'fail', id: 1n } }])
    expect(late?.invoice.waiting).toBeUndefined()
  })
})
