import { attribute } from './attribution.ts'
import { wrapFailurePacket } from './failure-packet.ts'

/**
 * What the end of an HTLC tells its sender besides: how long each node had it, and who must have changed what was said (BOLT 4
 * §Initialization and §Transformation of attribution_data, §Hold times for successful payments).
 */

/** Of an HTLC that came to us without a path key: what its attribution is made with. */
export interface AttributionAsk {
  /** 32 bytes, of the layer that came to us. */
  readonly sharedSecret: Uint8Array
  /** ms since 1970: when the HTLC was locked in. */
  readonly since: number
  /** What came from downstream with its end. */
  readonly received?: Uint8Array
}

/** A removal with its attribution, where it can carry one. `now`: ms since 1970. */
export function withAttribution<
  R extends { readonly type: 'fulfill' | 'fail' | 'malformed'; readonly reason?: Uint8Array },
>(removal: R, { sharedSecret, since, received }: AttributionAsk, now: number): R {
  if (removal.type === 'malformed') return removal
  const { reason } = removal
  const attributionData = attribute({
    sharedSecret,
    holdTime: Math.round((now - since) / 100),
    received,
    // Covered is the packet before we obfuscated it, which a second time undoes.
    ...(reason === undefined ? {} : { returnPacket: wrapFailurePacket(sharedSecret, reason) }),
  })
  return { ...removal, attributionData }
}
