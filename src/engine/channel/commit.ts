import { fromHex } from '../base/bytes.ts'
import { err, invariant, ok, type Result, unwrap } from '../base/result.ts'
import { formatNamed } from '../commitment/formats.ts'
import { type BuiltCommitment, type CommitmentView, otherRole } from '../commitment/types.ts'
import { verifyRemoteSignature } from '../commitment/verify.ts'
import { secretMatchesPoint } from '../revocation/keys.ts'
import { receiverInsert } from '../revocation/secrets.ts'
import type { CommitmentSigned, LcpIndexes, RevokeAndAck, UpdateMessage } from '../wire/messages.ts'
import { buildLocal, buildRemote } from './build.ts'
import { entriesBetween, logLength, remoteTip, sameIndexes, viewAt } from './log.ts'
import { settleLockedIn } from './lock-in.ts'
import { grantFor, grantsOf, receivePoints, revokeMessage } from './points.ts'
import type {
  Channel,
  ChannelContext,
  ChannelEffect,
  CourtRecord,
  Fault,
  Indexes,
  JournalEntry,
  RemoteCommitment,
  Transition,
  Update,
} from './types.ts'

const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/** Revocations that stay in the journal (rule 9). */
const JOURNAL_REVOCATIONS = 64

const byRole = (channel: Channel, ours: number, theirs: number): Indexes =>
  channel.role === 'opener' ? { opener: ours, accepter: theirs } : { opener: theirs, accepter: ours }

/** What our next signature would include (rule 1): all our updates, and the peer's that our own tail includes. */
export const nextRemoteIndexes = (channel: Channel): Indexes =>
  byRole(channel, logLength(channel.logs[channel.role]), channel.localTip.indexes[otherRole(channel.role)])

/** Whether a signature is due: credit is there and it would say something new (rules 1 and 4). */
export const signatureDue = (channel: Channel): boolean =>
  channel.remotePoints.length > 0 && !sameIndexes(nextRemoteIndexes(channel), remoteTip(channel).indexes)

/** HTLC signatures of a commitment that are few enough to be made whenever that is possible. */
const FEW_SIGNATURES = 16
/** Beyond, a signature that need not be made yet waits until what is new is this part of what it would sign. */
const WORTH = 1 / 2

/**
 * Whether a signature is worth making now (Nagle's rule): a commitment carries one for each of its HTLCs, so that with hundreds of them a window
 * would have all of them signed for every few updates. While the peer has not revoked what we signed last, little news waits for more, or for
 * the revocation, as it would with a window of one. With nothing outstanding it never waits.
 */
export function worthSigning(channel: Channel): boolean {
  const tip = remoteTip(channel)
  const signatures = tip.htlcSignatures.length
  if (channel.remotePending.length === 0 || signatures < FEW_SIGNATURES) return true
  const next = nextRemoteIndexes(channel)
  const news = next.opener - tip.indexes.opener + next.accepter - tip.indexes.accepter
  return news >= WORTH * signatures
}

const lcpIndexes = (commitment: { number: number; indexes: Indexes }): LcpIndexes => ({
  commitmentNumber: BigInt(commitment.number),
  openerIndex: BigInt(commitment.indexes.opener),
  accepterIndex: BigInt(commitment.indexes.accepter),
})

/** The commitment_signed of a commitment that we have signed; the same bytes whenever it is sent. */
export const commitmentSignedMessage = (
  channel: Channel,
  commitment: RemoteCommitment,
): CommitmentSigned => ({
  type: 'commitment_signed',
  channelId: fromHex(channel.id),
  signature: commitment.signature,
  htlcSignatures: commitment.htlcSignatures,
  ...(formatNamed(channel.formatName).lcpTlvs ? { lcpIndexes: lcpIndexes(commitment) } : {}),
})

const attributionOf = ({ attributionData }: { readonly attributionData?: Uint8Array }) =>
  attributionData === undefined ? {} : { attributionData }

/** The wire form of an entry of our log. */
export function updateMessage(channel: Channel, entry: Update): UpdateMessage {
  const channelId = fromHex(channel.id)
  switch (entry.type) {
    case 'add':
      return {
        type: 'update_add_htlc',
        channelId,
        id: entry.id,
        amountMsat: entry.amountMsat,
        paymentHash: entry.paymentHash,
        cltvExpiry: entry.cltvExpiry,
        onionRoutingPacket: entry.onion,
        ...(entry.pathKey === undefined ? {} : { pathKey: entry.pathKey }),
      }
    case 'fulfill':
      return {
        type: 'update_fulfill_htlc',
        channelId,
        id: entry.id,
        paymentPreimage: entry.preimage,
        ...attributionOf(entry),
      }
    case 'fail':
      return {
        type: 'update_fail_htlc',
        channelId,
        id: entry.id,
        reason: entry.reason,
        ...attributionOf(entry),
      }
    case 'malformed':
      return {
        type: 'update_fail_malformed_htlc',
        channelId,
        id: entry.id,
        sha256OfOnion: entry.sha256OfOnion,
        failureCode: entry.failureCode,
      }
    case 'fee':
      return { type: 'update_fee', channelId, feeratePerKw: entry.feeratePerKw }
  }
}

/** Signs the peer's next commitment. Only called when a signature is due; the updates it adds go out before it. */
export function sign(channel: Channel, ctx: ChannelContext): Transition {
  const [point, ...points] = channel.remotePoints
  invariant(point !== undefined, 'signature without credit')
  const tip = remoteTip(channel)
  const number = tip.number + 1
  const indexes = nextRemoteIndexes(channel)
  const view = viewAt(channel, indexes)
  const built = buildRemote(channel, number, point, indexes, view)
  const signed = unwrap(ctx.signer.signRemoteCommitment(channel.signer, built), 'signer')
  const commitment: RemoteCommitment = {
    number,
    indexes,
    point,
    txid: built.txid,
    signature: signed.signature,
    htlcSignatures: signed.htlcSignatures,
  }
  const us = channel.role
  const effects: ChannelEffect[] = entriesBetween(channel.logs[us], tip.indexes[us], indexes[us]).map(
    (entry) => ({
      type: 'send',
      message: updateMessage(channel, entry),
    }),
  )
  effects.push({ type: 'send', message: commitmentSignedMessage(channel, commitment) })
  effects.push({ type: 'courtRecord', number, value: courtRecord(commitment, view, built) })
  return {
    channel: {
      ...channel,
      remotePending: [...channel.remotePending, commitment],
      remotePoints: points,
      journal: [...channel.journal, { kind: 'sign', number }],
      signer: signed.state,
    },
    effects,
  }
}

/** What the court needs of a signed remote commitment (rule 11). */
export function courtRecord(
  commitment: RemoteCommitment,
  view: CommitmentView,
  built: BuiltCommitment,
): CourtRecord {
  return {
    number: commitment.number,
    indexes: commitment.indexes,
    point: commitment.point,
    txid: commitment.txid,
    feeratePerKw: view.feeratePerKw,
    openerMsat: view.openerMsat,
    accepterMsat: view.accepterMsat,
    htlcs: built.htlcs.map(({ htlc, outputIndex }) => ({
      offerer: htlc.offerer,
      id: htlc.id,
      amountMsat: htlc.amountMsat,
      paymentHash: htlc.paymentHash,
      cltvExpiry: htlc.cltvExpiry,
      outputIndex,
    })),
  }
}

/**
 * Accepts the peer's signature for our next commitment and revokes the one before: one transition, one write (rules 2 and 3).
 * Anything wrong leaves the state as it was.
 */
export function acceptSignature(
  channel: Channel,
  message: CommitmentSigned,
  ctx: ChannelContext,
): Result<Transition, Fault> {
  const number = channel.localTip.number + 1
  if (number > channel.grantedThrough)
    return fail('noCredit', 'lcp rule 5: a signature without a granted point')
  const us = channel.role
  const indexes = byRole(channel, channel.remoteTail.indexes[us], logLength(channel.logs[otherRole(us)]))
  const previous = channel.localTip.indexes
  invariant(
    indexes.opener >= previous.opener && indexes.accepter >= previous.accepter,
    'indexes never go back',
  )
  const said = message.lcpIndexes
  if (formatNamed(channel.formatName).lcpTlvs) {
    const expected = lcpIndexes({ number, indexes })
    if (
      said === undefined ||
      said.commitmentNumber !== expected.commitmentNumber ||
      said.openerIndex !== expected.openerIndex ||
      said.accepterIndex !== expected.accepterIndex
    ) {
      return fail('indexes', 'lcp rule 2: the signature is not for the commitment that is due')
    }
  }
  const view = viewAt(channel, indexes)
  if (view.openerMsat < 0n || view.accepterMsat < 0n) {
    return fail('negativeBalance', 'BOLT 2 §commitment_signed: a balance would be negative')
  }
  const built = buildLocal(channel, ctx, number, indexes, view)
  const checked = verifyRemoteSignature(built, message.signature, message.htlcSignatures, channel.remote.keys)
  if (!checked.ok) return fail('badSignature', `BOLT 2 §commitment_signed: ${checked.error}`)

  const granted = grantFor(channel, number)
  const firstGranted = channel.grantedThrough + 1
  const revealed = unwrap(
    ctx.signer.revealSecret(channel.signer, BigInt(number - 1), BigInt(number)),
    'signer',
  )
  const entry: JournalEntry = { kind: 'revoke', number: number - 1, firstGranted, granted }
  const next: Channel = {
    ...channel,
    localTip: {
      number,
      indexes,
      signature: message.signature,
      htlcSignatures: message.htlcSignatures,
    },
    grantedThrough: channel.grantedThrough + granted,
    journal: trimJournal([...channel.journal, entry], number - 1),
    signer: revealed.state,
  }
  const settled = settleLockedIn(channel, next)
  return ok({
    channel: settled.channel,
    effects: [
      {
        type: 'send',
        message: revokeMessage(channel, ctx, fromHex(channel.id), revealed.secret, firstGranted, granted),
      },
      ...settled.effects,
    ],
  })
}

const trimJournal = (journal: readonly JournalEntry[], revoked: number): readonly JournalEntry[] =>
  journal.filter((entry) => entry.kind !== 'revoke' || entry.number > revoked - JOURNAL_REVOCATIONS)

/** Takes the revocation of the peer's tail; what it locks in counts from the write of this transition on (rule 7). */
export function receiveRevocation(
  channel: Channel,
  message: RevokeAndAck,
  ctx: ChannelContext,
): Result<Transition, Fault> {
  const [next, ...pending] = channel.remotePending
  if (next === undefined) return fail('unexpectedRevocation', 'BOLT 2 §revoke_and_ack: nothing to revoke')
  const tail = channel.remoteTail
  if (!secretMatchesPoint(message.perCommitmentSecret, tail.point)) {
    return fail('badSecret', 'BOLT 2 §revoke_and_ack: the secret is not that of the commitment point')
  }
  const store = receiverInsert(channel.remoteSecrets, BigInt(tail.number), message.perCommitmentSecret)
  if (!store.ok) return fail('badSecret', `BOLT 2 §revoke_and_ack: ${store.error}`)

  const moved: Channel = {
    ...channel,
    remoteTail: next,
    remotePending: pending,
    remoteSecrets: store.value,
    // `sign n` leaves the journal when the revocation of n − 1 is on disk (rule 9).
    journal: channel.journal.filter((entry) => entry.kind !== 'sign' || entry.number !== next.number),
  }
  const grants = grantsOf(channel, message)
  if (!grants.ok) return grants
  const withPoints = receivePoints(moved, ctx, grants.value.first, grants.value.points, next.number)
  if (!withPoints.ok) return withPoints
  const settled = settleLockedIn(channel, withPoints.value)
  return ok(settled)
}
