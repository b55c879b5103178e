import { err, ok, type Result } from '../base/result.ts'
import type { Msat } from '../base/units.ts'
import { type ChannelCandidate, type ChannelProblem, failure, type PaymentFailure } from './types.ts'

/**
 * A channel for one HTLC to a direct peer: of those that can carry it, now rather than later (what is in flight may be held for days),
 * the one with the least room (larger payments will want the others), then the lowest id. When there is none, the error is the one that
 * the user can do something about.
 * @param without channels not to use
 */
export function chooseChannel(
  channels: readonly ChannelCandidate[],
  destination: string,
  amountMsat: Msat,
  without: readonly string[] = [],
): Result<ChannelCandidate, PaymentFailure> {
  const toPeer = channels.filter((c) => c.peer === destination)
  if (toPeer.length === 0) {
    return err(
      failure('noRoute', 'There is no channel with the recipient.', { destination, reason: 'notAPeer' }),
    )
  }
  const usable = toPeer.filter((c) => c.state === 'usable' && !without.includes(c.channelId))
  if (usable.length === 0) return err(noneUsable(toPeer, destination))
  const fitting = usable.filter((c) => c.problem(amountMsat) === undefined).sort(byRoom)
  const best = fitting.find((c) => c.waits?.(amountMsat) !== true) ?? fitting[0]
  if (best !== undefined) return ok(best)
  return err(whyNot(usable, amountMsat))
}

function byRoom(a: ChannelCandidate, b: ChannelCandidate): number {
  if (a.spendableMsat !== b.spendableMsat) return a.spendableMsat < b.spendableMsat ? -1 : 1
  return a.channelId < b.channelId ? -1 : 1
}

function noneUsable(toPeer: readonly ChannelCandidate[], destination: string): PaymentFailure {
  const states = toPeer.map((c) => c.state)
  if (states.includes('offline'))
    return failure('peerNotConnected', 'The recipient is a peer of ours and not connected now.', {
      destination,
    })
  if (states.includes('opening'))
    return failure('channelNotOpen', 'The channel with the recipient is still being opened.', {
      destination,
      reason: 'opening',
    })
  if (states.includes('closing'))
    return failure('channelNotOpen', 'The channel with the recipient is being closed.', {
      destination,
      reason: 'closing',
    })
  return failure('noRoute', 'Every channel with the recipient has been tried.', {
    destination,
    reason: 'tried',
  })
}

/** What keeps the channel with the most room from carrying the amount, with the figures that say so. */
function whyNot(usable: readonly ChannelCandidate[], amountMsat: Msat): PaymentFailure {
  const roomiest = [...usable].sort(byRoom).at(-1) as ChannelCandidate
  const problem = roomiest.problem(amountMsat) as ChannelProblem
  const { spendableMsat, balanceMsat, reserveMsat, inFlightMsat } = roomiest
  const figures: Record<string, string | number> = { spendableMsat: `${spendableMsat}` }
  if (balanceMsat !== undefined) figures['balanceMsat'] = `${balanceMsat}`
  if (reserveMsat !== undefined) figures['reserveMsat'] = `${reserveMsat}`
  if (inFlightMsat !== undefined) figures['inFlightMsat'] = `${inFlightMsat}`

  const together = usable.reduce((sum, c) => sum + c.spendableMsat, 0n)
  if (usable.length > 1 && problem.code !== 'amountTooSmall' && together >= amountMsat) {
    return failure('exceedsSpendable', 'No single channel with the recipient can carry this amount.', {
      ...figures,
      reason: 'split',
      totalSpendableMsat: `${together}`,
    })
  }
  switch (problem.code) {
    case 'amountTooSmall':
      return failure('amountTooSmall', 'The peer takes no payment this small.', {
        minMsat: `${problem.minimumMsat}`,
      })
    case 'tooManyHtlcs':
      return failure('tooManyHtlcs', 'As many payments are on their way as the channel allows.', {
        limit: problem.limit,
        reason: 'count',
      })
    case 'dustLimit':
      return failure('tooManyHtlcs', 'As much is on its way in tiny payments as the channel allows.', {
        limitMsat: `${problem.limitMsat}`,
        reason: 'dust',
      })
    case 'inFlightLimit':
      return failure('exceedsSpendable', 'The peer allows no more than this on its way at once.', {
        ...figures,
        limitMsat: `${problem.limitMsat}`,
        // More than it ever takes at once: waiting does not help, and other channels may.
        reason: amountMsat > problem.limitMsat ? 'inFlightLimit' : 'inFlight',
      })
    case 'belowReserve':
      return balanceMsat !== undefined && amountMsat > balanceMsat
        ? failure('exceedsSpendable', 'The amount is more than our balance in the channel.', {
            ...figures,
            reason: 'balance',
          })
        : failure('exceedsSpendable', 'Part of the balance must stay in the channel: reserve and fee.', {
            ...figures,
            reason: 'reserve',
          })
    case 'peerCannotPayFee':
      return failure('exceedsSpendable', 'The peer cannot pay the commitment fee of another payment now.', {
        ...figures,
        reason: 'peerFee',
      })
  }
}

/** The failure for a channel's word why it did not take an add (its `addRefused`): an AddProblem code, `closing`, `channelFailed`. */
export function refusalFailure(reason: string): PaymentFailure {
  switch (reason) {
    case 'amountTooSmall':
      return failure('amountTooSmall', 'The peer takes no payment this small.')
    case 'tooManyHtlcs':
    case 'dustLimit':
      return failure('tooManyHtlcs', 'As many payments are on their way as the channel allows.', { reason })
    case 'inFlightLimit':
    case 'belowReserve':
    case 'peerCannotPayFee':
      return failure(
        'exceedsSpendable',
        'By the time it was offered, the channel could not carry it any more.',
        {
          reason,
        },
      )
    case 'closing':
    case 'channelFailed':
      return failure('channelNotOpen', 'The channel stopped taking payments before this one was offered.', {
        reason,
      })
    default:
      return failure('paymentFailed', 'The channel did not take the payment.', { reason })
  }
}
