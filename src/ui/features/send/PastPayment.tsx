import type { ReactNode } from 'react'
import type { Payment } from '../../../contract/schemas.ts'
import { useNode } from '../../state/session.ts'
import { shorten } from '../../text/amounts.ts'
import { payText, waysText as words } from '../../text/attempts.ts'
import { t } from '../../text/en.ts'
import { formatExact, formatTook } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Climb } from '../../widgets/Climb.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import { CancelPayment, Ended, useCancelling } from './CancelPayment.tsx'
import { Destination } from './Receipt.tsx'
import { PartOf, type Way, Ways } from './Ways.tsx'

const wayOf = (attempt: Payment['attempts'][number]): Way => ({
  number: attempt.attempt,
  hops: attempt.hops.map((hop) => hop.nodeId),
  amountMsat: BigInt(attempt.amountMsat),
  feeMsat: BigInt(attempt.feeMsat),
  state: attempt.state,
  error: attempt.error,
  ...(attempt.hidden === true ? { hidden: true as const } : {}),
})

/** The money of a payment: what it cost once it is paid; before that, what is where and what it may cost. */
function moneyFacts(payment: Payment) {
  const of = (part: string) => <PartOf part={BigInt(part)} whole={BigInt(payment.amountMsat)} />
  if (payment.state === 'succeeded') return [{ name: t.send.fee, value: <Amount msat={payment.feeMsat} /> }]
  if (payment.state === 'failed') return []
  return [
    { name: words.onTheWay, value: of(payment.onTheWayMsat) },
    ...(payment.arrivedMsat === '0' ? [] : [{ name: words.arrived, value: of(payment.arrivedMsat) }]),
    {
      name: t.send.fee,
      value: (
        <>
          {words.atMost} <Amount msat={payment.maxFeeMsat} />
        </>
      ),
    },
  ]
}

/** A payment from the list of all, as a receipt. */
export function PastPayment({ payment }: { readonly payment: Payment }): ReactNode {
  const { state } = payment
  const channels = useNode((node) => node.channels)
  const cancelling = useCancelling(payment.paymentHash)
  const title = {
    pending: cancelling ? payText.titles.cancelling : t.send.paying,
    succeeded: t.send.paid,
    failed: payment.error?.code === 'paymentCancelled' ? payText.titles.cancelled : t.send.failed,
  }[state]
  const ways = payment.attempts.map((attempt) => ({
    ...wayOf(attempt),
    away: channels.some(({ channelId, connected }) => channelId === attempt.channelId && !connected),
  }))
  const parts = ways.filter((way) => way.state !== 'failed').length
  const hops = Math.max(3, ...ways.filter((way) => way.state === 'pending').map((way) => way.hops.length))
  return (
    <div className="outcome">
      {state === 'pending' ? (
        <Climb key={hops} className="outcome-mark" hops={hops} state="pending" />
      ) : (
        <Mark
          className="outcome-mark"
          drawn={state === 'succeeded' ? 1 : 0}
          tone={
            state === 'succeeded' ? 'in' : payment.error?.code === 'paymentCancelled' ? 'accent' : 'trouble'
          }
        />
      )}
      <div role="status">
        <h2>{title}</h2>
      </div>
      <p className="review-amount">
        <Amount msat={payment.amountMsat} />
      </p>
      {state === 'failed' ? <Ended error={payment.error} /> : null}
      {state === 'pending' ? <CancelPayment name={payment.paymentHash} cancelling={cancelling} /> : null}
      <Facts
        facts={[
          { name: t.send.to, value: <Destination nodeId={payment.destination} /> },
          payment.description === '' ? undefined : { name: t.send.note, value: payment.description },
          ...moneyFacts(payment),
          payment.attemptCount === 0
            ? undefined
            : {
                name: words.attempts,
                value:
                  parts === 0 ? String(payment.attemptCount) : words.partsOf(parts, payment.attemptCount),
              },
          { name: t.send.when, value: formatExact(payment.createdAt) },
          payment.settledAt === undefined
            ? undefined
            : {
                name: t.send.took,
                value: formatTook(
                  new Date(payment.settledAt).getTime() - new Date(payment.createdAt).getTime(),
                ),
              },
        ]}
      />
      {ways.length === 0 ? null : <Ways ways={ways} />}
      <Facts
        facts={[
          // With the proof, an offer's invoice shows who was paid for what, and which key asked for it.
          payment.preimage === undefined || !payment.invoice.startsWith('lni1')
            ? undefined
            : {
                name: t.send.signedInvoice,
                value: (
                  <Code
                    text={payment.invoice}
                    shown={shorten(payment.invoice, 10, 6)}
                    label={t.send.signedInvoice}
                  />
                ),
                code: true,
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
