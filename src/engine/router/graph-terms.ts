/** What the graph says in flags and numbers, and its bounds. */

/** Of `channelFlags`. */
export const CHANNEL = {
  /** The slot holds a channel. */
  used: 1,
  /** Step 1: its four signatures, or the aggregate of the four keys, were verified by us. */
  signed: 2,
  /** Step 2: its funding output was proved to exist, with these keys and this capacity. */
  proven: 4,
  /** Step 3: the output was seen unspent. */
  unspent: 8,
  /** An even feature bit that we do not know: no payment through it (BOLT 7 §channel_announcement). */
  unknownFeature: 16,
  /** Its funding output is spent; forgotten 72 blocks after `spentHeight`. */
  spent: 32,
} as const

/** Of `policyFlags`. */
export const POLICY = { present: 1, disabled: 2 } as const

/** Of `nodeFlags`. */
export const NODE = {
  /** A node_announcement was seen. */
  announced: 1,
  /** It has an even feature bit that we do not know: no payment through it. */
  unknownFeature: 2,
  basicMpp: 4,
  keysend: 8,
  used: 16,
  /** It passes onion messages on. */
  onionMessages: 32,
} as const

/** Most msat that a policy can state here: 2^53 − 1. Above it limits are none. */
export const NO_LIMIT_MSAT = Number.MAX_SAFE_INTEGER

/** Bounds: ten times today's network, so that nobody can fill a phone with announcements. */
export const MAX_CHANNELS = 500_000
export const MAX_NODES = 200_000

/** What a channel_update says, in numbers. */
export interface Policy {
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly disabled: boolean
  readonly cltvExpiryDelta: number
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  /** msat, exact up to 2^53 − 1, which stands for all above it too. */
  readonly htlcMinimumMsat: number
  readonly htlcMaximumMsat: number
}

/** What a channel_announcement says, and what was proved of it. */
export interface NewChannel {
  readonly scid: bigint
  /** 33 bytes each, the lesser first. */
  readonly nodeId1: Uint8Array
  readonly nodeId2: Uint8Array
  /** sat; 0 while unproven. */
  readonly capacitySat: number
  /** SHA256 of the 2-of-2 script (32 bytes): what its funding output must pay to. */
  readonly witnessProgram: Uint8Array
  readonly flags: number
}

/** Numbers of a 53-bit float from a u64; what is above it is no limit. */
export const msatNumber = (msat: bigint): number =>
  msat > BigInt(NO_LIMIT_MSAT) ? NO_LIMIT_MSAT : Number(msat)
