import type { ReactNode } from 'react'
import { useAction } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** Whether payments of others are passed on: off until the user says otherwise. */
export function Forwarding(): ReactNode {
  const on = useNode((node) => node.settings.forwarding)
  const change = useAction(async () => {
    await client().updateSettings({ forwarding: !on })
  })
  return (
    <Section title={t.settings.forwarding}>
      <p>{on ? t.settings.forwardingOn : t.settings.forwardingOff}</p>
      <p className="quiet">{t.settings.forwardingAbout}</p>
      <Button disabled={change.pending} onClick={() => void change.run()}>
        {on ? t.settings.forwardingStop : t.settings.forwardingStart}
      </Button>
      <Trouble error={change.error} />
    </Section>
  )
}
