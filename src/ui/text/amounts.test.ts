import { describe, expect, test } from 'vitest'
import {
  formatMsat,
  formatRate,
  formatSat,
  formatSigned,
  parseSats,
  satCeil,
  satToBtc,
  typedMsat,
  shorten,
} from './amounts.ts'

const thin = (text: string) => text.replaceAll(' ', '\u2009')

describe('amounts shown', () => {
  test('sats are grouped in threes with a thin space', () => {
    expect(formatSat('0')).toBe('0')
    expect(formatSat('999')).toBe('999')
    expect(formatSat('1000')).toBe(thin('1 000'))
    expect(formatSat('2100000000000000')).toBe(thin('2 100 000 000 000 000'))
  })

  test('msat appear exactly, and only when the amount is not whole', () => {
    expect(formatMsat('1000250')).toBe(thin('1 000.250'))
    expect(formatMsat('1000000')).toBe(thin('1 000'))
    expect(formatMsat('1')).toBe('0.001')
    expect(formatMsat('2099999999999999999')).toBe(thin('2 099 999 999 999 999.999'))
  })

  test('changes carry their sign', () => {
    expect(formatSigned('5000')).toBe('+5')
    expect(formatSigned('-1500')).toBe('−1.500')
    expect(formatSigned('0')).toBe('0')
  })

  test('BIP 21 amounts are exact decimals of bitcoin', () => {
    expect(satToBtc(1n)).toBe('0.00000001')
    expect(satToBtc(100_000n)).toBe('0.001')
    expect(satToBtc(100_000_000n)).toBe('1')
    expect(satToBtc(2_100_000_000_000_000n)).toBe('21000000')
    expect(satToBtc(123_456_789n)).toBe('1.23456789')
  })

  test('on-chain amounts cover the msat they stand for', () => {
    expect(satCeil(1001n)).toBe(2n)
    expect(satCeil(1000n)).toBe(1n)
  })

  test('short forms keep both ends', () => {
    expect(shorten('0123456789abcdef')).toBe('012345…cdef')
    expect(shorten('0123456789')).toBe('0123456789')
    expect(formatRate(1)).toBe('1')
    expect(formatRate(2.53)).toBe('2.5')
    expect(formatRate(31.4)).toBe('31')
  })
})

describe('amounts typed', () => {
  const msat = (text: string, decimals: 0 | 3 = 3) => {
    const parsed = parseSats(text, decimals)
    return parsed.ok ? parsed.msat : parsed.problem
  }

  test('sats and, for Lightning, decimals down to the msat', () => {
    expect(msat('1000')).toBe(1_000_000n)
    expect(msat('1.5')).toBe(1500n)
    expect(msat('.001')).toBe(1n)
    expect(msat('7.')).toBe(7000n)
    expect(msat('9007199254740993')).toBe('tooLarge')
    expect(msat('2099999999999999.999')).toBe(2_099_999_999_999_999_999n)
  })

  test('a pasted amount in our own format reads back to itself', () => {
    for (const amount of [1n, 999n, 1000n, 1_000_250n, 123_456_789_012n]) {
      expect(msat(formatMsat(amount))).toBe(amount)
    }
    expect(msat("1'000_000")).toBe(1_000_000_000n)
  })

  test('what could be misread is refused, not guessed', () => {
    expect(msat('1,000')).toBe('ambiguousComma')
    expect(msat('1.0001')).toBe('tooPrecise')
    expect(msat('1.5', 0)).toBe('tooPrecise')
    expect(msat('1.000', 0)).toBe(1000n)
    expect(msat('2100000000000001')).toBe('tooLarge')
    expect(msat('1e3')).toBe('notANumber')
    expect(msat('-5')).toBe('notANumber')
    expect(msat('.')).toBe('notANumber')
    expect(msat('0')).toBe('zero')
    expect(msat('  ')).toBe('empty')
    expect(msat('9'.repeat(400))).toBe('tooLarge')
  })
})

test('an amount put into a field is read back as the same amount', () => {
  expect(typedMsat(undefined)).toBe('')
  for (const msat of ['1000', '1500', '21000000000001', '30'])
    expect(parseSats(typedMsat(msat), 3)).toEqual({ ok: true, msat: BigInt(msat) })
})
