import { ArrowDownLeft, ArrowLeftRight, ArrowUpRight, TriangleAlert } from 'lucide-react'
import { lazy, type ReactNode, Suspense, useState } from 'react'
import { Link } from 'wouter'
import type { Activity, Incident } from '../../contract/schemas.ts'
import { useNames } from '../state/names.ts'
import { usePrefs } from '../state/prefs.ts'
import { useNode } from '../state/session.ts'
import { formatMsat } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { aboutIncident, incidentText } from '../text/incidents.ts'
import { formatWhen } from '../text/times.ts'
import { wordsFor } from '../text/words.ts'
import { Amount } from '../widgets/Amount.tsx'
import { Button } from '../widgets/Button.tsx'
import { Choice } from '../widgets/Choice.tsx'
import { Empty } from '../widgets/Empty.tsx'

const Forwards = lazy(() => import('./Forwards.tsx'))

type Filter = keyof typeof t.home.filters
const FILTERS = Object.keys(t.home.filters) as Filter[]
/** Lines shown before the reader asks for more. */
const PAGE = 30

const isLightning = (line: Activity) => line.kind === 'lightningSent' || line.kind === 'lightningReceived'

function hrefOf(line: Activity): string | undefined {
  if (line.paymentHash !== undefined) return `/payment/${line.paymentHash}`
  if (line.channelId !== undefined) return `/channels/${line.channelId}`
  if (line.txid !== undefined) return `/transaction/${line.txid}`
  return undefined
}

function Icon({ kind }: { readonly kind: Activity['kind'] }): ReactNode {
  if (kind === 'channelOpen' || kind === 'channelClose') return <ArrowLeftRight aria-hidden="true" />
  return kind === 'lightningReceived' || kind === 'onchainReceived' ? (
    <ArrowDownLeft aria-hidden="true" />
  ) : (
    <ArrowUpRight aria-hidden="true" />
  )
}

function Line({ line, hidden }: { readonly line: Activity; readonly hidden: boolean }): ReactNode {
  const failed = line.state === 'failed'
  const what =
    line.cancelling === true
      ? t.home.cancelling
      : (line.state === 'pending' ? t.home.pendingKinds : t.home.kinds)[line.kind]
  const names = useNames()
  const peer = useNode((node) => node.channels.find((c) => c.channelId === line.channelId)?.peer)
  const title = peer === undefined ? what : t.home.withPeer(what, names.of(peer))
  const moved = BigInt(line.amountMsat)
  // A fee that was raised is all that there is to its line.
  const noFee = failed || line.kind === 'feeRaised' || line.feeMsat === '0'
  const fee = noFee ? undefined : line.feeMsat
  const body = (
    <>
      <span className={`activity-icon activity-${line.state}`}>
        <Icon kind={line.kind} />
      </span>
      <span className="activity-what">
        <span className="activity-title">{line.note === '' ? title : line.note}</span>
        <span className="activity-about">
          {failed ? (line.error === undefined ? t.home.failed : wordsFor(line.error).what) : null}
          {failed ? null : line.note === '' ? null : `${title} · `}
          {failed ? null : formatWhen(line.time)}
        </span>
      </span>
      <span className="activity-amount">
        <Amount
          msat={moved}
          signed
          hidden={hidden}
          unit={false}
          className={failed ? 'struck' : moved > 0n ? 'money-in' : ''}
        />
        {fee === undefined || hidden ? null : (
          <span className="activity-about">{t.home.fee(formatMsat(fee))}</span>
        )}
      </span>
    </>
  )
  const href = hrefOf(line)
  return (
    <li>
      {href === undefined ? (
        <div className="activity-line">{body}</div>
      ) : (
        <Link href={href} className="activity-line">
          {body}
        </Link>
      )}
    </li>
  )
}

/** What happened to a channel while the wallet was closed: at the time at which it happened. */
function IncidentLine({
  incident,
  hidden,
}: {
  readonly incident: Incident
  readonly hidden: boolean
}): ReactNode {
  const names = useNames()
  const { channelId, kind, amountMsat } = incident
  const peer = useNode((node) => node.channels.find((c) => c.channelId === channelId)?.peer)
  const what = incidentText.kinds[kind]
  return (
    <li>
      <Link href={`/channels/${channelId}`} className="activity-line">
        <span className={`activity-icon ${kind === 'lost' ? 'activity-failed' : ''}`}>
          <TriangleAlert aria-hidden="true" />
        </span>
        <span className="activity-what">
          <span className="activity-title">
            {peer === undefined ? what : t.home.withPeer(what, names.of(peer))}
          </span>
          <span className="activity-about activity-whole">{aboutIncident(incident)}</span>
        </span>
        <span className="activity-amount">
          {amountMsat === undefined ? null : <Amount msat={amountMsat} hidden={hidden} unit={false} />}
        </span>
      </Link>
    </li>
  )
}

/** For those who keep books. */
function Save(): ReactNode {
  const save = async (format: 'csv' | 'json') =>
    (await import('../state/history-file.ts')).saveHistory(format)
  return (
    <div className="buttons">
      {(['csv', 'json'] as const).map((format) => (
        <Button key={format} look="quiet" className="button-small" onClick={() => void save(format)}>
          {t.home.save} {format.toUpperCase()}
        </Button>
      ))}
    </div>
  )
}

/** What happened, newest first. */
export function ActivityList(): ReactNode {
  const lines = useNode((node) => node.activity)
  const incidents = useNode((node) => node.incidents)
  const hidden = usePrefs((p) => p.hidden)
  // What is passed on for others concerns those who do so.
  const forwarding = useNode((node) => node.settings.forwarding)
  const [chosen, setFilter] = useState<Filter>('all')
  const filter = chosen === 'forwards' && !forwarding ? 'all' : chosen
  const [shown, setShown] = useState(PAGE)
  const matching = lines.filter((line) => filter === 'all' || isLightning(line) === (filter === 'lightning'))
  const last = matching[shown - 1]?.time ?? ''
  const closed =
    filter === 'all' ? incidents.filter((i) => i.closedSince !== undefined && i.time >= last) : []
  const entries: readonly (Activity | Incident)[] = [...matching.slice(0, shown), ...closed].toSorted(
    (a, b) => (a.time < b.time ? 1 : a.time > b.time ? -1 : 0),
  )
  if (lines.length === 0) {
    return (
      <Empty title={t.home.empty}>
        <p>{t.home.emptyTodo}</p>
      </Empty>
    )
  }
  return (
    <section className="section">
      <div className="section-head">
        <h2>{t.home.activity}</h2>
        <Choice
          label={t.home.filter}
          showLabel={false}
          value={filter}
          options={FILTERS.filter((value) => forwarding || value !== 'forwards').map((value) => ({
            value,
            label: t.home.filters[value],
          }))}
          onChoose={setFilter}
        />
      </div>
      {filter === 'forwards' ? (
        <Suspense fallback={null}>
          <Forwards />
        </Suspense>
      ) : (
        <>
          {matching.length === 0 ? <p className="quiet">{t.home.emptyFilter}</p> : null}
          <ul className="activity" aria-label={t.home.activity}>
            {entries.map((entry) =>
              'channelId' in entry && 'noticedAt' in entry ? (
                <IncidentLine key={entry.id} incident={entry} hidden={hidden} />
              ) : (
                <Line key={entry.id} line={entry} hidden={hidden} />
              ),
            )}
          </ul>
          {matching.length > shown ? (
            <button type="button" className="more" onClick={() => setShown(shown + PAGE)}>
              {t.home.more(matching.length - shown)}
            </button>
          ) : null}
          <Save />
        </>
      )}
    </section>
  )
}
