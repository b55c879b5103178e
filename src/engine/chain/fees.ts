import {
  type EsploraResult,
  type FeeEstimate,
  isRefusal,
  MIN_SAT_PER_KW,
  parseFeeEstimates,
} from './esplora.ts'
import { failed, served } from './servers.ts'
import { patchServer, type Turn } from './turn.ts'

/** What servers think that blocks cost: their median, so that no single one decides what we pay. */

/** One server's estimates. The median is told when the last of those asked has answered, one way or another. */
export function onFees(turn: Turn, url: string, result: EsploraResult): void {
  take(turn, url, result)
  if (turn.state.inFlight.some((f) => f.purpose.kind === 'fees')) return
  const { servers, config } = turn.state
  const fresh = servers.flatMap((s) =>
    s.fees !== null && turn.now - s.fees.at <= 2 * config.feePollMs ? [s.fees.estimates] : [],
  )
  if (fresh.length === 0) return
  const estimates = medianEstimates(fresh)
  turn.state = { ...turn.state, fees: { at: turn.now, estimates } }
  turn.events.push({ type: 'feeEstimates', estimates })
}

function take(turn: Turn, url: string, result: EsploraResult): void {
  // A server without this call is no worse for the rest.
  if (isRefusal(result)) {
    turn.state = { ...turn.state, fees: { ...turn.state.fees, at: turn.now } }
    return served(turn, url)
  }
  if (!result.ok) return failed(turn, url, result.error)
  const fees = parseFeeEstimates(result.value)
  if (!fees.ok) return failed(turn, url, { kind: 'shape', message: fees.error })
  served(turn, url)
  patchServer(turn, url, { fees: { at: turn.now, estimates: fees.value } })
}

/**
 * A server's rate for a target: that of the nearest target that is no slower, else its fastest. One without any data says that the least
 * will do: beside it another must not say alone what we pay.
 */
const rateFor = (estimates: readonly FeeEstimate[], blocks: number): number =>
  (estimates.findLast((e) => e.blocks <= blocks) ?? estimates[0])?.satPerKw ?? MIN_SAT_PER_KW

/**
 * The median of several servers' estimates, target by target; of an even number the lower one: what is paid too much is gone, while
 * what was sent too cheaply is raised by its deadline (engine/onchain) or by the user.
 */
export function medianEstimates(lists: readonly (readonly FeeEstimate[])[]): readonly FeeEstimate[] {
  const targets = [...new Set(lists.flatMap((list) => list.map((e) => e.blocks)))].sort((a, b) => a - b)
  return targets.flatMap((blocks) => {
    const rates = lists.map((list) => rateFor(list, blocks)).sort((a, b) => a - b)
    const satPerKw = rates[Math.floor((rates.length - 1) / 2)]
    return satPerKw === undefined ? [] : [{ blocks, satPerKw }]
  })
}
