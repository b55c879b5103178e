import { type ReactNode, useState } from 'react'
import { moveText } from '../text/move.ts'
import { TextField } from '../widgets/Field.tsx'

/** Shorter ones are guessed in an afternoon, whatever each guess costs. */
const LEAST = 8

/** A new password for a file, typed twice; tells the whole of it, or undefined while it is none. */
export function FilePassword({
  onPassword,
  hint = moveText.passwordHint,
}: {
  readonly onPassword: (password: string | undefined) => void
  readonly hint?: string
}): ReactNode {
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const told = (first: string, second: string) =>
    onPassword(first.length >= LEAST && first === second ? first : undefined)
  return (
    <>
      <TextField
        label={moveText.password}
        type="password"
        autoComplete="new-password"
        hint={hint}
        problem={password !== '' && password.length < LEAST ? moveText.short(LEAST) : undefined}
        value={password}
        onText={(typed) => {
          setPassword(typed)
          told(typed, again)
        }}
      />
      <TextField
        label={moveText.passwordAgain}
        type="password"
        autoComplete="new-password"
        problem={again !== '' && again !== password ? moveText.differs : undefined}
        value={again}
        onText={(typed) => {
          setAgain(typed)
          told(password, typed)
        }}
      />
    </>
  )
}
