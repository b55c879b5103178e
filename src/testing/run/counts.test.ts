import { describe, expect, test } from 'vitest'
import { countCheck, countPlaywright, countVitest, lastLine, sum } from './counts.ts'

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
})
const stats = (expected: number, unexpected = 0, flaky = 0, skipped = 0) => ({
  stats: { expected, unexpected, flaky, skipped },
})

describe('nothing that went wrong ends as a success', () => {
  test('a run without tests', () => {
    expect(countVitest({ testResults: [] }, 0).failed).toBe(1)
    expect(countPlaywright(stats(0), 0).failed).toBe(1)
  })
  test('a runner that wrote no report', () => {
    expect(countVitest(undefined, 0).failed).toBe(1)
    expect(countPlaywright(undefined, 1).failed).toBe(1)
  })
  test('a runner that fails although every test passed, as with an unhandled rejection', () => {
    expect(countVitest({ testResults: [file('passed', 'passed')] }, 1)).toMatchObject({
      passed: 1,
      failed: 1,
    })
    expect(countPlaywright(stats(3), 1)).toMatchObject({ passed: 3, failed: 1 })
  })
  test('a runner that was stopped for taking too long', () => {
    expect(countVitest({ testResults: [file('passed', 'passed')] }, undefined).failed).toBe(1)
    expect(countPlaywright(undefined, undefined)).toMatchObject({
      failed: 1,
      note: expect.stringContaining('too long'),
    })
    expect(countCheck(undefined).failed).toBe(1)
  })
  test('a test file that cannot be loaded', () => {
    expect(countVitest({ testResults: [file('failed'), file('passed', 'passed')] }, 1)).toMatchObject({
      passed: 1,
      failed: 1,
    })
  })
  test('a browser test that passes the second time only', () => {
    expect(countPlaywright(stats(1, 0, 1), 0)).toMatchObject({ passed: 1, failed: 1 })
  })
})

test('counts are summed, and skipped tests are told only when there are some', () => {
  const vitest = countVitest(
    { testResults: [file('failed', 'passed', 'failed', 'pending', 'todo'), file('passed', 'passed')] },
    1,
  )
  expect(vitest).toEqual({ passed: 2, failed: 1, skipped: 2 })
  expect(lastLine(sum([vitest, countCheck(0), countCheck(1)]))).toBe('3 passed, 2 failed, 2 skipped')
  expect(lastLine(sum([countCheck(0)]))).toBe('1 passed, 0 failed')
})
