import { decodeTx } from '../bitcoin/tx.ts'
import type { OutPoint } from '../bitcoin/types.ts'
import { type EsploraResult, parseOutspend, type SpendClaim } from './esplora.ts'
import { doubted, failed, isUsable, lied, served } from './servers.ts'
import { findServer, putWatch, type Turn, without } from './turn.ts'
import { askTipSoon, needTx } from './txs.ts'
import type { Confirmation, SpendAnswer, SpendWatch, TxEntry } from './types.ts'

/** Times that a server may deny a proved spend before it is called a liar: once may be a race. */
const MAX_DENIALS = 2

/** Where a spend that the owner persisted stands among the answers, until servers answer. */
export const RECALLED = ''

/** One server's word on whether an output is spent. */
export function onOutspend(turn: Turn, url: string, token: string, result: EsploraResult): void {
  // Some servers answer 404 for an output of a transaction that they do not know.
  if (!result.ok && result.error.status !== 404) return failed(turn, url, result.error)
  const claim = result.ok ? parseOutspend(result.value) : ({ ok: true, value: null } as const)
  if (!claim.ok) return failed(turn, url, { kind: 'shape', message: claim.error })
  served(turn, url)
  const watch = turn.state.watches[token]
  if (watch?.kind !== 'spend') return
  const server = findServer(turn.state, url)
  const tip = turn.state.headers.tip.hash
  const atTip = server?.tip?.hash === tip
  const proved = provedSpend(turn, watch)
  const denies = atTip && proved !== undefined && contradicts(claim.value, proved)
  const denials = denies ? (watch.answers[url]?.denials ?? 0) + 1 : 0
  const answer: SpendAnswer = { at: turn.now, tip, claim: claim.value, atTip, denials }
  const before = watch.answers[url]
  const changed = before?.claim && before.claim.height !== null && before.tip === tip && before.atTip && atTip
  if (changed && before.claim?.txid !== claim.value?.txid)
    doubted(turn, url, `contradicts itself about ${watch.outpoint.txid}:${watch.outpoint.vout}`)
  if (atTip && !denies && proved !== undefined && (before?.denials ?? 0) > 0)
    doubted(turn, url, `denied a spend of ${watch.outpoint.txid}:${watch.outpoint.vout} and then showed it`)
  // What the owner remembered gives way to what is answered.
  const others = without(watch.answers, RECALLED)
  putWatch(turn, { ...watch, answers: { ...others, [url]: answer } })
  if (claim.value) {
    needTx(turn, claim.value.txid, claim.value.height)
    if ((claim.value.height ?? 0) > turn.state.headers.tip.height) askTipSoon(turn, url)
  }
  if (denials >= MAX_DENIALS)
    lied(
      turn,
      url,
      `${claim.value === null ? 'hides a spend' : 'invents a spend'} of ${watch.outpoint.txid}:${watch.outpoint.vout}`,
    )
}

/** Whether a server's word cannot stand beside a spend that is proved: that there is none, or another in a block. */
export const contradicts = (claim: SpendClaim | null, proved: TxEntry): boolean =>
  claim === null || (claim.height !== null && claim.txid !== proved.txid)

/** The spender with a proof, if there is one. */
export function provedSpend(turn: Turn, watch: SpendWatch): TxEntry | undefined {
  const txids = Object.values(watch.answers).map((a) => a.claim?.txid)
  if (watch.reported) txids.push(watch.reported.txid)
  for (const txid of txids) {
    const entry = txid === undefined ? undefined : turn.state.txs[txid]
    if (entry?.confirmed && entry.raw && spendingInput(entry.raw, watch.outpoint) !== undefined) return entry
  }
  return undefined
}

/** Index of the input that spends an output, or undefined. */
function spendingInput(raw: Uint8Array, outpoint: OutPoint): number | undefined {
  const tx = decodeTx(raw)
  if (!tx.ok) return undefined
  const vin = tx.value.inputs.findIndex(
    (i) => i.outpoint.txid === outpoint.txid && i.outpoint.vout === outpoint.vout,
  )
  return vin < 0 ? undefined : vin
}

/** Reports a spend when what is known of it changed: a proved one wins, any one server's word is enough for an unproved one. */
export function evaluateSpend(turn: Turn, token: string): void {
  dropFalseClaims(turn, token)
  const watch = turn.state.watches[token]
  if (watch?.kind !== 'spend') return
  const proved = provedSpend(turn, watch)
  const claimed = Object.values(watch.answers).flatMap((a) => (a.claim ? [a.claim.txid] : []))
  const { reported } = watch
  const stays = reported !== null && claimed.includes(reported.txid) ? reported.txid : undefined
  const txid = proved?.txid ?? stays ?? claimed.find((id) => turn.state.txs[id]?.raw)
  const entry = txid === undefined ? undefined : turn.state.txs[txid]
  if (entry?.raw) {
    const blockHash = entry.confirmed?.blockHash ?? null
    if (reported?.txid !== entry.txid || reported.blockHash !== blockHash)
      report(turn, watch, entry, entry.raw, entry.confirmed)
  } else if (reported !== null && claimed.length === 0 && enoughDeny(turn, watch)) {
    putWatch(turn, { ...watch, reported: null })
    turn.events.push({ type: 'unspent', token, outpoint: watch.outpoint })
  }
  alarmDisagreement(turn, token)
}

/** As many servers as are asked about a spend say that there is none. */
function enoughDeny(turn: Turn, watch: SpendWatch): boolean {
  const usable = turn.state.servers.filter((s) => isUsable(s, turn.now)).length
  return Object.keys(watch.answers).length >= Math.max(1, Math.min(turn.state.config.quorum, usable))
}

function report(
  turn: Turn,
  watch: SpendWatch,
  entry: TxEntry,
  tx: Uint8Array,
  confirmed: Confirmation | null,
): void {
  const { token, outpoint } = watch
  const vin = spendingInput(tx, outpoint) ?? 0
  putWatch(turn, { ...watch, reported: { txid: entry.txid, blockHash: confirmed?.blockHash ?? null } })
  turn.events.push({ type: 'spent', token, outpoint, txid: entry.txid, tx, vin, confirmed })
}

/** A named spender that does not spend the output is a lie by whoever named it. */
function dropFalseClaims(turn: Turn, token: string): void {
  const watch = turn.state.watches[token]
  if (watch?.kind !== 'spend') return
  for (const [url, answer] of Object.entries(watch.answers)) {
    const raw = answer.claim === null ? null : (turn.state.txs[answer.claim.txid]?.raw ?? null)
    if (raw === null || spendingInput(raw, watch.outpoint) !== undefined) continue
    const now = turn.state.watches[token]
    if (now?.kind !== 'spend') return
    putWatch(turn, { ...now, answers: { ...now.answers, [url]: { ...answer, claim: null } } })
    lied(turn, url, 'names a spender that does not spend the output')
  }
}

/** Two servers at our own tip, one of which says confirmed without a proof that holds, the other unspent: somebody lies. */
function alarmDisagreement(turn: Turn, token: string): void {
  const watch = turn.state.watches[token]
  if (watch?.kind !== 'spend') return
  const tip = turn.state.headers.tip.hash
  const current = Object.entries(watch.answers).filter(([, a]) => a.atTip && a.tip === tip)
  const spent = current.filter(([, a]) => a.claim !== null && a.claim.height !== null).map(([url]) => url)
  const unspent = current.filter(([, a]) => a.claim === null).map(([url]) => url)
  const unproved = spent.some((url) => {
    const txid = watch.answers[url]?.claim?.txid
    const entry = txid === undefined ? undefined : turn.state.txs[txid]
    return entry !== undefined && !entry.confirmed && (url in entry.proofMisses || url in entry.rawMisses)
  })
  const disagree = spent.length > 0 && unspent.length > 0 && unproved
  if (disagree === watch.disagreed) return
  // A claim that is being looked into again keeps the alarm as it was.
  if (!disagree && spent.length > 0 && unspent.length > 0 && provedSpend(turn, watch) === undefined) return
  putWatch(turn, { ...watch, disagreed: disagree })
  if (disagree) turn.events.push({ type: 'alarm', alarm: { kind: 'serversDisagree', token, spent, unspent } })
}
