import { fromHex } from '../base/bytes.ts'
import { err, ok, type Result, unwrap } from '../base/result.ts'
import { type Sat, sat, toSatFloor } from '../base/units.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import {
  type BuiltClosing,
  buildLegacyClosing,
  type ClosingTerms,
  closingWeight,
  legacyClosingVariants,
} from '../commitment/closing.ts'
import { weightFeeSat } from '../commitment/fees.ts'
import { otherRole } from '../commitment/types.ts'
import { withFundingWitness } from '../commitment/witness.ts'
import { verifyEcdsa } from '../crypto/curve.ts'
import type { ClosingSigned } from '../wire/messages.ts'
import { commitmentParams } from './build.ts'
import { logLength, viewAt } from './log.ts'
import type { Channel, ChannelContext, ChannelEffect, Closing, Fault, Transition } from './types.ts'
import { MIN_FEERATE_PER_KW } from './updates.ts'

/** Cooperative close by `closing_signed` (BOLT 2 §closing_signed). The opener pays the fee and speaks first. */

/** Rounds of negotiation before we let the connection go; with fee ranges one or two suffice. */
const MAX_ROUNDS = 20

const complain = (code: string, text: string): Result<never, Fault> =>
  err({ code, action: 'disconnect', text })
const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })

/** Both shutdowns are out, and nothing is left to settle on either chain (rule 12). */
export function readyToClose(channel: Channel): boolean {
  const { closing } = channel
  if (closing === undefined || !closing.sent || closing.remoteScript === undefined) return false
  if (channel.remotePending.length > 0 || channel.outbox.some((p) => p.type !== 'fee')) return false
  const whole = { opener: logLength(channel.logs.opener), accepter: logLength(channel.logs.accepter) }
  for (const { indexes } of [channel.localTip, channel.remoteTail]) {
    if (indexes.opener !== whole.opener || indexes.accepter !== whole.accepter) return false
  }
  return viewAt(channel, whole).htlcs.length === 0
}

/** Whether it is on us to make the first offer. */
export const closingDue = (channel: Channel): boolean =>
  channel.role === 'opener' && channel.closing?.negotiation === undefined && readyToClose(channel)

function terms(channel: Channel, closing: Closing): ClosingTerms {
  const view = viewAt(channel, channel.localTip.indexes)
  const remoteScript = closing.remoteScript ?? new Uint8Array(0)
  const [openerScript, accepterScript] =
    channel.role === 'opener' ? [closing.localScript, remoteScript] : [remoteScript, closing.localScript]
  return { openerMsat: view.openerMsat, accepterMsat: view.accepterMsat, openerScript, accepterScript }
}

interface FeeBounds {
  readonly ideal: Sat
  readonly min: Sat
  readonly max: Sat
}

/**
 * What we offer and accept. The opener pays what the user chose and no more: an accepter to whom the fee is no cost may take the
 * most that the range allows (LDK does). The accepter minds only that the transaction will be mined.
 */
function feeBounds(channel: Channel, closing: Closing): FeeBounds {
  const weight = closingWeight(closing.localScript.length, closing.remoteScript?.length ?? 34)
  const fee = (feeratePerKw: number): bigint => weightFeeSat(feeratePerKw, weight) + 1n
  const openerMsat = viewAt(channel, channel.localTip.indexes).openerMsat
  const payable = toSatFloor(openerMsat)
  const cap = (n: bigint): Sat => sat(n > payable ? payable : n)
  const rate = Math.max(closing.feeratePerKw, MIN_FEERATE_PER_KW)
  return {
    ideal: cap(fee(rate)),
    min: cap(fee(MIN_FEERATE_PER_KW)),
    max: channel.role === 'opener' ? cap(fee(rate)) : payable,
  }
}

function signedOffer(
  channel: Channel,
  closing: Closing,
  feeSat: Sat,
  ctx: ChannelContext,
): { readonly closing: Closing; readonly message: ClosingSigned } {
  const bounds = feeBounds(channel, closing)
  const built = unwrap(
    buildLegacyClosing(
      commitmentParams(channel),
      terms(channel, closing),
      feeSat,
      channel.local.dustLimitSat,
    ),
    'closing',
  )
  return {
    closing: {
      ...closing,
      negotiation: { lastSentSat: feeSat, rounds: (closing.negotiation?.rounds ?? 0) + 1 },
    },
    message: {
      type: 'closing_signed',
      channelId: fromHex(channel.id),
      feeSatoshis: feeSat,
      signature: unwrap(ctx.signer.signClosing(built), 'signer'),
      feeRange: { minFeeSatoshis: bounds.min, maxFeeSatoshis: bounds.max },
    },
  }
}

/** The opener's first offer. */
export function offerClosing(channel: Channel, ctx: ChannelContext): Transition {
  const { closing } = channel
  if (closing === undefined) return { channel, effects: [] }
  const offer = signedOffer(channel, closing, feeBounds(channel, closing).ideal, ctx)
  return {
    channel: { ...channel, closing: offer.closing },
    effects: [{ type: 'send', message: offer.message }],
  }
}

/** The peer's offer: agreed, or answered with ours. */
export function receiveClosingSigned(
  channel: Channel,
  message: ClosingSigned,
  ctx: ChannelContext,
): Result<Transition, Fault> {
  const { closing } = channel
  if (closing === undefined || !readyToClose(channel)) {
    return complain('closingNotDue', 'BOLT 2 §closing_signed: sent before the channel was quiet')
  }
  const feeSat = message.feeSatoshis
  const params = commitmentParams(channel)
  const theirs = otherRole(channel.role)
  const remoteKey = channel.remote.keys.fundingPubkey
  const built = legacyClosingVariants(params, terms(channel, closing), feeSat, theirs).find((variant) =>
    verifyEcdsa(message.signature, variant.sighash, remoteKey),
  )
  if (built === undefined)
    return complain('closingSignature', 'BOLT 2 §closing_signed: the signature is not valid')
  const bounds = feeBounds(channel, closing)
  const last = closing.negotiation?.lastSentSat
  const agreed = feeSat === last || isWithin(feeSat, bounds)
  if (agreed) return ok(agree(channel, closing, feeSat, built, message, ctx))
  const counter = counterOffer(channel, bounds, message, last, closing.negotiation?.rounds ?? 0)
  if (!counter.ok) return counter
  const offer = signedOffer(channel, closing, counter.value, ctx)
  return ok({
    channel: { ...channel, closing: offer.closing },
    effects: [{ type: 'send', message: offer.message }],
  })
}

const isWithin = (feeSat: bigint, bounds: Pick<FeeBounds, 'min' | 'max'>): boolean =>
  feeSat >= bounds.min && feeSat <= bounds.max

/** What we answer to a fee outside our bounds: a fee within them that may still be agreed on, or why there is none. */
function counterOffer(
  channel: Channel,
  bounds: FeeBounds,
  message: ClosingSigned,
  last: Sat | undefined,
  rounds: number,
): Result<Sat, Fault> {
  const { feeSatoshis: feeSat, feeRange } = message
  // BOLT 2 §closing_signed: a warning, and the channel stays as it is. The user may close on chain, which costs more, or wait.
  const none = () => err({ code: 'closingFees', action: 'warn', text: 'no closing fee suits both' } as const)
  const nearest = feeSat < bounds.min ? bounds.min : bounds.max
  if (feeRange !== undefined) {
    const min = feeRange.minFeeSatoshis > bounds.min ? feeRange.minFeeSatoshis : bounds.min
    const max = feeRange.maxFeeSatoshis < bounds.max ? feeRange.maxFeeSatoshis : bounds.max
    if (min > max) return none()
    // Whoever answers a range picks from it: a fee outside of both after ours was out, or from the accepter, is a fault.
    if (channel.role === 'opener' || last !== undefined) {
      return fail(
        'closingFee',
        'BOLT 2 §closing_signed: fee_satoshis is not in the overlap of both fee_range',
      )
    }
    return ok(nearest < min ? sat(min) : nearest > max ? sat(max) : nearest)
  }
  if (rounds >= MAX_ROUNDS) return none()
  if (last === undefined) return ok(nearest)
  // Strictly between what both said last, which converges, and never past our own bound.
  const middle = (last + feeSat) / 2n
  const counter = sat(middle < bounds.min ? bounds.min : middle > bounds.max ? bounds.max : middle)
  return counter === last ? none() : ok(counter)
}

function agree(
  channel: Channel,
  closing: Closing,
  feeSat: Sat,
  built: BuiltClosing,
  message: ClosingSigned,
  ctx: ChannelContext,
): Transition {
  const effects: ChannelEffect[] = []
  let next = closing
  if (closing.negotiation?.lastSentSat !== feeSat) {
    const offer = signedOffer(channel, closing, feeSat, ctx)
    next = offer.closing
    effects.push({ type: 'send', message: offer.message })
  }
  const ours = unwrap(ctx.signer.signClosing(built), 'signer')
  const tx: Tx = withFundingWitness(
    built.tx,
    built.fundingScript,
    { key: channel.local.keys.fundingPubkey, signature: ours },
    { key: channel.remote.keys.fundingPubkey, signature: message.signature },
  )
  effects.push({ type: 'broadcast', tx, purpose: 'mutualClose' })
  effects.push({ type: 'event', event: { type: 'closed', txid: txidOf(tx) } })
  return { channel: { ...channel, closing: { ...next, tx } }, effects }
}
