import { type ReactNode, useEffect } from 'react'
import { Erase } from '../features/settings/Erase.tsx'
import { ExitFile } from '../features/settings/ExitFile.tsx'
import { ChannelBackup } from '../features/settings/ChannelBackup.tsx'
import { Move } from '../features/settings/Move.tsx'
import { Lock } from '../features/settings/Lock.tsx'
import { About, Logs, Look } from '../features/settings/Rest.tsx'
import { Servers } from '../features/settings/Servers.tsx'
import { Forwarding } from '../features/settings/Forwarding.tsx'
import { Storage } from '../features/settings/Storage.tsx'
import { Words } from '../features/settings/Words.tsx'
import { t } from '../text/en.ts'
import { Panes, Screen } from '../widgets/Screen.tsx'

/** What belongs to this device and this wallet. Who comes for one section (its `id`) begins at it. */
export default function Settings({ at }: { readonly at?: string | undefined }): ReactNode {
  useEffect(() => {
    if (at !== undefined) document.getElementById(at)?.scrollIntoView()
  }, [at])
  return (
    <Screen title={t.settings.title}>
      <Panes
        first={
          <>
            <Words />
            <ChannelBackup />
            <ExitFile />
            <Lock />
            <Move />
            <Servers />
          </>
        }
        second={
          <>
            <Look />
            <Storage />
            <Forwarding />
            <Logs />
            <Erase />
            <About />
          </>
        }
      />
    </Screen>
  )
}
