import { equalBytes, equalSecret, toHex } from '../base/bytes.ts'
import type { Msat } from '../base/units.ts'
import { sha256 } from '../crypto/hash.ts'
import { failBlinded } from '../onion/blinded-failure.ts'
import { encodeFailure, type FailureMessage } from '../onion/failure.ts'
import { failurePacket } from '../onion/failure-packet.ts'
import type { InvoiceRecord } from './invoice-record.ts'
import {
  MAX_SPONTANEOUS,
  MIN_FINAL_CLTV_SPONTANEOUS,
  MIN_SPONTANEOUS_MSAT,
  spontaneousRecord,
} from './spontaneous.ts'
import {
  failParts,
  isComplete,
  isStale,
  isWaiting,
  MAX_PARTS,
  partsTimedOut,
  refused,
  withPart,
} from './parts.ts'
import { type ForwardRead, readOnion, type ReceiveRead } from './read-onion.ts'
import type { HtlcAnswer, HtlcRemoval, IncomingHtlc } from './types.ts'

export interface ReceiveContext {
  /** ms since 1970 */
  readonly now: number
  /** Height of the best verified block; 0 while the chain is not known or not caught up with. */
  readonly height: number
  /** Our node's secret, 32 bytes. */
  readonly nodeSecret: Uint8Array
  /** Payments without an invoice that are kept already (`MAX_SPONTANEOUS`). */
  readonly spontaneous: number
  /** Whether a channel goes to the chain: what waits there is not to be had for sure, and costs something. */
  readonly isClosing?: (channelId: string) => boolean
  /** With this HTLC more is in trimmed ones than we let stand there (BOLT 2 §max_dust_htlc_exposure_msat). */
  readonly overDust?: boolean
}

/** Why an HTLC was not taken: for logs and tests. The sender learns less (`incorrect_or_unknown_payment_details`). */
export type Refusal =
  | 'onion'
  | 'payload'
  | 'blinded'
  | 'noHeight'
  | 'unknownInvoice'
  | 'keysend'
  | 'tooManySpontaneous'
  | 'paymentSecret'
  | 'pathId'
  | 'alreadyPaid'
  | 'cancelled'
  | 'expired'
  | 'multiPart'
  | 'otherTotal'
  | 'complete'
  | 'dustExposure'
  | 'amountTooLow'
  | 'amountTooHigh'
  | 'expiryTooSoon'
  | 'cltvBelowOnion'
  | 'amountBelowOnion'

/** What to do about an HTLC. Record and proposals belong into one turn's write. */
export interface ReceiveOutcome {
  /** Proposals for the channels named. One today; an HTLC set is answered together. */
  readonly removals: readonly HtlcAnswer[]
  /** The invoice's record, where it changed. */
  readonly invoice?: InvoiceRecord
  readonly refusal?: Refusal
  /** We are not the last: what the switch needs to pass it on. Nothing else is in the outcome then. */
  readonly forward?: ForwardRead
}

/**
 * Judges a received HTLC whose add is locked in and whose removal has not been proposed (BOLT 4 §Requirements, the final node).
 * @param invoices our invoices by payment hash (hex)
 */
export function receiveHtlc(
  invoices: (paymentHash: string) => InvoiceRecord | undefined,
  htlc: IncomingHtlc,
  ctx: ReceiveContext,
): ReceiveOutcome {
  const invoice = invoices(toHex(htlc.paymentHash))
  // The preimage may be out already: nothing that came later (a restart, expiry, blocks) takes the answer back.
  if (invoice !== undefined && indexOfHtlc(invoice, htlc.channelId, htlc.id) >= 0)
    return answer(htlc, { type: 'fulfill', id: htlc.id, preimage: invoice.preimage }, undefined, ctx)
  if (invoice !== undefined && isWaiting(invoice, htlc.channelId, htlc.id)) return { removals: [] }

  const read = readOnion(htlc, ctx.nodeSecret)
  if (read.kind === 'refused') {
    const { removal, refusal, sharedSecret } = read
    const outcome = answer(htlc, removal, sharedSecret, ctx)
    return { ...(refusal === 'blinded' ? later(outcome) : outcome), refusal }
  }
  if (read.kind === 'forward') return { removals: [], forward: read.forward }
  const { receive } = read
  const refuse = (refusal: Refusal): ReceiveOutcome => fail(htlc, receive, refusal, ctx)
  // Without a height no expiry can be judged; a preimage given out blindly may be worth nothing.
  if (ctx.height <= 0) return refuse('noHeight')
  // BOLT 2: SHOULD fail this HTLC once it's committed, SHOULD NOT reveal a preimage for it.
  if (ctx.overDust === true) return refuse('dustExposure')
  const { keysendPreimage } = receive.asked
  if (keysendPreimage !== undefined && invoice === undefined) {
    const against = judgeSpontaneous(htlc, receive.asked, keysendPreimage, ctx)
    return against === undefined
      ? acceptWhole(htlc, spontaneousRecord(htlc, keysendPreimage, ctx.now), ctx, receive)
      : refuse(against)
  }
  // Parts whose time has passed are no part of what comes now, whatever wakes first, a clock or a peer.
  const stale = invoice !== undefined && isStale(invoice, ctx) ? failParts(invoice, partsTimedOut) : undefined
  const current = stale?.invoice ?? invoice
  const refusal = judge(htlc, receive, current, ctx)
  if (refusal === undefined) return after(stale, accept(htlc, current as InvoiceRecord, ctx, receive))
  // BOLT 4 §Basic Multi-Part Payments: SHOULD fail the entire HTLC set if total_msat is not the same for all.
  return refusal === 'otherTotal'
    ? after(failParts(current as InvoiceRecord, refused(ctx.height)), refuse(refusal))
    : after(stale, refuse(refusal))
}

/** Without the parts in channels that go to the chain: a payer whose part is lost there pays it again, and rightly. */
const livingOf = (invoice: InvoiceRecord, { isClosing }: ReceiveContext): InvoiceRecord => {
  const { waiting } = invoice
  return waiting === undefined || isClosing === undefined
    ? invoice
    : { ...invoice, waiting: waiting.filter((part) => !isClosing(part.channelId)) }
}

/** One outcome after what became of other parts of the invoice. */
const after = (
  first: Pick<Required<ReceiveOutcome>, 'invoice' | 'removals'> | undefined,
  outcome: ReceiveOutcome,
): ReceiveOutcome =>
  first === undefined ? outcome : { ...first, ...outcome, removals: [...first.removals, ...outcome.removals] }

/**
 * BOLT 4 §Failure Messages, the final node, in the order of its list of failures ("SHOULD select the first error it encounters
 * from the list above"): who does not know the payment secret learns nothing about the invoice.
 */
function judge(
  htlc: IncomingHtlc,
  { asked, blinded }: ReceiveRead,
  invoice: InvoiceRecord | undefined,
  ctx: ReceiveContext,
): Refusal | undefined {
  const { amtToForward, totalMsat } = asked
  const { amountMsat, cltvExpiry } = blinded ?? htlc
  // A hash of ours is paid by who holds the invoice; a spontaneous payment that is known has been paid already.
  if (asked.keysendPreimage !== undefined) return 'keysend'
  if (invoice === undefined) return 'unknownInvoice'
  // BOLT 4: MUST fail if payment_secret does not match, or is required and not present.
  // BOLT 4 §Route Blinding: MUST ignore what does not bring the path_id; BOLT 12: nor what comes by another way than its paths.
  if ((invoice.blinded === true) !== (blinded !== undefined))
    return blinded === undefined ? 'paymentSecret' : 'pathId'
  if (blinded !== undefined && !equalSecret(blinded.pathId, invoice.paymentSecret)) return 'pathId'
  if (
    blinded === undefined &&
    (asked.paymentSecret === undefined || !equalSecret(asked.paymentSecret, invoice.paymentSecret))
  )
    return 'paymentSecret'
  // BOLT 4: MAY treat a payment hash that has been paid as unknown. A payer may be charged twice otherwise.
  if (invoice.state === 'paid') return 'alreadyPaid'
  if (invoice.state === 'cancelled') return 'cancelled'
  // BOLT 11 §Payer / Payee Requirements: SHOULD NOT accept a payment after the expiry.
  // What completes a set that began in time is in time: its other parts wait for a minute at most.
  if (ctx.now >= invoice.expiresAt && invoice.waiting === undefined) return 'expired'
  // BOLT 4 §Basic Multi-Part Payments: total_msat is the same in all parts of a set, and no less than any of them.
  if (totalMsat < amtToForward) return 'multiPart'
  // MUST NOT send another HTLC once the set has its total: who does it pays twice for a payment that is held.
  if (isComplete(livingOf(invoice, ctx))) return 'complete'
  const others = invoice.waiting?.[0]
  if (others !== undefined && others.totalMsat !== totalMsat) return 'otherTotal'
  if ((invoice.waiting?.length ?? 0) >= MAX_PARTS) return 'multiPart'
  // BOLT 4: "amount paid" is total_msat. MUST fail below the amount expected, SHOULD above twice as much.
  const expected: bigint = invoice.amountMsat ?? 1n
  if (totalMsat < expected) return 'amountTooLow'
  if (invoice.amountMsat !== undefined && totalMsat > 2n * invoice.amountMsat) return 'amountTooHigh'
  // BOLT 4 §Requirements: MUST return an error if cltv_expiry < current_block_height + min_final_cltv_expiry_delta.
  if (cltvExpiry < ctx.height + invoice.minFinalCltvExpiryDelta) return 'expiryTooSoon'
  if (cltvExpiry < asked.outgoingCltvValue) return 'cltvBelowOnion'
  if (amountMsat < amtToForward) return 'amountBelowOnion'
  return undefined
}

/**
 * A payment that brings its own preimage (keysend: the TLV that all implementations share). Who sent it knows the preimage, so that
 * giving it out proves nothing and costs nothing; what has to be bounded is what we keep of it.
 */
function judgeSpontaneous(
  htlc: IncomingHtlc,
  asked: ReceiveRead['asked'],
  preimage: Uint8Array,
  ctx: ReceiveContext,
): Refusal | undefined {
  if (!equalBytes(sha256(preimage), htlc.paymentHash)) return 'keysend'
  if (asked.totalMsat !== asked.amtToForward) return 'multiPart'
  if (asked.totalMsat < MIN_SPONTANEOUS_MSAT) return 'amountTooLow'
  if (htlc.cltvExpiry < ctx.height + MIN_FINAL_CLTV_SPONTANEOUS) return 'expiryTooSoon'
  if (htlc.cltvExpiry < asked.outgoingCltvValue) return 'cltvBelowOnion'
  if (htlc.amountMsat < asked.amtToForward) return 'amountBelowOnion'
  if (ctx.spontaneous >= MAX_SPONTANEOUS) return 'tooManySpontaneous'
  return undefined
}

function messageFor(refusal: Refusal, htlc: IncomingHtlc, ctx: ReceiveContext): FailureMessage {
  switch (refusal) {
    case 'noHeight':
    case 'tooManySpontaneous':
    case 'dustExposure':
      return { name: 'temporary_node_failure' }
    case 'cltvBelowOnion':
      return { name: 'final_incorrect_cltv_expiry', cltvExpiry: htlc.cltvExpiry }
    case 'amountBelowOnion':
      return { name: 'final_incorrect_htlc_amount', incomingHtlcMsat: htlc.amountMsat }
    default:
      return {
        name: 'incorrect_or_unknown_payment_details',
        htlcMsat: htlc.amountMsat,
        height: ctx.height,
      }
  }
}

/** All that the invoice asked for, or a part of it. */
function accept(
  htlc: IncomingHtlc,
  invoice: InvoiceRecord,
  ctx: ReceiveContext,
  read: ReceiveRead,
): ReceiveOutcome {
  const { channelId, id, amountMsat, cltvExpiry } = htlc
  const { sharedSecret, blinded, asked } = read
  const { totalMsat } = asked
  if (invoice.waiting === undefined && invoice.hold !== true && amountMsat >= totalMsat)
    return acceptWhole(htlc, invoice, ctx, read)
  const waits = { channelId, id, amountMsat, totalMsat, cltvExpiry, sharedSecret, since: ctx.now }
  return withPart(
    invoice,
    blinded?.place === undefined
      ? waits
      : { ...waits, blinded: { place: blinded.place, sha256OfOnion: blinded.sha256OfOnion } },
    ctx.now,
  )
}

function acceptWhole(
  htlc: IncomingHtlc,
  invoice: InvoiceRecord,
  ctx: ReceiveContext,
  { sharedSecret }: ReceiveRead,
): ReceiveOutcome {
  const { channelId, id, amountMsat } = htlc
  const { preimage } = invoice
  return {
    ...answer(htlc, { type: 'fulfill', id, preimage }, sharedSecret, ctx),
    invoice: {
      ...invoice,
      state: 'paid',
      htlcs: [{ channelId, id, amountMsat, settled: false }],
      receivedMsat: amountMsat,
      paidAt: ctx.now,
    },
  }
}

/** `sharedSecret`: what its attribution is made with, where it has one. BOLT 2: none with a path key. */
function answer(
  { channelId, pathKey }: IncomingHtlc,
  removal: HtlcRemoval,
  sharedSecret: Uint8Array | undefined,
  ctx: ReceiveContext,
): ReceiveOutcome {
  const one: HtlcAnswer = { channelId, removal }
  if (sharedSecret === undefined || pathKey !== undefined) return { removals: [one] }
  return { removals: [{ ...one, attribute: { sharedSecret, since: ctx.now } }] }
}

/** BOLT 4 §Route Blinding: a blinded path that begins with us fails after a random delay. Inside of it the beginning sees to that. */
const later = ({ removals, ...rest }: ReceiveOutcome): ReceiveOutcome => ({
  ...rest,
  removals: removals.map((one) => (one.removal.type === 'fail' ? { ...one, later: true } : one)),
})

function fail(
  htlc: IncomingHtlc,
  { sharedSecret, blinded }: ReceiveRead,
  refusal: Refusal,
  ctx: ReceiveContext,
): ReceiveOutcome {
  const { id } = htlc
  const place = blinded?.place
  const removal: HtlcRemoval =
    blinded !== undefined && place !== undefined
      ? failBlinded({ place, sha256OfOnion: blinded.sha256OfOnion }, id, sharedSecret)
      : {
          type: 'fail',
          id,
          reason: failurePacket(sharedSecret, encodeFailure(messageFor(refusal, htlc, ctx))),
        }
  const outcome = answer(htlc, removal, sharedSecret, ctx)
  return { ...(blinded === undefined ? outcome : later(outcome)), refusal }
}

const indexOfHtlc = (invoice: InvoiceRecord, channelId: string, id: bigint): number =>
  invoice.htlcs.findIndex((h) => h.channelId === channelId && h.id === id)

/**
 * Our removal of a received HTLC is locked in (the channel's `htlcSettled`): when it was one that paid this invoice, its amount
 * is in our balance now. The same record comes back when nothing changed. `settledAt` appears with the last HTLC.
 */
export function htlcSettled(
  record: InvoiceRecord,
  removed: { readonly channelId: string; readonly id: bigint; readonly fulfilled: boolean },
  now: number,
): InvoiceRecord {
  const at = indexOfHtlc(record, removed.channelId, removed.id)
  if (!removed.fulfilled || at < 0 || record.htlcs[at]?.settled === true) return record
  const htlcs = record.htlcs.map((h, i) => (i === at ? { ...h, settled: true } : h))
  if (htlcs.some((h) => !h.settled)) return { ...record, htlcs }
  const receivedMsat = htlcs.reduce((sum, h) => sum + h.amountMsat, 0n) as Msat
  return { ...record, htlcs, receivedMsat, settledAt: now }
}
