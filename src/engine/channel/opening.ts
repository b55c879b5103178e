import { equalBytes, fromHex, toHex } from '../base/bytes.ts'
import { err, ok, type Result, unwrap } from '../base/result.ts'
import { type Msat, type Sat, addMsat, subMsat, toMsat } from '../base/units.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { isAcceptableShutdownScript, p2wsh } from '../bitcoin/script.ts'
import { txidFromBytes, txidOf, txidToBytes } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { buildCommitment } from '../commitment/build.ts'
import { anchorsCostSat, commitmentFeeSat } from '../commitment/fees.ts'
import { formatNamed } from '../commitment/formats.ts'
import { INITIAL_SIGNER_STATE, type SignerState } from '../commitment/signer.ts'
import { type ChannelPublicKeys, type CommitmentView, otherRole, type Role } from '../commitment/types.ts'
import { verifyRemoteSignature } from '../commitment/verify.ts'
import { fundingScript } from '../commitment/scripts.ts'
import { isPublicKey } from '../crypto/curve.ts'
import { verifyKeyProof } from '../revocation/proofs.ts'
import { emptySecretStore } from '../revocation/secrets.ts'
import { encodeFeatures, sameFeatures } from '../wire/features.ts'
import { channelIdOf } from '../wire/channel-id.ts'
import type { AcceptChannel, Message, OpenChannel } from '../wire/messages.ts'
import { commitmentParams, proofContext } from './build.ts'
import { courtRecord } from './commit.ts'
import { EMPTY_LOG } from './log.ts'
import { type ChannelPolicy, inFlightFor, minimumDepthFor, reserveFor } from './policy.ts'
import type {
  Channel,
  ChannelContext,
  ChannelEffect,
  Fault,
  Funding,
  LocalCommitment,
  Party,
  RemoteCommitment,
} from './types.ts'
import { MAX_FEERATE_PER_KW, MIN_FEERATE_PER_KW } from './updates.ts'

/**
 * A channel before both sides hold a signature (BOLT 2 §Channel Establishment v1). Never stored: until `funding_signed` nothing
 * is at stake, and whatever interrupts an opening ends it on both sides.
 */
export interface Opening {
  readonly temporaryId: string
  readonly peer: string
  readonly role: Role
  readonly salt: Uint8Array
  readonly shutdownScript: Uint8Array
  readonly stage: 'awaitAccept' | 'awaitFunding' | 'awaitFundingSigned' | 'awaitFundingCreated'
  readonly formatName: string
  readonly fundingSat: Sat
  readonly pushMsat: Msat
  readonly feeratePerKw: number
  readonly local: Party
  readonly remote?: Party
  readonly remoteFirstPoint?: Uint8Array
  readonly minimumDepth: number
  readonly localAlias: bigint
  readonly signer: SignerState
  readonly startedAt: number
  /** The channel is to be announced to the network (`announce_channel` of channel_flags). */
  readonly announce?: true
  /** Set by the opener once the wallet has built it; broadcast only after `funding_signed`. */
  readonly funding?: Funding
  readonly remoteCommitment?: RemoteCommitment
}

export interface OpeningContext extends ChannelContext {
  readonly policy: ChannelPolicy
  /** Whether `option_upfront_shutdown_script` is negotiated. */
  readonly upfrontShutdown: boolean
}

export type OpeningEffect =
  | ChannelEffect
  /** The wallet is to build and sign (not broadcast) a transaction paying `amountSat` to `script`. */
  | { readonly type: 'needFunding'; readonly script: Uint8Array; readonly amountSat: Sat }

export interface OpeningTransition {
  /** The opening goes on, or has become a channel. */
  readonly opening?: Opening
  readonly channel?: Channel
  readonly effects: readonly OpeningEffect[]
}

type Outcome = Result<OpeningTransition, Fault>

const fail = (code: string, text: string): Result<never, Fault> => err({ code, action: 'fail_channel', text })
const send = (message: Message): OpeningEffect => ({ type: 'send', message })

/** Bit 0 of channel_flags (BOLT 2 §open_channel): the opener wishes the channel to be announced. */
const ANNOUNCE_CHANNEL = 1

export interface OpenRequest {
  readonly peer: string
  readonly salt: Uint8Array
  readonly formatName: string
  readonly fundingSat: Sat
  readonly pushMsat: Msat
  readonly shutdownScript: Uint8Array
  readonly announce?: boolean
}

function localParty(
  ctx: OpeningContext,
  fundingSat: Sat,
  theirDustLimitSat: Sat,
  lcp: boolean,
  shutdownScript: Uint8Array,
): Party {
  const { policy } = ctx
  return {
    keys: ctx.signer.publicKeys,
    dustLimitSat: policy.dustLimitSat,
    maxHtlcValueInFlightMsat: inFlightFor(fundingSat),
    channelReserveSat: reserveFor(fundingSat, policy, theirDustLimitSat),
    htlcMinimumMsat: policy.htlcMinimumMsat,
    toSelfDelay: policy.toSelfDelay,
    maxAcceptedHtlcs: policy.maxAcceptedHtlcs,
    ...(ctx.upfrontShutdown ? { upfrontShutdownScript: shutdownScript } : {}),
    window: lcp ? policy.window : 1,
    maxTrimmedHtlcs: lcp ? policy.maxTrimmedHtlcs : 0,
    maxDustInFlightMsat: policy.maxDustInFlightMsat,
  }
}

/** Alias scids lie above any real block height for centuries, so that they never collide with a real one. */
const newAlias = (ctx: ChannelContext): bigint => {
  const r = ctx.entropy.bytes(7)
  const tail = r.reduce((n, b) => (n << 8n) | BigInt(b), 0n)
  return (16_000_000n << 40n) + (tail & ((1n << 42n) - 1n))
}

function lcpParameters(ctx: OpeningContext, local: Party, temporaryId: string, role: Role) {
  // Only the fields that the proofs cover matter here; the remote party is not known yet.
  const context = proofContext({ temporaryId, role, local, remote: local }, 'local', ctx.network)
  return {
    revocationWindow: local.window,
    maxTrimmedHtlcs: local.maxTrimmedHtlcs,
    maxDustInFlightMsat: local.maxDustInFlightMsat,
    basepointProof: ctx.signer.proveBasepoint(context),
    firstPointProof: ctx.signer.provePoint(context, 0n),
  }
}

/** Begins an opening: `open_channel` goes out. Errors name what the policy forbids. */
export function startOpening(request: OpenRequest, ctx: OpeningContext): Result<OpeningTransition, string> {
  const { fundingSat, pushMsat } = request
  if (fundingSat < ctx.policy.minFundingSat) return err('channelTooSmall')
  if (fundingSat > ctx.policy.maxFundingSat) return err('channelTooLarge')
  if (pushMsat < 0n || pushMsat > toMsat(fundingSat)) return err('amountMismatch')
  const format = formatNamed(request.formatName)
  const temporaryId = toHex(ctx.entropy.bytes(32))
  const local = localParty(ctx, fundingSat, ctx.policy.dustLimitSat, format.lcpTlvs, request.shutdownScript)
  const cost = addMsat(toMsat(commitmentFeeSat(format, ctx.feeratePerKw, 0)), toMsat(anchorsCostSat(format)))
  if (subMsat(toMsat(fundingSat), pushMsat) < addMsat(cost, toMsat(local.channelReserveSat))) {
    return err('channelTooSmall')
  }
  const opening: Opening = {
    temporaryId,
    peer: request.peer,
    role: 'opener',
    salt: request.salt,
    shutdownScript: request.shutdownScript,
    stage: 'awaitAccept',
    formatName: request.formatName,
    fundingSat,
    pushMsat,
    feeratePerKw: ctx.feeratePerKw,
    local,
    minimumDepth: 0,
    localAlias: newAlias(ctx),
    signer: INITIAL_SIGNER_STATE,
    startedAt: ctx.now,
    ...(request.announce === true ? { announce: true } : {}),
  }
  const message: OpenChannel = {
    type: 'open_channel',
    chainHash: NETWORKS[ctx.network].chainHash,
    temporaryChannelId: fromHex(temporaryId),
    fundingSatoshis: fundingSat,
    pushMsat,
    feeratePerKw: ctx.feeratePerKw,
    channelFlags: request.announce === true ? ANNOUNCE_CHANNEL : 0,
    ...commonFields(local, ctx),
    channelType: encodeFeatures(format.channelTypeBits),
    ...(format.lcpTlvs ? { lcpParameters: lcpParameters(ctx, local, temporaryId, 'opener') } : {}),
  }
  return ok({ opening, effects: [send(message)] })
}

/** The fields that `open_channel` and `accept_channel` share. */
function commonFields(local: Party, ctx: OpeningContext) {
  return {
    dustLimitSatoshis: local.dustLimitSat,
    maxHtlcValueInFlightMsat: local.maxHtlcValueInFlightMsat,
    channelReserveSatoshis: local.channelReserveSat,
    htlcMinimumMsat: local.htlcMinimumMsat,
    toSelfDelay: local.toSelfDelay,
    maxAcceptedHtlcs: local.maxAcceptedHtlcs,
    ...local.keys,
    firstPerCommitmentPoint: ctx.signer.commitmentPoint(0n),
    ...(local.upfrontShutdownScript === undefined
      ? {}
      : { upfrontShutdownScript: local.upfrontShutdownScript }),
  }
}

/** The checks that both messages share (BOLT 2 §open_channel and §accept_channel), and the peer as a `Party`. */
function readParty(
  message: OpenChannel | AcceptChannel,
  opening: Pick<Opening, 'temporaryId' | 'role' | 'formatName' | 'fundingSat'>,
  ctx: OpeningContext,
): Result<Party, Fault> {
  const { policy } = ctx
  if (message.toSelfDelay > policy.maxToSelfDelay)
    return fail('toSelfDelay', 'to_self_delay unreasonably large')
  if (message.maxAcceptedHtlcs < 1 || message.maxAcceptedHtlcs > 483) {
    return fail('maxAcceptedHtlcs', 'BOLT 2: max_accepted_htlcs greater than 483, or none')
  }
  if (message.dustLimitSatoshis < 354n) return fail('dustLimit', 'BOLT 2: dust_limit_satoshis below 354')
  if (message.dustLimitSatoshis > 10_000n) return fail('dustLimit', 'dust_limit_satoshis unreasonably large')
  if (message.channelReserveSatoshis > opening.fundingSat / 5n) {
    return fail('reserve', 'channel_reserve_satoshis above a fifth of the channel')
  }
  if (message.channelReserveSatoshis < policy.dustLimitSat) {
    return fail('reserve', 'BOLT 2 §accept_channel: channel_reserve_satoshis below our dust_limit_satoshis')
  }
  if (message.htlcMinimumMsat > toMsat(opening.fundingSat) / 10n) {
    return fail('htlcMinimum', 'htlc_minimum_msat unreasonably large')
  }
  if (message.maxHtlcValueInFlightMsat < toMsat(opening.fundingSat) / 100n) {
    return fail('maxInFlight', 'max_htlc_value_in_flight_msat unreasonably small')
  }
  const keys: ChannelPublicKeys = {
    fundingPubkey: message.fundingPubkey,
    revocationBasepoint: message.revocationBasepoint,
    paymentBasepoint: message.paymentBasepoint,
    delayedPaymentBasepoint: message.delayedPaymentBasepoint,
    htlcBasepoint: message.htlcBasepoint,
  }
  for (const key of [...Object.values(keys), message.firstPerCommitmentPoint]) {
    if (!isPublicKey(key)) return fail('badPoint', 'BOLT 2: a key is not a point on the curve')
  }
  const script = message.upfrontShutdownScript
  if (script !== undefined && script.length > 0 && !isAcceptableShutdownScript(script, ctx.anysegwit)) {
    return fail('shutdownScript', 'BOLT 2 §shutdown: upfront_shutdown_script of no accepted form')
  }
  const format = formatNamed(opening.formatName)
  const lcp = message.lcpParameters
  if (format.lcpTlvs !== (lcp !== undefined)) {
    return fail('lcpTerms', 'lcp wire: lcp_parameters and bit 266 come both or neither')
  }
  if (lcp !== undefined) {
    if (lcp.revocationWindow < 1 || lcp.revocationWindow > 64)
      return fail('window', 'lcp: window not in 1..64')
    if (format.revocationKey === 'additive') {
      const context = {
        chainHash: NETWORKS[ctx.network].chainHash,
        temporaryChannelId: fromHex(opening.temporaryId),
        fundingPubkey: keys.fundingPubkey,
        role: otherRole(opening.role),
      }
      const proved =
        verifyKeyProof(context, { kind: 'basepoint' }, keys.revocationBasepoint, lcp.basepointProof) &&
        verifyKeyProof(
          context,
          { kind: 'point', number: 0n },
          message.firstPerCommitmentPoint,
          lcp.firstPointProof,
        )
      if (!proved) return fail('keyProof', 'lcp proofs: a key comes without proof of possession')
    }
  }
  return ok({
    keys,
    dustLimitSat: message.dustLimitSatoshis,
    maxHtlcValueInFlightMsat: message.maxHtlcValueInFlightMsat,
    channelReserveSat: message.channelReserveSatoshis,
    htlcMinimumMsat: message.htlcMinimumMsat,
    toSelfDelay: message.toSelfDelay,
    maxAcceptedHtlcs: message.maxAcceptedHtlcs,
    ...(script === undefined || script.length === 0 ? {} : { upfrontShutdownScript: script }),
    window: lcp?.revocationWindow ?? 1,
    maxTrimmedHtlcs: lcp?.maxTrimmedHtlcs ?? 0,
    maxDustInFlightMsat: lessDust(lcp?.maxDustInFlightMsat, policy),
  })
}

/** What we put at risk in trimmed HTLCs of ours: what the peer bears (lcp), and no more than we do, however generous it is. */
const lessDust = (theirs: Msat | undefined, { maxDustInFlightMsat }: ChannelPolicy): Msat =>
  theirs === undefined || theirs > maxDustInFlightMsat ? maxDustInFlightMsat : theirs

/** Answers an `open_channel` that the node wants to accept. `formatName` is what its channel_type stands for. */
export function acceptOpening(
  message: OpenChannel,
  request: { peer: string; salt: Uint8Array; formatName: string; shutdownScript: Uint8Array },
  ctx: OpeningContext,
): Outcome {
  const { policy } = ctx
  const fundingSat = message.fundingSatoshis
  const temporaryId = toHex(message.temporaryChannelId)
  const format = formatNamed(request.formatName)
  if (!sameFeatures(message.channelType ?? new Uint8Array(0), encodeFeatures(format.channelTypeBits))) {
    return fail('channelType', 'BOLT 2 §open_channel: channel_type is not supported')
  }
  if (!equalBytes(message.chainHash, NETWORKS[ctx.network].chainHash)) {
    return fail('chainHash', 'BOLT 2 §open_channel: unknown chain_hash')
  }
  if (fundingSat < policy.minFundingSat)
    return fail('channelTooSmall', `the channel is below ${policy.minFundingSat} sat`)
  if (fundingSat > policy.maxFundingSat)
    return fail('channelTooLarge', `the channel is above ${policy.maxFundingSat} sat`)
  if (message.pushMsat > toMsat(fundingSat))
    return fail('pushMsat', 'BOLT 2: push_msat above funding_satoshis')
  if (message.feeratePerKw < MIN_FEERATE_PER_KW || message.feeratePerKw > MAX_FEERATE_PER_KW) {
    return fail('feerate', 'BOLT 2 §open_channel: feerate_per_kw out of bounds')
  }
  const shape = { temporaryId, role: 'accepter' as const, formatName: request.formatName, fundingSat }
  const remote = readParty(message, shape, ctx)
  if (!remote.ok) return remote
  const local = localParty(ctx, fundingSat, remote.value.dustLimitSat, format.lcpTlvs, request.shutdownScript)
  const cost = addMsat(
    toMsat(commitmentFeeSat(format, message.feeratePerKw, 0)),
    toMsat(anchorsCostSat(format)),
  )
  const openerMsat = subMsat(toMsat(fundingSat), message.pushMsat)
  if (openerMsat < cost)
    return fail('feeUnpayable', 'BOLT 2 §open_channel: the opener cannot pay the first fee')
  if (
    openerMsat - cost <= toMsat(local.channelReserveSat) &&
    message.pushMsat <= toMsat(remote.value.channelReserveSat)
  ) {
    return fail('reserve', 'BOLT 2 §open_channel: both balances at or below the reserve')
  }
  if (message.dustLimitSatoshis > message.channelReserveSatoshis) {
    return fail('dustLimit', 'BOLT 2 §open_channel: dust_limit_satoshis above channel_reserve_satoshis')
  }
  const opening: Opening = {
    ...shape,
    peer: request.peer,
    salt: request.salt,
    shutdownScript: request.shutdownScript,
    stage: 'awaitFundingCreated',
    pushMsat: message.pushMsat,
    feeratePerKw: message.feeratePerKw,
    local,
    remote: remote.value,
    remoteFirstPoint: message.firstPerCommitmentPoint,
    minimumDepth: minimumDepthFor(shape.fundingSat, policy),
    localAlias: newAlias(ctx),
    signer: INITIAL_SIGNER_STATE,
    startedAt: ctx.now,
    ...((message.channelFlags & ANNOUNCE_CHANNEL) === 0 ? {} : { announce: true }),
  }
  return ok({
    opening,
    effects: [
      send({
        type: 'accept_channel',
        temporaryChannelId: message.temporaryChannelId,
        minimumDepth: opening.minimumDepth,
        ...commonFields(local, ctx),
        channelType: encodeFeatures(format.channelTypeBits),
        ...(format.lcpTlvs ? { lcpParameters: lcpParameters(ctx, local, temporaryId, 'accepter') } : {}),
      }),
    ],
  })
}

/** The peer's next message of an opening. */
export function openingMessage(opening: Opening, message: Message, ctx: OpeningContext): Outcome {
  switch (message.type) {
    case 'accept_channel':
      return opening.stage === 'awaitAccept' ? receiveAccept(opening, message, ctx) : unexpected(message)
    case 'funding_created': {
      if (opening.stage !== 'awaitFundingCreated') return unexpected(message)
      const script = openingFundingScript(opening)
      const funding: Funding = {
        outpoint: { txid: txidFromBytes(message.fundingTxid), vout: message.fundingOutputIndex },
        sat: opening.fundingSat,
        script,
        minimumDepth: opening.minimumDepth,
        createdHeight: ctx.height,
      }
      return createChannel(opening, funding, message.signature, ctx)
    }
    case 'funding_signed': {
      if (opening.stage !== 'awaitFundingSigned' || opening.funding === undefined) return unexpected(message)
      return createChannel(opening, opening.funding, message.signature, ctx)
    }
    default:
      return unexpected(message)
  }
}

const unexpected = (message: Message): Result<never, Fault> =>
  fail('unexpectedMessage', `BOLT 2 §Channel Establishment: ${message.type} is not due`)

function receiveAccept(opening: Opening, message: AcceptChannel, ctx: OpeningContext): Outcome {
  const format = formatNamed(opening.formatName)
  if (!sameFeatures(message.channelType ?? new Uint8Array(0), encodeFeatures(format.channelTypeBits))) {
    return fail('channelType', 'BOLT 2 §accept_channel: channel_type differs from the one proposed')
  }
  if (message.minimumDepth > ctx.policy.maxMinimumDepth) {
    return fail('minimumDepth', 'BOLT 2 §accept_channel: minimum_depth unreasonably large')
  }
  if (message.dustLimitSatoshis > opening.local.channelReserveSat) {
    return fail(
      'reserve',
      'BOLT 2 §accept_channel: our channel_reserve_satoshis is below its dust_limit_satoshis',
    )
  }
  const remote = readParty(message, opening, ctx)
  if (!remote.ok) return remote
  const next: Opening = {
    ...opening,
    stage: 'awaitFunding',
    remote: remote.value,
    remoteFirstPoint: message.firstPerCommitmentPoint,
    // Zero would mean to trust the opener: we are the opener, so it is ours to take, and one confirmation is still shown.
    minimumDepth: Math.max(message.minimumDepth, 0),
  }
  return ok({
    opening: next,
    effects: [{ type: 'needFunding', script: openingFundingScript(next), amountSat: opening.fundingSat }],
  })
}

/** scriptPubKey of the funding output (BOLT 3 §Funding Transaction Output). */
export function openingFundingScript(opening: Opening): Uint8Array {
  if (opening.remote === undefined) throw new Error('invariant: the peer’s funding key is known')
  return p2wsh(fundingScript(opening.local.keys.fundingPubkey, opening.remote.keys.fundingPubkey))
}

const firstView = (opening: Opening): CommitmentView => ({
  feeratePerKw: opening.feeratePerKw,
  openerMsat: subMsat(toMsat(opening.fundingSat), opening.pushMsat),
  accepterMsat: opening.pushMsat,
  htlcs: [],
})

interface Known {
  readonly remote: Party
  readonly remoteFirstPoint: Uint8Array
}

function known(opening: Opening): Known {
  if (opening.remote === undefined || opening.remoteFirstPoint === undefined) {
    throw new Error('invariant: the peer’s terms are known')
  }
  return { remote: opening.remote, remoteFirstPoint: opening.remoteFirstPoint }
}

/** Signs the peer's first commitment. */
function signFirst(opening: Opening, funding: Funding, ctx: ChannelContext) {
  const { remote, remoteFirstPoint } = known(opening)
  const params = commitmentParams({ ...opening, remote, funding })
  const view = firstView(opening)
  const built = buildCommitment(params, otherRole(opening.role), 0n, remoteFirstPoint, view)
  const signed = unwrap(ctx.signer.signRemoteCommitment(opening.signer, built), 'signer')
  const commitment: RemoteCommitment = {
    number: 0,
    indexes: { opener: 0, accepter: 0 },
    point: remoteFirstPoint,
    txid: built.txid,
    signature: signed.signature,
    htlcSignatures: [],
  }
  return { commitment, state: signed.state, record: courtRecord(commitment, view, built) }
}

/** The wallet has built the funding transaction: `funding_created` goes out. It is not broadcast yet. */
export function provideFunding(opening: Opening, tx: Tx, vout: number, ctx: OpeningContext): Outcome {
  if (opening.stage !== 'awaitFunding') return fail('internal', 'funding is not due')
  const funding: Funding = {
    outpoint: { txid: txidOf(tx), vout },
    sat: opening.fundingSat,
    script: openingFundingScript(opening),
    tx,
    minimumDepth: opening.minimumDepth,
    createdHeight: ctx.height,
  }
  const { commitment, state } = signFirst(opening, funding, ctx)
  return ok({
    opening: {
      ...opening,
      stage: 'awaitFundingSigned',
      funding,
      remoteCommitment: commitment,
      signer: state,
    },
    effects: [
      send({
        type: 'funding_created',
        temporaryChannelId: fromHex(opening.temporaryId),
        fundingTxid: txidToBytes(funding.outpoint.txid),
        fundingOutputIndex: vout,
        signature: commitment.signature,
      }),
    ],
  })
}

/** The peer's signature for our first commitment is here: checked, and the opening is a channel. */
function createChannel(
  opening: Opening,
  funding: Funding,
  signature: Uint8Array,
  ctx: OpeningContext,
): Outcome {
  const { remote } = known(opening)
  const params = commitmentParams({ ...opening, remote, funding })
  const view = firstView(opening)
  const point = ctx.signer.commitmentPoint(0n)
  const built = buildCommitment(params, opening.role, 0n, point, view)
  const checked = verifyRemoteSignature(built, signature, [], remote.keys)
  if (!checked.ok) return fail('badSignature', `BOLT 2 §funding: ${checked.error}`)
  const ours = signFirst(opening, funding, ctx)
  const localTip: LocalCommitment = {
    number: 0,
    indexes: { opener: 0, accepter: 0 },
    signature,
    htlcSignatures: [],
  }
  const channelId = channelIdOf(funding.outpoint)
  const channel: Channel = {
    id: toHex(channelId),
    temporaryId: opening.temporaryId,
    peer: opening.peer,
    role: opening.role,
    formatName: opening.formatName,
    salt: opening.salt,
    shutdownScript: opening.shutdownScript,
    local: opening.local,
    remote,
    funding,
    createdAt: ctx.now,
    base: {
      openerMsat: view.openerMsat,
      accepterMsat: view.accepterMsat,
      feeratePerKw: view.feeratePerKw,
      htlcs: [],
    },
    logs: { opener: EMPTY_LOG, accepter: EMPTY_LOG },
    localTip,
    grantedThrough: 0,
    remoteTail: ours.commitment,
    remotePending: [],
    remotePoints: [],
    remoteSecrets: emptySecretStore(formatNamed(opening.formatName).secrets),
    journal: [],
    outbox: [],
    signer: ours.state,
    readySent: false,
    readyReceived: false,
    localAlias: opening.localAlias,
    ...(opening.announce === true ? { announce: true } : {}),
    link: 'online',
  }
  const effects: OpeningEffect[] = [{ type: 'courtRecord', number: 0, value: ours.record }]
  if (opening.role === 'accepter') {
    effects.push(send({ type: 'funding_signed', channelId, signature: ours.commitment.signature }))
  } else if (funding.tx !== undefined) {
    effects.push({ type: 'broadcast', tx: funding.tx, purpose: 'funding' })
  }
  return ok({ channel, effects })
}
