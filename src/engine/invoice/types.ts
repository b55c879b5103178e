import type { Msat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'

/** One channel of a private route, from the node that starts it (BOLT 11 field `r`). */
export interface RouteHint {
  /** 33 bytes: the node at the start of the channel; a valid point. */
  readonly pubkey: Uint8Array
  readonly shortChannelId: bigint
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
}

/** A tagged field that we do not know, as it stood: a 5-bit type and 5-bit words. */
export interface UnknownField {
  readonly type: number
  readonly words: readonly number[]
}

/** What an invoice says, without who signed it. */
export interface InvoiceFields {
  readonly network: NetworkName
  /** Absent: the payer chooses. */
  readonly amountMsat?: Msat
  /** Seconds since 1970, at most 2^35 − 1. */
  readonly timestamp: number
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  /** 32 bytes */
  readonly paymentSecret: Uint8Array
  /** Exactly one of `description` (at most 639 bytes of UTF-8) and `descriptionHash` (32 bytes). */
  readonly description?: string
  readonly descriptionHash?: Uint8Array
  /** Seconds from `timestamp`; absent means 3600. */
  readonly expirySeconds?: number
  /** Absent means 18. Not bounded from above: path finding must refuse what it will not lock for. */
  readonly minFinalCltvExpiryDelta?: number
  /** scriptPubKeys, the preferred first. */
  readonly fallbacks: readonly Uint8Array[]
  /** Routes of one or more hops each. */
  readonly routeHints: readonly (readonly RouteHint[])[]
  /** The bits set, ascending. */
  readonly features: readonly number[]
  readonly paymentMetadata?: Uint8Array
  /** Unknown fields, `f` fields of unknown versions among them, in order. */
  readonly unknownFields: readonly UnknownField[]
}

/** A decoded invoice whose signature was checked. */
export interface Invoice extends InvoiceFields {
  /** 33 bytes: the `n` field, or the key recovered from the signature. */
  readonly payee: Uint8Array
  /** Whether the `n` field names the payee. */
  readonly payeeStated: boolean
}

/**
 * Why a text is no invoice that can be paid.
 * - `tooLong`: more than 7,089 characters.
 * - `malformed`: not bech32 at all, cut short, or a field that cannot be read; `detail` says which.
 * - `checksum`: bech32, mistyped or altered.
 * - `unknownNetwork`: a prefix that is none of ours.
 * - `badAmount`: not a number, a multiplier that does not exist, a fraction of a millisatoshi, more than there is.
 * - `wrongFieldLength`, `duplicateField`: `detail` is the field's letter.
 * - `missingPaymentHash`, `missingPaymentSecret`, `missingDescription`: required and absent.
 * - `conflictingDescriptions`: both a description and a description hash.
 * - `unknownRequiredFeature`: `bits` are what the payee demands and we do not know.
 * - `badSignature`: it was not made by the payee, or recovers to nobody.
 */
export interface InvoiceError {
  readonly code:
    | 'tooLong'
    | 'malformed'
    | 'checksum'
    | 'unknownNetwork'
    | 'badAmount'
    | 'wrongFieldLength'
    | 'duplicateField'
    | 'missingPaymentHash'
    | 'missingPaymentSecret'
    | 'missingDescription'
    | 'conflictingDescriptions'
    | 'unknownRequiredFeature'
    | 'badSignature'
  readonly detail?: string
  readonly bits?: readonly number[]
}

/** BOLT 11: what absent fields mean. */
export const DEFAULT_EXPIRY_SECONDS = 3600
export const DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA = 18

/** The second from which an invoice must not be paid any more (BOLT 11 §Payer / Payee Requirements). */
export const expiresAt = (invoice: InvoiceFields): number =>
  invoice.timestamp + (invoice.expirySeconds ?? DEFAULT_EXPIRY_SECONDS)

/** Whether an invoice has expired at `now` (seconds since 1970). */
export const isExpired = (invoice: InvoiceFields, now: number): boolean => now >= expiresAt(invoice)

/** The payee's `min_final_cltv_expiry_delta`, at least 18 when it is not given. */
export const minFinalCltvExpiryDelta = (invoice: InvoiceFields): number =>
  invoice.minFinalCltvExpiryDelta ?? DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA
