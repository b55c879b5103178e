import { fromHex, toHex } from '../base/bytes.ts'
import { type Msat, msat } from '../base/units.ts'
import type { RouteHint } from '../invoice/types.ts'
import { encodeHopPayload } from '../onion/payload.ts'
import type { OnionHop } from '../onion/construct.ts'
import type { BlindedTail, Excluded, HintHop, Route } from '../router/types.ts'
import type { Attempt, PaymentTarget } from './payment-record.ts'

/** Routes of more than one hop, as attempts use them. */

/** What is asked of the router for one attempt. */
export interface RouteWanted {
  /** 66 hex digits */
  readonly destination: string
  readonly amountMsat: Msat
  /** Blocks above `height` that the recipient's HTLC has. */
  readonly finalCltvDelta: number
  readonly height: number
  readonly maxFeeMsat: Msat
  readonly hints: readonly (readonly HintHop[])[]
  readonly excluded: Excluded
  /** Channels of our own not to go through. */
  readonly without: readonly string[]
  /** Whether several routes may share the amount. */
  readonly parts: boolean
  /** Routes end at the beginning of one of these, not at `destination`. */
  readonly blinded?: readonly BlindedTail[]
}

/**
 * The most that routing may cost when the user says nothing: one per cent, and ten sat for small amounts, which a few nodes' base fees
 * take whatever the amount is.
 */
export function defaultMaxFee(amountMsat: Msat): Msat {
  const percent = amountMsat / 100n
  return msat(percent > 10_000n ? percent : 10_000n)
}

/** A channel in one direction, as `Excluded` names it (BOLT 7: node 1 is the lesser id). */
export const directedChannel = (scid: bigint, from: string, to: string): string =>
  `${scid}/${from < to ? 0 : 1}`

/** The `r` fields of an invoice in the router's words. */
export const hintsOf = (hints: readonly (readonly RouteHint[])[]): readonly (readonly HintHop[])[] =>
  hints.map((path) =>
    path.map(({ pubkey, shortChannelId, feeBaseMsat, feeProportionalMillionths, cltvExpiryDelta }) => ({
      nodeId: toHex(pubkey),
      scid: shortChannelId,
      feeBaseMsat,
      feeProportionalMillionths,
      cltvExpiryDelta,
    })),
  )

/** A node on a route, and the HTLC that it receives. */
export interface RouteStep {
  readonly nodeId: string
  /** The channel through which it receives it; of no use for the first. */
  readonly scid: bigint
  readonly amountMsat: Msat
  readonly cltvExpiry: number
}

/** What the hops before the last are told (BOLT 4 §payload format). */
export const forwardHops = (hops: readonly RouteStep[]): readonly OnionHop[] =>
  hops.slice(1).map((next, i) => ({
    pubkey: fromHex((hops[i] as RouteStep).nodeId),
    payload: encodeHopPayload({
      amtToForward: next.amountMsat,
      outgoingCltvValue: next.cltvExpiry,
      shortChannelId: next.scid,
    }),
  }))

/** What the last hop is told. `totalMsat`: of all parts together. */
export const finalHop = (hop: RouteStep, target: PaymentTarget, totalMsat: Msat): OnionHop => ({
  pubkey: fromHex(hop.nodeId),
  payload: encodeHopPayload({
    amtToForward: hop.amountMsat,
    outgoingCltvValue: hop.cltvExpiry,
    ...(target.paymentSecret === undefined
      ? {}
      : { paymentData: { paymentSecret: target.paymentSecret, totalMsat } }),
    ...(target.paymentMetadata === undefined ? {} : { paymentMetadata: target.paymentMetadata }),
    ...(target.keysendPreimage === undefined ? {} : { keysendPreimage: target.keysendPreimage }),
  }),
})

/** What attempts that failed have taught this run. */
export function excludedBy(attempts: readonly Attempt[]): Excluded {
  const nodes = new Set<string>()
  const channels = new Set<string>()
  for (const { blame } of attempts) {
    for (const node of blame?.nodes ?? []) nodes.add(node)
    for (const channel of blame?.channels ?? []) channels.add(channel)
  }
  return { nodes, channels }
}

/** Blinded paths that failed in this run. */
export const excludedPaths = (attempts: readonly Attempt[]): ReadonlySet<number> =>
  new Set(attempts.flatMap(({ blame }) => (blame?.path === undefined ? [] : [blame.path])))

/** Whom a failure speaks of: hop `at` of a route, as the node itself, or as the channel that leads on from it. */
export function blameHop(route: Route, at: number, node: boolean): NonNullable<Attempt['blame']> {
  const hop = route.hops[at]
  const next = route.hops[at + 1]
  if (node || next === undefined) return hop === undefined ? {} : { nodes: [hop.nodeId] }
  return { channels: [directedChannel(next.scid, next.from, next.nodeId)] }
}

/** A failure that nobody can read: whoever it was, none of them is asked again, our own channel excepted. */
export const blameAll = (route: Route): NonNullable<Attempt['blame']> => blameFrom(route, 1)

/** As `blameAll`, from the channel on that leads to hop `at`. */
export const blameFrom = (route: Route, at: number): NonNullable<Attempt['blame']> => ({
  channels: route.hops.slice(at).map((hop) => directedChannel(hop.scid, hop.from, hop.nodeId)),
  ...(route.blinded === undefined ? {} : { path: route.blinded }),
})
