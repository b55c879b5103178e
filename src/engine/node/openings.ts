import { fromHex, toHex, uintBE } from '../base/bytes.ts'
import type { Msat, Sat } from '../base/units.ts'
import {
  acceptOpening,
  type OpeningContext,
  type OpeningEffect,
  type OpeningTransition,
  openingMessage,
  provideFunding,
  startOpening,
} from '../channel/opening.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Fault } from '../channel/types.ts'
import { FORMATS, formatNamed, formatOfChannelType } from '../commitment/formats.ts'
import { sha256 } from '../crypto/hash.ts'
import { newChannelSalt } from '../wallet/keys.ts'
import { channelIdOf } from '../wire/channel-id.ts'
import { featureBits, negotiated } from '../wire/features.ts'
import type { AcceptChannel, FundingCreated, FundingSigned, OpenChannel } from '../wire/messages.ts'
import { plainText } from '../wire/text.ts'
import { dropClose, endNeverFundedHtlcs } from './closes.ts'
import type { ApiFailure } from './commands.ts'
import { unwatch } from './chain.ts'
import { addChannel, channelContext, channelInput, performChannelEffects } from './channels.ts'
import { isUsed } from '../wallet/coins.ts'
import { defeatedAt } from '../wallet/ledger.ts'
import { ourFeatures, sendTo } from './send.ts'
import { emit, feerateFor, heightOf, omit, type PendingOpening, type Turn } from './state.ts'
import { buildFundingFor, commitFunding, freshScript, releaseFunding } from './wallet.ts'

/** Openings: between a peer's messages, the wallet's coins and the channel that comes of it. */

/** An opening that makes no progress for this long is given up, so that its coins are free again. */
const OPENING_TIMEOUT_MS = 60_000
/** Openings by others that we answer at a time: each costs keys and memory, none costs them money. */
const MAX_INBOUND_OPENINGS = 8
/** Channels by others whose funding transaction is in no block yet: they cost nothing to make, and stay for two weeks. */
const MAX_UNFUNDED = 48
const MAX_UNFUNDED_PER_PEER = 16

function openingContext(turn: Turn, nodeId: string, salt: Uint8Array, formatName: string): OpeningContext {
  const theirs = turn.state.peers[nodeId]?.features ?? new Uint8Array(0)
  return {
    ...channelContext(turn, { peer: nodeId, salt, formatName }),
    policy: turn.setup.policy,
    upfrontShutdown: negotiated(ourFeatures(turn), theirs, 'option_upfront_shutdown_script'),
  }
}

/** Whether a format of ours is one that the peer's init shows too (BOLT 2 §open_channel; lcp wire: only after the peer's 267). */
function usableWith(turn: Turn, nodeId: string, name: string): boolean {
  const theirs = turn.state.peers[nodeId]?.features ?? new Uint8Array(0)
  const ours = ourFeatures(turn)
  const format = formatNamed(name)
  // lcp is not offered where dual funding is negotiated: its proofs are bound to version 1's temporary_channel_id.
  if (format.lcpTlvs) return negotiated(ours, theirs, 'lcp') && !negotiated(ours, theirs, 'option_dual_fund')
  return negotiated(ours, theirs, format.anchors ? 'option_anchors' : 'option_static_remotekey')
}

/** The best format that both sides know; undefined when the peer lacks even static_remotekey. */
const chooseFormat = (turn: Turn, nodeId: string): string | undefined =>
  turn.setup.formats.find((name) => usableWith(turn, nodeId, name))

/**
 * A salt for a channel that no other has (lcp.md §Elkrem): a repeated one would give a new channel the keys of an old, and its peer
 * secrets that are live. Time and peer are mixed in, so that randomness that repeats itself, in a cloned machine or a wallet restored
 * from words, still draws others; and what is known here is looked at.
 */
function drawSalt(turn: Turn, nodeId: string): Uint8Array {
  const openings = Object.values(turn.state.openings).map(({ opening }) => opening)
  const used = new Set([...Object.values(turn.state.channels), ...openings].map(({ salt }) => toHex(salt)))
  for (let i = 0; i < 8; i++) {
    const time = uintBE(BigInt(Math.trunc(turn.now)), 8)
    const salt = sha256(newChannelSalt(turn.entropy), time, fromHex(nodeId))
    if (!used.has(toHex(salt))) return salt
  }
  throw new Error('invariant: randomness gives a channel a salt of its own')
}

export interface OpenCommand {
  readonly nodeId: string
  readonly amountSat: Sat
  readonly pushMsat: Msat
  readonly feeratePerKw?: number
  /** To be announced to the network. */
  readonly announce?: boolean
}

/** Starts an opening of ours; the answer is its id or why not. */
export function beginOpening(
  turn: Turn,
  command: OpenCommand,
): { ok: true; id: string } | { ok: false; error: ApiFailure } {
  const peer = turn.state.peers[command.nodeId]
  const fail = (
    code: string,
    message: string,
    data?: ApiFailure['data'],
  ): { ok: false; error: ApiFailure } => ({
    ok: false,
    error: { code, message, ...(data === undefined ? {} : { data }) },
  })
  if (peer === undefined || peer.phase !== 'ready')
    return fail('peerNotConnected', 'The peer is not connected.')
  const formatName = chooseFormat(turn, command.nodeId)
  if (formatName === undefined) return fail('peerIncompatible', 'The peer supports no channel type of ours.')
  const salt = drawSalt(turn, command.nodeId)
  const shutdownScript = drawScript(turn)
  const fundingFeeratePerKw = command.feeratePerKw ?? feerateFor(turn.state, turn.setup, 6)
  const started = startOpening(
    {
      peer: command.nodeId,
      salt,
      formatName,
      fundingSat: command.amountSat,
      pushMsat: command.pushMsat,
      shutdownScript,
      announce: command.announce ?? false,
    },
    openingContext(turn, command.nodeId, salt, formatName),
  )
  if (!started.ok) {
    returnScript(turn, shutdownScript)
    const { minFundingSat, maxFundingSat } = turn.setup.policy
    return fail(started.error, 'A channel of this size cannot be opened.', {
      minimumSat: String(minFundingSat),
      maximumSat: String(maxFundingSat),
    })
  }
  const opening = started.value.opening
  if (opening === undefined) throw new Error('invariant: an opening was started')
  const id = opening.temporaryId
  // Coins are looked at before the peer is bothered; they are reserved once the script is known.
  const problem = buildFundingFor(
    turn,
    `probe-${id}`,
    placeholderScript(),
    command.amountSat,
    fundingFeeratePerKw,
  )
  releaseFunding(turn, `probe-${id}`)
  if ('code' in problem) {
    returnScript(turn, shutdownScript)
    return { ok: false, error: problem }
  }
  setOpening(turn, id, { opening, fundingFeeratePerKw, inbound: false })
  for (const effect of started.value.effects) {
    if (effect.type === 'send') sendTo(turn, command.nodeId, effect.message)
  }
  return { ok: true, id }
}

/** A funding output's script has this form and weight whatever the keys. */
const placeholderScript = (): Uint8Array => Uint8Array.of(0x00, 0x20, ...new Uint8Array(32))

/**
 * Where a channel's balance goes when it is closed. Whoever opens and drops, or is refused, as often as he likes costs no more than
 * one address: what an opening drew that came to nothing is used for the next one, so that the wallet's gap limit is not eaten up.
 */
function drawScript(turn: Turn): Uint8Array {
  const [spare, ...rest] = turn.state.spareScripts
  if (spare === undefined) return freshScript(turn)
  turn.state = { ...turn.state, spareScripts: rest }
  return isUsed(turn.state.wallet, spare) ? drawScript(turn) : spare
}

export function returnScript(turn: Turn, script: Uint8Array): void {
  turn.state = { ...turn.state, spareScripts: [...turn.state.spareScripts, script] }
}

function setOpening(turn: Turn, id: string, pending: PendingOpening): void {
  turn.state = { ...turn.state, openings: { ...turn.state.openings, [id]: pending } }
}

/** Ends an opening: coins are free again, the peer is told unless it knows. */
export function dropOpening(turn: Turn, id: string, error: ApiFailure, tell = true): void {
  const pending = turn.state.openings[id]
  if (pending === undefined) return
  turn.state = { ...turn.state, openings: omit(turn.state.openings, id) }
  returnScript(turn, pending.opening.shutdownScript)
  releaseFunding(turn, `funding-${id}`)
  if (tell) {
    sendTo(turn, pending.opening.peer, {
      type: 'error',
      channelId: fromHex(pending.opening.temporaryId),
      data: plainText(error.message),
    })
  }
  if (!pending.inbound) emit(turn, { type: 'openingFailed', openingId: askedAs(id, pending), error })
}

/** The id by which the user knows an opening. */
const askedAs = (id: string, pending: PendingOpening): string => pending.askedAs ?? id

/** The user takes an opening back. */
export function cancelOpening(turn: Turn, openingId: string): void {
  const found = Object.entries(turn.state.openings).find(
    ([id, pending]) => askedAs(id, pending) === openingId,
  )
  if (found === undefined) return
  dropOpening(turn, found[0], { code: 'cancelled', message: 'The opening was cancelled.' })
}

/** Whether an error is about the type of the channel: errors carry words and no codes (BOLT 1 §error), and all makes use these. */
const isAboutType = (text: string): boolean => /channel[ _-]?type/i.test(text)

/**
 * The peer's error ends an opening. One that has shown 267 and refuses the lcp type after all (its operator may allow it for some peers
 * only) is asked once more, for the best of the `bolt` formats; a refusal for any other reason would be the same for those.
 */
export function refusedOpening(turn: Turn, id: string, text: string): void {
  const pending = turn.state.openings[id]
  if (pending === undefined) return
  const { opening, inbound } = pending
  const ofType = !inbound && opening.stage === 'awaitAccept' && formatNamed(opening.formatName).lcpTlvs
  if (ofType && isAboutType(text) && beginAnew(turn, id, pending)) return
  dropOpening(turn, id, { code: 'openRefused', message: text, data: { reason: text } }, false)
}

/** Begins an opening again without lcp, with a salt of its own and under another temporary_channel_id; false where there is no other format. */
function beginAnew(turn: Turn, id: string, pending: PendingOpening): boolean {
  const { peer, fundingSat, pushMsat, shutdownScript } = pending.opening
  const formatName = turn.setup.formats.find(
    (name) => !formatNamed(name).lcpTlvs && usableWith(turn, peer, name),
  )
  if (formatName === undefined) return false
  const salt = drawSalt(turn, peer)
  const started = startOpening(
    { peer, salt, formatName, fundingSat, pushMsat, shutdownScript },
    openingContext(turn, peer, salt, formatName),
  )
  const opening = started.ok ? started.value.opening : undefined
  if (!started.ok || opening === undefined) return false
  turn.state = { ...turn.state, openings: omit(turn.state.openings, id) }
  setOpening(turn, opening.temporaryId, { ...pending, opening, askedAs: askedAs(id, pending) })
  for (const effect of started.value.effects) {
    if (effect.type === 'send') sendTo(turn, peer, effect.message)
  }
  return true
}

export function receiveOpeningMessage(
  turn: Turn,
  nodeId: string,
  message: OpenChannel | AcceptChannel | FundingCreated | FundingSigned,
): void {
  if (message.type === 'open_channel') return receiveOpen(turn, nodeId, message)
  const id =
    message.type === 'funding_signed'
      ? openingOfChannel(turn, nodeId, toHex(message.channelId))
      : toHex(message.temporaryChannelId)
  const pending = id === undefined ? undefined : turn.state.openings[id]
  if (id === undefined || pending === undefined || pending.opening.peer !== nodeId) {
    const channelId = message.type === 'funding_signed' ? message.channelId : message.temporaryChannelId
    return sendTo(turn, nodeId, { type: 'error', channelId, data: plainText('unknown channel') })
  }
  const { opening } = pending
  const ctx = openingContext(turn, nodeId, opening.salt, opening.formatName)
  const outcome = openingMessage(opening, message, ctx)
  if (!outcome.ok) return failOpening(turn, id, outcome.error)
  take(turn, id, pending, outcome.value)
}

/** The opening whose funding outpoint gives this channel id. */
function openingOfChannel(turn: Turn, nodeId: string, channelId: string): string | undefined {
  return Object.entries(turn.state.openings).find(
    ([, { opening }]) =>
      opening.peer === nodeId &&
      opening.funding !== undefined &&
      toHex(channelIdOf(opening.funding.outpoint)) === channelId,
  )?.[0]
}

const failOpening = (turn: Turn, id: string, fault: Fault): void =>
  dropOpening(turn, id, { code: 'openRefused', message: fault.text, data: { fault: fault.code } })

function take(turn: Turn, id: string, pending: PendingOpening, transition: OpeningTransition): void {
  const nodeId = pending.opening.peer
  const { channel, opening } = transition
  if (channel !== undefined) {
    if (turn.state.channels[channel.id] !== undefined) {
      return dropOpening(turn, id, {
        code: 'openRefused',
        message: 'this funding output is a channel already',
      })
    }
    turn.state = { ...turn.state, openings: omit(turn.state.openings, id) }
    // The reservation becomes a transaction of the wallet's in the very turn that may broadcast it.
    if (!pending.inbound) commitFunding(turn, `funding-${id}`, channel)
    addChannel(turn, channel)
    performChannelEffects(
      turn,
      channel,
      transition.effects.filter((e) => e.type !== 'needFunding'),
    )
    emit(turn, {
      type: 'openingPending',
      openingId: askedAs(id, pending),
      channelId: channel.id,
      fundingTxid: channel.funding.outpoint.txid,
    })
    return
  }
  if (opening !== undefined) setOpening(turn, id, { ...pending, opening })
  for (const effect of transition.effects) openingEffect(turn, id, nodeId, effect)
}

function openingEffect(turn: Turn, id: string, nodeId: string, effect: OpeningEffect): void {
  if (effect.type === 'send') return sendTo(turn, nodeId, effect.message)
  if (effect.type !== 'needFunding') return
  const pending = turn.state.openings[id]
  if (pending === undefined) return
  emit(turn, { type: 'openingNegotiated', openingId: askedAs(id, pending) })
  const built = buildFundingFor(
    turn,
    `funding-${id}`,
    effect.script,
    effect.amountSat,
    pending.fundingFeeratePerKw,
  )
  if ('code' in built) return dropOpening(turn, id, built)
  const { opening } = pending
  const ctx = openingContext(turn, nodeId, opening.salt, opening.formatName)
  const outcome = provideFunding(opening, built.tx, built.vout, ctx)
  if (!outcome.ok) return failOpening(turn, id, outcome.error)
  take(turn, id, pending, outcome.value)
}

function receiveOpen(turn: Turn, nodeId: string, message: OpenChannel): void {
  const refuse = (text: string) =>
    sendTo(turn, nodeId, { type: 'error', channelId: message.temporaryChannelId, data: plainText(text) })
  if (!turn.setup.acceptChannels) return refuse('this node accepts no channels')
  const id = toHex(message.temporaryChannelId)
  const inbound = Object.values(turn.state.openings).filter((o) => o.inbound)
  if (turn.state.openings[id] !== undefined || inbound.length >= MAX_INBOUND_OPENINGS)
    return refuse('too many openings')
  const unfunded = Object.values(turn.state.channels).filter(
    (c) => c.role === 'accepter' && c.funding.confirmedHeight === undefined,
  )
  const ofPeer = unfunded.filter((c) => c.peer === nodeId)
  if (unfunded.length >= MAX_UNFUNDED || ofPeer.length >= MAX_UNFUNDED_PER_PEER)
    return refuse('too many channels wait for their funding transaction')
  const format = formatOfChannelType(featureBits(message.channelType ?? new Uint8Array(0)))
  if (format === undefined || !turn.setup.formats.includes(format.name) || !FORMATS.includes(format)) {
    return refuse('unsupported channel_type')
  }
  if (!usableWith(turn, nodeId, format.name)) return refuse('channel_type was not negotiated in init')
  const salt = drawSalt(turn, nodeId)
  const shutdownScript = drawScript(turn)
  const outcome = acceptOpening(
    message,
    { peer: nodeId, salt, formatName: format.name, shutdownScript },
    openingContext(turn, nodeId, salt, format.name),
  )
  if (!outcome.ok) {
    returnScript(turn, shutdownScript)
    return refuse(outcome.error.text)
  }
  if (outcome.value.opening === undefined) return
  setOpening(turn, id, { opening: outcome.value.opening, fundingFeeratePerKw: 0, inbound: true })
  for (const effect of outcome.value.effects) openingEffect(turn, id, nodeId, effect)
}

/** Gives up what has stalled. */
export function tickOpenings(turn: Turn): void {
  for (const [id, { opening }] of Object.entries(turn.state.openings)) {
    if (turn.now - opening.startedAt > OPENING_TIMEOUT_MS) {
      dropOpening(turn, id, {
        code: 'openTimedOut',
        message: 'The peer did not finish opening the channel in time.',
      })
    }
  }
}

/** A rival of a funding transaction this deep will not be taken back: the channel will never be. */
const DEFEAT_DEPTH = 6

/**
 * Ends channels of ours whose coins were spent by another transaction, blocks ago: by another copy of this wallet, most likely. The
 * wallet counts such coins right by itself. The channel is kept, and its funding watched, should the block be taken back after all.
 */
export function endNeverFunded(turn: Turn): void {
  const { wallet, channels } = turn.state
  for (const channel of Object.values(channels)) {
    const { tx, outpoint, confirmedHeight } = channel.funding
    if (tx === undefined || confirmedHeight !== undefined || isNeverFunded(channel)) continue
    const defeat = defeatedAt(wallet, outpoint.txid)
    if (defeat === undefined || heightOf(turn.state) - defeat + 1 < DEFEAT_DEPTH) continue
    unwatch(turn, `tx/${outpoint.txid}`)
    dropClose(turn, channel.id)
    channelInput(turn, channel.id, { type: 'neverFunded' })
    endNeverFundedHtlcs(turn, channel.id)
  }
}
