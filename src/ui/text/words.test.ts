import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../contract/errors.ts'
import { wordsFor } from './words.ts'

test('every error code has words of its own that say what happened and what to do', () => {
  const seen = new Map<string, string>()
  for (const code of ERROR_CODES) {
    const words = wordsFor({ code, message: 'for programs' })
    expect(words.what.length, code).toBeGreaterThan(10)
    expect(words.todo.length, code).toBeGreaterThan(10)
    expect(words.what, code).not.toContain('for programs')
    expect(`${words.what} ${words.todo}`, code).not.toMatch(/undefined|null|NaN|\s{2}/)
    expect(words.what, code).toMatch(/[.!]$/)
    expect(seen.get(words.what), `${code} says the same as another`).toBeUndefined()
    seen.set(words.what, code)
  }
})

test('figures of an error are said in money', () => {
  expect(wordsFor({ code: 'exceedsSpendable', message: '', data: { spendableMsat: '95000500' } }).todo).toBe(
    'You can send at most 95\u2009000.500 sat.',
  )
  expect(
    wordsFor({ code: 'belowReserve', message: '', data: { reserveSat: '1000', spendableMsat: '5000' } }).todo,
  ).toBe('The reserve is 1\u2009000 sat. You can send at most 5 sat.')
  const words = (code: string, data: Record<string, string>) => {
    const { what, todo } = wordsFor({ code, message: '', data })
    return `${what} ${todo}`.replaceAll('\u2009', ' ')
  }
  expect(words('wordsUnknown', { positions: '3' })).toContain('Word 3 is not a recovery word.')
  expect(words('wordsUnknown', { positions: '3,8' })).toContain('Words 3, 8 are not recovery words.')
  expect(
    words('insufficientFunds', { spendableSat: '5000', unconfirmedSat: '70000', reservedSat: '0' }),
  ).toContain('5 000 sat can be spent, fee included. 70 000 sat wait for a confirmation.')
  const figures = { spendableMsat: '95000000', balanceMsat: '98000000', reserveMsat: '1000000' }
  expect(words('exceedsSpendable', { ...figures, reason: 'reserve' })).toContain(
    'You can send at most 95 000 sat. Your balance is 98 000 sat. Its reserve is 1 000 sat.',
  )
  expect(words('exceedsSpendable', { ...figures, reason: 'split' })).toContain('No single channel')
  expect(words('exceedsSpendable', { ...figures, reason: 'inFlight', limitMsat: '5000000' })).toContain(
    'The peer allows 5 000 sat.',
  )
  expect(words('noRoute', { reason: 'inFlight' })).toContain('Try again in a few seconds.')
})

test('figures that are not figures are left out instead of shown', () => {
  expect(wordsFor({ code: 'exceedsSpendable', message: '', data: { spendableMsat: 'lots' } }).todo).toBe(
    'Send less, or open another channel.',
  )
})

test('a code from a newer node shows its message', () => {
  expect(wordsFor({ code: 'somethingNew', message: 'The moon is full.' }).what).toBe('The moon is full.')
  expect(wordsFor({ code: 'constructor', message: 'No prototype.' }).what).toBe('No prototype.')
})
