import type { Msat } from '../base/units.ts'
import { type AddProblem, addProblem } from '../channel/limits.ts'
import type { Tally } from '../channel/tally.ts'
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

/** What stands against an HTLC. Limits on what is in flight make it wait in the outbox (rule 8): what is on its way will end. */
export function problemNow(channel: Channel, amountMsat: Msat, tally: Tally): AddProblem | undefined {
  const problem = addProblem(channel, amountMsat, tally)
  switch (problem?.code) {
    case 'tooManyHtlcs':
    case 'inFlightLimit':
    case 'dustLimit':
      return tally[channel.role].count > 0 && channel.outbox.length < MAX_WAITING_ADDS ? undefined : problem
    default:
      return problem
  }
}
