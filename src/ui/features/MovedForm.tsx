import { type ReactNode, useRef, useState } from 'react'
import { noteDurability } from '../state/durability.ts'
import { type FileKind, kindOf } from '../state/files.ts'
import { useAction } from '../state/hooks.ts'
import { client } from '../state/session.ts'
import { t } from '../text/en.ts'
import { moveText } from '../text/move.ts'
import { Button } from '../widgets/Button.tsx'
import { TextField } from '../widgets/Field.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

/** A moved wallet's file in: the wallet goes on here. */
export function MovedForm({ onCancel }: { readonly onCancel: () => void }): ReactNode {
  const [chosen, setChosen] = useState<{ readonly file: File; readonly kind: FileKind }>()
  const [password, setPassword] = useState('')
  const open = useAction(async () => {
    if (chosen === undefined) return
    const file = new Uint8Array(await chosen.file.arrayBuffer())
    await client().importMove({ file, password })
    void noteDurability(true).catch(() => undefined)
  })
  const good = chosen?.kind === 'wallet'
  return (
    <form
      className="welcome-body"
      onSubmit={(event) => {
        event.preventDefault()
        if (good && password !== '') void open.run()
      }}
    >
      <ChosenFile
        label={moveText.file}
        about={moveText.fileAbout}
        choose={moveText.choose}
        name={chosen?.file.name}
        problem={chosen === undefined || good ? undefined : moveText.wrongKind[chosen.kind]}
        onFile={async (file) => {
          open.clear()
          setChosen({ file, kind: await kindOf(file) })
        }}
      />
      <TextField
        label={moveText.password}
        type="password"
        autoComplete="off"
        value={password}
        onText={(typed) => {
          setPassword(typed)
          open.clear()
        }}
      />
      {open.pending ? <Waiting what={moveText.opening} /> : null}
      <Trouble error={open.error} />
      <div className="buttons buttons-even">
        <Button onClick={onCancel} disabled={open.pending}>
          {t.app.cancel}
        </Button>
        <Button look="primary" type="submit" disabled={!good || password === '' || open.pending}>
          {t.app.continue}
        </Button>
      </div>
      <p className="quiet">{moveText.openAbout}</p>
    </form>
  )
}

interface ChosenFileProps {
  /** The picker's accessible name. */
  readonly label: string
  readonly about: string
  readonly choose: string
  readonly name: string | undefined
  readonly problem: string | undefined
  readonly onFile: (file: File) => Promise<void>
}

/** A file to choose, its name once it is chosen, and what is wrong with it. */
export function ChosenFile({ label, about, choose, name, problem, onFile }: ChosenFileProps): ReactNode {
  const picker = useRef<HTMLInputElement>(null)
  return (
    <div className="stack stack-tight">
      <Button onClick={() => picker.current?.click()}>
        {name === undefined ? choose : moveText.chosen(name)}
      </Button>
      <p className={problem === undefined ? 'quiet' : 'trouble'} aria-live="polite">
        {problem ?? about}
      </p>
      <input
        ref={picker}
        type="file"
        hidden
        aria-label={label}
        onChange={(event) => {
          const [file] = event.target.files ?? []
          event.target.value = ''
          if (file !== undefined) void onFile(file)
        }}
      />
    </div>
  )
}
