import { describe, expect, test } from 'vitest'
import { cheats } from './cheat.ts'

/** A peer that cheats with an old state loses all of it. `npm run sim -- --cheat --seed N --runs M` tries every state of more lives. */

describe('old states that a peer broadcasts', () => {
  test.each([1, 2])('of life %i: every one is punished in full', (seed) => {
    const { verdicts, problems } = cheats({ seed, steps: 150, most: 4 })
    expect(problems).toEqual([])
    expect(verdicts.length).toBeGreaterThan(3)
    expect(verdicts.every((v) => v.claimed === v.claimable)).toBe(true)
  })
})
