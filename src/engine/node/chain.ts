import { encodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx } from '../bitcoin/types.ts'
import { chainStep } from '../chain/step.ts'
import type { ChainInput } from '../chain/types.ts'
import type { Channel } from '../channel/types.ts'
import type { Turn } from './state.ts'

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
  for (const event of result.events) turn.pending.push({ kind: 'chain', event })
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
