import type { ReactNode } from 'react'
import { useAction } from '../../state/hooks.ts'
import { prefs, THEMES, usePrefs } from '../../state/prefs.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Choice } from '../../widgets/Choice.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

export function Look(): ReactNode {
  const theme = usePrefs((p) => p.theme)
  return (
    <Section title={t.settings.look}>
      <Choice
        label={t.settings.theme}
        value={theme}
        onChoose={(chosen) => prefs.setState({ theme: chosen })}
        options={THEMES.map((value) => ({ value, label: t.settings.themes[value] }))}
      />
    </Section>
  )
}

export function Logs(): ReactNode {
  const save = useAction(async () => {
    const { text } = await client().exportLogs()
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `switchback-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.log`
    link.click()
    // The download has its own reference by the next task.
    setTimeout(() => URL.revokeObjectURL(url))
  })
  return (
    <Section title={t.settings.logs}>
      <p className="quiet">{t.settings.logsAbout}</p>
      <Button disabled={save.pending} onClick={() => void save.run()}>
        {t.settings.exportLogs}
      </Button>
      <Trouble error={save.error} />
    </Section>
  )
}

export function About(): ReactNode {
  const version = useNode((node) => node.version)
  const nodeId = useNode((node) => node.nodeId)
  return (
    <Section title={t.settings.about}>
      <Facts
        facts={[
          { name: t.settings.version, value: version },
          { name: t.settings.licence, value: t.settings.licenceIs },
          nodeId === undefined
            ? undefined
            : {
                name: t.settings.nodeId,
                value: <Code text={nodeId} label={t.settings.nodeId} />,
                code: true,
              },
        ]}
      />
    </Section>
  )
}
