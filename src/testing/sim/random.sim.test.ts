import { describe, expect, test } from 'vitest'
import { run } from './run.ts'

/** Random lives of whole nodes. `npm run sim -- --seed N` lives one of them again and shows its trace. */

function lives(first: number, count: number, nodes: number): void {
  const totals: Record<string, number> = {}
  for (let seed = first; seed < first + count; seed++) {
    const { problem, trace, counts } = run({ seed, nodes })
    if (problem !== undefined) {
      throw new Error(`seed ${seed}, ${nodes} nodes: ${problem}\n${trace.slice(-40).join('\n')}`)
    }
    for (const [name, n] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + n
  }
  // A simulation in which nothing happens proves nothing.
  expect(totals['paymentSucceeded']).toBeGreaterThan(count)
  expect(totals['crashes']).toBeGreaterThan(count / 4)
  expect(totals['openingPending']).toBeGreaterThan(count)
}

/** More with `SIM_RUNS=10 npm run test:sim`. */
const FACTOR = Number(process.env['SIM_RUNS'] ?? '1')

describe('random lives end with every satoshi where it belongs', () => {
  test.each([1, 2, 3, 4, 5, 6])('two nodes, part %i', (part) => lives(part * 1_000, 25 * FACTOR, 2))
  test('closes by force from either side or both, in the middle of payments, and branches that lose', () => {
    let closes = 0
    for (let seed = 500_000; seed < 500_000 + 5 * FACTOR; seed++) {
      const { problem, trace, counts } = run({ seed, force: true })
      if (problem !== undefined) throw new Error(`seed ${seed}: ${problem}\n${trace.slice(-40).join('\n')}`)
      closes += (counts['close:local'] ?? 0) + (counts['close:remote'] ?? 0)
    }
    expect(closes).toBeGreaterThan(3)
  })
  test.each([1, 2])('three nodes, part %i', (part) => lives(part * 100_000, 15 * FACTOR, 3))
})
