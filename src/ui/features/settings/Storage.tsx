import { type ReactNode, useState } from 'react'
import { useAction, useLoad } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { t } from '../../text/en.ts'
import { Button } from '../../widgets/Button.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

function formatBytes(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  const value = bytes / 1000 ** power
  return `${value < 10 && power > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[power]}`
}

/** Whether the browser keeps the wallet, how much it holds, and the button that asks for more. */
export function Storage(): ReactNode {
  const noted = useNode((node) => node.settings.storagePersisted)
  const [refused, setRefused] = useState(false)
  const storage: StorageManager | undefined = navigator.storage
  const held = useLoad(storage === undefined ? undefined : String(noted), async () => {
    const persisted = await navigator.storage.persisted()
    // The node learns what the browser has decided meanwhile, so that its notice comes and goes rightly.
    if (persisted !== noted) await client().updateSettings({ storagePersisted: persisted })
    return { persisted, estimate: await navigator.storage.estimate() }
  })
  const ask = useAction(async () => {
    const granted = await storage.persist()
    setRefused(!granted)
    if (granted) await client().updateSettings({ storagePersisted: true })
  })
  const durable = held.value?.persisted ?? noted
  const { usage, quota } = held.value?.estimate ?? {}
  return (
    <Section id="storage" title={t.settings.storage}>
      <p>
        {storage === undefined
          ? t.settings.storageUnknown
          : durable
            ? t.settings.storageDurable
            : t.settings.storageBestEffort}
      </p>
      {usage === undefined || quota === undefined || quota === 0 ? null : (
        <p className="quiet">{t.settings.storageUse(formatBytes(usage), formatBytes(quota))}</p>
      )}
      {durable || storage === undefined ? null : (
        <Button disabled={ask.pending} onClick={() => void ask.run()}>
          {t.settings.storageAsk}
        </Button>
      )}
      {refused ? (
        <p className="quiet" role="status">
          {t.settings.storageRefused}
        </p>
      ) : null}
      <Trouble error={ask.error ?? held.error} />
    </Section>
  )
}
