import { headerAt } from '../engine/chain/headers.ts'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import type { NodeEvent } from '../engine/node/commands.ts'
import type { ConnectionId, NodeInput, Publication, RecordWrite, Store } from '../engine/node/ports.ts'
import { heightOf, type NodeSetup, type NodeState } from '../engine/node/state.ts'
import { Gossip, isGossip } from '../engine/router/gossip.ts'
import { createGraph, type Graph } from '../engine/router/graph.ts'
import { GRAPH_PREFIX, isDirty, loadGraph } from '../engine/router/graph-records.ts'
import { STALE_SECONDS } from '../engine/router/prune.ts'
import type { Clock } from './ports.ts'
import type { Download } from './download.ts'
import { channelsAlong, type GraphSummary, summaryOf } from './graph-summary.ts'
import { createGraphWriter, storedPlace } from './graph-writer.ts'
import { createOwnProofs, keptProofs } from './prove-own.ts'
import { createProver, type ProverOptions } from './prove.ts'
import { createSnapshots, SNAPSHOTS, storedMark } from './snapshots.ts'

/**
 * Gossip beside the node: its messages are taken off before they reach the loop, worked in slices between turns, and written apart. A
 * payment never waits for gossip, and whatever goes wrong here, the node goes on without it.
 */

/** One slice: about as long as a frame of a screen, then everybody else has a turn. */
const SLICE_MS = 12
const MESSAGES_AT_ONCE = 8
const TICK_MS = 5_000
/** Chunks of one write, 36 KB each: channels' writes queue behind it. */
const CHUNKS_A_WRITE = 8
const WRITE_EVERY_MS = 20_000
/** Messages kept of a connection whose init has not been read yet. */
const MAX_EARLY = 50

export interface GossipHostOptions {
  readonly setup: NodeSetup & { readonly graph: Graph }
  readonly clock: Clock
  readonly store: Pick<Store, 'commit'>
  /** First block that an earlier run had not asked for. */
  readonly nextBlock: number
  /** When its pass over all blocks had begun (ms since 1970). */
  readonly passAt?: number | undefined
  /** Sizes of the records that an earlier run wrote, by key. */
  readonly stored?: ReadonlyMap<string, number>
  /** Announcements of our own with their proofs, from an earlier run. */
  readonly own?: ReadonlyMap<bigint, Uint8Array>
  /** Where the last snapshot stood. */
  readonly snapshotMark?: ReturnType<typeof storedMark>
  /** Fetches snapshots from the server that the user has named. */
  readonly download?: Download
  /** Channels of others kept as they came, for peers that ask. */
  readonly shelf: number
  readonly flushMs?: number
  readonly state: () => NodeState
  /** Whether the node has frozen: then nothing is written or sent here either. */
  readonly frozen: () => boolean
  readonly send: (connection: ConnectionId, messages: readonly Uint8Array[]) => void
  readonly hangUp: (connection: ConnectionId, reason: string) => void
  /** Asks chain servers, for proofs of funding outputs. */
  readonly request: ProverOptions['request']
  readonly onDefect: (error: unknown) => void
}

export interface GossipHost {
  /** True when the input was gossip and is taken care of. */
  intercept(input: NodeInput): boolean
  publish(item: Publication): void
  event(event: NodeEvent): void
  /** A snapshot is fetched now, if the user has named a server. */
  fetchSnapshot(): void
  /** Channels that somebody is about to rely on: they are proved first, and those known by hearsay are asked for. */
  want(scids: readonly bigint[]): void
  summary(): GraphSummary
  /** Writes what is left. */
  stop(): Promise<void>
}

/** The graph that records hold. */
export function storedGraph(
  records: ReadonlyMap<string, Uint8Array>,
  seed: number,
): {
  readonly graph: Graph
  readonly nextBlock: number
  readonly passAt: number | undefined
  readonly stored: ReadonlyMap<string, number>
  readonly own: ReadonlyMap<bigint, Uint8Array>
  readonly snapshotMark: ReturnType<typeof storedMark>
} {
  const chunks = [...records].filter(([key]) => key.startsWith(GRAPH_PREFIX))
  const stored = new Map(chunks.map(([key, bytes]) => [key, bytes.length]))
  if (chunks.length === 0)
    return {
      graph: createGraph(seed),
      nextBlock: 0,
      passAt: undefined,
      stored,
      own: new Map(),
      snapshotMark: undefined,
    }
  return {
    graph: loadGraph(chunks, seed),
    ...storedPlace(records),
    stored,
    own: keptProofs(records),
    snapshotMark: storedMark(records),
  }
}

export function createGossipHost(options: GossipHostOptions): GossipHost {
  const { clock, setup } = options
  const gossip = new Gossip(setup.graph, {
    network: setup.network,
    nodeId: setup.nodeId,
    shelf: options.shelf,
    nextBlock: options.nextBlock,
    ...(options.passAt === undefined ? {} : { passAt: options.passAt }),
    headerAt: (height) => headerAt(options.state().chain.headers, height),
    ...(options.flushMs === undefined ? {} : { flushMs: options.flushMs }),
  })
  const prover = createProver({
    graph: setup.graph,
    state: options.state,
    request: options.request,
    now: () => clock.now(),
  })
  const ownProofs = createOwnProofs({
    network: setup.network,
    state: options.state,
    request: options.request,
    now: () => clock.now(),
    kept: options.own ?? new Map(),
    publish: (message) => guarded(() => gossip.publishProven(message)),
  })
  const heightNow = (): number => {
    const state = options.state()
    return state.syncedAt === undefined ? 0 : heightOf(state)
  }
  const snapshots = createSnapshots({
    graph: setup.graph,
    chainHash: NETWORKS[setup.network].chainHash,
    clock,
    download: options.download,
    mark: options.snapshotMark,
    url: () => options.state().preferences[SNAPSHOTS] ?? '',
    height: heightNow,
    guarded,
  })
  const writer = createGraphWriter(
    setup.graph,
    { nextBlock: options.nextBlock, passAt: options.passAt },
    () => gossip.status(),
    () => snapshots.takeWrites(),
  )
  const waiting = new Map<ConnectionId, Uint8Array[]>()
  let stopped = false
  let scheduled = false
  let writtenAt = clock.now()
  let writing: Promise<void> | undefined
  const stored = new Map(options.stored)
  let syncsWith: string | undefined
  let lastSync: GraphSummary['lastSync']
  let cancelTick = clock.after(TICK_MS, tick)

  /** Nothing here may stop the node. */
  function guarded(task: () => void): void {
    if (stopped || options.frozen()) return
    try {
      task()
      perform()
    } catch (error) {
      stopped = true
      options.onDefect(error)
    }
  }

  function perform(): void {
    const { peers } = options.state()
    const frames = new Map<ConnectionId, Uint8Array[]>()
    for (const effect of gossip.take()) {
      const peer = peers[effect.nodeId]
      if (peer === undefined) continue
      if (effect.type === 'hangUp') options.hangUp(peer.connection, effect.reason)
      else {
        const frame = frames.get(peer.connection)
        if (frame === undefined) frames.set(peer.connection, [effect.bytes])
        else frame.push(effect.bytes)
      }
    }
    for (const [connection, messages] of frames) options.send(connection, messages)
  }

  function schedule(): void {
    if (scheduled || stopped) return
    scheduled = true
    clock.after(0, () => {
      scheduled = false
      guarded(() => {
        const began = clock.now()
        let more = true
        while (more && clock.now() - began < SLICE_MS) more = gossip.work(MESSAGES_AT_ONCE, clock.now())
        noteSync()
        if (more) schedule()
      })
    })
  }

  /** Notes when a sync has come to its end, and with whom. */
  function noteSync(): void {
    const { sync, syncPeer } = gossip.status()
    if (sync === 'running') syncsWith = syncPeer
    else if (sync === 'done' && (lastSync === undefined || syncsWith !== undefined)) {
      lastSync = { at: clock.now(), peer: syncsWith }
      syncsWith = undefined
    }
  }

  /** What comes right behind a peer's init, in the same frame, waits until the node has read the init. */
  function early({ connection, bytes }: { connection: ConnectionId; bytes: Uint8Array }): boolean {
    const list = waiting.get(connection) ?? []
    waiting.set(connection, list)
    if (list.length < MAX_EARLY) list.push(bytes)
    return true
  }

  function tick(): void {
    guarded(() => {
      for (const connection of waiting.keys())
        if (options.state().connections[connection] === undefined) waiting.delete(connection)
      cancelTick = clock.after(TICK_MS, tick)
      gossip.tick(clock.now(), heightNow())
      snapshots.tick()
      noteSync()
      prover.doubt([...gossip.disputed])
      gossip.disputed.clear()
      prover.tick()
      ownProofs.tick()
      if (clock.now() - writtenAt >= WRITE_EVERY_MS) void write(CHUNKS_A_WRITE)
    })
  }

  function write(chunks: number): Promise<void> {
    if (writing !== undefined) return writing
    if (options.frozen()) return Promise.resolve()
    writtenAt = clock.now()
    const writes: RecordWrite[] = [...writer.take(chunks), ...ownProofs.takeWrites()]
    if (writes.length === 0) return Promise.resolve()
    for (const { key, value } of writes) {
      if (value === null) stored.delete(key)
      else stored.set(key, value.length)
    }
    writing = options.store
      .commit(writes)
      .catch((error: unknown) => {
        // The graph can be asked for again; a store that fails stops the node by itself.
        options.onDefect(error)
      })
      .finally(() => {
        writing = undefined
      })
    return writing
  }

  return {
    intercept(input) {
      if (input.type !== 'peerMessage' || !isGossip(input.bytes)) return false
      const nodeId = options.state().connections[input.connection]
      const peer = nodeId === undefined ? undefined : options.state().peers[nodeId]
      if (nodeId === undefined || peer === undefined || peer.phase !== 'ready') return early(input)
      // Terms of channels between us and the peer are the node's business too.
      if (isUpdateOfOurs(input.bytes, options.state(), nodeId)) {
        guarded(() => gossip.receive(nodeId, input.bytes))
        schedule()
        return false
      }
      guarded(() => gossip.receive(nodeId, input.bytes))
      schedule()
      return true
    },
    publish(item) {
      guarded(() => {
        if (item.kind === 'channel') gossip.publishChannel(item.message, Number(item.capacitySat))
        else if (item.kind === 'update') gossip.publishUpdate(item.message)
        else if (item.kind === 'node') gossip.publishNode(item.message)
        else if (item.kind === 'proven') ownProofs.announce(item)
        else {
          gossip.ownClosed(item.shortChannelId, item.height)
          ownProofs.forget(item.shortChannelId)
        }
      })
    },
    event(event) {
      if (event.type === 'peerReady') {
        const features = options.state().peers[event.nodeId]?.features ?? new Uint8Array(0)
        const { connection } = options.state().peers[event.nodeId] ?? {}
        guarded(() => {
          gossip.connected(event.nodeId, features, clock.now())
          if (connection === undefined) return
          for (const bytes of waiting.get(connection) ?? []) gossip.receive(event.nodeId, bytes)
          waiting.delete(connection)
          schedule()
        })
      } else if (event.type === 'peerLost') guarded(() => gossip.disconnected(event.nodeId))
      else if (event.type === 'paymentAttempt' && event.hops !== undefined)
        prover.want(channelsAlong(setup.graph, event.hops))
    },
    fetchSnapshot: () => snapshots.tick(true),
    want(scids) {
      prover.want(scids)
      guarded(() => gossip.want(scids, clock.now()))
    },
    summary: () => ({
      ...summaryOf(setup.graph, gossip.status(), Math.floor(clock.now() / 1000) - STALE_SECONDS),
      storageBytes: [...stored.values()].reduce((sum, bytes) => sum + bytes, 0),
      lastSync,
      snapshot: snapshots.status(),
    }),
    async stop() {
      stopped = true
      prover.stop()
      ownProofs.stop()
      snapshots.stop()
      cancelTick()
      await writing
      while (isDirty(setup.graph) && !options.frozen()) await write(64)
      // And where the sync stands, now that nothing changes any more.
      if (!options.frozen()) await write(64)
    },
  }
}

/** A channel_update whose channel is one with this very peer: the id is at a fixed place (BOLT 7 §channel_update). */
function isUpdateOfOurs(bytes: Uint8Array, state: NodeState, nodeId: string): boolean {
  if (bytes[1] !== 2 || bytes.length < 2 + 64 + 32 + 8) return false
  const scid = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2 + 64 + 32)
  return Object.values(state.channels).some(
    (c) =>
      c.peer === nodeId &&
      (c.funding.shortChannelId === scid || c.localAlias === scid || c.remoteAlias === scid),
  )
}
