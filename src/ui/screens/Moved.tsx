import { type ReactNode, useState } from 'react'
import { FilePassword } from '../features/FilePassword.tsx'
import { saveFile } from '../state/files.ts'
import { useAction } from '../state/hooks.ts'
import { client, useNode } from '../state/session.ts'
import { t } from '../text/en.ts'
import { moveText } from '../text/move.ts'
import { Button } from '../widgets/Button.tsx'
import { Dialog } from '../widgets/Dialog.tsx'
import { TextField } from '../widgets/Field.tsx'
import { Mark } from '../widgets/Mark.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

type Asking = 'save' | 'erase' | 'back'

/** What a wallet shows that has moved away, and all that it shows. */
export default function Moved(): ReactNode {
  const moved = useNode((node) => node.moved)
  const [asking, setAsking] = useState<Asking>()
  if (moved === undefined) return null
  const { how, at } = moved
  const handedOut = how === 'handedOut'
  const close = () => setAsking(undefined)
  return (
    <main className="welcome" id="content">
      <div className="welcome-head">
        <Mark className="welcome-mark" tone="faint" />
        <h1>{handedOut ? moveText.movedTitle : moveText.elsewhereTitle}</h1>
      </div>
      <div className="welcome-body">
        <p>{handedOut ? moveText.movedAbout(at) : moveText.elsewhereAbout(at)}</p>
        <p>{handedOut ? moveText.movedNext : moveText.elsewhereNext}</p>
        <div className="buttons buttons-column">
          {handedOut ? (
            <Button look="primary" wide onClick={() => setAsking('save')}>
              {moveText.saveAgain}
            </Button>
          ) : null}
          <Button wide onClick={() => setAsking('erase')}>
            {moveText.erase}
          </Button>
          <Button look="quiet" wide onClick={() => setAsking('back')}>
            {moveText.back}
          </Button>
        </div>
      </div>
      {asking === 'save' ? <SaveAgain onDone={close} /> : null}
      {asking === 'erase' ? <EraseMoved onDone={close} /> : null}
      {asking === 'back' ? <BringBack onDone={close} /> : null}
    </main>
  )
}

interface AskProps {
  readonly onDone: () => void
}

function SaveAgain({ onDone }: AskProps): ReactNode {
  const [password, setPassword] = useState<string>()
  const save = useAction(async () => {
    if (password === undefined) return
    const { name, file } = await client().exportMove({ password })
    saveFile(name, file)
    onDone()
  })
  return (
    <Dialog title={moveText.saveAgain} onClose={onDone}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void save.run()
        }}
      >
        <p>{moveText.saveAgainAbout}</p>
        <FilePassword onPassword={setPassword} />
        {save.pending ? <Waiting what={moveText.sealing} /> : null}
        <Trouble error={save.error} />
        <div className="buttons buttons-even">
          <Button onClick={onDone} disabled={save.pending}>
            {t.app.cancel}
          </Button>
          <Button look="primary" type="submit" disabled={password === undefined || save.pending}>
            {moveText.saveIt}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function EraseMoved({ onDone }: AskProps): ReactNode {
  const erase = useAction(async () => {
    await client().eraseWallet({ confirm: 'erase' })
  })
  return (
    <Dialog title={moveText.eraseTitle} onClose={onDone}>
      <p>{moveText.eraseAbout}</p>
      <Trouble error={erase.error} />
      <div className="buttons buttons-even">
        <Button onClick={onDone}>{t.app.cancel}</Button>
        <Button look="danger" disabled={erase.pending} onClick={() => void erase.run()}>
          {moveText.eraseNow}
        </Button>
      </div>
    </Dialog>
  )
}

/** What may cost money asks for more than a click. */
function BringBack({ onDone }: AskProps): ReactNode {
  const [typed, setTyped] = useState('')
  const back = useAction(async () => {
    await client().takeBackWallet({ confirm: 'bring back' })
  })
  const ready = typed.trim().toLowerCase() === moveText.backWord && !back.pending
  return (
    <Dialog title={moveText.backTitle} onClose={onDone}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault()
          if (ready) void back.run()
        }}
      >
        {moveText.backAbout.map((line) => (
          <p key={line}>{line}</p>
        ))}
        <TextField label={moveText.backField(moveText.backWord)} value={typed} onText={setTyped} />
        {back.pending ? <Waiting what={moveText.backWaits} /> : null}
        <Trouble error={back.error} />
        <div className="buttons buttons-even">
          <Button onClick={onDone} disabled={back.pending}>
            {t.app.cancel}
          </Button>
          <Button look="danger" type="submit" disabled={!ready}>
            {moveText.backNow}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
