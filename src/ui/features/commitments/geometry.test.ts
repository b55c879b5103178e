import { describe, expect, test } from 'vitest'
import { chainShape, logShape, ratesOf, type Sample, TRAIL, withSample } from './geometry.ts'

type ChainView = Parameters<typeof chainShape>[0]
type LogView = Parameters<typeof logShape>[0]

const chain = (creditUsed: number, creditLeft: number, window: number): ChainView =>
  ({ creditUsed, creditLeft, window }) as ChainView

const log = (change: Partial<LogView>): LogView => ({
  role: 'opener',
  start: 0,
  length: 0,
  inLocalTail: 0,
  inLocalTip: 0,
  inRemoteTail: 0,
  inRemoteTip: 0,
  adds: 0,
  fulfills: 0,
  fails: 0,
  fees: 0,
  waiting: 0,
  ...change,
})

describe('a chain', () => {
  test('is a tail, what is signed past it with the tip last, and a place for each free point', () => {
    const { cells } = chainShape(chain(3, 2, 5), 328)
    expect(cells.map(({ kind }) => kind)).toEqual(['tail', 'pending', 'pending', 'tip', 'free', 'free'])
    expect(chainShape(chain(0, 1, 1), 328).cells.map(({ kind }) => kind)).toEqual(['tail', 'free'])
  })

  test('keeps its places while credit goes and comes, and fits however wide the window', () => {
    const [full, low] = [chainShape(chain(0, 16, 16), 328), chainShape(chain(9, 5, 16), 328)]
    expect(low.cells.map(({ x }) => x)).toEqual(full.cells.slice(0, 15).map(({ x }) => x))
    for (const [window, width] of [
      [1, 328],
      [16, 328],
      [64, 280],
    ] as const) {
      const { cells, size } = chainShape(chain(0, window, window), width)
      const last = cells.at(-1)?.x ?? 0
      expect(last + size).toBeLessThanOrEqual(width)
      expect(cells[0]?.x).toBe(TRAIL)
      expect(size).toBeGreaterThan(1)
    }
  })
})

describe('a log', () => {
  test('shows how far entries have come, ours', () => {
    const shape = logShape(
      log({
        start: 100,
        length: 150,
        inLocalTail: 104,
        inLocalTip: 104,
        inRemoteTail: 112,
        inRemoteTip: 140,
        waiting: 7,
      }),
      640,
    )
    expect(shape.scale).toBe(64)
    expect(shape.segments.map(({ stage, count }) => [stage, count])).toEqual([
      ['both', 4],
      ['oneTail', 8],
      ['signed', 28],
      ['proposed', 10],
      ['waiting', 7],
    ])
    expect(shape.segments.map(({ x }) => x)).toEqual([0, 40, 120, 400, 500])
    expect(shape.marks.map(({ x }) => x)).toEqual([40, 120, 400])
  })

  test('and theirs, which we answer before they revoke', () => {
    const { segments } = logShape(
      log({ start: 0, length: 40, inLocalTail: 30, inLocalTip: 30, inRemoteTail: 10, inRemoteTip: 25 }),
      320,
    )
    expect(segments.map(({ stage, count }) => [stage, count])).toEqual([
      ['both', 10],
      ['answered', 15],
      ['oneTail', 5],
      ['proposed', 10],
    ])
  })

  test('never leaves its strip, and is empty when all is folded away', () => {
    for (const length of [1, 33, 500, 5000]) {
      const { segments } = logShape(log({ length, waiting: 3 }), 300)
      const last = segments.at(-1)
      expect((last?.x ?? 0) + (last?.width ?? 0)).toBeLessThanOrEqual(300)
    }
    expect(logShape(log({ start: 9, length: 9, inLocalTail: 9, inLocalTip: 9 }), 300).segments).toEqual([])
  })
})

test('rates are of the last two seconds, and fall to nothing when nothing comes', () => {
  let samples: readonly Sample[] = []
  for (let at = 0; at <= 3000; at += 100)
    samples = withSample(samples, { at, updates: at, commitments: at / 10 })
  expect(samples.length).toBeLessThanOrEqual(21)
  expect(ratesOf(samples, 3000)).toEqual({ updates: 1000, commitments: 100 })
  expect(ratesOf(samples, 9000)).toEqual({ updates: 0, commitments: 0 })
})
