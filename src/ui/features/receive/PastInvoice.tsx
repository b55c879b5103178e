import type { ReactNode } from 'react'
import type { Invoice } from '../../../contract/schemas.ts'
import { useAction } from '../../state/hooks.ts'
import { useNames } from '../../state/names.ts'
import { client, useNode } from '../../state/session.ts'
import { shorten } from '../../text/amounts.ts'
import { payText as words } from '../../text/attempts.ts'
import { t } from '../../text/en.ts'
import { formatExact } from '../../text/times.ts'
import { Amount } from '../../widgets/Amount.tsx'
import { Button } from '../../widgets/Button.tsx'
import { Code } from '../../widgets/CopyShare.tsx'
import { Facts } from '../../widgets/Facts.tsx'
import { Mark } from '../../widgets/Mark.tsx'
import { Trouble } from '../../widgets/Trouble.tsx'

/** A payment that waits, whole, for its recipient's word. */
function Held({ invoice }: { readonly invoice: Invoice }): ReactNode {
  const { paymentHash } = invoice
  const decide = useAction((take: boolean) =>
    take ? client().settleInvoice({ paymentHash }) : client().cancelInvoice({ paymentHash }),
  )
  return (
    <div className="stack late">
      <p className="quiet">{words.held.about}</p>
      <Trouble error={decide.error} />
      <div className="buttons buttons-even">
        <Button look="primary" disabled={decide.pending} onClick={() => void decide.run(true)}>
          {words.held.take}
        </Button>
        <Button disabled={decide.pending} onClick={() => void decide.run(false)}>
          {words.held.giveBack}
        </Button>
      </div>
    </div>
  )
}

/** What came in, or was asked for: how much, in which parts, through which channels. */
export function PastInvoice({ invoice }: { readonly invoice: Invoice }): ReactNode {
  const names = useNames()
  const channels = useNode((node) => node.channels)
  const through = (channelId: string) => {
    const peer = channels.find((channel) => channel.channelId === channelId)?.peer
    return peer === undefined ? shorten(channelId, 8, 6) : names.of(peer)
  }
  const { parts, waiting, amountMsat, receivedMsat } = invoice
  const held = invoice.state === 'open' && waiting?.complete === true
  const over =
    receivedMsat === undefined || amountMsat === undefined ? 0n : BigInt(receivedMsat) - BigInt(amountMsat)
  return (
    <div className="outcome">
      <Mark
        className="outcome-mark"
        tone={invoice.state === 'paid' ? 'in' : 'accent'}
        drawn={invoice.state === 'paid' ? 1 : held ? 0.9 : 0.2}
      />
      <div role="status">
        <h2>{held ? words.held.title : t.past.invoiceStates[invoice.state]}</h2>
      </div>
      <p className="review-amount">
        <Amount msat={receivedMsat ?? waiting?.amountMsat ?? amountMsat ?? 0n} />
      </p>
      {held ? <Held invoice={invoice} /> : null}
      {waiting !== undefined && !held ? <p className="quiet">{words.held.waiting(waiting.parts)}</p> : null}
      <Facts
        facts={[
          invoice.description === '' ? undefined : { name: t.send.note, value: invoice.description },
          over > 0n && amountMsat !== undefined
            ? { name: words.received.asked, value: <Amount msat={amountMsat} /> }
            : undefined,
          over > 0n
            ? { name: words.received.more, value: <Amount msat={over} signed className="money-in" /> }
            : undefined,
          ...(parts.length === 1 ? parts : []).map((part) => ({
            name: words.received.came,
            value: through(part.channelId),
          })),
          { name: t.past.requested, value: formatExact(invoice.createdAt) },
          invoice.paidAt === undefined
            ? undefined
            : { name: t.past.paidAt, value: formatExact(invoice.paidAt) },
          { name: t.send.hash, value: <Code text={invoice.paymentHash} label={t.send.hash} />, code: true },
        ]}
      />
      {parts.length < 2 ? null : (
        <div className="ways-frame">
          <ul className="ways" aria-label={words.received.parts}>
            {parts.map((part, index) => (
              <li key={index} className="way way-part">
                <Amount msat={part.amountMsat} className="way-amount" />
                <span>{words.received.part(through(part.channelId))}</span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  )
}
