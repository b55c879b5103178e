import { type ReactNode, useState } from 'react'
import { Link } from 'wouter'
import type { Channel } from '../../../contract/schemas.ts'
import { type ClosingJob, useJobs } from '../../state/jobs.ts'
import { useNames } from '../../state/names.ts'
import { shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { hasDetail, wordsForReason } from '../../text/reasons.ts'
import { formatExact } from '../../text/times.ts'
import { unprovenText } from '../../text/unproven.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { type Fact, Facts } from '../../widgets/Facts.tsx'
import { Section } from '../../widgets/Screen.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { Waiting } from '../../widgets/Waiting.tsx'
import { BumpDialog } from '../wallet/BumpDialog.tsx'
import { CapacityBar } from './ChannelList.tsx'
import { CloseDialog } from './CloseDialog.tsx'
import { ClosingOutputs } from './ClosingOutputs.tsx'
import { Incidents } from './Incidents.tsx'
import { isLive, partsOf, statusOf } from './figures.ts'
import { Unproven } from './Unproven.tsx'

/** How a closing that was asked for here goes on. */
function Closing({ job }: { readonly job: ClosingJob | undefined }): ReactNode {
  if (job === undefined) return null
  if (job.error !== undefined) return <Trouble error={job.error} />
  if (job.update?.status === 'confirmed') return <p role="status">{t.channels.closeConfirmed}</p>
  if (job.update?.status === 'broadcast') return <p role="status">{t.channels.closeBroadcast}</p>
  return <Waiting what={t.channels.closingNow} />
}

/** Why it ends, in plain words; what the engine says about it for those who want to know. */
function Reason({ channel: { reason, reasonCode } }: { readonly channel: Channel }): ReactNode {
  if (reason === undefined) return null
  return (
    <div className="callout">
      <p>{wordsForReason(reasonCode)}</p>
      {hasDetail(reasonCode) ? (
        <details>
          <summary>{t.channels.reasonDetail}</summary>
          <p className="mono">{reason}</p>
        </details>
      ) : null}
    </div>
  )
}

/** A funding transaction of ours that is in no block yet can be hurried. */
function Hurry({ channel }: { readonly channel: Channel }): ReactNode {
  const [raising, setRaising] = useState(false)
  const { fundingTxid, status, role, confirmations } = channel
  if (fundingTxid === undefined || status !== 'confirming' || role !== 'opener' || confirmations > 0)
    return null
  return (
    <>
      <p className="quiet">{t.channels.hurryAbout}</p>
      <Button className={raising ? 'set-aside' : ''} onClick={() => setRaising(true)}>
        {t.wallet.bump}
      </Button>
      {raising ? <BumpDialog txid={fundingTxid} funding onClose={() => setRaising(false)} /> : null}
    </>
  )
}

/** Figures of a channel that still moves money; of a closed one they would all be nothing. */
const factOf =
  (channel: Channel) =>
  (fact: Fact): Fact | undefined =>
    isLive(channel) ? fact : undefined

/** Everything about one channel: an instrument, not a picture. */
export function ChannelDetail({ channel }: { readonly channel: Channel }): ReactNode {
  const names = useNames()
  const live = factOf(channel)
  const job = useJobs((j) => j.closing[channel.channelId])
  const [asking, setAsking] = useState<'close' | 'force'>()
  const canClose = channel.status === 'open' && channel.unproven === undefined
  const canForce =
    channel.status !== 'closed' &&
    channel.status !== 'forceClosing' &&
    channel.status !== 'opening' &&
    // It has been asked for: what there is to decide after that is decided above.
    !(channel.unproven !== undefined && channel.status === 'failed')
  return (
    <article className="channel-detail" aria-label={names.of(channel.peer)}>
      <header className="channel-head">
        <h2>{names.of(channel.peer)}</h2>
        <p
          className={channel.status === 'failed' && channel.unproven === undefined ? 'trouble' : 'quiet'}
          role="status"
        >
          {statusOf(channel)}
        </p>
      </header>
      {channel.restored === true ? (
        <p className="callout">{t.channelBackup.restoredReason}</p>
      ) : channel.unproven !== undefined ? (
        <Unproven channel={channel} />
      ) : (
        <Reason channel={channel} />
      )}
      {isLive(channel) ? (
        <>
          <CapacityBar channel={channel} />
          <ul className="legend">
            {partsOf(channel).map((part) => (
              <li key={part.kind}>
                <span className={`swatch swatch-${part.kind}`} />
                <span className="quiet">{part.label}</span>
                <Amount msat={part.msat} unit={false} />
              </li>
            ))}
          </ul>
        </>
      ) : null}
      <Hurry channel={channel} />
      <Closing job={job} />
      <Incidents channelId={channel.channelId} />
      <ClosingOutputs outputs={channel.closingOutputs} />
      <Section
        title={t.channels.figures}
        actions={
          isLive(channel) ? (
            <Link
              href={`/channels/${channel.channelId}/commitments`}
              className="button button-quiet button-small"
            >
              {t.channels.commitmentView}
            </Link>
          ) : null
        }
      >
        <Facts
          facts={[
            { name: t.channels.capacity, value: <Amount sat={channel.capacitySat} /> },
            {
              name: isLive(channel) ? t.channels.yourBalance : t.channels.yourLast,
              value:
                channel.restored === true ? t.channelBackup.unknown : <Amount msat={channel.localMsat} />,
            },
            {
              name: isLive(channel) ? t.channels.theirBalance : t.channels.theirLast,
              value:
                channel.restored === true ? t.channelBackup.unknown : <Amount msat={channel.remoteMsat} />,
            },
            live({ name: t.channels.spendable, value: <Amount msat={channel.spendableMsat} /> }),
            live({ name: t.channels.receivable, value: <Amount msat={channel.receivableMsat} /> }),
            live({ name: t.channels.yourReserve, value: <Amount sat={channel.localReserveSat} /> }),
            live({ name: t.channels.theirReserve, value: <Amount sat={channel.remoteReserveSat} /> }),
            live({ name: t.channels.inFlightOut, value: <Amount msat={channel.inFlightOutMsat} /> }),
            live({ name: t.channels.inFlightIn, value: <Amount msat={channel.inFlightInMsat} /> }),
            live({ name: t.channels.htlcs, value: channel.htlcs }),
            live({ name: t.channels.feerate, value: `${channel.feeratePerKw} ${t.channels.perKw}` }),
            {
              name: t.channels.commitments,
              value: t.channels.commitmentNumbers(
                channel.localCommitmentNumber,
                channel.remoteCommitmentNumber,
              ),
            },
            { name: t.channels.format, value: <span className="mono">{channel.format}</span> },
            { name: t.channels.role, value: t.channels.roles[channel.role] },
            channel.shortChannelId === undefined
              ? undefined
              : { name: t.channels.shortId, value: <span className="mono">{channel.shortChannelId}</span> },
            {
              name: t.channels.peer,
              value: (
                <Code text={channel.peer} shown={shorten(channel.peer, 10, 8)} label={t.channels.peer} />
              ),
            },
            {
              name: t.channels.id,
              value: (
                <Code
                  text={channel.channelId}
                  shown={shorten(channel.channelId, 10, 8)}
                  label={t.channels.id}
                />
              ),
            },
            channel.fundingTxid === undefined
              ? undefined
              : {
                  name: t.channels.funding,
                  value: (
                    <Code
                      text={`${channel.fundingTxid}:${channel.fundingVout ?? 0}`}
                      shown={`${shorten(channel.fundingTxid, 10, 6)}:${channel.fundingVout ?? 0}`}
                      label={t.channels.funding}
                    />
                  ),
                },
            channel.closeTxid === undefined
              ? undefined
              : {
                  name: t.channels.closeTransaction,
                  value: (
                    <Code
                      text={channel.closeTxid}
                      shown={shorten(channel.closeTxid, 10, 8)}
                      label={t.send.transaction}
                    />
                  ),
                },
            channel.closedBy === undefined
              ? undefined
              : { name: t.channels.closedHow, value: t.channels.closedBy[channel.closedBy] },
            { name: t.channels.created, value: formatExact(channel.createdAt) },
          ]}
        />
      </Section>
      {canClose || canForce ? (
        // Out of sight while the question is asked, so that there is only one button of a name at a time.
        <div className={`buttons ${asking === undefined ? '' : 'set-aside'}`}>
          {canClose ? <Button onClick={() => setAsking('close')}>{t.channels.close}</Button> : null}
          {canForce ? (
            <Button look="danger" onClick={() => setAsking('force')}>
              {channel.unproven === undefined ? t.channels.forceClose : unprovenText.ask}
            </Button>
          ) : null}
        </div>
      ) : null}
      {asking === undefined ? null : (
        <CloseDialog channel={channel} force={asking === 'force'} onClose={() => setAsking(undefined)} />
      )}
    </article>
  )
}
