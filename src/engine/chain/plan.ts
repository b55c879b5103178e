import type { EsploraRequest } from './esplora.ts'
import { type Priority, ask, isAsked, patienceMs, ranked, readyAt, TIMEOUT_GRACE_MS } from './servers.ts'
import { parentTooCheap, wantsShown, waitsForParents } from './broadcasts.ts'
import { wantedBlocks } from './sync.ts'
import { contradicts, provedSpend } from './spends.ts'
import { patchServer, type Turn } from './turn.ts'
import type { Check, OldProof, Purpose, ScriptEntry, ServerState, SpendWatch, TxEntry } from './types.ts'

/** What holds back lower kinds of look-ups after an absence, and for how long at most. */
const HEADERS_FIRST_MS = 60_000
const SPENDS_FIRST_MS = 120_000

/** Servers whose fee estimates are put together. */
const MAX_FEE_SERVERS = 5

/** A planning run: when the next look is due gathers in `soonest`. */
interface Plan {
  readonly turn: Turn
  /** Servers to look things up at, the best first: those whose chain is known to be ours. */
  readonly helpers: readonly ServerState[]
  soonest: number
}

/**
 * Asks whatever is due and can be asked now, the most urgent first, and returns when the next thing will be due. What is due
 * follows from the state alone, so a lost, late or refused answer needs no book-keeping: its question is simply due again.
 */
export function plan(turn: Turn): number {
  const helpers = ranked(turn.state, turn.now).filter((s) => s.identified)
  const p: Plan = { turn, helpers, soonest: Number.POSITIVE_INFINITY }
  for (const s of turn.state.servers) if (s.backoffUntil > turn.now) later(p, s.backoffUntil)
  planBroadcasts(p)
  planTips(p)
  planHeaders(p)
  const headersReady = isCurrent(turn)
  if (!headersReady) later(p, turn.state.resumedAt + HEADERS_FIRST_MS)
  if (headersReady || turn.now >= turn.state.resumedAt + HEADERS_FIRST_MS) {
    const spendsReady = planSpends(p)
    if (!spendsReady) later(p, turn.state.resumedAt + SPENDS_FIRST_MS)
    planTxs(p, spendsReady)
    if (spendsReady || turn.now >= turn.state.resumedAt + SPENDS_FIRST_MS) {
      planShown(p)
      planHistories(p)
      planFees(p)
    }
  }
  // With what was asked just now: when a silent server is all that is asked, nothing else would wake us.
  for (const f of turn.state.inFlight) later(p, f.timeoutAt + TIMEOUT_GRACE_MS)
  return p.soonest
}

/** A time at which something may be due: only those ahead count, what is due now waits for an answer or a server. */
function later(p: Plan, at: number): void {
  if (at > p.turn.now && at < p.soonest) p.soonest = at
}

/** Asks a server if its limits allow. */
function tryAsk(
  p: Plan,
  server: ServerState,
  priority: Priority,
  request: EsploraRequest,
  purpose: Purpose,
): boolean {
  const current = p.turn.state.servers.find((s) => s.url === server.url)
  if (!current) return false
  const at = readyAt(p.turn.state, current, priority, p.turn.now)
  if (at > 0) {
    later(p, at)
    return false
  }
  ask(p.turn, server.url, request, purpose)
  return true
}

/** Whether a server that was asked since we came (back) agrees with our tip, and no headers are on their way. */
export function isCurrent(turn: Turn): boolean {
  const { servers, headers, resumedAt } = turn.state
  return servers.some((s) => s.tipAt >= resumedAt && s.tip?.hash === headers.tip.hash && s.sync === null)
}

// ---- money first: broadcasts ---------------------------------------------------------------------------------------

function planBroadcasts(p: Plan): void {
  for (const broadcast of Object.values(p.turn.state.broadcasts)) {
    const { token, tx, keep, startedAt, outcomes } = broadcast
    if (keep) later(p, startedAt + p.turn.state.config.rebroadcastMs)
    for (const server of ranked(p.turn.state, p.turn.now)) {
      if (server.url in outcomes) continue
      if (isAsked(p.turn.state, (q) => q.kind === 'broadcast' && q.token === token, server.url)) continue
      const waits = waitsForParents(p.turn.state, broadcast, server.url)
      if (waits > p.turn.now) {
        later(p, waits)
        continue
      }
      const parent = parentTooCheap(p.turn.state, broadcast, server.url)
      const request =
        parent === undefined
          ? ({ kind: 'broadcast', hex: hex(tx) } as const)
          : ({ kind: 'package', hexes: [hex(parent.tx), hex(tx)] } as const)
      const purpose = { kind: 'broadcast', token, ...(parent && { parent: parent.token }) } as const
      tryAsk(p, server, 'money', request, purpose)
    }
  }
}

const hex = (bytes: Uint8Array): string => {
  let out = ''
  for (const b of bytes) out += b.toString(16).padStart(2, '0')
  return out
}

// ---- headers -------------------------------------------------------------------------------------------------------

/** One tip poll an interval, at each server in turn; after a new tip the next servers are asked soon. */
function planTips(p: Plan): void {
  const { state, now } = p.turn
  const { pollMs, fastPollMs, quorum } = state.config
  const interval = isWaiting(p.turn) ? fastPollMs : pollMs
  const usable = ranked(state, now)
  const lastPoll = Math.max(0, ...usable.map((s) => s.tipAskedAt))
  // A server that does not answer must not hold up the others' turns.
  const idle = usable.filter((s) => !isAsked(state, (q) => q.kind === 'tip', s.url))
  const inTurn = idle.reduce<ServerState | undefined>(
    (a, s) => (a === undefined || s.tipAskedAt < a.tipAskedAt ? s : a),
    undefined,
  )
  for (const [rank, server] of usable.entries()) {
    if (!server.identified && !isAsked(state, (q) => q.kind === 'identity', server.url)) {
      const request = { kind: 'blockHash', height: state.headers.base } as const
      tryAsk(p, server, 'money', request, { kind: 'identity' })
    }
    if (isAsked(p.turn.state, (q) => q.kind === 'tip', server.url)) continue
    const never = server.tipAskedAt < state.resumedAt || server.tipAskedAt < state.refreshedAt
    // A lagging server's view is of little use for look-ups: see soon whether it followed.
    const follows = rank < quorum && server.tipAt < state.tipAt
    let due = never
      ? 0
      : follows
        ? Math.max(state.tipAt, server.tipAskedAt) + interval / 4
        : Number.POSITIVE_INFINITY
    if (server === inTurn) due = Math.min(due, lastPoll + interval)
    if (due > now) {
      later(p, due)
      continue
    }
    if (tryAsk(p, server, 'money', { kind: 'tipHash' }, { kind: 'tip' })) {
      patchServer(p.turn, server.url, { tipAskedAt: now })
      // Then the next in turn, whether or not this one answers.
      later(p, now + interval)
    }
  }
}

/** Something waits for a block: poll faster. */
function isWaiting(turn: Turn): boolean {
  const { watches, broadcasts } = turn.state
  if (Object.keys(broadcasts).length > 0) return true
  return Object.values(watches).some(
    (w) =>
      (w.kind === 'tx' && !w.confirmed) ||
      (w.kind === 'spend' && w.reported !== null && w.reported.blockHash === null),
  )
}

function planHeaders(p: Plan): void {
  const { state } = p.turn
  const { wanted, again } = wantedBlocks(state, p.turn.now)
  later(p, again)
  const asked = new Set<string>()
  for (const { url, top, target } of wanted) {
    if (target !== undefined && asked.has(target)) continue
    if (isAsked(p.turn.state, (q) => q.kind === 'headers' && q.top === top, url)) continue
    const server = state.servers.find((s) => s.url === url)
    if (!server) continue
    const sent = tryAsk(p, server, 'money', { kind: 'blocks', height: top }, { kind: 'headers', top })
    if (sent && target !== undefined) asked.add(target)
  }
}

/** Whether an answer is on its way that is worth waiting for: who takes long on purpose must not keep others from being asked. */
function isAwaited(p: Plan, same: (q: Purpose) => boolean, url?: string): boolean {
  const { inFlight, config } = p.turn.state
  const until = inFlight
    .filter((f) => (url === undefined || f.server === url) && same(f.purpose))
    .reduce((at, f) => Math.max(at, f.sentAt + patienceMs(config)), 0)
  later(p, until)
  return until > p.turn.now
}

// ---- look-ups ------------------------------------------------------------------------------------------------------

/** Whether an answer still stands: of this tip, since the last refresh, and not older than `period`. */
function stands(p: Plan, check: Check | undefined, period: number): boolean {
  const { state, now } = p.turn
  if (!check || check.tip !== state.headers.tip.hash || check.at < state.refreshedAt) return false
  if (now - check.at >= period) return false
  later(p, check.at + period)
  return true
}

/** Looks up watched outputs; returns whether each has had an answer since we came (back). */
function planSpends(p: Plan): boolean {
  const watches = Object.values(p.turn.state.watches).filter((w) => w.kind === 'spend')
  const { spendPollMs, spendSpacingMs } = p.turn.state.config
  // Many watches share what a server allows.
  const period = Math.max(spendPollMs, watches.length * spendSpacingMs)
  let ready = true
  for (const watch of watches) {
    const answers = Object.values(watch.answers)
    const proved = provedSpend(p.turn, watch)
    if (!proved && !answers.some((a) => a.at >= p.turn.state.resumedAt)) ready = false
    if (proved) planDenials(p, watch, proved)
    else planSpend(p, watch, period)
  }
  return ready
}

function planSpend(p: Plan, watch: SpendWatch, period: number): void {
  const asked = (s: ServerState) => isAsked(p.turn.state, (q) => isOutspend(q, watch), s.url)
  const servers = p.helpers
  const stale = servers.filter((s) => !stands(p, watch.answers[s.url], period))
  const open = stale.filter((s) => !asked(s))
  const slow = stale.filter((s) => asked(s) && !isAwaited(p, (q) => isOutspend(q, watch), s.url)).length
  let missing = p.turn.state.config.quorum - (servers.length - open.length - slow)
  // In turn: whoever was asked longest ago.
  for (const server of [...open].sort(
    (a, b) => (watch.answers[a.url]?.at ?? 0) - (watch.answers[b.url]?.at ?? 0),
  )) {
    if (missing <= 0) return
    if (askSpend(p, server, watch)) missing--
  }
}

const isOutspend = (q: Purpose, watch: SpendWatch): boolean =>
  q.kind === 'outspend' && q.token === watch.token

/** A server that said unspent of what is proved spent, or named another spender in a block, is asked once more before it is called a liar. */
function planDenials(p: Plan, watch: SpendWatch, proved: TxEntry): void {
  for (const server of p.helpers) {
    const answer = watch.answers[server.url]
    if (!answer || !contradicts(answer.claim, proved) || server.tip?.hash !== p.turn.state.headers.tip.hash)
      continue
    if (isAsked(p.turn.state, (q) => q.kind === 'outspend' && q.token === watch.token, server.url)) continue
    const due = answer.at + p.turn.state.config.spendPollMs / 4
    if (due > p.turn.now) later(p, due)
    else askSpend(p, server, watch)
  }
}

const askSpend = (p: Plan, server: ServerState, watch: SpendWatch): boolean =>
  tryAsk(
    p,
    server,
    'money',
    { kind: 'outspend', ...watch.outpoint },
    { kind: 'outspend', token: watch.token },
  )

/** Fetches and proves transactions: spenders first, the others once all spends have been looked at. */
function planTxs(p: Plan, all: boolean): void {
  const watched = new Set<string>()
  const spenders = new Set<string>()
  for (const w of Object.values(p.turn.state.watches)) {
    if (w.kind === 'tx') watched.add(w.txid)
    if (w.kind === 'spend') for (const a of Object.values(w.answers)) if (a.claim) spenders.add(a.claim.txid)
  }
  // What was never looked for comes first: invented spenders must not use up what servers allow.
  const entries = Object.values(p.turn.state.txs)
    .filter((e) => e.confirmed === null || e.raw === null || e.witnesses !== null)
    .sort((a, b) => triedAt(a) - triedAt(b))
  for (const entry of entries)
    if (spenders.has(entry.txid)) planTx(p, entry, watched.has(entry.txid), 'money')
  if (!all && p.turn.now < p.turn.state.resumedAt + SPENDS_FIRST_MS) return
  for (const entry of entries)
    if (watched.has(entry.txid) && !spenders.has(entry.txid)) planTx(p, entry, true, 'chain')
  for (const entry of entries)
    if (!watched.has(entry.txid) && !spenders.has(entry.txid)) planTx(p, entry, false, 'chain')
}

/** In turn, the best first among those never asked: two that take their time must not be asked for ever, and a third never. */
const longestAgo = (
  servers: readonly ServerState[],
  misses: Readonly<Record<string, Check>>,
): readonly ServerState[] => [...servers].sort((a, b) => (misses[a.url]?.at ?? 0) - (misses[b.url]?.at ?? 0))

/** When a transaction was last asked for in vain; 0: never. */
const triedAt = ({ rawMisses, proofMisses }: TxEntry): number =>
  [...Object.values(rawMisses), ...Object.values(proofMisses)].reduce((at, miss) => Math.max(at, miss.at), 0)

function planTx(p: Plan, entry: TxEntry, watched: boolean, priority: Priority): void {
  const { spendPollMs, quorum } = p.turn.state.config
  const { txid } = entry
  // A stated height promises success soon, and less the longer nobody has it; without one only the next block will tell, or another server.
  const age = p.turn.now - entry.hintAt
  const patience =
    entry.hint !== null ? Math.min(spendPollMs * 5, Math.max(spendPollMs / 6, age / 4)) : spendPollMs
  const servers = p.helpers
  if (entry.raw === null) {
    const isRaw = (q: Purpose) => q.kind === 'raw' && q.txid === txid
    if (isAwaited(p, isRaw)) return
    const open = servers.filter(
      (s) => !isAsked(p.turn.state, isRaw, s.url) && !stands(p, entry.rawMisses[s.url], patience),
    )
    const server = longestAgo(open, entry.rawMisses)[0]
    if (server) tryAsk(p, server, priority, { kind: 'tx', txid }, { kind: 'raw', txid })
    return
  }
  if (entry.witnesses !== null) planWitnesses(p, entry, entry.witnesses)
  if (entry.confirmed !== null) return
  if (entry.old !== null) return planOld(p, entry, entry.old, priority)
  if (entry.hint === null && !watched) return
  const isProof = (q: Purpose) => q.kind === 'proof' && q.txid === txid
  const asked = (s: ServerState) => isAsked(p.turn.state, isProof, s.url)
  const request = { kind: 'merkleProof', txid } as const
  // With a stated height one server at a time will do, and all are asked: those that hide it must not be the only ones. Without one as
  // many as make a quorum, in turn.
  if (entry.hint !== null && isAwaited(p, isProof)) return
  const open = servers.filter((s) => !asked(s) && !stands(p, entry.proofMisses[s.url], patience))
  let missing = entry.hint !== null ? 1 : Math.max(1, quorum) - (servers.length - open.length)
  for (const server of longestAgo(open, entry.proofMisses)) {
    if (missing <= 0) return
    if (tryAsk(p, server, priority, request, { kind: 'proof', txid })) missing--
  }
}

/** The bytes of a spender, of each server that has not given its own. */
function planWitnesses(p: Plan, { txid }: TxEntry, witnesses: NonNullable<TxEntry['witnesses']>): void {
  for (const server of p.helpers) {
    if (server.url in witnesses) continue
    if (isAsked(p.turn.state, (q) => q.kind === 'raw' && q.txid === txid, server.url)) continue
    tryAsk(p, server, 'money', { kind: 'tx', txid }, { kind: 'raw', txid })
  }
}

/** A block below our first header: as many servers as make a quorum have to show it. */
function planOld(p: Plan, entry: TxEntry, old: OldProof, priority: Priority): void {
  const { txid } = entry
  const { quorum, spendPollMs } = p.turn.state.config
  let missing = Math.max(1, quorum) - Object.keys(old.votes).length
  for (const server of p.helpers) {
    if (missing <= 0) return
    if (server.url in old.votes || stands(p, entry.proofMisses[server.url], spendPollMs)) continue
    missing--
    if (isAsked(p.turn.state, (q) => q.kind === 'old' && q.txid === txid, server.url)) continue
    tryAsk(p, server, priority, { kind: 'blocks', height: old.height }, { kind: 'old', txid })
  }
}

function planHistories(p: Plan): void {
  const { historyPollMs, historySpacingMs } = p.turn.state.config
  for (const watch of Object.values(p.turn.state.watches)) {
    if (watch.kind !== 'scripts') continue
    const period = Math.max(historyPollMs, watch.scripts.length * historySpacingMs)
    for (const script of watch.scripts) planHistory(p, watch.token, script, period)
  }
}

function planHistory(p: Plan, token: string, script: ScriptEntry, period: number): void {
  const listed = { at: script.listedAt, tip: script.listedTip ?? '' }
  if (script.paging === null && stands(p, listed, period)) return
  const purpose = { kind: 'history', token, script: script.hash } as const
  if (isAsked(p.turn.state, (q) => q.kind === 'history' && q.token === token && q.script === script.hash))
    return
  const { paging } = script
  const servers = p.helpers
  // In turn: two that leave the same out must not be the only ones that are asked.
  const other = servers[(servers.findIndex((s) => s.url === script.listedBy) + 1) % servers.length]
  const server = paging ? (servers.find((s) => s.url === paging.server) ?? other) : other
  if (!server) return
  // A listing goes on where it began; at another server it starts over (the pages so far stay, doubles are dropped).
  const after =
    paging?.server === server.url ? (paging.items.findLast((i) => i.height !== null)?.txid ?? null) : null
  tryAsk(p, server, 'rest', { kind: 'history', scriptHash: script.hash, after }, purpose)
}

/** Whether servers show what was sent, some time after the first took it: one that swallows it says ok all the same. */
function planShown(p: Plan): void {
  for (const broadcast of Object.values(p.turn.state.broadcasts)) {
    const due = wantsShown(p.turn.state, broadcast)
    if (due === undefined) continue
    if (due > p.turn.now) {
      later(p, due)
      continue
    }
    for (const server of p.helpers) {
      if (server.url in broadcast.shown) continue
      const { token, txid } = broadcast
      if (isAsked(p.turn.state, (q) => q.kind === 'shown' && q.token === token, server.url)) continue
      tryAsk(p, server, 'rest', { kind: 'tx', txid }, { kind: 'shown', token })
    }
  }
}

function planFees(p: Plan): void {
  const { fees, config, refreshedAt } = p.turn.state
  const due = fees.at < refreshedAt ? refreshedAt : fees.at + (fees.at === 0 ? 0 : config.feePollMs)
  if (due > p.turn.now) return later(p, due)
  if (isAsked(p.turn.state, (q) => q.kind === 'fees')) return
  // Several, for their median: no single one is to say what we pay.
  for (const server of p.helpers.slice(0, MAX_FEE_SERVERS))
    tryAsk(p, server, 'rest', { kind: 'feeEstimates' }, { kind: 'fees' })
}
