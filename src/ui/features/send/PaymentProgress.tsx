import { type ReactNode, useEffect, useState } from 'react'
import { Link } from 'wouter'
import { cancelName, leavePayment, type PaymentJob, useJobs } from '../../state/jobs.ts'
import { useNames } from '../../state/names.ts'
import { useNode } from '../../state/session.ts'
import { shorten } from '../../text/amounts.ts'
import { payText, waysText as words } from '../../text/attempts.ts'
import { t } from '../../text/en.ts'
import { formatExact, formatTook } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Climb } from '../../widgets/Climb.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import { CancelPayment, Ended, useCancelling } from './CancelPayment.tsx'
import { Destination } from './Receipt.tsx'
import { isEventful, PartOf, type Way, Ways } from './Ways.tsx'

/** Errors that the same invoice will get again, whenever it is tried. */
const FINAL: ReadonlySet<string> = new Set([
  'alreadyPaid',
  'invoiceExpired',
  'invoiceMalformed',
  'invoiceUnsupported',
  'invoiceWrongNetwork',
  'payingSelf',
])

/** What is said aloud has stood this long, so that a dozen quick attempts are one sentence. */
const SAY_AFTER_MS = 1_200

/** A text once it has not changed for a while. */
function useSettled(text: string, ms: number): string {
  const [settled, setSettled] = useState('')
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), ms)
    return () => clearTimeout(timer)
  }, [text, ms])
  return settled
}

/** The line of the whole payment: that of its longest way, drawn as far as it got. */
function Line({ job, ways }: { readonly job: PaymentJob; readonly ways: readonly Way[] }): ReactNode {
  const pending = ways.filter((way) => way.state === 'pending')
  if (job.state === 'succeeded') return <Mark className="outcome-mark" tone="in" />
  if (job.state === 'failed') {
    const tone = job.error?.code === 'paymentCancelled' ? 'accent' : 'trouble'
    return <Mark className="outcome-mark" drawn={0} tone={tone} />
  }
  if (pending.length === 0) return <Mark className="outcome-mark" drawn={ways.length === 0 ? 0.2 : 0.36} />
  const hops = Math.max(...pending.map((way) => way.hops.length))
  // A line of its own for each length: legs that move under a drawn line would jump.
  return <Climb key={hops} className="outcome-mark" hops={hops} state="pending" />
}

const sum = (ways: readonly Way[], pick: (way: Way) => bigint): bigint =>
  ways.reduce((total, way) => total + pick(way), 0n)

/** Of a payment by more than one hop, or in more than one piece: what is where, and what it costs so far. */
function Sums({
  job,
  ways,
  cancelling,
}: {
  readonly job: PaymentJob
  readonly ways: readonly Way[]
  readonly cancelling: boolean
}): ReactNode {
  const pending = ways.filter((way) => way.state === 'pending')
  const arrived = ways.filter((way) => way.state === 'succeeded')
  const of = (some: readonly Way[]) => (
    <PartOf part={sum(some, (way) => way.amountMsat)} whole={job.amountMsat} />
  )
  const none = cancelling ? of([]) : words.searching
  return (
    <Facts
      facts={[
        { name: words.onTheWay, value: pending.length === 0 ? none : of(pending) },
        arrived.length === 0 ? undefined : { name: words.arrived, value: of(arrived) },
        {
          name: words.feeSoFar,
          value: (
            <>
              <Amount msat={sum([...pending, ...arrived], (way) => way.feeMsat)} />
              {job.maxFeeMsat === undefined ? null : (
                <>
                  , {words.atMost} <Amount msat={job.maxFeeMsat} />
                </>
              )}
            </>
          ),
        },
      ]}
    />
  )
}

/** What is running, or how it ended, in a word. */
function titleOf({ state, error }: PaymentJob, cancelling: boolean): string {
  switch (state) {
    case 'running':
      return cancelling ? payText.titles.cancelling : t.send.paying
    case 'succeeded':
      return t.send.paid
    case 'failed':
      return error?.code === 'paymentCancelled' ? payText.titles.cancelled : t.send.failed
    default:
      return t.send.unknown
  }
}

/** A payment on its way and how it ended. */
export function PaymentProgress({
  onDone,
  onRetry,
}: {
  readonly onDone: () => void
  readonly onRetry: () => void
}): ReactNode {
  const job = useJobs((j) => j.payment)
  const cancelling = useCancelling(job?.paymentHash ?? '')
  const names = useNames()
  const channels = useNode((node) => node.channels)
  const ways = (job?.attempts ?? []).map((attempt): Way => {
    const channel = channels.find(({ channelId }) => channelId === attempt.channelId)
    const hops = attempt.hops ?? (job === undefined ? [] : [job.destination])
    return {
      ...attempt,
      hops: hops.length > 0 ? hops : [channel?.peer ?? ''],
      away: channel?.connected === false,
    }
  })
  const failed = ways.filter((way) => way.state === 'failed').length
  const pending = ways.filter((way) => way.state === 'pending').length
  const eventful = isEventful(ways)
  const said = useSettled(
    eventful && job?.state === 'running' ? words.said(pending, failed) : '',
    SAY_AFTER_MS,
  )
  if (job === undefined) return null
  const first = job.attempts.at(-1)
  const peer = channels.find((channel) => channel.channelId === first?.channelId)?.peer
  const cancellable = job.state === 'running' ? cancelName(job) : undefined
  const retriable = job.state === 'failed' && !FINAL.has(job.error?.code ?? '')
  return (
    <div className={`outcome ${eventful && job.state !== 'succeeded' ? 'outcome-busy' : ''}`}>
      <Line job={job} ways={ways} />
      <div role="status">
        <h2>{titleOf(job, cancelling)}</h2>
      </div>
      <p className="visually-hidden" role="status">
        {said}
      </p>
      <p className="review-amount">
        <Amount msat={job.amountMsat} />
      </p>
      {job.note === '' ? null : <p className="quiet">{job.note}</p>}
      {job.state === 'running' && !eventful && !cancelling ? (
        <p className="attempts">
          {first === undefined
            ? job.asked === undefined || job.paymentHash !== ''
              ? t.send.connecting
              : t.send.asking(job.asked)
            : ways[0]?.away === true && peer !== undefined
              ? words.away(names.of(peer))
              : t.send.attempting(1, peer === undefined ? shorten(first.channelId) : names.of(peer))}
        </p>
      ) : null}
      {job.state === 'running' && eventful ? (
        <div className="late">
          <Sums job={job} ways={ways} cancelling={cancelling} />
        </div>
      ) : null}
      {cancellable === undefined ? null : (
        <div className="late">
          <CancelPayment key={cancellable} name={cancellable} cancelling={cancelling} />
        </div>
      )}
      {job.state === 'failed' ? <Ended error={job.error} /> : null}
      {job.state === 'succeeded' ? (
        <Facts
          facts={[
            { name: t.send.to, value: <Destination nodeId={job.destination} /> },
            { name: t.send.fee, value: <Amount msat={job.feeMsat ?? 0n} /> },
            { name: t.send.took, value: formatTook(job.tookMs) },
            { name: t.send.when, value: formatExact(new Date(job.startedAt).toISOString()) },
            job.preimage === undefined
              ? undefined
              : {
                  name: t.send.preimage,
                  value: <Code text={job.preimage} label={t.send.preimage} />,
                  code: true,
                },
          ]}
        />
      ) : null}
      {eventful ? (
        <div className="late">
          <Ways ways={ways} />
        </div>
      ) : null}
      {job.state === 'unknown' ? (
        <p className="trouble-note" role="alert">
          {t.send.unknownTodo}
        </p>
      ) : null}
      {job.state === 'unknown' && job.paymentHash !== '' ? (
        <p>
          <Link href={`/payment/${job.paymentHash}`}>{payText.look}</Link>
        </p>
      ) : null}
      {job.state === 'running' && !cancelling ? (
        <div className="late">
          <p className="quiet">{t.send.leave}</p>
        </div>
      ) : null}
      <div className="buttons buttons-column">
        {retriable ? (
          <Button look="primary" wide onClick={onRetry}>
            {t.app.retry}
          </Button>
        ) : null}
        {job.state === 'running' && job.begun === true ? (
          <div className="late">
            <Button look="quiet" wide onClick={leavePayment}>
              {payText.another}
            </Button>
          </div>
        ) : null}
        <Button
          look={job.state === 'succeeded' || (job.state === 'failed' && !retriable) ? 'primary' : 'plain'}
          wide
          onClick={onDone}
        >
          {job.state === 'running' ? t.app.close : t.app.done}
        </Button>
      </div>
    </div>
  )
}
