import { type ReactNode, useState } from 'react'
import { saveFile } from '../../state/files.ts'
import { useAction } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { moveText } from '../../text/move.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { Waiting } from '../../widgets/Waiting.tsx'
import { FilePassword } from '../FilePassword.tsx'

/** The whole wallet as one file for another device; this one stops for good. */
export function Move(): ReactNode {
  const [asking, setAsking] = useState(false)
  return (
    <Section title={moveText.section}>
      <p className="quiet">{moveText.sectionAbout}</p>
      <Button className={asking ? 'set-aside' : ''} onClick={() => setAsking(true)}>
        {moveText.start}
      </Button>
      {asking ? <MoveDialog onClose={() => setAsking(false)} /> : null}
    </Section>
  )
}

/** Asks for the file's password and saves it. Once the wallet has moved, its own screen stands where this was. */
function MoveDialog({ onClose }: { readonly onClose: () => void }): ReactNode {
  const [password, setPassword] = useState<string>()
  const live = useNode((node) => node.channels).filter(
    ({ status }) => status === 'open' || status === 'confirming',
  )
  const names = useNames()
  const away = [...new Set(live.filter(({ connected }) => !connected).map(({ peer }) => names.of(peer)))]
  const move = useAction(async () => {
    if (password === undefined) return
    const { name, file } = await client().exportMove({ password })
    saveFile(name, file)
  })
  const close = () => {
    if (!move.pending) onClose()
  }
  return (
    <Dialog title={moveText.title} onClose={close}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void move.run()
        }}
      >
        <ol className="move-steps">
          {moveText.steps.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
        {away.length === 0 ? null : <p className="callout">{moveText.away(away.join(', '))}</p>}
        {live.some(({ htlcs }) => htlcs > 0) ? <p className="callout">{moveText.busy}</p> : null}
        <FilePassword onPassword={setPassword} />
        {move.pending ? <Waiting what={moveText.sealing} /> : null}
        <Trouble error={move.error} />
        <div className="buttons buttons-even">
          <Button onClick={close} disabled={move.pending}>
            {t.app.cancel}
          </Button>
          <Button look="danger" type="submit" disabled={password === undefined || move.pending}>
            {moveText.go}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
