import type { Graph } from './graph.ts'
import { channelKey } from './overlay.ts'
import { findPath } from './path.ts'
import type { PathRequest, PathResult, Route } from './types.ts'

/** Most alternatives anybody gets. */
export const MAX_ALTERNATIVES = 5

/**
 * The best route and others that avoid, each, the weakest hop of those before it. For people to compare and for `queryRoutes`; the first
 * result is `findPath`'s.
 */
export function findPaths(
  graph: Graph,
  request: PathRequest,
  count: number,
): { readonly best: PathResult; readonly others: readonly Route[] } {
  const best = findPath(graph, request)
  if (!best.ok) return { best, others: [] }
  const channels = new Set(request.excluded?.channels)
  const others: Route[] = []
  let latest = best.value.route
  while (others.length + 1 < Math.min(count, MAX_ALTERNATIVES)) {
    const weakest = latest.hops
      .filter((hop) => hop.known === 'graph')
      .reduce<Route['hops'][number] | undefined>(
        (w, hop) => (w === undefined || hop.probability < w.probability ? hop : w),
        undefined,
      )
    if (weakest === undefined) break
    channels.add(channelKey(weakest.scid, weakest.from, weakest.nodeId))
    const next = findPath(graph, { ...request, excluded: { ...request.excluded, channels } })
    if (!next.ok) break
    latest = next.value.route
    others.push(latest)
  }
  return { best, others }
}
