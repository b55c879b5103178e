import type { GraphView, RoutesView } from '../contract/graph-view.ts'
import { msat } from '../engine/base/units.ts'
import { localChannels } from '../engine/node/routes.ts'
import { heightOf } from '../engine/node/state.ts'
import { findPaths } from '../engine/router/alternatives.ts'
import { createGraph, type Graph } from '../engine/router/graph.ts'
import type { Route } from '../engine/router/types.ts'
import { formatShortChannelId } from '../engine/wire/short-channel-id.ts'
import type { Running } from './control.ts'
import { aliasOf } from './graph-nodes.ts'
import type { SnapshotStatus } from './snapshots.ts'

/** What the API says of the network and of ways through it. Reads only. */

export function describeGraph({ gossip }: Running): GraphView {
  const { gossip: status, newest, capacitySat, lastSync, snapshot, ...sizes } = gossip.summary()
  const { accepted, known: _, waiting: __, ...refused } = status.counts
  return {
    ...sizes,
    capacitySat: String(capacitySat),
    ...(snapshot === undefined ? {} : { snapshot: snapshotView(snapshot) }),
    ...(newest === 0 ? {} : { newestAt: new Date(newest * 1000).toISOString() }),
    sync: {
      state: status.sync,
      ...(status.syncPeer === undefined ? {} : { peer: status.syncPeer }),
      ...(lastSync === undefined ? {} : { doneAt: new Date(lastSync.at).toISOString() }),
      ...(lastSync?.peer === undefined ? {} : { donePeer: lastSync.peer }),
      nextBlock: status.nextBlock,
      queued: status.queued,
      signatures: status.signatures,
      accepted,
      refused: Object.values(refused).reduce((sum, n) => sum + n, 0),
    },
  }
}

function snapshotView({ madeAt, reason, ...status }: SnapshotStatus): NonNullable<GraphView['snapshot']> {
  return {
    ...status,
    ...(madeAt === undefined ? {} : { madeAt: new Date(madeAt * 1000).toISOString() }),
    ...(reason === undefined ? {} : { reason }),
  }
}

const FINAL_CLTV_DELTA = 18
const DEFAULT_COUNT = 3

export function queryRoutes(
  { loop, setup, gossip }: Running,
  query: {
    readonly destination: string
    readonly amountMsat: string
    readonly maxFeeMsat?: string | undefined
    readonly finalCltvDelta?: number | undefined
    readonly count?: number | undefined
  },
  now: number,
): RoutesView {
  const { state } = loop.status()
  const graph = setup.graph ?? createGraph()
  const amount = BigInt(query.amountMsat)
  const height = heightOf(state)
  const usual = amount / 20n > 50_000n ? amount / 20n : 50_000n
  const { best, others } = findPaths(
    graph,
    {
      source: setup.nodeId,
      target: query.destination,
      amountMsat: msat(amount),
      height,
      finalCltvDelta: query.finalCltvDelta ?? FINAL_CLTV_DELTA,
      maxFeeMsat: msat(BigInt(query.maxFeeMsat ?? usual)),
      localChannels: localChannels(state),
      history: state.routeHistory,
      now,
    },
    query.count ?? DEFAULT_COUNT,
  )
  const { report } = best.ok ? best.value : best.error
  const routes = best.ok ? [best.value.route, ...others] : []
  // Whoever asks may be about to pay: the chain is asked about these channels.
  gossip.want(routes.flatMap((route) => route.hops.filter((h) => h.known === 'graph').map((h) => h.scid)))
  return {
    routes: routes.map((route) => routeView(graph, route, height)),
    ...(best.ok ? {} : { reason: best.error.code }),
    settledNodes: report.settled,
    relaxedChannels: report.relaxed,
    rejected: report.rejected.map(({ reason, count, examples }) => ({
      reason,
      count,
      examples: examples.map(exampleName),
    })),
  }
}

function routeView(graph: Graph, route: Route, height: number): RoutesView['routes'][number] {
  return {
    channelId: route.channelId,
    hops: route.hops.map((hop) => {
      const slot = graph.nodeOf(hop.nodeId)
      const alias = slot === -1 ? '' : aliasOf(graph, slot)
      return {
        nodeId: hop.nodeId,
        ...(alias === '' ? {} : { name: alias }),
        shortChannelId: formatShortChannelId(hop.scid),
        amountMsat: String(hop.amountMsat),
        feeMsat: String(hop.feeMsat),
        cltvDelta: hop.cltvExpiry - height,
        known: hop.known,
        probability: hop.probability,
        lockMsat: Math.round(hop.lockMsat),
        riskMsat: Math.round(hop.riskMsat),
      }
    }),
    feeMsat: String(route.feeMsat),
    probability: route.probability,
    costMsat: Math.round(route.costMsat),
  }
}

/** `<scid>/<direction>` with the id as people write it. */
function exampleName(example: string): string {
  const [scid = '', side = ''] = example.split('/')
  return /^\d+$/.test(scid) ? `${formatShortChannelId(BigInt(scid))}/${side}` : example
}
