import { type Msat, msat } from '../base/units.ts'
import { directedChannel, type RouteWanted } from './attempt-route.ts'
import type { HintHop, LocalChannel, Route, RouteHop } from '../router/types.ts'

/**
 * Routes by the invoice's own hints alone: our channel with the node where a hint begins, then the hint. What a wallet with no graph can
 * do, and often all that it needs.
 */

/** The cheapest of such routes that keeps the limits, or undefined. `maxCltvDelta`: blocks above our height of our HTLC. */
export function hintRoute(
  wanted: RouteWanted,
  ours: {
    readonly nodeId: string
    readonly channels: readonly LocalChannel[]
    readonly maxCltvDelta: number
  },
): Route | undefined {
  let best: Route | undefined
  for (const hint of wanted.hints) {
    const first = hint[0]
    if (first === undefined || first.nodeId === ours.nodeId) continue
    const tail = along(hint, wanted)
    if (tail === undefined) continue
    const amountMsat = tail.amountMsat
    if (tail.cltvExpiry > wanted.height + ours.maxCltvDelta) continue
    const feeMsat = msat(amountMsat - wanted.amountMsat)
    if (feeMsat > wanted.maxFeeMsat || (best !== undefined && best.feeMsat <= feeMsat)) continue
    const local = ours.channels
      .filter(
        (c) =>
          c.peer === first.nodeId && c.spendableMsat >= amountMsat && !wanted.without.includes(c.channelId),
      )
      .filter((c) => amountMsat >= (c.minimumMsat ?? 0n))
      .sort((a, b) => (a.spendableMsat < b.spendableMsat ? -1 : 1))[0]
    if (local === undefined) continue
    const head: RouteHop = {
      from: ours.nodeId,
      nodeId: first.nodeId,
      scid: local.scid,
      amountMsat,
      cltvExpiry: tail.cltvExpiry,
      feeMsat: tail.firstFee,
      known: 'local',
      probability: 1,
      lockMsat: 0,
      riskMsat: 0,
    }
    best = {
      channelId: local.channelId,
      hops: [head, ...tail.hops],
      amountMsat: wanted.amountMsat,
      feeMsat,
      probability: 1,
      costMsat: Number(feeMsat),
    }
  }
  return best
}

interface Tail {
  /** What the hint's first node has to receive. */
  readonly amountMsat: Msat
  readonly cltvExpiry: number
  readonly firstFee: Msat
  readonly hops: readonly RouteHop[]
}

/** A hint walked backwards: what each of its nodes has to receive (BOLT 7 §HTLC Fees). */
function along(hint: readonly HintHop[], wanted: RouteWanted): Tail | undefined {
  let amount: bigint = wanted.amountMsat
  let cltvExpiry = wanted.height + wanted.finalCltvDelta
  let fee = 0n
  const hops: RouteHop[] = []
  for (let i = hint.length - 1; i >= 0; i--) {
    const hop = hint[i] as HintHop
    const to = hint[i + 1]?.nodeId ?? wanted.destination
    if (wanted.excluded.nodes?.has(hop.nodeId) === true) return undefined
    if (wanted.excluded.channels?.has(directedChannel(hop.scid, hop.nodeId, to)) === true) return undefined
    hops.unshift({
      from: hop.nodeId,
      nodeId: to,
      scid: hop.scid,
      amountMsat: msat(amount),
      cltvExpiry,
      feeMsat: msat(fee),
      known: 'hint',
      probability: 1,
      lockMsat: 0,
      riskMsat: 0,
    })
    fee = BigInt(hop.feeBaseMsat) + (amount * BigInt(hop.feeProportionalMillionths)) / 1_000_000n
    amount += fee
    cltvExpiry += hop.cltvExpiryDelta
  }
  return hops.length === 0 ? undefined : { amountMsat: msat(amount), cltvExpiry, firstFee: msat(fee), hops }
}
