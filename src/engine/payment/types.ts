import type { Msat } from '../base/units.ts'
import type { AttributionAsk } from '../onion/attributed.ts'

/**
 * What crosses the border of this room. The walls let payments know nothing of channels: the shapes below are those of
 * `channel/types.ts` (`AddUpdate`, `RemoveUpdate`, `AddProblem`) written down a second time, so that the node loop hands
 * values through unchanged and the compiler compares the two there.
 */

/** A received HTLC whose add is locked in (lcp.md rule 6): only then is it shown to this room. */
export interface IncomingHtlc {
  /** Of the channel it came through, 64 hex digits. */
  readonly channelId: string
  readonly id: bigint
  readonly amountMsat: Msat
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** 1366 bytes */
  readonly onion: Uint8Array
  /** 33 bytes: `path_key` of `update_add_htlc` */
  readonly pathKey?: Uint8Array
}

/** The end of an HTLC, as either side's channel proposes and reports it. */
export type HtlcRemoval =
  | {
      readonly type: 'fulfill'
      readonly id: bigint
      readonly preimage: Uint8Array
      /** 920 bytes (BOLT 4 §attribution_data), also below. */
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'fail'
      readonly id: bigint
      readonly reason: Uint8Array
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'malformed'
      readonly id: bigint
      readonly sha256OfOnion: Uint8Array
      readonly failureCode: number
    }

/** A removal to propose, and what its attribution is made with, where it carries one. */
export interface HtlcAnswer {
  readonly channelId: string
  readonly removal: HtlcRemoval
  readonly attribute?: AttributionAsk
  /** After a random delay (BOLT 4 §Route Blinding). */
  readonly later?: true
}

/** An add for a channel's outbox. */
export interface OutgoingAdd {
  readonly type: 'add'
  readonly amountMsat: Msat
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** 1366 bytes */
  readonly onion: Uint8Array
  /** Names the attempt: `pay/<payment hash>/<n>`. Unique for ever. */
  readonly token: string
}

/** What stands against offering an amount through a channel now. */
export type ChannelProblem =
  | { readonly code: 'amountTooSmall'; readonly minimumMsat: Msat }
  | { readonly code: 'tooManyHtlcs'; readonly limit: number }
  | { readonly code: 'inFlightLimit'; readonly limitMsat: Msat }
  | { readonly code: 'dustLimit'; readonly limitMsat: Msat }
  | { readonly code: 'belowReserve'; readonly spendableMsat: Msat }
  | { readonly code: 'peerCannotPayFee' }

/** One of our channels, as the payer looks at it. Made for one call; never stored. */
export interface ChannelCandidate {
  readonly channelId: string
  /** 66 hex digits */
  readonly peer: string
  /** Whether an HTLC can be offered through it now; when not, why. */
  readonly state: 'usable' | 'offline' | 'opening' | 'closing'
  /** The most that a single HTLC may carry now. */
  readonly spendableMsat: Msat
  /** What stands against this amount (`addProblem` of the channel), or undefined. */
  readonly problem: (amountMsat: Msat) => ChannelProblem | undefined
  /** Whether this amount would have to wait for what is in flight there. */
  readonly waits?: (amountMsat: Msat) => boolean
  /** For words only: why `spendableMsat` is no more than it is. */
  readonly balanceMsat?: Msat
  readonly reserveMsat?: Msat
  readonly inFlightMsat?: Msat
}

/** Those of the API's codes that a payment or an invoice ends with. */
export type PaymentErrorCode =
  | 'invalidInput'
  | 'notReady'
  | 'invoiceMalformed'
  | 'invoiceWrongNetwork'
  | 'invoiceExpired'
  | 'invoiceUnsupported'
  | 'amountRequired'
  | 'amountMismatch'
  | 'amountTooSmall'
  | 'alreadyPaid'
  | 'paymentInFlight'
  | 'payingSelf'
  | 'noRoute'
  | 'peerNotConnected'
  | 'channelNotOpen'
  | 'exceedsSpendable'
  | 'tooManyHtlcs'
  | 'recipientRefused'
  | 'paymentTimedOut'
  | 'paymentFailed'
  | 'paymentCancelled'
  | 'paymentUnknown'
  | 'tooLate'
  | 'offerUnreachable'
  | 'offerNoAnswer'
  | 'offerRefused'
  | 'offerBadInvoice'

/** An error for the API: the message is for logs, `data` has figures (units in the names), never secrets. */
export interface PaymentFailure {
  readonly code: PaymentErrorCode
  readonly message: string
  readonly data?: Readonly<Record<string, string | number | boolean>>
}

/** Builds a `PaymentFailure`. */
export const failure = (
  code: PaymentErrorCode,
  message: string,
  data?: PaymentFailure['data'],
): PaymentFailure => (data === undefined ? { code, message } : { code, message, data })
