import { err, ok } from '../base/result.ts'
import { type Msat, msat } from '../base/units.ts'
import type { Graph } from './graph.ts'
import { BASE_PROBABILITY, probabilityOf } from './history.ts'
import { type Overlay, overlayOf, pairSlot } from './overlay.ts'
import {
  CHEAPEST,
  type Found,
  type Limits,
  type Outcome,
  type Reserved,
  search,
  SHORTEST,
  type Step,
  type Weights,
  WEIGHTS,
} from './search.ts'
import type {
  PathError,
  PathErrorCode,
  PathRequest,
  PathResult,
  Rejection,
  Route,
  RouteHop,
  SearchReport,
} from './types.ts'

/** BOLT 4 §`max_htlc_cltv` Selection. */
export const MAX_CLTV_DELTA = 2016

/** Nodes that one search may settle: all of today's network, and a bounded part of a larger one. */
export const DEFAULT_BUDGET = 20_000

/**
 * The cheapest route by fees, lock-up and risk of failure, within the limits. Deterministic; touches nothing. `reserved`: what other
 * parts of the same payment use already (`parts.ts`).
 */
export function findPath(
  graph: Graph,
  request: PathRequest,
  options: { readonly weights?: Weights; readonly reserved?: Reserved } = {},
): PathResult {
  const reports: Outcome[] = []
  const fail = (code: PathErrorCode): { ok: false; error: PathError } =>
    err({ code, report: reportOf(reports) })
  if (request.source === request.target) return fail('payingSelf')
  const amount = Number(request.amountMsat)
  if (request.amountMsat <= 0n || !Number.isSafeInteger(amount)) return fail('noPath')
  const overlay = overlayOf(graph, request)
  const limits = limitsOf(request, amount)
  const weights = options.weights ?? WEIGHTS
  const attempt = (w: Weights, l: Limits): Outcome => {
    const outcome = search(graph, overlay, l, w, options.reserved)
    reports.push(outcome)
    return outcome
  }
  const done = (found: Found): PathResult =>
    ok({ route: routeOf(graph, overlay, request, found, weights), report: reportOf(reports) })

  const best = attempt(weights, limits)
  if (best.found !== undefined) return done(best.found)
  const cutBy = (reason: Rejection['reason']): boolean => best.rejected.some((r) => r.reason === reason)
  if (cutBy('feeLimit') || best.localShort) {
    const cheap = attempt(CHEAPEST, limits)
    if (cheap.found !== undefined) return done(cheap.found)
  }
  if (cutBy('cltvLimit') || cutBy('tooLong')) {
    const soon = attempt(SHORTEST, limits)
    if (soon.found !== undefined) return done(soon.found)
  }
  return fail(whyNone(graph, overlay, request, best, (l) => attempt(CHEAPEST, { ...limits, ...l }).found))
}

function whyNone(
  graph: Graph,
  overlay: Overlay,
  request: PathRequest,
  best: Outcome,
  without: (limits: Partial<Limits>) => Found | undefined,
): PathErrorCode {
  if (best.outOfBudget) return 'budget'
  const { target } = overlay
  const reachable =
    overlay.locals.has(target) ||
    overlay.edgesTo.has(target) ||
    (target < graph.nodeSlots && (graph.degree[target] as number) > 0)
  if (!reachable) return 'targetUnknown'
  const most = request.localChannels.reduce((m, c) => (c.spendableMsat > m ? c.spendableMsat : m), 0n)
  if (most < request.amountMsat) return 'localLiquidity'
  const cut = (reason: Rejection['reason']): boolean => best.rejected.some((r) => r.reason === reason)
  if (cut('feeLimit') && without({ maxFee: Number.POSITIVE_INFINITY }) !== undefined) return 'feeLimit'
  if (cut('cltvLimit') && without({ maxCltv: Number.POSITIVE_INFINITY }) !== undefined) return 'cltvLimit'
  return best.localShort ? 'localLiquidity' : 'noPath'
}

const limitsOf = (request: PathRequest, amount: number): Limits => ({
  amount,
  maxFee: Number(request.maxFeeMsat),
  finalCltv: request.finalCltvDelta,
  maxCltv: request.maxCltvDelta ?? MAX_CLTV_DELTA,
  budget: request.budget ?? DEFAULT_BUDGET,
  now: request.now,
  unverified: request.unverified ?? false,
})

/** What all searches of a call did, as one. */
export function reportOf(outcomes: readonly (Outcome | SearchReport)[]): SearchReport {
  const byReason = new Map<string, Rejection>()
  let settled = 0
  let relaxed = 0
  for (const outcome of outcomes) {
    settled += outcome.settled
    relaxed += outcome.relaxed
    for (const rejection of outcome.rejected) {
      const old = byReason.get(rejection.reason)
      byReason.set(rejection.reason, {
        reason: rejection.reason,
        count: rejection.count + (old?.count ?? 0),
        examples: old?.examples ?? rejection.examples,
      })
    }
  }
  return { settled, relaxed, rejected: [...byReason.values()] }
}

function routeOf(
  graph: Graph,
  overlay: Overlay,
  request: PathRequest,
  found: Found,
  weights: Weights,
): Route {
  const last = found.steps.at(-1) as Step
  const tail = last.edge !== undefined && last.edge < 0 ? overlay.edges[-1 - last.edge] : undefined
  const blinded = tail === undefined || tail.blinded === -1 ? undefined : tail.blinded
  const steps = blinded === undefined ? found.steps : found.steps.slice(0, -1)
  const hops = steps.map((step, i): RouteHop => {
    const after = found.steps[i + 1]
    const risk = riskOf(graph, overlay, step, request.now)
    return {
      from: overlay.nameOf(step.from),
      nodeId: overlay.nameOf(step.to),
      scid: scidOf(graph, overlay, step, found),
      amountMsat: msat(step.amount),
      cltvExpiry: request.height + step.cltv,
      feeMsat: msat(after === undefined ? 0 : step.amount - after.amount),
      known: step.edge === undefined ? 'local' : step.edge < 0 ? 'hint' : 'graph',
      probability: risk,
      lockMsat: step.edge === undefined ? 0 : weights.lock * step.amount * deltaOf(graph, overlay, step),
      riskMsat:
        step.edge === undefined
          ? 0
          : -Math.log(risk) * (weights.riskBaseMsat + weights.riskOfAmount * step.amount),
    }
  })
  const first = found.steps[0] as Step
  return {
    channelId: found.local.channelId,
    hops,
    amountMsat: request.amountMsat,
    feeMsat: (msat(first.amount) - request.amountMsat) as Msat,
    probability: hops.reduce((p, hop) => p * hop.probability, 1),
    costMsat: found.cost,
    ...(blinded === undefined ? {} : { blinded }),
  }
}

function scidOf(graph: Graph, overlay: Overlay, step: Step, found: Found): bigint {
  if (step.edge === undefined) return found.local.scid
  return step.edge >= 0 ? graph.scid(step.edge >> 1) : (overlay.edges[-1 - step.edge]?.scid ?? 0n)
}

function deltaOf(graph: Graph, overlay: Overlay, step: Step): number {
  if (step.edge === undefined) return 0
  return step.edge >= 0
    ? (graph.cltvDelta[step.edge] as number)
    : (overlay.edges[-1 - step.edge]?.cltvDelta ?? 0)
}

function riskOf(graph: Graph, overlay: Overlay, step: Step, now: number): number {
  if (step.edge === undefined) return 1
  const pair = overlay.pairs.get(pairSlot(step.from, step.to))
  const capacity = step.edge >= 0 ? graph.capacityMsat(step.edge >> 1) : Number.MAX_SAFE_INTEGER
  return Math.min(BASE_PROBABILITY, probabilityOf(step.amount, capacity, pair, now))
}
