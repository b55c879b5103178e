import { err, ok } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { Graph } from './graph.ts'
import { channelKey } from './overlay.ts'
import { findPath, reportOf } from './path.ts'
import type { Weights } from './search.ts'
import type { LocalChannel, PartsResult, PathError, PathRequest, Route, SearchReport } from './types.ts'

/** Parts below this are not made: fees and slots would outweigh them. */
const LEAST_PART_MSAT = 1_000_000n
/** Searches that one call may make: bounded time. */
const MAX_SEARCHES = 48
/** Most parts that anybody gets: BOLT 4 leaves it open, channels have 483 slots for all. */
const MAX_PARTS = 16

export interface PartsRequest extends PathRequest {
  /** 1: no splitting. Default 16. */
  readonly maxParts?: number
}

/**
 * Routes for one payment, split by what channels and routes bear. A whole payment over one route is compared with 2, 4 and 8 parts where
 * its chance is less than even; what cannot go whole is halved until it can. Parts know of each other: what one puts through a channel is
 * missing for the next. Fees of all parts together keep the limit.
 */
export function findParts(
  graph: Graph,
  request: PartsRequest,
  options: { readonly weights?: Weights } = {},
): PartsResult {
  const maxParts = Math.min(request.maxParts ?? MAX_PARTS, MAX_PARTS)
  const reports: SearchReport[] = []
  let best: Plan | undefined
  let failure: PathError | undefined
  for (const parts of [1, 2, 4, 8]) {
    if (parts > maxParts || reports.length >= MAX_SEARCHES) break
    if (parts > 1 && request.amountMsat < BigInt(parts) * LEAST_PART_MSAT) break
    let plan = planOf(graph, request, parts, maxParts, reports, { ...options, spread: true })
    // A blinded path may well carry its most several times: where spreading finds nothing, that is tried.
    if ('code' in plan && request.blinded !== undefined)
      plan = planOf(graph, request, parts, maxParts, reports, options)
    if ('code' in plan) {
      failure ??= plan
      if (best !== undefined) break
      continue
    }
    if (best === undefined || plan.cost < best.cost) best = plan
    // The chance of all parts together: good enough is not improved upon.
    if (best.probability >= 0.5) break
  }
  const report = reportOf(reports)
  if (best === undefined) return err({ code: failure?.code ?? 'noPath', report })
  return ok({ routes: best.routes, feeMsat: best.fee, report })
}

interface Plan {
  readonly routes: readonly Route[]
  readonly fee: Msat
  readonly cost: number
  readonly probability: number
}

function planOf(
  graph: Graph,
  request: PartsRequest,
  parts: number,
  maxParts: number,
  reports: SearchReport[],
  options: {
    readonly weights?: Weights
    /** Whether the most that a blinded path takes is for all parts together. */
    readonly spread?: boolean
  },
): Plan | PathError {
  const reserved = new Map<number, number>()
  let { blinded } = request
  let locals: readonly LocalChannel[] = request.localChannels
  let left = request.amountMsat as bigint
  let size = (left + BigInt(parts) - 1n) / BigInt(parts)
  let fee = 0n
  let cost = 0
  let probability = 1
  let first: PathError | undefined
  const routes: Route[] = []
  while (left > 0n) {
    if (reports.length >= MAX_SEARCHES) return first ?? { code: 'budget', report: reportOf(reports) }
    const room = locals.reduce((m, c) => (c.spendableMsat > m ? c.spendableMsat : m), 0n)
    const whole = left < size ? left : size
    // The last part must take all that is left.
    const must = routes.length === maxParts - 1
    const amount = must ? left : whole > room ? room : whole
    const found =
      amount <= 0n
        ? undefined
        : findPath(
            graph,
            {
              ...request,
              amountMsat: msat(amount),
              localChannels: locals,
              ...(blinded === undefined ? {} : { blinded }),
              // A part may use its share of the fees that are left, as the rest will need the remainder.
              maxFeeMsat: msat(((request.maxFeeMsat - fee) * amount) / left),
            },
            { ...options, reserved },
          )
    if (found === undefined || !found.ok) {
      if (found !== undefined) {
        reports.push(found.error.report)
        first ??= found.error
        if (found.error.code === 'targetUnknown' || found.error.code === 'payingSelf') return first
      }
      const half = (amount + 1n) / 2n
      if (must || half < LEAST_PART_MSAT || half >= amount)
        return first ?? { code: 'localLiquidity', report: reportOf(reports) }
      size = half
      continue
    }
    const { route } = found.value
    reports.push(found.value.report)
    routes.push(route)
    reserve(graph, reserved, route)
    if (options.spread === true) {
      blinded = blinded?.map((tail, i) =>
        i === route.blinded && tail.htlcMaximumMsat > amount
          ? { ...tail, htlcMaximumMsat: msat(tail.htlcMaximumMsat - amount) }
          : i === route.blinded
            ? { ...tail, htlcMaximumMsat: msat(0) }
            : tail,
      )
    }
    locals = locals.map((c) =>
      c.channelId === route.channelId
        ? { ...c, spendableMsat: msat(c.spendableMsat - route.amountMsat - route.feeMsat) }
        : c,
    )
    left -= amount
    fee += route.feeMsat
    cost += route.costMsat
    probability *= route.probability
  }
  return { routes, fee: msat(fee), cost, probability }
}

function reserve(graph: Graph, reserved: Map<number, number>, route: Route): void {
  for (const hop of route.hops) {
    if (hop.known !== 'graph') continue
    const slot = graph.channelAt(hop.scid)
    const direction = Number(channelKey(hop.scid, hop.from, hop.nodeId).endsWith('/1'))
    const edge = 2 * slot + direction
    reserved.set(edge, (reserved.get(edge) ?? 0) + Number(hop.amountMsat))
  }
}
