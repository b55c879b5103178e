import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { MAX_SAT } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { featureBits } from '../wire/features.ts'
import { encodeTlvRecords } from '../wire/tlv.ts'
import { isOfferType, type OfferFields, readOffer, recordsOf, type Stream } from './fields.ts'
import { bolt12Text, readBolt12Text } from './text.ts'

/** An offer whose form is in order (BOLT 12 §Requirements For Offers, the reader, as far as no clock and no chain is needed). */
export type Offer = Stream<OfferFields>

/**
 * Why a text is no offer that can be answered.
 * - `tooLong`, `malformed`: not the form; `detail` is for logs.
 * - `unknownField`: a field outside an offer's ranges.
 * - `unknownRequiredFeature`: `bits` are demanded and not known.
 * - `missingDescription`: an amount for nothing that is named.
 * - `badAmount`: zero, more than there is, or a currency without an amount.
 * - `unreachable`: neither a node nor a path to ask.
 */
export interface OfferError {
  readonly code:
    | 'tooLong'
    | 'malformed'
    | 'unknownField'
    | 'unknownRequiredFeature'
    | 'missingDescription'
    | 'badAmount'
    | 'unreachable'
  readonly detail?: string
  readonly bits?: readonly number[]
}

/** Even bits of a vector that we do not know: all but those given. */
export const unknownEven = (
  vector: Uint8Array | undefined,
  known: readonly number[] = [],
): readonly number[] =>
  vector === undefined
    ? []
    : featureBits(vector)
        .filter((bit) => bit % 2 === 0 && !known.includes(bit))
        .slice(0, 16)

/** Reads an offer (`lno1…`), in either case and broken by `+`. */
export function decodeOffer(text: string): Result<Offer, OfferError> {
  const read = readBolt12Text(text)
  if (!read.ok) return err({ code: read.error })
  if (read.value.prefix !== 'lno') return err({ code: 'malformed', detail: 'no offer' })
  return offerOf(read.value.bytes)
}

/** Reads the TLV stream of an offer. */
export function offerOf(bytes: Uint8Array): Result<Offer, OfferError> {
  const stream = readOffer(bytes)
  if (!stream.ok) {
    return err({
      code: stream.error.code === 'tlv_unknown_even' ? 'unknownField' : 'malformed',
      detail: stream.error.message,
    })
  }
  const { records, fields } = stream.value
  const stranger = records.find((record) => !isOfferType(record.type))
  if (stranger !== undefined) return err({ code: 'unknownField', detail: `TLV ${stranger.type}` })
  const bits = unknownEven(fields.offerFeatures)
  if (bits.length > 0) return err({ code: 'unknownRequiredFeature', bits })
  const { offerAmount, offerCurrency } = fields
  if (offerAmount !== undefined && fields.offerDescription === undefined)
    return err({ code: 'missingDescription' })
  if (offerAmount === 0n || (offerCurrency !== undefined && offerAmount === undefined))
    return err({ code: 'badAmount' })
  if (offerCurrency === undefined && offerAmount !== undefined && offerAmount > MAX_SAT * 1000n)
    return err({ code: 'badAmount', detail: 'more than there is' })
  // A list of no paths is as good as none.
  if (fields.offerIssuerId === undefined && (fields.offerPaths?.length ?? 0) === 0)
    return err({ code: 'unreachable' })
  return ok(stream.value)
}

/** Whether an offer may be answered on a chain (its hash, 32 bytes). Absent chains mean bitcoin. */
export const isForChain = ({ fields }: Offer, chainHash: Uint8Array): boolean =>
  (fields.offerChains ?? [NETWORKS.bitcoin.chainHash]).some((hash) => equalBytes(hash, chainHash))

/** Whether an offer has expired at `now` (s since 1970). */
export const isOfferExpired = ({ fields }: Offer, now: number): boolean =>
  fields.offerAbsoluteExpiry !== undefined && BigInt(Math.floor(now)) > fields.offerAbsoluteExpiry

/** The string of an offer. */
export const offerText = (offer: Offer): string => bolt12Text('lno', encodeTlvRecords(offer.records))

/** An offer of ours. Throws (a defect) on one that a reader would refuse. */
export function makeOffer(fields: OfferFields): Offer {
  const made = offerOf(encodeTlvRecords(recordsOf(fields)))
  if (!made.ok) throw new Error(`makeOffer: ${made.error.code}`)
  return made.value
}
