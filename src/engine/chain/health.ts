import { isUsable } from './servers.ts'
import type { Turn } from './turn.ts'
import type { ChainHealth, ChainState } from './types.ts'

/** Polls that may go by before agreement with our tip is old. */
const SYNCED_POLLS = 4

/** The state of following the chain as the user sees it. */
export function healthOf(state: ChainState, now: number): ChainHealth {
  const { servers, headers, config } = state
  const fresh = Math.max(config.pollMs * SYNCED_POLLS * Math.max(1, servers.length), config.requestTimeoutMs)
  const synced = servers.some(
    (s) => s.failures === 0 && s.tip?.hash === headers.tip.hash && s.sync === null && now - s.tipAt <= fresh,
  )
  const { height } = headers.tip
  const goal = Math.max(height, ...servers.map((s) => s.sync?.targetHeight ?? 0))
  const span = goal - headers.base
  return {
    servers: servers.map((s) => ({
      url: s.url,
      state: s.status,
      lastError: s.lastError,
      height: s.tip?.height ?? null,
      lies: s.lies,
      doubt: now - s.doubtedAt <= config.lieMs ? s.doubt : null,
    })),
    height,
    synced,
    headersVerified: height - headers.base + 1,
    progress: span <= 0 ? (synced ? 1 : 0) : (height - headers.base) / span,
  }
}

/** Tells health when it changed, and when the last server fails or the first comes back. */
export function reportHealth(turn: Turn): void {
  const { servers, allFail } = turn.state
  const health = healthOf(turn.state, turn.now)
  if (turn.state.health === null || !sameHealth(turn.state.health, health)) {
    turn.state = { ...turn.state, health }
    turn.events.push({ type: 'health', ...health })
  }
  reportStaleTip(turn)
  const failing = servers.length > 0 && servers.every((s) => !isUsable(s, turn.now) || s.failures > 0)
  const back = servers.some((s) => isUsable(s, turn.now) && s.failures === 0 && s.status !== 'lying')
  if (failing && !allFail && !back) {
    turn.state = { ...turn.state, allFail: true }
    turn.events.push({ type: 'alarm', alarm: { kind: 'allServersFail' } })
  } else if (allFail && back) {
    turn.state = { ...turn.state, allFail: false }
    turn.events.push({ type: 'alarm', alarm: { kind: 'serversBack' } })
  }
}

/** Silence that no chance explains: told once, and again after the next block. */
function reportStaleTip(turn: Turn): void {
  const { config, headers, servers, staleTip, resumedAt } = turn.state
  const old = config.staleTipMs > 0 && turn.now - headers.tip.time * 1000 > config.staleTipMs
  // Only once somebody answered since we came: else it is our own absence.
  const asked = servers.some(
    (s) => s.tipAt >= resumedAt && s.tip?.hash === headers.tip.hash && s.sync === null,
  )
  const stale = old && (staleTip || asked)
  if (stale === staleTip) return
  turn.state = { ...turn.state, staleTip: stale }
  if (stale) turn.events.push({ type: 'alarm', alarm: { kind: 'noNewBlocks' } })
}

function sameHealth(a: ChainHealth, b: ChainHealth): boolean {
  return (
    a.height === b.height &&
    a.synced === b.synced &&
    a.progress === b.progress &&
    a.headersVerified === b.headersVerified &&
    a.servers.length === b.servers.length &&
    a.servers.every((s, i) => {
      const t = b.servers[i]
      return (
        s.url === t?.url &&
        s.state === t.state &&
        s.lastError === t.lastError &&
        s.height === t.height &&
        s.lies === t.lies &&
        s.doubt === t.doubt
      )
    })
  )
}
