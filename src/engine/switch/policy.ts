import { type Msat, msat } from '../base/units.ts'
import type { FailureMessage } from '../onion/failure.ts'
import type { ForwardAsk, ForwardPolicy, Link } from './types.ts'

/** Whether an HTLC is forwarded, and through which channel (BOLT 4 §Failure Messages, BOLT 7 §HTLC Fees). */

/**
 * A day between both expiries for a node that may sleep would be too dear for those who route; eighty blocks are what large nodes
 * ask. Within them an HTLC that expires behind us has to be taken back on chain: our commitment, its timeout, and six blocks on both.
 */
export const DEFAULT_FORWARD_POLICY: ForwardPolicy = {
  feeBaseMsat: 1_000,
  feeProportionalMillionths: 100,
  cltvExpiryDelta: 80,
  htlcMinimumMsat: msat(1),
}

/** Blocks that the next hop must have left, at least: less, and its channel may have to go to the chain over it. */
export const MIN_OUTGOING_BLOCKS = 6
/** BOLT 4 §`max_htlc_cltv` Selection. */
export const MAX_HTLC_CLTV = 2016

/** BOLT 7 §HTLC Fees: what is kept for forwarding this amount, rounded down as everybody does. */
export const forwardFeeMsat = (
  policy: Pick<ForwardPolicy, 'feeBaseMsat' | 'feeProportionalMillionths'>,
  amountMsat: Msat,
): Msat =>
  msat(BigInt(policy.feeBaseMsat) + (amountMsat * BigInt(policy.feeProportionalMillionths)) / 1_000_000n)

export type Judgement =
  | { readonly ok: true; readonly link: Link }
  | { readonly ok: false; readonly failure: FailureMessage }

/** BOLT 4 asks nodes to leave the update out today: applied by a sender, it tells who that is. */
const NO_UPDATE = new Uint8Array(0)

/** The channel that is named; of several to a peer that is named, one that can be used. */
function requestedLink(ask: ForwardAsk, links: readonly Link[]): Link | undefined {
  const { shortChannelId: scid, nextNodeId } = ask
  if (scid !== undefined) return links.find((link) => link.scids.includes(scid))
  const toPeer = links.filter((link) => link.peer === nextNodeId)
  return (
    toPeer.find((link) => link.state === 'usable') ?? toPeer.find((l) => l.state !== 'closing') ?? toPeer[0]
  )
}

/**
 * Whether a blinded path reckons with no less than our terms. BOLT 4's `amt_to_forward` is rounded up, by which the fee can be 1 msat
 * short of what BOLT 7 gives for the amount sent on.
 */
const keepsTerms = ({ blinded }: ForwardAsk, policy: ForwardPolicy): boolean =>
  blinded !== undefined &&
  blinded.relay.feeBaseMsat >= policy.feeBaseMsat &&
  blinded.relay.feeProportionalMillionths >= policy.feeProportionalMillionths

const no = (failure: FailureMessage): Judgement => ({ ok: false, failure })

/**
 * Judges a forward. What the requested channel asks for is checked first, then whether that channel, or another to the same peer
 * (BOLT 4 §Non-strict Forwarding), can bear it.
 * @param allowed whether this node forwards at all
 * @param height of the best verified block, 0 when it is not known
 */
export function judgeForward(
  ask: ForwardAsk,
  links: readonly Link[],
  ctx: { readonly allowed: boolean; readonly height: number },
): Judgement {
  const requested = requestedLink(ask, links)
  // Who does not forward has no next peers; and nobody learns whether that channel exists.
  if (!ctx.allowed || requested === undefined) return no({ name: 'unknown_next_peer' })
  if (requested.state === 'closing') return no({ name: 'permanent_channel_failure' })
  if (ctx.height <= 0) return no({ name: 'temporary_node_failure' })
  const { policy } = requested
  const { amtToForward, outgoingCltvValue, amountMsat, cltvExpiry } = ask
  if (amtToForward <= 0n || amtToForward < policy.htlcMinimumMsat)
    return no({ name: 'amount_below_minimum', htlcMsat: amtToForward, channelUpdate: NO_UPDATE })
  if (amountMsat < amtToForward + forwardFeeMsat(policy, amtToForward) && !keepsTerms(ask, policy))
    return no({ name: 'fee_insufficient', htlcMsat: amountMsat, channelUpdate: NO_UPDATE })
  if (cltvExpiry < outgoingCltvValue + policy.cltvExpiryDelta)
    // BOLT 4: reports the outgoing HTLC here, as above, and the incoming one only where the fee is too low.
    return no({ name: 'incorrect_cltv_expiry', cltvExpiry: outgoingCltvValue, channelUpdate: NO_UPDATE })
  if (outgoingCltvValue < ctx.height + MIN_OUTGOING_BLOCKS)
    return no({ name: 'expiry_too_soon', channelUpdate: NO_UPDATE })
  if (cltvExpiry > ctx.height + MAX_HTLC_CLTV) return no({ name: 'expiry_too_far' })

  const bearing = [requested, ...links].filter(
    (link) =>
      link.peer === requested.peer &&
      // Back through the channel that it came from: it would only lock up money of ours and of that peer.
      link.channelId !== ask.channelId &&
      link.state === 'usable' &&
      amtToForward <= link.htlcMaximumMsat &&
      link.bears(amtToForward),
  )
  // A channel that is full for now makes it wait, at most for as long as a sender has patience: rather another.
  const link = bearing.find((one) => one.waits?.(amtToForward) !== true) ?? bearing[0]
  if (link !== undefined) return { ok: true, link }
  return no({ name: 'temporary_channel_failure', channelUpdate: NO_UPDATE })
}
