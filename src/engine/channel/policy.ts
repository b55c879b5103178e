import { type Msat, type Sat, msat, sat, toMsat } from '../base/units.ts'
import { MAX_DUST_EXPOSURE_MSAT } from './limits.ts'

/** What we ask of channels and accept from peers. One place, so that each number can be argued with. */
export interface ChannelPolicy {
  /** Smallest and largest channel we open or accept. Without option_support_large_channel BOLT 2 ends below 2^24 sat. */
  readonly minFundingSat: Sat
  readonly maxFundingSat: Sat
  /** Depth at which an accepted channel becomes usable. */
  readonly minimumDepth: number
  /** The most a peer may ask us to wait for, in blocks. */
  readonly maxMinimumDepth: number
  /** The delay we impose on the peer's to_local, and the most we let it impose on ours. */
  readonly toSelfDelay: number
  readonly maxToSelfDelay: number
  readonly dustLimitSat: Sat
  readonly htlcMinimumMsat: Msat
  readonly maxAcceptedHtlcs: number
  /** Points we keep granted in lcp channels. */
  readonly window: number
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
  window: 16,
  maxTrimmedHtlcs: 0,
  maxDustInFlightMsat: MAX_DUST_EXPOSURE_MSAT,
}

/** What we ask the other side to keep: one per cent, not below either dust limit (BOLT 2 §open_channel). */
export function reserveFor(fundingSat: Sat, policy: ChannelPolicy, theirDustLimitSat: Sat): Sat {
  const percent = fundingSat / 100n
  const floor = policy.dustLimitSat > theirDustLimitSat ? policy.dustLimitSat : theirDustLimitSat
  return sat(percent > floor ? percent : floor)
}

/** The most in flight towards us: the whole channel; the other limits bind first. */
export const inFlightFor = (fundingSat: Sat): Msat => toMsat(fundingSat)
