import type { EsploraError, EsploraRequest } from './esplora.ts'
import { findServer, patchServer, type Turn } from './turn.ts'
import type { ChainConfig, ChainState, InFlight, Purpose, ServerState } from './types.ts'

/** A server as it is added: nothing known, nothing held against it. */
export const newServer = (url: string): ServerState => ({
  url,
  tip: null,
  claimed: null,
  lesser: null,
  tipAskedAt: 0,
  tipAt: 0,
  identified: false,
  sync: null,
  failures: 0,
  lies: 0,
  doubts: 0,
  doubtedAt: 0,
  doubt: null,
  status: 'new',
  backoffUntil: 0,
  lastError: null,
  secondTat: 0,
  hourTat: 0,
  fees: null,
})

/** The shell times requests out itself; the machine waits this much longer for a shell that forgot. */
export const TIMEOUT_GRACE_MS = 1_000

/** How long one server's answer is waited for before another is asked the same: slow ones cost this much, not a whole time-out. */
export const patienceMs = (config: ChainConfig): number => config.requestTimeoutMs / 5

/** What may wait so that money does not: low priorities leave part of the hourly allowance to higher ones. */
export type Priority = 'money' | 'chain' | 'rest'
const HOUR_BURST = 120
const SECOND_BURST = 5
const RESERVE: Readonly<Record<Priority, number>> = { money: 0, chain: 10, rest: 40 }

/** Requests of a server that are unanswered. */
const load = (state: ChainState, url: string): number => {
  let n = 0
  for (const f of state.inFlight) if (f.server === url) n++
  return n
}

/**
 * When a server can be asked next: 0 for now, Infinity when an answer must come first. Two leaky buckets (GCRA) keep within what
 * public servers allow an address.
 */
export function readyAt(state: ChainState, server: ServerState, priority: Priority, now: number): number {
  if (server.backoffUntil > now) return server.backoffUntil
  const { maxInFlight, requestsPerHour, requestsPerSecond } = state.config
  if (load(state, server.url) >= maxInFlight) return Number.POSITIVE_INFINITY
  let at = 0
  if (requestsPerSecond > 0) at = server.secondTat - SECOND_BURST * (1000 / requestsPerSecond)
  if (requestsPerHour > 0) {
    const burst = HOUR_BURST - RESERVE[priority]
    at = Math.max(at, server.hourTat - burst * (3_600_000 / requestsPerHour))
  }
  return at <= now ? 0 : at
}

/** Sends a request and notes what its answer is for. */
export function ask(turn: Turn, url: string, request: EsploraRequest, purpose: Purpose): void {
  const server = findServer(turn.state, url)
  if (!server) return
  const { requestsPerHour, requestsPerSecond, requestTimeoutMs } = turn.state.config
  const id = turn.state.nextId
  const timeoutAt = turn.now + requestTimeoutMs
  const sent: InFlight = { id, server: url, purpose, sentAt: turn.now, timeoutAt }
  turn.state = { ...turn.state, nextId: id + 1, inFlight: [...turn.state.inFlight, sent] }
  const later = (tat: number, rate: number, unit: number) =>
    rate > 0 ? Math.max(tat, turn.now) + unit / rate : 0
  patchServer(turn, url, {
    secondTat: later(server.secondTat, requestsPerSecond, 1000),
    hourTat: later(server.hourTat, requestsPerHour, 3_600_000),
  })
  turn.effects.push({ type: 'request', id, server: url, request })
}

/** Whether a question of this purpose is open, at one server or (url undefined) at any. */
export function isAsked(state: ChainState, same: (p: Purpose) => boolean, url?: string): boolean {
  return state.inFlight.some((f) => (url === undefined || f.server === url) && same(f.purpose))
}

/** A good answer: what was held against the server is forgiven, save lies. */
export function served(turn: Turn, url: string): void {
  const server = findServer(turn.state, url)
  if (!server || isLiar(server, turn.now)) return
  if (
    server.failures === 0 &&
    (server.status === 'ok' || server.status === 'behind') &&
    server.lastError === null
  )
    return
  patchServer(turn, url, {
    failures: 0,
    backoffUntil: 0,
    lastError: null,
    status: server.status === 'behind' ? 'behind' : 'ok',
  })
}

/** No usable answer: the server rests, twice as long each time. */
export function failed(turn: Turn, url: string, error: EsploraError): void {
  const server = findServer(turn.state, url)
  if (!server || isLiar(server, turn.now)) return
  // Requests sent together fail together: one pause for all of them.
  if (server.backoffUntil > turn.now) return
  const { backoffMs, backoffMaxMs, rateLimitMs } = turn.state.config
  const limited = error.kind === 'rateLimited' || error.status === 429
  const pause = Math.min(
    (limited ? rateLimitMs : backoffMs) * 2 ** Math.min(server.failures, 16),
    backoffMaxMs,
  )
  patchServer(turn, url, {
    failures: server.failures + 1,
    backoffUntil: turn.now + pause,
    status: limited ? 'rateLimited' : 'failing',
    lastError: describe(error),
    sync: null,
  })
}

const describe = (e: EsploraError): string =>
  e.status === undefined ? `${e.kind}: ${e.message}` : `${e.kind} ${e.status}: ${e.message}`

/** A provable falsehood: the server is set aside and the user hears of it. */
export function lied(turn: Turn, url: string, what: string): void {
  const server = findServer(turn.state, url)
  if (!server || isLiar(server, turn.now)) return
  patchServer(turn, url, {
    lies: server.lies + 1,
    doubts: 0,
    doubt: null,
    fees: null,
    backoffUntil: turn.now + turn.state.config.lieMs * 2 ** Math.min(server.lies, 8),
    status: 'lying',
    lastError: what,
    tip: null,
    claimed: null,
    identified: false,
    sync: null,
  })
  turn.events.push({ type: 'alarm', alarm: { kind: 'serverLies', server: url, what } })
}

/** So many occasions of doubt, each by itself perhaps a hiccup of an honest server, are a lie. */
const MAX_DOUBTS = 3

/**
 * Others proved what this server, at our own tip, kept back or contradicted. Servers behind one address may lag behind each other, so
 * it takes several occasions, apart in time but all within `lieMs`; until then it is asked after the others.
 */
export function doubted(turn: Turn, url: string, what: string): void {
  const server = findServer(turn.state, url)
  if (!server || isLiar(server, turn.now)) return
  const { lieMs, spendPollMs } = turn.state.config
  const age = turn.now - server.doubtedAt
  if (server.doubts > 0 && age < spendPollMs / 2) return
  const doubts = (age <= lieMs ? server.doubts : 0) + 1
  if (doubts >= MAX_DOUBTS) return lied(turn, url, what)
  patchServer(turn, url, { doubts, doubtedAt: turn.now, doubt: what })
}

/** Set aside for a lie; when its time is over it may earn trust again. */
const isLiar = (server: ServerState, now: number): boolean =>
  server.status === 'lying' && server.backoffUntil > now

/** A server may be asked (again): its pause is over. */
export const isUsable = (server: ServerState, now: number): boolean => server.backoffUntil <= now

/** Servers that may be asked, the best first: fewest lies, then failures, then doubts, then at our tip, then in the user's order. */
export function ranked(state: ChainState, now: number): readonly ServerState[] {
  const penalty = (s: ServerState) =>
    s.lies * 1000 + s.failures * 10 + s.doubts * 3 + (s.status === 'behind' || s.tip === null ? 1 : 0)
  return state.servers.filter((s) => isUsable(s, now)).sort((a, b) => penalty(a) - penalty(b))
}
