import { ApiError, type ApiErrorData } from '../contract/errors.ts'
import type { ConnectionId, NodeInput } from '../engine/node/ports.ts'
import { type Link, openLink } from './link.ts'
import { type PeerAddress, parsePeerAddress } from './peer-address.ts'
import type { Clock, MachineInput, PeersPort } from './ports.ts'
import type { ByteSocket, Dial } from './socket.ts'

/** A dialer that has not said anything by then is given up. */
const DIAL_MS = 30_000
const FIRST_RETRY_MS = 1_000
const LAST_RETRY_MS = 60_000
/** A connection that lasted this long starts the back-off anew. */
const HEALTHY_MS = 60_000
/** Two connections that two nodes made to each other within this time are one attempt of both. */
const SIMULTANEOUS_MS = 10_000
/** Of one peer's messages so much may wait for the engine before we stop reading, until so much is left. */
const HIGH_WATER_BYTES = 1024 * 1024
const LOW_WATER_BYTES = 256 * 1024
/** Where reading cannot be stopped, this ends the connection. */
const FLOOD_BYTES = 16 * 1024 * 1024
/** What a message costs to keep besides its bytes. */
const MESSAGE_OVERHEAD_BYTES = 64
const MAX_INBOUND_HANDSHAKES = 32
const MAX_CONNECTIONS = 256

export interface PeersOptions {
  readonly dial: Dial
  readonly clock: Clock
  /** The node's 32-byte secret and its public key, 66 hex digits. */
  readonly localSecret: Uint8Array
  readonly localNodeId: string
  /** 32 fresh bytes a call. */
  readonly entropy: () => Uint8Array
  readonly emit: (input: MachineInput) => void
}

/** A peer that is connected or that we keep trying; the API's view. */
export interface PeerStatus {
  readonly nodeId: string
  /** As given to `keepConnected`; absent for one that came to us. */
  readonly address?: string
  readonly state: 'connecting' | 'connected' | 'waiting' | 'disconnected'
  /** ms since 1970, while waiting. */
  readonly retryAt?: number
  readonly lastError?: ApiErrorData
  /** Whether the present connection came from the peer. */
  readonly inbound: boolean
}

export interface Peers extends PeersPort {
  /** Takes a connection that came to us; the handshake decides who it is. */
  accept(socket: ByteSocket): void
  /** The network is back: whoever waits is dialled at once. */
  online(): void
  status(): readonly PeerStatus[]
  /** Called whenever `status` would answer differently. Returns the way out. */
  onChange(listener: () => void): () => void
  /** Resolves when the node is connected; rejects (`ApiError`) with the outcome of the next failed attempt, or when it is let go. */
  whenConnected(nodeId: string): Promise<void>
}

interface Live {
  readonly id: ConnectionId
  readonly nodeId: string
  readonly link: Link
  readonly inbound: boolean
  readonly since: number
  queuedBytes: number
  paused: boolean
}

interface Kept {
  readonly nodeId: string
  text: string
  phase: 'connecting' | 'waiting' | 'connected' | 'invalid'
  /** Failed attempts in a row. */
  failures: number
  retryAt?: number
  lastError?: ApiErrorData
  /** Ends the attempt or the waiting that is under way. */
  cancel: () => void
}

/** All connections of a node: dials and dials again, shakes hands, keeps one connection a peer, frames a turn's messages. */
export function createPeers(options: PeersOptions): Peers {
  const { clock, emit } = options
  const live = new Map<ConnectionId, Live>()
  const byNode = new Map<string, Live>()
  const kept = new Map<string, Kept>()
  const handshakes = new Set<Link>()
  const listeners = new Set<() => void>()
  const waiters = new Set<{ nodeId: string; settle: (failure?: ApiErrorData) => void }>()
  let nextId = 1
  let down = false

  function changed(): void {
    for (const listener of listeners) listener()
  }

  function settle(nodeId: string, failure?: ApiErrorData): void {
    for (const waiter of waiters) {
      if (waiter.nodeId !== nodeId) continue
      waiters.delete(waiter)
      waiter.settle(failure)
    }
  }

  // ── dialling ──────────────────────────────────────────────────────────────────────────────────────────────────────

  function dial(entry: Kept): void {
    entry.cancel()
    delete entry.retryAt
    const address = parsePeerAddress(withNodeId(entry.nodeId, entry.text))
    if (!address.ok || address.value.nodeId !== entry.nodeId) {
      entry.phase = 'invalid'
      entry.lastError = address.ok ? OTHER_NODE : address.error
      settle(entry.nodeId, entry.lastError)
      return changed()
    }
    entry.phase = 'connecting'
    attempt(entry, address.value)
    changed()
  }

  function attempt(entry: Kept, address: PeerAddress): void {
    const controller = new AbortController()
    let link: Link | undefined
    let done = false
    const cancelTimer = clock.after(DIAL_MS, () =>
      fail({ code: 'peerUnreachable', message: `Nothing answered within ${DIAL_MS / 1000} s.` }),
    )
    /** True once: whatever comes later is not this attempt's business. */
    const finish = (): boolean => {
      if (done) return false
      done = true
      cancelTimer()
      entry.cancel = () => {}
      return true
    }
    const fail = (failure: ApiErrorData): void => {
      if (!finish()) return
      controller.abort()
      attemptFailed(entry, failure)
    }
    entry.cancel = () => {
      if (!finish()) return
      controller.abort()
      link?.close()
    }
    options.dial(address, controller.signal).then(
      (socket) => {
        if (done) return socket.close()
        cancelTimer()
        link = shakeHands(socket, entry, finish, fail)
        link.start()
      },
      (e: unknown) => fail(failureOf(e)),
    )
  }

  function shakeHands(
    socket: ByteSocket,
    entry: Kept,
    finish: () => boolean,
    fail: (failure: ApiErrorData) => void,
  ): Link {
    let connection: Live | undefined
    const link: Link = openLink(
      {
        socket,
        clock,
        localSecret: options.localSecret,
        ephemeralSecret: options.entropy(),
        remoteNodeId: entry.nodeId,
      },
      {
        ready(nodeId) {
          if (finish()) connection = connected(link, nodeId, false, entry.text)
        },
        messages: (messages) => connection && received(connection, messages),
        ended: (failure) => (connection === undefined ? fail(failure) : lost(connection, failure)),
      },
    )
    return link
  }

  function attemptFailed(entry: Kept, failure: ApiErrorData): void {
    // It may have called us meanwhile.
    if (byNode.has(entry.nodeId)) entry.phase = 'connected'
    else wait(entry, failure)
    settle(entry.nodeId, byNode.has(entry.nodeId) ? undefined : failure)
    changed()
  }

  function wait(entry: Kept, failure: ApiErrorData): void {
    entry.cancel()
    entry.lastError = failure
    entry.phase = 'waiting'
    const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(entry.failures, 10))
    entry.failures += 1
    // Spread by a quarter either way: a peer that restarts is not called by everybody at once.
    const delay = Math.round(base * (0.75 + (options.entropy()[0] ?? 0) / 512))
    entry.retryAt = clock.now() + delay
    entry.cancel = clock.after(delay, () => dial(entry))
  }

  // ── connections ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A handshake is complete. Undefined when this connection is the one to give up. */
  function connected(link: Link, nodeId: string, inbound: boolean, address?: string): Live | undefined {
    const older = byNode.get(nodeId)
    if (older !== undefined && prefersOlder(older, inbound)) {
      link.close()
      const entry = kept.get(nodeId)
      if (entry !== undefined) entry.phase = 'connected'
      changed()
      return undefined
    }
    if (older !== undefined) drop(older, 'replaced by a newer connection')
    const connection: Live = {
      id: `c${nextId++}`,
      nodeId,
      link,
      inbound,
      since: clock.now(),
      queuedBytes: 0,
      paused: false,
    }
    live.set(connection.id, connection)
    byNode.set(nodeId, connection)
    const entry = kept.get(nodeId)
    if (entry !== undefined) {
      // An attempt of ours that is under way goes on: both ends have to judge the same two connections.
      if (entry.phase === 'waiting') entry.cancel()
      entry.phase = 'connected'
      delete entry.retryAt
      delete entry.lastError
    }
    emit({
      type: 'peerConnected',
      connection: connection.id,
      nodeId,
      ...(address === undefined ? {} : { address }),
    })
    settle(nodeId)
    changed()
    return connection
  }

  /**
   * Newer replaces older, since a peer that calls again has lost the older one. Except when both called each other at the same time:
   * then both keep the call of the greater node id, or each would close the other's.
   */
  function prefersOlder(older: Live, inbound: boolean): boolean {
    if (older.inbound === inbound || clock.now() - older.since >= SIMULTANEOUS_MS) return false
    const oursIsOlder = !older.inbound
    return oursIsOlder === options.localNodeId > older.nodeId
  }

  function received(connection: Live, messages: readonly Uint8Array[]): void {
    for (const bytes of messages) {
      if (!live.has(connection.id)) return
      connection.queuedBytes += bytes.length + MESSAGE_OVERHEAD_BYTES
      emit({ type: 'peerMessage', connection: connection.id, bytes })
    }
    if (connection.queuedBytes > FLOOD_BYTES) hangUp(connection.id, 'sends faster than we can take it')
    else if (connection.queuedBytes > HIGH_WATER_BYTES && !connection.paused) {
      connection.paused = true
      connection.link.pause()
    }
  }

  /** Forgets a connection and tells the engine. */
  function forget(connection: Live, reason: string): boolean {
    if (!live.delete(connection.id)) return false
    if (byNode.get(connection.nodeId) === connection) byNode.delete(connection.nodeId)
    emit({ type: 'peerDisconnected', connection: connection.id, reason })
    return true
  }

  function drop(connection: Live, reason: string): void {
    if (forget(connection, reason)) connection.link.close()
  }

  function lost(connection: Live, failure: ApiErrorData): void {
    if (down || !forget(connection, failure.message)) return
    const entry = kept.get(connection.nodeId)
    if (entry !== undefined && entry.phase === 'connected') {
      if (clock.now() - connection.since >= HEALTHY_MS) entry.failures = 0
      wait(entry, failure)
    }
    changed()
  }

  function hangUp(id: ConnectionId, reason: string): void {
    const connection = live.get(id)
    if (connection === undefined) return
    connection.link.close()
    lost(connection, { code: 'peerDisconnected', message: reason })
  }

  const statusOf = (nodeId: string): PeerStatus => {
    const connection = byNode.get(nodeId)
    const entry = kept.get(nodeId)
    const state = connection !== undefined ? 'connected' : entry?.phase === 'waiting' ? 'waiting' : undefined
    return {
      nodeId,
      ...(entry === undefined ? {} : { address: withNodeId(nodeId, entry.text) }),
      state: state ?? (entry?.phase === 'connecting' ? 'connecting' : 'disconnected'),
      ...(entry?.retryAt === undefined ? {} : { retryAt: entry.retryAt }),
      ...(entry?.lastError === undefined ? {} : { lastError: entry.lastError }),
      inbound: connection?.inbound ?? false,
    }
  }

  return {
    send: (id, messages) => live.get(id)?.link.send(messages),
    hangUp,
    keepConnected(nodeId, text) {
      if (down) return
      let entry = kept.get(nodeId)
      const moved = entry !== undefined && entry.text !== text
      if (entry === undefined) {
        entry = { nodeId, text, phase: 'waiting', failures: 0, cancel: () => {} }
        kept.set(nodeId, entry)
      }
      entry.text = text
      if (byNode.has(nodeId)) {
        entry.phase = 'connected'
        return changed()
      }
      // Asked for again: a fresh wish is worth an attempt at once.
      if (entry.phase !== 'connecting' || moved) dial(entry)
    },
    letGo(nodeId) {
      const entry = kept.get(nodeId)
      if (entry === undefined) return
      kept.delete(nodeId)
      entry.cancel()
      if (!byNode.has(nodeId)) settle(nodeId, LET_GO)
      changed()
    },
    accept(socket) {
      if (down || handshakes.size >= MAX_INBOUND_HANDSHAKES || live.size >= MAX_CONNECTIONS)
        return socket.close()
      let connection: Live | undefined
      const link: Link = openLink(
        { socket, clock, localSecret: options.localSecret, ephemeralSecret: options.entropy() },
        {
          ready(nodeId) {
            handshakes.delete(link)
            connection = connected(link, nodeId, true)
          },
          messages: (messages) => connection && received(connection, messages),
          ended(failure) {
            handshakes.delete(link)
            if (connection !== undefined) lost(connection, failure)
          },
        },
      )
      handshakes.add(link)
      link.start()
    },
    online() {
      for (const entry of kept.values()) {
        if (entry.phase !== 'waiting') continue
        entry.failures = 0
        dial(entry)
      }
    },
    consumed(inputs: readonly NodeInput[]) {
      for (const input of inputs) {
        if (input.type !== 'peerMessage') continue
        const connection = live.get(input.connection)
        if (connection === undefined) continue
        connection.queuedBytes -= input.bytes.length + MESSAGE_OVERHEAD_BYTES
        if (!connection.paused || connection.queuedBytes > LOW_WATER_BYTES) continue
        connection.paused = false
        connection.link.resume()
      }
    },
    status: () => [...new Set([...kept.keys(), ...byNode.keys()])].map(statusOf),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    whenConnected(nodeId) {
      if (byNode.has(nodeId)) return Promise.resolve()
      return new Promise((resolve, reject) => {
        waiters.add({
          nodeId,
          settle: (failure) => (failure === undefined ? resolve() : reject(new ApiError(failure))),
        })
      })
    },
    shutDown(reason) {
      if (down) return
      down = true
      for (const entry of kept.values()) entry.cancel()
      kept.clear()
      for (const link of handshakes) link.close()
      handshakes.clear()
      for (const connection of live.values()) drop(connection, reason)
      for (const waiter of waiters) waiter.settle(LET_GO)
      waiters.clear()
      changed()
    },
  }
}

const LET_GO: ApiErrorData = { code: 'cancelled', message: 'The connection is no longer wanted.' }
const OTHER_NODE: ApiErrorData = {
  code: 'peerAddressInvalid',
  message: 'The address is that of another node.',
  data: { part: 'nodeId' },
}

/** The engine keeps addresses with or without the node id in front. */
const withNodeId = (nodeId: string, text: string): string => (text.includes('@') ? text : `${nodeId}@${text}`)

function failureOf(error: unknown): ApiErrorData {
  if (error instanceof ApiError) return { code: error.code, message: error.message, data: error.data }
  return { code: 'peerUnreachable', message: 'The connection could not be opened.' }
}
