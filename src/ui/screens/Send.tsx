import { lazy, type ReactNode, Suspense, useLayoutEffect, useState } from 'react'
import { useLocation } from 'wouter'
import { LightningReview } from '../features/send/LightningReview.tsx'
import { OnchainReview, type Sent } from '../features/send/OnchainReview.tsx'
import { PayableField } from '../features/send/PayableField.tsx'
import { type AddressPayable, usePayable } from '../features/send/payable.ts'
import { PaymentProgress } from '../features/send/PaymentProgress.tsx'
import { SentReceipt } from '../features/send/Receipt.tsx'
import { dismissPayment, useJobs } from '../state/jobs.ts'
import { session } from '../state/session.ts'
import { t } from '../text/en.ts'
import { wordsFor } from '../text/words.ts'
import { Panes, Screen } from '../widgets/Screen.tsx'

const OfferReview = lazy(() => import('../features/send/OfferReview.tsx'))

/** Text handed over by a link or the share sheet is taken once. */
function takeHandedOver(): string {
  const { handedOver } = session.getState()
  if (handedOver !== undefined) session.setState({ handedOver: undefined })
  return handedOver ?? ''
}

/** Codes that mean "not read", which while typing only means "not yet". */
const UNREAD = new Set(['invoiceMalformed', 'addressInvalid'])

/** From anything payable to its receipt. */
export default function Send(): ReactNode {
  const [, navigate] = useLocation()
  const [text, setText] = useState(takeHandedOver)
  const [chain, setChain] = useState(false)
  const [sent, setSent] = useState<Sent>()
  const payment = useJobs((j) => j.payment !== undefined)
  const { payable, error } = usePayable(text)
  // The receipt of a payment that ended while nobody looked is in the activity; this screen starts empty.
  useLayoutEffect(dismissPayment, [])
  const done = () => {
    dismissPayment()
    navigate('/')
  }
  const change = (next: string) => {
    setText(next)
    setChain(false)
  }

  if (sent !== undefined) {
    return (
      <Screen key="sent" title={t.send.title} back="/">
        <SentReceipt sent={sent} onDone={done} />
      </Screen>
    )
  }
  if (payment) {
    return (
      <Screen key="payment" title={t.send.title} back="/">
        <PaymentProgress onDone={done} onRetry={dismissPayment} />
      </Screen>
    )
  }

  const words = error === undefined ? undefined : wordsFor(error)
  const soft = error !== undefined && UNREAD.has(error.code) && text.trim().length < 14
  const problem =
    payable?.kind === 'unsupported'
      ? t.send.unsupported(payable.what)
      : words === undefined || soft
        ? undefined
        : `${words.what} ${words.todo}`
  const asked =
    payable?.kind === 'invoice' || payable?.kind === 'offer'
      ? (payable.amountMsat ?? payable.askedMsat)
      : undefined
  const asAddress: AddressPayable | undefined =
    payable?.kind === 'address'
      ? payable
      : (payable?.kind === 'invoice' || payable?.kind === 'offer') &&
          payable.fallbackAddress !== undefined &&
          chain
        ? {
            kind: 'address',
            address: payable.fallbackAddress,
            ...(asked === undefined ? {} : { amountSat: ((BigInt(asked) + 999n) / 1000n).toString() }),
            message: payable.description,
          }
        : undefined
  return (
    <Screen title={t.send.title} back="/">
      <Panes
        first={
          <PayableField
            value={text}
            onText={change}
            problem={problem}
            settled={payable !== undefined && payable.kind !== 'unsupported'}
            hint={soft ? t.send.incomplete : t.send.hint}
          />
        }
        second={
          asAddress !== undefined ? (
            <OnchainReview
              key={text}
              payable={asAddress}
              onSent={setSent}
              onLightning={payable?.kind === 'address' ? undefined : () => setChain(false)}
            />
          ) : payable?.kind === 'offer' ? (
            <Suspense fallback={null}>
              <OfferReview
                key={text}
                payable={payable}
                onChain={payable.fallbackAddress === undefined ? undefined : () => setChain(true)}
              />
            </Suspense>
          ) : payable?.kind === 'invoice' ? (
            <LightningReview
              key={text}
              payable={payable}
              onChain={payable.fallbackAddress === undefined ? undefined : () => setChain(true)}
            />
          ) : null
        }
      />
    </Screen>
  )
}
