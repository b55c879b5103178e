import { equalBytes, fromHex, utf8 } from '../base/bytes.ts'
import { decodeTx, encodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { chainStep } from '../chain/step.ts'
import type { ChainEvent, ChainInput } from '../chain/types.ts'
import type { Channel } from '../channel/types.ts'
import { closeChainEvent, closesTip, fundingSpent, fundingUnspent } from './closes.ts'
import { channelInput } from './channels.ts'
import { sendTo } from './peers.ts'
import { emit, feerateFor, omit, type Turn } from './state.ts'
import { walletHistory } from './wallet.ts'

/**
 * The chain in the node's turns. Watches carry tokens that say whose they are:
 * `wallet`, `funding/<channel>`, `spend/<channel>`, `tx/<txid>` (a broadcast kept up), `onchain/<channel>/…` (the on-chain machine's).
 */

/** One input to the chain machine; its requests go to the shell, its events to their owners. */
export function chainInput(turn: Turn, input: ChainInput): void {
  const result = chainStep(turn.state.chain, input, { now: turn.now })
  turn.state = {
    ...turn.state,
    chain: result.state,
    ...(result.state.health?.synced === true ? { syncedAt: turn.now } : {}),
  }
  for (const effect of result.effects) {
    if (effect.type === 'request') {
      turn.effects.push({ type: 'esplora', id: effect.id, server: effect.server, request: effect.request })
    } else if (effect.type === 'cancel') turn.effects.push({ type: 'esploraCancel', id: effect.id })
    else turn.effects.push(effect)
  }
  for (const event of result.events) chainEvent(turn, event)
}

/** Sends a transaction to every server, again and again until it confirms. */
export function broadcast(turn: Turn, tx: Tx): void {
  chainInput(turn, { type: 'broadcast', token: `tx/${txidOf(tx)}`, tx: encodeTx(tx), keep: true })
  chainInput(turn, {
    type: 'watchTx',
    token: `tx/${txidOf(tx)}`,
    txid: txidOf(tx),
    scriptPubKey: new Uint8Array(0),
    minDepth: 1,
  })
}

export function watchWallet(turn: Turn, scripts: readonly Uint8Array[]): void {
  chainInput(turn, { type: 'watchScripts', token: 'wallet', scriptPubKeys: scripts })
}

/** A channel's funding output: when it confirms, and when it is spent. */
export function watchChannel(turn: Turn, channel: Channel): void {
  const { outpoint, script, minimumDepth } = channel.funding
  chainInput(turn, {
    type: 'watchTx',
    token: `funding/${channel.id}`,
    txid: outpoint.txid,
    scriptPubKey: script,
    minDepth: 1,
    upTo: Math.max(minimumDepth, 6),
  })
  chainInput(turn, { type: 'watchSpend', token: `spend/${channel.id}`, outpoint, scriptPubKey: script })
}

export function unwatch(turn: Turn, token: string): void {
  chainInput(turn, { type: 'unwatch', token })
}

function chainEvent(turn: Turn, event: ChainEvent): void {
  switch (event.type) {
    case 'tip':
      return newTip(turn)
    case 'reorg':
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
      return walletHistory(turn, event.scriptPubKey, event.txs)
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
  } else if (event.type === 'confirmed') {
    const { height, index, depth } = event
    if (!paysChannel(event.tx, channel)) {
      // BOLT 2 §channel_ready: the accepter checks what confirmed. There is nothing in such a channel to broadcast for.
      emit(turn, {
        type: 'channelFailed',
        channelId: id,
        reason: 'The funding transaction does not pay the channel.',
      })
      return refuseFunding(turn, id)
    }
    channelInput(turn, id, { type: 'fundingConfirmed', height, txIndex: index, depth })
  } else if (event.type === 'unconfirmed') {
    turn.state = { ...turn.state, fundingDepths: { ...turn.state.fundingDepths, [id]: 0 } }
    channelInput(turn, id, { type: 'fundingUnconfirmed' })
    const { tx } = channel.funding
    if (tx !== undefined) broadcast(turn, tx)
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
    data: utf8('the funding output is not what open_channel promised'),
  })
  unwatch(turn, `funding/${id}`)
  unwatch(turn, `spend/${id}`)
  turn.state = { ...turn.state, channels: omit(turn.state.channels, id) }
}

function newTip(turn: Turn): void {
  for (const channel of Object.values(turn.state.channels)) {
    if (turn.state.closes[channel.id] === undefined) channelInput(turn, channel.id, { type: 'tick' })
    turn.dirty.add(channel.id)
  }
  closesTip(turn)
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
