import { ApiError, type ApiErrorData, ERROR_CODES, type ErrorCode } from '../contract/errors.ts'
import type { ApiFailure, Command, CommandResult, NodeEvent } from '../engine/node/commands.ts'
import type { NodeEffect, NodeInput, Publication, RecordWrite, Store } from '../engine/node/ports.ts'
import type { Clock, EsploraPort, MachineInput, PeersPort } from './ports.ts'

/** A turn hands the engine this at least so often, whatever else happens. */
const TICK_MS = 5_000
/** Ticks that the engine asks for come no closer together than this: a wish in the past must not spin. */
const MIN_TICK_GAP_MS = 20

/**
 * The most inputs of one turn. Without a bound a peer that is sent a thousand payments would wait for all of them to be reckoned, and we
 * then for it: in pieces both work at the same time. It costs a signature and a write a piece, which so many inputs outweigh.
 */
const MAX_TURN_INPUTS = 64

/** What a turn may use of the world: ms since 1970 and 32 fresh random bytes. */
export interface TurnContext {
  readonly now: number
  readonly entropySeed: Uint8Array
}

/** What a turn led to. */
export interface TurnResult<S> {
  readonly state: S
  readonly writes: readonly RecordWrite[]
  readonly effects: readonly NodeEffect[]
}

/** The engine: pure and synchronous; a throw is a defect, and leaves nothing behind: the state before it is still good. */
export type Turn<S> = (state: S, inputs: readonly NodeInput[], context: TurnContext) => TurnResult<S>

export interface LoopPorts<S> {
  readonly turn: Turn<S>
  readonly store: Pick<Store, 'commit' | 'read'>
  readonly peers: PeersPort
  readonly esplora: EsploraPort
  readonly clock: Clock
  /** 32 fresh bytes a call. */
  readonly entropy: () => Uint8Array
  /** For the log: what froze the node, or what a listener threw. */
  readonly onDefect?: (error: unknown) => void
  /** Hears what this node tells the network; without it nothing is told. */
  readonly publish?: (item: Publication) => void
}

/** The node as its listeners see it. `state` is the last one that is on disk, also when frozen. */
export interface LoopStatus<S> {
  readonly phase: 'running' | 'frozen' | 'stopped'
  readonly state: S
  /** Why it is frozen. */
  readonly error?: ApiErrorData
}

export interface Loop<S> {
  /** Takes the first turn (a tick), so that what was loaded can ask for what it needs. */
  start(): void
  push(input: MachineInput): void
  /** Resolves or rejects (`ApiError`) once the turn that answers it is on disk. */
  command(command: Command): Promise<CommandResult>
  /** Events in order, each after the write that made it true. Returns the way out. */
  subscribe(listener: (event: NodeEvent) => void): () => void
  /** Called after each turn and when the phase changes. Returns the way out. */
  onState(listener: (status: LoopStatus<S>) => void): () => void
  status(): LoopStatus<S>
  /** Stops everything for good: nothing is sent, broadcast or written any more. For the shell's own failures (a store that was lost). */
  freeze(error: ApiErrorData, cause?: unknown): void
  /** Lets the turn that is being written finish, then hangs up. Nothing moves afterwards; open commands fail with `cancelled`. */
  stop(): Promise<void>
}

interface PendingCommand {
  resolve(value: CommandResult): void
  reject(error: ApiError): void
}

/**
 * The shell's loop (house laws 2 and 3): one turn takes everything that has arrived, its records are committed, and only then do its
 * effects run, in order. While a commit is pending nothing else happens; what arrives waits and makes the next turn.
 */
export function createLoop<S>(initial: S, ports: LoopPorts<S>): Loop<S> {
  const { clock, peers } = ports
  const onDefect = ports.onDefect ?? (() => {})
  let state = initial
  let phase: LoopStatus<S>['phase'] = 'running'
  let error: ApiErrorData | undefined
  let queue: NodeInput[] = []
  let running: Promise<void> | undefined
  /** So many of the queue's first inputs get a turn each: one of them made a turn throw. */
  let alone = 0
  let nextCommand = 1
  const commands = new Map<number, PendingCommand>()
  const requests = new Map<number, AbortController>()
  const eventListeners = new Set<(event: NodeEvent) => void>()
  const stateListeners = new Set<(status: LoopStatus<S>) => void>()
  let wakeAt: number | undefined
  let lastTick = Number.NEGATIVE_INFINITY
  let cancelTimer: () => void = () => {}

  const status = (): LoopStatus<S> => ({ phase, state, ...(error === undefined ? {} : { error }) })

  /** A listener is not the node: what it throws is reported and goes no further. */
  function notify<T>(listeners: ReadonlySet<(value: T) => void>, value: T): void {
    for (const listener of listeners) {
      try {
        listener(value)
      } catch (thrown) {
        onDefect(thrown)
      }
    }
  }

  function setTimer(): void {
    cancelTimer()
    if (phase !== 'running') return
    const wish =
      wakeAt === undefined ? Number.POSITIVE_INFINITY : Math.max(wakeAt, lastTick + MIN_TICK_GAP_MS)
    const due = Math.min(wish, lastTick + TICK_MS)
    cancelTimer = clock.after(Math.max(0, due - clock.now()), tick)
  }

  function tick(): void {
    lastTick = clock.now()
    if (wakeAt !== undefined && wakeAt <= lastTick) wakeAt = undefined
    if (!queue.some((input) => input.type === 'tick')) push({ type: 'tick' })
    setTimer()
  }

  function push(input: NodeInput): void {
    if (phase !== 'running') return
    queue.push(input)
    // In a microtask: whatever is pushed together is one turn.
    running ??= Promise.resolve().then(run)
  }

  async function run(): Promise<void> {
    while (queue.length > 0 && phase === 'running') {
      const most = alone > 0 ? 1 : MAX_TURN_INPUTS
      alone = Math.max(0, alone - 1)
      const inputs = queue.slice(0, most)
      queue = queue.slice(most)
      await takeTurn(inputs)
    }
    running = undefined
  }

  async function takeTurn(inputs: readonly NodeInput[]): Promise<void> {
    let result: TurnResult<S>
    try {
      result = ports.turn(state, inputs, { now: clock.now(), entropySeed: ports.entropy() })
    } catch (defect) {
      const [only] = inputs
      if (only === undefined || inputs.length > 1) {
        queue = [...inputs, ...queue]
        alone = inputs.length
      } else contain(only, defect)
      return
    }
    if (result.writes.length > 0) {
      try {
        await ports.store.commit(result.writes)
      } catch (failure) {
        freeze(failure instanceof ApiError ? failure : STORE_FAILED, failure)
        return
      }
    }
    // Frozen while the write was under way: it is on disk, and a reload takes it from there.
    if (phase === 'frozen') return
    state = result.state
    try {
      for (const effect of result.effects) {
        execute(effect)
        // An effect may have frozen the node through a port.
        if (status().phase === 'frozen') return
      }
      peers.consumed(inputs)
    } catch (defect) {
      freeze(DEFECT, defect)
      return
    }
    notify(stateListeners, status())
  }

  /**
   * An input that the engine throws at, by itself, costs whoever sent it and nobody else: a node that stops watches no chain any more, and no
   * stranger may be able to stop it. Nothing of the turn was written or sent. Only what is the node's own stops it.
   */
  function contain(input: NodeInput, defect: unknown): void {
    switch (input.type) {
      case 'peerMessage': {
        onDefect(defect)
        const { connection } = input
        const dropped = queue.filter((i) => i.type === 'peerMessage' && i.connection === connection)
        queue = queue.filter((i) => !dropped.includes(i))
        alone = 0
        peers.consumed([input, ...dropped])
        peers.hangUp(connection, 'sent what this node cannot handle')
        return
      }
      case 'esploraResponse': {
        if (!input.result.ok) return freeze(DEFECT, defect)
        onDefect(defect)
        const error = { kind: 'shape', message: 'an answer that this node cannot handle' } as const
        queue.unshift({ ...input, result: { ok: false, error } })
        alone++
        return
      }
      case 'command': {
        onDefect(defect)
        const pending = commands.get(input.id)
        commands.delete(input.id)
        pending?.reject(new ApiError(NOT_DONE))
        return
      }
      default:
        return freeze(DEFECT, defect)
    }
  }

  function execute(effect: NodeEffect): void {
    switch (effect.type) {
      case 'send':
        return peers.send(effect.connection, effect.messages)
      case 'hangUp':
        return peers.hangUp(effect.connection, effect.reason)
      case 'keepConnected':
        return peers.keepConnected(effect.nodeId, effect.address)
      case 'letGo':
        return peers.letGo(effect.nodeId)
      case 'esplora':
        return ask(effect)
      case 'esploraCancel':
        requests.get(effect.id)?.abort()
        requests.delete(effect.id)
        return
      case 'readRecord':
        return readRecord(effect.key)
      case 'publish':
        return ports.publish?.(effect.item)
      case 'wakeAt':
        wakeAt = effect.ms
        return setTimer()
      case 'reply': {
        const pending = commands.get(effect.id)
        commands.delete(effect.id)
        if (effect.result.ok) pending?.resolve(effect.result.value)
        else pending?.reject(asApiError(effect.result.error))
        return
      }
      case 'event':
        return notify(eventListeners, effect.event)
      default:
        return effect satisfies never
    }
  }

  function ask({ id, server, request }: NodeEffect & { type: 'esplora' }): void {
    const controller = new AbortController()
    requests.set(id, controller)
    ports.esplora.request(server, request, controller.signal).then(
      (result) => {
        // A request that was cancelled is forgotten: its answer, if one still comes, is nobody's.
        if (requests.get(id) !== controller) return
        requests.delete(id)
        push({ type: 'esploraResponse', id, result })
      },
      (defect: unknown) => freeze(DEFECT, defect),
    )
  }

  /** A record that cannot be read stops the node: what it would say of somebody else's old state is not to be guessed. */
  function readRecord(key: string): void {
    ports.store.read(key).then(
      (value) => push({ type: 'record', key, value: value ?? null }),
      (failure: unknown) => freeze(failure instanceof ApiError ? failure : STORE_UNREADABLE, failure),
    )
  }

  /** Ends all activity; the phase must have been changed before, so that nothing starts anew. */
  function silence(reason: string, failure: ApiErrorData): void {
    cancelTimer()
    queue = []
    for (const controller of requests.values()) controller.abort()
    requests.clear()
    try {
      peers.shutDown(reason)
    } catch (defect) {
      onDefect(defect)
    }
    const open = [...commands.values()]
    commands.clear()
    for (const pending of open) pending.reject(new ApiError(failure))
    notify(stateListeners, status())
  }

  function freeze(why: ApiErrorData, cause?: unknown): void {
    if (phase !== 'running') return
    phase = 'frozen'
    error = { code: why.code, message: why.message, ...(why.data === undefined ? {} : { data: why.data }) }
    onDefect(cause ?? new ApiError(error))
    silence('this node has stopped', error)
  }

  return {
    start: () => {
      if (phase === 'running') tick()
    },
    push,
    command(command) {
      if (phase === 'frozen') return Promise.reject(new ApiError(FROZEN))
      if (phase === 'stopped') return Promise.reject(new ApiError(STOPPED))
      const id = nextCommand++
      return new Promise((resolve, reject) => {
        commands.set(id, { resolve, reject })
        push({ type: 'command', id, command })
      })
    },
    subscribe(listener) {
      eventListeners.add(listener)
      return () => void eventListeners.delete(listener)
    },
    onState(listener) {
      stateListeners.add(listener)
      return () => void stateListeners.delete(listener)
    },
    status,
    freeze,
    async stop() {
      if (phase !== 'running') return running
      // The turn that is being written goes through with its effects; the loop ends at the next check of the phase.
      phase = 'stopped'
      await running
      silence('this node goes away', STOPPED)
    },
  }
}

const FROZEN: ApiErrorData = {
  code: 'frozen',
  message: 'The node has stopped and changes nothing any more. Reload it.',
}
const STOPPED: ApiErrorData = { code: 'cancelled', message: 'The node was stopped.' }
const DEFECT: ApiErrorData = {
  code: 'internal',
  message: 'The node met a defect and stopped before anything wrong was sent.',
}
const NOT_DONE: ApiErrorData = {
  code: 'internal',
  message: 'The node met a defect and did not do this.',
}
const STORE_FAILED: ApiErrorData = {
  code: 'storageFailed',
  message: 'The node could not write to its storage and stopped before anything was sent.',
}

const STORE_UNREADABLE: ApiErrorData = {
  code: 'storageFailed',
  message: 'The node could not read its storage and stopped.',
}

function asApiError(failure: ApiFailure): ApiError {
  const known = (ERROR_CODES as readonly string[]).includes(failure.code)
  return new ApiError({
    code: known ? (failure.code as ErrorCode) : 'internal',
    message: failure.message,
    ...(failure.data === undefined ? {} : { data: failure.data }),
  })
}
