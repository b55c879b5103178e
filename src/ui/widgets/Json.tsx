import type { ReactNode } from 'react'

/** A key with its colon, a string, or a number, boolean or null, as JSON.stringify writes them. */
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b/g

/** JSON, indented, keys set back and values in front. Text only: nothing in it is ever markup. */
export function Json({ value }: { readonly value: unknown }): ReactNode {
  const text = JSON.stringify(value, null, 2) ?? 'undefined'
  const parts: ReactNode[] = []
  let at = 0
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > at) parts.push(text.slice(at, match.index))
    const kind = match[2] !== undefined ? 'key' : match[1] !== undefined ? 'string' : 'figure'
    parts.push(
      <span key={match.index} className={`json-${kind}`}>
        {match[0]}
      </span>,
    )
    at = match.index + match[0].length
  }
  parts.push(text.slice(at))
  return <pre className="json">{parts}</pre>
}
