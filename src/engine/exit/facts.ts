import { equalBytes, parseHex, toHex } from '../base/bytes.ts'
import { decodeTx, encodeTx, MAX_STANDARD_TX_WEIGHT, txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx, type Txid } from '../bitcoin/types.ts'
import { sha256 } from '../crypto/hash.ts'
import { FLOOR_FEERATE_PER_KW } from '../onchain/constants.ts'
import { liveHtlcs } from '../onchain/htlcs.ts'
import { onchainStep } from '../onchain/step.ts'
import type { OnchainInput, OnchainState } from '../onchain/types.ts'
import { extendWatch, nextSeq } from '../wallet/coins.ts'
import { ledgerOf, pathsByScript } from '../wallet/ledger.ts'
import type { Exit, ExitChannel } from './types.ts'

/** What happened on the chain since the copy was made, as a person tells it: raw transactions and the blocks that hold them. */

/** A raw transaction, or 32 bytes: a preimage. */
export type Fact =
  | { readonly kind: 'tx'; readonly tx: Tx; readonly txid: Txid; readonly height: number | null }
  | { readonly kind: 'preimage'; readonly preimage: Uint8Array }

/** What a line was good for. `id`: a transaction's id is not the transaction. `none`: no business of this wallet. */
export type Use = 'close' | 'spend' | 'coins' | 'preimage' | 'id' | 'none' | 'unreadable'

const MAX_LINES = 1_000
/** A close, its second stages, their sweeps, and one to spare. */
const STAGES = 4
/** Heights that BIP 65 can name. */
const MAX_HEIGHT = 499_999_999

/**
 * One fact a line: a raw transaction in hex, the number of its block before it where it is in one; or 64 hex digits of a preimage. White
 * space and empty lines are forgiven. Undefined for a line that is neither.
 */
export function readFacts(text: string): readonly (Fact | undefined)[] {
  return text
    .split('\n')
    .map((line) => line.trim().replaceAll(/\s+/g, ' '))
    .filter((line) => line !== '')
    .slice(0, MAX_LINES)
    .map(readFact)
}

function readFact(line: string): Fact | undefined {
  const [, number, hex = ''] = /^(?:(\d{1,9}) )?([0-9a-f]+)$/i.exec(line) ?? []
  const bytes = hex.length > 2 * MAX_STANDARD_TX_WEIGHT ? undefined : parseHex(hex)
  if (bytes === undefined || bytes.length === 0) return undefined
  if (bytes.length === 32) return { kind: 'preimage', preimage: bytes }
  const decoded = decodeTx(bytes)
  const height = number === undefined ? null : Number(number)
  if (!decoded.ok || (height !== null && height > MAX_HEIGHT)) return undefined
  return { kind: 'tx', tx: decoded.value, txid: txidOf(decoded.value), height }
}

export interface Told {
  readonly exit: Exit
  /** One a fact, in their order. */
  readonly uses: readonly Use[]
}

/** The wallet after these facts, at a height. The order of facts does not matter. */
export function withFacts(exit: Exit, facts: readonly (Fact | undefined)[], height: number): Told {
  const uses = facts.map((fact): Use => (fact === undefined ? 'unreadable' : 'none'))
  const tip = facts.reduce((n, f) => (f?.kind === 'tx' ? Math.max(n, f.height ?? 0) : n), height)
  const channels = exit.channels.map((entry) => channelWith(exit, entry, facts, tip, uses))
  const wallet = walletWith(exit, facts, uses)
  facts.forEach((fact, i) => {
    if (fact?.kind === 'preimage' && uses[i] === 'none') uses[i] = 'id'
  })
  return { exit: { ...exit, wallet, channels }, uses }
}

function channelWith(
  exit: Exit,
  entry: ExitChannel,
  facts: readonly (Fact | undefined)[],
  height: number,
  uses: Use[],
): ExitChannel {
  const ctx = { signer: entry.signer, feeratePerKw: FLOOR_FEERATE_PER_KW }
  let { state } = entry
  const take = (input: OnchainInput): boolean => {
    const before = state
    const step = onchainStep(state, input, ctx)
    state = step.state
    for (const effect of step.effects) {
      if (effect.type !== 'loadCourtRecord') continue
      take({
        type: 'courtRecord',
        number: effect.number,
        record: exit.court(effect.channelId, effect.number),
      })
    }
    return state !== before
  }
  take({ type: 'tip', height })
  const hashes = new Set(liveHtlcs(state).map((htlc) => toHex(htlc.paymentHash)))
  facts.forEach((fact, i) => {
    if (fact?.kind !== 'preimage' || !hashes.has(toHex(sha256(fact.preimage)))) return
    uses[i] = 'preimage'
    take({ type: 'preimage', preimage: fact.preimage })
  })
  const funding = outPointKey(state.snapshot.fundingOutpoint)
  const spends = transactionsIn(facts)
  // A spend is taken in only once what it spends is known: a close, its second stages, their sweeps.
  for (let round = 0; round < STAGES; round++) {
    for (const { tx, txid, height: at, i } of spends) {
      const confirmed = at === null ? null : { height: at, blockHash: `typed ${at}`, index: 0 }
      for (const { outpoint } of tx.inputs) {
        if (!take({ type: 'spent', outpoint, txid, tx: encodeTx(tx), confirmed })) continue
        uses[i] = outPointKey(outpoint) === funding || uses[i] === 'close' ? 'close' : 'spend'
      }
    }
  }
  return { ...entry, state }
}

/** Transactions with their line: those in no block first, so that of two that conflict the later block's stands in the end. */
const transactionsIn = (facts: readonly (Fact | undefined)[]) =>
  facts
    .flatMap((fact, i) => (fact?.kind === 'tx' ? [{ ...fact, i }] : []))
    .sort((a, b) => (a.height ?? 0) - (b.height ?? 0))

/** Coins that transactions bring or take. One that touches the wallet is known from then on. */
function walletWith(exit: Exit, facts: readonly (Fact | undefined)[], uses: Use[]): Exit['wallet'] {
  let { wallet } = exit
  const isTouching = (tx: Tx): boolean => {
    const scripts = pathsByScript(wallet.branches)
    const { coins } = ledgerOf(wallet)
    return (
      tx.outputs.some((o) => scripts.has(toHex(o.script))) ||
      tx.inputs.some((i) => coins.has(outPointKey(i.outpoint)))
    )
  }
  const told = transactionsIn(facts)
  // An address beyond the gap is known only after those before it: bounded by the number of transactions, since each is news once.
  for (let news = true; news; ) {
    news = false
    for (const { tx, txid, height, i } of told) {
      const known = wallet.txs[txid]
      if (known === undefined ? !isTouching(tx) : known.height === (height ?? known.height)) continue
      const entry = known ?? {
        tx,
        height: null,
        seenIn: [],
        own: false,
        seq: nextSeq(wallet),
        timeSec: 0,
        kind: null,
        label: '',
      }
      const txs = { ...wallet.txs, [txid]: { ...entry, height: height ?? entry.height } }
      wallet = extendWatch({ ...wallet, txs }, exit.keys).state
      if (uses[i] === 'none') uses[i] = 'coins'
      news = true
    }
  }
  for (const { txid, i } of told) if (uses[i] === 'none' && wallet.txs[txid] !== undefined) uses[i] = 'coins'
  return wallet
}

/** Whether a transaction pays one of these scripts. */
export const paysAny = (tx: Tx, scripts: readonly Uint8Array[]): boolean =>
  tx.outputs.some((o) => scripts.some((script) => equalBytes(script, o.script)))

/** Whether the machine has nothing left to do. */
export const isOver = (state: OnchainState): boolean =>
  state.told.includes('done') || state.told.includes('forget')
