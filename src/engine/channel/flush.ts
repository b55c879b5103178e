import { fromHex } from '../base/bytes.ts'
import { otherRole } from '../commitment/types.ts'
import { closingDue, offerClosing } from './closing.ts'
import { sign, signatureDue, worthSigning } from './commit.ts'
import { addProblem, canPayFeerate, lastingProblem } from './limits.ts'
import {
  cautiousTally,
  isRemovedInLog,
  lockedInHtlc,
  logLength,
  outboxStart,
  remoteTip,
  withEntry,
  withOutboxStart,
} from './log.ts'
import { grantedByReady, readyMessage } from './points.ts'
import type { Channel, ChannelContext, ChannelEffect, Proposal, Transition, Update } from './types.ts'

/** The longest that a removal waits for its time. Longer ones are those of a clock that was set back: their time has come. */
export const LONGEST_DELAY_MS = 2_000

/** Whether a removal's time is still to come. */
export const isAhead = (notBefore: number, now: number): boolean =>
  notBefore > now && notBefore - now <= LONGEST_DELAY_MS

/** Whether the funding transaction is as deep as the channel needs. */
export const deepEnough = (channel: Channel, height: number): boolean =>
  channel.funding.minimumDepth === 0 ||
  (channel.funding.confirmedHeight !== undefined &&
    height - channel.funding.confirmedHeight + 1 >= channel.funding.minimumDepth)

/**
 * The end of a turn (rule 4): whatever may be said now is said, all of it at once, unless it is not worth its signatures yet. An update enters
 * our log only in the turn whose signature covers it, so that nothing of ours ever stands in the log unsigned.
 */
export function flush(channel: Channel, ctx: ChannelContext): Transition {
  if (channel.link !== 'online' || channel.failure !== undefined) return { channel, effects: [] }
  let current = channel
  const effects: ChannelEffect[] = []
  const take = (transition: Transition) => {
    current = transition.channel
    effects.push(...transition.effects)
  }
  if (!current.readySent && deepEnough(current, ctx.height)) take(sendReady(current, ctx))
  if (current.readySent && current.readyReceived) {
    const proposed =
      current.remotePoints.length > 0 ? propose(current, ctx.now) : { channel: current, effects: [] }
    if (worthSigning(proposed.channel)) {
      take(proposed)
      if (signatureDue(current)) take(sign(current, ctx))
    }
  }
  take(sendShutdown(current))
  if (closingDue(current)) take(offerClosing(current, ctx))
  return { channel: current, effects }
}

function sendReady(channel: Channel, ctx: ChannelContext): Transition {
  const effects: ChannelEffect[] = [
    { type: 'send', message: readyMessage(channel, ctx, fromHex(channel.id)) },
  ]
  if (channel.readyReceived) effects.push({ type: 'event', event: { type: 'ready' } })
  return { channel: { ...channel, readySent: true, grantedThrough: grantedByReady(channel) }, effects }
}

/** Moves what may be proposed from the outbox into our log, in order; what may not yet waits, what never may is refused. */
function propose(channel: Channel, now: number): Transition {
  let current = channel
  const waiting: Proposal[] = []
  const effects: ChannelEffect[] = []
  const us = channel.role
  const enter = (entry: Update) => {
    current = withEntry(current, us, entry)
  }
  const refuse = (token: string | undefined, reason: string) => {
    effects.push({
      type: 'event',
      event: { type: 'addRefused', reason, ...(token === undefined ? {} : { token }) },
    })
  }
  for (const proposal of channel.outbox) {
    if (proposal.type === 'add') {
      if (current.closing !== undefined) {
        refuse(proposal.token, 'closing')
        continue
      }
      const problem = addProblem(current, proposal.amountMsat)
      if (problem === undefined) enter({ ...proposal, id: current.logs[us].nextHtlcId })
      else if (nothingInFlight(current)) refuse(proposal.token, problem.code)
      else {
        // What is in flight may be held for days: whoever waits for it must be sure that there is room once it has ended.
        const lasting = lastingProblem(current, proposal.amountMsat)
        if (lasting === undefined) waiting.push(proposal)
        else refuse(proposal.token, lasting.code)
      }
    } else if (proposal.type === 'fee') {
      if (us === 'opener' && canPayFeerate(current, proposal.feeratePerKw)) enter(proposal)
    } else {
      const them = otherRole(us)
      const live = lockedInHtlc(current, them, proposal.id) !== undefined
      if (!live || isRemovedInLog(current, them, proposal.id)) continue
      const { notBefore, ...removal } = proposal
      if (notBefore === undefined) enter(proposal)
      else if (isAhead(notBefore, now)) waiting.push(proposal)
      else enter(removal)
    }
  }
  if (current === channel && waiting.length === channel.outbox.length) return { channel, effects }
  // What waits has mostly stood behind what has gone: under these numbers it is on disk already.
  const gone = channel.outbox.findIndex((proposal) => proposal === waiting[0])
  const start = gone === -1 ? 0 : outboxStart(channel.outbox) + gone
  return { channel: { ...current, outbox: withOutboxStart(waiting, start) }, effects }
}

const nothingInFlight = (channel: Channel): boolean => {
  const { opener, accepter } = cautiousTally(channel)
  return opener.count + accepter.count === 0
}

/** `shutdown` is sent only when our whole log is in the remote tip (rule 12). */
function sendShutdown(channel: Channel): Transition {
  const { closing } = channel
  const us = channel.role
  if (closing === undefined || closing.sent) return { channel, effects: [] }
  if (remoteTip(channel).indexes[us] !== logLength(channel.logs[us])) return { channel, effects: [] }
  return {
    channel: { ...channel, closing: { ...closing, sent: true } },
    effects: [
      {
        type: 'send',
        message: { type: 'shutdown', channelId: fromHex(channel.id), scriptpubkey: closing.localScript },
      },
      { type: 'event', event: { type: 'closing' } },
    ],
  }
}
