import { invariant } from '../base/result.ts'
import { msat } from '../base/units.ts'
import { failBlinded } from '../onion/blinded-failure.ts'
import { encodeFailure, type FailureMessage } from '../onion/failure.ts'
import { failurePacket } from '../onion/failure-packet.ts'
import type { InvoiceRecord, WaitingPart } from './invoice-record.ts'
import type { HtlcAnswer } from './types.ts'

/**
 * Payments in parts, and payments that wait for the user's word (BOLT 4 §Basic Multi-Part Payments). Parts of one invoice are a set: all are
 * taken, or none. A set is stored as it grows; nothing has been given for it until it is complete.
 */

/** BOLT 4: MUST fail all parts if the set is not complete after a reasonable time; SHOULD wait for at least 60 s. */
export const PARTS_TIMEOUT_MS = 60_000
/** Parts of one invoice that may wait: each is an HTLC that somebody else pays for. */
export const MAX_PARTS = 100
/**
 * A held payment is let go so many blocks before its first HTLC expires: the preimage would be given out too late to be sure of the money
 * (a channel goes to the chain over such an HTLC at 18).
 */
export const HOLD_MARGIN_BLOCKS = 30

export interface PartsOutcome {
  readonly invoice: InvoiceRecord
  readonly removals: readonly HtlcAnswer[]
}

const sumOf = (parts: readonly WaitingPart[]): bigint =>
  parts.reduce((sum, part) => sum + part.amountMsat, 0n)

/** Whether all of the payment is there. */
export const isComplete = ({ waiting = [] }: InvoiceRecord): boolean =>
  waiting[0] !== undefined && sumOf(waiting) >= waiting[0].totalMsat

/** Whether a received HTLC is one of the parts that wait. */
export const isWaiting = (invoice: InvoiceRecord, channelId: string, id: bigint): boolean =>
  invoice.waiting?.some((part) => part.channelId === channelId && part.id === id) === true

/**
 * Whether a set that is not complete has had its time, or cannot be had whole any more: a minute has passed, an expiry has come near (who
 * was asleep hears of a new part before any clock), or a part is in a channel that goes to the chain, where it costs more than it may be
 * worth, and where a trimmed one is lost.
 */
export function isStale(
  invoice: InvoiceRecord,
  ctx: {
    readonly now: number
    readonly height: number
    readonly isClosing?: (channelId: string) => boolean
  },
): boolean {
  const { waiting = [] } = invoice
  const first = waiting[0]
  if (first === undefined || isComplete(invoice)) return false
  return (
    ctx.now - first.since >= PARTS_TIMEOUT_MS ||
    waiting.some(
      (part) =>
        (ctx.height > 0 && part.cltvExpiry < ctx.height + HOLD_MARGIN_BLOCKS) ||
        ctx.isClosing?.(part.channelId) === true,
    )
  )
}

/** What the parts of such a set are failed with. */
export const partsTimedOut = (): FailureMessage => ({ name: 'mpp_timeout' })

/** One part more; with the last one the set is taken, unless the invoice holds it for its user. */
export function withPart(invoice: InvoiceRecord, part: WaitingPart, now: number): PartsOutcome {
  const grown: InvoiceRecord = { ...invoice, waiting: [...(invoice.waiting ?? []), part] }
  return isComplete(grown) && invoice.hold !== true ? takeParts(grown, now) : { invoice: grown, removals: [] }
}

/** The set is taken: the preimage goes out in every channel, and the invoice is paid. */
export function takeParts(invoice: InvoiceRecord, now: number): PartsOutcome {
  const { waiting = [], ...rest } = invoice
  invariant(invoice.preimage.length === 32, 'a payment taken without its preimage')
  return {
    invoice: {
      ...rest,
      state: 'paid',
      htlcs: waiting.map(({ channelId, id, amountMsat }) => ({ channelId, id, amountMsat, settled: false })),
      receivedMsat: msat(sumOf(waiting)),
      paidAt: now,
    },
    removals: waiting.map((part) => ({
      channelId: part.channelId,
      removal: { type: 'fulfill', id: part.id, preimage: invoice.preimage },
      ...attributed(part),
    })),
  }
}

/** BOLT 2 §Removing an HTLC: none where it came with a path key. */
const attributed = ({ blinded, sharedSecret, since }: WaitingPart): Pick<HtlcAnswer, 'attribute'> =>
  blinded?.place === 'inside' ? {} : { attribute: { sharedSecret, since } }

/** Every part is failed; the invoice is as if none had come. */
export function failParts(
  invoice: InvoiceRecord,
  failure: (part: WaitingPart) => FailureMessage,
): PartsOutcome {
  const { waiting = [], ...rest } = invoice
  return {
    invoice: rest,
    removals: waiting.map((part) => ({
      channelId: part.channelId,
      removal:
        part.blinded === undefined
          ? {
              type: 'fail',
              id: part.id,
              reason: failurePacket(part.sharedSecret, encodeFailure(failure(part))),
            }
          : failBlinded(part.blinded, part.id, part.sharedSecret),
      ...attributed(part),
      // BOLT 2 §Removing an HTLC: what the beginning of a blinded path fails, it fails after a random delay.
      ...(part.blinded?.place === 'introduction' ? ({ later: true } as const) : {}),
    })),
  }
}

/** Time passed: a set that is not complete is failed after a minute, a held one before its HTLCs expire. Undefined: nothing to do. */
export function partsTick(
  invoice: InvoiceRecord,
  ctx: Parameters<typeof isStale>[1],
): PartsOutcome | undefined {
  const { waiting = [] } = invoice
  if (waiting.length === 0) return undefined
  if (!isComplete(invoice)) return isStale(invoice, ctx) ? failParts(invoice, partsTimedOut) : undefined
  const expiry = Math.min(...waiting.map((part) => part.cltvExpiry))
  return ctx.height > 0 && expiry < ctx.height + HOLD_MARGIN_BLOCKS
    ? failParts(invoice, refused(ctx.height))
    : undefined
}

/** What a payer reads when an invoice is cancelled, or cannot be held any longer. */
export const refused =
  (height: number) =>
  (part: WaitingPart): FailureMessage => ({
    name: 'incorrect_or_unknown_payment_details',
    htlcMsat: part.amountMsat,
    height,
  })
