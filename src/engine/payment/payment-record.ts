import type { Msat } from '../base/units.ts'
import type { BlindedPaymentPath } from '../onion/blinded-path.ts'
import type { AttemptOutcome, HintHop, Route } from '../router/types.ts'
import type { OutgoingAdd, PaymentFailure } from './types.ts'

/** Version byte of the records under `payment/…`. */
export const PAYMENT_VERSION = 1

/** Key of a payment's record; the hash as 64 hex digits. One record a hash: what is paid twice is paid by retrying it. */
export const paymentKey = (paymentHash: string): string => `payment/${paymentHash}`

/** One HTLC offered, or to be offered, for a payment. */
export interface Attempt {
  /** Counts up for the life of the payment, from 1. */
  readonly n: number
  /** Of the add in the channel: `pay/<payment hash>/<n>`. */
  readonly token: string
  readonly channelId: string
  /** Node ids (66 hex digits) from our peer to the recipient. */
  readonly hops: readonly string[]
  /**
   * Where it does not end at our peer: with it, the HTLC carries `amountMsat` and `route.feeMsat`. With `route.blinded` (which of the
   * target's paths) it leads to the introduction node.
   */
  readonly route?: Route
  /** What the recipient gets of it. */
  readonly amountMsat: Msat
  readonly cltvExpiry: number
  /** Best block when it was made. */
  readonly height: number
  /** One a hop, 32 bytes: what its end is read with; none once it is over. The session key itself has no further use and is not kept. */
  readonly sharedSecrets: readonly Uint8Array[]
  /** `pending` until the removal of its HTLC is locked in, or it is certain that there will be no HTLC. */
  readonly state: 'pending' | 'succeeded' | 'failed'
  readonly error?: PaymentFailure
  /** Whether another attempt may use the same channel again (the cause was time, not the channel). */
  readonly channelBlameless?: boolean
  /** What its failure says of the route. */
  readonly lesson?: AttemptOutcome['result']
  /** What this run keeps away from after it: node ids, and channels as `<scid>/<direction>`. */
  readonly blame?: {
    readonly nodes?: readonly string[]
    readonly channels?: readonly string[]
    /** A blinded path as a whole: its place among the target's. */
    readonly path?: number
  }
  /** Proven hold times, hop by hop from our peer, as far as they were told: in units of 100 ms (BOLT 4 §attribution_data). */
  readonly holdTimes?: readonly number[]
  /** ms since 1970 */
  readonly startedAt: number
  readonly endedAt?: number
}

/** What is needed of the invoice for further attempts. */
export interface PaymentTarget {
  /** 32 bytes; absent where there is no invoice. */
  readonly paymentSecret?: Uint8Array
  /** 32 bytes, our own: what a spontaneous payment hands to the recipient (keysend). */
  readonly keysendPreimage?: Uint8Array
  readonly paymentMetadata?: Uint8Array
  /** Ways in that the invoice tells of (its `r` fields). */
  readonly hints?: readonly (readonly HintHop[])[]
  /** Ways to a recipient that does not say who it is: it is paid by these, and by nothing else. */
  readonly blinded?: readonly BlindedPaymentPath[]
  /** Whether the recipient takes it in parts (`basic_mpp`). */
  readonly parts?: boolean
  readonly minFinalCltvExpiryDelta: number
  /** ms since 1970 */
  readonly expiresAt: number
}

/** A payment of ours. Plain data; changed only by the functions of this room. */
export interface PaymentRecord {
  /** 64 hex digits */
  readonly paymentHash: string
  /** Empty for a spontaneous payment. */
  readonly bolt11: string
  /** The recipient's node id, 66 hex digits. */
  readonly destination: string
  /** Empty where the invoice has only a hash of it. */
  readonly description: string
  /** What the recipient gets. */
  readonly amountMsat: Msat
  /** What it cost on top, once it has succeeded; 0 for direct payments. */
  readonly feeMsat: Msat
  readonly state: 'pending' | 'succeeded' | 'failed'
  /** 32 bytes: proof of payment. */
  readonly preimage?: Uint8Array
  /** Why it failed, once it has. */
  readonly error?: PaymentFailure
  readonly target: PaymentTarget
  /** No payment, but a question whether one would arrive (`probe.ts`): its attempts from `round` on were sent together. Never stored. */
  readonly probe?: { readonly round: number }
  /** The most that it may cost. */
  readonly maxFeeMsat?: Msat
  /** One part has met an end that no other way avoids: nothing more is sent, and it fails once no part is on its way. */
  readonly doomed?: PaymentFailure
  /** Of this run (a failed payment may be tried again) and the last few of earlier ones. */
  readonly attempts: readonly Attempt[]
  /** Number of this run's first attempt, and of the next one to come. */
  readonly firstOfRun: number
  readonly nextAttempt: number
  /** ms since 1970; of the first run. */
  readonly createdAt: number
  /** ms since 1970: no attempt begins after it, and what has not been offered by then is taken back. */
  readonly deadline: number
  /** The deadline has passed with an HTLC offered: it is waited for, however long it takes. */
  readonly overdue: boolean
  /** ms since 1970: when it succeeded or failed. */
  readonly endedAt?: number
}

/** What is to be done, in order, in the same turn in which the record is written. */
export type PaymentEffect =
  /** `add` into the channel's outbox. */
  | { readonly type: 'offer'; readonly channelId: string; readonly add: OutgoingAdd }
  /** Take the add out of the channel's outbox, before its next flush. */
  | { readonly type: 'withdraw'; readonly channelId: string; readonly token: string }
  | { readonly type: 'event'; readonly event: PaymentEvent }

export type PaymentEvent =
  | {
      readonly type: 'paymentAttempt'
      readonly paymentHash: string
      readonly attempt: number
      readonly channelId: string
      readonly amountMsat: Msat
      /** Fees of its route and the nodes on it, where it does not end at our peer. */
      readonly feeMsat?: Msat
      readonly hops?: readonly string[]
    }
  | {
      readonly type: 'paymentAttemptFailed'
      readonly paymentHash: string
      readonly attempt: number
      readonly channelId: string
      readonly error: PaymentFailure
    }
  | {
      readonly type: 'paymentSucceeded'
      readonly paymentHash: string
      readonly preimage: string
      readonly amountMsat: Msat
      readonly feeMsat: Msat
    }
  | { readonly type: 'paymentFailed'; readonly paymentHash: string; readonly error: PaymentFailure }

/** A payment after an input. `record` is the very object that went in when nothing changed. */
export interface PaymentTurn {
  readonly record: PaymentRecord
  readonly effects: readonly PaymentEffect[]
}

/** The payment hash in a token of ours, or undefined for a token of somebody else's. */
export const paymentOfToken = (token: string): string | undefined =>
  /^pay\/([0-9a-f]{64})\/\d+$/.exec(token)?.[1]

/** When `onDeadline` is due (ms since 1970), or undefined when no more. */
export const dueAt = (record: PaymentRecord): number | undefined =>
  record.state === 'pending' && !record.overdue ? record.deadline : undefined

/** Nothing changes. */
export const still = (record: PaymentRecord): PaymentTurn => ({ record, effects: [] })
/** An event among the effects. */
export const event = (e: PaymentEvent): PaymentEffect => ({ type: 'event', event: e })

/** Attempts that are not over. */
export const pendingOf = (record: PaymentRecord): readonly Attempt[] =>
  record.attempts.filter((a) => a.state === 'pending')

/** Whether any attempt is not over. */
export const isPending = (record: PaymentRecord): boolean =>
  record.attempts.some((a) => a.state === 'pending')

/** Attempts of this run. */
export const ofRun = (record: PaymentRecord): readonly Attempt[] =>
  record.attempts.filter((a) => a.n >= record.firstOfRun)

/** The attempt with this token, unless it is over. */
export const pendingAttempt = (record: PaymentRecord, token: string): Attempt | undefined =>
  record.attempts.find((a) => a.token === token && a.state === 'pending')

/** The record with an attempt as it is now. */
export const withAttempt = (record: PaymentRecord, attempt: Attempt): PaymentRecord => ({
  ...record,
  attempts: record.attempts.map((a) => (a.n === attempt.n ? attempt : a)),
})
