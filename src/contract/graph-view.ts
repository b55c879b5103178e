import * as v from 'valibot'
import { amount, channelId, isoTime, nodeId, text } from './schemas.ts'

/** The network as this node knows it. Every channel is in exactly one of the three steps of being believed. */
export const graphView = v.object({
  nodes: v.number(),
  channels: v.number(),
  /** Channels by what was checked of them here: each step includes the one before. */
  signed: v.number(),
  proven: v.number(),
  unspent: v.number(),
  /** Of proven channels. */
  capacitySat: amount,
  /** The newest terms that anybody has told; absent while there are none. */
  newestAt: v.optional(isoTime),
  memoryBytes: v.number(),
  sync: v.object({
    state: v.picklist(['idle', 'running', 'done']),
    peer: v.optional(nodeId),
    /** First block whose channels have not been asked for. */
    nextBlock: v.number(),
    queued: v.number(),
    signatures: v.number(),
    accepted: v.number(),
    refused: v.number(),
  }),
})
export type GraphView = v.InferOutput<typeof graphView>

export const routeQuery = v.object({
  destination: nodeId,
  amountMsat: amount,
  /** Absent: 5 % and at least 50 sat. */
  maxFeeMsat: v.optional(amount),
  /** Blocks that the recipient asks for. Default 18 (BOLT 11). */
  finalCltvDelta: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2016))),
  /** How many routes. Default 3. */
  count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(5))),
})

const hop = v.object({
  nodeId,
  name: v.optional(text(64)),
  shortChannelId: v.string(),
  amountMsat: amount,
  feeMsat: amount,
  /** Blocks above the present height. */
  cltvDelta: v.number(),
  known: v.picklist(['local', 'graph', 'hint']),
  /** 0 to 1. */
  probability: v.number(),
  /** What the choice counted beside the fee, in msat. */
  lockMsat: v.number(),
  riskMsat: v.number(),
})

/** Routes, likeliest and cheapest first, and what stood against the channels that were not taken. */
export const routesView = v.object({
  routes: v.array(
    v.object({
      channelId,
      hops: v.array(hop),
      feeMsat: amount,
      probability: v.number(),
      costMsat: v.number(),
    }),
  ),
  /** Why there is none. */
  reason: v.optional(v.string()),
  settledNodes: v.number(),
  relaxedChannels: v.number(),
  rejected: v.array(v.object({ reason: v.string(), count: v.number(), examples: v.array(v.string()) })),
})
export type RoutesView = v.InferOutput<typeof routesView>
