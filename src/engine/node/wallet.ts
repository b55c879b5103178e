import { err, ok, type Result, unwrap } from '../base/result.ts'
import { type Sat, sat } from '../base/units.ts'
import { scriptFromAddress } from '../bitcoin/address.ts'
import { NETWORKS } from '../bitcoin/network.ts'
import { decodeTx, txidOf } from '../bitcoin/tx.ts'
import type { Tx, Txid } from '../bitcoin/types.ts'
import type { ScriptTx } from '../chain/types.ts'
import type { Channel } from '../channel/types.ts'
import { type BumpError, bumpFee } from '../wallet/bump.ts'
import { bumpByChild } from '../wallet/child.ts'
import {
  applyScriptHistory,
  forgetNoted,
  newAddress,
  noteTransaction,
  rescan,
  unseenTransactions,
  watchedScripts,
} from '../wallet/coins.ts'
import type { FeePayer } from '../onchain/types.ts'
import { attachCoins, signAttached } from '../wallet/payer.ts'
import { spendableCoins } from '../wallet/select.ts'
import { commit, release } from '../wallet/reservations.ts'
import { buildFunding, buildSend, DEFAULT_POLICY, maxSpendable, type SpendContext } from '../wallet/spend.ts'
import { signSpend } from '../wallet/sign.ts'
import type { Spend, TxKind, WalletChange, WalletState } from '../wallet/types.ts'
import { broadcast, unwatch, watchWallet } from './chain.ts'
import type { ApiFailure, CommandResult } from './commands.ts'
import { anchorReserveSat, reserveWithOneMore } from './reserve.ts'
import { emit, feerateFor, heightOf, type NodeSetup, type NodeState, type Turn } from './state.ts'

/** The wallet's coins in the node's turns. */

const spendContext = (state: NodeState, reserveSat = anchorReserveSat(state)): SpendContext => ({
  tipHeight: heightOf(state) > 0 ? heightOf(state) : null,
  policy: DEFAULT_POLICY,
  reserveSat,
})

const failure = (code: string, message: string, data?: ApiFailure['data']): ApiFailure => ({
  code,
  message,
  ...(data === undefined ? {} : { data }),
})

/** Words for what the wallet refused. */
export function spendFailure(error: BumpError): ApiFailure {
  switch (error.code) {
    case 'insufficient_funds':
      return failure('insufficientFunds', 'There are not enough coins.', {
        spendableSat: String(error.spendableSat),
        reservedSat: String(error.reservedSat),
        unconfirmedSat: String(error.unconfirmedSat),
        immatureSat: String(error.immatureSat),
      })
    case 'amount_below_dust':
      return failure('amountBelowDust', 'The amount is too small to be sent on chain.', {
        minimumSat: String(error.dustLimitSat),
      })
    case 'fee_above_ceiling':
      return failure('feeTooHigh', 'The fee would be absurdly high.', { feeSat: String(error.feeSat) })
    case 'feerate_too_high':
    case 'feerate_too_low':
      return failure('feeTooHigh', 'The fee rate is out of bounds.')
    case 'too_many_coins':
      return failure(
        'insufficientFunds',
        'So many small coins are needed that the transaction would not be relayed.',
      )
    case 'unknown_transaction':
    case 'not_ours':
      return failure('transactionUnknown', 'This is no transaction of this wallet.')
    case 'already_confirmed':
    case 'already_replaced':
    case 'funding_not_replaceable':
    case 'no_change':
    case 'change_in_use':
    case 'no_coins_for_fee':
    case 'bump_in_progress':
      return failure('cannotBump', `The fee cannot be raised: ${error.code.replaceAll('_', ' ')}.`, {
        reason: error.code,
      })
    case 'feerate_not_higher':
      return failure('cannotBump', 'The fee cannot be raised to so little.', {
        reason: error.code,
        minimumSatPerVb: Math.ceil(error.minFeeratePerKw / 25) / 10,
      })
    default:
      return failure('invalidInput', error.code.replaceAll('_', ' '))
  }
}

function take(turn: Turn, change: WalletChange): void {
  turn.state = { ...turn.state, wallet: change.state }
  if (change.watch.length > 0) watchWallet(turn, watchedScripts(change.state))
  emit(turn, { type: 'walletChanged' })
}

/** What a server says of one script, proved where confirmed. */
export function walletHistory(turn: Turn, script: Uint8Array, txs: readonly ScriptTx[]): void {
  const history = txs.flatMap((entry) => {
    const tx = decodeTx(entry.tx)
    return tx.ok ? [{ tx: tx.value, height: entry.confirmed?.height ?? null }] : []
  })
  const nowSec = Math.floor(turn.now / 1000)
  const applied = applyScriptHistory(turn.state.wallet, turn.setup.walletKeys, script, history, nowSec)
  if (!applied.ok || applied.value.state === turn.state.wallet) return
  take(turn, applied.value)
  keepUp(turn)
}

/**
 * Transactions of ours that no server shows any more are sent again, whoever stopped sending them and why: a mempool that forgot
 * one after a restart of ours, or a reorganisation that took one out of its block.
 */
function keepUp(turn: Turn): void {
  for (const { txid, tx } of unseenTransactions(turn.state.wallet)) {
    if (turn.state.chain.broadcasts[`tx/${txid}`] === undefined) broadcast(turn, tx)
  }
}

/** An address nobody has seen. */
export function freshAddress(turn: Turn): string {
  const fresh = newAddress(turn.state.wallet, turn.setup.walletKeys)
  take(turn, fresh)
  return fresh.address
}

/** The scriptPubKey of a fresh address, for closes and sweeps. */
export const freshScript = (turn: Turn): Uint8Array =>
  unwrap(scriptFromAddress(freshAddress(turn), NETWORKS[turn.setup.network]), 'own address')

/** Builds and signs a funding transaction and reserves its coins; it is not sent. */
export function buildFundingFor(
  turn: Turn,
  reservationId: string,
  script: Uint8Array,
  amountSat: Sat,
  feeratePerKw: number,
): { readonly tx: Tx; readonly vout: number } | ApiFailure {
  const built = buildFunding(
    turn.state.wallet,
    script,
    amountSat,
    feeratePerKw,
    reservationId,
    spendContext(turn.state, reserveWithOneMore(turn.state, turn.setup)),
  )
  if (!built.ok) return spendFailure(built.error)
  turn.state = { ...turn.state, wallet: built.value.state }
  const { spend } = built.value
  const vout = spend.outputIndexes[0]
  if (vout === undefined) throw new Error('invariant: a funding transaction has its output')
  return { tx: signSpend(spend, turn.setup.walletKeys), vout }
}

/** Frees what an opening held. */
export function releaseFunding(turn: Turn, reservationId: string): void {
  turn.state = { ...turn.state, wallet: release(turn.state.wallet, reservationId) }
}

/** The wallet as the payer of fees for claims: what it gives is reserved in this turn's state. */
export function feePayer(turn: Turn): FeePayer {
  return {
    get coins() {
      const { tipHeight } = spendContext(turn.state)
      return spendableCoins(turn.state.wallet, tipHeight, false).length
    },
    attach(request) {
      const attached = attachCoins(turn.state.wallet, request, spendContext(turn.state))
      if (attached === undefined) return undefined
      turn.state = { ...turn.state, wallet: attached.state }
      emit(turn, { type: 'walletChanged' })
      const { spend } = attached
      return { tx: spend.tx, sign: (tx) => signAttached(tx, spend, turn.setup.walletKeys) }
    },
  }
}

/** The peer has signed: the funding transaction counts as sent from the write of this turn on. */
export function commitFunding(turn: Turn, reservationId: string, channel: Channel): void {
  const { tx } = channel.funding
  if (tx === undefined) throw new Error('invariant: the opener holds its funding transaction')
  const committed = commit(turn.state.wallet, turn.setup.walletKeys, reservationId, tx, {
    label: channel.id,
    nowSec: Math.floor(turn.now / 1000),
    kind: 'funding',
  })
  take(turn, unwrap(committed, 'funding reservation'))
}

function sendSpend(turn: Turn, reservationId: string, spend: Spend, label: string, kind?: TxKind): string {
  const tx = signSpend(spend, turn.setup.walletKeys)
  const committed = commit(turn.state.wallet, turn.setup.walletKeys, reservationId, tx, {
    label,
    nowSec: Math.floor(turn.now / 1000),
    ...(kind === undefined ? {} : { kind }),
  })
  take(turn, unwrap(committed, 'send reservation'))
  broadcast(turn, tx)
  return txidOf(tx)
}

const reservationName = (turn: Turn, purpose: string): string =>
  `${purpose}-${Array.from(turn.entropy.bytes(8), (b) => b.toString(16).padStart(2, '0')).join('')}`

export interface SendCommand {
  readonly address: string
  readonly amountSat: Sat | 'max'
  readonly feeratePerKw?: number
}

function recipient(network: NodeSetup['network'], address: string): Result<Uint8Array, ApiFailure> {
  const script = scriptFromAddress(address, NETWORKS[network])
  if (script.ok) return script
  return err(
    script.error === 'wrong_network'
      ? failure('addressWrongNetwork', 'The address belongs to another network.')
      : failure('addressInvalid', 'This is not a Bitcoin address.'),
  )
}

/** Sends coins, or says what sending them would cost (changes nothing of the state that is passed in). */
export function sendCoins(turn: Turn, command: SendCommand): Result<CommandResult, ApiFailure> {
  const script = recipient(turn.setup.network, command.address)
  if (!script.ok) return script
  const rate = command.feeratePerKw ?? feerateFor(turn.state, turn.setup, 6)
  const id = reservationName(turn, 'send')
  const built = buildSend(
    turn.state.wallet,
    [{ script: script.value, amountSat: command.amountSat }],
    rate,
    id,
    spendContext(turn.state),
  )
  if (!built.ok) return err(spendFailure(built.error))
  turn.state = { ...turn.state, wallet: built.value.state }
  const { spend } = built.value
  const amountSat = spend.tx.outputs[spend.outputIndexes[0] ?? -1]?.valueSat ?? sat(0)
  const txid = sendSpend(turn, id, spend, command.address)
  return ok({ type: 'sent', txid, amountSat, feeSat: spend.feeSat })
}

/** What a send would arrive as and cost. */
export function previewSend(
  state: NodeState,
  setup: NodeSetup,
  command: SendCommand,
): Result<{ amountSat: Sat; feeSat: Sat; feeratePerKw: number }, ApiFailure> {
  const script = recipient(setup.network, command.address)
  if (!script.ok) return script
  const feeratePerKw = command.feeratePerKw ?? feerateFor(state, setup, 6)
  const context = spendContext(state)
  if (command.amountSat === 'max') {
    const max = maxSpendable(state.wallet, script.value, feeratePerKw, context)
    if (!max.ok) return err(spendFailure(max.error))
    return ok({ amountSat: max.value.amountSat, feeSat: max.value.feeSat, feeratePerKw })
  }
  const built = buildSend(
    state.wallet,
    [{ script: script.value, amountSat: command.amountSat }],
    feeratePerKw,
    'preview',
    context,
  )
  if (!built.ok) return err(spendFailure(built.error))
  return ok({ amountSat: command.amountSat, feeSat: built.value.spend.feeSat, feeratePerKw })
}

/**
 * Raises the fee of an unconfirmed transaction of ours: a send is replaced by one that pays more; for a funding transaction, or one
 * whose change is spent already, a child pays for both. `txid` of the answer is the new transaction.
 */
export function bump(turn: Turn, txid: string, feeratePerKw: number): Result<CommandResult, ApiFailure> {
  const id = reservationName(turn, 'bump')
  const { wallet } = turn.state
  // Of a child the user sees that it pays for its parent.
  const target = wallet.txs[txid]?.kind === 'child' ? parentOf(wallet, txid) : txid
  const context = spendContext(turn.state)
  const replaced = bumpFee(wallet, target, feeratePerKw, id, context)
  const byChild = !replaced.ok && BY_CHILD.has(replaced.error.code)
  const built = byChild ? bumpByChild(wallet, target, feeratePerKw, id, context) : replaced
  if (!built.ok) {
    const inUse = !replaced.ok && replaced.error.code === 'change_in_use' && built.error.code === 'no_change'
    return err(spendFailure(inUse ? replaced.error : built.error))
  }
  turn.state = { ...turn.state, wallet: built.value.state }
  const { spend } = built.value
  const label = wallet.txs[target]?.label ?? ''
  const next = sendSpend(turn, id, spend, label, byChild ? 'child' : undefined)
  // What was replaced need not be sent any more.
  if (spend.replaces !== undefined) unwatch(turn, `tx/${spend.replaces}`)
  return ok({ type: 'sent', txid: next, amountSat: sat(0), feeSat: spend.feeSat })
}

const BY_CHILD: ReadonlySet<string> = new Set(['funding_not_replaceable', 'change_in_use'])

/** What a child was made for: the unconfirmed transaction of ours that it spends. */
const parentOf = (wallet: WalletState, txid: string): string =>
  wallet.txs[txid]?.tx.inputs.map((i) => i.outpoint.txid).find((id) => wallet.txs[id]?.height === null) ??
  txid

/** Looks at all addresses again, with a wider gap. */
export function rescanWallet(turn: Turn): void {
  const change = rescan(turn.state.wallet, turn.setup.walletKeys)
  turn.state = { ...turn.state, wallet: change.state }
  watchWallet(turn, watchedScripts(change.state))
  emit(turn, { type: 'walletChanged' })
}

/** What was noted as a channel's close, and is not the close (any more), pays nobody. */
export function forgetClose(turn: Turn, channelId: string, still: Txid | undefined): void {
  const change = forgetNoted(turn.state.wallet, turn.setup.walletKeys, {
    kind: 'close',
    label: channelId,
    ...(still === undefined ? {} : { still }),
  })
  if (change.state !== turn.state.wallet) take(turn, change)
}

/** Names the transaction that closed a channel in the wallet's list, where it pays us directly. */
export function noteClose(turn: Turn, tx: Tx, channelId: string): void {
  const nowSec = Math.floor(turn.now / 1000)
  take(
    turn,
    noteTransaction(turn.state.wallet, turn.setup.walletKeys, tx, {
      kind: 'close',
      label: channelId,
      nowSec,
    }),
  )
}
