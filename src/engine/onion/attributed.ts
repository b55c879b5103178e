import { MAX_MESSAGE_BYTES } from '../wire/codec.ts'
import { ATTRIBUTION_LENGTH, attribute } from './attribution.ts'
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

/**
 * The longest return packet beside which `update_fail_htlc` has room for attribution: type, channel, id and length take 44 bytes, the TLV's
 * own head 4. Whoever erred chooses the packet's length, and it is passed on as it came (BOLT 4: MUST): without attribution where both
 * do not fit one message.
 */
export const LONGEST_ATTRIBUTED = MAX_MESSAGE_BYTES - 44 - 4 - ATTRIBUTION_LENGTH

/** A removal with its attribution, where it can carry one. `now`: ms since 1970. */
export function withAttribution<
  R extends { readonly type: 'fulfill' | 'fail' | 'malformed'; readonly reason?: Uint8Array },
>(removal: R, { sharedSecret, since, received }: AttributionAsk, now: number): R {
  if (removal.type === 'malformed') return removal
  const { reason } = removal
  if (reason !== undefined && reason.length > LONGEST_ATTRIBUTED) return removal
  const attributionData = attribute({
    sharedSecret,
    holdTime: Math.round((now - since) / 100),
    received,
    // Covered is the packet before we obfuscated it, which a second time undoes.
    ...(reason === undefined ? {} : { returnPacket: wrapFailurePacket(sharedSecret, reason) }),
  })
  return { ...removal, attributionData }
}
