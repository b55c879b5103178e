/** A typed fee rate in sat/vB, 0.1 to 10000 with at most two decimals; undefined when it is none. */
export function parseRate(text: string): number | undefined {
  if (!/^\d{1,5}(\.\d{0,2})?$/.test(text.trim())) return undefined
  const rate = Number(text)
  return rate >= 0.1 && rate <= 10_000 ? rate : undefined
}
