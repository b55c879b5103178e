import type { Transaction } from '../contract/schemas.ts'
import { addressFromScript } from '../engine/bitcoin/address.ts'
import { NETWORKS } from '../engine/bitcoin/network.ts'
import { heightOf, type NodeSetup, type NodeState } from '../engine/node/state.ts'
import { closingOutputs } from '../engine/onchain/project.ts'
import { childSource } from '../engine/wallet/child.ts'
import { listTransactions } from '../engine/wallet/history.ts'
import { isMature, listCoins as walletCoins } from '../engine/wallet/ledger.ts'
import { iso } from './project-time.ts'

/** The wallet's transactions and coins as the API shows them. */

const LABELS = {
  receive: 'received',
  send: 'sent',
  funding: 'channelOpen',
  close: 'channelClose',
  sweep: 'sweep',
  child: 'self',
} as const

/** The wallet's transactions; those that brought money back from a channel say so, whoever first saw them. */
export function transactions(state: NodeState) {
  const sweeps = new Map<string, string>()
  for (const [channelId, close] of Object.entries(state.closes)) {
    // Second stages and the commitment's child too: the wallet pays their fees.
    for (const txid of close.ownTxids) sweeps.set(txid, channelId)
    for (const { sweepTxid } of closingOutputs(close)) {
      if (sweepTxid !== undefined) sweeps.set(sweepTxid, channelId)
    }
  }
  return listTransactions(state.wallet).map((tx) => {
    const channelId = sweeps.get(tx.txid)
    return (tx.kind === 'receive' || (tx.kind === 'send' && !tx.own)) && channelId !== undefined
      ? { ...tx, kind: 'sweep' as const, label: channelId }
      : tx
  })
}

export function projectTransactions(state: NodeState): Transaction[] {
  const height = heightOf(state)
  return transactions(state)
    .filter((tx) => tx.status !== 'replaced')
    .map((tx) => ({
      txid: tx.txid,
      amountSat: String(tx.netSat),
      ...(tx.feeSat === null ? {} : { feeSat: String(tx.feeSat) }),
      ...(tx.height === null ? {} : { height: tx.height }),
      confirmations: tx.height === null ? 0 : Math.max(0, height - tx.height + 1),
      label: LABELS[tx.kind],
      canBump: tx.own && tx.height === null && (tx.kind === 'send' || canHaveChild(state, tx)),
      time: iso(tx.timeSec * 1000),
    }))
}

/** A funding transaction must not be replaced; a child that spends its change can pay for it. */
const canHaveChild = (state: NodeState, tx: { readonly txid: string; readonly kind: string }): boolean =>
  tx.kind === 'funding' && childSource(state.wallet, tx.txid) !== undefined

export function projectCoins(state: NodeState, setup: NodeSetup) {
  const height = heightOf(state)
  return walletCoins(state.wallet).map((coin) => {
    const confirmed = coin.height !== null
    const kind =
      coin.reservedFor !== null
        ? ('reserved' as const)
        : !confirmed
          ? ('unconfirmed' as const)
          : isMature(coin, height)
            ? ('spendable' as const)
            : ('immature' as const)
    return {
      txid: coin.outpoint.txid,
      vout: coin.outpoint.vout,
      amountSat: String(coin.valueSat),
      address: addressFromScript(coin.script, NETWORKS[setup.network]) ?? '',
      confirmations: coin.height === null ? 0 : Math.max(0, height - coin.height + 1),
      state: kind,
    }
  })
}
