/** What a stage of `npm test` comes to. */
export interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** One line for whoever reads the summary. */
  readonly note?: string
}

/** How a test runner's process ended; `undefined` when it was stopped for taking too long. */
export type ExitCode = number | undefined

/** What a checker (a linter, a compiler) comes to: one test, passed when it exits with 0. */
export const countCheck = (code: ExitCode, note?: string): Counts => ({
  passed: code === 0 ? 1 : 0,
  failed: code === 0 ? 0 : 1,
  skipped: 0,
  ...(note === undefined ? {} : { note }),
})

/**
 * Nothing that went wrong may end as a success: a runner that failed without a failed test, wrote no report or ran no test at all
 * counts as one failure.
 */
function settle(counts: Counts, code: ExitCode): Counts {
  const wrong = (note: string): Counts => ({ ...counts, failed: counts.failed + 1, note })
  if (code === undefined) return wrong('took too long and was stopped')
  if (counts.passed + counts.failed + counts.skipped === 0) return wrong('no tests were found')
  if (code !== 0 && counts.failed === 0) return wrong(`failed outside its tests (exit code ${code})`)
  return counts
}

const NONE: Counts = { passed: 0, failed: 0, skipped: 0 }
const crashed = (code: ExitCode): Counts => ({
  ...NONE,
  failed: 1,
  note: code === undefined ? 'took too long and was stopped' : `ended without a report (exit code ${code})`,
})

interface VitestReport {
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

/** Counts a report of vitest's `json` reporter; `undefined` when it wrote none. A file that cannot be loaded is one failed test. */
export function countVitest(report: VitestReport | undefined, code: ExitCode): Counts {
  if (report === undefined) return crashed(code)
  let counts = NONE
  for (const file of report.testResults) {
    const of = (status: string) => file.assertionResults.filter((test) => test.status === status).length
    const passed = of('passed')
    const failed = of('failed')
    counts = {
      passed: counts.passed + passed,
      failed: counts.failed + (file.status === 'failed' ? Math.max(1, failed) : failed),
      skipped: counts.skipped + file.assertionResults.length - passed - failed,
    }
  }
  return settle(counts, code)
}

interface PlaywrightReport {
  readonly stats: {
    readonly expected: number
    readonly unexpected: number
    readonly flaky: number
    readonly skipped: number
  }
}

/** Counts a report of Playwright's `json` reporter. A test that passes only when tried again has failed. */
export function countPlaywright(report: PlaywrightReport | undefined, code: ExitCode): Counts {
  if (report === undefined) return crashed(code)
  const { expected, unexpected, flaky, skipped } = report.stats
  return settle({ passed: expected, failed: unexpected + flaky, skipped }, code)
}

/** The sum of all stages, as the last line of `npm test` says it. */
export function sum(all: readonly Counts[]): Counts {
  return all.reduce(
    (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }),
    NONE,
  )
}

export const lastLine = ({ passed, failed, skipped }: Counts): string =>
  `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`
