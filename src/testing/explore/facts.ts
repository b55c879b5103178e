import { equalBytes } from '../../engine/base/bytes.ts'
import { buildLocal } from '../../engine/channel/build.ts'
import { logLength, remoteTip, viewAt } from '../../engine/channel/log.ts'
import { MAX_OUTSTANDING, remoteGrantedThrough } from '../../engine/channel/points.ts'
import type { Channel, ChannelContext } from '../../engine/channel/types.ts'
import { formatNamed } from '../../engine/commitment/formats.ts'
import type { ChannelSigner } from '../../engine/commitment/signer.ts'
import { otherRole } from '../../engine/commitment/types.ts'
import { verifyRemoteSignature } from '../../engine/commitment/verify.ts'
import { perCommitmentPoint } from '../../engine/revocation/keys.ts'
import { receiverLookup, receiverNext } from '../../engine/revocation/secrets.ts'
import { canonical } from './canonical.ts'
import type { Facts, Local } from './local.ts'

const built = new Map<string, { readonly txid: string; readonly valid: boolean }>()

/** Our tip's transaction, and whether the peer's signatures on it are good: what C asks to be on disk. */
function tipOf(channel: Channel, ctx: ChannelContext): { readonly txid: string; readonly valid: boolean } {
  const { number, indexes, signature, htlcSignatures } = channel.localTip
  const view = viewAt(channel, indexes)
  const key = `${ctx.signer.publicKeys.fundingPubkey.join()} ${channel.formatName} ${number} ${canonical(view)} ${canonical(signature)} ${canonical(htlcSignatures)}`
  const known = built.get(key)
  if (known !== undefined) return known
  const commitment = buildLocal(channel, ctx, number, indexes, view)
  const checked = verifyRemoteSignature(commitment, signature, htlcSignatures, channel.remote.keys)
  const made = { txid: commitment.txid, valid: checked.ok }
  built.set(key, made)
  return made
}

/** The widest window that we ever grant, and that the peer does: what was granted under a wider one stays granted (rule 5). */
export interface Widest {
  readonly ours: number
  readonly theirs: number
}

export function factsOf(local: Local, ctx: ChannelContext, peer: ChannelSigner, widest: Widest): Facts {
  const { channel } = local
  const tip = tipOf(channel, ctx)
  const problem = problemOf(local, tip.valid, peer, widest)
  return {
    localNumber: channel.localTip.number,
    localTxid: tip.txid,
    grantedThrough: channel.grantedThrough,
    tailNumber: channel.remoteTail.number,
    tipNumber: remoteTip(channel).number,
    heldThrough: remoteGrantedThrough(channel),
    txids: [channel.remoteTail, ...channel.remotePending].map((c) => c.txid),
    ...(problem === undefined ? {} : { problem }),
  }
}

function problemOf(
  { channel, node }: Local,
  tipValid: boolean,
  peer: ChannelSigner,
  widest: Widest,
): string | undefined {
  const total = channel.funding.sat * 1000n
  const remote = [channel.remoteTail, ...channel.remotePending]
  for (const { number, indexes } of [channel.localTip, ...remote]) {
    const view = viewAt(channel, indexes)
    if (view.openerMsat < 0n || view.accepterMsat < 0n) return `A: negative balance in commitment ${number}`
    const sum = view.htlcs.reduce((n, h) => n + h.amountMsat, view.openerMsat + view.accepterMsat)
    if (sum !== total) return `A: commitment ${number} holds ${sum} of ${total} msat`
  }
  if (!tipValid) return 'C: the newest commitment has no valid signature'
  for (const { number, txid } of remote) {
    if (node.court.find((record) => record.number === number)?.txid !== txid) {
      return `C: no record for the court of ${number}`
    }
  }
  if (receiverNext(channel.remoteSecrets) !== BigInt(channel.remoteTail.number)) {
    return 'C: the tree of secrets ends elsewhere than the peer’s revocations'
  }
  for (let n = 0; n < channel.remoteTail.number; n++) {
    const secret = receiverLookup(channel.remoteSecrets, BigInt(n))
    if (secret === undefined || !equalBytes(perCommitmentPoint(secret), peer.commitmentPoint(BigInt(n)))) {
      return `C: revoked commitment ${n} cannot be punished`
    }
  }
  const points = [...remote.map((c) => c.point), ...channel.remotePoints]
  for (const [i, point] of points.entries()) {
    const number = channel.remoteTail.number + i
    if (!equalBytes(point, peer.commitmentPoint(BigInt(number))))
      return `E: a false point for number ${number}`
  }
  return creditProblem(channel, widest) ?? signerProblem(channel) ?? logProblem(channel)
}

function creditProblem(channel: Channel, widest: Widest): string | undefined {
  const lcp = formatNamed(channel.formatName).lcpTlvs
  const bound = lcp ? Math.min(widest.ours, MAX_OUTSTANDING) : 1
  const outstanding = channel.grantedThrough - channel.localTip.number
  if (outstanding > bound) return `E: ${outstanding} points outstanding, ${bound} negotiated`
  const theirs = lcp ? widest.theirs : 1
  const held = remoteGrantedThrough(channel) - channel.remoteTail.number
  if (held > theirs) return `E: ${held} points held, ${theirs} negotiated`
  // Rule 5: a window never closes for good.
  if (channel.readySent && outstanding < 1) return 'E: the peer has no credit left'
  return undefined
}

/** The signer's own record follows the channel's: number and revocations. */
function signerProblem(channel: Channel): string | undefined {
  if (channel.signer.localRevoked !== BigInt(channel.localTip.number)) {
    return 'C: what the signer calls revoked is not what lies below the tip'
  }
  if (channel.signer.remoteSigned?.number !== BigInt(remoteTip(channel).number)) {
    return 'D: the signer’s last number is not the tip’s'
  }
  return undefined
}

/** Commitments hold what the logs have; nothing of ours stands in the log unsigned. */
function logProblem(channel: Channel): string | undefined {
  const us = channel.role
  const ours = logLength(channel.logs[us])
  const theirs = logLength(channel.logs[otherRole(us)])
  const tip = remoteTip(channel)
  if (tip.indexes[us] !== ours) return 'an update of ours stands in the log unsigned'
  if (tip.indexes[otherRole(us)] > channel.localTip.indexes[otherRole(us)]) {
    return 'E: signed more of the peer’s updates than we have acknowledged'
  }
  if (channel.localTip.indexes[us] > channel.remoteTail.indexes[us]) {
    return 'E: our own commitment holds updates that the peer has not acknowledged'
  }
  if (channel.localTip.indexes[otherRole(us)] > theirs) return 'E: our commitment holds more than the log'
  return undefined
}
