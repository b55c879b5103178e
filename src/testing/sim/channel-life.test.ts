import { afterAll, beforeAll, expect, test } from 'vitest'
import { useCurve } from '../../engine/crypto/curve.ts'
import { loadWasmCurve } from '../../host/curve-wasm.ts'
import { cheapCurve } from '../explore/curve.ts'
import { type Life, live } from './channel-life.ts'

/**
 * Both sides stream at once, each signs when it likes, and no side waits for the other except for credit. `LIVES=500` for a longer
 * look; a life that ends badly names its seed.
 */
const LIVES = Number(process.env['LIVES'] ?? 2)

beforeAll(async () => {
  useCurve(cheapCurve(await loadWasmCurve(new Uint8Array(32).fill(1))))
})
afterAll(async () => {
  useCurve(await loadWasmCurve(new Uint8Array(32).fill(1)))
})

function lives(cuts: number, close = false): Life[] {
  return Array.from({ length: LIVES }, (_, i) => {
    const seed = i + 1
    try {
      return live({ seed, cuts, close })
    } catch (error) {
      throw new Error(`seed ${seed}, ${cuts} cuts: ${(error as Error).message}`, { cause: error })
    }
  })
}
const sum = (all: readonly Life[], key: Exclude<keyof Life, 'windows'>): number =>
  all.reduce((n, life) => n + life[key], 0)

test('adds, fulfills, fails and fees mixed, in both directions: all is told once and adds up, and nobody waits without a reason', () => {
  const all = lives(0)
  // What the lives were worth.
  expect(Math.max(...all.map((life) => life.mostOutstanding))).toBeGreaterThanOrEqual(3)
  for (const [key, least] of [
    ['adds', 40],
    ['fulfilled', 15],
    ['failed', 10],
    ['fees', 3],
    ['unaskedSignatures', 1],
    ['outOfCredit', 1],
  ] as const)
    expect(sum(all, key), key).toBeGreaterThan(least * LIVES)
}, 300_000)

test('the link may be lost at any point, with any number of signatures outstanding: what was not received is sent again, byte for byte, in its order', () => {
  const all = lives(12)
  expect(sum(all, 'resent')).toBeGreaterThan(10 * LIVES)
  expect(sum(all, 'resentTwoSignatures')).toBeGreaterThan(LIVES)
}, 300_000)

test('a side that asks to close in the middle of it gets its close: what is signed is settled first, and both broadcast the same', () => {
  expect(lives(3, true)).toHaveLength(LIVES)
}, 300_000)
