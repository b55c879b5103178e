import type { ReactNode } from 'react'
import type { Payment } from '../../../contract/schemas.ts'
import { type PaymentJob, useJobs } from '../../state/jobs.ts'
import { useNames } from '../../state/names.ts'
import { useNode } from '../../state/session.ts'
import { shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { formatExact, formatTook } from '../../text/times.ts'
import { wordsFor } from '../../text/words.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import type { Sent } from './OnchainReview.tsx'

/** A node's name and key. */
function Destination({ nodeId }: { readonly nodeId: string }): ReactNode {
  const name = useNames().known(nodeId)
  return (
    <>
      {name === undefined ? null : <span>{name} </span>}
      <Code text={nodeId} shown={shorten(nodeId, 8, 6)} label={t.send.to} />
    </>
  )
}

/** How far the line has climbed: half when prepared, three quarters when an attempt is out, whole when paid. */
function drawnOf(job: PaymentJob): number {
  if (job.state === 'succeeded') return 1
  if (job.state === 'failed') return 0
  const last = job.attempts.at(-1)
  return last === undefined ? 0.2 : last.error === undefined ? 0.68 : 0.36
}

/** Errors that the same invoice will get again, whenever it is tried. */
const FINAL: ReadonlySet<string> = new Set([
  'alreadyPaid',
  'invoiceExpired',
  'invoiceMalformed',
  'invoiceUnsupported',
  'invoiceWrongNetwork',
  'payingSelf',
])

/** A payment on its way and how it ended. */
export function PaymentProgress({
  onDone,
  onRetry,
}: {
  readonly onDone: () => void
  readonly onRetry: () => void
}): ReactNode {
  const job = useJobs((j) => j.payment)
  const names = useNames()
  const channels = useNode((node) => node.channels)
  if (job === undefined) return null
  const via = ({ channelId, hops }: PaymentJob['attempts'][number]) => {
    if (hops !== undefined && hops.length > 1) return hops.slice(0, -1).map(names.of).join(', then ')
    const channel = channels.find((candidate) => candidate.channelId === channelId)
    return channel === undefined ? shorten(channelId) : names.of(channel.peer)
  }
  const title = {
    running: t.send.paying,
    succeeded: t.send.paid,
    failed: t.send.failed,
    unknown: t.send.unknown,
  }[job.state]
  const retriable = job.state === 'failed' && !FINAL.has(job.error?.code ?? '')
  return (
    <div className="outcome">
      <Mark
        className="outcome-mark"
        drawn={drawnOf(job)}
        tone={job.state === 'succeeded' ? 'in' : job.state === 'failed' ? 'trouble' : 'accent'}
      />
      <div role="status">
        <h2>{title}</h2>
      </div>
      <p className="review-amount">
        <Amount msat={job.amountMsat} />
      </p>
      {job.note === '' ? null : <p className="quiet">{job.note}</p>}
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
      ) : (
        <ol className="attempts">
          {job.attempts.length === 0 && job.state === 'running' ? <li>{t.send.connecting}</li> : null}
          {job.attempts.map((attempt) => (
            <li key={attempt.number} className={attempt.error === undefined ? '' : 'quiet'}>
              {attempt.error === undefined
                ? t.send.attempting(attempt.number, via(attempt))
                : `${t.send.attemptFailed(attempt.number)} ${wordsFor(attempt.error).what}`}
            </li>
          ))}
        </ol>
      )}
      {job.state === 'failed' ? <Trouble error={job.error} /> : null}
      {job.state === 'unknown' ? (
        <p className="trouble-note" role="alert">
          {t.send.unknownTodo}
        </p>
      ) : null}
      {job.state === 'running' ? <p className="quiet">{t.send.leave}</p> : null}
      <div className="buttons buttons-column">
        {retriable ? (
          <Button look="primary" wide onClick={onRetry}>
            {t.app.retry}
          </Button>
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

/** An on-chain payment that is on its way. */
export function SentReceipt({
  sent,
  onDone,
}: {
  readonly sent: Sent
  readonly onDone: () => void
}): ReactNode {
  return (
    <div className="outcome">
      <Mark className="outcome-mark" tone="in" />
      <div role="status">
        <h2>{t.send.sent}</h2>
      </div>
      <p className="review-amount">
        <Amount sat={sent.amountSat} />
      </p>
      <p className="quiet">{t.send.sentTodo}</p>
      <Facts
        facts={[
          { name: t.send.to, value: sent.address, code: true },
          { name: t.send.fee, value: <Amount sat={sent.feeSat} /> },
          {
            name: t.send.transaction,
            value: <Code text={sent.txid} label={t.send.transaction} />,
            code: true,
          },
        ]}
      />
      <Button look="primary" wide onClick={onDone}>
        {t.app.done}
      </Button>
    </div>
  )
}

/** A payment from the list of all, as a receipt. */
export function PastPayment({ payment }: { readonly payment: Payment }): ReactNode {
  const title = { pending: t.send.paying, succeeded: t.send.paid, failed: t.send.failed }[payment.state]
  return (
    <div className="outcome">
      <Mark
        className="outcome-mark"
        drawn={payment.state === 'pending' ? 0.68 : payment.state === 'succeeded' ? 1 : 0}
        tone={payment.state === 'pending' ? 'accent' : payment.state === 'succeeded' ? 'in' : 'trouble'}
      />
      <div role="status">
        <h2>{title}</h2>
      </div>
      <p className="review-amount">
        <Amount msat={payment.amountMsat} />
      </p>
      {payment.state === 'failed' ? <Trouble error={payment.error} /> : null}
      <Facts
        facts={[
          { name: t.send.to, value: <Destination nodeId={payment.destination} /> },
          payment.description === '' ? undefined : { name: t.send.note, value: payment.description },
          payment.state === 'succeeded'
            ? { name: t.send.fee, value: <Amount msat={payment.feeMsat} /> }
            : undefined,
          { name: t.send.when, value: formatExact(payment.createdAt) },
          payment.settledAt === undefined
            ? undefined
            : {
                name: t.send.took,
                value: formatTook(
                  new Date(payment.settledAt).getTime() - new Date(payment.createdAt).getTime(),
                ),
              },
          payment.preimage === undefined
            ? undefined
            : {
                name: t.send.preimage,
                value: <Code text={payment.preimage} label={t.send.preimage} />,
                code: true,
              },
          { name: t.send.hash, value: <Code text={payment.paymentHash} label={t.send.hash} />, code: true },
        ]}
      />
    </div>
  )
}
