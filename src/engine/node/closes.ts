import { ok, type Result } from '../base/result.ts'
import type { Tx } from '../bitcoin/types.ts'
import type { ChainEvent } from '../chain/types.ts'
import type { OnchainState } from '../onchain/types.ts'
import type { RecordWrite } from './ports.ts'
import type { Turn } from './state.ts'

/** The on-chain machine is being written; until it is here closes are not followed. */
export function beginClose(_turn: Turn, _id: string, _tx: Tx): void {}
export function fundingSpent(
  _turn: Turn,
  _id: string,
  _event: Extract<ChainEvent, { type: 'spent' }>,
): void {}
export function fundingUnspent(_turn: Turn, _id: string): void {}
export function closeChainEvent(_turn: Turn, _id: string, _event: ChainEvent): void {}
export function closesTip(_turn: Turn): void {}
export function closeWrites(
  _prev: Readonly<Record<string, OnchainState>> | undefined,
  _next: Readonly<Record<string, OnchainState>>,
): readonly RecordWrite[] {
  return []
}
export const loadCloses = (
  _records: ReadonlyMap<string, Uint8Array>,
): Result<Readonly<Record<string, OnchainState>>> => ok({})
export function resumeCloses(_turn: Turn): void {}
