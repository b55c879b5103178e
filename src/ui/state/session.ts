import { createStore } from 'zustand/vanilla'
import { useStore } from 'zustand'
import { ApiError, type ApiErrorData } from '../../contract/errors.ts'
import type { Client } from '../../contract/procedures.ts'
import type { AppState } from '../../contract/schemas.ts'

export type NetworkName = AppState['network']

/** A peer that the playground serves, to be offered where a channel is opened. */
export interface OfferedPeer {
  readonly name: string
  readonly nodeId: string
  readonly address: string
}

/** What a new wallet starts from; the playground that serves the page may know better than the build. */
export interface Defaults {
  readonly network: NetworkName
  readonly gateway: string
  readonly servers: readonly string[]
  readonly peers: readonly OfferedPeer[]
  readonly shop?: string | undefined
}

interface Session {
  /** The newest state of the node; undefined until it has spoken. */
  readonly node: AppState | undefined
  readonly defaults: Defaults
  /** Set when the worker or its state stream ended: nothing on the screen is live any more. */
  readonly lost: ApiErrorData | undefined
  /** A new version of the app waits to be taken; calling it reloads the page. */
  readonly takeUpdate: (() => void) | undefined
  /** Text handed over by a link or the share sheet, for Send. */
  readonly handedOver: string | undefined
}

/** Where no playground serves the page. Where money is real nobody is asked whom the user has not chosen. */
const MAINNET: Defaults = { network: 'bitcoin', gateway: '', servers: [], peers: [] }

/** Two public chain servers of different operators, for whoever wants to choose them. */
export const SUGGESTED_SERVERS: readonly string[] = [
  'https://mempool.space/api',
  'https://blockstream.info/api',
]

/** Chain servers a network starts with where nothing nearer is known. */
export const PUBLIC_SERVERS: Readonly<Record<NetworkName, readonly string[]>> = {
  bitcoin: MAINNET.servers,
  testnet4: ['https://mempool.space/testnet4/api'],
  signet: ['https://mempool.space/signet/api'],
  regtest: [],
}

export const PUBLIC_DEFAULTS: Defaults = MAINNET

/** The one store: a projection of the node's own state and of how the page stands to it. */
export const session = createStore<Session>()(() => ({
  node: undefined,
  defaults: MAINNET,
  lost: undefined,
  takeUpdate: undefined,
  handedOver: undefined,
}))

export function useSession<T>(select: (session: Session) => T): T {
  return useStore(session, select)
}

let current: Client | undefined

export function setClient(client: Client): void {
  current = client
}

/** The API of the node in this page. Screens are shown once it is there. */
export function client(): Client {
  if (current === undefined) throw new ApiError({ code: 'notReady', message: 'The node is still starting.' })
  return current
}

/** Part of the node's state. Only for what is shown once there is one. */
export function useNode<T>(select: (node: AppState) => T): T {
  return useStore(session, (s) => {
    if (s.node === undefined) throw new Error('A screen was shown before the node had spoken.')
    return select(s.node)
  })
}

/** Anything thrown, as an error with a code. */
export function toError(thrown: unknown): ApiErrorData {
  if (thrown instanceof ApiError) return { code: thrown.code, message: thrown.message, data: thrown.data }
  return { code: 'internal', message: thrown instanceof Error ? thrown.message : String(thrown) }
}
