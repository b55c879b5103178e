import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, toMsat } from '../base/units.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { signRecoverable } from '../crypto/curve.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { sha256 } from '../crypto/hash.ts'
import { encodeInvoice, type InvoiceBuildError } from '../invoice/encode.ts'
import type { BlindedHopAsk } from '../onion/blinded-failure.ts'
import type { RouteHint } from '../invoice/types.ts'
import { FEATURES } from '../wire/features.ts'
import { failure, type PaymentFailure } from './types.ts'

/** Version byte of the records under `invoice/…`. */
export const INVOICE_VERSION = 1

/** Key of an invoice's record; the hash as 64 hex digits. */
export const invoiceKey = (paymentHash: string): string => `invoice/${paymentHash}`

/**
 * Blocks that an HTLC must have left when it reaches us. BOLT 2 §cltv_expiry_delta Selection gives 18 as what a node that is
 * always there needs. This one is a browser tab: once the preimage is out, somebody must be back to claim the HTLC on chain
 * before it expires should the peer not remove it, and a closed lid may stay closed overnight. A day leaves room for that.
 */
export const MIN_FINAL_CLTV_EXPIRY_DELTA = 144

/** Bounds of an invoice's lifetime, seconds. */
export const MIN_EXPIRY_SECONDS = 1
export const MAX_EXPIRY_SECONDS = 31_536_000

/** An HTLC that we answered with the preimage. */
export interface ReceivedHtlc {
  readonly channelId: string
  readonly id: bigint
  readonly amountMsat: Msat
  /** Whether its removal is locked in: the money is in our balance. */
  readonly settled: boolean
}

/** A part of a payment that waits for the others, or for the user's word: nothing has been given for it. */
export interface WaitingPart {
  readonly channelId: string
  readonly id: bigint
  readonly amountMsat: Msat
  /** `total_msat` of its onion: the same in all parts. */
  readonly totalMsat: Msat
  readonly cltvExpiry: number
  /** 32 bytes: what it is failed with. */
  readonly sharedSecret: Uint8Array
  /** It came by a blinded path: it is failed as such. */
  readonly blinded?: Pick<BlindedHopAsk, 'place' | 'sha256OfOnion'>
  /** ms since 1970 */
  readonly since: number
}

/** An invoice of ours, or a payment that came without one. Plain data; changed only by the functions of this room. */
export interface InvoiceRecord {
  /** 64 hex digits */
  readonly paymentHash: string
  /** 32 bytes; empty of an invoice by hash alone, until it is settled with it. */
  readonly preimage: Uint8Array
  /** Nobody was asked for it (keysend): there is no text and no secret, and it is paid from the start. */
  readonly spontaneous?: true
  /** 32 bytes; none where there was no invoice. With `blinded`: the `path_id` of its paths. */
  readonly paymentSecret: Uint8Array
  /** It is paid by blinded paths only. */
  readonly blinded?: true
  /** Absent: the payer chooses. */
  readonly amountMsat?: Msat
  readonly description: string
  /** ms since 1970 */
  readonly createdAt: number
  /** ms since 1970: from then on it is not paid any more. */
  readonly expiresAt: number
  readonly minFinalCltvExpiryDelta: number
  /** Empty for a spontaneous payment. */
  readonly bolt11: string
  /** The offer of ours that it was made for, and what the payer wrote. */
  readonly offer?: string
  readonly payerNote?: string
  /** `paid` from the moment that the preimage is given out. That it has expired follows from the time: `invoiceState`. */
  readonly state: 'open' | 'paid' | 'cancelled'
  /** The HTLCs that paid it: each of them, seen again, is settled again. Empty until paid. */
  readonly htlcs: readonly ReceivedHtlc[]
  /** Parts of a payment that is not complete. */
  readonly waiting?: readonly WaitingPart[]
  /** A payment waits, complete, until the user takes it or cancels. */
  readonly hold?: true
  /** What the HTLCs carry together; final once `settledAt` is there. */
  readonly receivedMsat?: Msat
  /** ms since 1970 */
  readonly paidAt?: number
  /** ms since 1970: every HTLC is removed and the money is in the balance. */
  readonly settledAt?: number
}

/** The state that people see, at a time in ms. */
export function invoiceState(record: InvoiceRecord, now: number): 'open' | 'paid' | 'expired' | 'cancelled' {
  return record.state === 'open' && now >= record.expiresAt ? 'expired' : record.state
}

export interface NewInvoice {
  readonly amountMsat?: Msat
  /** At most 639 bytes of UTF-8; may be empty. */
  readonly description: string
  readonly expirySeconds: number
  /** The payment waits for the user's word. */
  readonly hold?: boolean
  /** 32 bytes, where somebody else has the preimage: it is held until that is brought. */
  readonly paymentHash?: Uint8Array
}

export interface InvoiceContext {
  /** ms since 1970 */
  readonly now: number
  readonly network: NetworkName
  /** Our node's secret, 32 bytes. */
  readonly nodeSecret: Uint8Array
  readonly entropy: Entropy
  /** Ways in over channels that nobody else knows of. A direct peer needs none. */
  readonly routeHints?: readonly (readonly RouteHint[])[]
}

/**
 * A new invoice: signed text and the record to write before anybody sees it. Errors: `amountTooSmall` (zero), `invalidInput`
 * (an amount that does not exist, a lifetime out of bounds, too long a description, too many hints).
 */
export function createInvoice(
  invoice: NewInvoice,
  ctx: InvoiceContext,
): Result<InvoiceRecord, PaymentFailure> {
  const { amountMsat, description, expirySeconds } = invoice
  const problem = boundsProblem(invoice)
  if (problem !== undefined) return err(problem)
  const preimage = invoice.paymentHash === undefined ? ctx.entropy.bytes(32) : NOT_KNOWN
  const paymentSecret = ctx.entropy.bytes(32)
  const paymentHash = invoice.paymentHash ?? sha256(preimage)
  const timestamp = Math.floor(ctx.now / 1000)
  const amount = amountMsat === undefined ? {} : { amountMsat }
  const text = encodeInvoice(
    {
      network: ctx.network,
      ...amount,
      timestamp,
      paymentHash,
      paymentSecret,
      description,
      expirySeconds,
      minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
      fallbacks: [],
      routeHints: ctx.routeHints ?? [],
      // Required, both; parts are welcome.
      features: [FEATURES.var_onion_optin.bit, FEATURES.payment_secret.bit, FEATURES.basic_mpp.bit + 1],
      unknownFields: [],
    },
    (digest) => signRecoverable(digest, ctx.nodeSecret),
  )
  if (!text.ok) return err(buildFailure(text.error))
  return ok({
    paymentHash: toHex(paymentHash),
    preimage,
    paymentSecret,
    ...amount,
    description,
    createdAt: ctx.now,
    expiresAt: (timestamp + expirySeconds) * 1000,
    minFinalCltvExpiryDelta: MIN_FINAL_CLTV_EXPIRY_DELTA,
    bolt11: text.value,
    state: 'open',
    htlcs: [],
    ...(invoice.hold === true || invoice.paymentHash !== undefined ? { hold: true } : {}),
  })
}

const NOT_KNOWN = new Uint8Array(0)

/** An invoice by hash alone with its preimage; undefined where this is none of its hash. */
export const withPreimage = (record: InvoiceRecord, preimage: Uint8Array): InvoiceRecord | undefined =>
  preimage.length === 32 && toHex(sha256(preimage)) === record.paymentHash
    ? { ...record, preimage }
    : undefined

/** What is wrong with an amount or a lifetime, whatever kind of invoice it is for. */
export function boundsProblem({
  amountMsat,
  expirySeconds,
}: Pick<NewInvoice, 'amountMsat' | 'expirySeconds'>): PaymentFailure | undefined {
  if (amountMsat !== undefined && amountMsat <= 0n)
    return failure('amountTooSmall', 'An invoice asks for at least 1 msat.', { minMsat: '1' })
  if (amountMsat !== undefined && amountMsat > toMsat(MAX_SAT))
    return failure('invalidInput', 'The amount is more than all bitcoin there can be.', {
      field: 'amountMsat',
    })
  return Number.isInteger(expirySeconds) &&
    expirySeconds >= MIN_EXPIRY_SECONDS &&
    expirySeconds <= MAX_EXPIRY_SECONDS
    ? undefined
    : failure('invalidInput', 'The lifetime is out of bounds.', { field: 'expirySeconds' })
}

function buildFailure(error: InvoiceBuildError): PaymentFailure {
  return error === 'descriptionTooLong'
    ? failure('invalidInput', 'The note is longer than 639 bytes.', { field: 'description' })
    : failure('invalidInput', 'The invoice cannot be written.', { reason: error })
}

/** Withdraws an invoice that nobody has paid; undefined when it is paid or cancelled already. */
export const cancelInvoice = (record: InvoiceRecord): InvoiceRecord | undefined =>
  record.state === 'open' ? { ...record, state: 'cancelled' } : undefined
