import type { Incident as ApiIncident, Notice } from '../contract/schemas.ts'
import { moneyMap } from '../engine/node/money.ts'
import type { NodeState } from '../engine/node/state.ts'

/** What went wrong, or nearly did, as the API shows it: the newest first, by when it happened. */

const iso = (ms: number): string => new Date(ms).toISOString()
/** As many as a screen may show. */
const MOST = 100

export function projectIncidents(state: NodeState): ApiIncident[] {
  const incidents = Object.entries(state.incidents)
  if (incidents.length === 0) return []
  const costs = new Map<string, bigint>()
  for (const { channelId, kind, amountMsat } of moneyMap(state).costs) {
    if (kind !== 'lost') costs.set(channelId, (costs.get(channelId) ?? 0n) + amountMsat)
  }
  return incidents
    .map(([id, { kind, channelId, height, time, noticedAt, closedSince, amountMsat, blocksLeft }]) => {
      // What a close costs is said once, with the close.
      const cost = CLOSES.has(kind) ? costs.get(channelId) : undefined
      return {
        id,
        kind,
        channelId,
        height,
        time: iso(time),
        noticedAt: iso(noticedAt),
        ...(closedSince === undefined ? {} : { closedSince: iso(closedSince) }),
        ...(amountMsat === undefined ? {} : { amountMsat: String(amountMsat) }),
        ...(cost === undefined ? {} : { costMsat: String(cost) }),
        ...(blocksLeft === undefined ? {} : { blocksLeft }),
      }
    })
    .sort((a, b) => b.height - a.height || (a.id < b.id ? -1 : 1))
    .slice(0, MOST)
}

const CLOSES: ReadonlySet<string> = new Set(['peerClosed', 'cheated', 'unknownClose', 'deadlineClose'])

/** One notice for all that happened during the last absence, until the next start. */
export function awayNotices({ incidents, away }: NodeState): Notice[] {
  if (away === undefined) return []
  const during = Object.values(incidents).filter((incident) => incident.closedSince === away.since)
  const [first] = during
  if (first === undefined) return []
  const lost = during.some((incident) => incident.kind === 'lost')
  const one = during.every((incident) => incident.channelId === first.channelId)
  return [
    {
      id: 'whileClosed',
      urgency: lost ? 'urgent' : 'warning',
      code: 'whileClosed',
      message: 'While this wallet was closed, something happened to a channel on the chain.',
      ...(one ? { channelId: first.channelId } : {}),
    },
  ]
}
