import type { Client } from '../../contract/procedures.ts'
import { createClient } from '../../contract/client.ts'
import type { Port } from '../../contract/port.ts'
import { emptyState } from '../../contract/empty-state.ts'
import { ApiError } from '../../contract/errors.ts'
import type { AppState } from '../../contract/schemas.ts'
import {
  type Defaults,
  type NetworkName,
  type OfferedPeer,
  PUBLIC_DEFAULTS,
  session,
  setClient,
  toError,
} from '../state/session.ts'

declare global {
  /** The API of the node in this page: promises for calls, async iterables for streams. */
  var switchback: Client | undefined
  /** In development only: an in-memory node in place of the worker, put there by the dev server for `?fake`. */
  var switchbackFake: { readonly port: MessagePort; readonly info: unknown } | undefined
}

const NETWORK_NAMES: readonly unknown[] = ['bitcoin', 'testnet4', 'signet', 'regtest']
const MAX_PEERS = 20

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}

const short = (value: unknown, length: number, pattern = /^/): value is string =>
  typeof value === 'string' && value.length <= length && pattern.test(value)

function isPeer(value: unknown): value is OfferedPeer {
  const { name, nodeId, address } = record(value)
  return short(name, 40) && short(nodeId, 66, /^0[23][0-9a-f]{64}$/) && short(address, 300)
}

/**
 * Defaults from what a playground answered at `/api/info`; the build's own when it is not one. Read by hand: the library that checks
 * schemas would weigh more than all else that is loaded for it here.
 */
export function defaultsFrom(info: unknown): Defaults {
  const { network, gateway, esplora, peers = [], shop } = record(info)
  if (
    !NETWORK_NAMES.includes(network) ||
    !short(gateway, 300, /^wss?:\/\//) ||
    !short(esplora, 300, /^https?:\/\//) ||
    !(shop === undefined || short(shop, 300, /^https?:\/\//)) ||
    !Array.isArray(peers) ||
    peers.length > MAX_PEERS ||
    !peers.every(isPeer)
  )
    return PUBLIC_DEFAULTS
  return { network: network as NetworkName, gateway, servers: [esplora], peers, shop }
}

/** Asks the server of this page whether it is a playground. A static host, or none at all, is a plain no. */
async function fetchDefaults(): Promise<Defaults> {
  try {
    const response = await fetch('/api/info', {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(5000),
    })
    return response.ok ? defaultsFrom(await response.json()) : PUBLIC_DEFAULTS
  } catch {
    return PUBLIC_DEFAULTS
  }
}

/**
 * Whether nothing has ever been stored here, so that there can be no wallet; said by the browser itself, long before the engine is there.
 * Where it cannot say, the node will.
 */
async function isFirstVisit(): Promise<boolean> {
  try {
    return (await indexedDB.databases()).length === 0
  } catch {
    return false
  }
}

/** What the node is going to say on a first visit. */
const beforeTheNode = ({ network, gateway, servers }: Defaults): AppState =>
  emptyState({ phase: 'noWallet', network, gateway, servers, version: '', lock: { password: false } })

/** Whether the node has said anything. */
let spoken = false

function startWorker(defaults: Promise<Defaults>): MessagePort {
  const worker = new Worker(new URL('../../worker/main.ts', import.meta.url), {
    type: 'module',
    name: 'switchback',
  })
  const { port1, port2 } = new MessageChannel()
  worker.onerror = (event) => {
    // Once it has spoken it reports its own troubles; before that, this is the only sign that it could not start.
    if (spoken) return
    lose(new ApiError({ code: 'internal', message: event.message || 'The worker did not start.' }))
  }
  void defaults.then(({ network, gateway, servers }) => {
    worker.postMessage({ type: 'port', port: port2, defaults: { network, gateway, servers } }, [port2])
  })
  return port1
}

/** The DOM's MessagePort as the contract's. */
function portOf(port: MessagePort): Port {
  return {
    post: (message) => port.postMessage(message),
    listen: (listener) => {
      port.onmessage = (event) => listener(event.data)
    },
    close: () => port.close(),
  }
}

/** The new state with the old objects where nothing in them changed, so that only what did is drawn again. */
export function shareUnchanged(before: AppState | undefined, now: AppState): AppState {
  if (before === undefined) return now
  const same = (key: keyof AppState) => JSON.stringify(before[key]) === JSON.stringify(now[key])
  const kept = (Object.keys(now) as (keyof AppState)[]).filter(same).map((key) => [key, before[key]])
  return { ...now, ...(Object.fromEntries(kept) as Partial<AppState>) }
}

function lose(thrown: unknown): void {
  if (session.getState().lost === undefined) session.setState({ lost: toError(thrown) })
}

/** Starts the node, connects to it and keeps the session's copy of its state until the page goes. */
export function connect(): void {
  const fake = import.meta.env.DEV ? globalThis.switchbackFake : undefined
  const defaults = fake === undefined ? fetchDefaults() : Promise.resolve(defaultsFrom(fake.info))
  void defaults.then((known) => session.setState({ defaults: known }))
  const first = fake === undefined ? isFirstVisit() : Promise.resolve(false)
  void Promise.all([defaults, first]).then(([known, isFirst]) => {
    if (isFirst && !spoken) session.setState({ node: beforeTheNode(known) })
  })
  const port = fake === undefined ? startWorker(defaults) : fake.port
  const client = createClient(portOf(port))
  setClient(client)
  globalThis.switchback = client
  const follow = async () => {
    // Screens need to know both: what the node says and what this page offers.
    await defaults
    for await (const node of client.getState()) {
      spoken = true
      session.setState(({ node: before }) => ({ node: shareUnchanged(before, node) }))
    }
    throw new ApiError({ code: 'internal', message: 'The node ended its reports.' })
  }
  follow().catch(lose)
}
