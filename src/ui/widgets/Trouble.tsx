import type { ReactNode } from 'react'
import { type ErrorLike, wordsFor } from '../text/words.ts'

/** An error: what happened and what to do. Nothing when there is none. */
export function Trouble({ error }: { readonly error: ErrorLike | undefined }): ReactNode {
  if (error === undefined) return null
  const words = wordsFor(error)
  return (
    <div className="trouble-note" role="alert">
      <p className="trouble">{words.what}</p>
      <p>{words.todo}</p>
    </div>
  )
}
