import { type ReactNode, useState } from 'react'
import type { Input } from '../../../contract/procedures.ts'
import { useAction } from '../../state/hooks.ts'
import { askPasskey, makePasskey, type PasskeyProblem, passkeysExist } from '../../state/passkey.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { TextField } from '../../widgets/Field.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { Waiting } from '../../widgets/Waiting.tsx'

type Proof = Input<'unlock'>
type Task = 'setPassword' | 'removePassword' | 'addPasskey' | 'removePasskey'

/** Shorter ones are guessed in an afternoon, whatever each guess costs. */
const LEAST = 8

/** The password and the passkey before the wallet: made, changed, taken away. */
export function Lock(): ReactNode {
  const lock = useNode((node) => node.lock)
  const [task, setTask] = useState<Task>()
  const lockNow = useAction(async () => {
    await client().lock({})
  })
  const locked = lock.password || lock.passkey !== undefined
  return (
    <Section id="lock" title={t.lock.section}>
      <p className="quiet">{t.lock.sectionAbout}</p>
      <p className={locked ? '' : 'accent'}>
        {lock.password && lock.passkey !== undefined
          ? t.lock.hasBoth
          : lock.password
            ? t.lock.hasPassword
            : lock.passkey !== undefined
              ? t.lock.hasPasskey
              : t.lock.hasNone}
      </p>
      <div className="buttons buttons-column">
        <Button onClick={() => setTask('setPassword')}>
          {lock.password ? t.lock.changePassword : t.lock.setPassword}
        </Button>
        {passkeysExist() && lock.passkey === undefined ? (
          <Button onClick={() => setTask('addPasskey')}>{t.lock.addPasskey}</Button>
        ) : null}
        {lock.password ? (
          <Button onClick={() => setTask('removePassword')}>{t.lock.removePassword}</Button>
        ) : null}
        {lock.passkey === undefined ? null : (
          <Button onClick={() => setTask('removePasskey')}>{t.lock.removePasskey}</Button>
        )}
        {locked ? (
          <Button disabled={lockNow.pending} onClick={() => void lockNow.run()}>
            {t.lock.lockNow}
          </Button>
        ) : null}
      </div>
      <Trouble error={lockNow.error} />
      {task === undefined ? null : <TaskDialog task={task} onDone={() => setTask(undefined)} />}
    </Section>
  )
}

function TaskDialog({ task, onDone }: { readonly task: Task; readonly onDone: () => void }): ReactNode {
  const lock = useNode((node) => node.lock)
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [again, setAgain] = useState('')
  const [problem, setProblem] = useState<PasskeyProblem>()
  const locked = lock.password || lock.passkey !== undefined

  /** What opens the present lock: the password where one is set, the passkey otherwise. */
  async function prove(): Promise<Proof | PasskeyProblem | undefined> {
    if (lock.password) return { password: current }
    if (lock.passkey === undefined) return undefined
    const answer = await askPasskey(lock.passkey.credentialId, lock.passkey.salt)
    return typeof answer === 'string' ? answer : { passkeySecret: answer.secret }
  }

  const go = useAction(async () => {
    setProblem(undefined)
    const proof = await prove()
    if (typeof proof === 'string') return setProblem(proof)
    const proven = proof === undefined ? {} : { proof }
    if (task === 'setPassword') await client().addLock({ lock: { password: next }, ...proven })
    else if (task === 'addPasskey') {
      const passkey = await makePasskey(t.app.name)
      if (typeof passkey === 'string') return setProblem(passkey)
      await client().addLock({ lock: { passkey }, ...proven })
    } else if (proof !== undefined) {
      await client().removeLock({ kind: task === 'removePassword' ? 'password' : 'passkey', proof })
    }
    onDone()
  })

  const short = next !== '' && next.length < LEAST
  const differs = again !== '' && again !== next
  const ready =
    (!lock.password || current !== '') &&
    (task !== 'setPassword' || (next.length >= LEAST && again === next)) &&
    !go.pending
  return (
    <Dialog title={t.lock.tasks[task]} onClose={onDone}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) void go.run()
        }}
      >
        <p>{t.lock.taskAbout[task]}</p>
        {lock.password ? (
          <TextField
            label={t.lock.currentPassword}
            type="password"
            autoComplete="current-password"
            value={current}
            onText={(typed) => {
              setCurrent(typed)
              go.clear()
            }}
          />
        ) : null}
        {task === 'setPassword' ? (
          <>
            <TextField
              label={t.lock.newPassword}
              type="password"
              autoComplete="new-password"
              hint={t.lock.passwordHint}
              problem={short ? t.lock.passwordShort(LEAST) : undefined}
              value={next}
              onText={setNext}
            />
            <TextField
              label={t.lock.newPasswordAgain}
              type="password"
              autoComplete="new-password"
              problem={differs ? t.lock.passwordDiffers : undefined}
              value={again}
              onText={setAgain}
            />
          </>
        ) : null}
        {go.pending ? <Waiting what={locked ? t.lock.changing : t.lock.sealing} /> : null}
        {problem === undefined ? null : (
          <p className="trouble" role="alert">
            {t.lock.passkeyProblem[problem]}
          </p>
        )}
        <Trouble error={go.error} />
        <div className="buttons buttons-even">
          <Button onClick={onDone} disabled={go.pending}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" disabled={!ready}>
            {t.lock.taskDo[task]}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
