import { encodeFeatures, featureBits } from './features.ts'

/** The commitment formats that a channel type can name (BOLT 2 §Defined Channel Types, and our `lcp`). */
export type ChannelTypeBase = 'static_remotekey' | 'anchors' | 'lcp'

/** A channel type taken apart: the format and its two variations. */
export interface ChannelType {
  readonly base: ChannelTypeBase
  /** Bit 46: the channel is only to be known by aliases. */
  readonly scidAlias: boolean
  /** Bit 50: channel_ready may come before the funding transaction confirms. */
  readonly zeroconf: boolean
}

const BASE_BITS: Readonly<Record<ChannelTypeBase, readonly number[]>> = {
  static_remotekey: [12],
  anchors: [12, 22],
  lcp: [12, 22, 266],
}

const SCID_ALIAS = 46
const ZEROCONF = 50

/** The bits of a channel type, ascending. */
export const channelTypeBits = (type: ChannelType): readonly number[] =>
  [
    ...BASE_BITS[type.base],
    ...(type.scidAlias ? [SCID_ALIAS] : []),
    ...(type.zeroconf ? [ZEROCONF] : []),
  ].sort((a, b) => a - b)

/** The `channel_type` TLV's content. Compare two with `sameFeatures`. */
export const encodeChannelType = (type: ChannelType): Uint8Array => encodeFeatures(channelTypeBits(type))

/** A `channel_type` TLV's content taken apart, or undefined when it is none of those that we know. */
export function decodeChannelType(vector: Uint8Array): ChannelType | undefined {
  // The longest known type has 34 bytes; leading zeros beyond that are nobody's.
  if (vector.length > 64) return undefined
  const bits = featureBits(vector)
  const plain = bits.filter((bit) => bit !== SCID_ALIAS && bit !== ZEROCONF).join()
  const bases = Object.keys(BASE_BITS) as ChannelTypeBase[]
  const base = bases.find((name) => BASE_BITS[name].join() === plain)
  return base && { base, scidAlias: bits.includes(SCID_ALIAS), zeroconf: bits.includes(ZEROCONF) }
}
