import type { ReactNode } from 'react'

export interface Fact {
  readonly name: ReactNode
  readonly value: ReactNode
  /** Long machine text (keys, hashes): set in mono and allowed to break anywhere. */
  readonly code?: boolean
}

/** Names and values, a hairline between them. */
export function Facts({ facts }: { readonly facts: readonly (Fact | undefined)[] }): ReactNode {
  return (
    <dl className="facts">
      {facts
        .filter((fact) => fact !== undefined)
        .map((fact, index) => (
          <div key={index} className={`fact ${fact.code === true ? 'fact-code' : ''}`}>
            <dt>{fact.name}</dt>
            <dd>{fact.value}</dd>
          </div>
        ))}
    </dl>
  )
}
