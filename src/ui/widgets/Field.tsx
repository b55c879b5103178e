import { type InputHTMLAttributes, type ReactNode, type TextareaHTMLAttributes, useId } from 'react'
import { t } from '../text/en.ts'

interface Shared {
  readonly label: string
  readonly hint?: ReactNode
  /** Words about what is wrong; the field is marked invalid. */
  readonly problem?: string | undefined
  readonly end?: ReactNode
  readonly unit?: string
}

interface FrameProps extends Shared {
  readonly id: string
  readonly children: ReactNode
}

function Frame({ id, label, hint, problem, end, unit, children }: FrameProps): ReactNode {
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <div className={`field-box ${problem === undefined ? '' : 'field-box-bad'}`}>
        {children}
        {unit === undefined ? null : (
          <span className="field-unit" aria-hidden="true">
            {unit}
          </span>
        )}
        {end}
      </div>
      <p
        id={`${id}-note`}
        className={`field-note ${problem === undefined ? '' : 'trouble'}`}
        aria-live="polite"
      >
        {problem ?? hint}
      </p>
    </div>
  )
}

type TextFieldProps = Shared &
  Omit<InputHTMLAttributes<HTMLInputElement>, 'onChange'> & { readonly onText: (text: string) => void }

/** One line of text. What is typed here is never corrected, capitalised or remembered by the browser. */
export function TextField({ label, hint, problem, end, unit, onText, ...rest }: TextFieldProps): ReactNode {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, problem, end }} {...(unit === undefined ? {} : { unit })}>
      <input
        type="text"
        autoComplete="off"
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        {...rest}
        id={id}
        aria-describedby={`${id}-note`}
        aria-invalid={problem !== undefined}
        onChange={(event) => onText(event.target.value)}
      />
    </Frame>
  )
}

type TextAreaProps = Shared &
  Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'onChange'> & { readonly onText: (text: string) => void }

export function TextArea({ label, hint, problem, end, onText, ...rest }: TextAreaProps): ReactNode {
  const id = useId()
  return (
    <Frame {...{ id, label, hint, problem, end }}>
      <textarea
        autoComplete="off"
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        rows={3}
        {...rest}
        id={id}
        aria-describedby={`${id}-note`}
        aria-invalid={problem !== undefined}
        onChange={(event) => onText(event.target.value)}
      />
    </Frame>
  )
}

interface AmountFieldProps {
  readonly value: string
  readonly onText: (text: string) => void
  readonly problem?: string | undefined
  readonly hint?: ReactNode
  readonly end?: ReactNode
  readonly disabled?: boolean
  readonly autoFocus?: boolean
  readonly placeholder?: string
}

/** An amount in sats. Its name is always `Amount`. */
export function AmountField(props: AmountFieldProps): ReactNode {
  return (
    <TextField label={t.amount.label} inputMode="decimal" unit={t.app.sat} className="figures" {...props} />
  )
}
