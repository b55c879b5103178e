import { type ReactNode, useState } from 'react'
import { exitForm, fillExitPage } from '../../state/exit-page.ts'
import { saveFile } from '../../state/files.ts'
import { useAction } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { exitText } from '../../text/exit.ts'
import { formatExact } from '../../text/times.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { Waiting } from '../../widgets/Waiting.tsx'
import { FilePassword } from '../FilePassword.tsx'

/** The way out without the app: one page that claims what is on the chain, with the sealed copy in it. */
export function ExitFile(): ReactNode {
  const exit = useNode((node) => node.backup.exit)
  const [asking, setAsking] = useState(false)
  return (
    <Section title={exitText.section}>
      <p className="quiet">{exitText.about}</p>
      <p className={exit === undefined || exit.holds === 'older' ? 'accent' : ''}>
        {exit === undefined ? exitText.holds.none : exitText.holds[exit.holds](formatExact(exit.savedAt))}
      </p>
      <Button className={asking ? 'set-aside' : ''} onClick={() => setAsking(true)}>
        {exitText.save}
      </Button>
      {asking ? <SaveDialog onClose={() => setAsking(false)} /> : null}
    </Section>
  )
}

function SaveDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [password, setPassword] = useState<string>()
  const save = useAction(async () => {
    if (password === undefined) return
    // The form first: a copy that cannot be put anywhere must not count as saved.
    const form = await exitForm()
    const { name, file } = await client().exportExitFile({ password })
    saveFile(name, new TextEncoder().encode(fillExitPage(form, file)))
    onClose()
  })
  const close = () => {
    if (!save.pending) onClose()
  }
  return (
    <Dialog title={exitText.title} onClose={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        <p>{exitText.dialogAbout}</p>
        <FilePassword onPassword={setPassword} hint={exitText.passwordHint} />
        {save.pending ? <Waiting what={exitText.sealing} /> : null}
        <Trouble error={save.error} />
        <div className="buttons buttons-even">
          <Button onClick={close} disabled={save.pending}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" disabled={password === undefined || save.pending}>
            {exitText.go}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
