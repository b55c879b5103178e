import { type ReactNode, useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** The recovery words: asked for twice, shown once, gone when left. */
export function Words(): ReactNode {
  const confirmed = useNode((node) => node.settings.wordsConfirmed)
  const [asking, setAsking] = useState(false)
  const [words, setWords] = useState<readonly string[]>()
  const show = useAction(async () => {
    setWords((await client().showWords()).words)
    setAsking(false)
  })
  const confirm = useAction(async () => {
    await client().confirmWords()
    setWords(undefined)
  })
  return (
    <Section title={t.settings.backup}>
      <p className="quiet">{t.settings.backupAbout}</p>
      <p className={confirmed ? '' : 'accent'}>{confirmed ? t.settings.backedUp : t.settings.notBackedUp}</p>
      {words === undefined ? (
        <Button className={asking ? 'set-aside' : ''} onClick={() => setAsking(true)}>
          {t.settings.showWords}
        </Button>
      ) : (
        <>
          <ol className="words" aria-label={t.settings.wordsList}>
            {words.map((word, index) => (
              <li key={`${index} ${word}`}>{word}</li>
            ))}
          </ol>
          <Trouble error={confirm.error} />
          <div className="buttons">
            {confirmed ? null : (
              <Button look="primary" disabled={confirm.pending} onClick={() => void confirm.run()}>
                {t.settings.wroteDown}
              </Button>
            )}
            <Button onClick={() => setWords(undefined)}>{t.settings.hideWords}</Button>
          </div>
        </>
      )}
      {asking ? (
        <Dialog title={t.settings.confirmTitle} onClose={() => setAsking(false)}>
          <p>{t.settings.confirmAbout}</p>
          <Trouble error={show.error} />
          <div className="buttons buttons-even">
            <Button onClick={() => setAsking(false)}>{t.app.cancel}</Button>
            <Button look="primary" disabled={show.pending} onClick={() => void show.run()}>
              {t.settings.reveal}
            </Button>
          </div>
        </Dialog>
      ) : null}
    </Section>
  )
}
