import { type Msat, msat } from '../base/units.ts'
import { publicKey } from '../crypto/curve.ts'
import type { Entropy } from '../crypto/entropy.ts'
import type { BlindedPaymentPath, BlindedPayInfo } from '../onion/blinded-path.ts'
import { createBlindedPath } from '../onion/blinding.ts'
import { encodeRecipientData, type PaymentRelay, type RecipientData } from '../onion/recipient-data.ts'
import { MAX_HTLC_CLTV, sessionKey } from './onion-for.ts'

/** Blinded paths to ourselves (BOLT 4 §Route Blinding, the writer). */

/** A peer through which a path of ours may lead, and what it asks for. */
export interface WayIn {
  /** 33 bytes */
  readonly peer: Uint8Array
  /** By which the peer knows the channel between us. */
  readonly shortChannelId: bigint
  readonly relay: PaymentRelay
  readonly htlcMinimumMsat: Msat
  readonly htlcMaximumMsat: Msat
}

/**
 * Hops of every path, whatever leads to us: what is missing is filled with hops of our own (dummies). So nobody can tell from its length
 * whether it passes through a peer.
 */
export const PATH_HOPS = 3

/** Blocks that a path may be used for beyond what its time makes likely: payers add up to three days to hide where they are. */
const EXTRA_BLOCKS = 576

/** The last height at which a new path of so many seconds may be used, before any hop's delta (`max_cltv_expiry`). */
export const lastHeight = (height: number, expirySeconds: number): number =>
  height + Math.ceil(expirySeconds / 600) + EXTRA_BLOCKS

/**
 * Whether somebody would pay by a way: no payer locks money for longer than BOLT 4's `max_htlc_cltv`. What a peer asks for is its own word,
 * and with our blocks on top of it may be more than the field of an invoice holds.
 */
const isUsable = ({ relay }: WayIn, minFinalCltvExpiryDelta: number): boolean =>
  relay.cltvExpiryDelta + minFinalCltvExpiryDelta <= MAX_HTLC_CLTV

/** A path by each way that can be used; by none, one that begins with us. */
export function makePaths(
  given: readonly WayIn[],
  ctx: {
    readonly nodeSecret: Uint8Array
    readonly entropy: Entropy
    /** 32 bytes, secret: only who was given the path can bring it. */
    readonly pathId: Uint8Array
    readonly lastHeight: number
    readonly minFinalCltvExpiryDelta: number
  },
): readonly BlindedPaymentPath[] {
  const us = publicKey(ctx.nodeSecret)
  const ways = given.filter((way) => isUsable(way, ctx.minFinalCltvExpiryDelta))
  const dummy: PaymentRelay = { cltvExpiryDelta: 0, feeProportionalMillionths: 0, feeBaseMsat: 0 }
  return (ways.length === 0 ? [undefined] : ways).map((way) => {
    const payInfo = payInfoOf(way, ctx.minFinalCltvExpiryDelta)
    const htlcMinimumMsat = msat(payInfo.htlcMinimumMsat)
    // BOLT 4: from the last hop on, each one's max_cltv_expiry has the deltas behind it.
    const atLast = ctx.lastHeight + ctx.minFinalCltvExpiryDelta
    const constraints = { maxCltvExpiry: atLast, htlcMinimumMsat }
    const hops: { readonly nodeId: Uint8Array; readonly data: RecipientData }[] = []
    if (way !== undefined) {
      hops.push({
        nodeId: way.peer,
        data: {
          shortChannelId: way.shortChannelId,
          paymentRelay: way.relay,
          paymentConstraints: { ...constraints, maxCltvExpiry: atLast + way.relay.cltvExpiryDelta },
        },
      })
    }
    while (hops.length < PATH_HOPS - 1) {
      hops.push({
        nodeId: us,
        data: { nextNodeId: us, paymentRelay: dummy, paymentConstraints: constraints },
      })
    }
    hops.push({ nodeId: us, data: { pathId: ctx.pathId, paymentConstraints: constraints } })
    const data = padded(hops.map((hop) => hop.data))
    const { path } = createBlindedPath(
      sessionKey(ctx.entropy),
      hops.map(({ nodeId }, i) => ({ nodeId, data: data[i] as Uint8Array })),
    )
    return { path, payInfo }
  })
}

/** What all of a path takes: one peer's terms, since our own hops take nothing, and the blocks that we need at its end. */
const payInfoOf = (way: WayIn | undefined, minFinalCltvExpiryDelta: number): BlindedPayInfo => ({
  feeBaseMsat: way?.relay.feeBaseMsat ?? 0,
  feeProportionalMillionths: way?.relay.feeProportionalMillionths ?? 0,
  cltvExpiryDelta: (way?.relay.cltvExpiryDelta ?? 0) + minFinalCltvExpiryDelta,
  htlcMinimumMsat: way?.htlcMinimumMsat ?? 1n,
  htlcMaximumMsat: way?.htlcMaximumMsat ?? 2_100_000_000_000_000_000n,
  features: new Uint8Array(0),
})

/** BOLT 4: SHOULD add padding so that all have the same length. A padding of n bytes takes n + 2, below 253. */
function padded(data: readonly RecipientData[]): readonly Uint8Array[] {
  const lengths = data.map((one) => encodeRecipientData(one).length)
  const all = Math.max(...lengths) + 2
  return data.map((one, i) =>
    encodeRecipientData({ ...one, padding: new Uint8Array(all - (lengths[i] as number) - 2) }),
  )
}
