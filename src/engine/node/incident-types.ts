import type { Msat } from '../base/units.ts'

/** What went wrong, or nearly did (`incidents.ts`). */

export type IncidentKind =
  /** The peer closed the channel on chain by itself. */
  | 'peerClosed'
  /** The peer broadcast a state that it had revoked. */
  | 'cheated'
  /** Closed with a state that we do not know. */
  | 'unknownClose'
  /** We closed it on chain because a payment's time had run out, or was about to. */
  | 'deadlineClose'
  /** Payments of ours that expired came back on chain. */
  | 'paymentReturned'
  /** Payments to us were claimed on chain. */
  | 'paymentClaimed'
  /** Another took what was ours before we could. */
  | 'lost'
  /** The coins that were to fund the channel were spent otherwise. */
  | 'neverFunded'

export interface Incident {
  readonly kind: IncidentKind
  readonly channelId: string
  /** The block in which it happened, and its time (ms since 1970, from its header; when noticed where that is not known). */
  readonly height: number
  readonly time: number
  readonly noticedAt: number
  /** ms since 1970: it happened while the wallet was closed, or saw no server, and had last seen the chain then. */
  readonly closedSince?: number
  /** What moved or was lost by it. */
  readonly amountMsat?: Msat
  /** Blocks that were left, when it was noticed, before a cheater would have had the money. */
  readonly blocksLeft?: number
}

/** A time in which the wallet was closed, or saw no server. */
export interface Away {
  /** ms since 1970, and the height then. */
  readonly since: number
  readonly height: number
  /** ms since 1970: the first turn after it. */
  readonly until: number
  /** The height when the chain was seen again; absent until then. */
  readonly untilHeight?: number
}
