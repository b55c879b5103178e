import { entries } from '../../engine/base/table.ts'
import { toHex } from '../../engine/base/bytes.ts'
import { outPointKey } from '../../engine/bitcoin/types.ts'
import { isRestored } from '../../engine/channel/restore.ts'
import { channelAccounts, moneyMap } from '../../engine/node/money.ts'
import { heightOf, type NodeState } from '../../engine/node/state.ts'
import { ledgerOf, pathsByScript, balanceOf as walletBalance } from '../../engine/wallet/ledger.ts'

/**
 * The law of money: what came in, less what went out and what it cost, is what the map shows, to the millisatoshi, at any moment of any
 * life. What came in and went out is taken from where the map does not look: transactions, invoices, payments and what openers gave.
 */

export interface Flows {
  readonly [name: string]: bigint
}

/** What came into a wallet and what left it, in msat; `push` as the world remembers it, by the opening's id. */
export function flows(state: NodeState, push: (temporaryId: string) => bigint): Flows {
  const sums: Record<string, bigint> = {}
  const add = (name: string, msat: bigint): void => {
    sums[name] = (sums[name] ?? 0n) + msat
  }
  const accounts = channelAccounts(state)
  const live = accounts.filter((a) => a.stage !== 'void')

  // The chain: transactions that have nothing to do with channels, and fees of fundings.
  const { counted, coins } = ledgerOf(state.wallet)
  const paths = pathsByScript(state.wallet.branches)
  const fundedBy = new Map(live.map(({ channel }) => [channel.funding.outpoint.txid, channel]))
  const channelOutputs = new Set<string>()
  for (const { channel } of live) {
    channelOutputs.add(outPointKey(channel.funding.outpoint))
    const close = state.closes[channel.id]
    for (const { txid } of Object.values(close?.spends ?? {})) channelOutputs.add(txid)
    if (close?.close !== undefined) channelOutputs.add(close.close.txid)
    for (const txid of close?.ownTxids ?? []) channelOutputs.add(txid)
  }
  const isOfChannel = (key: string): boolean =>
    channelOutputs.has(key) || (channelOutputs.has(key.slice(0, 64)) && !coins.has(key))
  for (const txid of counted) {
    const tx = state.wallet.txs[txid]?.tx
    if (tx === undefined || tx.inputs.some((i) => isOfChannel(outPointKey(i.outpoint)))) continue
    const received = tx.outputs.reduce((n, o) => (paths.has(toHex(o.script)) ? n + o.valueSat : n), 0n)
    const spent = tx.inputs.reduce((n, i) => n + (coins.get(outPointKey(i.outpoint))?.valueSat ?? 0n), 0n)
    const net = (received - spent) * 1000n
    const funded = fundedBy.get(txid)
    if (funded?.role === 'opener') add('funding fee', net + funded.funding.sat * 1000n)
    else add(net > 0n ? 'deposits' : 'sends', net)
  }
  for (const { channel, close, dueMsat, paidOutMsat, stage } of accounts) {
    if (stage === 'void') continue
    if (isRestored(channel)) {
      // What went into it is known, what was ours of it in the end is not: that comes as a gain.
      if (channel.role === 'opener' && counted.has(channel.funding.outpoint.txid))
        add('lost from sight', -channel.funding.sat * 1000n)
    } else {
      const given = push(channel.temporaryId)
      add('pushed', channel.role === 'opener' ? -given : given)
    }
    if (paidOutMsat !== undefined) add('close', paidOutMsat - dueMsat)
    for (const gone of close?.gone ?? []) add(gone.kind, -gone.amountMsat)
    add('gained', close?.gainedMsat ?? 0n)
  }
  const gone = new Set(accounts.filter((a) => a.stage === 'void').map((a) => a.channel.id))
  const counts = (channelId: string): boolean => !gone.has(channelId)
  for (const invoice of entries(state.invoices)) {
    for (const { amountMsat, channelId } of invoice.htlcs) if (counts(channelId)) add('received', amountMsat)
  }
  for (const payment of entries(state.payments)) {
    if (payment.preimage === undefined) continue
    for (const attempt of payment.attempts) {
      if (attempt.state !== 'failed' && counts(attempt.channelId))
        add('paid', -attempt.amountMsat - (attempt.route?.feeMsat ?? 0n))
    }
  }
  add('forwarded', state.forwards.feeMsat)
  add('lost in forwards', -state.forwards.lostMsat)
  return sums
}

/** Whether the map is whole: the first thing that does not add up. */
export function moneyProblem(
  state: NodeState,
  push: (temporaryId: string) => bigint,
  known = 0n,
): string | undefined {
  const map = moneyMap(state)
  const negative = map.lines.find((line) => line.amountMsat < 0n)
  if (negative !== undefined) return `the map has ${negative.amountMsat} msat as ${negative.kind}`
  const parts = flows(state, push)
  const expected = Object.values(parts).reduce((n, v) => n + v, known)
  if (map.totalMsat !== expected) {
    const text = Object.entries(parts).map(([name, v]) => `${name} ${v}`)
    const lines = map.lines.map((l) => `${l.kind} ${l.amountMsat}`)
    return `the map has ${map.totalMsat} msat where ${expected} should be (${map.totalMsat - expected}): ${text.join(', ')}; lines: ${lines.join(', ')}`
  }
  const coins = map.lines.filter((l) => WALLET_KINDS.has(l.kind)).reduce((n, line) => n + line.amountMsat, 0n)
  const total = walletBalance(state.wallet, heightOf(state)).totalSat * 1000n
  return coins === total ? undefined : `the map has ${coins} msat of coins, the wallet ${total}`
}

const WALLET_KINDS: ReadonlySet<string> = new Set([
  'onchain',
  'onchainChange',
  'onchainUnconfirmed',
  'onchainImmature',
  'anchorReserve',
  'reservedForSend',
  'reservedForChannel',
  'reservedForClaim',
])
