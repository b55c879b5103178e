import { Check, X } from 'lucide-react'
import type { ReactNode } from 'react'

export interface Step {
  readonly label: string
  readonly state: 'done' | 'now' | 'later' | 'failed'
}

/** Steps of something long, the present one marked. */
export function Steps({ steps }: { readonly steps: readonly Step[] }): ReactNode {
  const now = steps.find((step) => step.state === 'now' || step.state === 'failed')
  return (
    <>
      <ol className="steps">
        {steps.map((step) => (
          <li
            key={step.label.split(':')[0]}
            className={`step step-${step.state}`}
            aria-current={step.state === 'now' ? 'step' : undefined}
          >
            <span className="step-sign" aria-hidden="true">
              {step.state === 'done' ? <Check /> : step.state === 'failed' ? <X /> : null}
            </span>
            {step.label}
          </li>
        ))}
      </ol>
      <p className="visually-hidden" role="status">
        {now?.label ?? steps.at(-1)?.label}
      </p>
    </>
  )
}
