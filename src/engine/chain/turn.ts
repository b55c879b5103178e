import type { Txid } from '../bitcoin/types.ts'
import type { Broadcast, ChainEffect, ChainEvent, ChainState, ServerState, TxEntry, Watch } from './types.ts'

/** One step under way: `state` is replaced, never changed; effects and events gather. */
export interface Turn {
  state: ChainState
  readonly now: number
  readonly effects: ChainEffect[]
  readonly events: ChainEvent[]
}

export const findServer = (state: ChainState, url: string): ServerState | undefined =>
  state.servers.find((s) => s.url === url)

export function patchServer(turn: Turn, url: string, patch: Partial<ServerState>): void {
  const servers = turn.state.servers.map((s) => (s.url === url ? { ...s, ...patch } : s))
  turn.state = { ...turn.state, servers }
}

export function patchTx(turn: Turn, txid: Txid, patch: Partial<TxEntry>): void {
  const entry = turn.state.txs[txid]
  if (entry) turn.state = { ...turn.state, txs: { ...turn.state.txs, [txid]: { ...entry, ...patch } } }
}

export function putWatch(turn: Turn, watch: Watch): void {
  turn.state = { ...turn.state, watches: { ...turn.state.watches, [watch.token]: watch } }
}

export function putBroadcast(turn: Turn, broadcast: Broadcast): void {
  turn.state = { ...turn.state, broadcasts: { ...turn.state.broadcasts, [broadcast.token]: broadcast } }
}

/** A copy of a record without a key. */
export function without<T>(record: Readonly<Record<string, T>>, key: string): Readonly<Record<string, T>> {
  if (!(key in record)) return record
  const { [key]: _, ...rest } = record
  return rest
}
