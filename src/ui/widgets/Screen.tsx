import { ChevronLeft } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { Link, useLocation } from 'wouter'
import { t } from '../text/en.ts'

interface ScreenProps {
  readonly title: string
  /** Where the way back leads; none on the screens of the navigation. */
  readonly back?: string
  readonly actions?: ReactNode
  /** Home and its like show their own largest thing in place of a heading. */
  readonly quiet?: boolean
  readonly className?: string
  readonly children: ReactNode
}

/**
 * The frame of a screen: heading, way back, content. Its heading takes the focus and the page begins at its top when the screen changes;
 * a step of a screen that is a page of its own has a `key` of its own.
 */
export function Screen({ title, back, actions, quiet, className, children }: ScreenProps): ReactNode {
  const heading = useRef<HTMLHeadingElement>(null)
  const [at] = useLocation()
  // Where there is room for two panes, choosing in one leaves both where they are; on a phone it is another page.
  const place = matchMedia('(min-width: 900px)').matches ? title : at
  useEffect(() => {
    document.title = title === t.app.name ? title : `${title} · ${t.app.name}`
    // Not when the user is typing already: a field with autofocus keeps it.
    if (document.activeElement === document.body || document.activeElement?.tagName === 'A') {
      heading.current?.focus({ preventScroll: true })
    }
    window.scrollTo(0, 0)
  }, [title, place])
  return (
    <div className={`screen ${className ?? ''}`}>
      <header className={quiet === true ? 'visually-hidden' : 'screen-head'}>
        {back === undefined ? null : (
          <Link href={back} className="icon-button" aria-label={t.app.back}>
            <ChevronLeft aria-hidden="true" />
          </Link>
        )}
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {actions === undefined ? null : <div className="screen-actions">{actions}</div>}
      </header>
      {children}
    </div>
  )
}

/** Two panes from 900 px, one under the other below. */
export function Panes({
  first,
  second,
}: {
  readonly first: ReactNode
  readonly second: ReactNode
}): ReactNode {
  return (
    <div className="panes">
      <div className="pane">{first}</div>
      <div className="pane">{second}</div>
    </div>
  )
}

interface SectionProps {
  /** For links that lead to it. */
  readonly id?: string
  readonly title: string
  readonly actions?: ReactNode
  readonly children: ReactNode
}

/** A titled part of a screen. */
export function Section({ id, title, actions, children }: SectionProps): ReactNode {
  return (
    <section className="section" id={id}>
      <div className="section-head">
        <h2>{title}</h2>
        {actions}
      </div>
      {children}
    </section>
  )
}
