import * as ldk from 'lightningdevkit'
import type { LdkChannel, LdkEvent } from './types.ts'
import { displayed, hex, isNull, words } from './wasm.ts'

const some = <T>(option: object): T | undefined => (option as { readonly some?: T }).some

/** LDK's channel details as plain data. */
export function describeChannel(details: ldk.ChannelDetails): LdkChannel {
  const funding = details.get_funding_txo()
  const funded = !isNull(funding)
  const features = details.get_channel_type()
  const type = isNull(features)
    ? undefined
    : features.requires_anchors_zero_fee_htlc_tx()
      ? 'anchors'
      : features.requires_static_remote_key()
        ? 'static_remotekey'
        : 'legacy'
  return {
    channelId: hex(details.get_channel_id().get_a()),
    peer: hex(details.get_counterparty().get_node_id()),
    fundingTxid: funded ? displayed(funding.get_txid()) : undefined,
    fundingVout: funded ? funding.get_index() : undefined,
    shortChannelId: some<bigint>(details.get_short_channel_id()),
    type,
    capacitySat: details.get_channel_value_satoshis(),
    outboundMsat: details.get_outbound_capacity_msat(),
    inboundMsat: details.get_inbound_capacity_msat(),
    nextOutboundLimitMsat: details.get_next_outbound_htlc_limit_msat(),
    reserveSat: some<bigint>(details.get_unspendable_punishment_reserve()),
    feerate: some<number>(details.get_feerate_sat_per_1000_weight()),
    confirmations: some<number>(details.get_confirmations()) ?? 0,
    confirmationsRequired: some<number>(details.get_confirmations_required()),
    isOpener: Boolean(details.get_is_outbound()),
    announced: Boolean(details.get_is_announced()),
    ready: Boolean(details.get_is_channel_ready()),
    usable: Boolean(details.get_is_usable()),
    inboundHtlcs: details.get_pending_inbound_htlcs().length,
    outboundHtlcs: details.get_pending_outbound_htlcs().length,
  }
}

export function failureReason(reason: ldk.Option_PaymentFailureReasonZ): string {
  if (!(reason instanceof ldk.Option_PaymentFailureReasonZ_Some)) return 'unknown'
  return ldk.PaymentFailureReason[reason.some]?.replace(/^.*_/, '') ?? 'unknown'
}

/** An LDK event as plain data; undefined for those that only the node itself acts on. */
export function plainEvent(event: ldk.Event): LdkEvent | undefined {
  if (event instanceof ldk.Event_OpenChannelRequest)
    return { type: 'openRequest', peer: hex(event.counterparty_node_id), fundingSat: event.funding_satoshis }
  if (event instanceof ldk.Event_ChannelPending)
    return {
      type: 'channelPending',
      channelId: hex(event.channel_id.get_a()),
      peer: hex(event.counterparty_node_id),
      fundingTxid: displayed(event.funding_txo.get_txid()),
      fundingVout: event.funding_txo.get_index(),
    }
  if (event instanceof ldk.Event_ChannelReady)
    return {
      type: 'channelReady',
      channelId: hex(event.channel_id.get_a()),
      peer: hex(event.counterparty_node_id),
    }
  if (event instanceof ldk.Event_ChannelClosed)
    return {
      type: 'channelClosed',
      channelId: hex(event.channel_id.get_a()),
      peer: hex(event.counterparty_node_id),
      reason: words(event.reason),
    }
  if (event instanceof ldk.Event_PaymentClaimable)
    return {
      type: 'paymentClaimable',
      paymentHash: hex(event.payment_hash),
      amountMsat: event.amount_msat,
    }
  if (event instanceof ldk.Event_PaymentClaimed)
    return { type: 'paymentClaimed', paymentHash: hex(event.payment_hash), amountMsat: event.amount_msat }
  if (event instanceof ldk.Event_PaymentSent)
    return {
      type: 'paymentSent',
      paymentHash: hex(event.payment_hash),
      preimage: hex(event.payment_preimage),
      feeMsat: some<bigint>(event.fee_paid_msat),
    }
  if (event instanceof ldk.Event_PaymentFailed)
    return { type: 'paymentFailed', paymentHash: hex(event.payment_id), reason: failureReason(event.reason) }
  if (event instanceof ldk.Event_PaymentPathFailed)
    return {
      type: 'paymentPathFailed',
      paymentHash: hex(event.payment_hash),
      permanent: Boolean(event.payment_failed_permanently),
    }
  if (event instanceof ldk.Event_PaymentForwarded)
    return { type: 'paymentForwarded', feeMsat: some<bigint>(event.total_fee_earned_msat) }
  if (event instanceof ldk.Event_HTLCHandlingFailed)
    return {
      type: 'htlcHandlingFailed',
      channelId: hex(event.prev_channel_id.get_a()),
      destination: event.failed_next_destination.constructor.name.replace('HTLCDestination_', ''),
    }
  if (event instanceof ldk.Event_SpendableOutputs)
    return { type: 'spendableOutputs', count: event.outputs.length }
  return undefined
}
