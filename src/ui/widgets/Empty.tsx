import type { ReactNode } from 'react'
import { Mark } from './Mark.tsx'

/** Nothing here yet, and what would bring something. */
export function Empty({
  title,
  children,
}: {
  readonly title: string
  readonly children?: ReactNode
}): ReactNode {
  return (
    <div className="empty">
      <Mark tone="faint" />
      <p className="empty-title">{title}</p>
      {children}
    </div>
  )
}
