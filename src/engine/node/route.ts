import { equalBytes, fromHex } from '../base/bytes.ts'
import { assertNever } from '../base/result.ts'
import { decodeTx } from '../bitcoin/tx.ts'
import type { ChainEvent } from '../chain/types.ts'
import { isNeverFunded } from '../channel/step.ts'
import type { Channel, ChannelEvent } from '../channel/types.ts'
import { plainText } from '../wire/text.ts'
import { noteForgotten } from './backup.ts'
import { considerAnnouncing } from './announce.ts'
import { broadcast, unwatch, watchChannel } from './chain.ts'
import { channelInput, flushChannels } from './channels.ts'
import {
  beginClose,
  claimWith,
  closeChainEvent,
  closesTip,
  dropClose,
  fundingSpent,
  fundingUnspent,
} from './closes.ts'
import {
  forgetOnions,
  forwardAsked,
  forwardOver,
  forwardRefused,
  forwardRemoved,
  forwardSettled,
  isForwardToken,
} from './forwards.ts'
import { htlcReceived, htlcSettled, paymentRefused, paymentRemoved, paymentSettled } from './payments.ts'
import { endNeverFunded, returnScript } from './openings.ts'
import { hangUp } from './peers.ts'
import { sendTo } from './send.ts'
import { emit, feerateFor, omit, type Pending, type Turn } from './state.ts'
import { sendUpdate } from './updates.ts'
import { walletHistory } from './wallet.ts'

/** From one machine to another: what each says is heard by whom it concerns, in order, within the turn. */

/** A turn that does not come to rest is a defect; far above what any real one needs. */
const MAX_STEPS = 1_000_000

/** Hands on all news, those that come of it included. */
export function drain(turn: Turn): void {
  for (let steps = 0; ; steps++) {
    const next = turn.pending.shift()
    if (next === undefined) return
    if (steps > MAX_STEPS) throw new Error('invariant: a turn comes to rest')
    hear(turn, next)
  }
}

/** The end of a turn: channels say what is due, and what comes of that is heard, until all are quiet (rule 4). */
export function comeToRest(turn: Turn): void {
  drain(turn)
  for (let round = 0; turn.dirty.size > 0; round++) {
    if (round > 1000) throw new Error('invariant: a turn comes to rest')
    flushChannels(turn)
    drain(turn)
  }
}

function hear(turn: Turn, news: Pending): void {
  switch (news.kind) {
    case 'chain':
      return chainEvent(turn, news.event)
    case 'channel':
      return channelEvent(turn, news.channelId, news.event)
    case 'publish':
      return beginClose(turn, news.channelId, news.tx)
    case 'usable':
      sendUpdate(turn, news.channelId)
      return considerAnnouncing(turn, news.channelId)
    case 'forward':
      return forwardAsked(turn, news.ask, news.onion)
    case 'preimage':
      return claimWith(turn, news.channelId, news.preimage)
    case 'hangUp':
      return hangUp(turn, news.nodeId, news.reason)
    default:
      return assertNever(news)
  }
}

function channelEvent(turn: Turn, channelId: string, event: ChannelEvent): void {
  switch (event.type) {
    case 'ready':
      return emit(turn, { type: 'channelReady', channelId })
    case 'htlcReceived':
      return htlcReceived(turn, channelId, event.add)
    case 'htlcSettled':
      if (forwardOver(turn, channelId, event.id)) return
      return htlcSettled(turn, channelId, event.id, event.paymentHash, event.fulfilled)
    case 'htlcFulfilled':
      if (isForwardToken(event.token))
        return forwardSettled(turn, event.token, event.preimage, event.attributionData)
      return paymentSettled(turn, event.token, event.preimage, event.attributionData)
    case 'htlcRemoved':
      if (isForwardToken(event.token)) return forwardRemoved(turn, event.token, event.removal)
      return paymentRemoved(turn, event.token, event.removal)
    case 'addRefused':
      if (isForwardToken(event.token)) return forwardRefused(turn, event.token)
      return paymentRefused(turn, event.token, event.reason)
    case 'failed':
      return emit(turn, { type: 'channelFailed', channelId, reason: event.failure.reason })
    case 'closing':
    case 'closed':
      return
    case 'forgotten':
      if (event.reason === 'fundingTimedOut' && !isFundingAbsent(turn, channelId)) return
      return forget(turn, channelId, event.reason)
    default:
      return assertNever(event)
  }
}

/**
 * Whether a server said at our tip that the funding transaction is in no block. Silence says nothing: after weeks away headers come
 * first, and the transaction may well be in one of them.
 */
function isFundingAbsent(turn: Turn, id: string): boolean {
  const txid = turn.state.channels[id]?.funding.outpoint.txid ?? ''
  const { txs, headers } = turn.state.chain
  const entry = txs[txid]
  if (turn.state.health?.synced !== true || entry === undefined || entry.confirmed !== null) return false
  const misses = [...Object.values(entry.rawMisses), ...Object.values(entry.proofMisses)]
  return misses.some((miss) => miss.tip === headers.tip.hash)
}

/** An accepted channel whose funding transaction never came (BOLT 2): nothing was ever at stake, and nothing of it remains. */
function forget(turn: Turn, id: string, reason: string): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  unwatch(turn, `funding/${id}`)
  unwatch(turn, `spend/${id}`)
  dropClose(turn, id)
  returnScript(turn, channel.shutdownScript)
  turn.state = { ...turn.state, channels: omit(turn.state.channels, id) }
  noteForgotten(turn, id)
  emit(turn, { type: 'channelFailed', channelId: id, reason })
}

function chainEvent(turn: Turn, event: ChainEvent): void {
  switch (event.type) {
    case 'tip':
      return newTip(turn)
    case 'reorg':
      takeBack(turn, event.forkHeight)
      return emit(turn, { type: 'chainChanged' })
    case 'feeEstimates':
      turn.state = { ...turn.state, fees: event.estimates }
      return proposeFees(turn)
    case 'health': {
      const { type: _, ...health } = event
      turn.state = { ...turn.state, health }
      return emit(turn, { type: 'chainChanged' })
    }
    case 'alarm':
      return emit(turn, {
        type: 'notice',
        code: event.alarm.kind,
        message:
          event.alarm.kind === 'serverLies' ? `${event.alarm.server}: ${event.alarm.what}` : event.alarm.kind,
      })
    case 'scriptHistory':
      walletHistory(turn, event.scriptPubKey, event.txs)
      return endNeverFunded(turn)
    case 'broadcastResult':
      if (!event.accepted) {
        emit(turn, {
          type: 'notice',
          code: 'transactionRejected',
          message: event.servers.map((s) => s.reason ?? '').find((reason) => reason !== '') ?? 'refused',
        })
      }
      return
    default:
      return watchEvent(turn, event)
  }
}

type WatchEvent = Extract<ChainEvent, { type: 'depth' | 'confirmed' | 'unconfirmed' | 'spent' | 'unspent' }>

function watchEvent(turn: Turn, event: WatchEvent): void {
  const [owner, id = ''] = event.token.split('/')
  if (owner === 'onchain') return closeChainEvent(turn, id, event)
  if (owner === 'tx') {
    // Confirmed: no need to send it again. After a reorg its owner watches and sends it anew.
    if (event.type === 'confirmed') unwatch(turn, event.token)
    return
  }
  if (owner === 'funding') return fundingEvent(turn, id, event)
  if (owner === 'spend') {
    if (event.type === 'spent') fundingSpent(turn, id, event)
    else if (event.type === 'unspent' || event.type === 'unconfirmed') fundingUnspent(turn, id)
  }
}

function fundingEvent(turn: Turn, id: string, event: WatchEvent): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  if (event.type === 'depth') {
    turn.state = { ...turn.state, fundingDepths: { ...turn.state.fundingDepths, [id]: event.depth } }
    emit(turn, { type: 'channelChanged', channelId: id })
    turn.dirty.add(id)
    considerAnnouncing(turn, id)
  } else if (event.type === 'confirmed') {
    const { height, index, depth } = event
    if (!paysChannel(event.tx, channel)) {
      // BOLT 2 §channel_ready: the accepter checks what confirmed. There is nothing in such a channel to broadcast for.
      return refuseFunding(turn, id)
    }
    if (isNeverFunded(channel)) watchChannel(turn, channel)
    channelInput(turn, id, { type: 'fundingConfirmed', height, txIndex: index, depth })
    considerAnnouncing(turn, id)
  } else if (event.type === 'unconfirmed') fundingUnconfirmed(turn, channel)
}

/** The block with the funding transaction is not on our chain any more: it is looked for again, and sent again where it is ours. */
function fundingUnconfirmed(turn: Turn, { id, funding }: Channel): void {
  turn.state = { ...turn.state, fundingDepths: { ...turn.state.fundingDepths, [id]: 0 } }
  channelInput(turn, id, { type: 'fundingUnconfirmed' })
  if (funding.tx !== undefined) broadcast(turn, funding.tx)
}

/**
 * Blocks above this height are gone. Watches tell of what they have seen themselves; a confirmation from before the last start they have
 * not looked up yet, and its block may have gone while we were away.
 */
function takeBack(turn: Turn, forkHeight: number): void {
  for (const channel of Object.values(turn.state.channels)) {
    if ((channel.funding.confirmedHeight ?? 0) > forkHeight) fundingUnconfirmed(turn, channel)
  }
}

/** Whether a proved transaction has the channel's output: script and amount, as `open_channel` promised. */
function paysChannel(raw: Uint8Array, channel: Channel): boolean {
  const tx = decodeTx(raw)
  if (!tx.ok) return false
  const output = tx.value.outputs[channel.funding.outpoint.vout]
  return (
    output !== undefined &&
    output.valueSat === channel.funding.sat &&
    equalBytes(output.script, channel.funding.script)
  )
}

/** An opener lied about its funding transaction: the channel is told off and forgotten, since no coin of ours is in it. */
function refuseFunding(turn: Turn, id: string): void {
  const channel = turn.state.channels[id]
  if (channel === undefined) return
  sendTo(turn, channel.peer, {
    type: 'error',
    channelId: fromHex(id),
    data: plainText('the funding output is not what open_channel promised'),
  })
  forget(turn, id, 'The funding transaction does not pay the channel.')
}

function newTip(turn: Turn): void {
  for (const channel of Object.values(turn.state.channels)) {
    if (turn.state.closes[channel.id] === undefined) channelInput(turn, channel.id, { type: 'tick' })
    turn.dirty.add(channel.id)
  }
  closesTip(turn)
  forgetOnions(turn)
  endNeverFunded(turn)
  emit(turn, { type: 'chainChanged' })
}

/** A fee update is worth its messages when the rate has moved by a quarter. */
const FEE_DRIFT = 1.25

function proposeFees(turn: Turn): void {
  const target = feerateFor(turn.state, turn.setup, 12)
  for (const channel of Object.values(turn.state.channels)) {
    if (channel.role !== 'opener' || channel.closing !== undefined || channel.failure !== undefined) continue
    const current = channel.base.feeratePerKw
    if (target > current * FEE_DRIFT || target * FEE_DRIFT < current) {
      channelInput(turn, channel.id, { type: 'propose', proposal: { type: 'fee', feeratePerKw: target } })
    }
  }
}
