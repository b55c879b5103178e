const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

const round = (value: number): number => Number(value.toPrecision(3))

/** Milliseconds that one call takes: the median of many, for `forMs` and after a warm-up; short calls are timed in batches. */
export function millisecondsOf(job: () => void, forMs = 600): number {
  let batch = 1
  // Until one batch is long enough for the clock, which warms the code up on the way.
  for (;;) {
    const start = performance.now()
    for (let i = 0; i < batch; i++) job()
    if (performance.now() - start >= 5) break
    batch *= 2
  }
  const times: number[] = []
  const until = performance.now() + forMs
  while (performance.now() < until || times.length < 5) {
    const start = performance.now()
    for (let i = 0; i < batch; i++) job()
    times.push((performance.now() - start) / batch)
  }
  return round(median(times))
}
