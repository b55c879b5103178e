import { type ReactNode, useEffect, useId, useRef } from 'react'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ReactNode
}

/** How long after a click another one still makes it a double click, about. */
const DOUBLE_CLICK_MS = 600

/** Who answers a question with a double click means the dialog with both: the second must not reach what lies below it. */
function swallowSecondClick(): void {
  const swallow = (event: MouseEvent) => {
    if (event.detail < 2) return
    event.preventDefault()
    event.stopPropagation()
  }
  addEventListener('click', swallow, { capture: true })
  setTimeout(() => removeEventListener('click', swallow, { capture: true }), DOUBLE_CLICK_MS)
}

/** A question over the page: the platform's own modal, so that focus, Escape and the back of the page are taken care of. */
export function Dialog({ title, onClose, children }: DialogProps): ReactNode {
  const element = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const before = document.activeElement
    const dialog = element.current
    if (dialog !== null && !dialog.open) dialog.showModal()
    return () => {
      // Where the page is scrolled to is not the dialog's to change: what was agreed to may show at its top.
      if (before instanceof HTMLElement) before.focus({ preventScroll: true })
      swallowSecondClick()
    }
  }, [])
  return (
    <dialog
      ref={element}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose()
      }}
    >
      <div className="dialog-body">
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}
