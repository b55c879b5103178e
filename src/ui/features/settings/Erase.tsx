import { type ReactNode, useState } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Dialog } from '../../widgets/Dialog.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Only for practice: chains of play money are started over, and a wallet of an old one is of no use. */
export function Erase(): ReactNode {
  const network = useNode((node) => node.network)
  const [asking, setAsking] = useState(false)
  const erase = useAction(async () => {
    await client().eraseWallet({ confirm: 'erase' })
  })
  if (network !== 'regtest') return null
  return (
    <Section title={t.settings.erase}>
      <p className="quiet">{t.settings.eraseAbout}</p>
      <Button className={asking ? 'set-aside' : ''} onClick={() => setAsking(true)}>
        {t.settings.eraseButton}
      </Button>
      {asking ? (
        <Dialog title={t.settings.eraseTitle} onClose={() => setAsking(false)}>
          <p>{t.settings.eraseConfirm}</p>
          <Trouble error={erase.error} />
          <div className="buttons buttons-even">
            <Button onClick={() => setAsking(false)}>{t.app.cancel}</Button>
            <Button look="primary" disabled={erase.pending} onClick={() => void erase.run()}>
              {t.settings.eraseNow}
            </Button>
          </div>
        </Dialog>
      ) : null}
    </Section>
  )
}
