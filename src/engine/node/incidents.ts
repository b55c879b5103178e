import { toHex } from '../base/bytes.ts'
import { err, ok, type Result } from '../base/result.ts'
import { msat, toMsat } from '../base/units.ts'
import { headerAt } from '../chain/headers.ts'
import { CLAIM_MARGIN_BLOCKS, EXPIRY_GRACE_BLOCKS, isNeverFunded } from '../channel/step.ts'
import type { Channel } from '../channel/types.ts'
import { fundingSpend, trackedOutputs } from '../onchain/outputs.ts'
import type { OnchainState } from '../onchain/types.ts'
import { decodeRecord, encodeRecord } from '../records/codec.ts'
import { defeatedAt } from '../wallet/ledger.ts'
import { channelAccounts } from './money.ts'
import type { Incident, IncidentKind } from './incident-types.ts'
import type { RecordWrite } from './ports.ts'
import { heightOf, type NodeState, type Turn } from './state.ts'

/**
 * What went wrong, or nearly did, with the block and the time at which it happened, whenever it was noticed: a wallet that was closed for
 * days says what happened meanwhile. Derived from what the court knows, so that a reorganisation takes it back; stored because headers
 * are not kept for ever, and when it was noticed is said by nothing else.
 */

const INCIDENT_VERSION = 1
export const INCIDENT_PREFIX = 'incident/'

type Found = Pick<Incident, 'kind' | 'channelId' | 'height' | 'amountMsat'> & { readonly deadline?: number }

/** What there is to say now, by id. */
function find(state: NodeState): ReadonlyMap<string, Found> {
  const found = new Map<string, Found>()
  /** Things of one kind in one block are one incident. */
  const add = (channelId: string, kind: IncidentKind, height: number, rest: Partial<Found> = {}): void => {
    const many = kind === 'paymentReturned' || kind === 'paymentClaimed' || kind === 'lost'
    const id = many ? `${kind}/${channelId}/${height}` : `${kind}/${channelId}`
    const before = found.get(id)?.amountMsat
    const sum = before === undefined ? rest.amountMsat : msat(before + (rest.amountMsat ?? 0n))
    found.set(id, { kind, channelId, height, ...rest, ...(sum !== undefined && { amountMsat: sum }) })
  }
  for (const { channel, close } of channelAccounts(state)) {
    const { id } = channel
    if (isNeverFunded(channel)) {
      const height = defeatedAt(state.wallet, channel.funding.outpoint.txid)
      if (height !== undefined) add(id, 'neverFunded', height)
    }
    const court = state.closes[id]
    if (court === undefined || court.told.includes('forget')) continue
    for (const gone of close?.gone ?? [])
      if (gone.kind === 'lost' && gone.atHeight !== undefined)
        add(id, 'lost', gone.atHeight, { amountMsat: gone.amountMsat })
    closeIncidents(court, channel, (kind, height, rest) => add(id, kind, height, rest))
  }
  return found
}

type Add = (kind: IncidentKind, height: number, rest?: Partial<Found>) => void

/** What the way in which a channel was closed has to say. */
function closeIncidents(court: OnchainState, channel: Channel, add: Add): void {
  const height = fundingSpend(court)?.confirmed?.height
  const { close, snapshot } = court
  const late = lateBy(channel, court)
  if (late !== undefined) add('deadlineClose', late)
  if (close === undefined || height === undefined) return
  if (close.kind === 'remote' || close.kind === 'remoteNext') add('peerClosed', height)
  if (close.kind === 'unknown') add('unknownClose', height)
  if (close.kind === 'revoked')
    add('cheated', height, { deadline: height + snapshot[snapshot.role].toSelfDelay })
  if (close.secret !== undefined) return
  for (const { htlc, parent, spend, valueSat } of trackedOutputs(court)) {
    if (htlc === undefined || parent !== undefined || !spend?.confirmed) continue
    if (!court.ownTxids.includes(spend.txid)) continue
    const amountMsat = toMsat(valueSat)
    const at = spend.confirmed.height
    if (htlc.offerer !== snapshot.role) add('paymentClaimed', at, { amountMsat })
    else if (court.preimages[toHex(htlc.paymentHash)] === undefined)
      add('paymentReturned', at, { amountMsat })
  }
}

/** The block at which an HTLC's time had run out, where that is why the channel was closed. */
function lateBy(channel: Channel, { snapshot }: OnchainState): number | undefined {
  const code = channel.failure?.code
  if (code !== 'htlcTimedOut' && code !== 'htlcAtRisk') return undefined
  const views = [snapshot.local.view, ...snapshot.remote.map((r) => r.view)]
  const dues = views.flatMap(({ htlcs }) =>
    htlcs.flatMap(({ offerer, cltvExpiry }) => {
      const ours = offerer === channel.role
      if (ours !== (code === 'htlcTimedOut')) return []
      return [ours ? cltvExpiry + EXPIRY_GRACE_BLOCKS : cltvExpiry - CLAIM_MARGIN_BLOCKS]
    }),
  )
  return dues.length === 0 ? undefined : Math.min(...dues)
}

/** Brings the list up to date with what the court knows now. */
export function noteIncidents(turn: Turn, before: NodeState): void {
  const { state } = turn
  if (state.closes === before.closes && heightOf(state) === heightOf(before)) return
  const found = find(state)
  const incidents: Record<string, Incident> = {}
  let changed = false
  for (const [id, known] of Object.entries(state.incidents)) {
    // A reorganisation took it back; what is settled for good is not looked at any more.
    const forgotten = state.closes[known.channelId]?.told.includes('forget') ?? true
    if (found.has(id) || (forgotten && known.kind !== 'neverFunded')) incidents[id] = known
    else changed = true
  }
  for (const [id, { kind, channelId, height, amountMsat, deadline }] of found) {
    const known = incidents[id]
    if (known?.height === height && known.amountMsat === amountMsat) continue
    changed = true
    const header = headerAt(state.chain.headers, height)
    const time = header === undefined ? turn.now : header.time * 1000
    const { away } = state
    const closed =
      away !== undefined &&
      height > away.height &&
      height <= (away.untilHeight ?? height) &&
      time <= away.until
    incidents[id] = {
      kind,
      channelId,
      height,
      time,
      noticedAt: known?.noticedAt ?? turn.now,
      ...(closed && { closedSince: away.since }),
      ...(amountMsat !== undefined && { amountMsat }),
      ...(deadline !== undefined && {
        blocksLeft: known?.blocksLeft ?? Math.max(0, deadline - heightOf(state)),
      }),
    }
  }
  if (changed) turn.state = { ...turn.state, incidents }
}

// ---- when the chain was seen last ----------------------------------------------------------------------------------

/** Among the preferences: when servers last agreed with our tip, ms since 1970, and its height. */
const SEEN = 'seen'
/** How often that is written: it says since when the wallet was closed, and a minute is exact enough. */
const SEEN_EVERY_MS = 60_000
/** A gap so long is an absence; shorter ones are reloads. */
export const AWAY_MS = 600_000

function lastSeen(state: NodeState): { readonly time: number; readonly height: number } | undefined {
  const [time, height] = (state.preferences[SEEN] ?? '').split(' ').map(Number)
  return time === undefined || height === undefined ? undefined : { time, height }
}

/** At the beginning of a turn: whether the wallet was closed, asleep or cut off since it saw the chain last. */
export function noteAbsence(turn: Turn): void {
  const seen = lastSeen(turn.state)
  if (seen === undefined || turn.now - seen.time < AWAY_MS || turn.state.away?.since === seen.time) return
  turn.state = { ...turn.state, away: { since: seen.time, height: seen.height, until: turn.now } }
}

/** At the end of a turn: the chain was seen. */
export function noteSeen(turn: Turn): void {
  if (turn.state.syncedAt === undefined || turn.state.syncedAt !== turn.now) return
  const { away } = turn.state
  if (away !== undefined && away.untilHeight === undefined)
    turn.state = { ...turn.state, away: { ...away, untilHeight: heightOf(turn.state) } }
  const { state } = turn
  const seen = lastSeen(state)
  if (seen !== undefined && turn.now - seen.time < SEEN_EVERY_MS) return
  const value = `${turn.now} ${heightOf(state)}`
  turn.state = { ...state, preferences: { ...state.preferences, [SEEN]: value } }
}

// ---- records -------------------------------------------------------------------------------------------------------

export function incidentWrites(
  prev: NodeState['incidents'] | undefined,
  next: NodeState['incidents'],
): readonly RecordWrite[] {
  if (prev === next) return []
  const writes: RecordWrite[] = []
  for (const [id, incident] of Object.entries(next))
    if (prev?.[id] !== incident)
      writes.push({ key: `${INCIDENT_PREFIX}${id}`, value: encodeRecord(INCIDENT_VERSION, incident) })
  for (const id of Object.keys(prev ?? {}))
    if (next[id] === undefined) writes.push({ key: `${INCIDENT_PREFIX}${id}`, value: null })
  return writes
}

export function loadIncidents(records: ReadonlyMap<string, Uint8Array>): Result<NodeState['incidents']> {
  const incidents: Record<string, Incident> = {}
  for (const [key, bytes] of records) {
    if (!key.startsWith(INCIDENT_PREFIX)) continue
    const decoded = decodeRecord(bytes)
    if (!decoded.ok) return err(`${key}: ${decoded.error}`)
    if (decoded.value.version !== INCIDENT_VERSION) return err(`${key}: version ${decoded.value.version}`)
    incidents[key.slice(INCIDENT_PREFIX.length)] = decoded.value.value as Incident
  }
  return ok(incidents)
}
