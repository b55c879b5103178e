import type { ButtonHTMLAttributes, ReactNode } from 'react'

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  /** `primary` once a screen, `quiet` for what is beside the point, `danger` for what cannot be undone. */
  readonly look?: 'primary' | 'plain' | 'quiet' | 'danger'
  readonly icon?: ReactNode
  readonly wide?: boolean
}

export function Button({ look = 'plain', icon, wide, className, children, ...rest }: ButtonProps): ReactNode {
  return (
    <button
      type="button"
      {...rest}
      className={`button button-${look} ${wide === true ? 'button-wide' : ''} ${className ?? ''}`}
    >
      {icon}
      {children}
    </button>
  )
}
