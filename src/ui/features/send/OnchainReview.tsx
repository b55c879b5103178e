import { type ReactNode, useState } from 'react'
import type { Output } from '../../../contract/procedures.ts'
import { useAction, useLoad } from '../../state/hooks.ts'
import { client, useNode } from '../../state/session.ts'
import { formatRate, formatSat, parseSats, satFloor } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { amountProblem } from '../../text/problems.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { AmountField } from '../../widgets/Field.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'
import { Waiting } from '../../widgets/Waiting.tsx'
import { useFeeChoice } from '../FeeChoice.tsx'
import type { AddressPayable } from './payable.ts'

export type Sent = Output<'sendCoins'> & { readonly address: string }

interface OnchainReviewProps {
  readonly payable: AddressPayable
  readonly onSent: (sent: Sent) => void
  /** Switches to the invoice that the address came with. */
  readonly onLightning: (() => void) | undefined
}

/** An address before it is paid: how much (all of it with Max), at what fee, exactly as the node would send it. */
export function OnchainReview({ payable, onSent, onLightning }: OnchainReviewProps): ReactNode {
  const balances = useNode((node) => node.balances)
  const kept = balances.anchorReserveSat
  const { rate, control } = useFeeChoice()
  const [typed, setTyped] = useState('')
  const [max, setMax] = useState(false)
  const parsed = parseSats(typed, 0)
  const amountSat =
    payable.amountSat ?? (max ? 'max' : parsed.ok ? satFloor(parsed.msat).toString() : undefined)
  const question =
    amountSat === undefined || rate === undefined
      ? undefined
      : { address: payable.address, amountSat, feeSatPerVb: rate }
  // Asked again when coins move, since Max and the fee move with them.
  const preview = useLoad(
    question === undefined ? undefined : JSON.stringify([question, balances]),
    async () => {
      if (question === undefined) throw new Error('There is nothing to preview.')
      return client().previewSend(question)
    },
  )
  const send = useAction(async () => {
    if (question === undefined) return
    const sent = await client().sendCoins(question)
    onSent({ ...sent, address: payable.address })
  })
  // Only the answer to this very question is shown and can be agreed to.
  const shown = preview.pending ? undefined : preview.value
  return (
    <section className="review" aria-label={t.send.review}>
      {payable.amountSat === undefined ? (
        <AmountField
          value={max ? (shown?.amountSat ?? '') : typed}
          disabled={send.pending}
          onText={(text) => {
            setMax(false)
            setTyped(text)
          }}
          problem={max ? undefined : amountProblem(typed, 0, false)}
          hint={max ? (kept === '0' ? t.send.maxOn : t.send.maxKept(formatSat(kept))) : undefined}
          end={
            <button
              type="button"
              className="field-button"
              aria-pressed={max}
              disabled={send.pending}
              onClick={() => {
                setMax(!max)
                setTyped('')
              }}
            >
              {t.send.max}
            </button>
          }
        />
      ) : (
        <p className="review-amount">
          <Amount sat={payable.amountSat} />
        </p>
      )}
      {control}
      <Facts
        facts={[
          { name: t.send.to, value: payable.address, code: true },
          payable.label === undefined || payable.label === ''
            ? undefined
            : { name: t.send.note, value: payable.label },
          payable.message === undefined || payable.message === ''
            ? undefined
            : { name: t.send.note, value: payable.message },
          { name: t.send.via, value: t.send.overChain },
          {
            name: t.send.fee,
            value:
              shown === undefined ? (
                question === undefined || preview.error !== undefined ? (
                  '–'
                ) : (
                  t.send.calculating
                )
              ) : (
                <>
                  <Amount sat={shown.feeSat} />{' '}
                  <span className="quiet">
                    {formatRate(shown.satPerVb)} {t.app.rate}
                  </span>
                </>
              ),
          },
          shown === undefined
            ? undefined
            : {
                name: t.send.total,
                value: <Amount sat={BigInt(shown.amountSat) + BigInt(shown.feeSat)} />,
              },
        ]}
      />
      <Trouble error={send.error ?? preview.error} />
      {send.pending ? <Waiting what={t.send.sending} /> : null}
      <Button
        look="primary"
        wide
        disabled={question === undefined || shown === undefined || send.pending}
        onClick={() => void send.run()}
      >
        {t.send.pay}
      </Button>
      {onLightning === undefined ? null : (
        <Button look="quiet" wide onClick={onLightning}>
          {t.send.payLightning}
        </Button>
      )}
    </section>
  )
}
