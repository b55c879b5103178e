import { expect, test } from 'vitest'
import { formatSpan } from './times.ts'

const DAY = 86_400_000

test('a span has two units at most, and none that nobody can grasp', () => {
  expect(formatSpan(-5)).toBe('0 s')
  expect(formatSpan(59_400)).toBe('59 s')
  expect(formatSpan(185 * 60_000)).toBe('3 h 5 min')
  expect(formatSpan(2 * DAY + 4 * 3_600_000)).toBe('2 days 4 h')
  expect(formatSpan(400 * DAY)).toBe('400 days')
  expect(formatSpan(1500 * DAY)).toBe('4 years')
  expect(formatSpan(8.64e15)).toBe('over 100 years')
})
