import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { formatNamed } from '../commitment/formats.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { KEY_PROOF_BYTES, verifyKeyProof } from '../revocation/proofs.ts'
import type { ChannelReady, LcpPoints, RevokeAndAck } from '../wire/messages.ts'
import { proofContext } from './build.ts'
import { remoteTip } from './log.ts'
import type { Channel, ChannelContext, Fault } from './types.ts'

/** Points are credit, as in a TCP window (rule 5): what we grant and what we were granted. */

/** Outstanding points, highest granted − tail, never exceed this. */
export const MAX_OUTSTANDING = 64
/** A revocation grants at most this many. */
const MAX_GRANT = 2

const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/** Our points `first` … `first + count − 1` as the LCP TLV carries them. */
function lcpPoints(channel: Channel, ctx: ChannelContext, first: number, count: number): LcpPoints {
  const proves = formatNamed(channel.formatName).revocationKey === 'additive'
  const context = proofContext(channel, 'local', ctx.network)
  return {
    firstNumber: BigInt(first),
    points: Array.from({ length: count }, (_, i) => {
      const number = BigInt(first + i)
      return {
        point: ctx.signer.commitmentPoint(number),
        // Only where keys are added plainly does possession have to be proved; the field is there in any case.
        proof: proves ? ctx.signer.provePoint(context, number) : new Uint8Array(KEY_PROOF_BYTES),
      }
    }),
  }
}

/** The window that our channel_ready grants: the one announced when the channel was opened. */
const firstWindow = (channel: Channel): number =>
  formatNamed(channel.formatName).lcpTlvs ? clampWindow(channel.local.window) : 1

/** The window we keep granted to the peer now. */
export const currentWindow = (channel: Channel): number =>
  formatNamed(channel.formatName).lcpTlvs ? clampWindow(channel.window ?? channel.local.window) : 1

/** A window is 1 to 64 points. */
export const clampWindow = (window: number): number => Math.max(1, Math.min(window, MAX_OUTSTANDING))

/** channel_ready grants the points 1..W. */
export function readyMessage(channel: Channel, ctx: ChannelContext, channelId: Uint8Array): ChannelReady {
  const lcp = formatNamed(channel.formatName).lcpTlvs
  return {
    type: 'channel_ready',
    channelId,
    secondPerCommitmentPoint: ctx.signer.commitmentPoint(1n),
    ...(channel.localAlias === undefined ? {} : { shortChannelId: channel.localAlias }),
    ...(lcp ? { lcpPoints: lcpPoints(channel, ctx, 1, firstWindow(channel)) } : {}),
  }
}

/** The highest number that channel_ready grants. */
export const grantedByReady = (channel: Channel): number => firstWindow(channel)

/**
 * How many points the revocation that makes `newTail` our tail grants: one keeps the window, two widen it, none narrows it, until it
 * is as wide as we want it.
 */
export function grantFor(channel: Channel, newTail: number): number {
  const target = newTail + currentWindow(channel)
  return Math.max(0, Math.min(MAX_GRANT, target - channel.grantedThrough))
}

/** The revoke_and_ack for `number`, granting `granted` points from `firstGranted`. The same bytes whenever it is built. */
export function revokeMessage(
  channel: Channel,
  ctx: ChannelContext,
  channelId: Uint8Array,
  secret: Uint8Array,
  firstGranted: number,
  granted: number,
): RevokeAndAck {
  const lcp = formatNamed(channel.formatName).lcpTlvs
  return {
    type: 'revoke_and_ack',
    channelId,
    perCommitmentSecret: secret,
    nextPerCommitmentPoint: ctx.signer.commitmentPoint(BigInt(firstGranted + granted - 1)),
    ...(lcp ? { lcpPoints: lcpPoints(channel, ctx, firstGranted, granted) } : {}),
  }
}

/** Highest number of the peer's for which we hold a point. */
export const remoteGrantedThrough = (channel: Channel): number =>
  remoteTip(channel).number + channel.remotePoints.length

/** Checks and stores points of the peer's from `first` on: known equal ones are ignored, different ones fail (rule 5). */
export function receivePoints(
  channel: Channel,
  ctx: ChannelContext,
  first: number,
  points: readonly { readonly point: Uint8Array; readonly proof?: Uint8Array }[],
  tail: number,
): Result<Channel, Fault> {
  const format = formatNamed(channel.formatName)
  const context = proofContext(channel, 'remote', ctx.network)
  const tip = remoteTip(channel).number
  const held = [...channel.remotePoints]
  for (const [i, { point, proof }] of points.entries()) {
    const number = first + i
    const known =
      number > tip
        ? held[number - tip - 1]
        : [channel.remoteTail, ...channel.remotePending].find((c) => c.number === number)?.point
    if (known !== undefined) {
      if (!equalBytes(known, point))
        return fail('pointChanged', `lcp rule 5: another point for number ${number}`)
      continue
    }
    if (number <= tip) continue
    if (number !== tip + held.length + 1) return fail('pointGap', `lcp rule 5: point ${number} leaves a gap`)
    if (number - tail > MAX_OUTSTANDING)
      return fail('tooManyPoints', 'lcp rule 5: more than 64 points outstanding')
    if (!isPublicKey(point))
      return fail('badPoint', `BOLT 2: per-commitment point ${number} is not on the curve`)
    if (
      format.revocationKey === 'additive' &&
      (proof === undefined ||
        !verifyKeyProof(context, { kind: 'point', number: BigInt(number) }, point, proof))
    ) {
      return fail('pointProof', `lcp proofs: point ${number} comes without proof of possession`)
    }
    held.push(point)
  }
  return ok({ ...channel, remotePoints: held })
}

/** The points that a revocation grants: one in `bolt` formats, the TLV's in lcp ones. */
export function grantsOf(
  channel: Channel,
  message: RevokeAndAck,
): Result<{ first: number; points: readonly { point: Uint8Array; proof?: Uint8Array }[] }, Fault> {
  const held = remoteGrantedThrough(channel)
  const next = message.nextPerCommitmentPoint
  if (!formatNamed(channel.formatName).lcpTlvs) return ok({ first: held + 1, points: [{ point: next }] })
  const said = message.lcpPoints
  if (said === undefined) return fail('lcpTerms', 'lcp wire: revoke_and_ack without lcp_points')
  if (said.points.length > MAX_GRANT)
    return fail('tooManyGrants', 'lcp rule 5: a revocation grants two points at most')
  if (said.firstNumber !== BigInt(held + 1))
    return fail('grantNumber', 'lcp wire: grants do not follow the highest')
  // After revoking n the highest granted point is at least n + 2: a window never closes for good (rule 5).
  if (held + said.points.length < channel.remoteTail.number + 2) {
    return fail('windowClosed', 'lcp rule 5: fewer than n + 2 points after revoking n')
  }
  const highest = said.points.at(-1)?.point ?? channel.remotePoints.at(-1) ?? remoteTip(channel).point
  if (!equalBytes(highest, next))
    return fail('lcpTerms', 'lcp wire: next_per_commitment_point is not the highest granted')
  return ok({ first: held + 1, points: said.points })
}
