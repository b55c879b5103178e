import { beforeAll, describe, expect, test } from 'vitest'
import { ATTACKS } from './attacks.ts'
import { runTrials, type Seat, type Trial, type Verdict } from './lab.ts'

/** One attack of each family on whole wallets over a real bitcoind; `npm run attacks` tries them all, from every seat. */

const attack = (name: string) => {
  const found = ATTACKS.find((a) => a.name === name)
  if (found === undefined) throw new Error(`no attack ${name}`)
  return found
}
const trial = (name: string, ...seats: Seat[]): Trial => ({ attack: attack(name), seats })

/** An honest server is among them: everything is followed, and who attacks is shown. */
const BESIDE: readonly Trial[] = [
  trial('hides every spend', 'bad', 'good'),
  trial('hides every spend', 'bad', 'bad', 'good'),
  trial('hides our deposits', 'good', 'bad'),
  trial('serves a stale tip', 'bad', 'good'),
  trial('invents a confirmed spend', 'bad', 'good'),
  trial('a longer chain without work', 'good', 'bad'),
  trial('says that the last blocks are gone', 'bad', 'good'),
  trial('a proof at a wrong position', 'bad', 'good'),
  trial('fees a thousand times too high', 'bad', 'good'),
  trial('silence', 'bad', 'good'),
]
/** No honest one: nothing false may be believed. */
const ALONE: readonly Trial[] = [
  trial('invents a deposit of 5 bitcoin', 'bad'),
  trial('a longer chain that claims more work than it has', 'bad', 'bad'),
]

let verdicts: readonly Verdict[] = []
beforeAll(async () => {
  verdicts = await runTrials([...BESIDE, ...ALONE], { limitMs: 25_000 })
})
const verdictOf = ({ attack: { name }, seats }: Trial): Verdict | undefined =>
  verdicts.find((v) => v.attack === name && v.seats === seats.join(' '))
const titles = (trials: readonly Trial[]) =>
  trials.map((t) => [`${t.attack.name} (${t.seats.join(', ')})`, t] as const)

describe('beside an honest server', () => {
  test.each(titles(BESIDE))('%s: all is followed, nothing false believed, and it is shown', (_, t) => {
    expect(verdictOf(t)).toMatchObject({ followed: true, missing: [], believed: [], caught: true })
  })
})

describe('without an honest server', () => {
  test.each(titles(ALONE))('%s: nothing false is believed, and it is shown', (_, t) => {
    const verdict = verdictOf(t)
    expect(verdict).toMatchObject({ believed: [] })
    expect(verdict?.shown).toBe('lie')
  })
})
