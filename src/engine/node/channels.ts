import { fromHex } from '../base/bytes.ts'
import { txidOf } from '../bitcoin/tx.ts'
import type { Opening } from '../channel/opening.ts'
import { courtWrite } from '../channel/records.ts'
import { applyFault, step } from '../channel/step.ts'
import type { Channel, ChannelContext, ChannelEffect, ChannelInput, Transition } from '../channel/types.ts'
import { formatNamed } from '../commitment/formats.ts'
import { deriveChannelSecrets } from '../commitment/secrets.ts'
import { type ChannelSigner, createChannelSigner } from '../commitment/signer.ts'
import { negotiated } from '../wire/features.ts'
import { plainText } from '../wire/text.ts'
import { broadcast, watchChannel } from './chain.ts'
import { ourFeatures, sendTo } from './send.ts'
import { emit, feerateFor, heightOf, type Turn } from './state.ts'

/** The channel machines in the node's turns: inputs in, effects to where they belong. */

/** Signers hold secrets in closures and are made anew after a restart; one a channel, keyed by the identity of its salt. */
const signers = new WeakMap<Uint8Array, ChannelSigner>()

function signerFor(turn: Turn, salt: Uint8Array, formatName: string): ChannelSigner {
  const known = signers.get(salt)
  if (known !== undefined) return known
  const format = formatNamed(formatName)
  const signer = createChannelSigner(
    deriveChannelSecrets(turn.setup.nodeKeys.channelSeed(salt), format),
    format,
  )
  signers.set(salt, signer)
  return signer
}

/** What a channel may ask of the world, this turn. */
export function channelContext(
  turn: Turn,
  channel: Pick<Channel | Opening, 'peer' | 'salt' | 'formatName'>,
): ChannelContext {
  const theirs = turn.state.peers[channel.peer]?.features ?? new Uint8Array(0)
  return {
    now: turn.now,
    height: heightOf(turn.state),
    network: turn.setup.network,
    entropy: turn.entropy,
    signer: signerFor(turn, channel.salt, channel.formatName),
    feeratePerKw: commitmentFeerate(turn),
    anysegwit: negotiated(ourFeatures(turn), theirs, 'option_shutdown_anysegwit'),
  }
}

/** Commitments should confirm within a day or so; with anchors they may be bumped later. */
const commitmentFeerate = (turn: Turn): number => feerateFor(turn.state, turn.setup, 12)

/** A new channel: stored with this turn, its funding watched, its peer kept. */
export function addChannel(turn: Turn, channel: Channel): void {
  turn.state = { ...turn.state, channels: { ...turn.state.channels, [channel.id]: channel } }
  turn.dirty.add(channel.id)
  watchChannel(turn, channel)
  const address = turn.state.peerAddresses[channel.peer]
  if (address !== undefined) turn.effects.push({ type: 'keepConnected', nodeId: channel.peer, address })
  emit(turn, { type: 'channelChanged', channelId: channel.id })
}

/** One input to one channel. A fault is obeyed: the channel failed, the peer warned or let go. */
export function channelInput(turn: Turn, id: string, input: ChannelInput): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  const ctx = channelContext(turn, channel)
  const outcome = step(channel, input, ctx)
  if (outcome.ok) return apply(turn, channel, outcome.value)
  const fault = outcome.error
  apply(turn, channel, applyFault(channel, fault, ctx))
  if (fault.action === 'warn' || fault.action === 'disconnect') {
    // BOLT 1 §warning: why we do not go on, for whoever reads the peer's log.
    sendTo(turn, channel.peer, { type: 'warning', channelId: fromHex(id), data: plainText(fault.text) })
    emit(turn, { type: 'notice', code: fault.code, message: fault.text, channelId: id })
  }
  if (fault.action === 'disconnect')
    turn.pending.push({ kind: 'hangUp', nodeId: channel.peer, reason: fault.text })
}

const isUsable = (channel: Channel): boolean =>
  channel.link === 'online' && channel.readySent && channel.readyReceived && channel.failure === undefined

function apply(turn: Turn, before: Channel, transition: Transition): void {
  const { channel } = transition
  if (channel !== before) {
    turn.state = { ...turn.state, channels: { ...turn.state.channels, [channel.id]: channel } }
    turn.dirty.add(channel.id)
    emit(turn, { type: 'channelChanged', channelId: channel.id })
    if (!isUsable(before) && isUsable(channel)) turn.pending.push({ kind: 'usable', channelId: channel.id })
  }
  performChannelEffects(turn, channel, transition.effects)
}

export function performChannelEffects(turn: Turn, channel: Channel, effects: readonly ChannelEffect[]): void {
  for (const effect of effects) {
    switch (effect.type) {
      case 'send':
        sendTo(turn, channel.peer, effect.message)
        break
      case 'broadcast':
        if (effect.purpose === 'commitment') {
          // The on-chain machine broadcasts it, for as long as no other close is in a block.
          turn.pending.push({ kind: 'publish', channelId: channel.id, tx: effect.tx })
          break
        }
        broadcast(turn, effect.tx)
        if (effect.purpose === 'mutualClose') {
          emit(turn, { type: 'channelClosing', channelId: channel.id, txid: txidOf(effect.tx) })
        }
        break
      case 'courtRecord':
        turn.extraWrites.push(courtWrite(channel.id, effect.value))
        break
      case 'event':
        turn.pending.push({ kind: 'channel', channelId: channel.id, event: effect.event })
        break
    }
  }
}

/** Accepted channels that wait for their funding transaction look at the clock of blocks, also when a close has begun meanwhile. */
export function tickUnfunded(turn: Turn): void {
  for (const { id, role, funding } of Object.values(turn.state.channels)) {
    if (role === 'accepter' && funding.confirmedHeight === undefined) channelInput(turn, id, { type: 'tick' })
  }
}

/** Every channel that changed says what it may say. */
export function flushChannels(turn: Turn): void {
  const ids = [...turn.dirty]
  turn.dirty.clear()
  for (const id of ids) channelInput(turn, id, { type: 'flush' })
}
