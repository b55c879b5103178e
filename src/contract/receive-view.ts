import * as v from 'valibot'
import { amount, channelId, nodeId } from './schemas.ts'

/** Whether a payment can arrive over Lightning, and by which of our channels. */
export const receivePreview = v.object({
  /** Over all connected channels together, in parts. */
  totalMsat: amount,
  /** In one piece. */
  largestMsat: amount,
  /** More than `totalMsat`: what the channels could bring in whose peers are away. */
  awayMsat: amount,
  /** The amount asked about is more than `totalMsat`: by this much. */
  missingMsat: v.optional(amount),
  ways: v.array(
    v.object({
      channelId,
      peer: nodeId,
      receivableMsat: amount,
      connected: v.boolean(),
      /**
       * Who can pay through it. `everybody`: the channel is announced. `invoice`: whoever reads the invoice, since its peer passes payments
       * on. `peer`: its peer alone.
       */
      reach: v.picklist(['everybody', 'invoice', 'peer']),
      /** The invoice would name it. */
      hinted: v.boolean(),
      /** What the peer asks of the payer for passing it on. */
      feeBaseMsat: v.optional(v.number()),
      feeProportionalMillionths: v.optional(v.number()),
    }),
  ),
})
export type ReceivePreview = v.InferOutput<typeof receivePreview>
