import { equalBytes, equalSecret, toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT, type Msat, toMsat } from '../base/units.ts'
import { NETWORKS, type NetworkName } from '../bitcoin/network.ts'
import type { Entropy } from '../crypto/entropy.ts'
import { decodeOffer, makeOffer, type Offer, offerText } from '../offer/offer.ts'
import { type BlindedPath, encodeBlindedPath } from '../onion/blinded-path.ts'
import { utf8 } from '../base/bytes.ts'
import { failure, type PaymentFailure } from './types.ts'

/** Offers of our own (BOLT 12): what we are paid by, again and again. */

/** Version byte of the records under `offer/…`. */
export const OFFER_VERSION = 1

/** Key of an offer's record. */
export const offerKey = (id: string): string => `offer/${id}`

/** Bytes of what a person writes into an offer. */
const MAX_DESCRIPTION = 639
const MAX_ISSUER = 200
/** Offers that are answered at the same time. */
export const MAX_OFFERS = 100
/** Seconds that an invoice of an offer lives: it is paid at once or not at all. */
export const OFFERED_INVOICE_SECONDS = 3600

export interface NewOffer {
  /** For each item; absent: the payer chooses. */
  readonly amountMsat?: Msat
  readonly description: string
  readonly issuer?: string
  /** Most items an invoice may be for; 0: as many as one likes; absent: one. */
  readonly quantityMax?: bigint
  /** ms since 1970 */
  readonly expiresAt?: number
}

/** An offer of ours. Plain data. */
export interface OfferRecord {
  /** 32 hex digits. */
  readonly id: string
  /** `lno1…` */
  readonly offer: string
  /** 32 bytes, in its paths: what comes by another way is not for it. */
  readonly pathId: Uint8Array
  readonly description: string
  readonly amountMsat?: Msat
  /** ms since 1970 */
  readonly createdAt: number
  readonly expiresAt?: number
  /** It is not answered any more. */
  readonly disabled?: true
}

/** A new offer; `paths` lead to us with `pathId` at their end. Errors: `invalidInput`, `amountTooSmall`. */
export function createOffer(
  wanted: NewOffer,
  ctx: {
    readonly now: number
    readonly network: NetworkName
    readonly entropy: Entropy
    readonly paths: (pathId: Uint8Array) => readonly BlindedPath[]
  },
): Result<OfferRecord, PaymentFailure> {
  const { amountMsat, description, issuer, quantityMax, expiresAt } = wanted
  if (amountMsat !== undefined && amountMsat < 1n)
    return err(failure('amountTooSmall', 'An offer asks for at least 1 msat.', { minMsat: '1' }))
  if (amountMsat !== undefined && amountMsat > toMsat(MAX_SAT))
    return err(
      failure('invalidInput', 'The amount is more than all bitcoin there can be.', { field: 'amountMsat' }),
    )
  // BOLT 12: whoever asks for money says what for.
  if (amountMsat !== undefined && description === '')
    return err(
      failure('invalidInput', 'An offer with an amount says what it is for.', { field: 'description' }),
    )
  if (utf8(description).length > MAX_DESCRIPTION)
    return err(failure('invalidInput', 'The description is too long.', { field: 'description' }))
  if (utf8(issuer ?? '').length > MAX_ISSUER)
    return err(failure('invalidInput', 'The name is too long.', { field: 'issuer' }))
  if (expiresAt !== undefined && expiresAt <= ctx.now)
    return err(failure('invalidInput', 'The offer would have expired already.', { field: 'expiresAt' }))
  const pathId = ctx.entropy.bytes(32)
  const { chainHash } = NETWORKS[ctx.network]
  const offer = makeOffer({
    ...(ctx.network === 'bitcoin' ? {} : { offerChains: [chainHash] }),
    ...(amountMsat === undefined ? {} : { offerAmount: amountMsat }),
    ...(description === '' ? {} : { offerDescription: description }),
    ...(expiresAt === undefined ? {} : { offerAbsoluteExpiry: BigInt(Math.floor(expiresAt / 1000)) }),
    offerPaths: ctx.paths(pathId),
    ...(issuer === undefined || issuer === '' ? {} : { offerIssuer: issuer }),
    ...(quantityMax === undefined ? {} : { offerQuantityMax: quantityMax }),
  })
  return ok({
    id: toHex(ctx.entropy.bytes(16)),
    offer: offerText(offer),
    pathId,
    description,
    ...(amountMsat === undefined ? {} : { amountMsat }),
    createdAt: ctx.now,
    ...(expiresAt === undefined ? {} : { expiresAt }),
  })
}

/** The offer that a path belongs to. */
export const offerByPathId = (
  offers: Readonly<Record<string, OfferRecord>>,
  pathId: Uint8Array,
): OfferRecord | undefined => Object.values(offers).find((o) => equalSecret(o.pathId, pathId))

/** What an offer of ours says. */
export function offerOf(record: OfferRecord): Offer {
  const read = decodeOffer(record.offer)
  if (!read.ok) throw new Error(`invariant: an offer of our own: ${read.error.code}`)
  return read.value
}

/** Whether an offer of somebody's is one of ours: its paths are. */
export function isOurs(offers: Readonly<Record<string, OfferRecord>>, other: Offer): boolean {
  const [path] = other.fields.offerPaths ?? []
  return (
    path !== undefined &&
    Object.values(offers).some((record) =>
      (offerOf(record).fields.offerPaths ?? []).some((own) =>
        equalBytes(encodeBlindedPath(own), encodeBlindedPath(path)),
      ),
    )
  )
}
