import { weightFeeSat } from '../commitment/fees.ts'
import { snapshotParams } from '../commitment/snapshot.ts'
import { htlcTimeoutWeight } from '../commitment/weights.ts'
import { isWorthClaiming } from './claims.ts'
import { FLOOR_FEERATE_PER_KW } from './constants.ts'
import { depthOf, fundingSpend, isWatched, type TrackedOutput } from './outputs.ts'
import type { OnchainState } from './types.ts'

/** When there is nothing left to do. */

/** Whether claiming an output costs more than it brings even at the least feerate that relays. */
export function isAbandoned(state: OnchainState, output: TrackedOutput): boolean {
  const { method } = output
  const { snapshot } = state
  if (method?.kind === 'sweep')
    return !isWorthClaiming(method.output, snapshot.sweepScript, FLOOR_FEERATE_PER_KW)
  if (method?.kind !== 'second_stage') return false
  const { format } = snapshotParams(snapshot)
  // Without anchors the fee is paid already.
  return (
    format.anchors && weightFeeSat(FLOOR_FEERATE_PER_KW, 2 * htlcTimeoutWeight(format)) >= output.valueSat
  )
}

/** Whether an output needs no more attention once things are `depth` deep (BOLT 5 §General Nomenclature: irrevocably resolved). */
function isResolved(state: OnchainState, output: TrackedOutput, depth: number): boolean {
  const { close, height } = state
  if (close === undefined || !isWatched(close, output)) return true
  if (output.spend !== undefined && depthOf(state, output.spend.confirmed) >= depth) return true
  if (output.method !== undefined) return isAbandoned(state, output) && output.created !== null
  // BOLT 5: an HTLC that was offered to us and whose preimage we do not have is resolved once it has expired.
  return output.htlc !== undefined && height >= output.htlc.cltvExpiry + depth
}

/** Whether the close and all that came of it is `depth` deep. */
export function isSettled(state: OnchainState, outputs: readonly TrackedOutput[], depth: number): boolean {
  const spend = fundingSpend(state)
  if (spend === undefined || depthOf(state, spend.confirmed) < depth) return false
  return outputs.every((o) => isResolved(state, o, depth))
}
