import type { Msat } from '../engine/base/units.ts'
import { msat } from '../engine/base/units.ts'
import { decodeInvoice } from '../engine/invoice/decode.ts'
import { localChannels } from '../engine/node/routes.ts'
import { heightOf } from '../engine/node/state.ts'
import type { Graph } from '../engine/router/graph.ts'
import { findPath } from '../engine/router/path.ts'
import type { PathRequest } from '../engine/router/types.ts'
import { toHex } from '../engine/base/bytes.ts'
import type { Running } from './control.ts'

/**
 * A payment goes only through channels whose signatures were checked. Where the sole ways known lead through hints of a snapshot, peers
 * are asked for the signatures of these channels first, for a few seconds; then the payment begins, whatever came.
 */

const WAIT_MS = 4_000
const LOOK_MS = 200
/** BOLT 11's, where an invoice says nothing. */
const FINAL_CLTV_DELTA = 18

/** Whom an invoice pays; undefined where it says nothing of that. */
export function payeeOf(
  invoice: string,
  amountMsat: bigint | undefined,
): { readonly destination: string; readonly amountMsat: Msat } | undefined {
  const decoded = decodeInvoice(invoice.trim())
  if (!decoded.ok) return undefined
  const amount = decoded.value.amountMsat ?? amountMsat
  return amount === undefined
    ? undefined
    : { destination: toHex(decoded.value.payee), amountMsat: msat(amount) }
}

/** What a payment would look for, as the graph sees it. */
export function requestFor(
  { loop, setup }: Pick<Running, 'loop' | 'setup'>,
  to: { readonly destination: string; readonly amountMsat: Msat },
  now: number,
): PathRequest {
  const { state } = loop.status()
  return {
    source: setup.nodeId,
    target: to.destination,
    amountMsat: to.amountMsat,
    height: heightOf(state),
    finalCltvDelta: FINAL_CLTV_DELTA,
    maxFeeMsat: to.amountMsat,
    localChannels: localChannels(state),
    history: state.routeHistory,
    now,
  }
}

/** Resolves when there is nothing to wait for any more: at once, in nearly all cases. */
export async function confirmHints(
  graph: Graph,
  request: PathRequest,
  ports: {
    /** Asks peers for the signatures of these channels. */
    readonly want: (scids: readonly bigint[]) => void
    /** ms since 1970 */
    readonly now: () => number
    readonly after: (ms: number, task: () => void) => void
  },
): Promise<void> {
  if (graph.hintCount === 0 || request.localChannels.length === 0) return
  if (findPath(graph, request).ok) return
  const found = findPath(graph, { ...request, unverified: true })
  if (!found.ok) return
  const scids = found.value.route.hops.flatMap((hop) => (hop.known === 'graph' ? [hop.scid] : []))
  ports.want(scids)
  // Terms come right behind the announcements: a way is there when they are here too.
  const end = ports.now() + WAIT_MS
  while (ports.now() < end && !findPath(graph, request).ok)
    await new Promise<void>((resolve) => ports.after(LOOK_MS, resolve))
}
