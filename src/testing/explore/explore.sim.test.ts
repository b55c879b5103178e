import { randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { useCurve } from '../../engine/crypto/curve.ts'
import { loadWasmCurve } from '../../host/curve-wasm.ts'
import { cheapCurve } from './curve.ts'
import { faultNamed } from './faults.ts'
import { SCENARIOS, scenarioNamed } from './scenarios.ts'
import { explore } from './search.ts'
import { describeViolation } from './trace.ts'

const real = await loadWasmCurve(randomBytes(32))
beforeAll(() => useCurve(cheapCurve(real)))

interface Setting {
  readonly scenario: string
  readonly window: number
  readonly updates: number
  readonly drops: number
  readonly fault?: string
  readonly formatName?: string
  readonly stale?: boolean
  readonly batch?: number
}

function run({ scenario, window, updates, drops, fault, formatName, stale, batch }: Setting) {
  const { report, world } = explore(
    {
      scenario: scenarioNamed(scenario),
      formatName: formatName ?? (window === 1 ? 'anchors_zero_fee_htlc_tx' : `test_window_${window}`),
      window,
      updates,
      drops,
      crash: true,
      stale: stale ?? false,
      batch: batch ?? 2,
      ...(fault === undefined ? {} : { fault: faultNamed(fault) }),
    },
    { maxSeconds: 60 },
  )
  const violation = report.violation
  return { report, violation, trace: violation === undefined ? [] : describeViolation(world, violation) }
}

describe('nothing is violated, whatever the interleaving, the turns and the losses', () => {
  for (const window of [1, 2, 3]) {
    for (const { name } of SCENARIOS) {
      test(`${name}, window ${window}, one update a side, one loss`, () => {
        const { report, trace } = run({ scenario: name, window, updates: 1, drops: 1 })
        expect(trace).toEqual([])
        expect(report.exhausted).toBe(true)
      })
    }
  }

  for (const window of [1, 2]) {
    for (const scenario of ['life', 'slots']) {
      test(`${scenario}, window ${window}, two updates a side, one loss`, () => {
        const { report, trace } = run({ scenario, window, updates: 2, drops: 1 })
        expect(trace).toEqual([])
        expect(report.exhausted).toBe(true)
        expect(report.states).toBeGreaterThan(1000)
      })
    }
  }

  for (const [window, formatName] of [
    [1, 'test_window_1'],
    [2, 'test_window_2'],
    [3, 'test_window_3'],
  ] as const) {
    test(`windows that change while payments cross, ${window} at first, two updates a side, one loss`, () => {
      const { report, trace } = run({ scenario: 'windows', window, updates: 2, drops: 1, formatName })
      expect(trace).toEqual([])
      expect(report.exhausted).toBe(true)
      expect(report.states).toBeGreaterThan(500)
    })
  }

  for (const window of [1, 2]) {
    test(`mixed, window ${window}: a process that comes back with an old state ends in agreement, or in failure with no loss`, () => {
      const { report, trace } = run({ scenario: 'mixed', window, updates: 1, drops: 0, stale: true })
      expect(trace).toEqual([])
      expect(report.exhausted).toBe(true)
    })
  }

  test('BOLT’s format without anchors, where the feerate decides what is trimmed', () => {
    const { report, trace } = run({
      scenario: 'fees',
      window: 1,
      updates: 1,
      drops: 1,
      formatName: 'static_remotekey',
    })
    expect(trace).toEqual([])
    expect(report.exhausted).toBe(true)
  })

  test('with real signatures', () => {
    useCurve(real)
    const { report, trace } = run({ scenario: 'life', window: 1, updates: 1, drops: 1 })
    useCurve(cheapCurve(real))
    expect(trace).toEqual([])
    expect(report.exhausted).toBe(true)
  })
})

/**
 * Each fault, the smallest setting that shows it, and what it breaks. Losses are tried from everywhere; only a number that is signed twice
 * takes one on the way there. Turns do one thing, but for the fee that two adds at once overdraw.
 */
const FOUND: readonly (readonly [
  fault: string,
  scenario: string,
  window: number,
  updates: number,
  breaks: RegExp,
])[] = [
  ['stall', 'adds', 1, 1, /^F: .*a signature is due and not made/],
  ['stall', 'adds', 2, 1, /^F: .*a signature is due and not made/],
  ['ack-from-signature', 'adds', 1, 1, /badSignature/],
  ['ack-from-signature', 'adds', 2, 1, /rule 2/],
  ['revoke-before-disk', 'life', 1, 1, /peerIsBehind/],
  ['revoke-before-disk', 'adds', 1, 1, /^D: .*two contents/],
  ['act-before-disk', 'life', 1, 1, /^E: .*a signature that bob does not know of/],
  ['act-before-disk', 'life', 1, 2, /^D: .*two contents/],
  ['two-writes', 'life', 1, 1, /peerIsBehind/],
  ['forgets-signed', 'life', 1, 1, /^E: .*a signature that alice does not know of/],
  ['forgets-signed', 'adds', 1, 2, /^D: .*two contents/],
  ['revocations-first', 'adds', 1, 1, /badSignature/],
  ['signatures-first', 'life', 1, 1, /badSignature/],
  ['updates-first', 'adds', 2, 1, /rule 2/],
  ['ready-as-credit', 'life', 1, 1, /badSignature/],
  ['zero-grants', 'adds', 2, 1, /^F: /],
  ['shared-limit', 'slots', 1, 1, /^F: .*left outside the log without reason/],
  ['shared-limit-checked', 'slots', 1, 2, /tooManyHtlcs|without reason/],
  ['fee-overdrawn', 'edge', 1, 2, /feeUnpayable/],
  ['fail-spendable', 'tight', 1, 1, /belowReserve/],
  ['window-wide', 'life', 2, 1, /^E: 3 points outstanding, 2 negotiated/],
  ['window-narrow', 'life', 1, 1, /noCredit/],
  ['no-credit', 'life', 1, 1, /^E: 2 points held, 1 negotiated/],
  ['credit-taken-back', 'narrow', 2, 1, /noCredit/],
  ['grants-anew', 'narrow', 2, 1, /grantNumber/],
  ['shown-early', 'life', 1, 1, /^B: HTLC 0 is shown before it is locked in/],
]

describe('known faults are found', () => {
  for (const [fault, scenario, window, updates, breaks] of FOUND) {
    test(`${fault}, ${scenario}, window ${window}, ${updates} a side: breaks ${breaks.source}`, () => {
      const drops = /two contents/.test(breaks.source) ? 1 : 0
      const batch = fault === 'fee-overdrawn' ? 2 : 1
      const { violation, trace } = run({ scenario, window, updates, drops, batch, fault })
      expect(violation?.problem).toMatch(breaks)
      expect(trace.length).toBeGreaterThan(1)
    })
  }

  for (const fault of ['error-alone', 'behind-broadcasts']) {
    test(`${fault}: a revoked commitment is broadcast`, () => {
      const { violation } = run({ scenario: 'life', window: 1, updates: 1, drops: 0, fault, stale: true })
      expect(violation?.problem).toMatch(/^G: .* broadcasts commitment 0, which it has revoked/)
    })
  }

  test('channel_ready on every connection is none here: points held and equal are ignored', () => {
    const { report, trace } = run({
      scenario: 'life',
      window: 1,
      updates: 2,
      drops: 1,
      fault: 'ready-repeated',
    })
    expect(trace).toEqual([])
    expect(report.exhausted).toBe(true)
  })

  test('with a window of one a reconnection has one signature to send, so its updates cannot come too early', () => {
    const { report, trace } = run({
      scenario: 'life',
      window: 1,
      updates: 2,
      drops: 1,
      fault: 'updates-first',
    })
    expect(trace).toEqual([])
    expect(report.exhausted).toBe(true)
  })
})
