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
  /** Terms: each end of a channel has its own. */
  updates: v.number(),
  /** Of `updates`: told in the last 14 days, after which they are forgotten. */
  freshUpdates: v.number(),
  /** The newest terms that anybody has told; absent while there are none. */
  newestAt: v.optional(isoTime),
  memoryBytes: v.number(),
  /** What it takes in the wallet's storage; grows with what is still to be written. */
  storageBytes: v.number(),
  /**
   * The server for snapshots that the user has named, and how it went. What it tells is hints: counted in `channels`, never in `signed`, and
   * asked for before a payment goes that way.
   */
  snapshot: v.optional(
    v.object({
      url: v.string(),
      state: v.picklist(['waiting', 'loading', 'done', 'failed']),
      /** When the last one that was read had been made. */
      madeAt: v.optional(isoTime),
      bytes: v.optional(v.number()),
      /** Channels that were new. */
      hints: v.optional(v.number()),
      /** Why it failed, in English, for whoever wants to know. */
      reason: v.optional(v.string()),
    }),
  ),
  sync: v.object({
    state: v.picklist(['idle', 'running', 'done']),
    peer: v.optional(nodeId),
    /** When it was last complete since the node began, and whose graph it was compared with. */
    doneAt: v.optional(isoTime),
    donePeer: v.optional(nodeId),
    /** First block whose channels have not been asked for. */
    nextBlock: v.number(),
    queued: v.number(),
    signatures: v.number(),
    accepted: v.number(),
    refused: v.number(),
  }),
})
export type GraphView = v.InferOutput<typeof graphView>

const foundNode = v.object({
  nodeId,
  name: v.optional(text(64)),
  channels: v.number(),
})

/** Nodes by the beginning of their id, or by any part of their name: those with most channels first. */
export const nodesFound = v.object({
  nodes: v.array(foundNode),
  /** All that there are, those not listed too. */
  count: v.number(),
})
export type FoundNode = v.InferOutput<typeof foundNode>

/** What one end of a channel asks for passing payments on to the other. */
const terms = v.object({
  feeBaseMsat: v.number(),
  feeProportionalMillionths: v.number(),
  cltvDelta: v.number(),
  disabled: v.boolean(),
  toldAt: isoTime,
})

/** One node and its channels: the largest first, at most 60 of them. */
export const nodeView = v.object({
  nodeId,
  name: v.optional(text(64)),
  /** Both only where the node has announced itself. */
  parts: v.boolean(),
  keysend: v.boolean(),
  channelCount: v.number(),
  channels: v.array(
    v.object({
      shortChannelId: v.string(),
      peer: nodeId,
      peerName: v.optional(text(64)),
      /** Proved by its funding output. */
      capacitySat: v.optional(amount),
      /** Unproved: what its owners say that a payment may carry at most. */
      saidMsat: v.optional(amount),
      /** How far it was checked here. `hint`: nothing was; `spent`: its funding output is spent. */
      checked: v.picklist(['hint', 'signed', 'proven', 'unspent', 'spent']),
      /** From this node to the peer, and back; absent until told. */
      out: v.optional(terms),
      back: v.optional(terms),
    }),
  ),
})
export type NodeView = v.InferOutput<typeof nodeView>

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
