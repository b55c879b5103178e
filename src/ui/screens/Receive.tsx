import { lazy, type ReactNode, Suspense, useState } from 'react'
import { useLocation } from 'wouter'
import '../styles/payments.css'
import { CanArrive, canArrive, useArrival } from '../features/receive/CanArrive.tsx'
import type { Offer } from '../features/receive/LastingCode.tsx'
import { PaymentRequest, type Request } from '../features/receive/PaymentRequest.tsx'
import { useAction } from '../state/hooks.ts'
import { client, useNode } from '../state/session.ts'
import { parseSats } from '../text/amounts.ts'
import { t } from '../text/en.ts'
import { amountProblem } from '../text/problems.ts'
import { Button } from '../widgets/Button.tsx'
import { AmountField, TextField } from '../widgets/Field.tsx'
import { Screen } from '../widgets/Screen.tsx'
import { Trouble } from '../widgets/Trouble.tsx'
import { Waiting } from '../widgets/Waiting.tsx'

const LastingCode = lazy(() => import('../features/receive/LastingCode.tsx'))

/** An amount and a note; whether it can arrive; then one code that any wallet can pay, once or again and again. */
export default function Receive(): ReactNode {
  const [, navigate] = useLocation()
  const activity = useNode((node) => node.activity)
  const [typed, setTyped] = useState('')
  const [note, setNote] = useState('')
  const [request, setRequest] = useState<Request>()
  const [offer, setOffer] = useState<Offer>()
  const [unsaid, setUnsaid] = useState(false)
  const parsed = parseSats(typed, 3)
  const amountMsat = parsed.ok ? parsed.msat : undefined
  const problem = amountProblem(typed, 3, false)
  const { value: preview, pending: asking, error: unasked } = useArrival(amountMsat)
  const prepare = useAction(async () => {
    if (preview === undefined) return
    const [{ address }, invoice] = await Promise.all([
      client().newAddress(),
      canArrive(preview, amountMsat)
        ? client().addInvoice({
            ...(amountMsat === undefined ? {} : { amountMsat: amountMsat.toString() }),
            description: note,
          })
        : undefined,
    ])
    setRequest({ address, amountMsat, note, invoice, seenBefore: new Set(activity.map((line) => line.id)) })
  })

  const offering = useAction(async () => {
    const { lastingOffer } = await import('../features/receive/LastingCode.tsx')
    setOffer(await lastingOffer(amountMsat, note.trim()))
  })

  if (offer !== undefined) {
    return (
      <Screen key="offer" title={t.receive.title} back="/">
        <Suspense fallback={null}>
          <LastingCode offer={offer} onBack={() => setOffer(undefined)} />
        </Suspense>
      </Screen>
    )
  }
  if (request !== undefined) {
    return (
      <Screen key="request" title={t.receive.title} back="/">
        <PaymentRequest
          request={request}
          onDone={() => navigate('/')}
          onAgain={() => setRequest(undefined)}
        />
      </Screen>
    )
  }
  return (
    <Screen title={t.receive.title} back="/">
      <form
        className="narrow"
        onSubmit={(event) => {
          event.preventDefault()
          if (problem === undefined) void prepare.run()
        }}
      >
        <AmountField
          value={typed}
          onText={setTyped}
          autoFocus
          problem={problem}
          placeholder="0"
          hint={t.receive.anyAmount}
        />
        <TextField
          label={t.receive.note}
          value={note}
          onText={setNote}
          maxLength={200}
          hint={t.receive.noteHint}
          problem={unsaid && note.trim() === '' ? t.receive.lastingNote : undefined}
        />
        {preview === undefined ? null : (
          <CanArrive preview={preview} amountMsat={amountMsat} onAmount={(sat) => setTyped(sat.toString())} />
        )}
        <Trouble error={prepare.error ?? offering.error ?? unasked} />
        {prepare.pending ? <Waiting what={t.receive.preparing} /> : null}
        <Button
          look="primary"
          wide
          type="submit"
          // What stands above the button is what is made: the answer for this very amount.
          disabled={prepare.pending || asking || preview === undefined || problem !== undefined}
        >
          {t.app.continue}
        </Button>
        <Button
          look="quiet"
          wide
          disabled={offering.pending || problem !== undefined}
          onClick={() => {
            // BOLT 12: what asks for an amount says what for.
            if (amountMsat !== undefined && note.trim() === '') setUnsaid(true)
            else void offering.run()
          }}
        >
          {t.receive.lasting}
        </Button>
      </form>
    </Screen>
  )
}
