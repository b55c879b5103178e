import { expect, test } from 'vitest'
import { type CompactionFigures, compact } from './compaction.ts'

/** `npm run compaction` goes to a million updates. */

test('what a channel keeps does not grow with what has been: logs, journal, secrets, records', () => {
  const seen: CompactionFigures[] = []
  compact({ updates: 1_600, batch: 10, look: (figures) => seen.push(figures) })
  const at = (updates: number) => seen.find((f) => f.updates >= updates) as CompactionFigures
  const [early, late] = [at(800), at(1_600)]
  expect(late.revoked).toBe(320)
  for (const figures of seen) {
    expect(figures.logEntries).toBe(0)
    // 64 revocations stay, in case that the peer has not got them (rule 9).
    expect(figures.journal).toBeLessThanOrEqual(64)
    // The core alone: no update, no signature that is revoked for, no proposal.
    expect(figures.records).toBe(early.records)
  }
  expect(late.secretNodesPeak).toBeLessThanOrEqual(2 * Math.log2(late.revoked))
  // Secrets come and go, numbers grow a digit: nothing else may.
  expect(late.recordBytes).toBeLessThan(early.recordBytes + 400)
  expect(late.recordBytesPeak).toBeLessThan(early.recordBytesPeak + 400)
}, 60_000)
