import { err, ok, type Result } from '../base/result.ts'
import { onTimeout } from '../payment/stop.ts'
import type { PaymentRecord } from '../payment/payment-record.ts'
import { startProbe } from '../payment/probe.ts'
import type { ApiFailure, Command } from './commands.ts'
import { payContext, placeOf, takePayment } from './payments.ts'
import type { Turn } from './state.ts'

/** Probes in the node's turns. They are in memory only, as many as are worth looking at. */

/** On their way at once: each locks money up, ours and that of others. */
export const MAX_PROBES = 4
/** Of those that have ended so many are kept, for whoever asked to read. */
const KEPT_PROBES = 8

/** Sends a probe; the answer is its hash, by which `probeEnded` tells of it. */
export function probe(
  turn: Turn,
  command: Extract<Command, { type: 'probePayment' }>,
): Result<string, ApiFailure> {
  const { to, timeoutSeconds, maxFeeMsat } = command
  const all = Object.values(turn.state.probes)
  if (all.filter(({ state }) => state === 'pending').length >= MAX_PROBES)
    return err({ code: 'notReady', message: 'Other probes are still on their way.' })
  const started = startProbe(to, {
    ...payContext(turn),
    network: turn.setup.network,
    ourNodeId: turn.setup.nodeId,
    timeoutSeconds,
    ...(maxFeeMsat === undefined ? {} : { maxFeeMsat }),
    known: () => undefined,
  })
  if (!started.ok) return err(started.error)
  const ended = all.filter(({ state }) => state !== 'pending')
  const dropped = new Set(ended.slice(0, Math.max(0, ended.length - KEPT_PROBES)))
  const kept = all.filter((record) => !dropped.has(record)).map((record) => [record.paymentHash, record])
  turn.state = { ...turn.state, probes: Object.fromEntries(kept) as Record<string, PaymentRecord> }
  takePayment(turn, started.value)
  return ok(started.value.record.paymentHash)
}

/** Probes whose time is up: what waits in an outbox is withdrawn, what is on its way nobody waits for any more. */
export function tickProbes(turn: Turn): void {
  for (const record of Object.values(turn.state.probes)) {
    if (record.state !== 'pending' || record.overdue || turn.now < record.deadline) continue
    takePayment(
      turn,
      onTimeout(record, (channelId, token) => placeOf(turn.state, channelId, token), turn.now),
    )
  }
}
