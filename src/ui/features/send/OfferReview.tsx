import { type ReactNode, useState } from 'react'
import { useNow } from '../../state/hooks.ts'
import { pay } from '../../state/jobs.ts'
import { useNames } from '../../state/names.ts'
import { useNode } from '../../state/session.ts'
import { formatMsat, parseSats, shorten, typedMsat } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { formatCurrency, offerText as words } from '../../text/offer.ts'
import { amountProblem } from '../../text/problems.ts'
import { formatSpan } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { AmountField, TextField } from '../../widgets/Field.tsx'
import { feeLimitMsat, type OfferPayable } from './payable.ts'

interface OfferReviewProps {
  readonly payable: OfferPayable
  /** Switches to the address that came with the offer. */
  readonly onChain: (() => void) | undefined
}

/** How many, where the offer counts: undefined while that is no number it takes. */
function quantityOf(text: string, most: string): bigint | undefined {
  if (!/^[1-9][0-9]{0,18}$/.test(text)) return undefined
  const quantity = BigInt(text)
  return most !== '0' && quantity > BigInt(most) ? undefined : quantity
}

/** An offer before its invoice is asked for: whose, for what, how much, how many. */
export default function OfferReview({ payable, onChain }: OfferReviewProps): ReactNode {
  const { amountMsat, currency, quantityMax, issuer, issuerId, description } = payable
  const channels = useNode((node) => node.channels)
  const spendable = useNode((node) => BigInt(node.balances.spendableMsat))
  const names = useNames()
  const now = useNow(1000)
  const [typed, setTyped] = useState(() => typedMsat(payable.askedMsat))
  const [count, setCount] = useState('1')
  const [note, setNote] = useState<string>()
  const quantity = quantityMax === undefined ? 1n : quantityOf(count, quantityMax)
  const each = amountMsat === undefined ? undefined : BigInt(amountMsat)
  const parsed = parseSats(typed, 3)
  const asked = each === undefined || quantity === undefined ? undefined : each * quantity
  const amount = each === undefined ? (parsed.ok ? parsed.msat : undefined) : asked
  const limit = amount === undefined ? undefined : feeLimitMsat(amount)
  const left = payable.expiresAt === undefined ? undefined : new Date(payable.expiresAt).getTime() - now
  const expired = payable.expired || (left !== undefined && left <= 0)
  const tooMuch =
    spendable === 0n && !channels.some((channel) => channel.status === 'open')
      ? t.send.nothingOverLightning
      : amount !== undefined && amount > spendable
        ? t.send.tooMuch(formatMsat(spendable))
        : undefined
  const name = issuerId === undefined ? undefined : names.known(issuerId)
  const start = () => {
    if (amount === undefined || quantity === undefined || limit === undefined) return
    void pay(
      {
        invoice: payable.offer,
        ...(each === undefined ? { amountMsat: amount.toString() } : {}),
        ...(quantityMax === undefined ? {} : { quantity: quantity.toString() }),
        ...(note === undefined || note.trim() === '' ? {} : { payerNote: note.trim() }),
        maxFeeMsat: limit.toString(),
      },
      {
        amountMsat: amount,
        destination: issuerId ?? '',
        note: description === '' ? (issuer ?? '') : description,
        paymentHash: '',
        maxFeeMsat: limit,
      },
    )
  }
  return (
    <section className="review" aria-label={t.send.review}>
      {each === undefined ? (
        <AmountField
          value={typed}
          onText={setTyped}
          problem={amountProblem(typed, 3, false) ?? (typed === '' ? undefined : tooMuch)}
          hint={
            currency === undefined
              ? undefined
              : words.currency(formatCurrency(currency.amount, currency.code), currency.code)
          }
        />
      ) : (
        <p className="review-amount">
          <Amount msat={amount ?? each} />
        </p>
      )}
      {quantityMax === undefined ? null : (
        <TextField
          label={words.quantity}
          inputMode="numeric"
          className="figures"
          value={count}
          onText={setCount}
          hint={words.quantityHint(quantityMax)}
          problem={quantity === undefined ? words.quantityBad(quantityMax) : undefined}
        />
      )}
      <Facts
        facts={[
          issuer === undefined && issuerId !== undefined
            ? undefined
            : {
                name: words.by,
                value:
                  issuer === undefined ? (
                    t.send.unnamed
                  ) : (
                    <>
                      {issuer} <span className="quiet">{words.says}</span>
                    </>
                  ),
              },
          issuerId === undefined
            ? undefined
            : {
                name: t.send.to,
                value: (
                  <>
                    {name === undefined ? null : `${name} `}
                    <span className="mono quiet" title={issuerId}>
                      {shorten(issuerId, 10, 6)}
                    </span>
                  </>
                ),
              },
          description === '' ? undefined : { name: words.for, value: description },
          each === undefined || quantity === undefined || quantity === 1n
            ? undefined
            : { name: words.each, value: <Amount msat={each} /> },
          { name: t.send.via, value: t.send.overLightning },
          { name: t.send.fee, value: limit === undefined ? '–' : t.send.feeAtMost(formatMsat(limit)) },
          left === undefined && !expired
            ? undefined
            : {
                name: t.send.expires,
                value: expired ? <span className="trouble">{words.expired}</span> : formatSpan(left ?? 0),
              },
        ]}
      />
      {note === undefined ? null : (
        <TextField
          label={words.payerNote}
          value={note}
          maxLength={200}
          autoFocus
          onText={setNote}
          hint={words.payerNoteHint}
        />
      )}
      {expired ? (
        <p className="trouble" role="alert">
          {words.expiredTodo}
        </p>
      ) : each !== undefined && tooMuch !== undefined ? (
        <p className="trouble" role="alert">
          {tooMuch}
        </p>
      ) : null}
      <Button
        look="primary"
        wide
        disabled={expired || amount === undefined || amount === 0n || tooMuch !== undefined}
        onClick={start}
      >
        {t.send.pay}
      </Button>
      {note === undefined ? (
        <Button look="quiet" wide onClick={() => setNote('')}>
          {words.addNote}
        </Button>
      ) : null}
      {onChain === undefined ? null : (
        <Button look="quiet" wide onClick={onChain}>
          {t.send.payOnchain}
        </Button>
      )}
    </section>
  )
}
