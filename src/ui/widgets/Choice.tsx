import { type ReactNode, useId } from 'react'

export interface Option<V extends string> {
  readonly value: V
  readonly label: ReactNode
  readonly about?: ReactNode
  readonly disabled?: boolean
}

interface ChoiceProps<V extends string> {
  readonly label: string
  readonly value: V
  readonly options: readonly Option<V>[]
  readonly onChoose: (value: V) => void
  /** `row`: side by side, few words. `list`: one under the other with an explanation each. */
  readonly look?: 'row' | 'list'
  readonly showLabel?: boolean
}

/** One of a few: radio buttons, as a row of segments or as a list. */
export function Choice<V extends string>(props: ChoiceProps<V>): ReactNode {
  const { label, value, options, onChoose, look = 'row', showLabel = true } = props
  const name = useId()
  return (
    <fieldset className={`choice choice-${look}`}>
      <legend className={showLabel ? 'field-label' : 'visually-hidden'}>{label}</legend>
      <div className="choice-options">
        {options.map((option) => (
          <label
            key={option.value}
            className={`choice-option ${option.disabled === true ? 'choice-off' : ''}`}
          >
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              disabled={option.disabled}
              onChange={() => onChoose(option.value)}
            />
            <span className="choice-text">
              <span className="choice-label">{option.label}</span>
              {option.about === undefined ? null : <span className="choice-about">{option.about}</span>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
