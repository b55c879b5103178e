import type { ReactNode } from 'react'
import { useNodeNames } from '../../state/node-names.ts'
import { shorten } from '../../text/amounts.ts'
import { t } from '../../text/en.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import type { Sent } from './OnchainReview.tsx'

/** A node's name and key. */
export function Destination({ nodeId }: { readonly nodeId: string }): ReactNode {
  const of = useNodeNames(nodeId === '' ? [] : [nodeId])
  // Who is paid by an offer need not say who it is.
  if (nodeId === '') return t.send.unnamed
  const name = of(nodeId) === shorten(nodeId, 8, 6) ? undefined : of(nodeId)
  return (
    <>
      {name === undefined ? null : <span>{name} </span>}
      <Code text={nodeId} shown={shorten(nodeId, 8, 6)} label={t.send.to} />
    </>
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
