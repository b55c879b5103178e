import type { ReactNode } from 'react'

/** A wait that says what it waits for, and how far it is where that is known (0 to 1). */
export function Waiting({
  what,
  progress,
}: {
  readonly what: string
  readonly progress?: number
}): ReactNode {
  return (
    <div className="waiting" role="status">
      <p>{what}</p>
      <div className={`waiting-bar ${progress === undefined ? 'waiting-unknown' : ''}`}>
        <Meter value={progress ?? 0} />
      </div>
    </div>
  )
}

function Meter({ value }: { readonly value: number }): ReactNode {
  // SVG attributes instead of inline styles: the content security policy allows none.
  return (
    <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      <rect className="waiting-fill" width={Math.max(0, Math.min(1, value)) * 100} height="1" />
    </svg>
  )
}
