import * as ldk from 'lightningdevkit'
import type { LdkParts } from './build.ts'
import type { LdkBlindedInvoice, LdkBlindedPath, LdkPathHop } from './types.ts'
import { hex, unhex, words } from './wasm.ts'

/** Blinded payment paths to an LDK node, as its offers would tell of them, without the messages around them. */

/** What BOLT 2 asks of a final node, and some room. */
const MIN_FINAL_CLTV = 24

/**
 * A payment that LDK waits for, and a path to it over `hops`, the introduction node first. Without hops LDK itself is the introduction.
 */
export function createBlindedInvoice(
  { manager, keys }: Pick<LdkParts, 'manager' | 'keys'>,
  amountMsat: bigint,
  hops: readonly LdkPathHop[],
): LdkBlindedInvoice & { readonly path: ldk.BlindedPaymentPath } {
  const inbound = manager.create_inbound_payment(
    ldk.Option_u64Z.constructor_some(amountMsat),
    3600,
    ldk.Option_u16Z.constructor_none(),
  )
  if (!(inbound instanceof ldk.Result_C2Tuple_ThirtyTwoBytesThirtyTwoBytesZNoneZ_OK))
    throw new Error('LDK waits for no payment')
  const entropy = keys.as_EntropySource()
  const constraints = () => ldk.PaymentConstraints.constructor_new(1_000_000, 1n)
  const tlvs = ldk.UnauthenticatedReceiveTlvs.constructor_new(
    inbound.res.get_b(),
    constraints(),
    ldk.PaymentContext.constructor_bolt12_refund(ldk.Bolt12RefundContext.constructor_new()),
  ).authenticate(
    ldk.Nonce.constructor_from_entropy_source(entropy),
    keys.as_NodeSigner().get_inbound_payment_key(),
  )
  const nodes = hops.map((hop) =>
    ldk.PaymentForwardNode.constructor_new(
      ldk.ForwardTlvs.constructor_new(
        hop.shortChannelId,
        ldk.PaymentRelay.constructor_new(hop.cltvExpiryDelta, hop.feeProportionalMillionths, hop.feeBaseMsat),
        constraints(),
        ldk.BlindedHopFeatures.constructor_empty(),
        null,
      ),
      unhex(hop.nodeId),
      10_000_000_000n,
    ),
  )
  const made = ldk.BlindedPaymentPath.constructor_new(
    nodes,
    manager.get_our_node_id(),
    tlvs,
    10_000_000_000n,
    MIN_FINAL_CLTV,
    entropy,
  )
  if (!(made instanceof ldk.Result_BlindedPaymentPathNoneZ_OK))
    throw new Error(`LDK makes no path: ${words(made)}`)
  return { paymentHash: hex(inbound.res.get_a()), path: made.res, ...plain(made.res) }
}

/** Whether an invoice still has LDK's own form of its path: no other can be handed to LDK. */
export const hasPath = (
  invoice: LdkBlindedInvoice,
): invoice is LdkBlindedInvoice & { readonly path: ldk.BlindedPaymentPath } => 'path' in invoice

function plain(path: ldk.BlindedPaymentPath): LdkBlindedPath {
  const introduction = path.introduction_node()
  if (!(introduction instanceof ldk.IntroductionNode_NodeId)) throw new Error('the path begins at a channel')
  const info = path.get_payinfo()
  return {
    introduction: hex(introduction.node_id),
    firstPathKey: hex(path.blinding_point()),
    hops: path.blinded_hops().map((hop) => ({
      blindedNodeId: hex(hop.get_blinded_node_id()),
      encryptedRecipientData: hex(hop.get_encrypted_payload()),
    })),
    feeBaseMsat: info.get_fee_base_msat(),
    feeProportionalMillionths: info.get_fee_proportional_millionths(),
    cltvExpiryDelta: info.get_cltv_expiry_delta(),
    htlcMinimumMsat: info.get_htlc_minimum_msat(),
    htlcMaximumMsat: info.get_htlc_maximum_msat(),
  }
}

/** Asks LDK to pay by a blinded path. The reason why it does not, or undefined. */
export function sendByPath(
  manager: ldk.ChannelManager,
  paymentHash: string,
  path: ldk.BlindedPaymentPath,
  amountMsat: bigint,
): string | undefined {
  const hash = unhex(paymentHash)
  const sent = manager.send_payment(
    hash,
    ldk.RecipientOnionFields.constructor_spontaneous_empty(),
    hash,
    ldk.RouteParameters.constructor_from_payment_params_and_value(
      ldk.PaymentParameters.constructor_blinded([path]),
      amountMsat,
    ),
    ldk.Retry.constructor_attempts(1),
  )
  if (!(sent instanceof ldk.Result_NoneRetryableSendFailureZ_Err)) return undefined
  return ldk.RetryableSendFailure[sent.err]?.replace(/^.*_/, '') ?? 'refused'
}
