import { type ReactNode, useState } from 'react'
import { useNow } from '../../state/hooks.ts'
import { pay } from '../../state/jobs.ts'
import { useNames } from '../../state/names.ts'
import { useNode } from '../../state/session.ts'
import { formatMsat, parseSats, shorten, typedMsat } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { amountProblem } from '../../text/problems.ts'
import { formatSpan } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { AmountField } from '../../widgets/Field.tsx'
import { feeLimitMsat, type InvoicePayable, isDirect } from './payable.ts'

interface LightningReviewProps {
  readonly payable: InvoicePayable
  /** Switches to the address that came with the invoice. */
  readonly onChain: (() => void) | undefined
}

/** An invoice before it is paid: how much, to whom, at what fee, for how long. */
export function LightningReview({ payable, onChain }: LightningReviewProps): ReactNode {
  const channels = useNode((node) => node.channels)
  const names = useNames()
  const spendable = useNode((node) => BigInt(node.balances.spendableMsat))
  const now = useNow(1000)
  const [typed, setTyped] = useState(() => typedMsat(payable.askedMsat))
  const fixed = payable.amountMsat === undefined ? undefined : BigInt(payable.amountMsat)
  const parsed = parseSats(typed, 3)
  const amount = fixed ?? (parsed.ok ? parsed.msat : undefined)
  const direct = amount !== undefined && isDirect(channels, payable.destination, amount)
  const limit = amount === undefined ? undefined : feeLimitMsat(amount)
  const left = new Date(payable.expiresAt).getTime() - now
  const expired = payable.expired || left <= 0
  const tooMuch =
    spendable === 0n && !channels.some((channel) => channel.status === 'open')
      ? t.send.nothingOverLightning
      : amount !== undefined && amount > spendable
        ? t.send.tooMuch(formatMsat(spendable))
        : undefined
  const name = names.known(payable.destination)
  const start = () => {
    if (amount === undefined) return
    void pay(
      {
        invoice: payable.invoice,
        ...(fixed === undefined ? { amountMsat: amount.toString() } : {}),
        ...(limit === undefined ? {} : { maxFeeMsat: limit.toString() }),
      },
      {
        amountMsat: amount,
        destination: payable.destination,
        note: payable.description,
        paymentHash: payable.paymentHash,
        ...(limit === undefined ? {} : { maxFeeMsat: limit }),
      },
    )
  }
  return (
    <section className="review" aria-label={t.send.review}>
      {fixed === undefined ? (
        <AmountField
          value={typed}
          onText={setTyped}
          problem={amountProblem(typed, 3, false) ?? (typed === '' ? undefined : tooMuch)}
        />
      ) : (
        <p className="review-amount">
          <Amount msat={fixed} />
        </p>
      )}
      <Facts
        facts={[
          {
            name: t.send.to,
            value: (
              <>
                {name === undefined ? null : `${name} `}
                <span className="mono quiet" title={payable.destination}>
                  {shorten(payable.destination, 10, 6)}
                </span>
              </>
            ),
          },
          payable.description === '' ? undefined : { name: t.send.note, value: payable.description },
          { name: t.send.via, value: t.send.overLightning },
          {
            name: t.send.fee,
            value:
              limit === undefined
                ? '–'
                : direct
                  ? t.send.feeDirect(formatMsat(limit))
                  : t.send.feeAtMost(formatMsat(limit)),
          },
          {
            name: t.send.expires,
            value: expired ? <span className="trouble">{t.send.expired}</span> : formatSpan(left),
          },
        ]}
      />
      {expired ? (
        <p className="trouble" role="alert">
          {t.send.expiredTodo}
        </p>
      ) : fixed !== undefined && tooMuch !== undefined ? (
        <p className="trouble" role="alert">
          {tooMuch}
        </p>
      ) : null}
      <Button
        look="primary"
        wide
        disabled={expired || amount === undefined || tooMuch !== undefined}
        onClick={start}
      >
        {t.send.pay}
      </Button>
      {onChain === undefined ? null : (
        <Button look="quiet" wide onClick={onChain}>
          {t.send.payOnchain}
        </Button>
      )}
    </section>
  )
}
