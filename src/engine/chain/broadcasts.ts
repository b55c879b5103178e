import { decodeTx, txidOf } from '../bitcoin/tx.ts'
import {
  type EsploraResult,
  isAlreadyKnown,
  isFeeTooLow,
  isRefusal,
  parseHash,
  parsePackage,
  parseTxHex,
  rejectReason,
} from './esplora.ts'
import { doubted, failed, isUsable, lied, served } from './servers.ts'
import { findServer, putBroadcast, type Turn, without } from './turn.ts'
import type { Txid } from '../bitcoin/types.ts'
import type { Broadcast, ChainState } from './types.ts'

/** Servers that did not answer are tried for this long, then a broadcast that is not kept up is done. */
const GIVE_UP_MS = 600_000

/** Starts a broadcast, or a new round of one; the result is told again. */
export function startBroadcast(turn: Turn, token: string, tx: Uint8Array, keep: boolean): void {
  const decoded = decodeTx(tx)
  if (!decoded.ok) {
    const servers = [{ url: '', ok: false, reason: decoded.error }]
    turn.events.push({ type: 'broadcastResult', token, txid: '', accepted: false, servers })
    return
  }
  putBroadcast(turn, {
    token,
    txid: txidOf(decoded.value),
    tx,
    spends: decoded.value.inputs.map((input) => input.outpoint.txid),
    keep,
    startedAt: turn.now,
    outcomes: {},
    shown: {},
    lost: false,
    reported: null,
  })
}

/** A server's verdict on a transaction. No verdict (time-out, 5xx) leaves it to be sent again after the server's pause. */
export function onBroadcast(turn: Turn, url: string, token: string, result: EsploraResult): void {
  const broadcast = turn.state.broadcasts[token]
  const outcome = (ok: boolean, reason: string | null) => {
    served(turn, url)
    if (broadcast)
      putBroadcast(turn, { ...broadcast, outcomes: { ...broadcast.outcomes, [url]: { ok, reason } } })
  }
  if (result.ok) {
    const txid = parseHash(result.value)
    if (!txid.ok) return failed(turn, url, { kind: 'shape', message: txid.error })
    outcome(true, null)
    return askChildrenAgain(turn, url, txid.value)
  }
  const { status, message } = result.error
  if (!isRefusal(result) || status === 404) return failed(turn, url, result.error)
  const reason = rejectReason(message)
  if (!isAlreadyKnown(message)) return outcome(false, reason)
  outcome(true, null)
  if (broadcast) askChildrenAgain(turn, url, broadcast.txid)
}

/** A server that did not know a parent refused what spends it: now that it has the parent, it is asked again at once. */
function askChildrenAgain(turn: Turn, url: string, parent: Txid): void {
  for (const child of Object.values(turn.state.broadcasts)) {
    if (child.outcomes[url]?.ok === false && child.spends.includes(parent))
      putBroadcast(turn, { ...child, outcomes: without(child.outcomes, url) })
  }
}

/** The parent of a broadcast that this server refused for its fee alone: the two are sent as a package. */
export function parentTooCheap(state: ChainState, broadcast: Broadcast, url: string): Broadcast | undefined {
  return Object.values(state.broadcasts).find((other) => {
    const outcome = other.outcomes[url]
    return (
      outcome?.ok === false &&
      broadcast.spends.includes(other.txid) &&
      outcome.reason !== null &&
      isFeeTooLow(outcome.reason)
    )
  })
}

/** A server's verdict on a parent and its child. One that takes no packages has refused the child, and is no worse for it. */
export function onPackage(
  turn: Turn,
  url: string,
  token: string,
  parentToken: string,
  result: EsploraResult,
): void {
  const outcome = (name: string, ok: boolean, reason: string | null) => {
    const broadcast = turn.state.broadcasts[name]
    if (broadcast)
      putBroadcast(turn, { ...broadcast, outcomes: { ...broadcast.outcomes, [url]: { ok, reason } } })
  }
  if (!result.ok && !isRefusal(result)) return failed(turn, url, result.error)
  if (!result.ok) {
    served(turn, url)
    return outcome(token, false, rejectReason(result.error.message))
  }
  const verdict = parsePackage(result.value)
  if (!verdict.ok) return failed(turn, url, { kind: 'shape', message: verdict.error })
  served(turn, url)
  const { refused } = verdict.value
  outcome(token, refused === undefined, refused ?? null)
  if (refused === undefined) outcome(parentToken, true, null)
}

/** Children wait at a server for its verdict on their parents, within this time: else it would refuse them for inputs that it lacks. */
const PARENTS_FIRST_MS = 30_000

/** Until when a broadcast waits at a server for those that it spends; 0 when it need not. */
export function waitsForParents(state: ChainState, broadcast: Broadcast, url: string): number {
  const waits = Object.values(state.broadcasts).some(
    (other) => broadcast.spends.includes(other.txid) && !(url in other.outcomes),
  )
  return waits ? broadcast.startedAt + PARENTS_FIRST_MS : 0
}

/**
 * When servers are to be asked whether they show a broadcast: half a round after it began, once somebody took it. Undefined: not in
 * this round. With one server there is nothing to compare.
 */
export function wantsShown(state: ChainState, broadcast: Broadcast): number | undefined {
  if (!broadcast.keep || state.servers.length < 2) return undefined
  if (!Object.values(broadcast.outcomes).some((o) => o.ok)) return undefined
  return broadcast.startedAt + state.config.rebroadcastMs / 2
}

/** Whether a server shows what we sent. */
export function onShown(turn: Turn, url: string, token: string, result: EsploraResult): void {
  if (!result.ok && result.error.status !== 404) return failed(turn, url, result.error)
  const broadcast = turn.state.broadcasts[token]
  if (result.ok) {
    const raw = parseTxHex(result.value)
    if (!raw.ok) return failed(turn, url, { kind: 'shape', message: raw.error })
    const tx = decodeTx(raw.value)
    if (broadcast && (!tx.ok || txidOf(tx.value) !== broadcast.txid))
      return lied(turn, url, `gave another transaction for ${broadcast.txid}`)
  }
  served(turn, url)
  if (!broadcast) return
  const judged = { ...broadcast, shown: { ...broadcast.shown, [url]: result.ok } }
  putBroadcast(turn, judged)
  judgeShown(turn, judged)
}

/** Who took a transaction and does not show it while others do; and whether it has come further than one server at all. */
function judgeShown(turn: Turn, broadcast: Broadcast): void {
  const asked = Object.keys(broadcast.shown)
  const missing = turn.state.servers.some(
    (s) => s.identified && isUsable(s, turn.now) && !(s.url in broadcast.shown),
  )
  if (missing || asked.length < 2) return
  const shownBy = asked.filter((url) => broadcast.shown[url])
  const tip = turn.state.headers.tip.hash
  if (shownBy.length > 0)
    for (const url of asked)
      if (
        !broadcast.shown[url] &&
        broadcast.outcomes[url]?.ok &&
        findServer(turn.state, url)?.tip?.hash === tip
      )
        doubted(turn, url, `took ${broadcast.txid} and does not show it`)
  const lost = shownBy.length < 2
  if (lost === broadcast.lost) return
  putBroadcast(turn, { ...broadcast, lost })
  if (lost && !broadcast.lost)
    turn.events.push({ type: 'alarm', alarm: { kind: 'notRelayed', txid: broadcast.txid, shownBy } })
}

/** Tells a verdict when there is a new one, begins new rounds, and drops what is done. */
export function evaluateBroadcast(turn: Turn, token: string): void {
  const broadcast = turn.state.broadcasts[token]
  if (!broadcast) return
  const verdict = verdictOf(turn, broadcast)
  if (verdict !== null && verdict !== broadcast.reported) {
    const servers = Object.entries(broadcast.outcomes).map(([url, o]) => ({ url, ...o }))
    const { txid } = broadcast
    turn.events.push({ type: 'broadcastResult', token, txid, accepted: verdict === 'accepted', servers })
    putBroadcast(turn, { ...broadcast, reported: verdict })
  }
  const age = turn.now - broadcast.startedAt
  const complete = turn.state.servers.every((s) => s.url in broadcast.outcomes)
  const now = turn.state.broadcasts[token] ?? broadcast
  if (broadcast.keep) {
    if (age >= turn.state.config.rebroadcastMs)
      putBroadcast(turn, { ...now, startedAt: turn.now, outcomes: {}, shown: {} })
  } else if (verdict !== null && (complete || age >= GIVE_UP_MS)) {
    turn.state = { ...turn.state, broadcasts: without(turn.state.broadcasts, token) }
  }
}

/** Accepted by one; refused by all that can answer; or null while it is open. */
function verdictOf(turn: Turn, broadcast: Broadcast): 'accepted' | 'refused' | null {
  const outcomes = Object.values(broadcast.outcomes)
  if (outcomes.some((o) => o.ok)) return 'accepted'
  const open = turn.state.servers.some((s) => !(s.url in broadcast.outcomes) && s.backoffUntil <= turn.now)
  return outcomes.length > 0 && !open ? 'refused' : null
}
