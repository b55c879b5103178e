import { equalBytes, toHex } from '../base/bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type EsploraResult, HISTORY_PAGE, type HistoryItem, isRefusal, parseHistory } from './esplora.ts'
import { doubted, failed, served } from './servers.ts'
import { findServer, putWatch, type Turn } from './turn.ts'
import { askTipSoon, needTx, recall } from './txs.ts'
import type { KnownTx, ScriptEntry, ScriptsWatch, ScriptTx } from './types.ts'

/** Bounds on what is followed and listed, whatever is asked for and answered. */
export const MAX_SCRIPTS = 5_000
const MAX_HISTORY = 5_000
/** A stated height above our tip: our headers will be there in a moment. */
const HEADERS_FOLLOW_MS = 10_000

/** Starts or changes a wallet's watch; scripts that stay keep what is known of them. */
export function watchScripts(
  turn: Turn,
  token: string,
  scripts: readonly Uint8Array[],
  known: readonly KnownTx[],
): void {
  const old = turn.state.watches[token]
  const before = old?.kind === 'scripts' ? new Map(old.scripts.map((s) => [s.hash, s])) : new Map()
  const entries = scripts.slice(0, MAX_SCRIPTS).map((script): ScriptEntry => {
    const hash = toHex(sha256(script))
    const kept: ScriptEntry | undefined = before.get(hash)
    return kept && equalBytes(kept.script, script) ? kept : newScript(script, hash)
  })
  for (const tx of known) recall(turn, tx)
  const remembered = known.map((k) => k.txid).filter((txid) => txid in turn.state.txs)
  putWatch(turn, { kind: 'scripts', token, scripts: entries, known: remembered })
}

const newScript = (script: Uint8Array, hash: string): ScriptEntry => ({
  script,
  hash,
  listing: null,
  listedAt: 0,
  listedTip: null,
  listedBy: null,
  paging: null,
  reported: null,
})

function patchScript(turn: Turn, token: string, hash: string, patch: Partial<ScriptEntry>): void {
  const watch = turn.state.watches[token]
  if (watch?.kind !== 'scripts') return
  const scripts = watch.scripts.map((s) => (s.hash === hash ? { ...s, ...patch } : s))
  putWatch(turn, { ...watch, scripts })
}

/** A page of a script's history. */
export function onHistory(turn: Turn, url: string, token: string, hash: string, result: EsploraResult): void {
  const watch = turn.state.watches[token]
  const script = watch?.kind === 'scripts' ? watch.scripts.find((s) => s.hash === hash) : undefined
  const fail = (message: string) => {
    if (script) patchScript(turn, token, hash, { paging: null })
    failed(turn, url, { kind: 'shape', message })
  }
  if (isRefusal(result)) {
    const pause = { paging: null, listedAt: turn.now, listedTip: turn.state.headers.tip.hash, listedBy: url }
    if (script) patchScript(turn, token, hash, pause)
    return served(turn, url)
  }
  if (!result.ok) {
    if (script) patchScript(turn, token, hash, { paging: null })
    return failed(turn, url, result.error)
  }
  const page = parseHistory(result.value)
  if (!page.ok) return fail(page.error)
  served(turn, url)
  if (!script) return
  const had = script.paging?.items ?? []
  const seen = new Set(had.map((i) => i.txid))
  const fresh = page.value.filter((i) => !seen.has(i.txid))
  const items = [...had, ...fresh]
  const confirmed = page.value.filter((i) => i.height !== null)
  const more = confirmed.length >= HISTORY_PAGE && fresh.length > 0 && items.length < MAX_HISTORY
  // Older pages hold nothing new when this one ends in what was proved before.
  const meetsKnown = confirmed.every((i) => turn.state.txs[i.txid]?.confirmed?.height === i.height)
  if (more && !(meetsKnown && script.listing !== null))
    return patchScript(turn, token, hash, { paging: { items, server: url } })
  list(turn, token, script, items, url, !more)
}

/** A complete listing. What was proved stays, whether or not this server lists it. */
function list(
  turn: Turn,
  token: string,
  script: ScriptEntry,
  items: readonly HistoryItem[],
  url: string,
  complete: boolean,
): void {
  const listed = new Set(items.map((i) => i.txid))
  const proved = (script.listing ?? []).filter(
    (i) => !listed.has(i.txid) && turn.state.txs[i.txid]?.confirmed,
  )
  const listing = [...items, ...proved]
  const lowest = complete ? 0 : Math.min(...items.map((i) => i.height ?? Number.POSITIVE_INFINITY))
  const hidden = proved.find((i) => (turn.state.txs[i.txid]?.confirmed?.height ?? 0) > lowest)
  if (hidden && findServer(turn.state, url)?.tip?.hash === turn.state.headers.tip.hash)
    doubted(turn, url, `left out ${hidden.txid} of what was asked for`)
  for (const item of items) needTx(turn, item.txid, item.height)
  if (items.some((i) => (i.height ?? 0) > turn.state.headers.tip.height)) askTipSoon(turn, url)
  patchScript(turn, token, script.hash, {
    listing,
    paging: null,
    listedAt: turn.now,
    listedTip: turn.state.headers.tip.hash,
    listedBy: url,
  })
}

/** Reports the history of each script whose look-ups are complete and that changed. */
export function evaluateScripts(turn: Turn, watch: ScriptsWatch): void {
  for (const script of watch.scripts) {
    const txs = script.listing === null ? undefined : settled(turn, script.listing)
    if (txs === undefined) continue
    const print = txs.map((t) => `${t.txid}:${t.confirmed?.blockHash ?? ''}`).join()
    if (print === script.reported) continue
    patchScript(turn, watch.token, script.hash, { reported: print })
    turn.events.push({ type: 'scriptHistory', token: watch.token, scriptPubKey: script.script, txs })
  }
}

/** A listing with bytes and proofs, or undefined while some are still to come. */
function settled(turn: Turn, listing: readonly HistoryItem[]): readonly ScriptTx[] | undefined {
  const txs: ScriptTx[] = []
  for (const { txid } of listing) {
    const entry = turn.state.txs[txid]
    if (!entry) return undefined
    if (entry.raw === null) {
      // Listed, but nobody has it: evicted meanwhile, or invented.
      if (Object.keys(entry.rawMisses).length > 0) continue
      return undefined
    }
    // A stated height without a proof that holds counts as unconfirmed, once a proof was asked for.
    if (!entry.confirmed && entry.hint !== null) {
      const ahead = entry.hint > turn.state.headers.tip.height && turn.now - entry.hintAt < HEADERS_FOLLOW_MS
      if (ahead || Object.keys(entry.proofMisses).length === 0) return undefined
    }
    txs.push({ txid, tx: entry.raw, confirmed: entry.confirmed })
  }
  return txs
}
