import { Pause, Play } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import '../styles/commitments.css'
import { CommitmentView } from '../features/commitments/CommitmentView.tsx'
import { useChannelView } from '../features/commitments/useChannelView.ts'
import { useNames } from '../state/names.ts'
import { useNode } from '../state/session.ts'
import { c } from '../text/commitments.ts'
import { t } from '../text/en.ts'
import { Button } from '../widgets/Button.tsx'
import { Screen } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

/** A channel's commitment machine as it runs. It can be held, since figures that change cannot be read out. */
export default function Commitments({ channelId }: { readonly channelId: string }): ReactNode {
  const names = useNames()
  const peer = useNode((node) => node.channels.find((one) => one.channelId === channelId)?.peer)
  const [held, setHeld] = useState(false)
  const { view, rates, error } = useChannelView(channelId, held)
  const facts =
    view === undefined
      ? []
      : [
          peer === undefined ? '' : names.of(peer),
          view.format,
          c.roles[view.role],
          c.links[view.link],
          held ? c.held : '',
        ]
  return (
    <Screen
      title={c.title}
      back={`/channels/${channelId}`}
      className="commitments-screen"
      actions={
        <Button
          className="button-small"
          icon={held ? <Play aria-hidden="true" /> : <Pause aria-hidden="true" />}
          onClick={() => setHeld(!held)}
        >
          {held ? c.run : c.hold}
        </Button>
      }
    >
      {error === undefined ? null : <Trouble error={error} />}
      {view === undefined ? (
        error === undefined ? (
          <Waiting what={c.waiting} />
        ) : null
      ) : (
        <>
          <p className="commitments-head mono">{facts.filter((fact) => fact !== '').join('  ')}</p>
          <p className="visually-hidden" role="status">
            {held ? c.heldAbout : ''}
          </p>
          {view.failure === undefined ? null : <p className="callout">{view.failure}</p>}
          {view.closing ? <p className="quiet">{c.closing}</p> : null}
          {view.link === 'online' || view.failure !== undefined ? null : <p className="quiet">{c.offline}</p>}
          <CommitmentView view={view} rates={rates} />
        </>
      )}
      {view === undefined && error !== undefined ? <p className="quiet">{t.channels.gone}</p> : null}
    </Screen>
  )
}
