import { type ReactNode, useEffect, useState } from 'react'

/** The mark's own line has three legs; a longer way has as many as it has hops. */
const LEGS = 3
const STEP_MS = 150

/** A switchback of so many legs in the mark's frame, from the foot of the climb. */
export function climbPath(legs: number): string {
  // The mark's own corners, so that a way of three hops is the mark.
  if (legs <= LEGS) return 'M21 57 46 38 18 27 43 7'
  const step = 50 / legs
  const corners = Array.from({ length: legs + 1 }, (_, i) => {
    const x = i % 2 === 0 ? 20 : 45
    return `${x} ${(57 - i * step).toFixed(1)}`
  })
  return `M${corners.join(' ')}`
}

interface ClimbProps {
  readonly hops: number
  /** Hops that it got: while it is on its way, all of them but the end of the last. */
  readonly state: 'pending' | 'succeeded' | 'failed'
  /** Of one that failed. */
  readonly reached?: number
  readonly className?: string
}

/** The line of one way, drawn hop by hop. Where exactly a payment is nobody knows before it ends: the last leg waits for that. */
export function Climb({ hops, state, reached = 0, className }: ClimbProps): ReactNode {
  const goal = state === 'succeeded' ? hops : state === 'failed' ? reached : hops - 0.32
  const [walked, setWalked] = useState(() => (still() ? goal : 0.5))
  useEffect(() => {
    if (state !== 'pending' || walked >= goal) return
    const timer = setTimeout(() => setWalked(Math.floor(walked + 1)), STEP_MS)
    return () => clearTimeout(timer)
  }, [walked, goal, state])
  // What has ended is drawn as far as it got, at once.
  const drawn = state === 'pending' ? Math.min(walked, goal) : goal
  const tone = { pending: 'accent', succeeded: 'in', failed: 'trouble' }[state]
  const path = climbPath(hops)
  return (
    <svg className={`mark mark-${tone} ${className ?? ''}`} viewBox="0 0 64 64" aria-hidden="true">
      <path className="mark-trail" d={path} />
      <path
        className="mark-line"
        d={path}
        pathLength={1}
        strokeDasharray="1 1"
        strokeDashoffset={1 - drawn / hops}
        opacity={drawn === 0 ? 0 : 1}
      />
    </svg>
  )
}

const still = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches
