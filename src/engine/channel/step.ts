import { equalBytes, fromHex } from '../base/bytes.ts'
import { assertNever, err, ok, type Result, unwrap } from '../base/result.ts'
import { isAcceptableShutdownScript } from '../bitcoin/script.ts'
import { otherRole } from '../commitment/types.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { formatNamed } from '../commitment/formats.ts'
import type { ChannelReady, ChannelReestablish, Message, Shutdown } from '../wire/messages.ts'
import { plainText } from '../wire/text.ts'
import { buildLocal } from './build.ts'
import { receiveClosingSigned } from './closing.ts'
import { acceptSignature, receiveRevocation } from './commit.ts'
import { flush } from './flush.ts'
import { enqueued, isBeingRemoved, lockedInHtlc, viewAt } from './log.ts'
import { clampWindow, receivePoints } from './points.ts'
import { disconnect, receiveReestablish, reestablishMessage } from './reestablish.ts'
import type {
  Channel,
  ChannelContext,
  ChannelEffect,
  ChannelInput,
  Failure,
  Fault,
  Proposal,
  Transition,
} from './types.ts'
import { receiveUpdate } from './updates.ts'

/** An accepter forgets a channel whose funding transaction never confirmed after this many blocks (BOLT 2 §funding). */
export const FUNDING_TIMEOUT_BLOCKS = 2016
/** An offered HTLC is enforced on chain this many blocks after its expiry (BOLT 2 §cltv_expiry_delta Selection: grace). */
export const EXPIRY_GRACE_BLOCKS = 2
/**
 * A received HTLC whose preimage we gave out must be removed this many blocks before it expires, or be claimed on chain (BOLT 2
 * §cltv_expiry_delta Selection: 2R + G + S and more, for one who may be away). Two transactions have to be in blocks by then, our
 * commitment and the HTLC's, each replaced at a rising fee until it is; invoices of ours ask for 144, so it costs nobody anything.
 */
export const CLAIM_MARGIN_BLOCKS = 18

/**
 * So many blocks, about a week, the peer of an unproven channel has had to close it, or to show that another device has gone on with it,
 * before the user may close it with a state that may be revoked. A peer that is there at all is there within a week; one that is gone
 * cannot punish, and leaves every output where it is, so that waiting costs nothing but time.
 */
export const UNPROVEN_WAIT_BLOCKS = 1008

type Outcome = Result<Transition, Fault>

const still = (channel: Channel): Outcome => ok({ channel, effects: [] })
const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/**
 * The channel machine: one input to the next state and what is to be done once it is written (house law 1). A fault leaves the
 * state as it was; the caller obeys its action (`applyFault`).
 */
export function step(channel: Channel, input: ChannelInput, ctx: ChannelContext): Outcome {
  switch (input.type) {
    case 'connected':
      return connected(channel, ctx)
    case 'disconnected':
      return still(disconnect(channel))
    case 'message':
      return receive(channel, input.message, ctx)
    case 'propose':
      return ok(enqueue(channel, input.proposal))
    case 'withdraw':
      return still({
        ...channel,
        outbox: channel.outbox.filter((p) => p.type !== 'add' || p.token !== input.token),
      })
    case 'fundingConfirmed':
      return still({
        // Against all odds it is in a block after all: the channel goes on like any other.
        ...(isNeverFunded(channel) ? withoutFailure(channel) : channel),
        funding: {
          ...channel.funding,
          confirmedHeight: input.height,
          shortChannelId:
            (BigInt(input.height) << 40n) |
            (BigInt(input.txIndex) << 16n) |
            BigInt(channel.funding.outpoint.vout),
        },
      })
    case 'fundingUnconfirmed': {
      const { confirmedHeight: _h, shortChannelId: _s, ...funding } = channel.funding
      return still({ ...channel, funding })
    }
    case 'neverFunded':
      // Whatever it had failed for before: a commitment of it can never be mined.
      return ok(failChannel(withoutFailure(channel), { ...NEVER_FUNDED, remedy: 'awaitRemote' }, ctx))
    case 'close':
      if (channel.closing !== undefined || channel.failure !== undefined) return still(channel)
      return still({
        ...channel,
        closing: { localScript: channel.shutdownScript, sent: false, feeratePerKw: input.feeratePerKw },
      })
    case 'forceClose':
      return ok(failChannel(channel, { code: 'forceClose', reason: input.reason, remedy: 'broadcast' }, ctx))
    case 'heightAgreed':
      return still(withWait(channel, ctx))
    case 'overrideUnproven':
      return overrideUnproven(channel, input.reason, ctx)
    case 'window':
      return still(withWindow(channel, input.window))
    case 'fundingSpent':
      return still(channel)
    case 'tick':
      return ok(checkDeadlines(channel, ctx))
    case 'flush':
      return ok(flush(channel, ctx))
    default:
      return assertNever(input)
  }
}

/** What an unproven channel fails with: only its peer may close it, until the wait is over. */
const UNPROVEN = 'unproven'

const NEVER_FUNDED = {
  code: 'neverFunded',
  reason: 'The coins that were to fund the channel were spent by another transaction.',
} as const

/** Whether the channel ended without ever having been: nothing of it can come to the chain. */
export const isNeverFunded = (channel: Channel): boolean => channel.failure?.code === NEVER_FUNDED.code

function withoutFailure(channel: Channel): Channel {
  const { failure: _, ...rest } = channel
  return rest
}

/** The peer knows of nothing newer than what we hold: whoever had this state before has not gone on with it. */
function proven(channel: Channel): Channel {
  if (channel.unproven !== true) return channel
  const { unproven: _, ...rest } = channel
  return rest
}

/** The wait of an unproven channel that is to be closed begins at the first height that servers agree on. */
function withWait(channel: Channel, ctx: ChannelContext): Channel {
  const { failure } = channel
  if (failure?.code !== UNPROVEN || failure.askedAt !== undefined || ctx.height === 0) return channel
  return { ...channel, failure: { ...failure, askedAt: ctx.height } }
}

/**
 * From which height an unproven channel may be closed without its peer; undefined while the wait has not begun, and for every other
 * channel: one that is known to be behind is never closed from here.
 */
export const overrideHeight = ({ failure }: Channel): number | undefined =>
  failure?.code === UNPROVEN && failure.askedAt !== undefined
    ? failure.askedAt + UNPROVEN_WAIT_BLOCKS
    : undefined

function overrideUnproven(channel: Channel, reason: string, ctx: ChannelContext): Outcome {
  const from = overrideHeight(channel)
  if (from === undefined || ctx.height < from) return still(channel)
  const { failure: _, ...rest } = proven(channel)
  return ok(failChannel(rest, { code: 'unprovenClose', reason, remedy: 'broadcast' }, ctx))
}

function connected(channel: Channel, ctx: ChannelContext): Outcome {
  if (channel.failure !== undefined) {
    // BOLT 2 §Message Retransmission: the error again. Our channel_reestablish before it: a peer that has lost state and sees the
    // error alone would broadcast what it has revoked (rule 10).
    const effects: ChannelEffect[] = [{ type: 'send', message: reestablishMessage(channel, ctx) }]
    return ok({ channel, effects: [...effects, errorMessage(channel, channel.failure.reason)] })
  }
  return ok({
    channel: { ...disconnect(channel), link: 'reestablishing' },
    effects: [{ type: 'send', message: reestablishMessage(channel, ctx) }],
  })
}

/** The same channel when it wants this window already, so that nothing is written. */
function withWindow(channel: Channel, window: number): Channel {
  const wanted = clampWindow(window)
  if (!formatNamed(channel.formatName).lcpTlvs || (channel.window ?? channel.local.window) === wanted)
    return channel
  return { ...channel, window: wanted }
}

/** Removals are remembered until they are in the log; a second one for the same HTLC is dropped; the newest fee wins. */
function enqueue(channel: Channel, proposal: Proposal): Transition {
  const queued = (outbox: readonly Proposal[]): Transition => ({
    channel: { ...channel, outbox: enqueued(outbox, proposal) },
    effects: [],
  })
  if (proposal.type === 'fee') return queued(channel.outbox.filter((p) => p.type !== 'fee'))
  if (proposal.type === 'add') {
    if (channel.failure === undefined) return queued(channel.outbox)
    const token = proposal.token === undefined ? {} : { token: proposal.token }
    return {
      channel,
      effects: [{ type: 'event', event: { type: 'addRefused', reason: 'channelFailed', ...token } }],
    }
  }
  const them = otherRole(channel.role)
  const live = lockedInHtlc(channel, them, proposal.id) !== undefined
  if (!live || isBeingRemoved(channel, them, proposal.id)) return { channel, effects: [] }
  return queued(channel.outbox)
}

const errorMessage = (channel: Channel, text: string): ChannelEffect => ({
  type: 'send',
  message: { type: 'error', channelId: fromHex(channel.id), data: plainText(text) },
})

/** Takes the channel off: no further step off chain, and with `broadcast` our newest commitment to the chain. */
export function failChannel(channel: Channel, wanted: Failure, ctx: ChannelContext, tell = true): Transition {
  if (channel.failure !== undefined) return { channel, effects: [] }
  // Our newest commitment may be one that another device has revoked since: the peer, who knows, closes instead.
  const failure: Failure =
    channel.unproven === true && wanted.remedy === 'broadcast'
      ? { code: UNPROVEN, reason: wanted.reason, remedy: 'awaitRemote' }
      : wanted
  let next: Channel = { ...channel, failure }
  const effects: ChannelEffect[] = []
  if (tell && channel.link !== 'offline') effects.push(errorMessage(channel, failure.reason))
  if (failure.remedy === 'broadcast') {
    const signed = signLocalTip(channel, ctx)
    next = { ...next, signer: signed.state }
    effects.push({ type: 'broadcast', tx: signed.tx, purpose: 'commitment' })
  }
  effects.push({ type: 'event', event: { type: 'failed', failure } })
  for (const proposal of channel.outbox) {
    if (proposal.type === 'add') {
      effects.push({
        type: 'event',
        event: {
          type: 'addRefused',
          reason: 'channelFailed',
          ...(proposal.token === undefined ? {} : { token: proposal.token }),
        },
      })
    }
  }
  return { channel: { ...next, outbox: channel.outbox.filter((p) => p.type !== 'add') }, effects }
}

/** Our newest commitment, ready for the chain. Of our own chain only the tip is ever broadcast (rule 11). */
export function signLocalTip(channel: Channel, ctx: Pick<ChannelContext, 'signer'>) {
  const { number, indexes, signature } = channel.localTip
  const built = buildLocal(channel, ctx, number, indexes, viewAt(channel, indexes))
  return unwrap(ctx.signer.signLocalCommitment(channel.signer, built, signature), 'signer')
}

/** Does what a fault asks for. `disconnect` and `warn` are the shell's; failing the channel is ours. */
export function applyFault(channel: Channel, fault: Fault, ctx: ChannelContext): Transition {
  if (fault.action !== 'fail_channel') return { channel, effects: [] }
  return failChannel(channel, { code: fault.code, reason: fault.text, remedy: 'broadcast' }, ctx)
}

function receive(channel: Channel, message: Message, ctx: ChannelContext): Outcome {
  if (message.type === 'error') {
    // BOLT 1 §error: the peer has failed the channel. While we are behind nothing of ours may be broadcast.
    if (channel.failure !== undefined) return still(channel)
    // An opener that lost its opening before the funding transaction went out says that it knows of no such channel.
    if (holdsNothing(channel)) {
      return ok({
        channel,
        effects: [{ type: 'event', event: { type: 'forgotten', reason: 'openerGaveUp' } }],
      })
    }
    const text = printable(message.data)
    return ok(
      failChannel(
        channel,
        { code: 'peerError', reason: `The peer failed the channel: ${text}`, remedy: 'broadcast' },
        ctx,
        false,
      ),
    )
  }
  if (channel.failure?.code === UNPROVEN && message.type === 'channel_reestablish')
    return still(heardWhileAsked(channel, message, ctx))
  if (channel.failure !== undefined) return still(channel)
  if (message.type === 'channel_reestablish') {
    if (channel.link !== 'reestablishing') {
      return err({ code: 'unexpectedReestablish', action: 'disconnect', text: 'channel_reestablish twice' })
    }
    const outcome = receiveReestablish(channel, message, ctx)
    if (!outcome.ok) return outcome
    if ('failure' in outcome.value) {
      const { failure, say } = outcome.value
      const transition = failChannel(channel, failure, ctx, false)
      return ok({
        channel: transition.channel,
        effects: [errorMessage(channel, say), ...transition.effects],
      })
    }
    return ok({ ...outcome.value, channel: proven(outcome.value.channel) })
  }
  // BOLT 2 §Message Retransmission: nothing else of a channel counts before its channel_reestablish.
  if (channel.link !== 'online') return still(channel)
  switch (message.type) {
    case 'channel_ready':
      return receiveReady(channel, message, ctx)
    case 'update_add_htlc':
    case 'update_fulfill_htlc':
    case 'update_fail_htlc':
    case 'update_fail_malformed_htlc':
    case 'update_fee':
      return inOperation(channel) ?? receiveUpdate(channel, message)
    case 'commitment_signed':
      return inOperation(channel) ?? acceptSignature(channel, message, ctx)
    case 'revoke_and_ack':
      return inOperation(channel) ?? receiveRevocation(channel, message, ctx)
    case 'shutdown':
      return receiveShutdown(channel, message, ctx)
    case 'closing_signed':
      return receiveClosingSigned(channel, message, ctx)
    default:
      return still(channel)
  }
}

/**
 * The peer of an unproven channel that it was asked to close speaks. What it says can only forbid: that it knows a newer state ends the
 * thought of closing from here for good. That it does not know one is no reason to hurry: it closes now, and its own state is the right one.
 */
function heardWhileAsked(channel: Channel, message: ChannelReestablish, ctx: ChannelContext): Channel {
  const outcome = receiveReestablish(channel, message, ctx)
  if (!outcome.ok || !('failure' in outcome.value)) return channel
  const { failure } = outcome.value
  return failure.remedy === 'awaitRemote' ? { ...channel, failure } : channel
}

/** An accepted channel in which there is nothing of ours, and whose funding transaction may never come. */
const holdsNothing = (channel: Channel): boolean =>
  channel.role === 'accepter' &&
  channel.funding.confirmedHeight === undefined &&
  channel.localTip.number === 0 &&
  channel.remotePending.length === 0 &&
  channel.base.accepterMsat === 0n

const inOperation = (channel: Channel): Outcome | undefined =>
  channel.readySent && channel.readyReceived
    ? undefined
    : fail('notReady', 'BOLT 2 §Normal Operation: an update before channel_ready')

const printable = (data: Uint8Array): string =>
  String.fromCharCode(...data.subarray(0, 200).map((b) => (b >= 32 && b < 127 ? b : 63)))

function receiveReady(channel: Channel, message: ChannelReady, ctx: ChannelContext): Outcome {
  const format = formatNamed(channel.formatName)
  if (format.lcpTlvs !== (message.lcpPoints !== undefined)) {
    return fail('lcpTerms', 'lcp wire: channel_ready with lcp_points in an lcp channel and only there')
  }
  if (!isPublicKey(message.secondPerCommitmentPoint)) {
    return fail('badPoint', 'BOLT 2 §channel_ready: second_per_commitment_point is not on the curve')
  }
  const lcp = message.lcpPoints
  if (lcp !== undefined) {
    const first = lcp.points[0]
    const matches = first !== undefined && equalBytes(first.point, message.secondPerCommitmentPoint)
    if (lcp.firstNumber !== 1n || !matches || lcp.points.length !== channel.remote.window) {
      return fail(
        'lcpTerms',
        'lcp wire: lcp_points of channel_ready grant 1..W, beginning with the second point',
      )
    }
  }
  const points = lcp?.points ?? [{ point: message.secondPerCommitmentPoint }]
  const received = receivePoints(channel, ctx, 1, points, channel.remoteTail.number)
  if (!received.ok) return received
  const effects: ChannelEffect[] =
    channel.readySent && !channel.readyReceived ? [{ type: 'event', event: { type: 'ready' } }] : []
  return ok({
    channel: {
      ...received.value,
      readyReceived: true,
      ...(message.shortChannelId === undefined ? {} : { remoteAlias: message.shortChannelId }),
    },
    effects,
  })
}

function receiveShutdown(channel: Channel, message: Shutdown, ctx: ChannelContext): Outcome {
  const script = message.scriptpubkey
  const upfront = channel.remote.upfrontShutdownScript
  if (upfront !== undefined && !equalBytes(upfront, script)) {
    return err({
      code: 'shutdownScript',
      action: 'disconnect',
      text: 'BOLT 2 §shutdown: scriptpubkey is not the upfront_shutdown_script',
    })
  }
  if (!isAcceptableShutdownScript(script, ctx.anysegwit)) {
    return err({
      code: 'shutdownScript',
      action: 'disconnect',
      text: 'BOLT 2 §shutdown: scriptpubkey of no accepted form',
    })
  }
  const closing = channel.closing ?? {
    localScript: channel.shutdownScript,
    sent: false,
    feeratePerKw: ctx.feeratePerKw,
  }
  return still({ ...channel, closing: { ...closing, remoteScript: script } })
}

/** What block heights demand of a channel: deadlines of HTLCs, and the end of waiting for a funding transaction. */
function checkDeadlines(channel: Channel, ctx: ChannelContext): Transition {
  if (ctx.height === 0) return { channel, effects: [] }
  const us = channel.role
  // Failed or not: without a funding transaction there is nothing to fail for.
  if (
    us === 'accepter' &&
    channel.funding.confirmedHeight === undefined &&
    ctx.height > channel.funding.createdHeight + FUNDING_TIMEOUT_BLOCKS
  ) {
    return { channel, effects: [{ type: 'event', event: { type: 'forgotten', reason: 'fundingTimedOut' } }] }
  }
  // Unproven: the HTLCs may be long gone, and we could only ask the peer to close. The block after its greeting comes here again.
  if (channel.failure !== undefined || channel.unproven === true) return { channel, effects: [] }
  const commitments = [channel.localTip, channel.remoteTail, ...channel.remotePending]
  for (const { indexes } of commitments) {
    for (const htlc of viewAt(channel, indexes).htlcs) {
      if (htlc.offerer === us && ctx.height >= htlc.cltvExpiry + EXPIRY_GRACE_BLOCKS) {
        return failChannel(
          channel,
          {
            code: 'htlcTimedOut',
            reason: 'An HTLC that we offered expired unresolved.',
            remedy: 'broadcast',
          },
          ctx,
        )
      }
      if (
        htlc.offerer !== us &&
        ctx.height >= htlc.cltvExpiry - CLAIM_MARGIN_BLOCKS &&
        fulfilled(channel, htlc.id)
      ) {
        return failChannel(
          channel,
          {
            code: 'htlcAtRisk',
            reason: 'An HTLC that we settled was not removed in time.',
            remedy: 'broadcast',
          },
          ctx,
        )
      }
    }
  }
  return { channel, effects: [] }
}

/** Whether we have settled this received HTLC with its preimage. */
const fulfilled = (channel: Channel, id: bigint): boolean =>
  [...channel.logs[channel.role].entries, ...channel.outbox].some((e) => e.type === 'fulfill' && e.id === id)
