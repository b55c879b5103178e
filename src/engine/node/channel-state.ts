import type { Msat } from '../base/units.ts'
import {
  type AddProblem,
  addProblem,
  lastingProblem,
  lastingSpendableMsat,
  spendableMsat,
} from '../channel/limits.ts'
import { cautiousTally, queuedMsat, saturatingSub } from '../channel/log.ts'
import { type Tally, tallyLess } from '../channel/tally.ts'
import type { Channel } from '../channel/types.ts'
import type { ChannelCandidate } from '../payment/types.ts'

/** What a channel can do now, for those who want to send through it. */

/** Whether a channel can take an HTLC now, and if not, why. */
export function candidateState(channel: Channel, closed: boolean): ChannelCandidate['state'] {
  if (closed || channel.closing !== undefined || channel.failure !== undefined) return 'closing'
  if (!channel.readySent || !channel.readyReceived) return 'opening'
  return channel.link === 'online' ? 'usable' : 'offline'
}

/** Adds that may wait in a channel's outbox; each keeps its onion there, and a payer past that is told that there are too many. */
const MAX_WAITING_ADDS = 2_000

/** The sums by which a new HTLC is judged: what waits in the outbox has its amount already. */
export const tallyNow = (channel: Channel): Tally =>
  tallyLess(cautiousTally(channel), channel.role, queuedMsat(channel.outbox))

/** The most that a single HTLC may carry now, behind those in the outbox. */
export const spendableNow = (channel: Channel): Msat =>
  saturatingSub(spendableMsat(channel), queuedMsat(channel.outbox))

/** Whether an HTLC more may wait in the outbox. */
export const mayQueue = (channel: Channel): boolean => channel.outbox.length < MAX_WAITING_ADDS

/** The most that one may carry once all has ended that is in flight or waits. */
export const spendableInTime = (channel: Channel): Msat =>
  saturatingSub(lastingSpendableMsat(channel), queuedMsat(channel.outbox))

/** What stands against an HTLC. Limits on what is in flight make it wait in the outbox (rule 8): what is on its way will end. */
export function problemNow(channel: Channel, amountMsat: Msat, tally: Tally): AddProblem | undefined {
  const problem = addProblem(channel, amountMsat, tally)
  if (!isOfTheMoment(problem)) return problem
  if (tally[channel.role].count === 0 || !mayQueue(channel)) return problem
  return lastingProblem(channel, amountMsat, tally)
}

/** Whether an HTLC would wait in the outbox for what is in flight: another channel, where there is one, takes it at once. */
export const mustWait = (channel: Channel, amountMsat: Msat, tally: Tally): boolean =>
  isOfTheMoment(addProblem(channel, amountMsat, tally))

const isOfTheMoment = (problem: AddProblem | undefined): boolean =>
  problem?.code === 'tooManyHtlcs' || problem?.code === 'inFlightLimit' || problem?.code === 'dustLimit'
