import type { ReactNode } from 'react'

export interface Part {
  readonly kind: 'spendable' | 'reserve' | 'flight' | 'theirs'
  readonly msat: bigint
  readonly label: string
}

/** Parts of a whole, to scale. Widths are thousandths of the whole, computed in whole numbers. */
export function Bar({
  parts,
  label,
}: {
  readonly parts: readonly Part[]
  readonly label: string
}): ReactNode {
  const whole = parts.reduce((sum, part) => sum + part.msat, 0n)
  const width = (msat: bigint) => (whole === 0n ? 0 : Number((msat * 10_000n) / whole) / 10)
  const starts = parts.map((_, index) =>
    width(parts.slice(0, index).reduce((sum, part) => sum + part.msat, 0n)),
  )
  return (
    <svg className="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={label}>
      {parts.map((part, index) => (
        <rect
          key={part.kind}
          className={`bar-${part.kind}`}
          x={starts[index]}
          width={width(part.msat)}
          height="10"
        />
      ))}
    </svg>
  )
}
