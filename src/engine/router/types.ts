import type { Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'

/**
 * What the path finder is asked and answers. Node ids are 66 hex digits, short channel ids the u64 that messages carry, amounts exact
 * millisatoshi, times ms since 1970.
 */

/** One channel of ours as a first hop. */
export interface LocalChannel {
  /** Ours, 64 hex digits: told back in the route's first hop. */
  readonly channelId: string
  /** Any short channel id or alias of it; only echoed. */
  readonly scid: bigint
  /** The peer at its other end. */
  readonly peer: string
  /** The most one HTLC through it may carry now, and the least. */
  readonly spendableMsat: Msat
  readonly minimumMsat?: Msat
}

/** One hop of a BOLT 11 `r` field: the channel that leads from `nodeId` to the next hop's node, or to the target. */
export interface HintHop {
  readonly nodeId: string
  readonly scid: bigint
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
}

/** A blinded path as a tail (BOLT 4 §Route Blinding): what the whole of it costs, from its introduction node on. */
export interface BlindedTail {
  readonly introductionNode: string
  readonly feeBaseMsat: number
  readonly feeProportionalMillionths: number
  readonly cltvExpiryDelta: number
  readonly htlcMinimumMsat: Msat
  readonly htlcMaximumMsat: Msat
}

/** What not to use. A channel is named with its direction, `<scid>/0` from its lesser node id, `<scid>/1` from its greater: `channelKey`. */
export interface Excluded {
  readonly nodes?: ReadonlySet<string>
  readonly channels?: ReadonlySet<string>
}

export interface PathRequest {
  readonly source: string
  /** The payee. With `blinded`, any name: routes end at an introduction node. */
  readonly target: string
  /** What the payee shall get. */
  readonly amountMsat: Msat
  /** Our height: expiries are counted from it. */
  readonly height: number
  /** Blocks above `height` of the last HTLC (of what the blinded recipient sees): `min_final_cltv_expiry_delta` and padding. */
  readonly finalCltvDelta: number
  /** The most that all fees together may be. */
  readonly maxFeeMsat: Msat
  /** The most blocks above `height` of the first HTLC. Default 2016 (BOLT 4 §max_htlc_cltv). */
  readonly maxCltvDelta?: number
  readonly localChannels: readonly LocalChannel[]
  readonly hints?: readonly (readonly HintHop[])[]
  readonly blinded?: readonly BlindedTail[]
  readonly excluded?: Excluded
  /** What earlier attempts taught (`history.ts`). */
  readonly history?: History
  /** ms since 1970: knowledge ages. */
  readonly now: number
  /** Nodes that one search may settle. Default 20,000: bounded time. */
  readonly budget?: number
  /** Whether channels may be used whose signatures we did not check. Never for money; default false. */
  readonly unverified?: boolean
}

/** One HTLC of a route: `nodeId` gets `amountMsat` with `cltvExpiry` over `scid` (values of its `update_add_htlc`). */
export interface RouteHop {
  readonly from: string
  readonly nodeId: string
  readonly scid: bigint
  readonly amountMsat: Msat
  readonly cltvExpiry: number
  /** What `nodeId` keeps of it for forwarding; 0 at the last. */
  readonly feeMsat: Msat
  /** Where the channel is known from. */
  readonly known: 'local' | 'graph' | 'hint'
  /** Chance that this hop carries the amount, 0 to 1, and what the choice counted for it in msat: fee, lock-up and risk. */
  readonly probability: number
  readonly lockMsat: number
  readonly riskMsat: number
}

export interface Route {
  /** Of ours, to offer the first HTLC through. */
  readonly channelId: string
  readonly hops: readonly RouteHop[]
  /** What the payee gets of this route. */
  readonly amountMsat: Msat
  /** All that is paid beyond it, fees of a blinded tail included. */
  readonly feeMsat: Msat
  /** Chance that all hops carry it. */
  readonly probability: number
  /** What the search minimised: fees, lock-up and risk, in msat. */
  readonly costMsat: number
  /** With `blinded`: which of them follows the last hop. The last hop's amount and expiry include what it takes. */
  readonly blinded?: number
}

/** Why channels on the way were not taken. */
export type RejectReason =
  | 'excluded'
  | 'disabled'
  | 'belowMinimum'
  | 'aboveMaximum'
  | 'unlikely'
  | 'feeLimit'
  | 'cltvLimit'
  | 'tooLong'
  | 'unknownFeature'
  | 'noUpdate'
  | 'spent'
  /** Its signatures were not checked by us (a server's snapshot). */
  | 'unverified'

export interface Rejection {
  readonly reason: RejectReason
  readonly count: number
  /** Up to three, `<scid>/<direction>`. */
  readonly examples: readonly string[]
}

/** What the search did: for `queryRoutes` and for tests of its bounds. */
export interface SearchReport {
  readonly settled: number
  readonly relaxed: number
  readonly rejected: readonly Rejection[]
}

export type PathErrorCode =
  /** Nothing leads to the target: not in the graph, no hint. */
  | 'targetUnknown'
  /** No channel of ours can send it (each alone; `findParts`: all together). */
  | 'localLiquidity'
  /** There are ways, and each breaks this limit. */
  | 'feeLimit'
  | 'cltvLimit'
  | 'noPath'
  /** The search ended by its budget. */
  | 'budget'
  | 'payingSelf'

export interface PathError {
  readonly code: PathErrorCode
  readonly report: SearchReport
}

export type PathResult = Result<{ readonly route: Route; readonly report: SearchReport }, PathError>

/** Several routes that together bring the amount, none sharing more of a channel than it can carry. */
export type PartsResult = Result<
  { readonly routes: readonly Route[]; readonly feeMsat: Msat; readonly report: SearchReport },
  PathError
>

/** What is known of one direction between two nodes, from attempts. Amounts in msat. */
export interface PairHistory {
  readonly from: string
  readonly to: string
  /** The least amount that failed, and when. */
  readonly failedMsat?: Msat
  readonly failedAt?: number
  /** The largest amount that got through, and when. */
  readonly passedMsat?: Msat
  readonly passedAt?: number
}

/** What attempts taught, by `<from>><to>`. Plain data, bounded, stored. */
export interface History {
  readonly pairs: Readonly<Record<string, PairHistory>>
}

/** What an attempt told, for `learn`. `failedHop`: index in `route.hops` that did not carry it; those before it did. */
export interface AttemptOutcome {
  readonly route: Route
  readonly at: number
  readonly result:
    | { readonly type: 'arrived' }
    /** The hop had too little (temporary_channel_failure), or is to be avoided for a while for any amount. */
    | { readonly type: 'hopFailed'; readonly failedHop: number; readonly any: boolean }
    /** The node itself failed: all that leads to it. */
    | { readonly type: 'nodeFailed'; readonly nodeId: string }
}
