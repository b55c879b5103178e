import { type Msat, type Sat, msat, sat, toMsat } from '../base/units.ts'
import { MAX_DUST_EXPOSURE_MSAT } from './limits.ts'

/** What we ask of channels and accept from peers. One place, so that each number can be argued with. */
export interface ChannelPolicy {
  /** Smallest and largest channel we open or accept. Without option_support_large_channel BOLT 2 ends below 2^24 sat. */
  readonly minFundingSat: Sat
  readonly maxFundingSat: Sat
  /** Depth at which an accepted channel becomes usable; a large one waits twice as long (`minimumDepthFor`). */
  readonly minimumDepth: number
  /** The most a peer may ask us to wait for, in blocks. */
  readonly maxMinimumDepth: number
  /** The delay we impose on the peer's to_local, and the most we let it impose on ours. */
  readonly toSelfDelay: number
  readonly maxToSelfDelay: number
  readonly dustLimitSat: Sat
  readonly htlcMinimumMsat: Msat
  readonly maxAcceptedHtlcs: number
  /** Points we keep granted in lcp channels, 1 to 64. Running channels follow it from their next connection on. */
  readonly window: number
  /** Trimmed HTLCs a direction that we take beyond `maxAcceptedHtlcs` in lcp channels. */
  readonly maxTrimmedHtlcs: number
  readonly maxDustInFlightMsat: Msat
}

export const DEFAULT_POLICY: ChannelPolicy = {
  minFundingSat: sat(20_000),
  maxFundingSat: sat(16_777_215),
  minimumDepth: 3,
  maxMinimumDepth: 144,
  // Five days: what a phone that lies in a drawer over a long weekend has to notice a cheat and answer.
  toSelfDelay: 720,
  maxToSelfDelay: 2016,
  // BOLT 3 §Dust Limits: 354 sat covers every standard segwit output.
  dustLimitSat: sat(354),
  htlcMinimumMsat: msat(1),
  maxAcceptedHtlcs: 483,
  // W signatures a round trip. A turn's batch costs both sides some 10 ms to build, sign, verify and write, so sixteen keep the
  // peer busy over 160 ms, more than any two places of a continent are apart; and what arrives meanwhile goes out with the next
  // signature anyway. Each point more is one more commitment of the peer's that may confirm, with its court record, its signatures
  // sent again after a disconnection and, at the opening, 97 bytes and a proof to make and to verify.
  window: 16,
  // 2000 a direction in all. They cost no weight; what bounds their value is `maxDustInFlightMsat`, and each costs us some 2 KB of
  // memory and disk while it lives (onion included), so a peer can make us hold 3 MB.
  maxTrimmedHtlcs: 1_517,
  maxDustInFlightMsat: MAX_DUST_EXPOSURE_MSAT,
}

/**
 * Above this an accepted channel waits for twice the depth. Its funder could take the money back with a reorganisation after having paid
 * through us, so that what a few blocks cost to rewrite has to grow with what is in it: three blocks bring their miners 9.4 BTC, six
 * have not been seen rewritten since 2013.
 */
export const LARGE_CHANNEL_SAT = sat(5_000_000)

/** `minimum_depth` of an accepted channel, in blocks. */
export const minimumDepthFor = (fundingSat: Sat, { minimumDepth }: ChannelPolicy): number =>
  fundingSat > LARGE_CHANNEL_SAT ? 2 * minimumDepth : minimumDepth

/** What we ask the other side to keep: one per cent, not below either dust limit (BOLT 2 §open_channel). */
export function reserveFor(fundingSat: Sat, policy: ChannelPolicy, theirDustLimitSat: Sat): Sat {
  const percent = fundingSat / 100n
  const floor = policy.dustLimitSat > theirDustLimitSat ? policy.dustLimitSat : theirDustLimitSat
  return sat(percent > floor ? percent : floor)
}

/** The most in flight towards us: the whole channel; the other limits bind first. */
export const inFlightFor = (fundingSat: Sat): Msat => toMsat(fundingSat)
