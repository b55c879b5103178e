import { Plus } from 'lucide-react'
import type { ReactNode } from 'react'
import { useLocation } from 'wouter'
import { ChannelDetail } from '../features/channels/ChannelDetail.tsx'
import { ChannelList } from '../features/channels/ChannelList.tsx'
import { OpenChannel } from '../features/channels/OpenChannel.tsx'
import { useNode } from '../state/session.ts'
import { t } from '../text/en.ts'
import { Button } from '../widgets/Button.tsx'
import { Empty } from '../widgets/Empty.tsx'
import { Screen } from '../widgets/Screen.tsx'

interface ChannelsProps {
  /** The channel looked at, `open` for the form that opens one, undefined for the list. */
  readonly at: string | undefined
}

/** The list and, beside it or in its place, one channel or the form that opens one. */
export default function Channels({ at }: ChannelsProps): ReactNode {
  const [, navigate] = useLocation()
  const channels = useNode((node) => node.channels)
  const opening = at === 'open'
  const chosen = channels.find((channel) => channel.channelId === at)
  const openButton = opening ? null : (
    <Button
      look={channels.length === 0 ? 'primary' : 'plain'}
      icon={<Plus aria-hidden="true" />}
      onClick={() => navigate('/channels/open')}
    >
      {t.channels.open}
    </Button>
  )
  const detail = opening ? (
    <>
      <h2>{t.channels.openTitle}</h2>
      <OpenChannel />
    </>
  ) : chosen !== undefined ? (
    <ChannelDetail key={chosen.channelId} channel={chosen} />
  ) : at === undefined ? (
    <p className="quiet wide-only">{channels.length === 0 ? null : t.channels.select}</p>
  ) : (
    <p className="quiet">{t.channels.gone}</p>
  )
  return (
    <Screen
      title={t.channels.title}
      {...(at === undefined ? {} : { back: '/channels' })}
      actions={
        channels.length === 0 || opening ? null : (
          <div className={at === undefined ? '' : 'wide-only'}>{openButton}</div>
        )
      }
      className={`master-detail ${at === undefined ? 'at-master' : 'at-detail'}`}
    >
      <div className="panes">
        <div className="pane pane-master">
          {channels.length === 0 ? (
            <Empty title={t.channels.empty}>
              <p>{t.channels.emptyTodo}</p>
              {openButton}
            </Empty>
          ) : (
            <ChannelList channels={channels} selected={at} />
          )}
        </div>
        <div className="pane pane-detail">{detail}</div>
      </div>
    </Screen>
  )
}
