import { assertNever } from '../base/result.ts'
import { evaluateBroadcast, onBroadcast, onPackage, onShown, startBroadcast } from './broadcasts.ts'
import { CHECKPOINTS } from './checkpoints.ts'
import type { EsploraResult } from './esplora.ts'
import { onFees } from './fees.ts'
import { chainFromCheckpoint, type HeaderChain } from './headers.ts'
import { reportHealth } from './health.ts'
import { plan } from './plan.ts'
import { evaluateScripts, onHistory, watchScripts } from './scripts.ts'
import { newServer, TIMEOUT_GRACE_MS } from './servers.ts'
import { evaluateSpend, onOutspend, RECALLED } from './spends.ts'
import { onBlocks, onIdentity, onTip } from './sync.ts'
import { putWatch, type Turn, without } from './turn.ts'
import {
  askEveryone,
  evaluateTx,
  forgetUnneeded,
  needTx,
  notSigned,
  onOldBlock,
  onProof,
  onRaw,
  recall,
  witnessHolds,
} from './txs.ts'
import type {
  ChainConfig,
  ChainContext,
  ChainInput,
  ChainState,
  ChainStep,
  InFlight,
  Watch,
} from './types.ts'

/** A gap between steps that counts as an absence: what was known before is looked at again, headers first. */
const ABSENCE_MS = 300_000

/** A chain machine at rest. `headers`: what `loadChain` found, else the network's checkpoint. `start` sets it going. */
export function initialChain(config: ChainConfig, headers?: HeaderChain): ChainState {
  return {
    config,
    headers: headers ?? chainFromCheckpoint(config.network, CHECKPOINTS[config.network]),
    started: false,
    resumedAt: 0,
    steppedAt: 0,
    refreshedAt: 0,
    tipAt: 0,
    nextId: 1,
    servers: [],
    inFlight: [],
    txs: {},
    watches: {},
    broadcasts: {},
    fees: { at: 0, estimates: null },
    allFail: false,
    clockBehind: false,
    staleTip: false,
    health: null,
  }
}

/**
 * One step of the ChainNotifier: takes an input, gives the next state, requests and wake-ups for the shell, and events for the
 * owners of the watches. Never throws on an answer; the state it is given is not changed.
 */
export function chainStep(state: ChainState, input: ChainInput, ctx: ChainContext): ChainStep {
  const turn: Turn = { state, now: ctx.now, effects: [], events: [] }
  noteTime(turn)
  apply(turn, input)
  if (turn.state.started) {
    expire(turn)
    evaluate(turn, state)
    const soonest = plan(turn)
    reportHealth(turn)
    if (Number.isFinite(soonest)) turn.effects.push({ type: 'wakeAt', ms: soonest })
  }
  return { state: turn.state, effects: turn.effects, events: turn.events }
}

/** After a sleep (a closed lid, a frozen tab) everything is looked at again. */
function noteTime(turn: Turn): void {
  const { steppedAt, started } = turn.state
  const absent = started && turn.now - steppedAt > ABSENCE_MS
  turn.state = { ...turn.state, steppedAt: turn.now, resumedAt: absent ? turn.now : turn.state.resumedAt }
}

function apply(turn: Turn, input: ChainInput): void {
  switch (input.type) {
    case 'start':
      if (!turn.state.started) turn.state = { ...turn.state, started: true, resumedAt: turn.now }
      return
    case 'tick':
      return
    case 'response':
      return respond(turn, input.id, input.result)
    case 'addServer':
      if (!turn.state.servers.some((s) => s.url === input.url))
        turn.state = { ...turn.state, servers: [...turn.state.servers, newServer(input.url)] }
      return
    case 'removeServer':
      return removeServer(turn, input.url)
    case 'refresh':
      return refresh(turn)
    case 'watchTx': {
      const { token, txid, minDepth } = input
      if (input.known) recall(turn, input.known)
      needTx(turn, txid, turn.state.txs[txid]?.hint ?? null)
      const upTo = Math.max(input.upTo ?? minDepth, minDepth)
      return putWatch(turn, { kind: 'tx', token, txid, minDepth, upTo, depth: 0, confirmed: false })
    }
    case 'watchSpend': {
      const { token, outpoint, known } = input
      if (known) recall(turn, known)
      const claim = known ? { txid: known.txid, height: known.height } : null
      const recalled = claim ? { at: 0, tip: '', claim, atTip: false, denials: 0 } : null
      const answers = recalled ? { [RECALLED]: recalled } : {}
      return putWatch(turn, { kind: 'spend', token, outpoint, answers, reported: null, disagreed: false })
    }
    case 'watchScripts':
      return watchScripts(turn, input.token, input.scriptPubKeys, input.known ?? [])
    case 'unwatch': {
      const watches = without<Watch>(turn.state.watches, input.token)
      turn.state = { ...turn.state, watches, broadcasts: without(turn.state.broadcasts, input.token) }
      return
    }
    case 'askEveryone':
      return askEveryone(turn, input.txid)
    case 'notSigned':
      return notSigned(turn, input.txid)
    case 'witnessHolds':
      return witnessHolds(turn, input.txid, input.tx)
    case 'broadcast':
      return startBroadcast(turn, input.token, input.tx, input.keep ?? false)
    default:
      return assertNever(input)
  }
}

/** An answer goes where its question came from; one to no question is ignored. */
function respond(turn: Turn, id: number, result: EsploraResult): void {
  const sent = turn.state.inFlight.find((f) => f.id === id)
  if (!sent) return
  turn.state = { ...turn.state, inFlight: turn.state.inFlight.filter((f) => f !== sent) }
  deliver(turn, sent, result)
}

function deliver(turn: Turn, { server, purpose }: InFlight, result: EsploraResult): void {
  switch (purpose.kind) {
    case 'tip':
      return onTip(turn, server, result)
    case 'identity':
      return onIdentity(turn, server, result)
    case 'headers':
      return onBlocks(turn, server, purpose.top, result)
    case 'raw':
      return onRaw(turn, server, purpose.txid, result)
    case 'proof':
      return onProof(turn, server, purpose.txid, result)
    case 'old':
      return onOldBlock(turn, server, purpose.txid, result)
    case 'outspend':
      return onOutspend(turn, server, purpose.token, result)
    case 'history':
      return onHistory(turn, server, purpose.token, purpose.script, result)
    case 'broadcast':
      return purpose.parent === undefined
        ? onBroadcast(turn, server, purpose.token, result)
        : onPackage(turn, server, purpose.token, purpose.parent, result)
    case 'fees':
      return onFees(turn, server, result)
    case 'shown':
      return onShown(turn, server, purpose.token, result)
    default:
      return assertNever(purpose)
  }
}

/** Questions that nobody will answer any more. */
function expire(turn: Turn): void {
  const late = turn.state.inFlight.filter((f) => f.timeoutAt + TIMEOUT_GRACE_MS <= turn.now)
  for (const f of late) {
    turn.effects.push({ type: 'cancel', id: f.id })
    respond(turn, f.id, { ok: false, error: { kind: 'timeout', message: 'no answer' } })
  }
}

function removeServer(turn: Turn, url: string): void {
  for (const f of turn.state.inFlight) if (f.server === url) turn.effects.push({ type: 'cancel', id: f.id })
  const inFlight = turn.state.inFlight.filter((f) => f.server !== url)
  const servers = turn.state.servers.filter((s) => s.url !== url)
  turn.state = { ...turn.state, inFlight, servers }
  for (const watch of Object.values(turn.state.watches))
    if (watch.kind === 'spend') putWatch(turn, { ...watch, answers: without(watch.answers, url) })
}

/** Somebody waits: pauses end (not those of liars or rate limits) and every answer is old. */
function refresh(turn: Turn): void {
  const servers = turn.state.servers.map((s) => (s.status === 'failing' ? { ...s, backoffUntil: 0 } : s))
  turn.state = { ...turn.state, servers, refreshedAt: turn.now }
}

/** Compares what is known with what was reported; only when something of it changed. */
function evaluate(turn: Turn, before: ChainState): void {
  const { txs, watches, headers } = turn.state
  for (const token of Object.keys(turn.state.broadcasts)) evaluateBroadcast(turn, token)
  if (txs === before.txs && watches === before.watches && headers === before.headers && before.started) return
  for (const token of Object.keys(watches)) {
    const watch = turn.state.watches[token]
    if (watch?.kind === 'tx') evaluateTx(turn, watch)
    else if (watch?.kind === 'spend') evaluateSpend(turn, token)
    else if (watch?.kind === 'scripts') evaluateScripts(turn, watch)
  }
  if (turn.state.watches !== before.watches) turn.state = forgetUnneeded(turn.state)
}
