import type { Msat } from '../engine/base/units.ts'
import { msat } from '../engine/base/units.ts'
import { decodeInvoice } from '../engine/invoice/decode.ts'
import { localChannels } from '../engine/node/routes.ts'
import { heightOf } from '../engine/node/state.ts'
import { CHANNEL } from '../engine/router/graph-terms.ts'
import { findPath } from '../engine/router/path.ts'
import { toHex } from '../engine/base/bytes.ts'
import type { Running } from './control.ts'

/**
 * A payment goes only through channels whose signatures were checked. Where the sole ways known lead through hints of a snapshot, peers
 * are asked for the signatures of these channels first, for a few seconds; then the payment begins, whatever came.
 */

const WAIT_MS = 4_000
const LOOK_MS = 100

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

/** Resolves when there is nothing to wait for any more: at once, in nearly all cases. */
export async function confirmHints(
  { loop, setup, gossip }: Pick<Running, 'loop' | 'setup' | 'gossip'>,
  to: { readonly destination: string; readonly amountMsat: Msat },
  {
    now,
    after,
  }: { readonly now: () => number; readonly after: (ms: number, task: () => void) => () => void },
): Promise<void> {
  const { graph } = setup
  if (graph === undefined || graph.hintCount === 0) return
  const state = loop.status().state
  const request = {
    source: setup.nodeId,
    target: to.destination,
    amountMsat: to.amountMsat,
    height: heightOf(state),
    finalCltvDelta: 18,
    maxFeeMsat: to.amountMsat,
    localChannels: localChannels(state),
    history: state.routeHistory,
    now: now(),
  }
  if (request.localChannels.length === 0 || findPath(graph, request).ok) return
  const found = findPath(graph, { ...request, unverified: true })
  if (!found.ok) return
  const scids = found.value.route.hops.flatMap((hop) => (hop.known === 'graph' ? [hop.scid] : []))
  gossip.want(scids)
  const isOpen = (scid: bigint): boolean => {
    const slot = graph.channelAt(scid)
    return slot !== -1 && !graph.has(slot, CHANNEL.signed)
  }
  // Terms come right behind the announcement; one look more lets them in.
  const end = now() + WAIT_MS
  do await new Promise<void>((resolve) => after(LOOK_MS, resolve))
  while (scids.some(isOpen) && now() < end)
}
