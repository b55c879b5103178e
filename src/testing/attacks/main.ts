import { parseArgs } from 'node:util'
import { ATTACKS } from './attacks.ts'
import { runTrials, type Seat, type Trial, type Verdict } from './lab.ts'

/** `npm run attacks`: every attack, from every seat. */

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    /** Only attacks whose name contains this. */
    only: { type: 'string', default: '' },
    /** Every seat instead of two. */
    all: { type: 'boolean', default: false },
    /** Only beside an honest server. */
    beside: { type: 'boolean', default: false },
    /** Of the servers' answer times. */
    seed: { type: 'string', default: '1' },
    /** Wallets at once. */
    batch: { type: 'string', default: '24' },
    /** Only this many trials from this one on: a part of a long run. */
    from: { type: 'string', default: '0' },
    count: { type: 'string', default: '100000' },
  },
})

const SEATS: readonly (readonly Seat[])[] = values.all
  ? [
      ['bad', 'good'],
      ['good', 'bad'],
      ['bad', 'bad', 'good'],
      ['good', 'bad', 'bad'],
      ['bad'],
      ['bad', 'bad'],
    ]
  : [
      ['bad', 'good'],
      ['bad', 'bad'],
    ]

const trials: Trial[] = ATTACKS.filter(({ name }) => name.includes(values.only))
  .flatMap((attack) =>
    SEATS.filter((seats) => !values.beside || seats.includes('good')).map((seats) => ({ attack, seats })),
  )
  .slice(Number(values.from), Number(values.from) + Number(values.count))
const verdicts: Verdict[] = []
const size = Number(values.batch)
for (let i = 0; i < trials.length; i += size) {
  const began = Date.now()
  const found = await runTrials(trials.slice(i, i + size), { limitMs: 20_000, seed: Number(values.seed) + i })
  verdicts.push(...found)
  if (values.json) continue
  for (const v of found) console.log(lineOf(v))
  console.log(`${Math.min(trials.length, i + size)} of ${trials.length}, ${Date.now() - began} ms`)
}

function lineOf(v: Verdict): string {
  const trouble = [...v.missing.map((m) => `missing ${m}`), ...v.believed.map((b) => `believed ${b}`)].join(
    ', ',
  )
  const words = v.words === '' ? '' : ` (${v.words.slice(0, 90)})`
  const blamed = v.blamed === '' ? '' : ` blamed an honest server: ${v.blamed}`
  return `${v.caught ? ' ' : '!'} ${v.attack} [${v.seats}]: ${v.shown}${words} ${trouble}${blamed}`
}

const bad = verdicts.filter((v) => !v.caught)
const beside = verdicts.filter((v) => v.seats.includes('good'))
const summary = {
  attacks: new Set(verdicts.map((v) => v.attack)).size,
  tried: verdicts.length,
  caught: verdicts.length - bad.length,
  besideAnHonestServer: beside.length,
  named: beside.filter((v) => v.shown !== 'unnoticed' && v.shown !== 'unasked').length,
  neverAsked: beside.filter((v) => v.shown === 'unasked').length,
  honestBlamed: verdicts.filter((v) => v.blamed !== '').length,
  followed: beside.filter((v) => v.followed).length,
  believedFalsehoods: verdicts.reduce((n, v) => n + v.believed.length, 0),
}
if (values.json) console.log(JSON.stringify({ ...summary, verdicts }))
else console.log(summary)
process.exitCode = bad.length === 0 ? 0 : 1
