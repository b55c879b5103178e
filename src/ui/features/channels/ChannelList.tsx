import type { ReactNode } from 'react'
import { Link } from 'wouter'
import type { Channel } from '../../../contract/schemas.ts'
import { useNames } from '../../state/names.ts'
import { t } from '../../text/en.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Bar } from '../../widgets/Bar.tsx'
import { isLive, partsOf, statusOf } from './figures.ts'

/** A channel's bar, with words for those who do not see it. */
export function CapacityBar({ channel }: { readonly channel: Channel }): ReactNode {
  return <Bar parts={partsOf(channel)} label={t.channels.capacity} />
}

function Row({ channel, selected }: { readonly channel: Channel; readonly selected: boolean }): ReactNode {
  const names = useNames()
  const figures =
    channel.status === 'open'
      ? [
          { label: t.channels.spendable, msat: channel.spendableMsat },
          { label: t.channels.receivable, msat: channel.receivableMsat },
        ]
      : [
          { label: t.channels.yours, msat: channel.localMsat },
          { label: t.channels.theirs, msat: channel.remoteMsat },
        ]
  const good = channel.status === 'open' && channel.connected
  return (
    <li>
      <Link
        href={`/channels/${channel.channelId}`}
        className="channel-row"
        aria-current={selected ? 'true' : undefined}
      >
        <span className="channel-name">
          <span className={`dot ${good ? 'dot-good' : channel.status === 'failed' ? 'dot-bad' : ''}`} />
          {names.of(channel.peer)}
        </span>
        <span className="channel-status">{statusOf(channel)}</span>
        {isLive(channel) ? (
          <>
            <CapacityBar channel={channel} />
            {figures.map(({ label, msat }) => (
              <span key={label} className="channel-figure">
                <span className="quiet">{label}</span> <Amount msat={msat} unit={false} />
              </span>
            ))}
          </>
        ) : null}
      </Link>
    </li>
  )
}

/** All channels, those with money in them first. */
export function ChannelList({
  channels,
  selected,
}: {
  readonly channels: readonly Channel[]
  readonly selected: string | undefined
}): ReactNode {
  const live = channels.filter(isLive)
  const past = channels.filter((channel) => !isLive(channel))
  return (
    <>
      <ul className="channel-list" aria-label={t.channels.list}>
        {live.map((channel) => (
          <Row key={channel.channelId} channel={channel} selected={channel.channelId === selected} />
        ))}
      </ul>
      {past.length === 0 ? null : (
        <>
          <h2 className="past-head">{t.channels.past}</h2>
          <ul className="channel-list" aria-label={t.channels.past}>
            {past.map((channel) => (
              <Row key={channel.channelId} channel={channel} selected={channel.channelId === selected} />
            ))}
          </ul>
        </>
      )}
    </>
  )
}
