import { Check, Copy, Share2 } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { t } from '../text/en.ts'
import { Button } from './Button.tsx'

/** Puts text on the clipboard; where the browser refuses the modern way, the old one. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'visually-hidden'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

function useCopied(): [boolean, (text: string) => void] {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 2000)
    return () => clearTimeout(timer)
  }, [copied])
  return [copied, (text) => void copyText(text).then(setCopied)]
}

/** `Copy` and, where there is a share sheet, `Share`; without one, sharing copies too. */
export function CopyShare({
  text,
  title,
  share = true,
}: {
  readonly text: string
  readonly title: string
  readonly share?: boolean
}): ReactNode {
  const [copied, copy] = useCopied()
  const [shared, setShared] = useCopied()
  const onShare = () => {
    if (typeof navigator.share !== 'function') {
      setShared(text)
      return
    }
    // Rejects when the user closes the sheet: nothing to say then.
    navigator.share({ title, text }).catch(() => undefined)
  }
  return (
    <div className="buttons buttons-even">
      <Button
        icon={copied ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
        onClick={() => copy(text)}
      >
        {t.app.copy}
      </Button>
      {share ? (
        <Button
          icon={shared ? <Check aria-hidden="true" /> : <Share2 aria-hidden="true" />}
          onClick={onShare}
        >
          {t.app.share}
        </Button>
      ) : null}
      <span className="visually-hidden" role="status">
        {copied || shared ? t.app.copied : ''}
      </span>
    </div>
  )
}

/** Machine text that copies itself when pressed. */
export function Code({
  text,
  shown,
  label,
}: {
  readonly text: string
  readonly shown?: string
  readonly label: string
}): ReactNode {
  const [copied, copy] = useCopied()
  return (
    <button type="button" className="code" title={text} onClick={() => copy(text)}>
      <span className="visually-hidden">{label}</span>
      <span className="code-text">{shown ?? text}</span>
      {copied ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
    </button>
  )
}
