import { isAbandoned } from './claims.ts'
import { liveHtlcs } from './htlcs.ts'
import { depthOf, fundingSpend, isWatched, type TrackedOutput } from './outputs.ts'
import type { OnchainState } from './types.ts'

/** When there is nothing left to do. */

/** Whether an output needs no more attention once things are `depth` deep (BOLT 5 §General Nomenclature: irrevocably resolved). */
function isResolved(state: OnchainState, output: TrackedOutput, depth: number): boolean {
  const { close, height } = state
  if (close === undefined || !isWatched(close, output)) return true
  if (output.spend !== undefined && depthOf(state, output.spend.confirmed) >= depth) return true
  if (output.method !== undefined) {
    // An HTLC that nobody will claim has its end, and is told, once it has expired: its payment waits for that.
    const { htlc } = output
    const over = htlc === undefined || height >= htlc.cltvExpiry + depth
    return over && isAbandoned(state, output) && output.created !== null
  }
  if (output.kind === 'unknown' && close.secret === undefined)
    // Newer than our records: what it may hide is over when all that we know of has expired.
    return liveHtlcs(state).every((h) => height >= h.cltvExpiry + depth)
  // BOLT 5: an HTLC that was offered to us and whose preimage we do not have is resolved once it has expired.
  return output.htlc !== undefined && height >= output.htlc.cltvExpiry + depth
}

/** Whether the close and all that came of it is `depth` deep. */
export function isSettled(state: OnchainState, outputs: readonly TrackedOutput[], depth: number): boolean {
  const spend = fundingSpend(state)
  if (spend === undefined || depthOf(state, spend.confirmed) < depth) return false
  return outputs.every((o) => isResolved(state, o, depth))
}
