import { parentPort, workerData } from 'node:worker_threads'
import { loadGraph } from '../../engine/router/graph-records.ts'
import { findPath } from '../../engine/router/path.ts'
import type { PathRequest } from '../../engine/router/types.ts'

/** A worker as the app has one: it holds the graph, is asked for routes, and answers. */

const { records } = workerData as { readonly records: readonly (readonly [string, Uint8Array])[] }
const graph = loadGraph(records)

parentPort?.on('message', (request: PathRequest) => {
  const began = performance.now()
  const found = findPath(graph, request)
  parentPort?.postMessage({ ok: found.ok, ms: performance.now() - began })
})
parentPort?.postMessage('ready')
