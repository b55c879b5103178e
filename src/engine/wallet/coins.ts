import { equalBytes, toHex } from '../base/bytes.ts'
import { err, invariant, ok, type Result } from '../base/result.ts'
import type { NetworkName } from '../bitcoin/network.ts'
import { txidOf } from '../bitcoin/tx.ts'
import { outPointKey, type Tx, type Txid } from '../bitcoin/types.ts'
import { type KeyPath, keyPathName, type Purpose, type WalletKeys } from './keys.ts'
import { ledgerOf, pathsByScript } from './ledger.ts'
import type { Branch, Dropped, HistoryEntry, TxKind, WalletChange, WalletState, WalletTx } from './types.ts'

/** Addresses, and what the chain says about them. Spending is in `spend.ts` and `reservations.ts`. */

/** BIP 44 §Address gap limit. */
export const GAP_LIMIT = 20
/** A script with more transactions than this is not ours to follow in a browser; the chain room is told by an error. */
export const MAX_HISTORY = 25_000
/** The widest gap that a rescan may ask for: two branches of it are two requests each to a server. */
export const MAX_GAP_LIMIT = 1_000

/** An empty wallet that watches nothing yet: `extendWatch` is next. */
export function emptyWallet(network: NetworkName, purposes: readonly Purpose[] = [84]): WalletState {
  const branches = purposes.flatMap((purpose): Branch[] => [
    { purpose, change: 0, scripts: [], handedOut: 0 },
    { purpose, change: 1, scripts: [], handedOut: 0 },
  ])
  return { network, gapLimit: GAP_LIMIT, branches, txs: {}, reservations: {} }
}

/** All scripts that must be watched now. */
export const watchedScripts = (state: WalletState): readonly Uint8Array[] =>
  state.branches.flatMap((b) => b.scripts)

/**
 * Derives what is missing so that on every branch `gapLimit` scripts lie beyond the last one used or handed out.
 * `watch` is what was added. Throws (a defect) when the keys are not this wallet's.
 */
export function extendWatch(state: WalletState, keys: WalletKeys): WalletChange {
  invariant(keys.network.name === state.network, 'keys of the wallet’s network')
  const { lastUsed } = ledgerOf(state)
  const watch: Uint8Array[] = []
  const branches = state.branches.map((branch, b) => {
    const wanted = Math.max(lastUsed[b] ?? -1, branch.handedOut - 1) + 1 + state.gapLimit
    if (branch.scripts.length >= wanted) return branch
    const { purpose, change } = branch
    const first = branch.scripts[0]
    invariant(
      first === undefined || equalBytes(first, keys.script({ purpose, change, index: 0 })),
      'keys of the wallet’s own seed',
    )
    const added = Array.from({ length: wanted - branch.scripts.length }, (_, i) =>
      keys.script({ purpose, change, index: branch.scripts.length + i }),
    )
    watch.push(...added)
    return { ...branch, scripts: [...branch.scripts, ...added] }
  })
  if (watch.length === 0) return { state, watch, dropped: [] }
  // A transaction known already may pay a script that is new here; then the gap moves on.
  const more = extendWatch({ ...state, branches }, keys)
  return { state: more.state, watch: [...watch, ...more.watch], dropped: [] }
}

/** Watches with a wider gap (for words that another wallet used generously). `watch` is every script, to be asked anew. */
export function rescan(state: WalletState, keys: WalletKeys, gapLimit = state.gapLimit): WalletChange {
  const wider = Math.min(Math.max(gapLimit, state.gapLimit), MAX_GAP_LIMIT)
  const { state: next } = extendWatch({ ...state, gapLimit: wider }, keys)
  return { state: next, watch: watchedScripts(next), dropped: [] }
}

export interface NewAddress extends WalletChange {
  readonly address: string
  readonly script: Uint8Array
  readonly path: KeyPath
  /** Handed out before and still unused: one more would be out of reach of a scan with the usual gap. */
  readonly repeated: boolean
}

/**
 * The next receive address. After `GAP_LIMIT` unused ones in a row the oldest unused is given again, so that restoring
 * from words always finds everything.
 */
export function newAddress(state: WalletState, keys: WalletKeys, purpose: Purpose = 84): NewAddress {
  const b = state.branches.findIndex((x) => x.purpose === purpose && x.change === 0)
  const branch = state.branches[b]
  invariant(branch !== undefined, 'a branch of this purpose')
  const { lastUsed } = ledgerOf(state)
  const first = (lastUsed[b] ?? -1) + 1
  // Whoever paid an address ahead of those handed out (another device with the same words) moves the start along.
  const fresh = Math.max(branch.handedOut, first)
  const repeated = fresh - first >= GAP_LIMIT
  const index = repeated ? first : fresh
  const path: KeyPath = { purpose, change: 0, index }
  const handedOut = Math.max(branch.handedOut, index + 1)
  const branches =
    handedOut === branch.handedOut
      ? state.branches
      : state.branches.map((x, i) => (i === b ? { ...branch, handedOut } : x))
  const change = extendWatch(branches === state.branches ? state : { ...state, branches }, keys)
  return { ...change, address: keys.address(path), script: keys.script(path), path, repeated }
}

/** An address that was handed out, for the address screen. */
export interface ListedAddress {
  readonly path: KeyPath
  readonly script: Uint8Array
  readonly used: boolean
}

/** Addresses handed out or used, by branch and index. */
export function listAddresses(state: WalletState): readonly ListedAddress[] {
  const { used, lastUsed } = ledgerOf(state)
  return state.branches.flatMap(({ purpose, change, scripts, handedOut }, b) =>
    scripts.slice(0, Math.max(handedOut, (lastUsed[b] ?? -1) + 1)).map((script, index) => {
      const path: KeyPath = { purpose, change, index }
      return { path, script, used: used.has(keyPathName(path)) }
    }),
  )
}

/** Whether anything that counts pays this script of ours. */
export function isUsed(state: WalletState, script: Uint8Array): boolean {
  const path = pathsByScript(state.branches).get(toHex(script))
  return path !== undefined && ledgerOf(state).used.has(keyPathName(path))
}

/**
 * Takes the full history of one script, replacing what that script's history said before. A transaction that no history
 * lists any more is dropped and its inputs come back, unless we made it: one of our own stays (`unseenTransactions` asks
 * for it to be sent again) until a block holds a conflicting one or `abandon` gives it up, because a server that forgets
 * a funding transaction must not make us spend its coins twice.
 * Transactions that do not touch the script are ignored. A script that is not ours changes nothing.
 * @param nowSec Unix seconds, for what is seen first
 */
export function applyScriptHistory(
  state: WalletState,
  keys: WalletKeys,
  script: Uint8Array,
  history: readonly HistoryEntry[],
  nowSec: number,
): Result<WalletChange, 'history_too_long'> {
  if (history.length > MAX_HISTORY) return err('history_too_long')
  const path = pathsByScript(state.branches).get(toHex(script))
  if (path === undefined) return ok({ state, watch: [], dropped: [] })
  const name = keyPathName(path)
  const listed = new Map(history.map((entry): [Txid, HistoryEntry] => [txidOf(entry.tx), entry]))
  const touching = touches(state, script, listed)

  const txs: Record<Txid, WalletTx> = {}
  const dropped: Dropped[] = []
  let changed = false
  let seq = nextSeq(state)
  for (const [txid, known] of Object.entries(state.txs)) {
    const kept = listed.has(txid) ? known : withoutSighting(known, name)
    if (kept !== known) changed = true
    if (kept !== undefined) txs[txid] = kept
    else dropped.push({ txid, kind: known.kind, own: false, reason: 'vanished' })
  }
  for (const [txid, { tx, height, timeSec }] of listed) {
    if (!touching.has(txid)) continue
    const known = txs[txid]
    const seenIn = known === undefined ? [name] : withName(known.seenIn, name)
    if (known !== undefined && known.height === height && known.seenIn === seenIn) continue
    changed = true
    txs[txid] =
      known === undefined
        ? { tx, height, seenIn, own: false, seq: seq++, timeSec: timeSec ?? nowSec, kind: null, label: '' }
        : { ...known, height, seenIn }
  }
  if (!changed) return ok({ state, watch: [], dropped: [] })
  return ok(settle(state, { ...state, txs }, keys, dropped))
}

/** Ids of the listed transactions that pay the script or spend a listed or known output of it. */
function touches(
  state: WalletState,
  script: Uint8Array,
  listed: ReadonlyMap<Txid, HistoryEntry>,
): ReadonlySet<Txid> {
  const outputs = new Set<string>()
  const touching = new Set<Txid>()
  const gather = (txid: Txid, tx: Tx): boolean => {
    let pays = false
    tx.outputs.forEach((output, vout) => {
      if (!equalBytes(output.script, script)) return
      outputs.add(outPointKey({ txid, vout }))
      pays = true
    })
    return pays
  }
  for (const [txid, { tx }] of Object.entries(state.txs)) gather(txid, tx)
  for (const [txid, { tx }] of listed) if (gather(txid, tx)) touching.add(txid)
  for (const [txid, { tx }] of listed)
    if (tx.inputs.some((i) => outputs.has(outPointKey(i.outpoint)))) touching.add(txid)
  return touching
}

const withName = (names: readonly string[], name: string): readonly string[] =>
  names.includes(name) ? names : [...names, name].sort()

/** What remains of a transaction that the history of `name` does not list: undefined when nothing does. */
function withoutSighting(known: WalletTx, name: string): WalletTx | undefined {
  if (!known.seenIn.includes(name)) return known
  const seenIn = known.seenIn.filter((n) => n !== name)
  if (seenIn.length > 0) return { ...known, seenIn }
  return known.own ? { ...known, seenIn, height: null } : undefined
}

/** The sequence number of the next transaction learnt. */
export const nextSeq = (state: WalletState): number =>
  Object.values(state.txs).reduce((max, t) => Math.max(max, t.seq), 0) + 1

/** Completes a change of the known transactions: wider watch where addresses came into use, and who lost a conflict. */
export function settle(
  before: WalletState,
  after: WalletState,
  keys: WalletKeys,
  dropped: readonly Dropped[] = [],
): WalletChange {
  const { state, watch } = extendWatch(after, keys)
  const { counted } = ledgerOf(state)
  const lost = [...ledgerOf(before).counted].flatMap((txid): Dropped[] => {
    const tx = state.txs[txid]
    if (tx === undefined || counted.has(txid)) return []
    return [{ txid, kind: tx.kind, own: tx.own, reason: 'conflict' }]
  })
  return { state, watch, dropped: [...dropped, ...lost] }
}

/**
 * Makes a transaction of another room known before any server shows it (a cooperative close, a sweep to one of our
 * addresses), or names one that is known. It is not `own`: its outputs may be spent once it is confirmed.
 */
export function noteTransaction(
  state: WalletState,
  keys: WalletKeys,
  tx: Tx,
  note: { readonly kind: TxKind; readonly label: string; readonly nowSec: number },
): WalletChange {
  const txid = txidOf(tx)
  const { kind, label, nowSec } = note
  const known = state.txs[txid]
  const entry: WalletTx =
    known === undefined
      ? { tx, height: null, seenIn: [], own: false, seq: nextSeq(state), timeSec: nowSec, kind, label }
      : { ...known, kind, label }
  return settle(state, { ...state, txs: { ...state.txs, [txid]: entry } }, keys)
}

/**
 * Takes back what `noteTransaction` made known under this label, all but `still`, where no server has ever shown it. What it spends is
 * not the wallet's, so that nothing else here would tell that another transaction took its place.
 */
export function forgetNoted(
  state: WalletState,
  keys: WalletKeys,
  note: { readonly kind: TxKind; readonly label: string; readonly still?: Txid },
): WalletChange {
  const gone = Object.entries(state.txs).filter(
    ([txid, t]) =>
      t.kind === note.kind &&
      t.label === note.label &&
      txid !== note.still &&
      !t.own &&
      t.height === null &&
      t.seenIn.length === 0,
  )
  if (gone.length === 0) return { state, watch: [], dropped: [] }
  const txs = { ...state.txs }
  for (const [txid] of gone) delete txs[txid]
  return settle(state, { ...state, txs }, keys)
}

/** Transactions of ours that count, are not in a block, and that no server shows: to be broadcast (again). */
export function unseenTransactions(state: WalletState): readonly { readonly txid: Txid; readonly tx: Tx }[] {
  const { counted } = ledgerOf(state)
  return Object.entries(state.txs)
    .filter(([txid, t]) => t.own && t.height === null && t.seenIn.length === 0 && counted.has(txid))
    .sort(([, a], [, b]) => a.seq - b.seq)
    .map(([txid, t]) => ({ txid, tx: t.tx }))
}

export type AbandonError =
  | 'unknown_transaction'
  /** In a block, or a server still shows it: it may confirm. */
  | 'still_seen'
  /** Another transaction of ours spends its change, or is about to. */
  | 'change_in_use'

/**
 * Gives up a transaction that no server shows: its inputs may be spent again. The signed transaction remains valid, so
 * whoever kept a copy can still send it until one of its inputs is spent otherwise: for a funding transaction the caller
 * forgets the channel first.
 */
export function abandon(
  state: WalletState,
  keys: WalletKeys,
  txid: Txid,
): Result<WalletChange, AbandonError> {
  const known = state.txs[txid]
  if (known === undefined) return err('unknown_transaction')
  if (known.height !== null || known.seenIn.length > 0) return err('still_seen')
  if (isChangeInUse(state, txid)) return err('change_in_use')
  const { [txid]: _gone, ...txs } = state.txs
  return ok(settle(state, { ...state, txs }, keys))
}

/** Whether a known transaction or a reservation spends an output of this one. */
export function isChangeInUse(state: WalletState, txid: Txid): boolean {
  const { counted } = ledgerOf(state)
  return (
    Object.entries(state.txs).some(
      ([id, t]) => counted.has(id) && t.tx.inputs.some((i) => i.outpoint.txid === txid),
    ) || Object.values(state.reservations).some((r) => r.spend.inputs.some((i) => i.outpoint.txid === txid))
  )
}
