import type { ChannelView } from '../../../contract/channel-view.ts'

/** From figures to shapes: pure, so that the drawing can be tested without one. All lengths are CSS pixels. */

type ChainView = ChannelView['remote']
type LogView = ChannelView['logs']['local']

export interface Cell {
  readonly kind: 'tail' | 'pending' | 'tip' | 'free'
  readonly x: number
}

export interface ChainShape {
  readonly cells: readonly Cell[]
  /** Width and height of a cell. */
  readonly size: number
  /** Centre of the tip's cell. */
  readonly tipX: number
}

const LARGEST_CELL = 24
/** Left of the tail: room for the trail of what is revoked. */
export const TRAIL = 20

/** A cell for the tail, for each commitment past it, and for each point that is free. */
export function chainShape(chain: ChainView, width: number): ChainShape {
  const { creditUsed: used, creditLeft: left, window } = chain
  // As many places as the window has, so that nothing jumps while credit goes and comes.
  const places = 1 + Math.max(window, used + left)
  const step = Math.min(LARGEST_CELL + 3, (width - TRAIL) / places)
  const size = Math.max(2, step - (step > 9 ? 3 : 1))
  const cells = Array.from({ length: 1 + used + left }, (_, place): Cell => {
    const kind = place === 0 ? 'tail' : place < used ? 'pending' : place === used ? 'tip' : 'free'
    return { kind, x: TRAIL + place * step }
  })
  return { cells, size, tipX: TRAIL + used * step + size / 2 }
}

/** How far an entry of a log has come, oldest first. */
export const STAGES = ['both', 'answered', 'oneTail', 'signed', 'proposed', 'waiting'] as const
export type Stage = (typeof STAGES)[number]

export interface Segment {
  readonly stage: Stage
  readonly count: number
  readonly x: number
  readonly width: number
}

export interface LogShape {
  /** Entries that the whole width stands for: a power of two, so that it seldom changes. */
  readonly scale: number
  readonly segments: readonly Segment[]
  readonly marks: readonly { readonly name: 'localTip' | 'remoteTail' | 'remoteTip'; readonly x: number }[]
}

/** The stage of the entry at `index`. */
function stageOf(log: LogView, index: number): Stage {
  const localTail = index < log.inLocalTail
  const remoteTail = index < log.inRemoteTail
  if (localTail && remoteTail) return 'both'
  if (localTail || remoteTail) {
    return (localTail ? index < log.inRemoteTip : index < log.inLocalTip) ? 'answered' : 'oneTail'
  }
  return index < log.inLocalTip || index < log.inRemoteTip ? 'signed' : 'proposed'
}

const SMALLEST_SCALE = 32

/** The entries that are kept, by stage and to scale, and behind them what waits outside. */
export function logShape(log: LogView, width: number): LogShape {
  const whole = log.length - log.start + log.waiting
  let scale = SMALLEST_SCALE
  while (scale < whole) scale *= 2
  const at = (entries: number) => (entries * width) / scale
  // Stages change at these indexes only.
  const cuts = [log.inLocalTail, log.inLocalTip, log.inRemoteTail, log.inRemoteTip, log.length]
    .filter((cut) => cut > log.start)
    .toSorted((a, b) => a - b)
  const segments: Segment[] = []
  let from = log.start
  for (const cut of cuts) {
    if (cut === from) continue
    segments.push({
      stage: stageOf(log, from),
      count: cut - from,
      x: at(from - log.start),
      width: at(cut - from),
    })
    from = cut
  }
  if (log.waiting > 0)
    segments.push({
      stage: 'waiting',
      count: log.waiting,
      x: at(log.length - log.start),
      width: at(log.waiting),
    })
  const mark = (name: LogShape['marks'][number]['name'], index: number) => ({
    name,
    x: at(Math.max(0, index - log.start)),
  })
  return {
    scale,
    segments,
    marks: [
      mark('localTip', log.inLocalTip),
      mark('remoteTail', log.inRemoteTail),
      mark('remoteTip', log.inRemoteTip),
    ],
  }
}

/** A count at a moment, ms. */
export interface Sample {
  readonly at: number
  readonly updates: number
  readonly commitments: number
}

const RATE_OVER_MS = 2_000

export const sampleOf = (view: ChannelView, at: number): Sample => ({
  at,
  updates: view.logs.local.length + view.logs.remote.length,
  commitments: view.local.tip.number + view.remote.tail.number,
})

/** The samples that still count, with the new one. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const kept = samples.filter(({ at }) => at > sample.at - RATE_OVER_MS)
  return [...kept, sample]
}

/** Per second over the last two seconds; 0 when nothing came in them. */
export function ratesOf(samples: readonly Sample[], now: number): { updates: number; commitments: number } {
  const kept = samples.filter(({ at }) => at > now - RATE_OVER_MS)
  const [first] = kept
  const last = kept.at(-1)
  if (first === undefined || last === undefined || first === last) return { updates: 0, commitments: 0 }
  const seconds = Math.max(0.1, (now - first.at) / 1000)
  return {
    updates: Math.round((last.updates - first.updates) / seconds),
    commitments: Math.round((last.commitments - first.commitments) / seconds),
  }
}
