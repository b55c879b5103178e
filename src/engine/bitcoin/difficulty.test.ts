import { describe, expect, test } from 'vitest'
import { checkHeaderContext, type HeaderAt, medianTimePast, POW_RULES, requiredBits } from './difficulty.ts'
import type { BlockHeader } from './header.ts'

const header = (over: Partial<BlockHeader>): BlockHeader => ({
  version: 1,
  prevHash: '00'.repeat(32),
  merkleRoot: '00'.repeat(32),
  time: 0,
  bits: 0x1d00ffff,
  nonce: 0,
  ...over,
})
/** Ancestors of which only some matter. */
const chainOf =
  (headers: Readonly<Record<number, Partial<BlockHeader>>>): HeaderAt =>
  (h) =>
    headers[h] === undefined ? undefined : header(headers[h])

// Values of Bitcoin Core's pow_tests.cpp, which are mainnet's own.
describe('retargeting on mainnet', () => {
  test.each([
    ['as it was at 32256', 30240, 1261130161, 1262152739, 0x1d00ffff, 0x1d00d86a],
    ['never easier than the limit', 0, 1231006505, 1233061996, 0x1d00ffff, 0x1d00ffff],
    ['at most four times harder', 66528, 1279008237, 1279297671, 0x1c05a3f4, 0x1c0168fd],
    ['at most four times easier', 46368, 1263163443, 1269211443, 0x1c387f6f, 0x1d00e1fd],
  ])('%s', (_, first, firstTime, lastTime, bits, expected) => {
    const at = chainOf({ [first]: { time: firstTime, bits }, [first + 2015]: { time: lastTime, bits } })
    expect(requiredBits(POW_RULES.bitcoin, at, first + 2016, lastTime + 600)).toBe(expected)
  })

  test('between retargets the bits stay, however late a block is', () => {
    const at = chainOf({ 100: { time: 1000, bits: 0x1c05a3f4 } })
    expect(requiredBits(POW_RULES.bitcoin, at, 101, 100_000)).toBe(0x1c05a3f4)
  })

  test('without the first block of the period there is no answer', () => {
    expect(requiredBits(POW_RULES.bitcoin, chainOf({ 2015: {} }), 2016, 1)).toBeUndefined()
  })
})

describe('testnet4 (BIP 94)', () => {
  const rules = POW_RULES.testnet4
  test('more than 20 minutes after its parent a block is at minimum difficulty, before that it is not', () => {
    const at = chainOf({ 4032: { bits: 0x1c05a3f4 }, 4033: { time: 5000, bits: 0x1c05a3f4 } })
    expect(requiredBits(rules, at, 4034, 6201)).toBe(0x1d00ffff)
    expect(requiredBits(rules, at, 4034, 6200)).toBe(0x1c05a3f4)
  })

  test('after such blocks the difficulty is the last real one, found no further than the period’s first block', () => {
    const easy = { bits: 0x1d00ffff, time: 9000 }
    const at = chainOf({ 4032: { bits: 0x1c05a3f4 }, 4033: easy, 4034: easy })
    expect(requiredBits(rules, at, 4035, 9001)).toBe(0x1c05a3f4)
    expect(
      requiredBits(rules, chainOf({ 4031: { bits: 0x1b000001 }, 4032: easy, 4033: easy }), 4034, 9001),
    ).toBe(0x1d00ffff)
  })

  test('a retarget starts from the first block of the period, not from a minimum-difficulty last one', () => {
    const times = { first: 1261130161, last: 1261130161 + 1_209_600 }
    const at = chainOf({
      2016: { time: times.first, bits: 0x1c05a3f4 },
      4031: { time: times.last, bits: 0x1d00ffff },
    })
    expect(requiredBits(rules, at, 4032, times.last + 1)).toBe(0x1c05a3f4)
  })

  test('the first block of a period is at most ten minutes before its parent', () => {
    const ancestors: Record<number, Partial<BlockHeader>> = { 2016: { time: 0, bits: 0x1c05a3f4 } }
    for (let h = 4000; h < 4032; h++) ancestors[h] = { time: 1_000_000, bits: 0x1c05a3f4 }
    ancestors[4031] = { time: 1_209_600, bits: 0x1c05a3f4 }
    const check = (time: number) =>
      checkHeaderContext(
        rules,
        chainOf(ancestors),
        '00'.repeat(32),
        4032,
        header({ time, bits: 0x1c05a3f4 }),
        1e9,
      )
    expect(check(1_209_000)).toEqual({ ok: true, value: undefined })
    expect(check(1_208_999)).toEqual({ ok: false, error: 'timewarp' })
  })
})

describe('time', () => {
  const ancestors: Record<number, Partial<BlockHeader>> = {}
  for (let h = 0; h <= 20; h++) ancestors[h] = { time: 1000 + 10 * h, bits: 0x207fffff }
  const at = chainOf(ancestors)
  const check = (time: number, nowS = 1e6) =>
    checkHeaderContext(POW_RULES.regtest, at, '00'.repeat(32), 21, header({ time, bits: 0x207fffff }), nowS)

  test('median of the last eleven', () => {
    expect(medianTimePast(at, 20)).toBe(1150)
    expect(medianTimePast(at, 1)).toBe(1010)
    expect(medianTimePast(at, 21)).toBeUndefined()
  })

  test('must exceed the median of its ancestors', () => {
    expect(check(1151).ok).toBe(true)
    expect(check(1150)).toEqual({ ok: false, error: 'time' })
  })

  test('may be two hours ahead of our clock and no more', () => {
    expect(check(17_200, 10_000).ok).toBe(true)
    expect(check(17_201, 10_000)).toEqual({ ok: false, error: 'future' })
  })

  test('a wrong parent and wrong bits have names of their own', () => {
    const wrongParent = header({ prevHash: '11'.repeat(32), time: 1151, bits: 0x207fffff })
    expect(checkHeaderContext(POW_RULES.regtest, at, '00'.repeat(32), 21, wrongParent, 1e6)).toMatchObject({
      error: 'unlinked',
    })
    const wrongBits = header({ time: 1151, bits: 0x1d00ffff })
    expect(checkHeaderContext(POW_RULES.regtest, at, '00'.repeat(32), 21, wrongBits, 1e6)).toMatchObject({
      error: 'bits',
    })
  })
})
