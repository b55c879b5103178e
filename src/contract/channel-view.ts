import * as v from 'valibot'
import { amount, channelId, hash32, txid } from './schemas.ts'

/**
 * The commitment machine of a channel as data (`channelView`). Words are BOLT's, plus LCP's four: tail (a side's oldest commitment that
 * is not revoked), tip (its newest signed one), log (the ordered updates one side has proposed), window (points granted past the tail).
 * `local` and `remote` are this node's and its peer's; indexes count a log's entries from the channel's first on.
 */

const count = v.pipe(v.number(), v.integer(), v.minValue(0))

/** A commitment: its number and how many entries of each log it includes. */
const commitment = v.object({ number: count, localIndex: count, remoteIndex: count })

/** What a commitment pays. */
const balances = v.object({
  localMsat: amount,
  remoteMsat: amount,
  feeratePerKw: count,
  /** HTLCs in it that this node offered, and received. */
  htlcsOffered: count,
  htlcsReceived: count,
})

const chain = v.object({
  tail: v.object({ ...commitment.entries, ...balances.entries }),
  /** The same as the tail where nothing is signed past it. */
  tip: v.object({ ...commitment.entries, ...balances.entries, txid: v.optional(txid) }),
  /** Between tail and tip, ascending. */
  pending: v.array(commitment),
  /** The widest that the window is or is to be: what a picture of it needs. 1 in `bolt` formats. */
  window: count,
  /** What the owner announced when the channel was opened. */
  announced: count,
  /** Points that stand granted past the tail now: used and left. */
  granted: count,
  /** The window that the owner wants now, towards which every revocation moves by one; the peer's is not known. */
  wanted: v.optional(count),
  /** Highest number for which the signing side holds a point; its credit ends there. */
  grantedThrough: count,
  /** Points granted and signed for, past the tail. */
  creditUsed: count,
  /** Points granted and not signed for. */
  creditLeft: count,
})

const log = v.object({
  role: v.picklist(['opener', 'accepter']),
  /** First entry still kept: what lies before is in both tails, and folded away. */
  start: count,
  /** Index one past the last entry. */
  length: count,
  /** How many of its entries these commitments include. */
  inLocalTail: count,
  inLocalTip: count,
  inRemoteTail: count,
  inRemoteTip: count,
  /** The kept entries by kind. */
  adds: count,
  fulfills: count,
  fails: count,
  fees: count,
  /** Updates that wait outside the log for room, credit or a connection; 0 for the peer's, whose are not known. */
  waiting: count,
})

export const htlcState = v.picklist([
  /** In a log, in no signed commitment. */
  'proposed',
  /** In a signed commitment, not yet in both tails. */
  'committing',
  /** In both tails: it counts. */
  'lockedIn',
  /** Its removal stands in a log and is not in both tails. */
  'fulfilling',
  'failing',
])

/** HTLCs listed at most; `htlcs.count` says how many there are. */
export const MAX_LISTED_HTLCS = 64

export const channelView = v.object({
  channelId,
  format: v.string(),
  role: v.picklist(['opener', 'accepter']),
  link: v.picklist(['offline', 'reestablishing', 'online']),
  capacitySat: amount,
  /** This node's commitments, signed by the peer; its tail is its tip, since accepting and revoking are one write. */
  local: chain,
  /** The peer's commitments, signed by this node. */
  remote: chain,
  logs: v.object({ local: log, remote: log }),
  /** What the peer has revealed of its revoked commitments: with any of them its funds can be taken, should it publish that one. */
  secrets: v.object({
    tree: v.picklist(['elkrem', 'shachain']),
    /** Secrets that can be derived: those of all its commitments below its tail. */
    held: count,
    /** What is kept for that: the heights of the stack's nodes, first pushed first (elkrem), or of the buckets (shachain). */
    heights: v.array(count),
    /** Bytes of it in the channel's record. */
    bytes: count,
  }),
  /** Sent by this node and not answered; received and not covered by a signature. */
  inFlight: v.object({
    /** commitment_signed without its revoke_and_ack. */
    signatures: count,
    /** Updates sent and signed that the peer's tail does not include yet. */
    updatesOut: count,
    /** Updates received that the peer has not signed for yet. */
    updatesIn: count,
    /** Sums of all HTLCs that count, offered and received: from their proposal until their removal is in both tails. */
    outMsat: amount,
    inMsat: amount,
  }),
  htlcs: v.object({
    count,
    /** Those folded out of the logs first, then as the logs have them. */
    listed: v.array(
      v.object({
        direction: v.picklist(['offered', 'received']),
        id: v.string(),
        amountMsat: amount,
        paymentHash: hash32,
        cltvExpiry: count,
        state: htlcState,
      }),
    ),
  }),
  /** `shutdown` is under way. */
  closing: v.boolean(),
  /** Why the channel does not go on. */
  failure: v.optional(v.string()),
})

export type ChannelView = v.InferOutput<typeof channelView>
