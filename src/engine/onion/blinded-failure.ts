import type { PaymentRelay } from './recipient-data.ts'
import { encodeFailure, FAILURE_CODES } from './failure.ts'
import { failurePacket } from './failure-packet.ts'

/** Where in a blinded path a node stands: at its beginning, or behind it. */
export type BlindedPlace = 'introduction' | 'inside'

/** A hop of a blinded path that we forward for. */
export interface BlindedHopAsk {
  readonly place: BlindedPlace
  /** 32 bytes, of the packet as it came: every failure tells it. */
  readonly sha256OfOnion: Uint8Array
  /** 33 bytes, for the next hop's `update_add_htlc`. */
  readonly nextPathKey: Uint8Array
  /** What the path's maker reckoned for us. */
  readonly relay: PaymentRelay
}

/**
 * How a node of a blinded path fails an HTLC, whatever the reason and whoever gave it (BOLT 4 §Failure Messages): as
 * `invalid_onion_blinding`, from the introduction node to the sender, from inside to the previous hop only.
 * @param sharedSecret of the layer that came to us, 32 bytes
 */
export const failBlinded = (
  { place, sha256OfOnion }: Pick<BlindedHopAsk, 'place' | 'sha256OfOnion'>,
  id: bigint,
  sharedSecret: Uint8Array,
) =>
  place === 'introduction'
    ? ({
        type: 'fail',
        id,
        reason: failurePacket(sharedSecret, encodeFailure({ name: 'invalid_onion_blinding', sha256OfOnion })),
      } as const)
    : ({
        type: 'malformed',
        id,
        sha256OfOnion,
        failureCode: FAILURE_CODES.invalid_onion_blinding,
      } as const)
