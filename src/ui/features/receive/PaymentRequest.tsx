import { type ReactNode, useState } from 'react'
import type { Invoice } from '../../../contract/schemas.ts'
import { useNow, useStream } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { satCeil } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { qrText, unifiedRequest } from '../../text/request.ts'
import { formatSpan } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Choice } from '../../widgets/Choice.tsx'
import { CopyShare } from '../../widgets/CopyShare.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import { Qr } from '../../widgets/Qr.tsx'
import { Panes } from '../../widgets/Screen.tsx'

export interface Request {
  readonly address: string
  readonly amountMsat: bigint | undefined
  readonly note: string
  /** Absent when Lightning cannot bring the amount in. */
  readonly invoice: Invoice | undefined
  /** Activity lines that were there before: what comes on chain after is taken for this request's. */
  readonly seenBefore: ReadonlySet<string>
}

type Form = keyof typeof t.receive.forms

function formsOf(request: Request): readonly { readonly form: Form; readonly text: string }[] {
  const amountSat = request.amountMsat === undefined ? undefined : satCeil(request.amountMsat)
  const unified = unifiedRequest({
    address: request.address,
    amountSat,
    note: request.note,
    invoice: request.invoice?.invoice,
  })
  return request.invoice === undefined
    ? [{ form: 'address', text: amountSat === undefined && request.note === '' ? request.address : unified }]
    : [
        { form: 'unified', text: unified },
        { form: 'lightning', text: request.invoice.invoice },
        { form: 'address', text: request.address },
      ]
}

function Paid({
  children,
  title,
  onDone,
}: {
  readonly children: ReactNode
  readonly title: string
  readonly onDone: () => void
}): ReactNode {
  return (
    <div className="outcome">
      <Mark className="outcome-mark" tone="in" />
      <div role="status">
        <h2>{title}</h2>
      </div>
      {children}
      <Button look="primary" wide onClick={onDone}>
        {t.app.done}
      </Button>
    </div>
  )
}

/** A request as a QR code and as text, until it is paid. */
export function PaymentRequest({
  request,
  onDone,
  onAgain,
}: {
  readonly request: Request
  readonly onDone: () => void
  readonly onAgain: () => void
}): ReactNode {
  const forms = formsOf(request)
  const [form, setForm] = useState<Form>(forms[0]?.form ?? 'address')
  const hash = request.invoice?.paymentHash
  const { value: live } = useStream(hash, (signal) =>
    client().subscribeInvoices(hash === undefined ? {} : { paymentHash: hash }, { signal }),
  )
  const arrived = useNode((node) => node.activity).find(
    (line) => line.kind === 'onchainReceived' && !request.seenBefore.has(line.id),
  )
  const now = useNow(1000)

  if (live?.state === 'paid') {
    return (
      <Paid title={t.receive.paid} onDone={onDone}>
        <p className="review-amount money-in">
          <Amount msat={live.receivedMsat ?? live.amountMsat ?? 0n} />
        </p>
        {request.note === '' ? null : <p className="quiet">{request.note}</p>}
      </Paid>
    )
  }
  if (arrived !== undefined) {
    return (
      <Paid title={arrived.state === 'done' ? t.receive.paid : t.receive.seen} onDone={onDone}>
        <p className="review-amount money-in">
          <Amount msat={arrived.amountMsat} />
        </p>
        {arrived.state === 'done' ? null : <p className="quiet">{t.receive.seenTodo}</p>}
      </Paid>
    )
  }

  const text = forms.find((candidate) => candidate.form === form)?.text ?? request.address
  const left = request.invoice === undefined ? 0 : new Date(request.invoice.expiresAt).getTime() - now
  return (
    <Panes
      first={
        <div className="request">
          <Qr text={qrText(text)} label={t.receive.qr} />
          {request.amountMsat === undefined ? null : (
            <p className="review-amount">
              <Amount msat={request.amountMsat} />
            </p>
          )}
          {request.note === '' ? null : <p className="quiet">{request.note}</p>}
          <p className="pulse-line" role="status">
            {t.receive.waiting}
          </p>
        </div>
      }
      second={
        <div className="request-side">
          {forms.length === 1 ? null : (
            <Choice
              label={t.receive.show}
              showLabel={false}
              value={form}
              options={forms.map((option) => ({ value: option.form, label: t.receive.forms[option.form] }))}
              onChoose={setForm}
            />
          )}
          <CopyShare text={text} title={t.receive.shareTitle} />
          <p className="payload mono">{text}</p>
          <p className="quiet">
            {request.invoice === undefined
              ? t.receive.onlyAddress
              : left > 0
                ? `${t.receive.both} ${t.receive.validFor(formatSpan(left))}.`
                : t.receive.expired}
          </p>
          <Button look="quiet" wide onClick={onAgain}>
            {t.receive.again}
          </Button>
        </div>
      }
    />
  )
}
