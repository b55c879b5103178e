import { type BlockHash, hashHeader } from '../bitcoin/header.ts'
import { type EsploraResult, FORGED_BLOCK, parseBlocks, parseHash } from './esplora.ts'
import { type Connected, connectHeaders, hashAt, heightOf, pruneHeaders } from './headers.ts'
import { doubted, failed, lied, patienceMs, served } from './servers.ts'
import { findServer, patchServer, type Turn } from './turn.ts'
import type { ChainState, HeaderRun, HeaderSync, ServerState } from './types.ts'
import { retractAbove } from './txs.ts'

/** Requests under way while catching up, and runs kept that came before their turn. */
const WINDOWS = 4
const MAX_EARLY = 8

/** The server's answer to "what is your tip". */
export function onTip(turn: Turn, url: string, result: EsploraResult): void {
  if (!result.ok) return failed(turn, url, result.error)
  const hash = parseHash(result.value)
  if (!hash.ok) return failed(turn, url, { kind: 'shape', message: hash.error })
  served(turn, url)
  patchServer(turn, url, { claimed: hash.value, tipAt: turn.now })
  placeServer(turn, url)
}

/** The server's answer to "which block have you where our chain begins". */
export function onIdentity(turn: Turn, url: string, result: EsploraResult): void {
  if (!result.ok) return failed(turn, url, result.error)
  const hash = parseHash(result.value)
  if (!hash.ok) return failed(turn, url, { kind: 'shape', message: hash.error })
  const { headers } = turn.state
  if (hash.value !== hashAt(headers, headers.base)) return lied(turn, url, 'follows another chain')
  served(turn, url)
  patchServer(turn, url, { identified: true })
}

/** Compares the tip that a server states with our chain; an unknown one starts a header sync. */
function placeServer(turn: Turn, url: string): void {
  const server = findServer(turn.state, url)
  if (!server || server.claimed === null) return
  const { headers, config } = turn.state
  const height = heightOf(headers, server.claimed, config.maxReorg)
  if (height !== undefined) {
    const status = height < headers.tip.height ? 'behind' : 'ok'
    patchServer(turn, url, { tip: { height, hash: server.claimed }, sync: null, lesser: null, status })
  } else if (server.claimed === server.lesser) {
    patchServer(turn, url, { tip: null, sync: null, status: 'behind' })
  } else if (server.sync === null) {
    const sync: HeaderSync = { target: server.claimed, targetHeight: null, page: 10, early: [], branch: null }
    patchServer(turn, url, { sync })
  }
}

/** Blocks that were asked up to height `top`, or (null) the newest. */
export function onBlocks(turn: Turn, url: string, top: number | null, result: EsploraResult): void {
  if (!result.ok) return failed(turn, url, result.error)
  const blocks = parseBlocks(result.value)
  if (!blocks.ok) {
    if (blocks.error === FORGED_BLOCK) return lied(turn, url, blocks.error)
    return failed(turn, url, { kind: 'shape', message: blocks.error })
  }
  served(turn, url)
  const sync = findServer(turn.state, url)?.sync
  const first = blocks.value[0]
  const last = blocks.value.at(-1)
  if (!sync || !first || !last) return
  if (top !== null && last.height !== top)
    return failed(turn, url, { kind: 'shape', message: 'blocks of other heights' })
  const run: HeaderRun = { from: first.height, headers: blocks.value.map((b) => b.header) }
  if (top === null) {
    const page = first.height === 0 ? sync.page : blocks.value.length
    patchServer(turn, url, { sync: { ...sync, targetHeight: last.height, page } })
    return takeRun(turn, url, run)
  }
  // A server that gives fewer at a time than thought: smaller windows.
  if (first.height > 0 && blocks.value.length < sync.page)
    patchServer(turn, url, { sync: { ...sync, page: blocks.value.length } })
  if (sync.branch === null) return takeRun(turn, url, run)
  const joined = joinBranch(sync.branch, run)
  if (joined === undefined) {
    // The answer to a window that was asked for before the branch showed: what the branch needs is asked for by itself.
    if (top !== wantedTop(sync, sync.branch)) return
    return failed(turn, url, { kind: 'shape', message: 'its chain changed meanwhile' })
  }
  return tryBranch(turn, url, joined)
}

/** A run that may continue our chain now, later, or not at all. */
function takeRun(turn: Turn, url: string, run: HeaderRun): void {
  const sync = findServer(turn.state, url)?.sync
  if (!sync) return
  const { tip } = turn.state.headers
  if (run.from > tip.height + 1)
    return patchServer(turn, url, { sync: { ...sync, early: [...sync.early, run].slice(-MAX_EARLY) } })
  tryBranch(turn, url, run)
  drainEarly(turn, url)
}

/** Early runs whose turn has come. */
function drainEarly(turn: Turn, url: string): void {
  for (;;) {
    const sync = findServer(turn.state, url)?.sync
    const height = turn.state.headers.tip.height
    if (!sync || sync.branch !== null) return
    const next = sync.early.find((r) => r.from <= height + 1)
    if (!next) return
    patchServer(turn, url, { sync: { ...sync, early: sync.early.filter((r) => r !== next) } })
    if (next.from + next.headers.length - 1 > height) tryBranch(turn, url, next)
  }
}

/** Headers whose foot may be on our chain: adopted if they weigh more, else kept until their foot or more of them is known. */
function tryBranch(turn: Turn, url: string, run: HeaderRun): void {
  const sync = findServer(turn.state, url)?.sync
  if (!sync) return
  const { headers, config } = turn.state
  // What is at or below our first header is not for us to check, but it must be the same block.
  const cut = Math.max(0, headers.base + 1 - run.from)
  const above = run.headers.slice(cut)
  const from = run.from + cut
  const first = above[0]
  const last = above.at(-1)
  if (!first || !last) return finish(turn, url)
  const parent = hashAt(headers, from - 1)
  if (parent !== first.prevHash) {
    if (from - 1 <= headers.base || headers.tip.height - from > config.maxReorg)
      return lied(turn, url, 'follows another chain')
    return patchServer(turn, url, {
      sync: { ...sync, early: [], branch: { from, headers: above, rooted: false } },
    })
  }
  const top = from + above.length - 1
  if (hashAt(headers, top) === hashHeader(last)) return finish(turn, url)
  const connected = connectHeaders(headers, from, above, turn.now)
  if (connected.ok) {
    patchServer(turn, url, { sync: { ...sync, branch: null } })
    adopt(turn, connected.value)
    return finish(turn, url)
  }
  if (connected.error === 'lessWork') {
    if (sync.targetHeight !== null && top < sync.targetHeight)
      return patchServer(turn, url, { sync: { ...sync, branch: { from, headers: above, rooted: true } } })
    return patchServer(turn, url, { sync: null, lesser: sync.target, tip: null, status: 'behind' })
  }
  if (connected.error === 'future') {
    // More likely our clock's fault than the server's: tried again with its next tip.
    patchServer(turn, url, { sync: null })
    if (turn.state.clockBehind) return
    turn.state = { ...turn.state, clockBehind: true }
    turn.events.push({ type: 'alarm', alarm: { kind: 'clockBehind' } })
    return
  }
  return lied(turn, url, `header refused: ${connected.error}`)
}

/** A branch and what was asked to reach its foot or its head; undefined when they do not meet. */
function joinBranch(branch: HeaderRun & { readonly rooted: boolean }, run: HeaderRun): HeaderRun | undefined {
  const firstOfBranch = branch.headers[0]
  const lastOfBranch = branch.headers.at(-1)
  const lastOfRun = run.headers.at(-1)
  if (!firstOfBranch || !lastOfBranch || !lastOfRun) return undefined
  if (!branch.rooted) {
    if (hashHeader(lastOfRun) !== firstOfBranch.prevHash) return undefined
    return { from: run.from, headers: [...run.headers, ...branch.headers] }
  }
  const more = run.headers.slice(branch.from + branch.headers.length - run.from)
  if (more[0]?.prevHash !== hashHeader(lastOfBranch)) return undefined
  return { from: branch.from, headers: [...branch.headers, ...more] }
}

/** Ends a sync whose target is reached; one whose server moved on waits for its next tip. */
function finish(turn: Turn, url: string): void {
  placeServer(turn, url)
  const sync = findServer(turn.state, url)?.sync
  if (!sync || sync.targetHeight === null || sync.targetHeight > turn.state.headers.tip.height) return
  patchServer(turn, url, { sync: null })
  // Its newest blocks are ours, and the one that it called its newest is not among them. Now and then one came in between. What it
  // has come to call so meanwhile is looked for by the next sync.
  const { headers, config } = turn.state
  if (heightOf(headers, sync.target, config.maxReorg) === undefined)
    doubted(turn, url, 'states a newest block that it does not show')
}

/** Makes a heavier chain ours: first what it undoes, then the reorganisation, then the new tip. */
function adopt(turn: Turn, connected: Connected): void {
  const chain = pruneHeaders(connected.chain, turn.state.config.keepHeaders)
  turn.state = { ...turn.state, headers: chain, tipAt: turn.now, clockBehind: false }
  if (connected.disconnected > 0) {
    retractAbove(turn, connected.forkHeight)
    const { forkHeight, disconnected } = connected
    turn.events.push({ type: 'reorg', forkHeight, disconnected })
  }
  const { height, hash, time } = chain.tip
  turn.events.push({ type: 'tip', height, hash, time })
  for (const { url } of turn.state.servers) {
    replaceServer(turn, url)
    renewSync(turn, url)
  }
}

/** A sync that another server's blocks have overtaken has nothing left to ask, and would stay for ever: it ends, or begins anew. */
function renewSync(turn: Turn, url: string): void {
  const sync = findServer(turn.state, url)?.sync
  if (!sync || sync.branch !== null || sync.targetHeight === null) return
  if (sync.targetHeight > turn.state.headers.tip.height) return
  patchServer(turn, url, { sync: null })
  placeServer(turn, url)
}

/** After our chain changed: where a server stands on it, without starting anything. */
function replaceServer(turn: Turn, url: string): void {
  const server = findServer(turn.state, url)
  if (!server || server.claimed === null) return
  const { headers, config } = turn.state
  const height = heightOf(headers, server.claimed, config.maxReorg)
  const tip = height === undefined ? null : { height, hash: server.claimed }
  if (server.tip?.hash !== tip?.hash || server.tip?.height !== tip?.height) patchServer(turn, url, { tip })
}

/** Up to which height a branch is asked for next: its foot while that is not on our chain, then its head. */
function wantedTop({ page, targetHeight }: HeaderSync, branch: NonNullable<HeaderSync['branch']>): number {
  const { from, headers, rooted } = branch
  const top = from + headers.length - 1
  return rooted ? Math.min(top + page, targetHeight ?? top + page) : from - 1
}

/** Whether its blocks are being asked for window by window, and there are more. */
const isOnItsWay = ({ sync, backoffUntil }: ServerState, height: number, now: number): boolean =>
  sync !== null && sync.branch === null && (sync.targetHeight ?? 0) > height && backoffUntil <= now

interface WantedBlock {
  readonly url: string
  readonly top: number | null
  /** Of those with the same target one is to be asked, the first that can be. */
  readonly target?: BlockHash
}

export interface WantedBlocks {
  readonly wanted: readonly WantedBlock[]
  /** When others may be wanted, without any answer; Infinity: not. */
  readonly again: number
}

/**
 * Block requests that the syncs of all servers want next. Of several that have the same to give one leads, each for a term: whoever is slow
 * on purpose holds the others up for no longer, however many blocks are missing.
 */
export function wantedBlocks({ servers, headers, inFlight, config }: ChainState, now: number): WantedBlocks {
  const { height } = headers.tip
  const wanted: WantedBlock[] = []
  let again = Number.POSITIVE_INFINITY
  const term = config.requestTimeoutMs / 2
  const leads = (server: ServerState, among: readonly ServerState[]): boolean => {
    if (among.length > 1) again = Math.min(again, (Math.floor(now / term) + 1) * term)
    return among[Math.floor(now / term) % among.length] === server
  }
  const onTheirWay = servers.filter((s) => isOnItsWay(s, height, now))
  for (const server of servers) {
    const { url, sync } = server
    if (!sync) continue
    if (sync.targetHeight === null) {
      // The newest blocks of a new tip are one answer: asked of one server, and of the next when it is slow.
      const rival = inFlight.findLast(
        (f) =>
          f.server !== url &&
          f.purpose.kind === 'headers' &&
          f.purpose.top === null &&
          servers.some((s) => s.url === f.server && s.sync?.target === sync.target),
      )
      const from = rival === undefined ? 0 : rival.sentAt + patienceMs(config)
      if (from > now) again = Math.min(again, from)
      else wanted.push({ url, top: null, target: sync.target })
    } else if (sync.branch !== null) {
      const alike = servers.filter((s) => s.sync?.branch && s.sync.target === sync.target)
      if (leads(server, alike)) wanted.push({ url, top: wantedTop(sync, sync.branch) })
    } else if (isOnItsWay(server, height, now) && leads(server, onTheirWay)) {
      for (let k = 1; k <= WINDOWS; k++) {
        const top = Math.min(height + k * sync.page, sync.targetHeight)
        // What could be taken at once and was not (another server brought us there) is not waited for.
        const have = sync.early.some((r) => r.from > height + 1 && r.from + r.headers.length - 1 === top)
        if (top > height && !have && !wanted.some((w) => w.url === url && w.top === top))
          wanted.push({ url, top })
      }
    }
  }
  return { wanted, again }
}
