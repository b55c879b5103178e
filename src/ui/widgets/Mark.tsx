import type { ReactNode } from 'react'

/** The switchback: one line that climbs in zigzags and is a bolt. Starts at the foot of the climb. */
export const MARK_PATH = 'M21 57 46 38 18 27 43 7'

interface MarkProps {
  /** How much of the line is drawn, 0 to 1; the rest shows as a trail still to climb. */
  readonly drawn?: number
  readonly tone?: 'accent' | 'in' | 'trouble' | 'faint'
  readonly className?: string
}

export function Mark({ drawn = 1, tone = 'accent', className }: MarkProps): ReactNode {
  return (
    <svg className={`mark mark-${tone} ${className ?? ''}`} viewBox="0 0 64 64" aria-hidden="true">
      <path className="mark-trail" d={MARK_PATH} />
      <path
        className="mark-line"
        d={MARK_PATH}
        pathLength={1}
        strokeDasharray="1 1"
        strokeDashoffset={1 - drawn}
        // A dash of no length would still show its round cap.
        opacity={drawn === 0 ? 0 : 1}
      />
    </svg>
  )
}
