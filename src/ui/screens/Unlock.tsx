import { type ReactNode, useState } from 'react'
import { Erase } from '../features/settings/Erase.tsx'
import { useAction } from '../state/hooks.ts'
import { askPasskey, type PasskeyProblem } from '../state/passkey.ts'
import { client, useNode } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Button } from '../widgets/Button.tsx'
import { TextField } from '../widgets/Field.tsx'
import { Mark } from '../widgets/Mark.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

/** What a locked wallet shows, and all that it shows. */
export default function Unlock(): ReactNode {
  const lock = useNode((node) => node.lock)
  const [password, setPassword] = useState('')
  const [problem, setProblem] = useState<PasskeyProblem>()
  const byPassword = useAction(async () => {
    setProblem(undefined)
    try {
      await client().unlock({ password })
    } finally {
      setPassword('')
    }
  })
  const byPasskey = useAction(async () => {
    const { passkey } = lock
    if (passkey === undefined) return
    setProblem(undefined)
    byPassword.clear()
    const answer = await askPasskey(passkey.credentialId, passkey.salt)
    if (typeof answer === 'string') return setProblem(answer)
    await client().unlock({ passkeySecret: answer.secret })
  })
  const pending = byPassword.pending || byPasskey.pending
  return (
    <main className="welcome" id="content">
      <div className="welcome-head">
        <Mark className="welcome-mark" />
        <h1>{t.lock.title}</h1>
        <p className="welcome-tagline">{t.lock.about}</p>
      </div>
      <div className="welcome-body">
        {lock.password ? (
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault()
              void byPassword.run()
            }}
          >
            <TextField
              label={t.lock.password}
              type="password"
              autoComplete="current-password"
              autoFocus
              value={password}
              onText={(typed) => {
                setPassword(typed)
                byPassword.clear()
              }}
            />
            <Button look="primary" type="submit" wide disabled={password === '' || pending}>
              {t.lock.unlock}
            </Button>
          </form>
        ) : null}
        {lock.passkey === undefined ? null : (
          <Button
            look={lock.password ? 'plain' : 'primary'}
            wide
            disabled={pending}
            onClick={() => void byPasskey.run()}
          >
            {t.lock.usePasskey}
          </Button>
        )}
        {pending ? <Waiting what={t.lock.opening} /> : null}
        {problem === undefined ? null : (
          <p className="trouble" role="alert">
            {t.lock.passkeyProblem[problem]}
          </p>
        )}
        <Trouble error={byPassword.error ?? byPasskey.error} />
        <details className="disclosure">
          <summary>{t.lock.forgotten}</summary>
          <p className="quiet">{t.lock.forgottenAbout}</p>
          <Erase />
        </details>
      </div>
    </main>
  )
}
