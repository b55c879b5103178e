import type { ReactNode } from 'react'
import '../styles/payments.css'
import type { Output } from '../../contract/procedures.ts'
import { useAction, useLoad, useNow } from '../state/hooks.ts'
import { useNames } from '../state/names.ts'
import { client, useNode } from '../state/session.ts'
import { formatMsat, shorten } from '../text/amounts.ts'
import { forwardText as words } from '../text/history.ts'
import { Amount } from '../widgets/Amount.tsx'
import { Button } from '../widgets/Button.tsx'
import { Facts } from '../widgets/Facts.tsx'
import { Trouble } from '../widgets/Trouble.tsx'

type UnderWay = Output<'listForwards'>['underWay'][number]

/** How often it is asked while it is looked at: forwards change no figure of the wallet's own before they are over. */
const EVERY_MS = 3_000

function Line({ forward }: { readonly forward: UnderWay }): ReactNode {
  const names = useNames()
  const channels = useNode((node) => node.channels)
  const decide = useAction((pass: boolean) => client().decideForward({ key: forward.key, forward: pass }))
  const peerOf = (channelId: string | undefined) => {
    if (channelId === undefined) return words.nowhere
    const peer = channels.find((channel) => channel.channelId === channelId)?.peer
    return peer === undefined ? shorten(channelId, 6, 4) : names.of(peer)
  }
  return (
    <li className="way way-part">
      <span>
        {words.from(peerOf(forward.incomingChannel), peerOf(forward.outgoingChannel))}
        <br />
        <span className="quiet">{words.states[forward.state]}</span>
        {forward.state === 'held' ? (
          <span className="buttons">
            <Button className="button-small" onClick={() => void decide.run(true)}>
              {words.pass}
            </Button>
            <Button className="button-small" look="quiet" onClick={() => void decide.run(false)}>
              {words.refuse}
            </Button>
          </span>
        ) : null}
        <Trouble error={decide.error} />
      </span>
      <span className="activity-amount">
        <Amount msat={forward.amountMsat} unit={false} />
        <span className="quiet">{words.fee(formatMsat(forward.feeMsat))}</span>
      </span>
    </li>
  )
}

/** What this node passes on for others, and what that has earned. */
export default function Forwards(): ReactNode {
  const now = useNow(EVERY_MS)
  const { value, error } = useLoad(`${Math.floor(now / EVERY_MS)}`, () => client().listForwards())
  if (value === undefined) return <Trouble error={error} />
  if (value.count === 0 && value.underWay.length === 0) return <p className="quiet">{words.none}</p>
  return (
    <div className="stack">
      <Facts
        facts={[
          { name: words.earned, value: <Amount msat={value.feeMsat} className="money-in" /> },
          { name: words.count, value: String(value.count) },
          { name: words.amount, value: <Amount msat={value.amountMsat} /> },
        ]}
      />
      {value.underWay.length === 0 ? null : (
        <>
          <h3 className="past-head">{words.underWay}</h3>
          <ul className="ways" aria-label={words.underWay}>
            {value.underWay.map((forward) => (
              <Line key={forward.key} forward={forward} />
            ))}
          </ul>
        </>
      )}
    </div>
  )
}
