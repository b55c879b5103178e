import type { Msat } from '../base/units.ts'
import type { AttributionAsk } from '../onion/attributed.ts'
import type { BlindedHopAsk } from '../onion/blinded-failure.ts'

/**
 * What crosses the border of this room. As in `payment/types.ts`, the walls let the switch know nothing of channels: the shapes of
 * updates are those of `channel/types.ts`, written down once more, and the compiler compares both in the node loop.
 */

/** What a forward costs, and what it needs. Announced in our `channel_update` (BOLT 7). */
export interface ForwardPolicy {
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  /** Blocks between what expires behind us and what expires before us. */
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: Msat
}

/** One of our channels as the switch looks at it. Made for one call; never stored. */
export interface Link {
  readonly channelId: string
  /** 66 hex digits */
  readonly peer: string
  /** Every id by which an onion may name it: the real one, and the aliases that we gave the peer. */
  readonly scids: readonly bigint[]
  readonly state: 'usable' | 'offline' | 'opening' | 'closing'
  readonly policy: ForwardPolicy
  /** The most that a single HTLC through it may ever carry: what our `channel_update` says. */
  readonly htlcMaximumMsat: Msat
  /** Whether an HTLC of this amount can be offered, or may wait for room in the outbox. */
  readonly bears: (amountMsat: Msat) => boolean
  /** Whether it would have to wait there for what is in flight. */
  readonly waits?: (amountMsat: Msat) => boolean
}

/** A received HTLC, locked in, whose onion has a next hop. */
export interface ForwardAsk {
  readonly channelId: string
  readonly id: bigint
  readonly amountMsat: Msat
  /** 32 bytes */
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  /** What the onion asks for: through which channel, or to which peer (66 hex digits; blinded paths may say so). */
  readonly shortChannelId?: bigint
  readonly nextNodeId?: string
  readonly amtToForward: Msat
  readonly outgoingCltvValue: number
  /** 32 bytes: failures are written and wrapped with it. */
  readonly sharedSecret: Uint8Array
  /** 1366 bytes, for the next hop. */
  readonly next: Uint8Array
  readonly blinded?: BlindedHopAsk
  /** More stands in trimmed HTLCs of that channel than we let (BOLT 2 §max_dust_htlc_exposure_msat): it is failed. */
  readonly overDust?: true
}

/** The end of an HTLC (`RemoveUpdate` of a channel). */
export type Removal =
  | {
      readonly type: 'fulfill'
      readonly id: bigint
      readonly preimage: Uint8Array
      /** 920 bytes (BOLT 4 §attribution_data), also below. */
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'fail'
      readonly id: bigint
      readonly reason: Uint8Array
      readonly attributionData?: Uint8Array
    }
  | {
      readonly type: 'malformed'
      readonly id: bigint
      readonly sha256OfOnion: Uint8Array
      readonly failureCode: number
    }

/** An add for a channel's outbox. */
export interface ForwardedAdd {
  readonly type: 'add'
  readonly amountMsat: Msat
  readonly paymentHash: Uint8Array
  readonly cltvExpiry: number
  readonly onion: Uint8Array
  /** 33 bytes, inside a blinded path. */
  readonly pathKey?: Uint8Array
  /** `fwd/<incoming channel>/<id>` */
  readonly token: string
}

/**
 * An incoming HTLC and what became of it. Plain data.
 * - `held`: the user's hook has it, nothing has been offered.
 * - `offered`: the add is in the outgoing channel's outbox or log.
 * - `settling`, `failing`: the answer is on its way upstream, until its removal is locked in or resolved on chain.
 */
export interface Circuit {
  /** `<incoming channel>/<id>` */
  readonly key: string
  readonly state: 'held' | 'offered' | 'settling' | 'failing'
  readonly incomingChannel: string
  readonly incomingId: bigint
  readonly incomingMsat: Msat
  readonly incomingExpiry: number
  readonly paymentHash: Uint8Array
  /** As the onion has it: one of both. */
  readonly shortChannelId?: bigint
  readonly nextNodeId?: string
  /** It goes by a blinded path: failures of every kind are told as `invalid_onion_blinding`. */
  readonly blinded?: BlindedHopAsk
  readonly outgoingMsat: Msat
  readonly outgoingExpiry: number
  readonly sharedSecret: Uint8Array
  /** Through which it was offered; absent while held. */
  readonly outgoingChannel?: string
  /** While held: the packet for the next hop. */
  readonly next?: Uint8Array
  /** Once it is known. */
  readonly preimage?: Uint8Array
  /** The incoming HTLC is over: our removal of it is locked in, or the chain has resolved it. */
  readonly upstreamOver?: true
  /** So is the outgoing one. A circuit that settles lasts until both are. */
  readonly downstreamOver?: true
  /** ms since 1970: of this state; and when the HTLC came, where that was told. */
  readonly since: number
  readonly receivedAt?: number
}

export type SwitchEvent =
  /** An HTLC waits for the user's word. */
  | {
      readonly type: 'htlcHeld'
      readonly key: string
      readonly amountMsat: Msat
      readonly feeMsat: Msat
    }
  /** Its preimage is known, and the money upstream ours with it. */
  | {
      readonly type: 'htlcForwarded'
      readonly incomingChannel: string
      readonly outgoingChannel: string
      readonly amountMsat: Msat
      readonly feeMsat: Msat
    }
  /** Paid downstream, and nothing to be had upstream any more. */
  | { readonly type: 'forwardLost'; readonly outgoingChannel: string; readonly amountMsat: Msat }
  | {
      readonly type: 'forwardFailed'
      readonly incomingChannel: string
      readonly outgoingChannel?: string
      readonly amountMsat: Msat
      /** The failure of our own, or `downstream`. */
      readonly reason: string
    }

/** What is to be done, in order, in the turn in which the circuit is written. */
export type SwitchEffect =
  | { readonly type: 'offer'; readonly channelId: string; readonly add: ForwardedAdd }
  | { readonly type: 'withdraw'; readonly channelId: string; readonly token: string }
  | {
      readonly type: 'remove'
      readonly channelId: string
      readonly removal: Removal
      /** What its attribution is made with, where it carries one. */
      readonly attribute?: AttributionAsk
      /** After a random delay (BOLT 4 §Route Blinding). */
      readonly later?: true
    }
  | { readonly type: 'event'; readonly event: SwitchEvent }

/** A circuit after an input; undefined: there is none (any more). */
export interface SwitchTurn {
  readonly circuit: Circuit | undefined
  readonly effects: readonly SwitchEffect[]
}

/** What all forwards were and brought. */
export interface ForwardTotals {
  readonly count: number
  readonly amountMsat: Msat
  readonly feeMsat: Msat
  /** Paid downstream after the upstream peer had taken its HTLC back: we had been away too long. */
  readonly lostMsat: Msat
}

export const circuitKey = (channelId: string, id: bigint): string => `${channelId}/${id}`

export const tokenOf = (circuit: Pick<Circuit, 'key'>): string => `fwd/${circuit.key}`

/** The circuit's key in a token of ours, or undefined for a token of somebody else's. */
export const circuitOfToken = (token: string): string | undefined =>
  token.startsWith('fwd/') ? token.slice(4) : undefined
