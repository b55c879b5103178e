import { equalBytes } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { sat } from '../base/units.ts'
import { encodeTx, outputSumSat, txidOf, weightOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx } from '../bitcoin/types.ts'
import { deadlineOf } from '../onchain/bump.ts'
import { planClaims } from '../onchain/claims.ts'
import { buildSnapshotLocal } from '../onchain/classify.ts'
import {
  fundingKey,
  fundingSpend,
  isWatched,
  type TrackedOutput,
  trackedOutputs,
  txOf,
} from '../onchain/outputs.ts'
import type { Claim, Confirmation, FeePayer, OnchainContext, OnchainState } from '../onchain/types.ts'
import { ledgerOf, listCoins } from '../wallet/ledger.ts'
import { attachCoins, signAttached } from '../wallet/payer.ts'
import { unsignedTx, spendableCoins } from '../wallet/select.ts'
import { signSpend } from '../wallet/sign.ts'
import { buildSend, DEFAULT_POLICY, type SpendContext } from '../wallet/spend.ts'
import type { WalletState } from '../wallet/types.ts'
import { paysAny } from './facts.ts'
import type {
  ChannelPlan,
  CoinsPlan,
  Exit,
  ExitChannel,
  ExitOutput,
  ExitPlan,
  ExitTx,
  Terms,
} from './types.ts'

/**
 * Every transaction that brings money home, signed: those of closes by the very functions of the court that the wallet itself goes by,
 * for the heights at which they may be sent, and one for all coins. Nothing is sent and nothing is remembered.
 */
export function planExit(exit: Exit, terms: Terms): ExitPlan {
  const purse = purseOf(exit, terms)
  const channels = exit.channels.map((entry) => planChannel(exit, entry, terms, purse.payer))
  return { channels, coins: planCoins(exit, terms, purse.wallet()) }
}

/** Our newest commitment of the copy, signed for broadcast: punished as theft when anything happened in the channel since. */
export function closeByCopy(entry: ExitChannel): Result<Tx, 'notPossible'> {
  const { signer, state, isWhole } = entry
  if (state.close !== undefined || !isWhole) return err('notPossible')
  const { local, signer: remembered } = state.snapshot
  const signed = signer.signLocalCommitment(
    remembered,
    buildSnapshotLocal(state.snapshot, signer),
    local.signature,
  )
  return signed.ok ? ok(signed.value.tx) : err('notPossible')
}

// ---- coins ---------------------------------------------------------------------------------------------------------

/**
 * Change that waits for a block may have been replaced since: only what is in a block is spent. The locktime is the copy's height, which
 * is past whatever height is typed.
 */
const contextOf = (exit: Exit): SpendContext => ({
  tipHeight: exit.about.height,
  policy: { ...DEFAULT_POLICY, spendUnconfirmedChange: false },
})

interface Purse {
  readonly payer: FeePayer
  readonly wallet: () => WalletState
}

/** The wallet's coins as payer of fees, those left out held back by a reservation. */
function purseOf(exit: Exit, terms: Terms): Purse {
  const context = contextOf(exit)
  const held = listCoins(exit.wallet).filter((coin) => terms.leaveOut.has(outPointKey(coin.outpoint)))
  const spend = { tx: unsignedTx(held, [], 0), inputs: held, feeSat: sat(0), weight: 0, outputIndexes: [] }
  let wallet: WalletState = {
    ...exit.wallet,
    reservations: held.length === 0 ? {} : { 'left-out': { id: 'left-out', purpose: 'send', spend } },
  }
  return {
    payer: {
      get coins() {
        return spendableCoins(wallet, context.tipHeight, false).length
      },
      attach: (request) => {
        const attached = attachCoins(wallet, { ...request, changeScript: terms.script }, context)
        if (attached === undefined) return undefined
        wallet = attached.state
        return { tx: attached.spend.tx, sign: (tx) => signAttached(tx, attached.spend, exit.keys) }
      },
    },
    wallet: () => wallet,
  }
}

function planCoins(exit: Exit, terms: Terms, wallet: WalletState): CoinsPlan {
  const coins = listCoins(wallet)
  const { counted } = ledgerOf(exit.wallet)
  const pending = Object.entries(exit.wallet.txs).flatMap(([txid, known]) =>
    known.own && known.height === null && counted.has(txid) ? [known.tx] : [],
  )
  const base = { coins, pending }
  const context = contextOf(exit)
  if (spendableCoins(wallet, context.tipHeight, false).length === 0) return { ...base, problem: 'none' }
  const recipient = { script: terms.script, amountSat: 'max' } as const
  const built = buildSend(wallet, [recipient], terms.feeratePerKw, 'exit', context)
  if (!built.ok) {
    const { code } = built.error
    return { ...base, problem: code.startsWith('fee') ? 'feerate' : 'tooSmall' }
  }
  const { spend } = built.value
  const tx = signSpend(spend, exit.keys)
  return {
    ...base,
    tx: {
      txid: txidOf(tx),
      tx,
      kind: 'coins',
      feeSat: spend.feeSat,
      weight: weightOf(tx),
      paysSat: outputSumSat(tx),
      first: tx.locktime + 1,
      claims: [],
      coins: spend.inputs.length,
    },
  }
}

// ---- closes --------------------------------------------------------------------------------------------------------

/** Where something will be when it is in block `height`. */
const guess = (height: number): Confirmation => ({ height, blockHash: 'to come', index: 0 })

function planChannel(exit: Exit, entry: ExitChannel, terms: Terms, payer: FeePayer): ChannelPlan {
  const { signer } = entry
  const ctx: OnchainContext = { signer, feeratePerKw: terms.feeratePerKw, feePayer: payer }
  // What the wallet had made itself is made anew, for this address.
  const base: OnchainState = {
    ...entry.state,
    claims: [],
    snapshot: { ...entry.state.snapshot, sweepScript: terms.script },
  }
  const spend = fundingSpend(base)
  const { close } = base
  const publish = spend?.confirmed || base.publish === undefined ? {} : { publish: base.publish }
  if (spend === undefined || close === undefined) return { entry, ...publish, outputs: [], txs: [] }
  const waits = spend.confirmed === null
  const settled: OnchainState = waits
    ? {
        ...base,
        spends: { ...base.spends, [fundingKey(base)]: { ...spend, confirmed: guess(base.height + 1) } },
      }
    : base
  const outputs = trackedOutputs(settled)
  const txs: ExitTx[] = []
  const values = new Map(outputs.map((o) => [o.key, o.valueSat]))
  const add = (claim: Claim, more: Pick<ExitTx, 'kind' | 'first'> & Partial<ExitTx>): void => {
    txs.push(describe(exit, claim, terms, values, more))
  }
  if (waits) {
    const now = trackedOutputs(base)
    for (const output of now) values.set(output.key, output.valueSat)
    for (const claim of planClaims(base, now, ctx))
      if (claim.bumps !== undefined) add(claim, { kind: 'child', first: base.height + 1 })
  }
  const open = outputs.filter((o) => o.method !== undefined && !o.spend?.confirmed)
  const firstOf = (o: TrackedOutput): number =>
    Math.max(settled.height + 1, (o.created?.height ?? 0) + 1, o.spendableAt ?? 0)
  for (const first of [...new Set(open.map(firstOf))].sort((a, b) => a - b)) {
    const at = { ...settled, height: first - 1 }
    const due = open.filter((o) => firstOf(o) === first)
    for (const claim of planClaims(at, due, ctx)) {
      const stage = due.some((o) => o.method?.kind === 'second_stage' && claim.claims.includes(o.key))
      add(claim, {
        kind: stage ? 'stage' : 'sweep',
        first,
        ...(waits && { after: { txid: close.txid, blocks: first - base.height - 1 } }),
      })
      if (!stage) continue
      for (const child of secondSweep(at, claim, first, ctx)) {
        for (const output of child.outputs) values.set(output.key, output.valueSat)
        for (const sweep of child.claims)
          add(sweep, {
            kind: 'sweep',
            first: child.first,
            after: { txid: claim.txid, blocks: child.first - first },
          })
      }
    }
  }
  const kind = close.kind
  return {
    entry,
    close: { txid: close.txid, kind, height: spend.confirmed?.height ?? null },
    ...publish,
    outputs: outputs.flatMap((o) => explain(exit, settled, o, txs, terms, firstOf(o))),
    txs,
  }
}

/** The sweep of a second stage's outputs, as if that were in block `first`: its id is known, so its child can be signed now. */
function secondSweep(at: OnchainState, stage: Claim, first: number, ctx: OnchainContext) {
  const spend = { txid: stage.txid, tx: encodeTx(stage.tx), confirmed: guess(first) }
  const spends = { ...at.spends, ...Object.fromEntries(stage.claims.map((key) => [key, spend])) }
  const next = { ...at, spends }
  const outputs = trackedOutputs(next).filter(
    (o) => o.parent !== undefined && stage.claims.includes(o.parent) && o.method !== undefined,
  )
  if (outputs.length === 0) return []
  const ready = Math.max(first + 1, ...outputs.map((o) => o.spendableAt ?? 0))
  return [{ first: ready, outputs, claims: planClaims({ ...next, height: ready - 1 }, outputs, ctx) }]
}

function describe(
  exit: Exit,
  { tx, txid, claims }: Claim,
  terms: Terms,
  values: ReadonlyMap<string, bigint>,
  more: Pick<ExitTx, 'kind' | 'first'> & Partial<ExitTx>,
): ExitTx {
  const { coins } = ledgerOf(exit.wallet)
  const inputs = tx.inputs.map((i) => outPointKey(i.outpoint))
  const value = (key: string): bigint => values.get(key) ?? coins.get(key)?.valueSat ?? 0n
  const paid = tx.outputs.reduce((n, o) => (equalBytes(o.script, terms.script) ? n + o.valueSat : n), 0n)
  return {
    txid,
    tx,
    feeSat: inputs.reduce((n, key) => n + value(key), 0n) - outputSumSat(tx),
    weight: weightOf(tx),
    paysSat: paid,
    claims,
    coins: inputs.filter((key) => coins.has(key)).length,
    ...more,
  }
}

/** What an output is to us, and what becomes of it. Those of others and anchors are left out. */
function explain(
  exit: Exit,
  state: OnchainState,
  output: TrackedOutput,
  txs: readonly ExitTx[],
  terms: Terms,
  first: number,
): readonly ExitOutput[] {
  const { close } = state
  const { key, kind, valueSat: amountSat, spend, method, htlc } = output
  if (close === undefined || kind === 'anchor') return []
  const base = { key, kind, amountSat }
  if (kind === 'mutualClose') return output.ours ? [{ ...base, fate: 'direct' }] : []
  if (!output.ours && !(kind === 'unknown' && isWatched(close, output))) return []
  if (spend?.confirmed) {
    const tx = txOf(spend)
    const scripts = [
      terms.script,
      state.snapshot.sweepScript,
      ...exit.wallet.branches.flatMap((b) => b.scripts),
    ]
    const own = state.ownTxids.includes(spend.txid) || (tx !== undefined && paysAny(tx, scripts))
    // A second stage of ours pays an output that is listed by itself.
    const staged = output.parent === undefined && kind === 'htlc' && close.owner === state.snapshot.role
    return [{ ...base, fate: own || staged ? 'claimed' : 'taken', txid: spend.txid }]
  }
  const claimed = txs.find((tx) => tx.claims.includes(key))
  const deadline = deadlineOf(state, output)
  const more = {
    ...(spend !== undefined && { waiting: spend.txid }),
    ...(deadline !== undefined && { deadline }),
  }
  if (claimed !== undefined)
    return [{ ...base, ...more, fate: 'claimable', first: claimed.first, txid: claimed.txid }]
  if (method?.kind === 'second_stage') return [{ ...base, ...more, fate: 'needsCoins', first }]
  if (method !== undefined) return [{ ...base, ...more, fate: 'tooSmall', first }]
  if (kind === 'htlc' && htlc !== undefined)
    return [
      {
        ...base,
        fate: state.height > htlc.cltvExpiry ? 'taken' : 'needsPreimage',
        deadline: htlc.cltvExpiry,
      },
    ]
  return [{ ...base, fate: 'unexplained' }]
}
