import { equalBytes, fromHex } from '../base/bytes.ts'
import { err, ok, type Result, unwrap } from '../base/result.ts'
import { formatNamed } from '../commitment/formats.ts'
import { otherRole } from '../commitment/types.ts'
import { receiverLookup } from '../revocation/secrets.ts'
import type { ChannelReestablish } from '../wire/messages.ts'
import { commitmentSignedMessage, updateMessage } from './commit.ts'
import { entriesBetween, logLength, remoteTip, truncate } from './log.ts'
import { MAX_OUTSTANDING, readyMessage, revokeMessage } from './points.ts'
import type {
  Channel,
  ChannelContext,
  ChannelEffect,
  Closing,
  Failure,
  Fault,
  JournalEntry,
  Proposal,
  RemoteCommitment,
  Transition,
} from './types.ts'

const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/**
 * The connection is gone (rule 9): our updates above the last signature we made and the peer's above the last we accepted are
 * dropped; ours wait in the outbox to be proposed again. What was ever signed stays as it is.
 */
export function disconnect(channel: Channel): Channel {
  const us = channel.role
  const them = otherRole(us)
  const ourLog = channel.logs[us]
  const signed = remoteTip(channel).indexes[us]
  const unsigned: Proposal[] = entriesBetween(ourLog, signed, logLength(ourLog)).map((entry) => {
    if (entry.type !== 'add') return entry
    const { id: _, ...proposal } = entry
    return proposal
  })
  const logs = {
    ...channel.logs,
    [us]: truncate(ourLog, signed),
    [them]: truncate(channel.logs[them], channel.localTip.indexes[them]),
  }
  return {
    ...channel,
    logs,
    outbox: unsigned.length === 0 ? channel.outbox : [...unsigned, ...channel.outbox],
    link: 'offline',
    ...(channel.closing === undefined ? {} : { closing: withoutNegotiation(channel.closing) }),
  }
}

/** Fee negotiation begins anew on every connection (BOLT 2 §closing_signed). */
function withoutNegotiation(closing: Closing): Closing {
  const { negotiation: _, ...rest } = closing
  return rest
}

/** The first message on a new connection (BOLT 2 §Message Retransmission). */
export function reestablishMessage(channel: Channel, ctx: ChannelContext): ChannelReestablish {
  const revoked = channel.remoteTail.number
  const lastSecret =
    revoked === 0 ? new Uint8Array(32) : receiverLookup(channel.remoteSecrets, BigInt(revoked - 1))
  if (lastSecret === undefined) throw new Error('invariant: the last revealed secret is on disk')
  return {
    type: 'channel_reestablish',
    channelId: fromHex(channel.id),
    nextCommitmentNumber: BigInt(channel.localTip.number + 1),
    nextRevocationNumber: BigInt(revoked),
    yourLastPerCommitmentSecret: lastSecret,
    myCurrentPerCommitmentPoint: ctx.signer.commitmentPoint(BigInt(channel.localTip.number)),
    ...(formatNamed(channel.formatName).lcpTlvs
      ? {
          lcpState: {
            openerIndex: BigInt(channel.localTip.indexes.opener),
            accepterIndex: BigInt(channel.localTip.indexes.accepter),
          },
        }
      : {}),
  }
}

/** A failure that the machine chose itself, with what the peer is told. */
export interface Behind {
  readonly failure: Failure
  readonly say: string
}

/** Compares what the peer says with what we hold (rule 10), and sends again what it misses, in the original order (rule 9). */
export function receiveReestablish(
  channel: Channel,
  message: ChannelReestablish,
  ctx: ChannelContext,
): Result<Transition | Behind, Fault> {
  const nextCommitment = Number(message.nextCommitmentNumber)
  const nextRevocation = Number(message.nextRevocationNumber)
  const tip = remoteTip(channel)
  const localTail = channel.localTip.number

  if (nextRevocation > localTail) {
    // The peer holds a revocation of ours that we do not know: with the right secret, we lost state.
    const proof = ctx.signer.proveSecret(BigInt(nextRevocation - 1), message.yourLastPerCommitmentSecret)
    if (!proof)
      return fail('badSecret', 'BOLT 2 §channel_reestablish: your_last_per_commitment_secret is wrong')
    return ok({
      failure: {
        code: 'weAreBehind',
        reason: 'This device holds an old state of the channel. Only the peer may close it now.',
        remedy: 'awaitRemote',
      },
      say: 'we have lost state: please close the channel on chain',
    })
  }
  if (nextRevocation > 0) {
    const secret = ctx.signer.secretIfRevoked(channel.signer, BigInt(nextRevocation - 1))
    if (secret === undefined || !equalBytes(secret, message.yourLastPerCommitmentSecret)) {
      return fail('badSecret', 'BOLT 2 §channel_reestablish: your_last_per_commitment_secret is wrong')
    }
  }
  if (nextCommitment > tip.number + 1) {
    return fail('lostSignatures', 'lcp rule 10: the peer holds signatures that we do not know of')
  }
  if (formatNamed(channel.formatName).lcpTlvs && message.lcpState === undefined) {
    return fail('lcpTerms', 'lcp wire: channel_reestablish without lcp_state')
  }
  const kept = channel.journal.find((entry) => entry.kind === 'revoke')
  const oldestRevocation = kept?.number ?? localTail
  const peerIsBehind =
    nextCommitment < channel.remoteTail.number + 1 ||
    nextRevocation < Math.max(0, localTail - MAX_OUTSTANDING) ||
    nextRevocation < oldestRevocation
  if (peerIsBehind) {
    return ok({
      failure: {
        code: 'peerIsBehind',
        reason: 'The peer has lost state of this channel. It is closed on chain with our newest state.',
        remedy: 'broadcast',
      },
      say: 'your channel state is older than what you have acknowledged',
    })
  }
  if (message.lcpState !== undefined) {
    const record = [channel.remoteTail, ...channel.remotePending].find((c) => c.number === nextCommitment - 1)
    if (
      record !== undefined &&
      (message.lcpState.openerIndex !== BigInt(record.indexes.opener) ||
        message.lcpState.accepterIndex !== BigInt(record.indexes.accepter))
    ) {
      return fail('stateDiffers', 'lcp rule 10: the indexes of the peer’s tip are not what we signed')
    }
  }

  const effects: ChannelEffect[] = []
  const channelId = fromHex(channel.id)
  // BOLT 2: channel_ready again only while neither side has signed a second commitment.
  if (channel.readySent && nextCommitment === 1 && localTail === 0) {
    effects.push({ type: 'send', message: readyMessage(channel, ctx, channelId) })
  }
  for (const entry of channel.journal)
    effects.push(...resend(channel, entry, nextCommitment, nextRevocation, ctx))
  if (channel.closing?.sent === true) {
    effects.push({
      type: 'send',
      message: { type: 'shutdown', channelId, scriptpubkey: channel.closing.localScript },
    })
  }
  return ok({ channel: { ...channel, link: 'online' }, effects })
}

/** One journal entry, when the peer has not got it: each signature preceded by exactly the updates it adds. */
function resend(
  channel: Channel,
  entry: JournalEntry,
  nextCommitment: number,
  nextRevocation: number,
  ctx: ChannelContext,
): readonly ChannelEffect[] {
  if (entry.kind === 'revoke') {
    if (entry.number < nextRevocation) return []
    const secret = ctx.signer.secretIfRevoked(channel.signer, BigInt(entry.number))
    if (secret === undefined) throw new Error('invariant: a journalled revocation is revoked')
    return [
      {
        type: 'send',
        message: revokeMessage(channel, ctx, fromHex(channel.id), secret, entry.firstGranted, entry.granted),
      },
    ]
  }
  if (entry.number < nextCommitment) return []
  const commitments: readonly RemoteCommitment[] = [channel.remoteTail, ...channel.remotePending]
  const position = commitments.findIndex((c) => c.number === entry.number)
  const commitment = unwrapCommitment(commitments[position])
  const previous = unwrapCommitment(commitments[position - 1])
  const us = channel.role
  const updates = entriesBetween(channel.logs[us], previous.indexes[us], commitment.indexes[us])
  return [
    ...updates.map((update): ChannelEffect => ({ type: 'send', message: updateMessage(channel, update) })),
    { type: 'send', message: commitmentSignedMessage(channel, commitment) },
  ]
}

const unwrapCommitment = (commitment: RemoteCommitment | undefined): RemoteCommitment =>
  unwrap(commitment === undefined ? err('a journalled signature is held') : ok(commitment), 'journal')
